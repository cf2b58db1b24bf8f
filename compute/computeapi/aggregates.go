package computeapi

import (
	"context"
	"strconv"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) aggregateRoutes() []httpapi.Route {
	const all, one, act = "/v2.1/os-aggregates", "/v2.1/os-aggregates/{aggregate_id}", "/v2.1/os-aggregates/{aggregate_id}/action"
	rule := func(name string) string { return "os_compute_api:os-aggregates:" + name }
	const zone = `{"type":["string","null"],"minLength":1,"maxLength":255,"pattern":"^[^:]*$"}`
	fields := []property{{name: "name", schema: sName}, {name: "availability_zone", schema: zone}}
	host := func(name string) []httpapi.Schema {
		return body(wrapped(name, object(0, []string{"host"}, property{name: "host", schema: sHost})))
	}
	metadata := body(wrapped("set_metadata", object(0, []string{"metadata"}, property{name: "metadata",
		schema: `{"type":"object","patternProperties":{"^[a-zA-Z0-9-_:. ]{1,255}$":{"type":["string","null"],"maxLength":255}},"additionalProperties":false}`})))
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("index"), Handle: a.listAggregates},
		{Method: "POST", Path: all, Policy: rule("create"), Body: body(wrapped("aggregate", object(0, []string{"name"}, fields...))), Handle: a.createAggregate},
		{Method: "GET", Path: one, Policy: rule("show"), Handle: a.showAggregate},
		{Method: "PUT", Path: one, Policy: rule("update"), Body: body(wrapped("aggregate", object(0, nil, fields...))), Handle: a.updateAggregate},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Handle: a.deleteAggregate},
		{Method: "POST", Path: act, Action: "add_host", Policy: rule("add_host"), Body: host("add_host"), Handle: a.addHost},
		{Method: "POST", Path: act, Action: "remove_host", Policy: rule("remove_host"), Body: host("remove_host"), Handle: a.removeHost},
		{Method: "POST", Path: act, Action: "set_metadata", Policy: rule("set_metadata"), Body: metadata, Handle: a.setAggregateMetadata},
	}
}

func aggregateView(r *httpapi.Request, g *compute.Aggregate) map[string]any {
	hosts := g.Hosts
	if hosts == nil {
		hosts = []string{}
	}
	out := map[string]any{
		"id": g.ID, "name": g.Name, "availability_zone": orNil(g.Zone()), "hosts": hosts, "metadata": orEmpty(g.Metadata),
		"created_at": micros(g.CreatedAt), "updated_at": micros(g.UpdatedAt), "deleted": false, "deleted_at": nil,
	}
	if r.Version.AtLeast(2, 41) {
		out["uuid"] = g.UUID
	}
	return out
}

// aggregateOK is the answer with one aggregate.
func aggregateOK(r *httpapi.Request, g compute.Aggregate, err error) (*httpapi.Response, error) {
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"aggregate": aggregateView(r, &g)}), nil
}

func aggregateID(r *httpapi.Request) (int, error) {
	id, err := strconv.Atoi(r.Path("aggregate_id"))
	if err != nil {
		return 0, fault.New(fault.NotFound, "Aggregate %s could not be found.", r.Path("aggregate_id"))
	}
	return id, nil
}

func (a *api) listAggregates(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := []any{}
	for _, g := range a.svc.ListAggregates(ctx) {
		list = append(list, aggregateView(r, &g))
	}
	return httpapi.OK(map[string]any{"aggregates": list}), nil
}

type aggregateIn struct {
	Aggregate struct {
		Name *string `json:"name"`
		Zone *string `json:"availability_zone"`
	} `json:"aggregate"`
}

func (a *api) createAggregate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in aggregateIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	zone := ""
	if in.Aggregate.Zone != nil {
		zone = *in.Aggregate.Zone
	}
	g, err := a.svc.CreateAggregate(ctx, *in.Aggregate.Name, zone)
	resp, err := aggregateOK(r, g, err)
	if err == nil {
		// A new aggregate is shown without what it cannot have yet.
		view := resp.Body.(map[string]any)["aggregate"].(map[string]any)
		delete(view, "hosts")
		delete(view, "metadata")
	}
	return resp, err
}

func (a *api) showAggregate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.GetAggregate(ctx, id)
	return aggregateOK(r, g, err)
}

func (a *api) updateAggregate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in aggregateIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.UpdateAggregate(ctx, id, in.Aggregate.Name, in.Aggregate.Zone)
	return aggregateOK(r, g, err)
}

func (a *api) deleteAggregate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.DeleteAggregate(ctx, id)
}

func (a *api) addHost(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.withHost(ctx, r, "add_host", a.svc.AddHost)
}

func (a *api) removeHost(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.withHost(ctx, r, "remove_host", a.svc.RemoveHost)
}

func (a *api) withHost(ctx context.Context, r *httpapi.Request, action string, do func(ctx context.Context, id int, host string) (compute.Aggregate, error)) (*httpapi.Response, error) {
	in := map[string]struct {
		Host string `json:"host"`
	}{}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	g, err := do(ctx, id, in[action].Host)
	return aggregateOK(r, g, err)
}

func (a *api) setAggregateMetadata(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Set struct {
			Metadata map[string]*string `json:"metadata"`
		} `json:"set_metadata"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id, err := aggregateID(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.SetAggregateMetadata(ctx, id, in.Set.Metadata)
	return aggregateOK(r, g, err)
}
