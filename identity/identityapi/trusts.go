package identityapi

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) trustRoutes() []httpapi.Route {
	const all, single = "/v3/OS-TRUST/trusts", "/v3/OS-TRUST/trusts/{trust_id}"
	return []httpapi.Route{
		choose(route("GET", all, "list_trusts", listedTrusts, a.withoutAppCredential(a.listTrusts)),
			listTrustsRule, "list_trusts_for_trustor", "list_trusts_for_trustee"),
		withBody("POST", all, "create_trust", trustSchema, a.newTrust, a.withoutAppCredential(a.createTrust)),
		route("GET", single, "get_trust", a.trustTarget, a.withoutAppCredential(a.getTrust)),
		route("DELETE", single, "delete_trust", a.trustTarget, a.withoutAppCredential(a.deleteTrust)),
		route("GET", single+"/roles", "list_roles_for_trust", a.trustTarget, a.withoutAppCredential(a.listTrustRoles)),
		route("GET", single+"/roles/{role_id}", "get_role_for_trust", a.trustTarget, a.withoutAppCredential(a.getTrustRole)),
	}
}

type trustBody struct {
	TrustorID     string    `json:"trustor_user_id"`
	TrusteeID     string    `json:"trustee_user_id"`
	ProjectID     string    `json:"project_id"`
	Impersonation bool      `json:"impersonation"`
	ExpiresAt     *string   `json:"expires_at"`
	Remaining     *int      `json:"remaining_uses"`
	PassOn        bool      `json:"allow_redelegation"`
	Redelegation  *int      `json:"redelegation_count"`
	Roles         []refBody `json:"roles"`
}

// The attributes of a trust that rules look at.
const (
	trustorKey = "target.trust.trustor_user_id"
	trusteeKey = "target.trust.trustee_user_id"
)

func showTrust(r *httpapi.Request, t identity.Trust) object {
	o := object{
		"id": t.ID, "trustor_user_id": t.TrustorID, "trustee_user_id": t.TrusteeID,
		"project_id": nullable(t.ProjectID), "impersonation": t.Impersonation,
		"expires_at": timeOrNull(t.ExpiresAt, timeForm), "deleted_at": nil,
		"remaining_uses": nil, "redelegation_count": t.Redelegation, "redelegated_trust_id": nullable(t.RedelegatedFrom),
		"links":       self(r, "OS-TRUST", "trusts", t.ID),
		"roles_links": object{"self": self(r, "OS-TRUST", "trusts", t.ID, "roles")["self"], "next": nil, "previous": nil},
	}
	if t.Remaining != nil {
		o["remaining_uses"] = *t.Remaining
	}
	return o
}

// showWhole is a trust with its roles.
func (a *api) showWhole(ctx context.Context, r *httpapi.Request, t identity.Trust) object {
	o := showTrust(r, t)
	roles := []object{}
	for _, role := range a.trustRoles(ctx, t) {
		roles = append(roles, showRole(r, role))
	}
	o["roles"] = roles
	return o
}

func (a *api) trustRoles(ctx context.Context, t identity.Trust) []identity.Role {
	roles := []identity.Role{}
	for _, id := range t.RoleIDs {
		if role, err := a.svc.GetRole(ctx, id); err == nil {
			roles = append(roles, role)
		}
	}
	return roles
}

// trustTarget loads the trust of the path. Unlike with other resources everybody
// learns that it is missing, as with Keystone.
func (a *api) trustTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t, err := a.svc.GetTrust(ctx, r.Path("trust_id"))
	if err != nil {
		return nil, err
	}
	return policy.Target{trustorKey: t.TrustorID, trusteeKey: t.TrusteeID}, nil
}

func (a *api) newTrust(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	var b trustBody
	err := read(r, "trust", &b)
	return policy.Target{trustorKey: b.TrustorID}, err
}

// listTrustsRule is one rule for all trusts, and others for those of one trustor or
// trustee, who may list their own.
func listTrustsRule(_ context.Context, r *httpapi.Request) string {
	switch q := r.Query(); {
	case q.Get("trustor_user_id") != "":
		return "identity:list_trusts_for_trustor"
	case q.Get("trustee_user_id") != "":
		return "identity:list_trusts_for_trustee"
	}
	return "identity:list_trusts"
}

// listedTrusts are those that the query asks for.
func listedTrusts(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	t, q := policy.Target{}, r.Query()
	if id := q.Get("trustor_user_id"); id != "" {
		t[trustorKey] = id
	}
	if id := q.Get("trustee_user_id"); id != "" {
		t[trusteeKey] = id
	}
	return t, nil
}

func (a *api) listTrusts(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	opts := &identity.ListTrustsOptions{TrustorID: q.Get("trustor_user_id"), TrusteeID: q.Get("trustee_user_id")}
	all, err := a.svc.ListTrusts(ctx, opts)
	if err != nil {
		return nil, err
	}
	return list(r, "trusts", all, showTrust), nil
}

func (a *api) createTrust(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	caller, err := a.callerToken(ctx, r)
	if err != nil {
		return nil, err
	}
	if caller.OAuth1 != nil {
		return nil, forbidden("Redelegation allowed for delegated by trust only")
	}
	var in trustBody
	if err := read(r, "trust", &in); err != nil {
		return nil, err
	}
	opts := identity.CreateTrustOptions{
		TrustorID: in.TrustorID, TrusteeID: in.TrusteeID, ProjectID: in.ProjectID,
		Impersonation: in.Impersonation, Remaining: in.Remaining,
		AllowRedelegation: in.PassOn, Redelegation: in.Redelegation,
		RedelegatedFrom: caller.Delegation().TrustID,
	}
	if opts.ExpiresAt, err = parseTime(in.ExpiresAt); err != nil {
		return nil, err
	}
	for _, ref := range in.Roles {
		id, err := a.roleID(ctx, ref)
		if err != nil {
			return nil, err
		}
		opts.RoleIDs = append(opts.RoleIDs, id)
	}
	t, err := a.svc.CreateTrust(ctx, opts)
	if err != nil {
		return nil, err
	}
	return one("trust", a.showWhole(ctx, r, t)), nil
}

func (a *api) getTrust(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.svc.GetTrust(ctx, r.Path("trust_id"))
	if err != nil {
		return nil, err
	}
	return one("trust", a.showWhole(ctx, r, t)), nil
}

func (a *api) deleteTrust(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteTrust(ctx, r.Path("trust_id"))
}

func (a *api) listTrustRoles(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.svc.GetTrust(ctx, r.Path("trust_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "roles", a.trustRoles(ctx, t), showRole), nil
}

func (a *api) getTrustRole(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.svc.GetTrust(ctx, r.Path("trust_id"))
	if err != nil {
		return nil, err
	}
	role, err := a.roleAmong(ctx, r, t.RoleIDs)
	if err != nil {
		return nil, err
	}
	return one("role", showRole(r, role)), nil
}

// roleAmong is the role of the path, if it is one of those that are delegated.
func (a *api) roleAmong(ctx context.Context, r *httpapi.Request, ids []string) (identity.Role, error) {
	id := r.Path("role_id")
	if !slices.Contains(ids, id) {
		return identity.Role{}, fault.Missing("role", id)
	}
	return a.svc.GetRole(ctx, id)
}
