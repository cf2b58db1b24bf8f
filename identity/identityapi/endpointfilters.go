package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// endpointFilterRoutes put endpoints and groups of them into the catalogs of
// projects.
func (a *api) endpointFilterRoutes() []httpapi.Route {
	const (
		base     = "/v3/OS-EP-FILTER"
		endpoint = base + "/projects/{project_id}/endpoints/{endpoint_id}"
		group    = base + "/endpoint_groups/{endpoint_group_id}/projects/{project_id}"
		done     = http.StatusNoContent
	)
	return []httpapi.Route{
		route("GET", base+"/endpoints/{endpoint_id}/projects", "list_projects_for_endpoint", nil, a.endpointProjects),
		route("GET", base+"/projects/{project_id}/endpoints", "list_endpoints_for_project", nil, a.projectEndpoints),
		route("GET", base+"/projects/{project_id}/endpoint_groups", "list_endpoint_groups_for_project", nil, a.projectEndpointGroups),
		status(done, route("GET", endpoint, "check_endpoint_in_project", nil, endpointInProject(a.svc.CheckEndpointInProject))),
		status(done, route("PUT", endpoint, "add_endpoint_to_project", nil, endpointInProject(a.svc.AddEndpointToProject))),
		route("DELETE", endpoint, "remove_endpoint_from_project", nil, endpointInProject(a.svc.RemoveEndpointFromProject)),
		route("GET", group, "get_endpoint_group_in_project", nil, a.getGroupInProject),
		status(done, route("PUT", group, "add_endpoint_group_to_project", nil, groupInProject(a.svc.AddEndpointGroupToProject))),
		route("DELETE", group, "remove_endpoint_group_from_project", nil, groupInProject(a.svc.RemoveEndpointGroupFromProject)),
	}
}

// endpointInProject answers with nothing but the outcome.
func endpointInProject(do func(ctx context.Context, endpointID, projectID string) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.Empty(), do(ctx, r.Path("endpoint_id"), r.Path("project_id"))
	}
}

// groupInProject answers with nothing but the outcome.
func groupInProject(do func(ctx context.Context, groupID, projectID string) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.Empty(), do(ctx, r.Path("endpoint_group_id"), r.Path("project_id"))
	}
}

func (a *api) getGroupInProject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	group, project := r.Path("endpoint_group_id"), r.Path("project_id")
	if err := a.svc.CheckEndpointGroupInProject(ctx, group, project); err != nil {
		return nil, err
	}
	return one("project_endpoint_group", object{
		"endpoint_group_id": group, "project_id": project,
		"links": self(r, "OS-EP-FILTER", "endpoint_groups", group, "projects", project),
	}), nil
}

func (a *api) endpointProjects(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ProjectsOfEndpoint(ctx, r.Path("endpoint_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "projects", all, showProject), nil
}

func (a *api) projectEndpoints(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.EndpointsOfProject(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "endpoints", all, showEndpoint), nil
}

func (a *api) projectEndpointGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.EndpointGroupsOfProject(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "endpoint_groups", all, showEndpointGroup), nil
}
