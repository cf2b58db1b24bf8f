package volumeapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

// attachActionRoutes are the actions with which clients attached volumes before there
// were attachments as resources.
func (a *api) attachActionRoutes() []httpapi.Route {
	act := func(name, rule string, body []httpapi.Schema, handle func(ctx context.Context, r *httpapi.Request, id string) error) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: "/v3/volumes/{volume_id}/action", Action: name, Policy: rule, Target: a.volumeTarget,
			Status: 202, Body: body,
			Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
				return httpapi.Empty(), handle(ctx, r, r.Path("volume_id"))
			},
		}
	}
	plain := func(f func(context.Context, string) error) func(context.Context, *httpapi.Request, string) error {
		return func(ctx context.Context, _ *httpapi.Request, id string) error { return f(ctx, id) }
	}
	const rules = "volume_extension:volume_actions:"
	return []httpapi.Route{
		act("os-reserve", rules+"reserve", action("os-reserve"), plain(a.svc.ReserveVolume)),
		act("os-unreserve", rules+"unreserve", action("os-unreserve"), plain(a.svc.UnreserveVolume)),
		act("os-begin_detaching", rules+"begin_detaching", action("os-begin_detaching"), plain(a.svc.BeginDetaching)),
		act("os-roll_detaching", rules+"roll_detaching", action("os-roll_detaching"), plain(a.svc.RollDetaching)),
		act("os-attach", rules+"attach", attachSchema, a.attach),
		act("os-detach", rules+"detach", detachSchema, a.detach),
		act("os-force_detach", "volume_extension:volume_admin_actions:force_detach", forceDetachSchema, a.forceDetach),
	}
}

var (
	attachSchema = one(object("os-attach", `"instance_uuid": {"type": ["string", "null"], "format": "uuid"}, "host_name": `+sName+`,
		"mountpoint": {"type": "string", "minLength": 1, "maxLength": 255}, "mode": {"enum": ["rw", "ro"]}`, `"mountpoint"`, false))
	detachSchema      = one(`{"type": "object", "properties": {"os-detach": {"type": ["object", "null"], "properties": {"attachment_id": ` + sIDs + `}}}}`)
	forceDetachSchema = one(object("os-force_detach", `"attachment_id": `+sIDs+`, "connector": {"type": ["object", "null"]}`, "", false))
)

func (a *api) attach(ctx context.Context, r *httpapi.Request, id string) error {
	b, err := inner[struct {
		Server string `json:"instance_uuid"`
		Host   string `json:"host_name"`
		Device string `json:"mountpoint"`
		Mode   string `json:"mode"`
	}](r, "os-attach")
	if err != nil {
		return err
	}
	if (b.Server == "") == (b.Host == "") {
		return fault.New(fault.Invalid, "Invalid request to attach volume with an invalid mode. Attaching mode should be 'rw' or 'ro', to either a server or a host.")
	}
	_, err = a.svc.Attach(ctx, id, volume.AttachOptions{ServerID: b.Server, HostName: b.Host, Device: b.Device, ReadOnly: b.Mode == "ro"})
	return err
}

// detachment is the body of either action that detaches.
type detachment struct {
	ID string `json:"attachment_id"`
}

func (a *api) detach(ctx context.Context, r *httpapi.Request, id string) error {
	b, err := inner[detachment](r, "os-detach")
	if err != nil {
		return err
	}
	return a.svc.DetachVolume(ctx, id, b.ID)
}

func (a *api) forceDetach(ctx context.Context, r *httpapi.Request, id string) error {
	b, err := inner[detachment](r, "os-force_detach")
	if err != nil {
		return err
	}
	return a.svc.DetachVolume(ctx, id, b.ID)
}
