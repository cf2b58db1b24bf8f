package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// endpointPolicyRoutes say which policy is for which endpoints.
func (a *api) endpointPolicyRoutes() []httpapi.Route {
	const (
		base  = "/v3/policies/{policy_id}/OS-ENDPOINT-POLICY"
		found = http.StatusOK
	)
	all := []httpapi.Route{
		route("GET", base+"/endpoints", "list_endpoints_for_policy", nil, a.policyEndpoints),
		route("GET", "/v3/endpoints/{endpoint_id}/OS-ENDPOINT-POLICY/policy", "get_policy_for_endpoint", nil, a.endpointPolicy),
		// An older way to ask, where what stands for the policy is the endpoint.
		status(found, route("GET", base+"/policy", "get_policy_for_endpoint", nil, a.endpointPolicy)),
	}
	for _, place := range []struct{ path, rule string }{
		{"/endpoints/{endpoint_id}", "endpoint"},
		{"/services/{service_id}", "service"},
		{"/services/{service_id}/regions/{region_id}", "region_and_service"},
	} {
		path, rule := base+place.path, "_policy_association_for_"+place.rule
		all = append(all,
			status(http.StatusNoContent, route("GET", path, "check"+rule, nil, policyPlace(a.svc.CheckPolicyAssociation))),
			status(http.StatusNoContent, route("PUT", path, "create"+rule, nil, policyPlace(a.svc.AssociatePolicy))),
			route("DELETE", path, "delete"+rule, nil, policyPlace(a.svc.DissociatePolicy)),
		)
	}
	return all
}

// policyPlace answers with nothing but the outcome.
func policyPlace(do func(ctx context.Context, policyID string, place identity.PolicyPlace) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.Empty(), do(ctx, r.Path("policy_id"), identity.PolicyPlace{
			EndpointID: r.Path("endpoint_id"), ServiceID: r.Path("service_id"), RegionID: r.Path("region_id"),
		})
	}
}

func (a *api) policyEndpoints(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.EndpointsOfPolicy(ctx, r.Path("policy_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "endpoints", all, showEndpoint), nil
}

func (a *api) endpointPolicy(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("endpoint_id")
	if id == "" {
		id = r.Path("policy_id")
	}
	p, err := a.svc.PolicyOfEndpoint(ctx, id)
	if err != nil {
		return nil, err
	}
	return one("policy", showPolicy(r, p)), nil
}
