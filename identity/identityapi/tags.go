package identityapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) tagRoutes() []httpapi.Route {
	one := targets(a.projectTarget)
	const all, single = "/v3/projects/{project_id}/tags", "/v3/projects/{project_id}/tags/{tag}"
	return []httpapi.Route{
		route("GET", all, "list_project_tags", one, a.listTags),
		withBody("PUT", all, "update_project_tags", tagsSchema, one, a.replaceTags),
		route("DELETE", all, "delete_project_tags", one, a.clearTags),
		status(http.StatusNoContent, route("GET", single, "get_project_tag", one, a.checkTag)),
		status(http.StatusCreated, route("PUT", single, "create_project_tag", one, a.addTag)),
		route("DELETE", single, "delete_project_tag", one, a.removeTag),
	}
}

// fixedPlace refuses to move a project.
func (a *api) fixedPlace(ctx context.Context, id string, b projectBody) error {
	p, err := a.svc.GetProject(ctx, id)
	if err != nil {
		return err
	}
	switch {
	case b.ParentID != nil && *b.ParentID != p.ParentID:
		return fault.New(fault.Forbidden, "Update of `parent_id` is not allowed.")
	case b.IsDomain != nil && *b.IsDomain != p.IsDomain:
		return fault.New(fault.Invalid, "Update of `is_domain` is not allowed.")
	case b.DomainID != nil && *b.DomainID != p.DomainID:
		return fault.New(fault.Invalid, "Update of `domain_id` is not allowed.")
	}
	return nil
}

func (a *api) listTags(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetProject(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	return showTags(r, p), nil
}

// tagsOf are tags, never null.
func tagsOf(tags []string) []string {
	if tags == nil {
		return []string{}
	}
	return tags
}

func showTags(r *httpapi.Request, p identity.Project) *httpapi.Response {
	return httpapi.OK(object{"tags": tagsOf(p.Tags), "links": listLinks(r)})
}

func (a *api) replaceTags(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Tags []string `json:"tags"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	p, err := a.setTags(ctx, r, b.Tags)
	if err != nil {
		return nil, err
	}
	return showTags(r, p), nil
}

func (a *api) setTags(ctx context.Context, r *httpapi.Request, tags []string) (identity.Project, error) {
	return a.svc.UpdateProject(ctx, r.Path("project_id"), identity.UpdateProjectOptions{Tags: &tags})
}

func (a *api) clearTags(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.setTags(ctx, r, nil)
	return httpapi.Empty(), err
}

func (a *api) checkTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetProject(ctx, r.Path("project_id"))
	if err == nil && !slices.Contains(p.Tags, r.Path("tag")) {
		err = fault.New(fault.NotFound, "Could not find project tag: %s.", r.Path("tag"))
	}
	return httpapi.Empty(), err
}

func (a *api) addTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id, tag := r.Path("project_id"), r.Path("tag")
	if err := a.svc.AddProjectTag(ctx, id, tag); err != nil {
		return nil, err
	}
	resp := httpapi.Empty()
	resp.Header = http.Header{"Location": {self(r, "projects", id, "tags", tag)["self"].(string)}}
	return resp, nil
}

func (a *api) removeTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.RemoveProjectTag(ctx, r.Path("project_id"), r.Path("tag"))
}
