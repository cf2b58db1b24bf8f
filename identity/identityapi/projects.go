package identityapi

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) projectRoutes() []httpapi.Route {
	one := targets(a.projectTarget)
	return []httpapi.Route{
		route("GET", "/v3/projects", "list_projects", targets(ownDomain("target.domain_id")), a.listProjects),
		withBody("POST", "/v3/projects", "create_project", createSchema("project", projectProperties, "name"), a.newProjectTarget, a.createProject),
		route("GET", "/v3/projects/{project_id}", "get_project", one, a.getProject),
		withBody("PATCH", "/v3/projects/{project_id}", "update_project", updateSchema("project", projectProperties), one, a.updateProject),
		route("DELETE", "/v3/projects/{project_id}", "delete_project", one, a.deleteProject),
	}
}

type projectBody struct {
	Name        *string             `json:"name"`
	DomainID    *string             `json:"domain_id"`
	ParentID    *string             `json:"parent_id"`
	IsDomain    *bool               `json:"is_domain"`
	Description *string             `json:"description"`
	Enabled     *bool               `json:"enabled"`
	Tags        *[]string           `json:"tags"`
	Options     identity.Attributes `json:"options"`
}

func showProject(r *httpapi.Request, p identity.Project) object {
	return with(object{
		"id": p.ID, "name": p.Name, "domain_id": nullable(p.DomainID), "parent_id": nullable(p.ParentID),
		"is_domain": p.IsDomain, "description": p.Description, "enabled": p.Enabled,
		"tags": tagsOf(p.Tags), "options": options(p.Options), "links": self(r, "projects", p.ID),
	}, p.Extra)
}

// bodyDomain is the domain that a body names, or else the caller's: that of a new
// project, user or group.
func bodyDomain(r *httpapi.Request, name string) string {
	var b struct {
		DomainID string `json:"domain_id"`
	}
	// A body that cannot be read is the handler's to refuse.
	if err := read(r, name, &b); err == nil && b.DomainID != "" {
		return b.DomainID
	}
	return callerDomain(r)
}

// callerDomain is where a caller makes things when it does not say where.
func callerDomain(r *httpapi.Request) string {
	switch p := r.Principal; {
	case p.DomainID != "":
		return p.DomainID
	case p.ProjectDomainID != "":
		return p.ProjectDomainID
	}
	return identity.DefaultDomainID
}

// newProjectTarget is the domain in which a project is to be made; a project that is a
// domain is in none, so that it takes an administrator.
func (a *api) newProjectTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	var b projectBody
	if err := read(r, "project", &b); err != nil {
		return nil, err
	}
	if value(b.IsDomain) {
		return policy.Target{"target.project.domain_id": ""}, nil
	}
	return policy.Target{"target.project.domain_id": a.placeOf(ctx, r, b)}, nil
}

// placeOf is the domain in which a project comes to be: that which the body names, or
// else that of its parent, or the caller's; empty if the parent is not there.
func (a *api) placeOf(ctx context.Context, r *httpapi.Request, b projectBody) string {
	switch {
	case value(b.DomainID) != "":
		return *b.DomainID
	case value(b.ParentID) == "":
		return callerDomain(r)
	}
	parent, err := a.svc.GetProject(ctx, *b.ParentID)
	if err != nil || !parent.IsDomain {
		return parent.DomainID
	}
	return parent.ID
}

func (a *api) listProjects(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	domain, ok := listDomain(r)
	if !ok {
		return list(r, "projects", nil, showProject), nil
	}
	all, err := a.svc.ListProjects(ctx, &identity.ListProjectsOptions{
		DomainID: domain, ParentID: q.Get("parent_id"), Name: q.Get("name"),
		Enabled: maybe(q, "enabled"), IsDomain: flag(q, "is_domain"),
		Tags: tagQuery(q, "tags"), AnyTag: tagQuery(q, "tags-any"),
		NotTags: tagQuery(q, "not-tags"), NotAnyTag: tagQuery(q, "not-tags-any"),
		Keep: keep(r, showProject), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "projects", all, showProject), nil
}

func tagQuery(q url.Values, name string) []string {
	if q.Get(name) == "" {
		return nil
	}
	return strings.Split(q.Get(name), ",")
}

func (a *api) createProject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b projectBody
	extra, err := decode(r, "project", &b)
	if err != nil {
		return nil, err
	}
	if value(b.IsDomain) {
		return a.createDomainProject(ctx, r, b, extra)
	}
	opts := identity.CreateProjectOptions{
		Name: value(b.Name), DomainID: a.placeOf(ctx, r, b), ParentID: value(b.ParentID),
		Description: value(b.Description), Disabled: off(b.Enabled), Tags: value(b.Tags),
		Options: b.Options, Extra: extra,
	}
	p, err := a.svc.CreateProject(ctx, opts)
	if errors.Is(err, fault.NotFound) { // of the domain or the parent that the body names
		err = fault.New(fault.Invalid, "%s", httpapi.Text(httpapi.Keystone{}, http.StatusNotFound, err))
	}
	if err != nil {
		return nil, err
	}
	return one("project", showProject(r, p)), nil
}

// createDomainProject makes a project that acts as a domain.
func (a *api) createDomainProject(ctx context.Context, r *httpapi.Request, b projectBody, extra identity.Attributes) (*httpapi.Response, error) {
	if value(b.ParentID) != "" || value(b.DomainID) != "" {
		return nil, fault.New(fault.Invalid, "only root projects are allowed to act as domains.")
	}
	d, err := a.svc.CreateDomain(ctx, identity.CreateDomainOptions{
		Name: value(b.Name), Description: value(b.Description), Disabled: off(b.Enabled), Tags: value(b.Tags),
		Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	p, err := a.svc.GetProject(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	return one("project", showProject(r, p)), nil
}

func (a *api) getProject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetProject(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	o := showProject(r, p)
	if err := a.addHierarchy(ctx, r, o, p.ID); err != nil {
		return nil, err
	}
	return one("project", o), nil
}

func (a *api) updateProject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b projectBody
	extra, err := decode(r, "project", &b)
	if err != nil {
		return nil, err
	}
	if err := a.fixedPlace(ctx, r.Path("project_id"), b); err != nil {
		return nil, err
	}
	p, err := a.svc.UpdateProject(ctx, r.Path("project_id"), identity.UpdateProjectOptions{
		Name: b.Name, Description: b.Description, Enabled: b.Enabled, Tags: b.Tags,
		Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("project", showProject(r, p)), nil
}

func (a *api) deleteProject(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteProject(ctx, r.Path("project_id"))
}
