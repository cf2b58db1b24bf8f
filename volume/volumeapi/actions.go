package volumeapi

import (
	"context"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) actionRoutes() []httpapi.Route {
	act := func(name, rule string, status int, body []httpapi.Schema, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: "/v3/volumes/{volume_id}/action", Action: name, Policy: rule, Target: a.volumeTarget,
			Status: status, Body: body, Handle: handle,
		}
	}
	revert := act("revert", "volume:revert_to_snapshot", 202, one(object("revert", `"snapshot_id": `+sID, `"snapshot_id"`, false)), a.revert)
	revert.Min = since(40)
	return []httpapi.Route{
		act("os-extend", "volume:extend", 202, one(object("os-extend", `"new_size": `+sSize, `"new_size"`, false)), a.extend),
		act("os-reset_status", "volume_extension:volume_admin_actions:reset_status", 202, resetVolumeSchema, a.resetVolume),
		act("os-force_delete", "volume_extension:volume_admin_actions:force_delete", 202, action("os-force_delete"), a.forceDelete),
		act("os-set_bootable", "volume:update", 200, one(object("os-set_bootable", `"bootable": `+sFlag, `"bootable"`, false)), a.setBootable),
		act("os-update_readonly_flag", "volume:update_readonly_flag", 202, one(object("os-update_readonly_flag", `"readonly": `+sFlag, `"readonly"`, false)), a.setReadOnly),
		act("os-volume_upload_image", "volume_extension:volume_actions:upload_image", 202, uploadSchema, a.upload),
		revert,
	}
}

var (
	resetVolumeSchema = one(object("os-reset_status", `"status": {"enum": ["creating", "available", "deleting", "error",
		"error_deleting", "error_managing", "managing", "attaching", "in-use", "detaching", "maintenance", "error_extending", null]},
		"attach_status": {"enum": ["detached", "attached", null]}, "migration_status": {"enum": ["none", null]}`, "", false))
	uploadSchema = []httpapi.Schema{
		{Min: since(1), JSON: object("os-volume_upload_image", uploadFields+`, "visibility": {"enum": ["community", "public", "private", "shared"]}, "protected": `+sFlag, `"image_name"`, false)},
		{JSON: object("os-volume_upload_image", uploadFields, `"image_name"`, true)},
	}
)

const uploadFields = `"image_name": {"type": "string", "minLength": 1, "maxLength": 255}, "force": ` + sFlags + `,
	"disk_format": {"type": ["string", "null"], "enum": ["raw", "qcow2", "", null]}, "container_format": {"enum": ["bare", "", null]}`

func (a *api) extend(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Size number `json:"new_size"`
	}](r, "os-extend")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.ExtendVolume(ctx, r.Path("volume_id"), int(b.Size))
}

func (a *api) revert(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Snapshot string `json:"snapshot_id"`
	}](r, "revert")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.RevertVolume(ctx, r.Path("volume_id"), b.Snapshot)
}

// resetVolume sets the status by hand. Reset to detached, a volume loses its
// attachments; nothing else can change them.
func (a *api) resetVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Status    *volume.Status `json:"status"`
		Attach    *string        `json:"attach_status"`
		Migration *string        `json:"migration_status"`
	}](r, "os-reset_status")
	if err != nil {
		return nil, err
	}
	if b.Status == nil && b.Attach == nil && b.Migration == nil {
		return nil, fault.New(fault.Invalid, "Invalid input received: Must specify 'status', 'attach_status' or 'migration_status' for update.")
	}
	id := r.Path("volume_id")
	switch text(b.Attach) {
	case "attached":
		return nil, fault.New(fault.Invalid, "Invalid input received: a volume becomes attached by an attachment alone.")
	case "detached":
		for _, t := range a.svc.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: id}) {
			if err := a.svc.Detach(ctx, t.ID); err != nil {
				return nil, err
			}
		}
	}
	if b.Status == nil {
		return httpapi.Empty(), nil
	}
	return httpapi.Empty(), a.svc.ResetStatus(ctx, id, *b.Status)
}

func (a *api) forceDelete(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.ForceDeleteVolume(ctx, r.Path("volume_id"))
}

func (a *api) setBootable(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Bootable flag `json:"bootable"`
	}](r, "os-set_bootable")
	if err != nil {
		return nil, err
	}
	on := bool(b.Bootable)
	_, err = a.svc.UpdateVolume(ctx, r.Path("volume_id"), volume.UpdateOptions{Bootable: &on})
	return httpapi.Empty(), err
}

func (a *api) setReadOnly(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		ReadOnly flag `json:"readonly"`
	}](r, "os-update_readonly_flag")
	if err != nil {
		return nil, err
	}
	if v := httpapi.Kept[volume.Volume](r); v.Status != volume.Available {
		return nil, fault.New(fault.Invalid, "Invalid volume: Volume %s status must be available to update readonly flag, but current status is: %s.", v.ID, v.Status)
	}
	on := bool(b.ReadOnly)
	_, err = a.svc.UpdateVolume(ctx, r.Path("volume_id"), volume.UpdateOptions{ReadOnly: &on})
	return httpapi.Empty(), err
}

func (a *api) upload(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Name       string           `json:"image_name"`
		Force      flag             `json:"force"`
		Format     string           `json:"disk_format"`
		Visibility image.Visibility `json:"visibility"`
		Protected  flag             `json:"protected"`
	}](r, "os-volume_upload_image")
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(3, 1) {
		b.Visibility, b.Protected = "", false
	}
	v := httpapi.Kept[volume.Volume](r)
	if b.Visibility == image.Public {
		if err := r.Policy.Check(r.Service, "volume_extension:volume_actions:upload_public", r.Principal, owned(v.ProjectID, v.UserID)); err != nil {
			return nil, err
		}
	}
	if b.Format == "" {
		b.Format = "raw"
	}
	owner, err := newOwner(r)
	if err != nil {
		return nil, err
	}
	id, err := a.svc.UploadToImage(ctx, v.ID, owner, volume.UploadOptions{
		Name: b.Name, DiskFormat: b.Format, Visibility: b.Visibility, Protected: bool(b.Protected), Force: bool(b.Force),
	})
	if err != nil {
		return nil, err
	}
	d := doc{
		"id": v.ID, "updated_at": stamp(v.UpdatedAt), "status": volume.Uploading, "display_description": orNull(v.Description),
		"size": v.SizeGiB, "volume_type": a.uploadedType(ctx, v), "image_id": id, "image_name": b.Name,
		"container_format": "bare", "disk_format": b.Format,
	}
	if r.Version.AtLeast(3, 1) {
		if b.Visibility == "" {
			b.Visibility = image.Private
		}
		d["visibility"], d["protected"] = b.Visibility, bool(b.Protected)
	}
	return httpapi.OK(doc{"os-volume_upload_image": d}), nil
}

// uploadedType is the type of the volume that becomes an image.
func (a *api) uploadedType(ctx context.Context, v volume.Volume) any {
	t, err := a.svc.GetType(ctx, v.Type)
	if err != nil {
		return nil
	}
	return doc{
		"id": t.ID, "name": t.Name, "description": orNull(t.Description), "is_public": t.Public, "qos_specs_id": nil,
		"extra_specs": shownSpecs(t, false), "deleted": false, "deleted_at": nil,
		"created_at": stamp(t.CreatedAt), "updated_at": changed(t.CreatedAt, t.UpdatedAt),
	}
}
