package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) roleRoutes() []httpapi.Route {
	one := known("role_id", a.svc.GetRole, targets(a.roleTarget))
	return []httpapi.Route{
		a.ofRoles("list", route("GET", "/v3/roles", "list_roles", nil, a.listRoles)),
		a.ofRoles("create", withBody("POST", "/v3/roles", "create_role", createSchema("role", roleProperties, "name"), nil, a.createRole)),
		a.ofRoles("get", route("GET", "/v3/roles/{role_id}", "get_role", one, a.getRole)),
		a.ofRoles("update", withBody("PATCH", "/v3/roles/{role_id}", "update_role", updateSchema("role", roleProperties), one, a.updateRole)),
		a.ofRoles("delete", route("DELETE", "/v3/roles/{role_id}", "delete_role", one, a.deleteRole)),
	}
}

// ofRoles gives a route a rule of its own for the roles of a domain.
func (a *api) ofRoles(verb string, line httpapi.Route) httpapi.Route {
	further := verb + "_domain_role"
	if verb == "list" {
		further += "s"
	}
	return choose(line, func(ctx context.Context, r *httpapi.Request) string {
		if a.roleDomain(ctx, r) != "" {
			return "identity:" + further
		}
		return line.Policy
	}, further)
}

// roleDomain is the domain of the roles that a request is about: those of the path,
// the body or the query; empty for roles of no domain.
func (a *api) roleDomain(ctx context.Context, r *httpapi.Request) string {
	if id := r.Path("role_id"); id != "" {
		role, err := a.svc.GetRole(ctx, id)
		if err != nil {
			return "" // Handle says so to those who may know
		}
		return role.DomainID
	}
	if r.HTTP.Method == http.MethodPost {
		var b roleBody
		if read(r, "role", &b) != nil {
			return "" // Handle says so
		}
		return value(b.DomainID)
	}
	return r.Query().Get("domain_id")
}

type roleBody struct {
	Name        *string             `json:"name"`
	DomainID    *string             `json:"domain_id"`
	Description *string             `json:"description"`
	Options     identity.Attributes `json:"options"`
}

func showRole(r *httpapi.Request, role identity.Role) object {
	return with(object{
		"id": role.ID, "name": role.Name, "domain_id": nullable(role.DomainID),
		"description": role.Description, "options": options(role.Options),
		"links": self(r, "roles", role.ID),
	}, role.Extra)
}

func (a *api) listRoles(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListRoles(ctx, &identity.ListRolesOptions{
		DomainID: q.Get("domain_id"), Name: q.Get("name"), Keep: keep(r, showRole), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "roles", all, showRole), nil
}

func (a *api) createRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b roleBody
	extra, err := decode(r, "role", &b)
	if err != nil {
		return nil, err
	}
	role, err := a.svc.CreateRole(ctx, identity.CreateRoleOptions{
		Name: value(b.Name), DomainID: value(b.DomainID), Description: b.Description,
		Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("role", showRole(r, role)), nil
}

func (a *api) getRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	role, err := a.svc.GetRole(ctx, r.Path("role_id"))
	if err != nil {
		return nil, err
	}
	return one("role", showRole(r, role)), nil
}

func (a *api) updateRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	role, err := a.svc.GetRole(ctx, r.Path("role_id"))
	if err != nil {
		return nil, err
	}
	var b roleBody
	extra, err := decode(r, "role", &b)
	if err != nil {
		return nil, err
	}
	if b.DomainID != nil && *b.DomainID != role.DomainID {
		return nil, fixed("domain_id")
	}
	role, err = a.svc.UpdateRole(ctx, role.ID, identity.UpdateRoleOptions{
		Name: b.Name, Description: b.Description, Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("role", showRole(r, role)), nil
}

func (a *api) deleteRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteRole(ctx, r.Path("role_id"))
}
