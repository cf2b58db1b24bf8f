package networkapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

const sQuota = `{"type":"object","additionalProperties":false,"required":["quota"],"properties":{"quota":{"type":"object","properties":{"project_id":{"type":"string"},"tenant_id":{"type":"string"},"check_limit":{"type":"boolean"},"force":{"type":"boolean"}},"additionalProperties":{"type":["integer","string"]}}}}`

func (a *api) quotas() []httpapi.Route {
	one := "/v2.0/quotas/{project_id}"
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.0/quotas", Policy: "update_quota", Handle: a.listQuotas},
		{Method: "GET", Path: one, Policy: "get_quota", Target: quotaTarget, Handle: a.showQuotas},
		{Method: "GET", Path: one + "/default", Policy: "get_quota", Target: quotaTarget, Handle: a.defaultQuotas},
		{Method: "GET", Path: one + "/details.json", Policy: "get_quota", Target: quotaTarget, Handle: a.detailQuotas},
		{Method: "PUT", Path: one, Policy: "update_quota", Target: quotaTarget, Body: []httpapi.Schema{{JSON: sQuota}}, Handle: a.setQuotas},
		{Method: "DELETE", Path: one, Policy: "delete_quota", Target: quotaTarget, Status: 204, Handle: a.resetQuotas},
	}
}

func quotaTarget(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	id := r.Path("project_id")
	return policy.Target{"project_id": id, "tenant_id": id}, nil
}

func (a *api) listQuotas(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	projects, err := a.svc.QuotaProjects(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]view, len(projects))
	for i, id := range projects {
		limits, err := a.svc.Quotas(ctx, id)
		if err != nil {
			return nil, err
		}
		all[i] = limitViews(limits)
		all[i]["project_id"], all[i]["tenant_id"] = id, id
	}
	return httpapi.OK(view{"quotas": all}), nil
}

func limitViews(limits map[string]int) view {
	v := view{}
	for name, n := range limits {
		v[name] = n
	}
	return v
}

func (a *api) showQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, err := a.svc.Quotas(ctx, r.Path("project_id"))
	return httpapi.OK(view{"quota": limits}), err
}

func (a *api) defaultQuotas(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	limits, err := a.svc.DefaultQuotas(ctx)
	return httpapi.OK(view{"quota": limits}), err
}

func (a *api) detailQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, err := a.svc.Quotas(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	used, err := a.svc.Usage(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	v := view{}
	for name, limit := range limits {
		v[name] = view{"limit": limit, "used": used[name], "reserved": 0}
	}
	return httpapi.OK(view{"quota": v}), nil
}

func (a *api) setQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b struct {
		Quota map[string]any `json:"quota"`
	}
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	limits := map[string]int{}
	for name, value := range b.Quota {
		switch name {
		case "project_id", "tenant_id", "check_limit", "force":
			continue
		}
		var n number
		if err := n.UnmarshalJSON([]byte(text(value))); err != nil {
			return nil, err
		}
		limits[name] = int(n)
	}
	all, err := a.svc.SetQuotas(ctx, r.Path("project_id"), limits)
	return httpapi.OK(view{"quota": all}), err
}

func (a *api) resetQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ResetQuotas(ctx, r.Path("project_id"))
}
