package computeapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

// serverView writes servers as one caller may see them at one microversion.
type serverView struct {
	r         *httpapi.Request
	minor     int
	admin     bool // sees hosts
	hosts     bool // sees host_status
	specs     bool // sees extra specs
	addresses map[string][]network.Address
	hostUp    map[string]bool
}

// view prepares to write servers: their addresses are read at once.
func (a *api) view(ctx context.Context, r *httpapi.Request, servers ...compute.Server) (*serverView, error) {
	target := own(r)
	if len(servers) == 1 {
		target["project_id"], target["user_id"] = servers[0].ProjectID, servers[0].UserID
	}
	sv := &serverView{r: r, minor: r.Version.Minor, admin: r.May("os_compute_api:os-extended-server-attributes", target)}
	sv.hosts = sv.minor >= 16 && r.May("os_compute_api:servers:show:host_status", target)
	sv.specs = sv.minor >= 47 && r.May("os_compute_api:servers:show:flavor-extra-specs", target)
	ids := make([]string, len(servers))
	for i := range servers {
		ids[i] = servers[i].ID
	}
	var err error
	if sv.addresses, err = a.svc.Addresses(ctx, ids...); err != nil {
		return nil, err
	}
	if sv.hosts {
		sv.hostUp = map[string]bool{}
		for _, h := range a.svc.ListHosts(ctx) {
			sv.hostUp[h.Name] = h.Up
		}
	}
	return sv, nil
}

// brief writes a server of the short list.
func (sv *serverView) brief(w *jsonWriter, s *compute.Server) {
	w.open('{')
	w.field("id", s.ID)
	w.field("name", s.Name)
	sv.links(w, s.ID)
	w.close('}')
}

// links writes the links of a server.
func (sv *serverView) links(w *jsonWriter, id string) {
	w.key("links")
	w.open('[')
	link(w, "self", sv.r.BaseURL+"/v2.1/servers/"+id)
	link(w, "bookmark", sv.r.BaseURL+"/servers/"+id)
	w.close(']')
}

func link(w *jsonWriter, rel, href string) {
	w.open('{')
	w.field("rel", rel)
	w.field("href", href)
	w.close('}')
}

// full writes all of a server; single is set where it is not part of a list.
func (sv *serverView) full(w *jsonWriter, s *compute.Server, single bool) {
	w.open('{')
	w.field("id", s.ID)
	w.field("name", s.Name)
	status := s.Status()
	w.field("status", status)
	w.field("tenant_id", s.ProjectID)
	w.field("user_id", s.UserID)
	w.texts("metadata", s.Metadata)
	w.field("hostId", hostID(s.ProjectID, s.Host))
	sv.image(w, s)
	sv.flavor(w, &s.Flavor)
	w.field("created", stamp(s.CreatedAt))
	w.field("updated", stamp(s.UpdatedAt))
	sv.addressList(w, s.ID)
	w.field("accessIPv4", s.AccessIPv4)
	w.field("accessIPv6", s.AccessIPv6)
	sv.links(w, s.ID)
	sv.outcome(w, s, status)
	w.field("OS-DCF:diskConfig", s.DiskConfig)
	w.field("OS-EXT-AZ:availability_zone", s.Zone)
	w.field("config_drive", yes(s.ConfigDrive))
	w.optional("key_name", s.KeyName)
	sv.states(w, s)
	sv.attributes(w, s)
	sv.volumes(w, s)
	sv.groups(w, s)
	sv.later(w, s, single)
	w.close('}')
}

// outcome writes how far a server is, or why it failed.
func (sv *serverView) outcome(w *jsonWriter, s *compute.Server, status string) {
	switch status {
	case "ACTIVE", "BUILD", "REBUILD", "RESIZE", "VERIFY_RESIZE", "MIGRATING":
		w.number("progress", s.Progress)
	case "ERROR":
		if s.Fault == nil {
			return
		}
		w.key("fault")
		w.open('{')
		w.number("code", s.Fault.Code)
		w.field("created", stamp(s.Fault.Created))
		w.field("message", s.Fault.Message)
		if sv.admin && s.Fault.Details != "" {
			w.field("details", s.Fault.Details)
		}
		w.close('}')
	}
}

func (sv *serverView) states(w *jsonWriter, s *compute.Server) {
	w.field("OS-EXT-STS:vm_state", string(s.VMState))
	w.optional("OS-EXT-STS:task_state", string(s.TaskState))
	w.number("OS-EXT-STS:power_state", int(s.PowerState))
	launched, _ := micros(s.LaunchedAt).(string)
	w.optional("OS-SRV-USG:launched_at", launched)
	terminated, _ := micros(s.TerminatedAt).(string)
	w.optional("OS-SRV-USG:terminated_at", terminated)
}

// attributes writes what admins see.
func (sv *serverView) attributes(w *jsonWriter, s *compute.Server) {
	if sv.hosts {
		w.field("host_status", sv.hostStatus(s.Host))
	}
	if !sv.admin {
		return
	}
	w.optional("OS-EXT-SRV-ATTR:host", s.Host)
	w.optional("OS-EXT-SRV-ATTR:hypervisor_hostname", s.Host)
	w.field("OS-EXT-SRV-ATTR:instance_name", s.InstanceName())
	if sv.minor < 3 {
		return
	}
	w.field("OS-EXT-SRV-ATTR:hostname", s.Hostname)
	w.field("OS-EXT-SRV-ATTR:reservation_id", s.ReservationID)
	w.number("OS-EXT-SRV-ATTR:launch_index", s.LaunchIndex)
	w.field("OS-EXT-SRV-ATTR:kernel_id", "")
	w.field("OS-EXT-SRV-ATTR:ramdisk_id", "")
	w.field("OS-EXT-SRV-ATTR:root_device_name", s.RootDevice())
	w.optional("OS-EXT-SRV-ATTR:user_data", s.UserData)
}

func (sv *serverView) hostStatus(host string) string {
	switch {
	case host == "":
		return ""
	case sv.hostUp[host]:
		return "UP"
	}
	return "DOWN"
}

func (sv *serverView) image(w *jsonWriter, s *compute.Server) {
	w.key("image")
	if s.ImageID == "" {
		w.str("")
		return
	}
	w.open('{')
	w.field("id", s.ImageID)
	w.key("links")
	w.open('[')
	link(w, "bookmark", sv.r.BaseURL+"/images/"+s.ImageID)
	w.close(']')
	w.close('}')
}

func (sv *serverView) flavor(w *jsonWriter, f *compute.ServerFlavor) {
	w.key("flavor")
	w.open('{')
	if sv.minor < 47 {
		w.field("id", f.ID)
		w.key("links")
		w.open('[')
		link(w, "bookmark", sv.r.BaseURL+"/flavors/"+f.ID)
		w.close(']')
		w.close('}')
		return
	}
	w.number("vcpus", f.VCPUs)
	w.number("ram", f.MemoryMiB)
	w.number("disk", f.DiskGiB)
	w.number("ephemeral", f.EphemeralGiB)
	w.number("swap", f.SwapMiB)
	w.field("original_name", f.Name)
	if sv.specs {
		w.texts("extra_specs", f.ExtraSpecs)
	}
	w.close('}')
}

// addressList writes the addresses of a server by the names of their networks.
func (sv *serverView) addressList(w *jsonWriter, id string) {
	w.key("addresses")
	writeAddresses(w, sv.addresses[id], true)
}

func writeAddresses(w *jsonWriter, list []network.Address, extended bool) {
	w.open('{')
	for i, first := range list {
		if seen(list[:i], first.NetworkName) {
			continue
		}
		w.next()
		w.buf = append(appendString(w.buf, first.NetworkName), ':')
		w.comma = false
		w.open('[')
		for _, a := range list[i:] {
			if a.NetworkName == first.NetworkName {
				writeAddress(w, a, extended)
			}
		}
		w.close(']')
	}
	w.close('}')
}

func seen(list []network.Address, name string) bool {
	for _, a := range list {
		if a.NetworkName == name {
			return true
		}
	}
	return false
}

func writeAddress(w *jsonWriter, a network.Address, extended bool) {
	w.open('{')
	version := 4
	if strings.Contains(a.IP, ":") {
		version = 6
	}
	w.number("version", version)
	w.field("addr", a.IP)
	if extended {
		kind := "fixed"
		if a.Floating {
			kind = "floating"
		}
		w.field("OS-EXT-IPS:type", kind)
		w.field("OS-EXT-IPS-MAC:mac_addr", a.MAC)
	}
	w.close('}')
}

func (sv *serverView) volumes(w *jsonWriter, s *compute.Server) {
	w.key("os-extended-volumes:volumes_attached")
	w.open('[')
	for _, vol := range s.Volumes {
		w.open('{')
		w.field("id", vol.VolumeID)
		if sv.minor >= 3 {
			w.truth("delete_on_termination", vol.DeleteOnTermination)
		}
		w.close('}')
	}
	w.close(']')
}

func (sv *serverView) groups(w *jsonWriter, s *compute.Server) {
	if len(s.SecurityGroups) == 0 {
		return
	}
	w.key("security_groups")
	w.open('[')
	for _, g := range s.SecurityGroups {
		w.open('{')
		w.field("name", g.Name)
		w.close('}')
	}
	w.close(']')
}

// later writes what came with later microversions.
func (sv *serverView) later(w *jsonWriter, s *compute.Server, single bool) {
	if sv.minor >= 9 {
		w.truth("locked", s.Locked)
	}
	if sv.minor >= 19 {
		w.optional("description", s.Description)
	}
	if sv.minor >= 26 {
		w.key("tags")
		w.open('[')
		for _, t := range s.Tags {
			w.str(t)
		}
		w.close(']')
	}
	if sv.minor >= 63 {
		w.optional("trusted_image_certificates", "")
	}
	if sv.minor >= 71 && single {
		w.key("server_groups")
		w.open('[')
		if s.GroupID != "" {
			w.str(s.GroupID)
		}
		w.close(']')
	}
	if sv.minor >= 73 {
		w.optional("locked_reason", s.LockedReason)
	}
}

// hostID is what a project may know of a host: the same for its servers on one host,
// another for each project.
func hostID(project, host string) string {
	if host == "" {
		return ""
	}
	sum := sha256.Sum224([]byte(project + host))
	return hex.EncodeToString(sum[:])
}

func yes(b bool) string {
	if b {
		return "True"
	}
	return ""
}

// one is the answer with a single server.
func (a *api) one(ctx context.Context, r *httpapi.Request, s compute.Server) (*httpapi.Response, error) {
	sv, err := a.view(ctx, r, s)
	if err != nil {
		return nil, err
	}
	w := jsonWriter{buf: make([]byte, 0, 2048)}
	w.open('{')
	w.key("server")
	sv.full(&w, &s, true)
	w.close('}')
	return httpapi.OK(json.RawMessage(w.buf)), nil
}

// list is the answer with a page of servers.
func (a *api) list(ctx context.Context, r *httpapi.Request, servers []compute.Server, next string, detail bool) (*httpapi.Response, error) {
	sv := &serverView{r: r, minor: r.Version.Minor}
	if detail {
		var err error
		if sv, err = a.view(ctx, r, servers...); err != nil {
			return nil, err
		}
	}
	w := jsonWriter{buf: make([]byte, 0, 128+1600*len(servers))}
	w.open('{')
	w.key("servers")
	w.open('[')
	for i := range servers {
		if detail {
			sv.full(&w, &servers[i], false)
		} else {
			sv.brief(&w, &servers[i])
		}
	}
	w.close(']')
	if next != "" {
		w.key("servers_links")
		w.open('[')
		link(&w, "next", r.NextURL(next))
		w.close(']')
	}
	w.close('}')
	return httpapi.OK(json.RawMessage(w.buf)), nil
}

// rebuilt is the answer to a rebuild: the server with its new password.
func (a *api) rebuilt(ctx context.Context, r *httpapi.Request, s compute.Server, pass string) (*httpapi.Response, error) {
	resp, err := a.one(ctx, r, s)
	if err != nil {
		return nil, err
	}
	if pass == "" {
		pass = s.ReservationID[2:] + s.ID[:4]
	}
	raw := resp.Body.(json.RawMessage)
	w := jsonWriter{buf: raw[:len(raw)-2], comma: true}
	w.field("adminPass", pass)
	w.close('}')
	w.close('}')
	resp.Body = json.RawMessage(w.buf)
	return resp, nil
}
