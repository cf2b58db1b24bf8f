package volumeapi

import (
	"context"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) volumeRoutes() []httpapi.Route {
	const all, one = "/v3/volumes", "/v3/volumes/{volume_id}"
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: "volume:get_all", Handle: a.listVolumes},
		{Method: "GET", Path: all + "/detail", Policy: "volume:get_all", Handle: a.listVolumesDetail},
		{Method: "GET", Path: all + "/summary", Min: since(12), Policy: "volume:get_all", Handle: a.summary},
		{Method: "POST", Path: all, Policy: "volume:create", Target: a.newVolumeTarget, Status: 202, Body: createVolumeSchema, Handle: a.createVolume},
		{Method: "GET", Path: one, Policy: "volume:get", Target: a.volumeTarget, Handle: a.showVolume},
		{Method: "PUT", Path: one, Policy: "volume:update", Target: a.volumeTarget, Body: updateVolumeSchema, Handle: a.updateVolume},
		{Method: "DELETE", Path: one, Policy: "volume:delete", Target: a.volumeTarget, Status: 202, Handle: a.deleteVolume},
		// A volume without an id is not found, rather than a collection that lacks the method.
		{Method: "PUT", Path: all, Policy: "volume:update", Handle: noVolume},
		{Method: "DELETE", Path: all, Policy: "volume:delete", Handle: noVolume},
		{Method: "GET", Path: one + "/encryption", Policy: "volume_extension:volume_encryption_metadata", Target: a.volumeTarget, Handle: showEncryption},
	}
}

// createVolumeBody is the schema's text with or without fields that are not known.
func createVolumeBody(rest string) string {
	return `{"type": "object", "required": ["volume"], "additionalProperties": false, "properties": {
	"OS-SCH-HNT:scheduler_hints": {"type": ["object", "null"]},
	"volume": {"type": "object", "additionalProperties": ` + rest + `, "properties": {
		"name": ` + sName + `, "display_name": ` + sName + `, "description": ` + sName + `, "display_description": ` + sName + `,
		"size": {"anyOf": [{"type": "null"}, ` + sSize + `]}, "volume_type": ` + sName + `, "metadata": ` + sMetas + `,
		"snapshot_id": ` + sIDs + `, "source_volid": ` + sIDs + `, "backup_id": ` + sIDs + `,
		"imageRef": {"type": ["string", "null"], "maxLength": 2048}, "image_id": ` + sIDs + `,
		"consistencygroup_id": ` + sIDs + `, "group_id": ` + sIDs + `, "availability_zone": ` + sName + `,
		"multiattach": ` + sFlags + `}}}}`
}

var (
	createVolumeSchema = []httpapi.Schema{
		{Min: since(53), JSON: createVolumeBody("false")},
		{JSON: createVolumeBody("true")},
	}
	updateVolumeSchema = one(`{"type": "object", "required": ["volume"], "properties": {"volume": {"type": "object", "minProperties": 1,
		"properties": {"name": ` + sName + `, "display_name": ` + sName + `, "description": ` + sName + `,
		"display_description": ` + sName + `, "metadata": ` + sMetas + `}}}}`)
)

// newVolume is the body of a volume's creation.
type newVolume struct {
	Name               *string           `json:"name"`
	DisplayName        *string           `json:"display_name"`
	Description        *string           `json:"description"`
	DisplayDescription *string           `json:"display_description"`
	Size               number            `json:"size"`
	Type               string            `json:"volume_type"`
	Metadata           map[string]string `json:"metadata"`
	SnapshotID         string            `json:"snapshot_id"`
	SourceID           string            `json:"source_volid"`
	BackupID           string            `json:"backup_id"`
	ImageRef           string            `json:"imageRef"`
	ImageID            string            `json:"image_id"`
	ConsistencyGroup   string            `json:"consistencygroup_id"`
	Group              string            `json:"group_id"`
	Zone               string            `json:"availability_zone"`
	MultiAttach        flag              `json:"multiattach"`
}

// image is the id of the image in the body, which may be given as an address.
func (b *newVolume) image() string {
	ref := strings.TrimSuffix(b.ImageRef, "/")
	if ref == "" {
		return b.ImageID
	}
	return ref[strings.LastIndexByte(ref, '/')+1:]
}

// newVolumeTarget checks that the caller may see what the volume is to be made from.
func (a *api) newVolumeTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := inner[newVolume](r, "volume")
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(3, 47) {
		b.BackupID = ""
	}
	r.Keep(b)
	if b.ConsistencyGroup != "" {
		return nil, fault.Missing("consistencyGroup", b.ConsistencyGroup)
	}
	if b.Group != "" && r.Version.AtLeast(3, 13) {
		return nil, fault.Missing("group", b.Group)
	}
	if err := a.seesSource(ctx, r, &b); err != nil {
		return nil, err
	}
	target := owned(r.Principal.ProjectID, r.Principal.UserID)
	if b.image() != "" {
		if err := r.Policy.Check(r.Service, "volume:create_from_image", r.Principal, target); err != nil {
			return nil, err
		}
		if !isAdmin(r) && !a.svc.CanSeeImage(ctx, b.image(), r.Principal.ProjectID) {
			return nil, fault.New(fault.Invalid, "Invalid image identifier or unable to access requested image.")
		}
	}
	if b.MultiAttach {
		if err := r.Policy.Check(r.Service, "volume:multiattach", r.Principal, target); err != nil {
			return nil, err
		}
	}
	return target, nil
}

// seesSource finds snapshot, volume or backup that the caller may not see missing.
func (a *api) seesSource(ctx context.Context, r *httpapi.Request, b *newVolume) error {
	if id := b.SnapshotID; id != "" {
		snap, err := a.svc.GetSnapshot(ctx, id)
		if err != nil {
			return err
		}
		if _, err := reveal(r, "volume:get_snapshot", owned(snap.ProjectID, snap.UserID), "snapshot", id); err != nil {
			return err
		}
	}
	if id := b.SourceID; id != "" {
		v, err := a.svc.GetVolume(ctx, id)
		if err != nil {
			return err
		}
		if _, err := reveal(r, "volume:get", owned(v.ProjectID, v.UserID), "volume", id); err != nil {
			return err
		}
	}
	if id := b.BackupID; id != "" {
		bk, err := a.svc.GetBackup(ctx, id)
		if err != nil {
			return err
		}
		if _, err := reveal(r, "backup:get", owned(bk.ProjectID, bk.UserID), "backup", id); err != nil {
			return err
		}
	}
	return nil
}

func (a *api) createVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b := httpapi.Kept[newVolume](r)
	owner, err := newOwner(r)
	if err != nil {
		return nil, err
	}
	v, err := a.svc.CreateVolume(ctx, owner, volume.CreateOptions{
		Name: text(either(b.Name, b.DisplayName)), Description: text(either(b.Description, b.DisplayDescription)),
		SizeGiB: int(b.Size), Type: b.Type, Zone: b.Zone, SnapshotID: b.SnapshotID, SourceID: b.SourceID,
		ImageID: b.image(), BackupID: b.BackupID, MultiAttach: bool(b.MultiAttach), Metadata: b.Metadata,
	})
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"volume": a.volumeView(ctx, r, v, false)}), nil
}

func (a *api) showVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"volume": a.volumeView(ctx, r, httpapi.Kept[volume.Volume](r), true)}), nil
}

// changedTexts is the body of an update: of a volume, a snapshot or a backup.
type changedTexts struct {
	Name               *string           `json:"name"`
	DisplayName        *string           `json:"display_name"`
	Description        *string           `json:"description"`
	DisplayDescription *string           `json:"display_description"`
	Metadata           map[string]string `json:"metadata"`
}

func (c changedTexts) options() volume.UpdateOptions {
	return volume.UpdateOptions{
		Name: either(c.Name, c.DisplayName), Description: either(c.Description, c.DisplayDescription), Metadata: c.Metadata,
	}
}

func (a *api) updateVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[changedTexts](r, "volume")
	if err != nil {
		return nil, err
	}
	v, err := a.svc.UpdateVolume(ctx, r.Path("volume_id"), b.options())
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"volume": a.volumeView(ctx, r, v, false)}), nil
}

func (a *api) deleteVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	id, q := r.Path("volume_id"), r.Query()
	if r.Version.AtLeast(3, 23) && truth(q.Get("force")) {
		v := httpapi.Kept[volume.Volume](r)
		if err := r.Policy.Check(r.Service, "volume:force_delete", r.Principal, owned(v.ProjectID, v.UserID)); err != nil {
			return nil, err
		}
		return httpapi.Empty(), a.svc.ForceDeleteVolume(ctx, id)
	}
	if truth(q.Get("cascade")) {
		return httpapi.Empty(), a.svc.DeleteVolumeCascade(ctx, id)
	}
	return httpapi.Empty(), a.svc.DeleteVolume(ctx, id)
}

func noVolume(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return nil, fault.New(fault.NotFound, "The resource could not be found.")
}

// showEncryption says that the volume is not encrypted.
func showEncryption(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"encryption_key_id": nil}), nil
}
