package volumeapi

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) attachmentRoutes() []httpapi.Route {
	const all, one = "/v3/attachments", "/v3/attachments/{attachment_id}"
	routes := []httpapi.Route{
		// What is listed belongs to the caller's project; Cinder has no rule for it.
		{Method: "GET", Path: all, Policy: "welkin:attachments:index", Handle: a.listAttachments},
		{Method: "GET", Path: all + "/detail", Policy: "welkin:attachments:index", Handle: a.listAttachmentsDetail},
		{Method: "POST", Path: all, Policy: "volume:attachment_create", Target: a.newAttachmentTarget, Body: createAttachmentSchema, Handle: a.createAttachment},
		{Method: "GET", Path: one, Policy: "volume:get", Target: a.attachmentTarget, Handle: a.showAttachment},
		{Method: "PUT", Path: one, Policy: "volume:attachment_update", Target: a.attachmentTarget, Body: updateAttachmentSchema, Handle: a.updateAttachment},
		{Method: "DELETE", Path: one, Policy: "volume:attachment_delete", Target: a.attachmentTarget, Handle: a.deleteAttachment},
	}
	for i := range routes {
		routes[i].Min = since(27)
	}
	return append(routes, httpapi.Route{
		Method: "POST", Path: one + "/action", Action: "os-complete", Min: since(44), Policy: "volume:attachment_complete",
		Target: a.attachmentTarget, Status: 204, Body: action("os-complete"), Handle: a.completeAttachment,
	})
}

const createAttachmentFields = `"volume_uuid": {"type": "string", "format": "uuid"}, "instance_uuid": {"type": ["string", "null"], "format": "uuid"},
	"connector": {"type": ["object", "null"]}`

var (
	createAttachmentSchema = []httpapi.Schema{
		{Min: since(54), JSON: object("attachment", createAttachmentFields+`, "mode": {"enum": ["rw", "ro"]}`, `"volume_uuid"`, false)},
		{JSON: object("attachment", createAttachmentFields, `"volume_uuid"`, true)},
	}
	updateAttachmentSchema = one(object("attachment", `"connector": {"type": "object", "minProperties": 1}`, `"connector"`, true))
)

// newAttachment is the body of an attachment's creation.
type newAttachment struct {
	VolumeID  string    `json:"volume_uuid"`
	ServerID  string    `json:"instance_uuid"`
	Mode      string    `json:"mode"`
	Connector connector `json:"connector"`
}

// connector says from where a volume will be reached. It holds much that only other
// kinds of storage need.
type connector map[string]any

func (c connector) text(key string) string {
	s, _ := c[key].(string)
	return s
}

// kept is an attachment with its volume.
type kept struct {
	volume.Attachment
	volume volume.Volume
}

func (a *api) newAttachmentTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	b, err := inner[newAttachment](r, "attachment")
	if err != nil {
		return nil, err
	}
	if !r.Version.AtLeast(3, 54) {
		b.Mode = ""
	}
	if b.Mode == "" {
		b.Mode = b.Connector.text("mode")
	}
	target, err := a.keepVolume(ctx, r, b.VolumeID)
	if err != nil {
		return nil, err
	}
	v := httpapi.Kept[volume.Volume](r)
	r.Keep(b)
	if v.IsReadOnly() && b.Mode == "rw" {
		return nil, fault.New(fault.Invalid, "Invalid volume: Unable to attach a read-only volume in the mode rw.")
	}
	if v.MultiAttach && v.Bootable && v.Status == volume.InUse {
		return target, r.Policy.Check(r.Service, "volume:multiattach_bootable_volume", r.Principal, target)
	}
	return target, nil
}

func (a *api) attachmentTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	id := r.Path("attachment_id")
	t, err := a.svc.GetAttachment(ctx, id)
	if err != nil {
		return nil, err
	}
	v, err := a.svc.GetVolume(ctx, t.VolumeID)
	if err != nil {
		return nil, err
	}
	r.Keep(kept{t, v})
	return reveal(r, "volume:get", owned(v.ProjectID, v.UserID), "attachment", id)
}

func (a *api) createAttachment(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b := httpapi.Kept[newAttachment](r)
	v, err := a.svc.GetVolume(ctx, b.VolumeID)
	if err != nil {
		return nil, err
	}
	t, err := a.svc.Reserve(ctx, volume.ReserveOptions{
		VolumeID: b.VolumeID, ServerID: b.ServerID, Device: b.Connector.text("mountpoint"), External: true,
		ReadOnly: b.Mode == "ro" || v.IsReadOnly(),
	})
	if err != nil {
		return nil, err
	}
	if len(b.Connector) == 0 {
		return httpapi.OK(doc{"attachment": attachmentView(t)}), nil
	}
	if err := a.connect(ctx, t.ID, b.Connector); err != nil {
		if undo := a.svc.Detach(context.WithoutCancel(ctx), t.ID); undo != nil {
			return nil, undo
		}
		return nil, err
	}
	return a.attachment(ctx, t.ID)
}

// connect readies the volume of an attachment on the connector's host.
func (a *api) connect(ctx context.Context, id string, c connector) error {
	host := c.text("host")
	if host == "" {
		return fault.New(fault.Invalid, "Invalid input received: a connector must name its host.")
	}
	_, err := a.svc.Connect(ctx, id, host)
	return err
}

func (a *api) attachment(ctx context.Context, id string) (*httpapi.Response, error) {
	t, err := a.svc.GetAttachment(ctx, id)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"attachment": attachmentView(t)}), nil
}

func (a *api) showAttachment(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"attachment": attachmentView(httpapi.Kept[kept](r).Attachment)}), nil
}

func (a *api) updateAttachment(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[newAttachment](r, "attachment")
	if err != nil {
		return nil, err
	}
	t := httpapi.Kept[kept](r)
	if err := t.CheckExternal(); err != nil {
		return nil, err
	}
	if err := a.connect(ctx, t.ID, b.Connector); err != nil {
		return nil, err
	}
	return a.attachment(ctx, t.ID)
}

// deleteAttachment answers with what attachments the volume still has.
func (a *api) deleteAttachment(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t := httpapi.Kept[kept](r)
	if err := a.svc.Detach(ctx, t.ID); err != nil {
		return nil, err
	}
	left := []doc{}
	for _, t := range a.svc.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: t.VolumeID}) {
		left = append(left, attachmentSummary(t))
	}
	return httpapi.OK(doc{"attachments": left}), nil
}

func (a *api) completeAttachment(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t := httpapi.Kept[kept](r)
	if err := t.CheckExternal(); err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.Complete(ctx, t.ID, "")
}

func attachmentSummary(t volume.Attachment) doc {
	return doc{"id": t.ID, "status": attachmentStatus(t.Status), "instance": orNull(t.ServerID), "volume_id": t.VolumeID}
}

// attachmentStatus writes a status as attachments have it.
func attachmentStatus(s volume.Status) string {
	if s == volume.InUse {
		return "attached"
	}
	return string(s)
}

func attachmentView(t volume.Attachment) doc {
	d := attachmentSummary(t)
	d["attached_at"], d["detached_at"] = stamp(t.AttachedAt), stamp(t.DetachedAt)
	d["attach_mode"] = "rw"
	if t.ReadOnly {
		d["attach_mode"] = "ro"
	}
	d["connection_info"] = doc{}
	if c := t.Connection; c.Path != "" {
		d["connection_info"] = doc{
			"driver_volume_type": c.Type, "device_path": c.Path, "format": c.Format, "attachment_id": t.ID,
			"access_mode": d["attach_mode"], "encrypted": false,
		}
	}
	return d
}

// attachmentListing says how attachments are listed.
func attachmentListing() *listing[volume.Attachment] {
	return &listing[volume.Attachment]{
		singular: "attachment", plural: "attachments",
		id:      func(t volume.Attachment) string { return t.ID },
		created: func(t volume.Attachment) time.Time { return t.AttachedAt },
		filters: map[string]filter[volume.Attachment]{
			"volume_id":     byText(func(t volume.Attachment) string { return t.VolumeID }),
			"instance_id":   byText(func(t volume.Attachment) string { return t.ServerID }),
			"instance_uuid": byText(func(t volume.Attachment) string { return t.ServerID }),
			"status":        byText(func(t volume.Attachment) string { return attachmentStatus(t.Status) }),
			"attach_status": byText(func(t volume.Attachment) string { return attachmentStatus(t.Status) }),
		},
	}
}

func (a *api) attachmentsFor(ctx context.Context, r *httpapi.Request) []volume.Attachment {
	return a.svc.ListAttachments(ctx, volume.AttachmentFilter{ProjectID: scope(r)})
}

func (a *api) listAttachments(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return attachmentListing().answer(r, a.attachmentsFor(ctx, r), attachmentSummary)
}

func (a *api) listAttachmentsDetail(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return attachmentListing().answer(r, a.attachmentsFor(ctx, r), attachmentView)
}
