package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) policyRoutes() []httpapi.Route {
	const single = "/v3/policies/{policy_id}"
	return []httpapi.Route{
		route("GET", "/v3/policies", "list_policies", nil, a.listPolicies),
		withBody("POST", "/v3/policies", "create_policy", createSchema("policy", policyProperties, "blob", "type"), nil, a.createPolicy),
		route("GET", single, "get_policy", nil, a.getPolicy),
		withBody("PATCH", single, "update_policy", updateSchema("policy", policyProperties), nil, a.updatePolicy),
		route("DELETE", single, "delete_policy", nil, a.deletePolicy),
	}
}

type policyBody struct {
	Type *string `json:"type"`
	Blob *string `json:"blob"`
}

func showPolicy(r *httpapi.Request, p identity.PolicyDocument) object {
	return with(object{
		"id": p.ID, "type": p.Type, "blob": p.Blob, "links": self(r, "policies", p.ID),
	}, p.Extra)
}

func (a *api) listPolicies(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListPolicies(ctx, r.Query().Get("type"))
	if err != nil {
		return nil, err
	}
	return list(r, "policies", all, showPolicy), nil
}

func (a *api) createPolicy(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b policyBody
	extra, err := decode(r, "policy", &b)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.CreatePolicy(ctx, identity.PolicyDocument{
		Type: value(b.Type), Blob: value(b.Blob), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("policy", showPolicy(r, p)), nil
}

func (a *api) getPolicy(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetPolicy(ctx, r.Path("policy_id"))
	if err != nil {
		return nil, err
	}
	return one("policy", showPolicy(r, p)), nil
}

func (a *api) updatePolicy(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b policyBody
	extra, err := decode(r, "policy", &b)
	if err != nil {
		return nil, err
	}
	p, err := a.svc.UpdatePolicy(ctx, r.Path("policy_id"), identity.UpdatePolicyOptions{
		Type: b.Type, Blob: b.Blob, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("policy", showPolicy(r, p)), nil
}

func (a *api) deletePolicy(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeletePolicy(ctx, r.Path("policy_id"))
}
