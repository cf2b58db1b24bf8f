package computeapi

import (
	"context"
	"net/http"
	"strconv"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// quotaNames are the resources of quota sets, with the microversions up to which
// they are shown; 0 means for ever.
var quotaNames = []struct {
	name string
	max  int
}{
	{compute.Cores, 0}, {compute.Instances, 0}, {compute.RAM, 0}, {compute.KeyPairs, 0}, {compute.MetadataItems, 0},
	{compute.ServerGroups, 0}, {compute.ServerGroupMembers, 0},
	{"fixed_ips", 35}, {"floating_ips", 35}, {"security_groups", 35}, {"security_group_rules", 35}, {"networks", -1},
	{compute.InjectedFiles, 56}, {compute.InjectedFileBytes, 56}, {compute.InjectedPathBytes, 56},
}

// shown reports whether a resource of quotaNames is in answers at a microversion.
func shown(max, minor int) bool { return max == 0 || minor <= max }

func (a *api) quotaRoutes() []httpapi.Route {
	const one, class = "/v2.1/os-quota-sets/{project_id}", "/v2.1/os-quota-class-sets/{class}"
	rule := func(name string) string { return "os_compute_api:os-quota-sets:" + name }
	return []httpapi.Route{
		{Method: "GET", Path: one, Policy: rule("show"), Target: projectTarget, Handle: a.showQuota},
		{Method: "GET", Path: one + "/defaults", Policy: rule("defaults"), Target: projectTarget, Handle: a.defaultQuota},
		{Method: "GET", Path: one + "/detail", Policy: rule("detail"), Target: projectTarget, Handle: a.quotaDetail},
		{Method: "PUT", Path: one, Policy: rule("update"), Target: projectTarget, Body: bodies(quotaBody, 57, 36, 1), Handle: a.setQuota},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: projectTarget, Status: http.StatusAccepted, Handle: a.resetQuota},
		{Method: "GET", Path: class, Policy: "os_compute_api:os-quota-class-sets:show", Handle: a.showClass},
		{Method: "PUT", Path: class, Policy: "os_compute_api:os-quota-class-sets:update", Body: bodies(classBody, 57, 50, 1), Handle: a.setClass},
	}
}

func quotaProperties() []property {
	var all []property
	for _, q := range quotaNames {
		if q.max >= 0 {
			all = append(all, property{name: q.name, schema: sLimit, max: q.max})
		}
	}
	return all
}

func quotaBody(minor int) string {
	return wrapped("quota_set", object(minor, nil, append(quotaProperties(), property{name: "force", schema: sBool},
		property{name: "networks", schema: sLimit, max: 35})...))
}

func classBody(minor int) string {
	return wrapped("quota_class_set", object(minor, nil, quotaProperties()...))
}

// quotaSet shows limits, at a microversion.
func quotaSet(minor int, limits map[string]int) map[string]any {
	out := map[string]any{}
	for _, q := range quotaNames {
		if shown(q.max, minor) {
			out[q.name] = limits[q.name]
		}
	}
	return out
}

func limitsOf(details map[string]compute.QuotaDetail) map[string]int {
	limits := make(map[string]int, len(details))
	for name, d := range details {
		limits[name] = d.Limit
	}
	return limits
}

func (a *api) showQuota(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("project_id")
	out := quotaSet(r.Version.Minor, limitsOf(a.svc.Quota(ctx, id)))
	out["id"] = id
	return httpapi.OK(map[string]any{"quota_set": out}), nil
}

func (a *api) defaultQuota(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	out := quotaSet(r.Version.Minor, a.svc.DefaultQuota(ctx))
	out["id"] = r.Path("project_id")
	return httpapi.OK(map[string]any{"quota_set": out}), nil
}

func (a *api) quotaDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	out := map[string]any{"id": r.Path("project_id")}
	details := a.svc.Quota(ctx, r.Path("project_id"))
	for _, q := range quotaNames {
		if shown(q.max, r.Version.Minor) {
			out[q.name] = map[string]int{"limit": details[q.name].Limit, "in_use": details[q.name].InUse, "reserved": 0}
		}
	}
	return httpapi.OK(map[string]any{"quota_set": out}), nil
}

// limitsIn reads the limits of a body.
func limitsIn(r *httpapi.Request, key string) (limits map[string]int, force bool, err error) {
	in := map[string]map[string]looseText{}
	if err := r.Decode(&in); err != nil {
		return nil, false, err
	}
	limits = map[string]int{}
	for name, text := range in[key] {
		if name == "force" {
			force, _ = strconv.ParseBool(string(text))
			continue
		}
		if limits[name], err = strconv.Atoi(string(text)); err != nil {
			return nil, false, fault.New(fault.Invalid, "%s is not an integer", text)
		}
	}
	return limits, force, nil
}

func (a *api) setQuota(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, force, err := limitsIn(r, "quota_set")
	if err != nil {
		return nil, err
	}
	if err := a.svc.SetQuota(ctx, r.Path("project_id"), limits, force); err != nil {
		return nil, err
	}
	out := quotaSet(r.Version.Minor, limitsOf(a.svc.Quota(ctx, r.Path("project_id"))))
	return httpapi.OK(map[string]any{"quota_set": out}), nil
}

func (a *api) resetQuota(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ResetQuota(ctx, r.Path("project_id"))
}

// classSet shows the limits of the default class.
func (a *api) classSet(ctx context.Context, r *httpapi.Request) map[string]any {
	out := quotaSet(r.Version.Minor, a.svc.DefaultQuota(ctx))
	if !r.Version.AtLeast(2, 50) {
		delete(out, compute.ServerGroups)
		delete(out, compute.ServerGroupMembers)
		for _, name := range []string{"fixed_ips", "floating_ips", "security_groups", "security_group_rules"} {
			out[name] = a.svc.DefaultQuota(ctx)[name]
		}
	}
	return out
}

func (a *api) showClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	out := a.classSet(ctx, r)
	out["id"] = r.Path("class")
	return httpapi.OK(map[string]any{"quota_class_set": out}), nil
}

func (a *api) setClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, _, err := limitsIn(r, "quota_class_set")
	if err != nil {
		return nil, err
	}
	if r.Path("class") == "default" {
		if err := a.svc.SetQuota(ctx, "", limits, true); err != nil {
			return nil, err
		}
	}
	return httpapi.OK(map[string]any{"quota_class_set": a.classSet(ctx, r)}), nil
}

func (a *api) limitRoutes() []httpapi.Route {
	return []httpapi.Route{{Method: "GET", Path: "/v2.1/limits", Policy: "os_compute_api:limits", Handle: a.limits}}
}

func (a *api) limits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	project := r.Principal.ProjectID
	if other := r.Query().Get("tenant_id"); other != "" && other != project {
		if err := r.Policy.Check("compute", "os_compute_api:limits:other_project", r.Principal, policy.Target{"project_id": other}); err != nil {
			return nil, err
		}
		project = other
	}
	q := a.svc.Quota(ctx, project)
	absolute := map[string]int{
		"maxServerMeta": q[compute.MetadataItems].Limit, "maxTotalInstances": q[compute.Instances].Limit,
		"maxTotalCores": q[compute.Cores].Limit, "maxTotalRAMSize": q[compute.RAM].Limit,
		"maxTotalKeypairs": q[compute.KeyPairs].Limit, "maxServerGroups": q[compute.ServerGroups].Limit,
		"maxServerGroupMembers": q[compute.ServerGroupMembers].Limit,
		"totalInstancesUsed":    q[compute.Instances].InUse, "totalCoresUsed": q[compute.Cores].InUse,
		"totalRAMUsed": q[compute.RAM].InUse, "totalServerGroupsUsed": q[compute.ServerGroups].InUse,
	}
	if !r.Version.AtLeast(2, 57) {
		absolute["maxPersonality"], absolute["maxPersonalitySize"] = q[compute.InjectedFiles].Limit, q[compute.InjectedFileBytes].Limit
	}
	if !r.Version.AtLeast(2, 39) {
		absolute["maxImageMeta"] = q[compute.MetadataItems].Limit
	}
	if !r.Version.AtLeast(2, 36) {
		absolute["maxTotalFloatingIps"], absolute["maxSecurityGroups"] = q["floating_ips"].Limit, q["security_groups"].Limit
		absolute["maxSecurityGroupRules"] = q["security_group_rules"].Limit
		absolute["totalFloatingIpsUsed"], absolute["totalSecurityGroupsUsed"] = 0, 0
	}
	return httpapi.OK(map[string]any{"limits": map[string]any{"rate": []any{}, "absolute": absolute}}), nil
}

// number reads a count of the query.
func number(text string, byDefault int) (int, error) {
	if text == "" {
		return byDefault, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "%q is not a count", text)
	}
	return n, nil
}
