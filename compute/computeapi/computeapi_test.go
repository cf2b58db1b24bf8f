package computeapi_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/attachinterfaces"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/instanceactions"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/remoteconsoles"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/tags"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/volume"
)

// boot makes a server with gophercloud and waits for it.
func (s *site) boot(c *gophercloud.ServiceClient) *servers.Server {
	s.Helper()
	created, err := servers.Create(s.Context(), c, servers.CreateOpts{
		Name: "web", ImageRef: s.image, FlavorRef: "1", Networks: []servers.Network{{UUID: s.network.ID}},
		Metadata: map[string]string{"a": "b"},
	}, nil).Extract()
	require.NoError(s, err)
	require.NotEmpty(s, created.AdminPass)
	_, err = s.compute.WaitServer(s.Context(), created.ID)
	require.NoError(s, err)
	got, err := servers.Get(s.Context(), c, created.ID).Extract()
	require.NoError(s, err)
	require.Equal(s, "ACTIVE", got.Status, "%+v", got.Fault)
	return got
}

func TestGophercloudServerLife(t *testing.T) {
	for _, microversion := range []string{"2.1", "2.37", "2.60", "2.79"} {
		t.Run(microversion, func(t *testing.T) {
			s := serve(t, nil)
			ctx, c := t.Context(), s.client("member", microversion)
			got := s.boot(c)
			require.Contains(t, got.Addresses, "private")
			require.Equal(t, map[string]string{"a": "b"}, got.Metadata)
			require.Equal(t, s.image, got.Image["id"])
			require.Len(t, got.HostID, 56)

			pages, err := servers.List(c, servers.ListOpts{Name: "we"}).AllPages(ctx)
			require.NoError(t, err)
			list, err := servers.ExtractServers(pages)
			require.NoError(t, err)
			require.Len(t, list, 1)

			id := got.ID
			wait := func(err error, status string) {
				t.Helper()
				require.NoError(t, err)
				_, err = s.compute.WaitServer(ctx, id)
				require.NoError(t, err)
				got, err := servers.Get(ctx, c, id).Extract()
				require.NoError(t, err)
				require.Equal(t, status, got.Status, "%+v", got.Fault)
			}
			wait(servers.Stop(ctx, c, id).ExtractErr(), "SHUTOFF")
			wait(servers.Start(ctx, c, id).ExtractErr(), "ACTIVE")
			wait(servers.Reboot(ctx, c, id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr(), "ACTIVE")
			wait(servers.Pause(ctx, c, id).ExtractErr(), "PAUSED")
			wait(servers.Unpause(ctx, c, id).ExtractErr(), "ACTIVE")
			wait(servers.Suspend(ctx, c, id).ExtractErr(), "SUSPENDED")
			wait(servers.Resume(ctx, c, id).ExtractErr(), "ACTIVE")
			wait(servers.Lock(ctx, c, id).ExtractErr(), "ACTIVE")
			require.True(t, gophercloud.ResponseCodeIs(servers.Stop(ctx, c, id).ExtractErr(), http.StatusConflict))
			wait(servers.Unlock(ctx, c, id).ExtractErr(), "ACTIVE")
			wait(servers.Resize(ctx, c, id, servers.ResizeOpts{FlavorRef: "2"}).ExtractErr(), "VERIFY_RESIZE")
			wait(servers.ConfirmResize(ctx, c, id).ExtractErr(), "ACTIVE")
			_, err = servers.Rebuild(ctx, c, id, servers.RebuildOpts{ImageRef: s.image, Name: "again"}).Extract()
			wait(err, "ACTIVE")
			imageID, err := servers.CreateImage(ctx, c, id, servers.CreateImageOpts{Name: "snap"}).ExtractImageID()
			wait(err, "ACTIVE")
			require.NotEmpty(t, imageID)
			wait(servers.Shelve(ctx, c, id).ExtractErr(), "SHELVED_OFFLOADED")
			wait(servers.Unshelve(ctx, c, id, servers.UnshelveOpts{}).ExtractErr(), "ACTIVE")
			out, err := servers.ShowConsoleOutput(ctx, c, id, servers.ShowConsoleOutputOpts{Length: 5}).Extract()
			require.NoError(t, err)
			require.NotEmpty(t, out)
			require.NoError(t, servers.Delete(ctx, c, id).ExtractErr())
			_, _ = s.compute.WaitServer(ctx, id)
			_, err = servers.Get(ctx, c, id).Extract()
			require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound))
		})
	}
}

func TestGophercloudAttachments(t *testing.T) {
	s := serve(t, nil)
	ctx, c := t.Context(), s.client("member", "2.79")
	server := s.boot(c)

	vol, err := s.volumes.CreateVolume(ctx, people["member"].ProjectID, volume.CreateOptions{Name: "v", SizeGiB: 1})
	require.NoError(t, err)
	_, err = s.volumes.WaitVolume(ctx, vol.ID)
	require.NoError(t, err)
	att, err := volumeattach.Create(ctx, c, server.ID, volumeattach.CreateOpts{VolumeID: vol.ID}).Extract()
	require.NoError(t, err)
	require.Equal(t, "/dev/vdb", att.Device)
	_, err = s.compute.WaitServer(ctx, server.ID)
	require.NoError(t, err)
	got, err := servers.Get(ctx, c, server.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, vol.ID, got.AttachedVolumes[0].ID)
	require.NoError(t, volumeattach.Delete(ctx, c, server.ID, vol.ID).ExtractErr())
	_, err = s.compute.WaitServer(ctx, server.ID)
	require.NoError(t, err)
	now, err := s.volumes.GetVolume(ctx, vol.ID)
	require.NoError(t, err)
	require.Equal(t, volume.Available, now.Status)

	nic, err := attachinterfaces.Create(ctx, c, server.ID, attachinterfaces.CreateOpts{NetworkID: s.network.ID}).Extract()
	require.NoError(t, err)
	require.Equal(t, "ACTIVE", nic.PortState)
	require.NoError(t, attachinterfaces.Delete(ctx, c, server.ID, nic.PortID).ExtractErr())
	_, err = s.compute.WaitServer(ctx, server.ID)
	require.NoError(t, err)
	pages, err := attachinterfaces.List(c, server.ID).AllPages(ctx)
	require.NoError(t, err)
	nics, err := attachinterfaces.ExtractInterfaces(pages)
	require.NoError(t, err)
	require.Len(t, nics, 1)

	require.NoError(t, tags.Add(ctx, c, server.ID, "blue").ExtractErr())
	all, err := tags.List(ctx, c, server.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, []string{"blue"}, all)

	console, err := remoteconsoles.Create(ctx, c, server.ID, remoteconsoles.CreateOpts{
		Protocol: remoteconsoles.ConsoleProtocolVNC, Type: remoteconsoles.ConsoleTypeNoVNC,
	}).Extract()
	require.NoError(t, err)
	require.Contains(t, console.URL, "http")

	actions, err := instanceactions.List(c, server.ID, nil).AllPages(ctx)
	require.NoError(t, err)
	listed, err := instanceactions.ExtractInstanceActions(actions)
	require.NoError(t, err)
	require.Equal(t, "create", listed[len(listed)-1].Action)
	one, err := instanceactions.Get(ctx, s.client("admin", "2.79"), server.ID, listed[len(listed)-1].RequestID).Extract()
	require.NoError(t, err)
	require.NotEmpty(t, *one.Events)
}

func TestGophercloudOtherResources(t *testing.T) {
	s := serve(t, nil)
	ctx, admin, c := t.Context(), s.client("admin", "2.79"), s.client("member", "2.79")

	disk := 3
	f, err := flavors.Create(ctx, admin, flavors.CreateOpts{Name: "x", RAM: 128, VCPUs: 1, Disk: &disk}).Extract()
	require.NoError(t, err)
	_, err = flavors.CreateExtraSpecs(ctx, admin, f.ID, flavors.ExtraSpecsOpts{"hw:x": "1"}).Extract()
	require.NoError(t, err)
	f, err = flavors.Get(ctx, c, f.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, map[string]string{"hw:x": "1"}, f.ExtraSpecs)
	require.NoError(t, flavors.Delete(ctx, admin, f.ID).ExtractErr())

	k, err := keypairs.Create(ctx, c, keypairs.CreateOpts{Name: "key"}).Extract()
	require.NoError(t, err)
	require.Contains(t, k.PrivateKey, "PRIVATE KEY")
	same, err := keypairs.Create(ctx, c, keypairs.CreateOpts{Name: "copy", PublicKey: k.PublicKey}).Extract()
	require.NoError(t, err)
	require.Equal(t, k.Fingerprint, same.Fingerprint)
	require.NoError(t, keypairs.Delete(ctx, c, "key", nil).ExtractErr())

	g, err := servergroups.Create(ctx, c, servergroups.CreateOpts{Name: "g", Policy: "anti-affinity"}).Extract()
	require.NoError(t, err)
	require.Equal(t, "anti-affinity", *g.Policy)
	require.NoError(t, servergroups.Delete(ctx, c, g.ID).ExtractErr())

	l, err := limits.Get(ctx, c, nil).Extract()
	require.NoError(t, err)
	require.Equal(t, 100, l.Absolute.MaxTotalKeypairs)
	cores := 7
	q, err := quotasets.Update(ctx, admin, people["member"].ProjectID, quotasets.UpdateOpts{Cores: &cores}).Extract()
	require.NoError(t, err)
	require.Equal(t, 7, q.Cores)

	for _, microversion := range []string{"2.1", "2.28", "2.53", "2.79"} {
		pages, err := hypervisors.List(s.client("admin", microversion), nil).AllPages(ctx)
		require.NoError(t, err)
		hosts, err := hypervisors.ExtractHypervisors(pages)
		require.NoError(t, err)
		require.Equal(t, "host-1", hosts[0].HypervisorHostname)
	}
}

func TestVersionsAreListedOldestFirst(t *testing.T) {
	s := serve(t, nil)
	versions := s.ask("", "", "GET", "/compute/", "").body["versions"].([]any)
	require.Equal(t, "v2.0", versions[0].(map[string]any)["id"])
	newest := versions[1].(map[string]any)
	require.Equal(t, []any{"v2.1", "CURRENT", "2.1", "2.79"}, []any{newest["id"], newest["status"], newest["min_version"], newest["version"]})
	one := s.ask("", "", "GET", "/compute/v2.1/", "").body["version"].(map[string]any)
	require.Equal(t, s.url+"/compute/v2.1/", one["links"].([]any)[0].(map[string]any)["href"])
}

func TestWhoMaySeeWhat(t *testing.T) {
	s := serve(t, nil)
	server := s.boot(s.client("member", "2.1"))
	path := "/servers/" + server.ID
	require.Equal(t, 200, s.ask("reader", "", "GET", path, "").status)
	require.Equal(t, 404, s.ask("stranger", "", "GET", path, "").status)
	require.Equal(t, 404, s.ask("stranger", "", "DELETE", path, "").status)
	require.Equal(t, 403, s.ask("reader", "", "DELETE", path, "").status)
	require.Equal(t, 401, s.ask("nobody", "", "GET", path, "").status)
	require.Equal(t, 403, s.ask("member", "", "GET", "/servers?all_tenants=1", "").status)
	require.Equal(t, 403, s.ask("member", "", "GET", "/os-hypervisors", "").status)
	for person, sees := range map[string]bool{"admin": true, "member": false} {
		view := s.ask(person, "", "GET", path, "").body["server"].(map[string]any)
		_, host := view["OS-EXT-SRV-ATTR:host"]
		require.Equal(t, sees, host, person)
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	s := serve(t, nil)
	const uuid = "5f0b5cd4-0000-4000-8000-000000000000"
	server := func(more string) string {
		return fmt.Sprintf(`{"server":{"name":"x","imageRef":%q,"flavorRef":"1"%s}}`, s.image, more)
	}
	for name, c := range map[string]struct {
		microversion, method, path, body string
		status                           int
	}{
		"unknown field":     {"", "POST", "/servers", server(`,"colour":"red"`), 400},
		"tags too early":    {"compute 2.51", "POST", "/servers", server(`,"tags":["a"],"networks":"none"`), 400},
		"networks missing":  {"compute 2.37", "POST", "/servers", server(""), 400},
		"unknown network":   {"", "POST", "/servers", server(`,"networks":[{"uuid":"` + uuid + `"}]`), 400},
		"unknown flavor":    {"", "POST", "/servers", fmt.Sprintf(`{"server":{"name":"x","imageRef":%q,"flavorRef":"no"}}`, s.image), 400},
		"unknown image":     {"", "POST", "/servers", `{"server":{"name":"x","imageRef":"` + uuid + `","flavorRef":"1"}}`, 400},
		"no name":           {"", "POST", "/servers", `{"server":{"imageRef":"` + s.image + `","flavorRef":"1"}}`, 400},
		"bad user data":     {"", "POST", "/servers", server(`,"user_data":"%%"`), 400},
		"min over max":      {"", "POST", "/servers", server(`,"min_count":3,"max_count":2`), 400},
		"not JSON":          {"", "POST", "/servers", `{`, 400},
		"unknown action":    {"", "POST", "/servers/" + uuid + "/action", `{"dance":null}`, 400},
		"no such server":    {"", "POST", "/servers/" + uuid + "/action", `{"os-stop":null}`, 404},
		"bad marker":        {"", "GET", "/servers?marker=" + uuid, "", 400},
		"bad limit":         {"", "GET", "/servers?limit=-1", "", 400},
		"unknown status":    {"compute 2.38", "GET", "/servers?status=happy", "", 400},
		"newer than newest": {"compute 2.999", "GET", "/servers", "", 406},
		"malformed version": {"compute two", "GET", "/servers", "", 400},
		"route is gone":     {"compute 2.36", "GET", "/os-security-groups", "", 404},
		"route is not yet":  {"compute 2.25", "GET", "/servers/" + uuid + "/tags", "", 404},
		"bad keypair":       {"", "POST", "/os-keypairs", `{"keypair":{"name":"k","public_key":"nonsense"}}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			a := s.ask("member", c.microversion, c.method, c.path, c.body)
			require.Equal(t, c.status, a.status, "%v", a.body)
		})
	}
	require.Empty(t, s.compute.ListServers(t.Context(), "", nil))
}

func TestListFiltersSortsAndPages(t *testing.T) {
	s := serve(t, nil)
	c := s.client("member", "2.60")
	for range 3 {
		s.boot(c)
	}
	names := func(query string) []string {
		a := s.ask("member", "compute 2.60", "GET", "/servers"+query, "")
		require.Equal(t, 200, a.status, "%v", a.body)
		var ids []string
		for _, v := range a.body["servers"].([]any) {
			ids = append(ids, v.(map[string]any)["id"].(string))
		}
		return ids
	}
	all := names("")
	require.Len(t, all, 3)
	require.Equal(t, all[:2], names("?limit=2"))
	require.Equal(t, all[2:], names("?limit=2&marker="+all[1]))
	up := names("?sort_key=created_at&sort_dir=asc")
	require.Equal(t, []string{all[2], all[1], all[0]}, up)
	require.Empty(t, names("?status=SHUTOFF"))
	require.Len(t, names("?status=ACTIVE&name=w.b"), 3)
	require.Empty(t, names("?flavor=2"))
	require.Len(t, names("?ip=10.8"), 3)
	first := s.ask("member", "compute 2.60", "GET", "/servers?limit=2", "")
	require.Contains(t, first.body, "servers_links")
}

func TestOldProxies(t *testing.T) {
	s := serve(t, nil)
	a := s.ask("member", "", "POST", "/os-security-groups", `{"security_group":{"name":"web","description":"d"}}`)
	require.Equal(t, 200, a.status, "%v", a.body)
	id := a.body["security_group"].(map[string]any)["id"].(string)
	a = s.ask("member", "", "POST", "/os-security-group-rules", fmt.Sprintf(
		`{"security_group_rule":{"parent_group_id":%q,"ip_protocol":"tcp","from_port":22,"to_port":"22","cidr":"0.0.0.0/0"}}`, id))
	require.Equal(t, 200, a.status, "%v", a.body)
	rule := a.body["security_group_rule"].(map[string]any)
	require.Equal(t, map[string]any{"cidr": "0.0.0.0/0"}, rule["ip_range"])
	require.Equal(t, 404, s.ask("stranger", "", "GET", "/os-security-groups/"+id, "").status)
	server := s.boot(s.client("member", "2.1"))
	require.Equal(t, 202, s.ask("member", "", "POST", "/servers/"+server.ID+"/action", `{"addSecurityGroup":{"name":"web"}}`).status)
	a = s.ask("member", "", "GET", "/servers/"+server.ID+"/os-security-groups", "")
	require.Len(t, a.body["security_groups"], 2)
	require.Equal(t, 202, s.ask("member", "", "POST", "/servers/"+server.ID+"/action", `{"removeSecurityGroup":{"name":"web"}}`).status)
	require.Equal(t, 202, s.ask("member", "", "DELETE", "/os-security-groups/"+id, "").status)
	require.Len(t, s.ask("member", "", "GET", "/images", "").body["images"], 1)
	require.Len(t, s.ask("member", "", "GET", "/os-networks", "").body["networks"], 1)
}

func TestPlacementShowsClaims(t *testing.T) {
	s := serve(t, nil)
	server := s.boot(s.client("member", "2.1"))
	a := s.ask("admin", "placement 1.39", "GET", "/placement/allocations/"+server.ID, "")
	require.Equal(t, 200, a.status)
	require.Len(t, a.body["allocations"], 1)
	require.Equal(t, "INSTANCE", a.body["consumer_type"])
	a = s.ask("admin", "placement 1.39", "GET", "/placement/allocation_candidates?resources=VCPU:1,MEMORY_MB:64&required=HW_ARCH_X86_64", "")
	require.Len(t, a.body["allocation_requests"], 1)
	require.Equal(t, 403, s.ask("member", "", "GET", "/placement/resource_providers", "").status)
	require.Equal(t, 201, s.ask("admin", "placement 1.7", "PUT", "/placement/resource_classes/CUSTOM_GOLD", "").status)
	require.Equal(t, 204, s.ask("admin", "placement 1.7", "PUT", "/placement/resource_classes/CUSTOM_GOLD", "").status)
	require.Equal(t, 400, s.ask("admin", "placement 1.7", "PUT", "/placement/resource_classes/gold", "").status)
}

func BenchmarkShowServer(b *testing.B) {
	s := serve(b, nil)
	server := s.boot(s.client("member", "2.1"))
	for b.Loop() {
		require.Equal(b, 200, s.ask("member", "compute 2.60", "GET", "/servers/"+server.ID, "").status)
	}
}

func BenchmarkListThousandServers(b *testing.B) {
	s := serve(b, nil)
	body, err := json.Marshal(map[string]any{"server": map[string]any{
		"name": "many", "imageRef": s.image, "flavorRef": "1", "min_count": 1000, "networks": []any{map[string]string{"uuid": s.network.ID}},
	}})
	require.NoError(b, err)
	require.Equal(b, 202, s.ask("member", "", "POST", "/servers", string(body)).status)
	for _, server := range s.compute.ListServers(b.Context(), "", func(*compute.Server) (bool, bool) { return true, true }) {
		_, err := s.compute.WaitServer(b.Context(), server.ID)
		require.NoError(b, err)
	}
	req, err := http.NewRequestWithContext(b.Context(), "GET", s.url+"/compute/v2.1/servers/detail", nil)
	require.NoError(b, err)
	req.Header.Set("X-Auth-Token", "member")
	for b.Loop() {
		resp, err := http.DefaultClient.Do(req)
		require.NoError(b, err)
		n := 0
		buf := make([]byte, 64<<10)
		for {
			k, err := resp.Body.Read(buf)
			n += k
			if err != nil {
				break
			}
		}
		resp.Body.Close()
		require.Greater(b, n, 1_000_000)
	}
}

// BenchmarkBoot measures POST to ACTIVE, one server after the other, on durable
// state.
func BenchmarkBoot(b *testing.B) {
	s := serve(b, durable(b))
	c := s.client("member", "2.60")
	s.boot(c)
	for b.Loop() {
		s.boot(c)
	}
}

// BenchmarkBurst measures a hundred servers that are asked for at once, on durable
// state; the time is that of one server.
func BenchmarkBurst(b *testing.B) {
	s := serve(b, durable(b))
	s.boot(s.client("member", "2.60"))
	body, err := json.Marshal(map[string]any{"server": map[string]any{
		"name": "many", "imageRef": s.image, "flavorRef": "1", "min_count": 100, "networks": []any{map[string]string{"uuid": s.network.ID}},
	}})
	require.NoError(b, err)
	for i := 0; b.Loop(); i++ {
		if i%100 != 0 {
			continue
		}
		require.Equal(b, 202, s.ask("member", "", "POST", "/servers", string(body)).status)
		for _, server := range s.compute.ListServers(b.Context(), "", func(v *compute.Server) (bool, bool) { return v.VMState == compute.Building, true }) {
			got, err := s.compute.WaitServer(b.Context(), server.ID)
			require.NoError(b, err)
			require.Equal(b, "ACTIVE", got.Status())
		}
	}
}
