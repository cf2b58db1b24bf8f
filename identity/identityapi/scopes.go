package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// scopeRoutes tell a caller what it may ask tokens for.
func (a *api) scopeRoutes() []httpapi.Route {
	return []httpapi.Route{
		route("GET", "/v3/auth/projects", "get_auth_projects", nil, a.authProjects),
		route("GET", "/v3/auth/domains", "get_auth_domains", nil, a.authDomains),
		route("GET", "/v3/auth/system", "get_auth_system", nil, a.authSystem),
		route("GET", "/v3/auth/catalog", "get_auth_catalog", nil, a.authCatalog),
	}
}

func (a *api) authProjects(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var all []identity.Project
	t, err := a.callerToken(ctx, r)
	if err == nil {
		all, err = a.svc.ProjectsOfToken(ctx, t)
	} else { // somebody else has authenticated the caller
		all, err = a.svc.ProjectsOf(ctx, r.Principal.UserID)
	}
	if err != nil {
		return nil, err
	}
	return list(r, "projects", all, showProject), nil
}

func (a *api) authDomains(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var all []identity.Domain
	t, err := a.callerToken(ctx, r)
	if err == nil {
		all, err = a.svc.DomainsOfToken(ctx, t)
	} else {
		all, err = a.svc.DomainsOf(ctx, r.Principal.UserID)
	}
	if err != nil {
		return nil, err
	}
	return list(r, "domains", all, showDomain), nil
}

func (a *api) authSystem(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all := []bool{}
	if a.svc.HasSystemRole(ctx, r.Principal.UserID) {
		all = append(all, true)
	}
	return list(r, "system", all, func(_ *httpapi.Request, whole bool) object {
		return object{"all": whole}
	}), nil
}

func (a *api) authCatalog(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p := r.Principal
	if p.ProjectID == "" {
		return nil, fault.New(fault.Forbidden, "A project-scoped token is required to produce a service catalog.")
	}
	return httpapi.OK(object{
		"catalog": a.catalog(ctx, r, p.ProjectID, p.UserID), "links": listLinks(r),
	}), nil
}

// userProjects lists the projects on which a user has a role.
func (a *api) userProjects(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ProjectsOf(ctx, r.Path("user_id"))
	if err != nil {
		return nil, err
	}
	q := r.Query()
	kept := []identity.Project{}
	for _, p := range all {
		if name := q.Get("name"); name != "" && name != p.Name {
			continue
		}
		if enabled := maybe(q, "enabled"); enabled != nil && *enabled != p.Enabled {
			continue
		}
		if domain := q.Get("domain_id"); domain != "" && domain != p.DomainID {
			continue
		}
		kept = append(kept, p)
	}
	return list(r, "projects", kept, showProject), nil
}
