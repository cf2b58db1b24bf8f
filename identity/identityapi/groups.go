package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) groupRoutes() []httpapi.Route {
	one := targets(a.groupTarget)
	return []httpapi.Route{
		route("GET", "/v3/groups", "list_groups", targets(ownDomain("target.group.domain_id")), a.listGroups),
		withBody("POST", "/v3/groups", "create_group", createSchema("group", groupProperties, "name"), newTarget("group"), a.createGroup),
		route("GET", "/v3/groups/{group_id}", "get_group", one, a.getGroup),
		withBody("PATCH", "/v3/groups/{group_id}", "update_group", updateSchema("group", groupProperties), one, a.updateGroup),
		route("DELETE", "/v3/groups/{group_id}", "delete_group", known("group_id", a.svc.GetGroup, one), a.deleteGroup),
	}
}

func (a *api) memberRoutes() []httpapi.Route {
	one, both := targets(a.groupTarget), targets(a.groupTarget, a.userTarget)
	const member = "/v3/groups/{group_id}/users/{user_id}"
	return []httpapi.Route{
		route("GET", "/v3/groups/{group_id}/users", "list_users_in_group", one, a.listMembers),
		status(http.StatusNoContent, route("PUT", member, "add_user_to_group", both, a.addMember)),
		status(http.StatusNoContent, route("GET", member, "check_user_in_group", both, a.checkMember)),
		route("DELETE", member, "remove_user_from_group", both, a.removeMember),
	}
}

type groupBody struct {
	Name        *string `json:"name"`
	DomainID    *string `json:"domain_id"`
	Description *string `json:"description"`
}

func showGroup(r *httpapi.Request, g identity.Group) object {
	return with(object{
		"id": g.ID, "name": g.Name, "domain_id": g.DomainID, "description": g.Description,
		"links": self(r, "groups", g.ID),
	}, g.Extra)
}

// fixed is the error of an attribute that cannot be changed.
func fixed(name string) error {
	return fault.New(fault.Invalid, "Update of `%s` is not allowed.", name)
}

func (a *api) listGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	domain, ok := listDomain(r)
	if !ok {
		return list(r, "groups", nil, showGroup), nil
	}
	all, err := a.svc.ListGroups(ctx, &identity.ListGroupsOptions{
		DomainID: domain, Name: r.Query().Get("name"), Keep: keep(r, showGroup), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "groups", all, showGroup), nil
}

func (a *api) createGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b groupBody
	extra, err := decode(r, "group", &b)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.CreateGroup(ctx, identity.CreateGroupOptions{
		Name: value(b.Name), DomainID: bodyDomain(r, "group"),
		Description: value(b.Description), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("group", showGroup(r, g)), nil
}

func (a *api) getGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := a.svc.GetGroup(ctx, r.Path("group_id"))
	if err != nil {
		return nil, err
	}
	return one("group", showGroup(r, g)), nil
}

func (a *api) updateGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b groupBody
	extra, err := decode(r, "group", &b)
	if err != nil {
		return nil, err
	}
	g, err := a.svc.GetGroup(ctx, r.Path("group_id"))
	if err != nil {
		return nil, err
	}
	if b.DomainID != nil && *b.DomainID != g.DomainID {
		return nil, fixed("domain_id")
	}
	g, err = a.svc.UpdateGroup(ctx, g.ID, identity.UpdateGroupOptions{
		Name: b.Name, Description: b.Description, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("group", showGroup(r, g)), nil
}

func (a *api) deleteGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteGroup(ctx, r.Path("group_id"))
}

func (a *api) userGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListGroups(ctx, &identity.ListGroupsOptions{
		UserID: r.Path("user_id"), DomainID: r.Principal.DomainID, Name: r.Query().Get("name"),
		Keep: keep(r, showGroup), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "groups", all, func(r *httpapi.Request, g identity.Group) object {
		o := showGroup(r, g)
		o["membership_expires_at"] = nil
		return o
	}), nil
}

func (a *api) listMembers(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	expires, err := expiryFilter(q.Get("password_expires_at"))
	if err != nil {
		return nil, err
	}
	all, err := a.svc.ListUsers(ctx, &identity.ListUsersOptions{
		GroupID: r.Path("group_id"), DomainID: r.Principal.DomainID, Name: q.Get("name"), Enabled: maybe(q, "enabled"),
		Keep: both(expires, keep(r, showUser)), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "users", all, showUser), nil
}

func (a *api) addMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.AddUserToGroup(ctx, r.Path("group_id"), r.Path("user_id"))
}

func (a *api) checkMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.CheckUserInGroup(ctx, r.Path("group_id"), r.Path("user_id"))
}

func (a *api) removeMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.RemoveUserFromGroup(ctx, r.Path("group_id"), r.Path("user_id"))
}
