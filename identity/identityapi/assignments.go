package identityapi

import (
	"context"
	"net/url"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) assignmentRoutes() []httpapi.Route {
	return []httpapi.Route{
		choose(route("GET", "/v3/role_assignments", "list_role_assignments", a.listedAssignments, a.listAssignments),
			listAssignmentsRule, "list_role_assignments_for_tree"),
	}
}

// inheritedKey marks roles that projects inherit, in queries and in answers.
const inheritedKey = "OS-INHERIT:inherited_to"

// listAssignmentsRule is another one for the assignments on a tree of projects.
func listAssignmentsRule(_ context.Context, r *httpapi.Request) string {
	if flag(r.Query(), "include_subtree") {
		return "identity:list_role_assignments_for_tree"
	}
	return "identity:list_role_assignments"
}

// listedAssignments are those of the caller's domain; those on a tree are of the
// domain of its root.
func (a *api) listedAssignments(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	if !flag(r.Query(), "include_subtree") {
		return targets(ownDomain("target.domain_id"))(ctx, r)
	}
	t := a.projectAttributes(ctx, r.Query().Get("scope.project.id"))
	if domain, ok := t["target.project.domain_id"]; ok {
		t["target.domain_id"] = domain
	}
	return t, nil
}

func (a *api) listAssignments(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	opts, err := assignmentQuery(q)
	if err != nil {
		return nil, err
	}
	all, err := a.svc.ListAssignments(ctx, opts)
	if err != nil {
		return nil, err
	}
	kept := []identity.RoleAssignment{}
	for _, as := range all {
		if opts.Subtree || a.inOwnDomain(ctx, r, as) {
			kept = append(kept, as)
		}
	}
	names := flag(q, "include_names")
	return list(r, "role_assignments", kept, func(r *httpapi.Request, as identity.RoleAssignment) object {
		return a.showAssignment(ctx, r, as, names)
	}), nil
}

// assignmentQuery reads the filters.
func assignmentQuery(q url.Values) (*identity.ListAssignmentsOptions, error) {
	opts := &identity.ListAssignmentsOptions{
		RoleID: q.Get("role.id"), UserID: q.Get("user.id"), GroupID: q.Get("group.id"),
		ProjectID: q.Get("scope.project.id"), DomainID: q.Get("scope.domain.id"),
		System: q.Has("scope.system"), Subtree: flag(q, "include_subtree"), Effective: flag(q, "effective"),
	}
	if q.Has("scope.OS-INHERIT:inherited_to") {
		yes := q.Get("scope.OS-INHERIT:inherited_to") == "projects"
		opts.Inherited = &yes
	}
	for _, c := range []struct {
		bad bool
		why string
	}{
		{opts.ProjectID != "" && opts.DomainID != "", "Specify a domain or project, not both"},
		{opts.System && opts.DomainID != "", "Specify system or domain, not both"},
		{opts.System && opts.ProjectID != "", "Specify system or project, not both"},
		{opts.UserID != "" && opts.GroupID != "", "Specify a user or group, not both"},
		{opts.Effective && opts.DomainID != "" && value(opts.Inherited),
			"Combining effective, domain and inherited filters will always result in an empty list."},
	} {
		if c.bad {
			return nil, fault.New(fault.Invalid, "%s", c.why)
		}
	}
	return opts, nil
}

// inOwnDomain reports whether a caller with a domain's token may see an assignment:
// those on its domain and the projects in it.
func (a *api) inOwnDomain(ctx context.Context, r *httpapi.Request, as identity.RoleAssignment) bool {
	own := r.Principal.DomainID
	if own == "" || as.DomainID == own {
		return true
	}
	p, err := a.svc.GetProject(ctx, as.ProjectID)
	return err == nil && p.DomainID == own
}

func (a *api) showAssignment(ctx context.Context, r *httpapi.Request, as identity.RoleAssignment, names bool) object {
	o := object{"role": a.name(ctx, "role", as.RoleID, names)}
	if as.GroupID != "" {
		o["group"] = a.name(ctx, "group", as.GroupID, names)
	} else {
		o["user"] = a.name(ctx, "user", as.UserID, names)
	}
	scope := object{}
	switch {
	case as.ProjectID != "":
		scope["project"] = a.name(ctx, "project", as.ProjectID, names)
	case as.DomainID != "":
		scope["domain"] = a.name(ctx, "domain", as.DomainID, names)
	default:
		scope["system"] = object{"all": true}
	}
	if as.Inherited || as.FromDomainID != "" || as.FromProjectID != "" {
		scope[inheritedKey] = "projects"
	}
	o["scope"], o["links"] = scope, assignmentLinks(r, as)
	return o
}

// assignmentLinks say where an assignment comes from.
func assignmentLinks(r *httpapi.Request, as identity.RoleAssignment) object {
	source := as.Assignment
	links := object{}
	if as.FromDomainID != "" || as.FromProjectID != "" {
		source.ProjectID, source.DomainID, source.Inherited = as.FromProjectID, as.FromDomainID, true
	}
	if as.ViaGroupID != "" {
		source.UserID, source.GroupID = "", as.ViaGroupID
		links["membership"] = self(r, "groups", as.ViaGroupID, "users", as.UserID)["self"]
	}
	if as.PriorRoleID != "" {
		source.RoleID = as.PriorRoleID
		links["prior_role"] = self(r, "prior_role", as.PriorRoleID, "implies", as.RoleID)["self"]
	}
	links["assignment"] = r.BaseURL + "/v3/" + grantPath(source)
	return links
}

// name shows the id of a part, and with names its name and domain.
func (a *api) name(ctx context.Context, kind, id string, names bool) object {
	o := object{"id": id}
	if !names {
		return o
	}
	var domain string
	switch kind {
	case "role":
		role, _ := a.svc.GetRole(ctx, id)
		o["name"], domain = role.Name, role.DomainID
	case "user":
		u, _ := a.svc.GetUser(ctx, id)
		o["name"], domain = u.Name, u.DomainID
	case "group":
		g, _ := a.svc.GetGroup(ctx, id)
		o["name"], domain = g.Name, g.DomainID
	case "project":
		p, _ := a.svc.GetProject(ctx, id)
		o["name"], domain = p.Name, p.DomainID
	case "domain":
		d, _ := a.svc.GetDomain(ctx, id)
		o["name"] = d.Name
	}
	if domain != "" {
		o["domain"] = a.name(ctx, "domain", domain, true)
	}
	return o
}
