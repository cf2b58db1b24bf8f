package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) accessTokenRoutes() []httpapi.Route {
	const all = "/v3/users/{user_id}/OS-OAUTH1/access_tokens"
	const single = all + "/{access_token_id}"
	own := func(handle httpapi.Handler) httpapi.Handler {
		return a.undelegated("Cannot manage OAuth access tokens", handle)
	}
	user := targets(a.userTarget)
	return []httpapi.Route{
		route("GET", all, "list_access_tokens", user, own(a.listAccessTokens)),
		route("GET", single, "get_access_token", user, own(a.getAccessToken)),
		route("DELETE", single, "delete_access_token", user, own(a.deleteAccessToken)),
		route("GET", single+"/roles", "list_access_token_roles", user, a.listAccessTokenRoles),
		route("GET", single+"/roles/{role_id}", "get_access_token_role", user, a.getAccessTokenRole),
	}
}

func showAccessToken(r *httpapi.Request, t identity.AccessToken) object {
	links := self(r, "users", t.UserID, "OS-OAUTH1", "access_tokens", t.ID)
	links["roles"] = self(r, "users", t.UserID, "OS-OAUTH1", "access_tokens", t.ID, "roles")["self"]
	return object{
		"id": t.ID, "consumer_id": t.ConsumerID, "authorizing_user_id": t.UserID, "project_id": t.ProjectID,
		"expires_at": t.ExpiresAt.UTC().Format(timeForm), "links": links,
	}
}

func (a *api) listAccessTokens(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListAccessTokens(ctx, r.Path("user_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "access_tokens", all, showAccessToken), nil
}

// accessTokenOf loads the access token of the path.
func (a *api) accessTokenOf(ctx context.Context, r *httpapi.Request) (identity.AccessToken, error) {
	return a.svc.GetAccessToken(ctx, r.Path("user_id"), r.Path("access_token_id"))
}

func (a *api) getAccessToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.accessTokenOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return one("access_token", showAccessToken(r, t)), nil
}

func (a *api) deleteAccessToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteAccessToken(ctx, r.Path("user_id"), r.Path("access_token_id"))
}

func (a *api) listAccessTokenRoles(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.accessTokenOf(ctx, r)
	if err != nil {
		return nil, err
	}
	roles := []identity.Role{}
	for _, id := range t.RoleIDs {
		if role, err := a.svc.GetRole(ctx, id); err == nil {
			roles = append(roles, role)
		}
	}
	return list(r, "roles", roles, showBareRole), nil
}

// showBareRole is a role without its description.
func showBareRole(r *httpapi.Request, role identity.Role) object {
	o := showRole(r, role)
	delete(o, "description")
	return o
}

func (a *api) getAccessTokenRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.accessTokenOf(ctx, r)
	if err != nil {
		return nil, err
	}
	role, err := a.roleAmong(ctx, r, t.RoleIDs)
	if err != nil {
		return nil, err
	}
	return one("role", showBareRole(r, role)), nil
}
