package volumeapi

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) quotaRoutes() []httpapi.Route {
	const set, class = "/v3/os-quota-sets/{project_id}", "/v3/os-quota-class-sets/{class}"
	const rules, classRules = "volume_extension:quotas:", "volume_extension:quota_classes:"
	return []httpapi.Route{
		{Method: "GET", Path: set, Policy: rules + "show", Target: projectTarget, Handle: a.showQuotas},
		{Method: "GET", Path: set + "/defaults", Policy: rules + "show", Target: projectTarget, Handle: a.defaultQuotas},
		{Method: "PUT", Path: set, Policy: rules + "update", Target: projectTarget, Body: quotaSchema("quota_set"), Handle: a.setQuotas},
		{Method: "DELETE", Path: set, Policy: rules + "delete", Target: projectTarget, Handle: a.resetQuotas},
		{Method: "GET", Path: class, Policy: classRules + "get", Handle: a.showClass},
		{Method: "PUT", Path: class, Policy: classRules + "update", Body: quotaSchema("quota_class_set"), Handle: a.setClass},
		{Method: "GET", Path: "/v3/limits", Policy: "limits_extension:used_limits", Handle: a.limits},
	}
}

func quotaSchema(key string) []httpapi.Schema {
	return one(`{"type": "object", "required": ["` + key + `"], "additionalProperties": false, "properties": {"` + key + `": {"type": "object",
		"additionalProperties": {"type": ["integer", "string"], "minimum": -1, "maximum": 2147483647, "pattern": "^-?[0-9]+$", "maxLength": 11},
		"properties": {"tenant_id": true, "project_id": true, "class_name": true, "id": true, "force": true, "skip_validation": true}}}}`)
}

// quotaView is a set of limits as the API shows it, with the id if there is one.
func quotaView(limits map[string]int, id string) doc {
	d := doc{}
	for name, n := range limits {
		d[name] = n
	}
	if id != "" {
		d["id"] = id
	}
	return d
}

func (a *api) showQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id := r.Path("project_id")
	limits, used := a.svc.Quotas(ctx, id)
	if !truth(r.Query().Get("usage")) {
		return httpapi.OK(doc{"quota_set": quotaView(limits, id)}), nil
	}
	d := doc{"id": id}
	for name, limit := range limits {
		d[name] = doc{"limit": limit, "in_use": used[name], "reserved": 0}
	}
	return httpapi.OK(doc{"quota_set": d}), nil
}

func (a *api) defaultQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"quota_set": quotaView(a.svc.DefaultQuotas(ctx), r.Path("project_id"))}), nil
}

// givenQuotas are the limits in a body.
func (a *api) givenQuotas(ctx context.Context, r *httpapi.Request, key string) (map[string]int, error) {
	b, err := inner[map[string]json.RawMessage](r, key)
	if err != nil {
		return nil, err
	}
	known := a.svc.DefaultQuotas(ctx)
	limits, bad := map[string]int{}, []string{}
	for name, value := range b {
		switch name {
		case "tenant_id", "project_id", "class_name", "id", "force", "skip_validation":
			continue
		}
		if _, ok := known[name]; !ok {
			bad = append(bad, name)
			continue
		}
		var n number
		if err := n.UnmarshalJSON(value); err != nil {
			return nil, err
		}
		limits[name] = int(n)
	}
	if len(bad) > 0 {
		return nil, fault.New(fault.Invalid, "Bad key(s) in quota set: %.255s", strings.Join(slices.Sorted(slices.Values(bad)), ", "))
	}
	return limits, nil
}

func (a *api) setQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, err := a.givenQuotas(ctx, r, "quota_set")
	if err != nil {
		return nil, err
	}
	id := r.Path("project_id")
	if err := a.svc.SetQuotas(ctx, id, limits); err != nil {
		return nil, err
	}
	now, _ := a.svc.Quotas(ctx, id)
	return httpapi.OK(doc{"quota_set": quotaView(now, "")}), nil
}

func (a *api) resetQuotas(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ResetQuotas(ctx, r.Path("project_id"))
}

// showClass shows the default quotas: the class "default" is all that counts, and any
// other has the same limits.
func (a *api) showClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"quota_class_set": quotaView(a.svc.DefaultQuotas(ctx), r.Path("class"))}), nil
}

func (a *api) setClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	limits, err := a.givenQuotas(ctx, r, "quota_class_set")
	if err != nil {
		return nil, err
	}
	if class := r.Path("class"); class != "default" {
		return nil, fault.New(fault.Invalid, "Invalid input received: there is no quota class but 'default'.")
	}
	if err := a.svc.SetQuotas(ctx, "", limits); err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"quota_class_set": quotaView(a.svc.DefaultQuotas(ctx), "")}), nil
}

// absolute are the names of limits and of their use.
var absolute = [...][3]string{
	{"volumes", "maxTotalVolumes", "totalVolumesUsed"}, {"gigabytes", "maxTotalVolumeGigabytes", "totalGigabytesUsed"},
	{"snapshots", "maxTotalSnapshots", "totalSnapshotsUsed"}, {"backups", "maxTotalBackups", "totalBackupsUsed"},
	{"backup_gigabytes", "maxTotalBackupGigabytes", "totalBackupGigabytesUsed"},
}

// limits shows the caller's project, or from 3.39 on any to administrators.
func (a *api) limits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	project := r.Principal.ProjectID
	if q := r.Query(); r.Version.AtLeast(3, 39) && isAdmin(r) {
		for _, name := range []string{"tenant_id", "project_id"} {
			if id := q.Get(name); id != "" {
				project = id
			}
		}
	}
	limits, used := a.svc.Quotas(ctx, project)
	d := doc{}
	for _, n := range absolute {
		d[n[1]], d[n[2]] = limits[n[0]], used[n[0]]
	}
	return httpapi.OK(doc{"limits": doc{"rate": []any{}, "absolute": d}}), nil
}
