package volumeapi

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) serviceRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/v3/os-services", Policy: "volume_extension:services:index", Handle: a.listServices},
		// Any user may choose a zone.
		{Method: "GET", Path: "/v3/os-availability-zone", Policy: "welkin:availability_zones:index", Handle: a.listZones},
		{Method: "GET", Path: "/v3/scheduler-stats/get_pools", Policy: "scheduler_extension:scheduler_stats:get_pools", Handle: a.listPools},
		// Any user may know what lists can be filtered by.
		{Method: "GET", Path: "/v3/resource_filters", Min: since(33), Policy: "welkin:resource_filters:index", Handle: a.resourceFilters},
		{Method: "GET", Path: "/v3/messages", Min: since(3), Policy: "message:get_all", Handle: listMessages},
		{Method: "GET", Path: "/v3/messages/{message_id}", Min: since(3), Policy: "message:get", Handle: noMessage},
		{Method: "DELETE", Path: "/v3/messages/{message_id}", Min: since(3), Policy: "message:delete", Handle: noMessage},
	}
}

// listServices shows the backends as the services that clients expect: cinder-volume
// for each, cinder-backup if there is a store. They cannot be disabled.
func (a *api) listServices(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list, q := []doc{}, r.Query()
	add := func(binary, host, state string, b volume.BackendState) doc {
		d := doc{
			"binary": binary, "host": host, "zone": a.svc.Zone(), "status": "enabled", "state": state,
			"updated_at": stamp(b.CheckedAt), "disabled_reason": nil,
		}
		if r.Version.AtLeast(3, 7) {
			d["cluster"] = nil
		}
		if (q.Get("binary") == "" || q.Get("binary") == binary) && (q.Get("host") == "" || q.Get("host") == host || strings.HasPrefix(host, q.Get("host")+"@")) {
			list = append(list, d)
		}
		return d
	}
	states := a.svc.Backends(ctx)
	for _, b := range states {
		state := "up"
		if b.Err != nil {
			state = "down"
		}
		d := add("cinder-volume", serviceHost(b.Name), state, b)
		d["replication_status"], d["active_backend_id"], d["frozen"] = "disabled", nil, false
		if r.Version.AtLeast(3, 49) {
			d["backend_state"] = state
		}
	}
	if a.svc.HasBackups() && len(states) > 0 {
		host, _, _ := strings.Cut(serviceHost(states[0].Name), "@")
		add("cinder-backup", host, "up", states[0])
	}
	return httpapi.OK(doc{"services": list}), nil
}

func (a *api) listZones(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"availabilityZoneInfo": []doc{{"zoneName": a.svc.Zone(), "zoneState": doc{"available": true}}}}), nil
}

// listPools shows each backend as one pool. Every type may go to each of them.
func (a *api) listPools(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	if name := q.Get("volume_type"); name != "" && r.Version.AtLeast(3, 35) {
		if _, err := a.svc.GetType(ctx, name); err != nil {
			return nil, err
		}
	}
	pools := []doc{}
	for _, b := range a.svc.Backends(ctx) {
		d := doc{"name": hostOf(b.Name)}
		if name := q.Get("name"); name != "" && r.Version.AtLeast(3, 28) && name != d["name"] || b.Err != nil {
			continue
		}
		if truth(q.Get("detail")) {
			d["capabilities"] = doc{
				"volume_backend_name": b.Name, "storage_protocol": b.Protocol, "vendor_name": b.Vendor, "driver_version": b.Version,
				"total_capacity_gb": b.TotalGiB, "free_capacity_gb": b.FreeGiB, "allocated_capacity_gb": b.TotalGiB - b.FreeGiB,
				"reserved_percentage": 0, "QoS_support": false, "multiattach": true, "thin_provisioning_support": true,
				"timestamp": stamp(b.CheckedAt), "updated": nil,
			}
		}
		pools = append(pools, d)
	}
	return httpapi.OK(doc{"pools": pools}), nil
}

// resourceFilters says what lists can be filtered by, administrators' filters left out.
func (a *api) resourceFilters(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all := []doc{
		{"resource": "volume", "filters": a.volumeListing(ctx).names(r)},
		{"resource": "snapshot", "filters": snapshots().names(r)},
		{"resource": "backup", "filters": backups().names(r)},
		{"resource": "attachment", "filters": attachmentListing().names(r)},
		{"resource": "volume_type", "filters": append(types().names(r), "is_public")},
		{"resource": "pool", "filters": []string{"name", "volume_type"}},
	}
	if want := r.Query().Get("resource"); want != "" {
		all = slices.DeleteFunc(all, func(d doc) bool { return d["resource"] != want })
	}
	return httpapi.OK(doc{"resource_filters": all}), nil
}

// names are the filters that any user may use at the request's microversion.
func (l *listing[T]) names(r *httpapi.Request) []string {
	names := slices.Sorted(maps.Keys(l.filters))
	return slices.DeleteFunc(names, func(name string) bool {
		f := l.filters[name]
		return f.admin || !r.Version.AtLeast(3, f.min)
	})
}

// listMessages is an empty list: this cloud says why something failed in the resource
// itself, and writes no messages.
func listMessages(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"messages": []any{}}), nil
}

func noMessage(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return nil, fault.Missing("message", r.Path("message_id"))
}
