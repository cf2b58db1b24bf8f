package computeapi

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/saga"
)

func (a *api) instanceActionRoutes() []httpapi.Route {
	const all, one = "/v2.1/servers/{server_id}/os-instance-actions", "/v2.1/servers/{server_id}/os-instance-actions/{request_id}"
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: "os_compute_api:os-instance-actions:list", Target: a.actionTarget, Handle: a.listActions},
		{Method: "GET", Path: one, Policy: "os_compute_api:os-instance-actions:show", Target: a.actionTarget, Handle: a.showAction},
	}
}

// actionTarget is serverTarget, but from 2.21 also for servers that are gone: what
// was done with them is still kept.
func (a *api) actionTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t, err := a.serverTarget(ctx, r)
	if fault.Of(err) != fault.NotFound || !r.Version.AtLeast(2, 21) {
		return t, err
	}
	history := a.svc.Actions(ctx, r.Path("server_id"))
	if len(history) == 0 || !r.IsAdmin() && history[0].ProjectID != r.Principal.ProjectID {
		return nil, err
	}
	return policy.Target{"project_id": history[0].ProjectID}, nil
}

// actionView is a saga as an instance action.
func actionView(r *httpapi.Request, id string, s *saga.Saga) map[string]any {
	out := map[string]any{
		"action": s.Action, "instance_uuid": id, "request_id": orNil(s.RequestID), "user_id": orNil(s.UserID),
		"project_id": orNil(s.ProjectID), "start_time": micros(s.CreatedAt), "message": nil,
	}
	if s.Status == saga.Failed || s.Status == saga.Stuck {
		out["message"] = "Error"
	}
	if r.Version.AtLeast(2, 58) {
		out["updated_at"] = micros(updated(s))
	}
	return out
}

func updated(s *saga.Saga) time.Time {
	t := s.CreatedAt
	for _, rec := range s.Journal {
		if rec.Ended.After(t) {
			t = rec.Ended
		}
	}
	if s.FinishedAt.After(t) {
		t = s.FinishedAt
	}
	return t
}

func (a *api) listActions(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("server_id")
	history := a.svc.Actions(ctx, id)
	slices.Reverse(history)
	if !r.Version.AtLeast(2, 58) {
		list := []any{}
		for i := range history {
			list = append(list, actionView(r, id, &history[i]))
		}
		return httpapi.OK(map[string]any{"instanceActions": list}), nil
	}
	if text := r.Query().Get("changes-since"); text != "" {
		t, err := parseTime("changes-since", text)
		if err != nil {
			return nil, err
		}
		history = slices.DeleteFunc(history, func(s saga.Saga) bool { return updated(&s).Before(t) })
	}
	if text := r.Query().Get("changes-before"); text != "" && r.Version.AtLeast(2, 66) {
		t, err := parseTime("changes-before", text)
		if err != nil {
			return nil, err
		}
		history = slices.DeleteFunc(history, func(s saga.Saga) bool { return updated(&s).After(t) })
	}
	paging, err := r.Paging(nil)
	if err != nil {
		return nil, err
	}
	cut, err := httpapi.Cut(slices.Values(history), paging, func(s saga.Saga) string { return s.RequestID })
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range cut.Items {
		list = append(list, actionView(r, id, &cut.Items[i]))
	}
	out := map[string]any{"instanceActions": list}
	if l := r.NextLinks(cut.Next); l != nil {
		out["links"] = l
	}
	return httpapi.OK(out), nil
}

func (a *api) showAction(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("server_id")
	history := a.svc.Actions(ctx, id)
	for i := range history {
		if history[i].RequestID == r.Path("request_id") {
			out := actionView(r, id, &history[i])
			if events := a.events(ctx, r, &history[i]); events != nil {
				out["events"] = events
			}
			return httpapi.OK(map[string]any{"instanceAction": out}), nil
		}
	}
	return nil, fault.New(fault.NotFound, "Action for request_id %s on instance %s not found", r.Path("request_id"), id)
}

// events are the steps of a saga: for admins always, for others from 2.51 and
// without hosts and causes. Admins see in the traceback why a step failed, and why a
// host was chosen or none was.
func (a *api) events(ctx context.Context, r *httpapi.Request, s *saga.Saga) []any {
	target := policy.Target{"project_id": s.ProjectID, "user_id": s.UserID}
	admin := r.May("os_compute_api:os-instance-actions:events", target)
	if !admin && !r.Version.AtLeast(2, 51) {
		return nil
	}
	events := []any{}
	var decisions []compute.PlacementDecision
	if admin {
		decisions, _ = a.svc.ExplainPlacement(ctx, r.Path("server_id")) // none of a server that is gone
	}
	for _, rec := range s.Journal {
		e := map[string]any{"event": rec.Step, "start_time": micros(rec.Started), "finish_time": micros(rec.Ended), "result": "Success"}
		if rec.Undo {
			e["event"] = rec.Step + "_undo"
		}
		if rec.Ended.IsZero() {
			e["result"] = nil
		}
		if rec.Error != "" {
			e["result"] = "Error"
		}
		if admin {
			e["traceback"] = orNil(cmp.Or(scheduling(decisions, s, &rec), rec.Details))
		}
		if r.Version.AtLeast(2, 62) {
			e["hostId"] = hostID(s.ProjectID, rec.Host)
			if admin {
				e["host"] = orNil(rec.Host)
			}
		}
		events = append(events, e)
	}
	return events
}

func (a *api) migrationRoutes() []httpapi.Route {
	none := func(name string) httpapi.Handler {
		return func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(map[string]any{name: []any{}}), nil
		}
	}
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/os-migrations", Policy: "os_compute_api:os-migrations:index", Handle: none("migrations")},
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/migrations", Policy: "os_compute_api:servers:migrations:index",
			Min: v(23), Target: a.serverTarget, Handle: none("migrations"),
		},
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/diagnostics", Policy: "os_compute_api:os-server-diagnostics",
			Target: a.serverTarget, Handle: a.diagnostics,
		},
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/topology", Policy: "compute:server:topology:index", Min: v(78),
			Target: a.serverTarget, Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
				return httpapi.OK(map[string]any{"nodes": []any{}, "pagesize_kb": nil}), nil
			},
		},
	}
}

func (a *api) diagnostics(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	d, err := a.svc.GetDiagnostics(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(2, 48) {
		return httpapi.OK(map[string]any{"memory": d.MemoryMB * 1024, "cpu0_time": 0}), nil
	}
	s := httpapi.Kept[compute.Server](r)
	nics := []any{}
	for _, mac := range d.NICs {
		nics = append(nics, map[string]any{
			"mac_address": mac, "rx_octets": nil, "rx_errors": nil, "rx_drop": nil, "rx_packets": nil, "rx_rate": nil,
			"tx_octets": nil, "tx_errors": nil, "tx_drop": nil, "tx_packets": nil, "tx_rate": nil,
		})
	}
	return httpapi.OK(map[string]any{
		"state": d.State, "driver": "libvirt", "hypervisor": nil, "hypervisor_os": nil, "uptime": int(d.Uptime.Seconds()),
		"config_drive": s.ConfigDrive, "num_cpus": d.VCPUs, "num_nics": len(d.NICs), "num_disks": d.Disks,
		"cpu_details": []any{}, "nic_details": nics, "disk_details": []any{},
		"memory_details": map[string]any{"maximum": d.MemoryMB, "used": nil},
	}), nil
}
