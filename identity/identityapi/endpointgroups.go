package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) endpointGroupRoutes() []httpapi.Route {
	const all, single = "/v3/OS-EP-FILTER/endpoint_groups", "/v3/OS-EP-FILTER/endpoint_groups/{endpoint_group_id}"
	return []httpapi.Route{
		route("GET", all, "list_endpoint_groups", nil, a.listEndpointGroups),
		withBody("POST", all, "create_endpoint_group", strictSchema("endpoint_group", endpointGroupProperties, `"required": ["name", "filters"]`), nil, a.createEndpointGroup),
		route("GET", single, "get_endpoint_group", nil, a.getEndpointGroup),
		withBody("PATCH", single, "update_endpoint_group", strictSchema("endpoint_group", endpointGroupProperties, `"minProperties": 1`), nil, a.updateEndpointGroup),
		route("DELETE", single, "delete_endpoint_group", nil, a.deleteEndpointGroup),
		route("GET", single+"/endpoints", "list_endpoints_associated_with_endpoint_group", nil, a.groupEndpoints),
		route("GET", single+"/projects", "list_projects_associated_with_endpoint_group", nil, a.groupProjects),
	}
}

type endpointGroupBody struct {
	Name        *string                  `json:"name"`
	Description *string                  `json:"description"`
	Filters     *identity.EndpointFilter `json:"filters"`
}

func showEndpointGroup(r *httpapi.Request, g identity.EndpointGroup) object {
	filters := object{}
	for name, v := range map[string]*string{
		"service_id": g.Filter.ServiceID, "region_id": g.Filter.RegionID, "interface": g.Filter.Interface,
	} {
		if v != nil {
			filters[name] = nullable(*v)
		}
	}
	return object{
		"id": g.ID, "name": g.Name, "description": g.Description, "filters": filters,
		"links": self(r, "OS-EP-FILTER", "endpoint_groups", g.ID),
	}
}

// readEndpointGroup reads the body. A region of null means endpoints without one.
func readEndpointGroup(r *httpapi.Request) (endpointGroupBody, error) {
	var b struct {
		Group endpointGroupBody `json:"endpoint_group"`
	}
	if err := r.Decode(&b); err != nil {
		return b.Group, err
	}
	var raw struct {
		Group struct {
			Filters map[string]any `json:"filters"`
		} `json:"endpoint_group"`
	}
	if err := r.Decode(&raw); err != nil {
		return b.Group, err
	}
	if region, given := raw.Group.Filters["region_id"]; given && region == nil {
		b.Group.Filters.RegionID = new(string)
	}
	return b.Group, nil
}

func (a *api) listEndpointGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListEndpointGroups(ctx, r.Query().Get("name"))
	if err != nil {
		return nil, err
	}
	return list(r, "endpoint_groups", all, showEndpointGroup), nil
}

func (a *api) createEndpointGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := readEndpointGroup(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.CreateEndpointGroup(ctx, identity.CreateEndpointGroupOptions{
		Name: value(b.Name), Description: b.Description, Filter: value(b.Filters),
	})
	if err != nil {
		return nil, err
	}
	return one("endpoint_group", showEndpointGroup(r, g)), nil
}

func (a *api) getEndpointGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := a.svc.GetEndpointGroup(ctx, r.Path("endpoint_group_id"))
	if err != nil {
		return nil, err
	}
	return one("endpoint_group", showEndpointGroup(r, g)), nil
}

func (a *api) updateEndpointGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := readEndpointGroup(r)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.UpdateEndpointGroup(ctx, r.Path("endpoint_group_id"), identity.UpdateEndpointGroupOptions{
		Name: b.Name, Description: b.Description, Filter: b.Filters,
	})
	if err != nil {
		return nil, err
	}
	return one("endpoint_group", showEndpointGroup(r, g)), nil
}

func (a *api) deleteEndpointGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteEndpointGroup(ctx, r.Path("endpoint_group_id"))
}

func (a *api) groupEndpoints(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.EndpointsOfGroup(ctx, r.Path("endpoint_group_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "endpoints", all, showEndpoint), nil
}

func (a *api) groupProjects(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ProjectsOfEndpointGroup(ctx, r.Path("endpoint_group_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "projects", all, showProject), nil
}
