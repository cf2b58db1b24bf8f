package identityapi

import (
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) appCredentialRoutes() []httpapi.Route {
	const all = "/v3/users/{user_id}/application_credentials"
	const single = all + "/{application_credential_id}"
	user, owner := targets(a.userTarget), targets(a.appCredentialOwner)
	return []httpapi.Route{
		route("GET", all, "list_application_credentials", user, a.personal(a.listAppCredentials)),
		withBody("POST", all, "create_application_credential", appCredentialSchema, user, a.personal(a.createAppCredential)),
		route("GET", single, "get_application_credential", owner, a.personal(a.getAppCredential)),
		route("DELETE", single, "delete_application_credential", owner, a.personal(a.deleteAppCredential)),
	}
}

func (a *api) accessRuleRoutes() []httpapi.Route {
	const all, single = "/v3/users/{user_id}/access_rules", "/v3/users/{user_id}/access_rules/{access_rule_id}"
	one := targets(a.userTarget)
	return []httpapi.Route{
		route("GET", all, "list_access_rules", one, a.personal(a.listAccessRules)),
		route("GET", single, "get_access_rule", one, a.personal(a.getAccessRule)),
		route("DELETE", single, "delete_access_rule", one, a.personal(a.deleteAccessRule)),
	}
}

type appCredentialCreate struct {
	Name         string          `json:"name"`
	Secret       string          `json:"secret"`
	Description  string          `json:"description"`
	ExpiresAt    *string         `json:"expires_at"`
	Roles        []refBody       `json:"roles"`
	Unrestricted bool            `json:"unrestricted"`
	AccessRules  *[]accessRuleIn `json:"access_rules"`
}

type accessRuleIn struct {
	ID      string `json:"id"`
	Service string `json:"service"`
	Method  string `json:"method"`
	Path    string `json:"path"`
}

func (a *api) showAppCredential(ctx context.Context, r *httpapi.Request, c identity.ApplicationCredential) object {
	roles := []object{}
	for _, id := range c.RoleIDs {
		if role, err := a.svc.GetRole(ctx, id); err == nil {
			roles = append(roles, object{"id": role.ID, "name": role.Name, "domain_id": nullable(role.DomainID)})
		}
	}
	o := object{
		"id": c.ID, "name": c.Name, "description": nullable(c.Description), "roles": roles,
		"project_id": c.ProjectID, "user_id": c.UserID, "unrestricted": c.Unrestricted,
		"expires_at": timeOrNull(c.ExpiresAt, naiveTimeForm), "system": nil,
		"links": self(r, "users", c.UserID, "application_credentials", c.ID),
	}
	if c.AccessRules != nil {
		o["access_rules"] = showRules(c.AccessRules)
	}
	return o
}

func showRules(rules []identity.AccessRule) []object {
	shown := []object{}
	for _, rule := range rules {
		shown = append(shown, object{
			"id": rule.ID, "service": rule.Service, "method": rule.Method, "path": rule.Path,
		})
	}
	return shown
}

func (a *api) listAppCredentials(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListApplicationCredentials(ctx, r.Path("user_id"), r.Query().Get("name"))
	if err != nil {
		return nil, err
	}
	return list(r, "application_credentials", all, func(r *httpapi.Request, c identity.ApplicationCredential) object {
		return a.showAppCredential(ctx, r, c)
	}), nil
}

func (a *api) createAppCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	caller, err := a.callerToken(ctx, r)
	if err == nil {
		err = unrestricted(caller, "application credentials")
	}
	if err != nil {
		return nil, err
	}
	var b struct {
		New appCredentialCreate `json:"application_credential"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	opts, err := a.appCredentialOptions(ctx, r, b.New)
	if err != nil {
		return nil, err
	}
	c, secret, err := a.svc.CreateApplicationCredential(ctx, opts)
	if err != nil {
		return nil, err
	}
	o := a.showAppCredential(ctx, r, c)
	o["secret"] = secret
	return one("application_credential", o), nil
}

// appCredentialOptions reads the body: the credential is for the project of the
// caller's token, with roles that the token has.
func (a *api) appCredentialOptions(ctx context.Context, r *httpapi.Request, b appCredentialCreate) (identity.CreateApplicationCredentialOptions, error) {
	opts := identity.CreateApplicationCredentialOptions{
		Name: b.Name, UserID: r.Path("user_id"), ProjectID: r.Principal.ProjectID,
		Secret: b.Secret, Description: b.Description, Unrestricted: b.Unrestricted,
	}
	if opts.ProjectID == "" {
		return opts, fault.New(fault.Invalid, "Expecting to find a project scope in the token. The server could not comply with the request since it is either malformed or otherwise incorrect.")
	}
	for _, ref := range b.Roles {
		id, err := a.roleID(ctx, ref)
		if err != nil {
			return opts, err
		}
		opts.RoleIDs = append(opts.RoleIDs, id)
	}
	for _, id := range opts.RoleIDs {
		if !slices.Contains(r.Principal.RoleIDs, id) {
			return opts, fault.New(fault.Invalid, "Invalid application credential: Cannot create an application credential with unassigned role")
		}
	}
	if len(b.Roles) == 0 {
		opts.RoleIDs = r.Principal.RoleIDs
	}
	var err error
	if opts.ExpiresAt, err = parseTime(b.ExpiresAt); err != nil {
		return opts, err
	}
	if b.AccessRules != nil {
		opts.AccessRules = []identity.AccessRule{}
		for _, in := range *b.AccessRules {
			opts.AccessRules = append(opts.AccessRules, identity.AccessRule{
				ID: in.ID, Service: in.Service, Method: in.Method, Path: in.Path,
			})
		}
	}
	return opts, nil
}

// roleID resolves a role that is named by its id or by its name.
func (a *api) roleID(ctx context.Context, ref refBody) (string, error) {
	if ref.ID != "" {
		role, err := a.svc.GetRole(ctx, ref.ID)
		return role.ID, err
	}
	role, err := a.svc.FindRole(ctx, ref.Name)
	return role.ID, err
}

// parseTime reads a time of a body, with or without a zone.
func parseTime(s *string) (*time.Time, error) {
	if s == nil {
		return nil, nil
	}
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999", "2006-01-02T15:04:05-0700"} {
		if t, err := time.Parse(form, *s); err == nil {
			t = t.UTC().Truncate(time.Microsecond)
			return &t, nil
		}
	}
	return nil, fault.New(fault.Invalid, "Invalid input for field 'expires_at': the format must be YYYY-MM-DDThh:mm:ss.sssssssZ.")
}

// appCredentialOwner is the owner of the credential in the path, whatever user the path
// names beside it: who knows an id of somebody else's cannot have it as its own. If there
// is none it is the user of the path.
func (a *api) appCredentialOwner(ctx context.Context, r *httpapi.Request) policy.Target {
	if c, err := a.appCredentialOf(ctx, r); err == nil {
		return a.userAttributes(ctx, c.UserID)
	}
	return a.userTarget(ctx, r)
}

// appCredentialOf loads the credential of the path.
func (a *api) appCredentialOf(ctx context.Context, r *httpapi.Request) (identity.ApplicationCredential, error) {
	return a.svc.GetApplicationCredential(ctx, r.Path("application_credential_id"))
}

func (a *api) getAppCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	c, err := a.appCredentialOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return one("application_credential", a.showAppCredential(ctx, r, c)), nil
}

func (a *api) deleteAppCredential(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	caller, err := a.callerToken(ctx, r)
	if err == nil {
		err = unrestricted(caller, "application credentials")
	}
	if err != nil {
		return nil, err
	}
	c, err := a.appCredentialOf(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.DeleteApplicationCredential(ctx, c.ID)
}

func showRule(r *httpapi.Request, rule identity.AccessRule) object {
	return object{
		"id": rule.ID, "service": rule.Service, "method": rule.Method, "path": rule.Path,
		"links": self(r, "users", rule.UserID, "access_rules", rule.ID),
	}
}

func (a *api) listAccessRules(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListAccessRules(ctx, r.Path("user_id"), &identity.ListAccessRulesOptions{
		Service: r.Query().Get("service"), Method: r.Query().Get("method"), Path: r.Query().Get("path"),
	})
	if err != nil {
		return nil, err
	}
	q := r.Query()
	kept := slices.DeleteFunc(slices.Clone(all), func(rule identity.AccessRule) bool {
		return q.Has("service") && rule.Service != q.Get("service") ||
			q.Has("path") && rule.Path != q.Get("path") || q.Has("method") && rule.Method != q.Get("method")
	})
	return list(r, "access_rules", kept, showRule), nil
}

func (a *api) getAccessRule(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	rule, err := a.svc.GetAccessRule(ctx, r.Path("user_id"), r.Path("access_rule_id"))
	if err != nil {
		return nil, err
	}
	return one("access_rule", showRule(r, rule)), nil
}

func (a *api) deleteAccessRule(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteAccessRule(ctx, r.Path("user_id"), r.Path("access_rule_id"))
}
