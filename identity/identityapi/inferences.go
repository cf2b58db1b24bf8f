package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) inferenceRoutes() []httpapi.Route {
	const all, single = "/v3/roles/{prior_role_id}/implies", "/v3/roles/{prior_role_id}/implies/{implied_role_id}"
	return []httpapi.Route{
		route("GET", "/v3/role_inferences", "list_role_inference_rules", nil, a.listInferences),
		route("GET", all, "list_implied_roles", nil, a.listImplied),
		status(http.StatusCreated, route("PUT", single, "create_implied_role", nil, a.createInference)),
		route("GET", single, "get_implied_role", nil, a.getInference),
		status(http.StatusNoContent, route("HEAD", single, "check_implied_role", nil, a.getInference)),
		route("DELETE", single, "delete_implied_role", nil, a.deleteInference),
	}
}

// showBrief is a role as inferences show it.
func showBrief(r *httpapi.Request, role identity.Role) object {
	return object{
		"id": role.ID, "name": role.Name, "description": role.Description,
		"links": self(r, "roles", role.ID),
	}
}

func showInference(r *httpapi.Request, in identity.Inference) object {
	implied := make([]object, len(in.Implied))
	for i, role := range in.Implied {
		implied[i] = showBrief(r, role)
	}
	return object{"prior_role": showBrief(r, in.Prior), "implies": implied}
}

func (a *api) listInferences(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListInferences(ctx, "")
	if err != nil {
		return nil, err
	}
	return list(r, "role_inferences", all, showInference), nil
}

func (a *api) listImplied(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("prior_role_id")
	all, err := a.svc.ListInferences(ctx, id)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(object{
		"role_inference": showInference(r, all[0]), "links": self(r, "roles", id, "implies"),
	}), nil
}

func (a *api) createInference(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := a.svc.CreateInference(ctx, r.Path("prior_role_id"), r.Path("implied_role_id")); err != nil {
		return nil, err
	}
	return a.getInference(ctx, r)
}

func (a *api) getInference(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	prior, implied := r.Path("prior_role_id"), r.Path("implied_role_id")
	in, err := a.svc.GetInference(ctx, prior, implied)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(object{
		"role_inference": object{
			"prior_role": showBrief(r, in.Prior), "implies": showBrief(r, in.Implied[0]),
		},
		"links": self(r, "roles", prior, "implies", implied),
	}), nil
}

func (a *api) deleteInference(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteInference(ctx, r.Path("prior_role_id"), r.Path("implied_role_id"))
}
