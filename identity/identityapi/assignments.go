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

// maxAssignments is the largest page of role assignments. It is larger than those of other
// lists: Keystone gives them whole, so clients ask for no next page.
const maxAssignments = 10_000

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
	p, err := r.Paging(&httpapi.PagingOptions{Max: maxAssignments, ZeroIsAll: true})
	if err != nil {
		return nil, err
	}
	opts, err := assignmentQuery(q)
	if err != nil {
		return nil, err
	}
	if !opts.Subtree {
		opts.WithinDomain = r.Principal.DomainID
	}
	opts.Page = identity.Page{Marker: p.Marker, Limit: p.Limit + 1}
	all, err := a.svc.ListAssignments(ctx, opts)
	if err != nil {
		return nil, err
	}
	links := listLinks(r)
	body := object{"links": links}
	if len(all) > p.Limit {
		all = all[:p.Limit]
		links["next"], body["truncated"] = r.NextURL(all[p.Limit-1].Marker()), true
	}
	names, shown := flag(q, "include_names"), make([]object, len(all))
	for i, as := range all {
		shown[i] = a.showAssignment(ctx, r, as, names)
	}
	body["role_assignments"] = shown
	return httpapi.OK(body), nil
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
