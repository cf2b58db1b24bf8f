package identityapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) userRoutes() []httpapi.Route {
	one := targets(a.userTarget)
	return []httpapi.Route{
		route("GET", "/v3/users", "list_users", targets(ownDomain("target.domain_id")), a.listUsers),
		withBody("POST", "/v3/users", "create_user", createSchema("user", userProperties, "name"), newTarget("user"), a.createUser),
		route("GET", "/v3/users/{user_id}", "get_user", one, a.getUser),
		withBody("PATCH", "/v3/users/{user_id}", "update_user", updateSchema("user", userProperties), one, a.updateUser),
		route("DELETE", "/v3/users/{user_id}", "delete_user", one, a.deleteUser),
		route("GET", "/v3/users/{user_id}/projects", "list_user_projects", one, a.userProjects),
		route("GET", "/v3/users/{user_id}/groups", "list_groups_for_user", one, a.userGroups),
		{
			Method: "POST", Path: "/v3/users/{user_id}/password", Public: true, Status: http.StatusNoContent,
			Body: []httpapi.Schema{{JSON: passwordSchema}}, Handle: a.changePassword,
		},
	}
}

// newTarget is the domain in which a user or a group is to be made.
func newTarget(name string) targetFunc {
	return func(_ context.Context, r *httpapi.Request) (policy.Target, error) {
		return policy.Target{"target." + name + ".domain_id": bodyDomain(r, name)}, nil
	}
}

type userBody struct {
	Name             *string             `json:"name"`
	DomainID         *string             `json:"domain_id"`
	Password         *string             `json:"password"`
	DefaultProjectID *string             `json:"default_project_id"`
	Description      *string             `json:"description"`
	Email            *string             `json:"email"`
	Enabled          *bool               `json:"enabled"`
	Options          identity.Attributes `json:"options"`
	Federated        []federatedBody     `json:"federated"`
}

func showUser(r *httpapi.Request, u identity.User) object {
	o := object{
		"id": u.ID, "name": u.Name, "domain_id": u.DomainID, "enabled": u.Enabled,
		"password_expires_at": timeOrNull(u.PasswordExpires, naiveTimeForm),
		"options":             options(u.Options), "links": self(r, "users", u.ID),
	}
	optional(o, "default_project_id", u.DefaultProjectID)
	optional(o, "description", u.Description)
	optional(o, "email", u.Email)
	return with(o, u.Extra)
}

func (a *api) listUsers(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	domain, ok := listDomain(r)
	if !ok {
		return list(r, "users", nil, showUser), nil
	}
	expires, err := expiryFilter(q.Get("password_expires_at"))
	if err != nil {
		return nil, err
	}
	all, err := a.svc.ListUsers(ctx, &identity.ListUsersOptions{
		DomainID: domain, Name: q.Get("name"), Enabled: maybe(q, "enabled"),
		Federated: federatedFilter(q),
		Keep:      both(expires, keep(r, showUser)), Page: page(r),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "users", all, showUser), nil
}

// expiryFilter reads "lt:2026-12-08T22:02:00Z": users whose password expires before
// that time. Passwords that never expire pass none.
func expiryFilter(text string) (func(*identity.User) bool, error) {
	if text == "" {
		return nil, nil
	}
	operator, value, _ := strings.Cut(text, ":")
	holds := map[string]func(order int) bool{
		"lt": func(o int) bool { return o < 0 }, "lte": func(o int) bool { return o <= 0 },
		"gt": func(o int) bool { return o > 0 }, "gte": func(o int) bool { return o >= 0 },
		"eq": func(o int) bool { return o == 0 }, "neq": func(o int) bool { return o != 0 },
	}[operator]
	at, ok := queryTime(value)
	if holds == nil || !ok {
		return nil, fault.New(fault.Invalid, "Invalid query for 'password_expires_at': it must be an operator (lt, lte, gt, gte, eq or neq), a colon and a time such as 2026-12-08T22:02:00Z.")
	}
	return func(u *identity.User) bool {
		return u.PasswordExpires != nil && holds(u.PasswordExpires.Compare(at))
	}, nil
}

func (a *api) createUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b userBody
	extra, err := decode(r, "user", &b)
	if err != nil {
		return nil, err
	}
	federated, err := a.identitiesFor(ctx, r, bodyDomain(r, "user"), b.Federated)
	if err != nil {
		return nil, err
	}
	u, err := a.svc.CreateUser(ctx, identity.CreateUserOptions{
		Name: value(b.Name), DomainID: bodyDomain(r, "user"), Password: value(b.Password),
		DefaultProjectID: value(b.DefaultProjectID), Description: value(b.Description),
		Email: value(b.Email), Disabled: off(b.Enabled), Options: b.Options, Extra: extra,
		Federated: federated,
	})
	if err != nil {
		return nil, err
	}
	return a.oneUser(ctx, r, u)
}

func (a *api) getUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	u, err := a.svc.GetUser(ctx, r.Path("user_id"))
	if err != nil {
		return nil, err
	}
	return a.oneUser(ctx, r, u)
}

func (a *api) updateUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b userBody
	extra, err := decode(r, "user", &b)
	if err != nil {
		return nil, err
	}
	u, err := a.svc.GetUser(ctx, r.Path("user_id"))
	if err != nil {
		return nil, err
	}
	if b.DomainID != nil && *b.DomainID != u.DomainID {
		return nil, fixed("domain_id")
	}
	federated, err := a.identitiesFor(ctx, r, u.DomainID, b.Federated)
	if err != nil {
		return nil, err
	}
	if isNull(r, "user", "default_project_id") {
		b.DefaultProjectID = new(string)
	}
	u, err = a.svc.UpdateUser(ctx, u.ID, identity.UpdateUserOptions{
		Name: b.Name, Password: b.Password, DefaultProjectID: b.DefaultProjectID,
		Description: b.Description, Email: b.Email, Enabled: b.Enabled,
		Options: b.Options, Extra: extra, Federated: federated,
	})
	if err != nil {
		return nil, err
	}
	return a.oneUser(ctx, r, u)
}

func (a *api) deleteUser(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteUser(ctx, r.Path("user_id"))
}

// changePassword needs no token: the old password proves who asks, and a user whose
// password has expired has no token.
func (a *api) changePassword(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		User struct {
			Password string `json:"password"`
			Original string `json:"original_password"`
		} `json:"user"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	if err := a.svc.ChangePassword(ctx, r.Path("user_id"), b.User.Original, b.User.Password); err != nil {
		return unauthorized(r, err)
	}
	return httpapi.Empty(), nil
}
