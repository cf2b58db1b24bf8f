package computeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) zoneRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/os-availability-zone", Policy: "os_compute_api:os-availability-zone:list", Handle: a.listZones(false)},
		{Method: "GET", Path: "/v2.1/os-availability-zone/detail", Policy: "os_compute_api:os-availability-zone:detail", Handle: a.listZones(true)},
	}
}

func (a *api) listZones(detail bool) httpapi.Handler {
	return func(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
		list := []any{}
		for _, z := range a.svc.ListZones(ctx) {
			available := slices.ContainsFunc(z.Hosts, func(h compute.HostStatus) bool { return !h.Disabled })
			entry := map[string]any{"zoneName": z.Name, "zoneState": map[string]bool{"available": available}, "hosts": nil}
			if detail {
				hosts := map[string]any{}
				for _, h := range z.Hosts {
					hosts[h.Name] = map[string]any{"nova-compute": map[string]any{
						"active": !h.Disabled, "available": h.Up, "updated_at": micros(h.UpdatedAt),
					}}
				}
				entry["hosts"] = hosts
			}
			list = append(list, entry)
		}
		return httpapi.OK(map[string]any{"availabilityZoneInfo": list}), nil
	}
}

func (a *api) serviceRoutes() []httpapi.Route {
	const update = "os_compute_api:os-services:update"
	host := func(more ...property) []httpapi.Schema {
		required := []string{"host", "binary"}
		all := []property{{name: "host", schema: sHost}, {name: "binary", schema: `{"type":"string","minLength":1,"maxLength":255}`}}
		for _, p := range more {
			all, required = append(all, p), append(required, p.name)
		}
		return body(object(0, required, all...))
	}
	old := func(action string, schema []httpapi.Schema) httpapi.Route {
		return httpapi.Route{
			Method: "PUT", Path: "/v2.1/os-services/" + action, Policy: update, Max: v(52), Body: schema, Handle: a.oldService(action),
		}
	}
	down := old("force-down", host(property{name: "forced_down", schema: sBool}))
	down.Min = v(11)
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/os-services", Policy: "os_compute_api:os-services:list", Handle: a.listServices},
		old("enable", host()), old("disable", host()),
		old("disable-log-reason", host(property{name: "disabled_reason", schema: `{"type":"string","minLength":1,"maxLength":255}`})), down,
		{
			Method: "PUT", Path: "/v2.1/os-services/{service_id}", Policy: update, Min: v(53), Handle: a.updateService,
			Body: body(object(0, nil,
				property{name: "status", schema: `{"type":"string","enum":["enabled","disabled"]}`},
				property{name: "disabled_reason", schema: `{"type":"string","minLength":1,"maxLength":255}`},
				property{name: "forced_down", schema: sBool})),
		},
	}
}

func status(h *compute.HostStatus) string {
	if h.Disabled {
		return "disabled"
	}
	return "enabled"
}

func up(h *compute.HostStatus) string {
	if h.Up {
		return "up"
	}
	return "down"
}

func serviceView(r *httpapi.Request, h *compute.HostStatus) map[string]any {
	out := map[string]any{
		"id": h.Number, "binary": "nova-compute", "host": h.Name, "zone": h.Zone, "status": status(h), "state": up(h),
		"updated_at": micros(h.UpdatedAt), "disabled_reason": orNil(h.DisabledReason),
	}
	if r.Version.AtLeast(2, 11) {
		out["forced_down"] = h.ForcedDown
	}
	if r.Version.AtLeast(2, 53) {
		out["id"] = h.ServiceID
	}
	return out
}

func (a *api) listServices(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	list := []any{}
	for _, h := range a.svc.ListHosts(ctx) {
		if q.Get("host") != "" && q.Get("host") != h.Name || q.Get("binary") != "" && q.Get("binary") != "nova-compute" {
			continue
		}
		list = append(list, serviceView(r, &h))
	}
	return httpapi.OK(map[string]any{"services": list}), nil
}

func (a *api) oldService(action string) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		var in struct {
			Host   string    `json:"host"`
			Binary string    `json:"binary"`
			Reason *string   `json:"disabled_reason"`
			Down   looseBool `json:"forced_down"`
		}
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
		if in.Binary != "nova-compute" {
			return nil, fault.New(fault.NotFound, "Could not find binary %s on host %s.", in.Binary, in.Host)
		}
		var u compute.HostUpdate
		disabled, down := action != "enable", bool(in.Down)
		if action == "force-down" {
			u.ForcedDown = &down
		} else {
			u.Disabled, u.DisabledReason = &disabled, in.Reason
		}
		h, err := a.svc.UpdateHost(ctx, in.Host, u)
		if err != nil {
			return nil, err
		}
		out := map[string]any{"host": h.Name, "binary": in.Binary}
		switch action {
		case "force-down":
			out["forced_down"] = h.ForcedDown
		case "disable-log-reason":
			out["disabled_reason"] = h.DisabledReason
			fallthrough
		default:
			out["status"] = status(&h)
		}
		return httpapi.OK(map[string]any{"service": out}), nil
	}
}

func (a *api) updateService(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Status *string    `json:"status"`
		Reason *string    `json:"disabled_reason"`
		Down   *looseBool `json:"forced_down"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Reason != nil && (in.Status == nil || *in.Status != "disabled") {
		return nil, fault.New(fault.Invalid, "Specifying disabled_reason requires that status is disabled.")
	}
	for _, h := range a.svc.ListHosts(ctx) {
		if h.ServiceID != r.Path("service_id") {
			continue
		}
		u := compute.HostUpdate{DisabledReason: in.Reason, ForcedDown: (*bool)(in.Down)}
		if in.Status != nil {
			disabled := *in.Status == "disabled"
			u.Disabled = &disabled
		}
		changed, err := a.svc.UpdateHost(ctx, h.Name, u)
		if err != nil {
			return nil, err
		}
		return httpapi.OK(map[string]any{"service": serviceView(r, &changed)}), nil
	}
	return nil, fault.New(fault.NotFound, "Service %s not found.", r.Path("service_id"))
}

func (a *api) hypervisorRoutes() []httpapi.Route {
	const base = "/v2.1/os-hypervisors"
	rule := func(name string) string { return "os_compute_api:os-hypervisors:" + name }
	return []httpapi.Route{
		{Method: "GET", Path: base, Policy: rule("list"), Handle: a.listHypervisors(false)},
		{Method: "GET", Path: base + "/detail", Policy: rule("list-detail"), Handle: a.listHypervisors(true)},
		{Method: "GET", Path: base + "/statistics", Policy: rule("statistics"), Handle: a.statistics},
		{Method: "GET", Path: base + "/{id}", Policy: rule("show"), Handle: a.showHypervisor},
		{Method: "GET", Path: base + "/{id}/uptime", Policy: rule("uptime"), Handle: a.uptime},
		{Method: "GET", Path: base + "/{id}/search", Policy: rule("search"), Max: v(52), Handle: a.searchHypervisors(false)},
		{Method: "GET", Path: base + "/{id}/servers", Policy: rule("servers"), Max: v(52), Handle: a.searchHypervisors(true)},
	}
}

// hypervisorView is a hypervisor as the API shows it; servers are added where asked
// for.
func (a *api) hypervisorView(ctx context.Context, r *httpapi.Request, h *compute.HostStatus, detail, servers bool) map[string]any {
	out := map[string]any{"id": h.Number, "hypervisor_hostname": h.Name, "state": up(h), "status": status(h)}
	if r.Version.AtLeast(2, 53) {
		out["id"] = h.ID
	}
	if servers {
		if list := a.hostServers(ctx, h.Name); len(list) > 0 || !r.Version.AtLeast(2, 53) || r.Version.AtLeast(2, 75) {
			out["servers"] = list
		}
	}
	if !detail {
		return out
	}
	service := map[string]any{"host": h.Name, "id": h.Number, "disabled_reason": orNil(h.DisabledReason)}
	if r.Version.AtLeast(2, 53) {
		service["id"] = h.ServiceID
	}
	out["service"], out["host_ip"] = service, "127.0.0.1"
	out["hypervisor_type"], out["hypervisor_version"] = h.Info.Type, h.Info.Version
	out["vcpus"], out["vcpus_used"] = h.Info.VCPUs, h.UsedVCPUs
	out["memory_mb"], out["memory_mb_used"], out["free_ram_mb"] = h.Info.MemoryMiB, h.UsedMemoryMiB, h.Info.MemoryMiB-h.UsedMemoryMiB
	out["local_gb"], out["local_gb_used"], out["free_disk_gb"] = h.Info.DiskGiB, h.UsedDiskGiB, h.Info.DiskGiB-h.UsedDiskGiB
	out["running_vms"], out["current_workload"], out["disk_available_least"] = h.Servers, 0, h.Info.DiskGiB-h.UsedDiskGiB
	out["cpu_info"] = cpuInfo(r, h)
	return out
}

func cpuInfo(r *httpapi.Request, h *compute.HostStatus) any {
	info := map[string]any{}
	for k, value := range h.Info.CPUInfo {
		info[k] = value
	}
	if r.Version.AtLeast(2, 28) {
		return info
	}
	text, err := json.Marshal(info)
	if err != nil {
		return ""
	}
	return string(text)
}

func (a *api) hostServers(ctx context.Context, host string) []any {
	list := []any{}
	for _, s := range a.svc.ServersOn(ctx, host) {
		list = append(list, map[string]string{"uuid": s.ID, "name": s.InstanceName()})
	}
	return list
}

func (a *api) listHypervisors(detail bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		hosts := a.svc.ListHosts(ctx)
		q := r.Query()
		new53 := r.Version.AtLeast(2, 53)
		if pattern := q.Get("hypervisor_hostname_pattern"); pattern != "" && new53 {
			hosts = slices.DeleteFunc(hosts, func(h compute.HostStatus) bool { return !strings.Contains(h.Name, pattern) })
			if len(hosts) == 0 {
				return nil, fault.New(fault.NotFound, "No hypervisor matching '%s' could be found.", pattern)
			}
		}
		next := ""
		if r.Version.AtLeast(2, 33) {
			paging, err := r.Paging(nil)
			if err != nil {
				return nil, err
			}
			cut, err := httpapi.Cut(slices.Values(hosts), paging, func(h compute.HostStatus) string { return hypervisorID(r, &h) })
			if err != nil {
				return nil, err
			}
			hosts, next = cut.Items, cut.Next
		}
		list := []any{}
		for i := range hosts {
			list = append(list, a.hypervisorView(ctx, r, &hosts[i], detail, new53 && flag(q, "with_servers")))
		}
		return httpapi.OK(page(r, "hypervisors", list, next)), nil
	}
}

func hypervisorID(r *httpapi.Request, h *compute.HostStatus) string {
	if r.Version.AtLeast(2, 53) {
		return h.ID
	}
	return strconv.Itoa(h.Number)
}

func (a *api) hypervisor(ctx context.Context, r *httpapi.Request) (compute.HostStatus, error) {
	for _, h := range a.svc.ListHosts(ctx) {
		if hypervisorID(r, &h) == r.Path("id") {
			return h, nil
		}
	}
	return compute.HostStatus{}, fault.New(fault.NotFound, "Hypervisor with ID '%s' could not be found.", r.Path("id"))
}

func (a *api) showHypervisor(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	h, err := a.hypervisor(ctx, r)
	if err != nil {
		return nil, err
	}
	withServers := r.Version.AtLeast(2, 53) && flag(r.Query(), "with_servers")
	return httpapi.OK(map[string]any{"hypervisor": a.hypervisorView(ctx, r, &h, true, withServers)}), nil
}

func (a *api) uptime(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	h, err := a.hypervisor(ctx, r)
	if err != nil {
		return nil, err
	}
	out := a.hypervisorView(ctx, r, &h, false, false)
	out["uptime"] = ""
	return httpapi.OK(map[string]any{"hypervisor": out}), nil
}

func (a *api) searchHypervisors(servers bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		list := []any{}
		for _, h := range a.svc.ListHosts(ctx) {
			if strings.Contains(h.Name, r.Path("id")) {
				list = append(list, a.hypervisorView(ctx, r, &h, false, servers))
			}
		}
		if len(list) == 0 {
			return nil, fault.New(fault.NotFound, "No hypervisor matching '%s' could be found.", r.Path("id"))
		}
		return httpapi.OK(map[string]any{"hypervisors": list}), nil
	}
}

func (a *api) statistics(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	sum := map[string]int{}
	for _, h := range a.svc.ListHosts(ctx) {
		for name, n := range a.hypervisorView(ctx, r, &h, true, false) {
			if n, ok := n.(int); ok && name != "id" && name != "hypervisor_version" {
				sum[name] += n
			}
		}
		sum["count"]++
	}
	return &httpapi.Response{Status: http.StatusOK, Body: map[string]any{"hypervisor_statistics": sum}}, nil
}
