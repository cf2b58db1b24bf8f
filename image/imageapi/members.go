package imageapi

import (
	"context"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) memberRoutes() []httpapi.Route {
	const all = "/v2/images/{image_id}/members"
	const one = all + "/{member_id}"
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: "get_members", Target: a.imageTarget, Handle: a.listMembers},
		{Method: "POST", Path: all, Policy: "add_member", Target: a.imageTarget, Body: memberSchema, Handle: a.addMember},
		{Method: "GET", Path: one, Policy: "get_member", Target: a.memberTarget, Handle: a.showMember},
		{Method: "PUT", Path: one, Policy: "modify_member", Target: a.memberTarget, Body: statusSchema, Handle: a.updateMember},
		{Method: "DELETE", Path: one, Policy: "delete_member", Target: a.imageTarget, Status: 204, Handle: a.removeMember},
	}
}

var (
	memberSchema = []httpapi.Schema{{JSON: `{"type": "object", "required": ["member"],
		"properties": {"member": {"type": "string", "minLength": 1, "maxLength": 255}}}`}}
	statusSchema = []httpapi.Schema{{JSON: `{"type": "object", "required": ["status"],
		"properties": {"status": {"enum": ["pending", "accepted", "rejected"]}}}`}}
)

// memberTarget is imageTarget for one member: what a project says of an image is for
// that project alone.
func (a *api) memberTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t, err := a.imageTarget(ctx, r)
	if err != nil {
		return nil, err
	}
	id := r.Path("member_id")
	if _, err := a.svc.GetMember(ctx, r.Path("image_id"), id); err != nil {
		return nil, err
	}
	img := httpapi.Kept[image.Image](r)
	if p := r.Principal; !r.IsAdmin() && p.ProjectID != id && p.ProjectID != img.ProjectID {
		return nil, fault.Missing("image member", id)
	}
	t["member_id"] = id
	return t, nil
}

func (a *api) listMembers(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	members, err := a.svc.ListMembers(ctx, r.Path("image_id"))
	if err != nil {
		return nil, err
	}
	img, p := httpapi.Kept[image.Image](r), r.Principal
	views := []map[string]any{}
	for _, m := range members {
		if r.IsAdmin() || img.ProjectID == p.ProjectID || m.ProjectID == p.ProjectID {
			views = append(views, memberView(m))
		}
	}
	return httpapi.OK(map[string]any{"members": views, "schema": "/v2/schemas/members"}), nil
}

func (a *api) addMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var body struct {
		Member string `json:"member"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	m, err := a.svc.AddMember(ctx, r.Path("image_id"), body.Member)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(memberView(m)), nil
}

func (a *api) showMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	m, err := a.svc.GetMember(ctx, r.Path("image_id"), r.Path("member_id"))
	if err != nil {
		return nil, err
	}
	return httpapi.OK(memberView(m)), nil
}

func (a *api) updateMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var body struct {
		Status image.MemberStatus `json:"status"`
	}
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	m, err := a.svc.UpdateMember(ctx, r.Path("image_id"), r.Path("member_id"), body.Status)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(memberView(m)), nil
}

func (a *api) removeMember(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteMember(ctx, r.Path("image_id"), r.Path("member_id"))
}
