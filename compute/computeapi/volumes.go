package computeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) volumeRoutes() []httpapi.Route {
	const all, one = "/v2.1/servers/{server_id}/os-volume_attachments", "/v2.1/servers/{server_id}/os-volume_attachments/{volume_id}"
	rule := func(name string) string { return "os_compute_api:os-volumes-attachments:" + name }
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("index"), Target: a.serverTarget, Handle: a.listVolumes},
		{Method: "POST", Path: all, Policy: rule("create"), Target: a.serverTarget, Body: bodies(attachBody, 79, 49, 1), Handle: a.attachVolume},
		{Method: "GET", Path: one, Policy: rule("show"), Target: a.serverTarget, Handle: a.showVolume},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: a.serverTarget, Status: http.StatusAccepted, Handle: a.detachVolume},
	}
}

func attachBody(minor int) string {
	return wrapped("volumeAttachment", object(minor, []string{"volumeId"},
		property{name: "volumeId", schema: sUUID},
		property{name: "device", schema: `{"type":["string","null"],"maxLength":255,"pattern":"^(/dev/[a-zA-Z0-9/_-]+|[a-z]+)?$"}`},
		property{name: "tag", schema: sDevTag, min: 49},
		property{name: "delete_on_termination", schema: sBool, min: 79},
	))
}

func volumeView(r *httpapi.Request, serverID string, att compute.AttachedVolume) map[string]any {
	out := map[string]any{"id": att.VolumeID, "volumeId": att.VolumeID, "serverId": serverID, "device": att.Device}
	if r.Version.AtLeast(2, 70) {
		out["tag"] = orNil(att.Tag)
	}
	if r.Version.AtLeast(2, 79) {
		out["delete_on_termination"] = att.DeleteOnTermination
	}
	return out
}

func (a *api) listVolumes(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s := httpapi.Kept[compute.Server](r)
	list := []any{}
	for _, att := range s.Volumes {
		list = append(list, volumeView(r, s.ID, att))
	}
	return httpapi.OK(map[string]any{"volumeAttachments": list}), nil
}

func (a *api) showVolume(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s := httpapi.Kept[compute.Server](r)
	for _, att := range s.Volumes {
		if att.VolumeID == r.Path("volume_id") {
			return httpapi.OK(map[string]any{"volumeAttachment": volumeView(r, s.ID, att)}), nil
		}
	}
	return nil, fault.New(fault.NotFound, "Instance %s is not attached to volume %s", s.ID, r.Path("volume_id"))
}

func (a *api) attachVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Attachment struct {
			VolumeID string    `json:"volumeId"`
			Device   string    `json:"device"`
			Tag      string    `json:"tag"`
			Delete   looseBool `json:"delete_on_termination"`
		} `json:"volumeAttachment"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id := r.Path("server_id")
	att, err := a.svc.AttachVolume(asCaller(ctx, r), id, compute.AttachVolumeOptions{
		VolumeID: in.Attachment.VolumeID, Device: in.Attachment.Device, Tag: in.Attachment.Tag,
		DeleteOnTermination: bool(in.Attachment.Delete),
	})
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"volumeAttachment": volumeView(r, id, att)}), nil
}

func (a *api) detachVolume(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DetachVolume(asCaller(ctx, r), r.Path("server_id"), r.Path("volume_id"))
}
