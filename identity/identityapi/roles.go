package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) roleRoutes() []httpapi.Route {
	one := targets(a.roleTarget)
	return []httpapi.Route{
		route("GET", "/v3/roles", "list_roles", nil, a.listRoles),
		withBody("POST", "/v3/roles", "create_role", createSchema("role", roleProperties, "name"), nil, a.createRole),
		route("GET", "/v3/roles/{role_id}", "get_role", one, a.getRole),
		withBody("PATCH", "/v3/roles/{role_id}", "update_role", updateSchema("role", roleProperties), one, a.updateRole),
		route("DELETE", "/v3/roles/{role_id}", "delete_role", one, a.deleteRole),
	}
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

// domainRule checks the further rule that guards the roles of a domain.
func domainRule(r *httpapi.Request, domainID, rule string) error {
	if domainID == "" {
		return nil
	}
	return r.Policy.Check(r.Service, "identity:"+rule, r.Principal, nil)
}

func (a *api) listRoles(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	domain := q.Get("domain_id")
	if err := domainRule(r, domain, "list_domain_roles"); err != nil {
		return nil, err
	}
	all, err := a.svc.ListRoles(ctx, &identity.ListRolesOptions{DomainID: domain, Name: q.Get("name")})
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
	if err := domainRule(r, value(b.DomainID), "create_domain_role"); err != nil {
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

// roleOf loads the role of the path and checks the rule for the roles of a domain.
func (a *api) roleOf(ctx context.Context, r *httpapi.Request, rule string) (identity.Role, error) {
	role, err := a.svc.GetRole(ctx, r.Path("role_id"))
	if err == nil {
		err = domainRule(r, role.DomainID, rule)
	}
	return role, err
}

func (a *api) getRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	role, err := a.roleOf(ctx, r, "get_domain_role")
	if err != nil {
		return nil, err
	}
	return one("role", showRole(r, role)), nil
}

func (a *api) updateRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	role, err := a.roleOf(ctx, r, "update_domain_role")
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
	role, err := a.roleOf(ctx, r, "delete_domain_role")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.DeleteRole(ctx, role.ID)
}
