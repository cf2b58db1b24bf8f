package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) limitRoutes() []httpapi.Route {
	const all, single = "/v3/limits", "/v3/limits/{limit_id}"
	return []httpapi.Route{
		route("GET", "/v3/limits/model", "get_limit_model", nil, a.limitModel),
		route("GET", all, "list_limits", nil, a.listLimits),
		status(http.StatusCreated, withBody("POST", all, "create_limits", batchSchema("limits", limitProperties,
			`"required": ["service_id", "resource_name", "resource_limit"],
			"oneOf": [{"required": ["project_id"]}, {"required": ["domain_id"]}]`), nil, a.createLimits)),
		route("GET", single, "get_limit", a.limitTarget, a.getLimit),
		withBody("PATCH", single, "update_limit", strictSchema("limit", limitChanges, ""), nil, a.updateLimit),
		route("DELETE", single, "delete_limit", nil, a.deleteLimit),
	}
}

type limitBody struct {
	ProjectID    *string `json:"project_id"`
	DomainID     *string `json:"domain_id"`
	ServiceID    *string `json:"service_id"`
	RegionID     *string `json:"region_id"`
	ResourceName *string `json:"resource_name"`
	Value        *int    `json:"resource_limit"`
	Description  *string `json:"description"`
}

func showLimit(r *httpapi.Request, l identity.Limit) object {
	return object{
		"id": l.ID, "project_id": nullable(l.ProjectID), "domain_id": nullable(l.DomainID),
		"service_id": l.ServiceID, "region_id": nullable(l.RegionID), "resource_name": l.ResourceName,
		"resource_limit": l.Value, "description": l.Description, "links": self(r, "limits", l.ID),
	}
}

// limitTarget is the limit of the path, and whose it is.
func (a *api) limitTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	l, err := a.svc.GetLimit(ctx, r.Path("limit_id"))
	if err != nil {
		return policy.Target{}, nil
	}
	t := policy.Target{"target.limit.project_id": l.ProjectID}
	if l.DomainID != "" {
		t["target.limit.domain.id"] = l.DomainID
	}
	if p, err := a.svc.GetProject(ctx, l.ProjectID); err == nil {
		t["target.limit.project.domain_id"] = p.DomainID
	}
	return t, nil
}

func (a *api) limitModel(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	m := a.svc.LimitModel()
	return one("model", object{"name": m.Name, "description": m.Description}), nil
}

// listLimits shows administrators and tokens of the system all limits, others those of the
// project or the domain that their token is for.
func (a *api) listLimits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q, p := r.Query(), r.Principal
	opts := &identity.ListLimitsOptions{
		ServiceID: q.Get("service_id"), RegionID: regionQuery(q), ResourceName: q.Get("resource_name"),
		ProjectID: q.Get("project_id"), DomainID: q.Get("domain_id"),
	}
	all, err := a.svc.ListLimits(ctx, opts)
	if err != nil {
		return nil, err
	}
	if p.System || p.IsAdmin() || p.HasRole("service") { // services enforce what they ask for
		return list(r, "limits", all, showLimit), nil
	}
	kept := []identity.Limit{}
	for _, l := range all {
		if a.ownLimit(ctx, p, l) {
			kept = append(kept, l)
		}
	}
	return list(r, "limits", kept, showLimit), nil
}

// ownLimit reports whether a limit is that of the caller's project, or in its domain.
func (a *api) ownLimit(ctx context.Context, p *policy.Principal, l identity.Limit) bool {
	switch {
	case p.ProjectID != "":
		return l.ProjectID == p.ProjectID
	case p.DomainID == "":
		return false
	case l.DomainID != "":
		return l.DomainID == p.DomainID
	}
	project, err := a.svc.GetProject(ctx, l.ProjectID)
	return err == nil && project.DomainID == p.DomainID
}

func (a *api) createLimits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Limits []limitBody `json:"limits"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	wanted := make([]identity.CreateLimitOptions, len(b.Limits))
	for i, l := range b.Limits {
		wanted[i] = identity.CreateLimitOptions{
			ProjectID: value(l.ProjectID), DomainID: value(l.DomainID), ServiceID: value(l.ServiceID),
			RegionID: value(l.RegionID), ResourceName: value(l.ResourceName), Value: value(l.Value),
			Description: l.Description,
		}
	}
	all, err := a.svc.CreateLimits(ctx, wanted)
	if err != nil {
		return nil, err
	}
	return batch(r, "limits", all, showLimit), nil
}

func (a *api) getLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	l, err := a.svc.GetLimit(ctx, r.Path("limit_id"))
	if err != nil {
		return nil, err
	}
	return one("limit", showLimit(r, l)), nil
}

func (a *api) updateLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Limit limitBody `json:"limit"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	l, err := a.svc.UpdateLimit(ctx, r.Path("limit_id"), identity.UpdateLimitOptions{
		Value: b.Limit.Value, Description: b.Limit.Description,
	})
	if err != nil {
		return nil, err
	}
	return one("limit", showLimit(r, l)), nil
}

func (a *api) deleteLimit(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteLimit(ctx, r.Path("limit_id"))
}
