package computeapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) groupRoutes() []httpapi.Route {
	const all, one = "/v2.1/os-server-groups", "/v2.1/os-server-groups/{group_id}"
	rule := func(name string) string { return "os_compute_api:os-server-groups:" + name }
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("index"), Handle: a.listGroups},
		{Method: "POST", Path: all, Policy: rule("create"), Body: bodies(groupBody, 64, 15, 1), Handle: a.createGroup},
		{Method: "GET", Path: one, Policy: rule("show"), Target: a.groupTarget, Handle: a.showGroup},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: a.groupTarget, Status: http.StatusNoContent, Handle: a.deleteGroup},
	}
}

func groupBody(minor int) string {
	policies := `["affinity","anti-affinity"]`
	if minor >= 15 {
		policies = `["affinity","anti-affinity","soft-affinity","soft-anti-affinity"]`
	}
	required := []string{"name", "policies"}
	if minor >= 64 {
		required = []string{"name", "policy"}
	}
	return wrapped("server_group", object(minor, required,
		property{name: "name", schema: sName},
		property{name: "policies", schema: `{"type":"array","minItems":1,"maxItems":1,"items":{"type":"string","enum":` + policies + `}}`, max: 63},
		property{name: "policy", schema: `{"type":"string","enum":` + policies + `}`, min: 64},
		property{name: "rules", schema: object(0, nil, property{name: "max_server_per_host", schema: sPositive}), min: 64},
	))
}

// groupTarget loads the group of the path; one of another project is not found.
func (a *api) groupTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	g, err := a.svc.GetServerGroup(ctx, r.Path("group_id"))
	if err == nil && !r.IsAdmin() && g.ProjectID != r.Principal.ProjectID {
		err = fault.New(fault.NotFound, "Instance group %s could not be found.", r.Path("group_id"))
	}
	if err != nil {
		return nil, err
	}
	r.Keep(g)
	return policy.Target{"project_id": g.ProjectID, "user_id": g.UserID}, nil
}

func (a *api) groupView(ctx context.Context, r *httpapi.Request, g *compute.ServerGroup) map[string]any {
	out := map[string]any{"id": g.ID, "name": g.Name, "members": a.svc.GroupMembers(ctx, g.ID)}
	if r.Version.AtLeast(2, 64) {
		rules := map[string]int{}
		if g.MaxPerHost > 0 {
			rules["max_server_per_host"] = g.MaxPerHost
		}
		out["policy"], out["rules"] = g.Policy, rules
	} else {
		out["policies"], out["metadata"] = []scheduler.Policy{g.Policy}, map[string]string{}
	}
	if r.Version.AtLeast(2, 13) {
		out["project_id"], out["user_id"] = g.ProjectID, g.UserID
	}
	return out
}

func (a *api) listGroups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	project := r.Principal.ProjectID
	if r.Query().Has("all_projects") && r.May("os_compute_api:os-server-groups:index:all_projects", own(r)) {
		project = ""
	}
	groups := a.svc.ListServerGroups(ctx, project)
	groups, err := offset(r, groups)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for i := range groups {
		list = append(list, a.groupView(ctx, r, &groups[i]))
	}
	return httpapi.OK(map[string]any{"server_groups": list}), nil
}

// offset cuts a list by limit and offset, the older way of paging.
func offset[T any](r *httpapi.Request, all []T) ([]T, error) {
	q := r.Query()
	start, err := number(q.Get("offset"), 0)
	if err != nil {
		return nil, err
	}
	limit, err := number(q.Get("limit"), httpapi.MaxLimit)
	if err != nil {
		return nil, err
	}
	start = min(start, len(all))
	return slices.Clone(all[start:min(start+min(limit, httpapi.MaxLimit), len(all))]), nil
}

func (a *api) createGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Group struct {
			Name     string             `json:"name"`
			Policies []scheduler.Policy `json:"policies"`
			Policy   scheduler.Policy   `json:"policy"`
			Rules    struct {
				Max looseInt `json:"max_server_per_host"`
			} `json:"rules"`
		} `json:"server_group"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	p := in.Group.Policy
	if len(in.Group.Policies) > 0 {
		p = in.Group.Policies[0]
	}
	g, err := a.svc.CreateServerGroup(ctx, r.Principal.ProjectID, in.Group.Name, p, int(in.Group.Rules.Max))
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"server_group": a.groupView(ctx, r, &g)}), nil
}

func (a *api) showGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g := httpapi.Kept[compute.ServerGroup](r)
	return httpapi.OK(map[string]any{"server_group": a.groupView(ctx, r, &g)}), nil
}

func (a *api) deleteGroup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteServerGroup(ctx, r.Path("group_id"))
}
