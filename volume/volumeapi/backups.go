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

func (a *api) backupRoutes() []httpapi.Route {
	const all, one = "/v3/backups", "/v3/backups/{backup_id}"
	act := func(name, rule string, body []httpapi.Schema, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: one + "/action", Action: name, Policy: "volume_extension:backup_admin_actions:" + rule,
			Target: a.backupTarget, Status: 202, Body: body, Handle: handle,
		}
	}
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: "backup:get_all", Handle: a.listBackups},
		{Method: "GET", Path: all + "/detail", Policy: "backup:get_all", Handle: a.listBackupsDetail},
		{Method: "POST", Path: all, Policy: "backup:create", Target: a.newBackupTarget, Status: 202, Body: createBackupSchema, Handle: a.createBackup},
		{Method: "GET", Path: one, Policy: "backup:get", Target: a.backupTarget, Handle: a.showBackup},
		{Method: "PUT", Path: one, Min: since(9), Policy: "backup:update", Target: a.backupTarget, Body: updateBackupSchema, Handle: a.updateBackup},
		{Method: "DELETE", Path: one, Policy: "backup:delete", Target: a.backupTarget, Status: 202, Handle: a.deleteBackup},
		{Method: "POST", Path: one + "/restore", Policy: "backup:restore", Target: a.restoreTarget, Status: 202, Body: restoreSchema, Handle: a.restoreBackup},
		act("os-reset_status", "reset_status", resetBackupSchema, a.resetBackup),
		act("os-force_delete", "force_delete", action("os-force_delete"), a.forceDeleteBackup),
	}
}

const backupFields = `"volume_id": {"type": "string", "format": "uuid"}, "name": ` + sName + `, "description": ` + sName + `,
	"container": ` + sName + `, "incremental": ` + sFlags + `, "force": ` + sFlags + `,
	"snapshot_id": {"type": ["string", "null"], "format": "uuid"}`

var (
	createBackupSchema = []httpapi.Schema{
		{Min: since(51), JSON: object("backup", backupFields+`, "metadata": `+sMetas+`, "availability_zone": `+sName, `"volume_id"`, false)},
		{Min: since(43), JSON: object("backup", backupFields+`, "metadata": `+sMetas, `"volume_id"`, false)},
		{JSON: object("backup", backupFields, `"volume_id"`, false)},
	}
	updateBackupSchema = []httpapi.Schema{
		{Min: since(43), JSON: updateBackupBody(`, "metadata": ` + sMetas)},
		{JSON: updateBackupBody("")},
	}
	resetBackupSchema = one(object("os-reset_status", `"status": {"enum": ["available", "error"]}`, `"status"`, false))
	restoreSchema     = one(object("restore", `"name": `+sName+`, "volume_id": {"type": ["string", "null"], "format": "uuid"}`, "", false))
)

func updateBackupBody(more string) string {
	return `{"type": "object", "required": ["backup"], "additionalProperties": false, "properties": {"backup": {"type": "object",
		"minProperties": 1, "additionalProperties": false, "properties": {"name": ` + sName + `, "description": ` + sName + more + `}}}}`
}

// newBackup is the body of a backup's creation.
type newBackup struct {
	VolumeID    string            `json:"volume_id"`
	SnapshotID  string            `json:"snapshot_id"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Container   string            `json:"container"`
	Incremental flag              `json:"incremental"`
	Force       flag              `json:"force"`
	Metadata    map[string]string `json:"metadata"`
	Zone        string            `json:"availability_zone"`
}

func (a *api) newBackupTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := inner[newBackup](r, "backup")
	if err != nil {
		return nil, err
	}
	target, err := a.keepVolume(ctx, r, b.VolumeID)
	if err != nil {
		return nil, err
	}
	r.Keep(b)
	if b.SnapshotID == "" {
		return target, nil
	}
	snap, err := a.svc.GetSnapshot(ctx, b.SnapshotID)
	if err != nil {
		return nil, err
	}
	_, err = reveal(r, "volume:get_snapshot", owned(snap.ProjectID, snap.UserID), "snapshot", snap.ID)
	return target, err
}

func (a *api) backupTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := a.svc.GetBackup(ctx, r.Path("backup_id"))
	if err != nil {
		return nil, err
	}
	r.Keep(b)
	return reveal(r, "backup:get", owned(b.ProjectID, b.UserID), "backup", b.ID)
}

// restoration is the body of a restoration.
type restoration struct {
	Name     string `json:"name"`
	VolumeID string `json:"volume_id"`
}

// restoreTarget checks that the caller may also overwrite the volume.
func (a *api) restoreTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	target, err := a.backupTarget(ctx, r)
	if err != nil {
		return nil, err
	}
	b, err := inner[restoration](r, "restore")
	if err != nil || b.VolumeID == "" {
		return target, err
	}
	of, err := a.keepVolume(ctx, r, b.VolumeID)
	if err != nil {
		return nil, err
	}
	return target, r.Policy.Check(r.Service, "volume:update", r.Principal, of)
}

// createBackup makes a full copy, always.
func (a *api) createBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b := httpapi.Kept[newBackup](r)
	if b.Incremental {
		return nil, fault.New(fault.Invalid, "Invalid backup: No backups available to do an incremental backup: all backups of this cloud are full ones.")
	}
	owner, err := newOwner(r)
	if err != nil {
		return nil, err
	}
	bk, err := a.svc.CreateBackup(ctx, owner, volume.CreateBackupOptions{
		VolumeID: b.VolumeID, SnapshotID: b.SnapshotID, Name: b.Name, Description: b.Description, Container: b.Container,
		Force: bool(b.Force), Metadata: b.Metadata, Zone: b.Zone,
	})
	if err != nil {
		return nil, err
	}
	d := backupSummary(r, bk)
	if r.Version.AtLeast(3, 43) {
		d["metadata"] = notNil(bk.Metadata)
	}
	return httpapi.OK(doc{"backup": d}), nil
}

func backupSummary(r *httpapi.Request, b volume.Backup) doc {
	return doc{"id": b.ID, "name": orNull(b.Name), "links": links(r, "backups", b.ID)}
}

func (a *api) backupView(r *httpapi.Request, b volume.Backup) doc {
	d := backupSummary(r, b)
	for k, v := range (doc{
		"status": b.Status, "size": b.SizeGiB, "object_count": 0, "availability_zone": a.svc.Zone(),
		"container": orNull(b.Container), "description": orNull(b.Description), "fail_reason": orNull(b.Fault),
		"volume_id": b.VolumeID, "snapshot_id": orNull(b.SnapshotID), "is_incremental": false, "has_dependent_backups": false,
		"created_at": stamp(b.CreatedAt), "updated_at": changed(b.CreatedAt, b.UpdatedAt), "data_timestamp": stamp(b.CreatedAt),
	}) {
		d[k] = v
	}
	if r.Version.AtLeast(3, 18) && r.May("backup:backup_project_attribute", owned(b.ProjectID, b.UserID)) {
		d["os-backup-project-attr:project_id"] = b.ProjectID
	}
	if r.Version.AtLeast(3, 43) {
		d["metadata"] = notNil(b.Metadata)
	}
	if r.Version.AtLeast(3, 56) {
		d["user_id"] = b.UserID
	}
	return d
}

// backups says how backups are listed.
func backups() *listing[volume.Backup] {
	type b = volume.Backup
	return &listing[b]{
		singular: "backup", plural: "backups", countSince: 45,
		id: func(b b) string { return b.ID }, created: func(b b) time.Time { return b.CreatedAt },
		sorts: map[string]func(x, y b) int{
			"name":       func(x, y b) int { return cmp.Compare(x.Name, y.Name) },
			"status":     func(x, y b) int { return cmp.Compare(x.Status, y.Status) },
			"size":       func(x, y b) int { return cmp.Compare(x.SizeGiB, y.SizeGiB) },
			"volume_id":  func(x, y b) int { return cmp.Compare(x.VolumeID, y.VolumeID) },
			"updated_at": func(x, y b) int { return x.UpdatedAt.Compare(y.UpdatedAt) },
		},
		filters: map[string]filter[b]{
			"id": byText(func(b b) string { return b.ID }), "name": byText(func(b b) string { return b.Name }),
			"status":      byText(func(b b) string { return string(b.Status) }),
			"volume_id":   byText(func(b b) string { return b.VolumeID }),
			"snapshot_id": byText(func(b b) string { return b.SnapshotID }),
			"container":   byText(func(b b) string { return b.Container }),
			"size":        byNumber(func(b b) int { return b.SizeGiB }),
			"user_id":     byText(func(b b) string { return b.UserID }),
			"project_id":  byAdmin(func(b b) string { return b.ProjectID }),
			"created_at":  byTime(func(b b) time.Time { return b.CreatedAt }),
			"updated_at":  byTime(func(b b) time.Time { return b.UpdatedAt }),
		},
	}
}

func (a *api) listBackups(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return backups().answer(r, a.svc.ListBackups(ctx, scope(r)), func(b volume.Backup) doc { return backupSummary(r, b) })
}

func (a *api) listBackupsDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return backups().answer(r, a.svc.ListBackups(ctx, scope(r)), func(b volume.Backup) doc { return a.backupView(r, b) })
}

func (a *api) showBackup(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"backup": a.backupView(r, httpapi.Kept[volume.Backup](r))}), nil
}

func (a *api) updateBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[changedTexts](r, "backup")
	if err != nil {
		return nil, err
	}
	bk, err := a.svc.UpdateBackup(ctx, r.Path("backup_id"), b.options())
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"backup": backupSummary(r, bk)}), nil
}

func (a *api) deleteBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteBackup(ctx, r.Path("backup_id"))
}

func (a *api) restoreBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[restoration](r, "restore")
	if err != nil {
		return nil, err
	}
	v, err := a.svc.RestoreBackup(ctx, r.Path("backup_id"), b.VolumeID, b.Name)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"restore": doc{"backup_id": r.Path("backup_id"), "volume_id": v.ID, "volume_name": v.Name}}), nil
}

func (a *api) resetBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[statusBody](r, "os-reset_status")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.ResetBackupStatus(ctx, r.Path("backup_id"), b.Status)
}

func (a *api) forceDeleteBackup(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ForceDeleteBackup(ctx, r.Path("backup_id"))
}
