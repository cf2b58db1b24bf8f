package computeapi

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) usageRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/os-simple-tenant-usage", Policy: "os_compute_api:os-simple-tenant-usage:list", Handle: a.listUsage},
		{
			Method: "GET", Path: "/v2.1/os-simple-tenant-usage/{project_id}", Policy: "os_compute_api:os-simple-tenant-usage:show",
			Target: projectTarget, Handle: a.showUsage,
		},
	}
}

// period is the time that usage is asked for: the last four weeks by default.
func (a *api) period(r *httpapi.Request) (start, end time.Time, err error) {
	end = a.svc.Now()
	if text := r.Query().Get("end"); text != "" {
		if end, err = parseTime("end", text); err != nil {
			return
		}
	}
	start = end.Add(-28 * 24 * time.Hour)
	if text := r.Query().Get("start"); text != "" {
		start, err = parseTime("start", text)
	}
	return
}

// usageOf sums what a project's present servers used in a time. Servers that are
// gone are not kept and so not counted.
func usageOf(servers []compute.Server, project string, start, end time.Time, detail bool) map[string]any {
	var hours, vcpus, memory, disk float64
	list := []any{}
	for _, s := range servers {
		from := s.CreatedAt
		if !s.LaunchedAt.IsZero() {
			from = s.LaunchedAt
		}
		if from.Before(start) {
			from = start
		}
		h := max(end.Sub(from).Hours(), 0)
		hours += h
		vcpus += h * float64(s.Flavor.VCPUs)
		memory += h * float64(s.Flavor.MemoryMiB)
		disk += h * float64(s.Flavor.DiskGiB)
		list = append(list, map[string]any{
			"instance_id": s.ID, "name": s.Name, "tenant_id": s.ProjectID, "flavor": s.Flavor.Name, "hours": h,
			"vcpus": s.Flavor.VCPUs, "memory_mb": s.Flavor.MemoryMiB, "local_gb": s.Flavor.DiskGiB,
			"state": string(s.VMState), "started_at": micros(s.CreatedAt), "ended_at": nil, "uptime": int(end.Sub(s.CreatedAt).Seconds()),
		})
	}
	out := map[string]any{
		"tenant_id": project, "start": micros(start), "stop": micros(end), "total_hours": hours,
		"total_vcpus_usage": vcpus, "total_memory_mb_usage": memory, "total_local_gb_usage": disk,
	}
	if detail {
		out["server_usages"] = list
	}
	return out
}

func (a *api) listUsage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	start, end, err := a.period(r)
	if err != nil {
		return nil, err
	}
	projects := map[string][]compute.Server{}
	for _, s := range a.svc.ListServers(ctx, "", nil) {
		projects[s.ProjectID] = append(projects[s.ProjectID], s)
	}
	list := []any{}
	for _, p := range slices.Sorted(maps.Keys(projects)) {
		list = append(list, usageOf(projects[p], p, start, end, flag(r.Query(), "detailed")))
	}
	return httpapi.OK(map[string]any{"tenant_usages": list}), nil
}

func (a *api) showUsage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	start, end, err := a.period(r)
	if err != nil {
		return nil, err
	}
	servers := a.svc.ListServers(ctx, r.Path("project_id"), nil)
	if len(servers) == 0 {
		return httpapi.OK(map[string]any{"tenant_usage": map[string]any{}}), nil
	}
	return httpapi.OK(map[string]any{"tenant_usage": usageOf(servers, r.Path("project_id"), start, end, true)}), nil
}
