package identityapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// grantRoutes are the routes that give a role to a user or a group on a project, a
// domain or the system, and those for roles that projects inherit.
func (a *api) grantRoutes() []httpapi.Route {
	var all []httpapi.Route
	for _, actor := range []string{"/users/{user_id}/roles", "/groups/{group_id}/roles"} {
		for _, place := range []string{"/projects/{project_id}", "/domains/{domain_id}"} {
			all = append(all, a.grantsAt("/v3"+place+actor, "", false)...)
			all = append(all, a.grantsAt("/v3/OS-INHERIT"+place+actor, "/inherited_to_projects", true)...)
		}
	}
	all = append(all, a.systemGrants("user")...)
	return append(all, a.systemGrants("group")...)
}

// grantsAt are the routes of one kind of place and actor.
func (a *api) grantsAt(path, suffix string, inherited bool) []httpapi.Route {
	single := path + "/{role_id}" + suffix
	const done = http.StatusNoContent
	return []httpapi.Route{
		route("GET", path+suffix, "list_grants", a.grantTarget, a.listGrants(inherited)),
		status(done, route("PUT", single, "create_grant", a.grantTarget, a.grant(inherited, a.svc.Assign))),
		status(done, route("GET", single, "check_grant", a.grantTarget, a.grant(inherited, a.svc.CheckAssignment))),
		route("DELETE", single, "revoke_grant", a.grantTarget, a.grant(inherited, a.svc.Unassign)),
	}
}

// systemGrants are the routes of roles on the system.
func (a *api) systemGrants(actor string) []httpapi.Route {
	path := "/v3/system/" + actor + "s/{" + actor + "_id}/roles"
	single, rule := path+"/{role_id}", "_system_grant_for_"+actor
	const done = http.StatusNoContent
	return []httpapi.Route{
		route("GET", path, "list_system_grants_for_"+actor, nil, a.listGrants(false)),
		status(done, route("PUT", single, "create"+rule, nil, a.grant(false, a.svc.Assign))),
		status(done, route("GET", single, "check"+rule, nil, a.grant(false, a.svc.CheckAssignment))),
		route("DELETE", single, "revoke"+rule, nil, a.grant(false, a.svc.Unassign)),
	}
}

// grantTarget has whatever of a grant the path names.
func (a *api) grantTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t := policy.Target{}
	if r.Path("user_id") != "" {
		t = merge(t, a.userTarget(ctx, r))
	}
	if r.Path("role_id") != "" {
		t = merge(t, a.roleTarget(ctx, r))
	}
	return merge(t, a.groupTarget(ctx, r), a.projectTarget(ctx, r), a.domainTarget(ctx, r)), nil
}

// assignmentOf is the assignment that the path names.
func assignmentOf(r *httpapi.Request, inherited bool) identity.Assignment {
	as := identity.Assignment{
		RoleID: r.Path("role_id"), UserID: r.Path("user_id"), GroupID: r.Path("group_id"),
		ProjectID: r.Path("project_id"), DomainID: r.Path("domain_id"), Inherited: inherited,
	}
	as.System = as.ProjectID == "" && as.DomainID == ""
	return as
}

// grant answers with nothing but the outcome.
func (a *api) grant(inherited bool, do func(context.Context, identity.Assignment) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.Empty(), do(ctx, assignmentOf(r, inherited))
	}
}

func (a *api) listGrants(inherited bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		all, err := a.svc.RolesOf(ctx, assignmentOf(r, inherited))
		if err != nil {
			return nil, err
		}
		return list(r, "roles", all, showRole), nil
	}
}

// grantPath is where an assignment is managed.
func grantPath(as identity.Assignment) string {
	parts := []string{"system"}
	switch {
	case as.ProjectID != "":
		parts = []string{"projects", as.ProjectID}
	case as.DomainID != "":
		parts = []string{"domains", as.DomainID}
	}
	if as.Inherited {
		parts = append([]string{"OS-INHERIT"}, parts...)
	}
	if as.GroupID != "" {
		parts = append(parts, "groups", as.GroupID)
	} else {
		parts = append(parts, "users", as.UserID)
	}
	parts = append(parts, "roles", as.RoleID)
	if as.Inherited {
		parts = append(parts, "inherited_to_projects")
	}
	return strings.Join(parts, "/")
}
