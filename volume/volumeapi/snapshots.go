package volumeapi

import (
	"cmp"
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) snapshotRoutes() []httpapi.Route {
	const all, one = "/v3/snapshots", "/v3/snapshots/{snapshot_id}"
	act := func(name, rule string, body []httpapi.Schema, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: one + "/action", Action: name, Policy: "volume_extension:snapshot_admin_actions:" + rule,
			Target: a.snapshotTarget, Status: 202, Body: body, Handle: handle,
		}
	}
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: "volume:get_all_snapshots", Handle: a.listSnapshots},
		{Method: "GET", Path: all + "/detail", Policy: "volume:get_all_snapshots", Handle: a.listSnapshotsDetail},
		{Method: "POST", Path: all, Policy: "volume:create_snapshot", Target: a.newSnapshotTarget, Status: 202, Body: createSnapshotSchema, Handle: a.createSnapshot},
		{Method: "GET", Path: one, Policy: "volume:get_snapshot", Target: a.snapshotTarget, Handle: a.showSnapshot},
		{Method: "PUT", Path: one, Policy: "volume:update_snapshot", Target: a.snapshotTarget, Body: updateSnapshotSchema, Handle: a.updateSnapshot},
		{Method: "DELETE", Path: one, Policy: "volume:delete_snapshot", Target: a.snapshotTarget, Status: 202, Handle: a.deleteSnapshot},
		act("os-reset_status", "reset_status", resetSnapshotSchema, a.resetSnapshot),
		act("os-force_delete", "force_delete", action("os-force_delete"), a.forceDeleteSnapshot),
	}
}

var (
	createSnapshotSchema = one(object("snapshot", `"name": `+sName+`, "display_name": `+sName+`, "description": `+sName+`,
		"volume_id": {"type": ["string", "null"], "format": "uuid"}, "force": `+sFlags+`, "metadata": `+sMetas, `"volume_id"`, true))
	updateSnapshotSchema = one(`{"type": "object", "required": ["snapshot"], "additionalProperties": false, "properties": {"snapshot": {"type": "object", "minProperties": 1,
		"properties": {"name": ` + sName + `, "display_name": ` + sName + `, "description": ` + sName + `, "display_description": ` + sName + `},
		"additionalProperties": false}}}`)
	resetSnapshotSchema = one(object("os-reset_status", `"status": {"enum": ["available", "creating", "deleting", "error", "error_deleting"]}`, `"status"`, false))
)

// newSnapshot is the body of a snapshot's creation.
type newSnapshot struct {
	Name        *string           `json:"name"`
	DisplayName *string           `json:"display_name"`
	Description *string           `json:"description"`
	VolumeID    string            `json:"volume_id"`
	Force       *flag             `json:"force"`
	Metadata    map[string]string `json:"metadata"`
}

// newSnapshotTarget finds the volume, and what the rule looks at.
func (a *api) newSnapshotTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := inner[newSnapshot](r, "snapshot")
	if err != nil {
		return nil, err
	}
	target, err := a.keepVolume(ctx, r, b.VolumeID)
	r.Keep(b)
	return target, err
}

func (a *api) createSnapshot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b := httpapi.Kept[newSnapshot](r)
	force := b.Force != nil && bool(*b.Force)
	if r.Version.AtLeast(3, 66) { // a volume in use needs no force any more
		if b.Force != nil && !force {
			return nil, fault.New(fault.Invalid, "Invalid input received: Since microversion 3.66 the use of the 'force' option is invalid for this request.")
		}
		force = true
	}
	owner, err := newOwner(r)
	if err != nil {
		return nil, err
	}
	snap, err := a.svc.CreateSnapshot(ctx, owner, volume.CreateSnapshotOptions{
		VolumeID: b.VolumeID, Name: text(either(b.Name, b.DisplayName)), Description: text(b.Description),
		Force: force, Metadata: b.Metadata,
	})
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"snapshot": snapshotView(r, snap, false)}), nil
}

// snapshotView is a snapshot as the API shows it; lists with detail and single reads
// have more.
func snapshotView(r *httpapi.Request, s volume.Snapshot, detail bool) doc {
	d := doc{
		"id": s.ID, "name": orNull(s.Name), "description": orNull(s.Description), "status": s.Status, "size": s.SizeGiB,
		"volume_id": s.VolumeID, "metadata": notNil(s.Metadata),
		"created_at": stamp(s.CreatedAt), "updated_at": changed(s.CreatedAt, s.UpdatedAt),
	}
	if r.Version.AtLeast(3, 41) {
		d["user_id"] = s.UserID
	}
	if r.Version.AtLeast(3, 65) {
		d["consumes_quota"] = true
	}
	if !detail {
		return d
	}
	if r.Version.AtLeast(3, 14) {
		d["group_snapshot_id"] = nil
	}
	if r.May("volume_extension:extended_snapshot_attributes", owned(s.ProjectID, s.UserID)) {
		d["os-extended-snapshot-attributes:project_id"] = s.ProjectID
		d["os-extended-snapshot-attributes:progress"] = "0%"
		if s.Status == volume.Available {
			d["os-extended-snapshot-attributes:progress"] = "100%"
		}
	}
	return d
}

// snapshots says how snapshots are listed.
func snapshots() *listing[volume.Snapshot] {
	type s = volume.Snapshot
	return &listing[s]{
		singular: "snapshot", plural: "snapshots", countSince: 45,
		id: func(s s) string { return s.ID }, created: func(s s) time.Time { return s.CreatedAt },
		sorts: map[string]func(a, b s) int{
			"name":         func(a, b s) int { return cmp.Compare(a.Name, b.Name) },
			"display_name": func(a, b s) int { return cmp.Compare(a.Name, b.Name) },
			"status":       func(a, b s) int { return cmp.Compare(a.Status, b.Status) },
			"volume_size":  func(a, b s) int { return cmp.Compare(a.SizeGiB, b.SizeGiB) },
			"size":         func(a, b s) int { return cmp.Compare(a.SizeGiB, b.SizeGiB) },
			"volume_id":    func(a, b s) int { return cmp.Compare(a.VolumeID, b.VolumeID) },
			"updated_at":   func(a, b s) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		},
		filters: map[string]filter[s]{
			"id": byText(func(s s) string { return s.ID }), "name": byText(func(s s) string { return s.Name }),
			"display_name":   byText(func(s s) string { return s.Name }),
			"description":    byText(func(s s) string { return s.Description }),
			"status":         byText(func(s s) string { return string(s.Status) }),
			"volume_id":      byText(func(s s) string { return s.VolumeID }),
			"user_id":        byText(func(s s) string { return s.UserID }),
			"project_id":     byAdmin(func(s s) string { return s.ProjectID }),
			"volume_size":    byNumber(func(s s) int { return s.SizeGiB }),
			"metadata":       byDict(22, func(s s) map[string]string { return s.Metadata }),
			"created_at":     byTime(func(s s) time.Time { return s.CreatedAt }),
			"updated_at":     byTime(func(s s) time.Time { return s.UpdatedAt }),
			"consumes_quota": {min: 65, make: byFlag(func(s) bool { return true }).make},
		},
	}
}

func (a *api) listSnapshots(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return snapshots().answer(r, a.svc.ListSnapshots(ctx, scope(r)), func(s volume.Snapshot) doc { return snapshotView(r, s, false) })
}

func (a *api) listSnapshotsDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return snapshots().answer(r, a.svc.ListSnapshots(ctx, scope(r)), func(s volume.Snapshot) doc { return snapshotView(r, s, true) })
}

func (a *api) showSnapshot(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"snapshot": snapshotView(r, httpapi.Kept[volume.Snapshot](r), true)}), nil
}

func (a *api) updateSnapshot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[changedTexts](r, "snapshot")
	if err != nil {
		return nil, err
	}
	snap, err := a.svc.UpdateSnapshot(ctx, r.Path("snapshot_id"), b.options())
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"snapshot": snapshotView(r, snap, false)}), nil
}

func (a *api) deleteSnapshot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteSnapshot(ctx, r.Path("snapshot_id"))
}

func (a *api) resetSnapshot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[statusBody](r, "os-reset_status")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.ResetSnapshotStatus(ctx, r.Path("snapshot_id"), b.Status)
}

// statusBody is the body of a reset.
type statusBody struct {
	Status volume.Status `json:"status"`
}

func (a *api) forceDeleteSnapshot(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ForceDeleteSnapshot(ctx, r.Path("snapshot_id"))
}
