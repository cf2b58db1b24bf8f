package imageapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) imageRoutes() []httpapi.Route {
	const one = "/v2/images/{image_id}"
	return []httpapi.Route{
		{Method: "POST", Path: "/v2/images", Policy: "add_image", Target: a.newTarget, Status: 201, Body: createSchema, Handle: a.create},
		{Method: "GET", Path: "/v2/images", Policy: "get_images", Handle: a.list},
		{Method: "GET", Path: one, Policy: "get_image", Target: a.imageTarget, Handle: a.show},
		{Method: "PATCH", Path: one, Policy: "modify_image", Target: a.imageTarget, Stream: true, Handle: a.patch},
		{Method: "DELETE", Path: one, Policy: "delete_image", Target: a.imageTarget, Status: 204, Handle: a.remove},
		{Method: "PUT", Path: one + "/tags/{tag}", Policy: "modify_image", Target: a.imageTarget, Status: 204, Handle: a.addTag},
		{Method: "DELETE", Path: one + "/tags/{tag}", Policy: "modify_image", Target: a.imageTarget, Status: 204, Handle: a.removeTag},
		{Method: "POST", Path: one + "/actions/deactivate", Policy: "deactivate", Target: a.imageTarget, Status: 204, Handle: a.deactivate},
		{Method: "POST", Path: one + "/actions/reactivate", Policy: "reactivate", Target: a.imageTarget, Status: 204, Handle: a.reactivate},
	}
}

// createSchema checks the types of the base properties; every other property is the
// user's own and must be a string, as in Glance's schema of an image.
var createSchema = []httpapi.Schema{{JSON: `{
	"type": "object",
	"properties": {
		"id": {"type": "string", "pattern": "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"},
		"name": {"type": ["string", "null"], "maxLength": 255},
		"owner": {"type": ["string", "null"], "maxLength": 255},
		"visibility": {"enum": ["community", "public", "private", "shared"]},
		"protected": {"type": "boolean"},
		"os_hidden": {"type": "boolean"},
		"disk_format": {"type": ["string", "null"]},
		"container_format": {"type": ["string", "null"]},
		"min_disk": {"type": "integer", "minimum": 0, "maximum": 2147483647},
		"min_ram": {"type": "integer", "minimum": 0, "maximum": 2147483647},
		"tags": {"type": "array", "items": {"type": "string", "maxLength": 255}},
		"locations": false
	},
	"additionalProperties": {"type": "string"}
}`}}

// base are the names in an image that are not the user's to invent; readOnly those
// that no request may set.
var (
	base = [...]string{"id", "name", "owner", "visibility", "protected", "os_hidden", "disk_format",
		"container_format", "min_disk", "min_ram", "tags"}
	readOnly = [...]string{"created_at", "updated_at", "status", "checksum", "size", "virtual_size",
		"direct_url", "self", "file", "schema", "os_hash_algo", "os_hash_value", "stores"}
)

// createRequest is the body of an image's creation without the user's properties.
type createRequest struct {
	ID              string           `json:"id"`
	Name            *string          `json:"name"`
	Owner           *string          `json:"owner"`
	Visibility      image.Visibility `json:"visibility"`
	Protected       bool             `json:"protected"`
	Hidden          bool             `json:"os_hidden"`
	DiskFormat      *string          `json:"disk_format"`
	ContainerFormat *string          `json:"container_format"`
	MinDisk         int              `json:"min_disk"`
	MinRAM          int              `json:"min_ram"`
	Tags            []string         `json:"tags"`
}

// newTarget says whose the new image will be: the caller's, unless the body names
// another owner, which is for admins.
func (a *api) newTarget(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	var body createRequest
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	owner := r.Principal.ProjectID
	if body.Owner != nil && *body.Owner != "" {
		owner = *body.Owner
	}
	return policy.Target{"project_id": r.Principal.ProjectID, "owner": owner}, nil
}

func (a *api) create(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var body createRequest
	var all map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, err
	}
	if err := r.Decode(&all); err != nil {
		return nil, err
	}
	props, err := ownProperties(all)
	if err != nil {
		return nil, err
	}
	if body.ID != "" {
		if _, err := a.svc.GetImage(ctx, body.ID); err == nil {
			return nil, fault.New(fault.AlreadyExists, "Image ID %s already exists!", body.ID)
		}
	}
	if err := a.mayShow(r, body.Visibility, policy.Target{"project_id": r.Principal.ProjectID}); err != nil {
		return nil, err
	}
	owner := r.Principal.ProjectID
	if text(body.Owner) != "" {
		owner = text(body.Owner)
	}
	img, err := a.svc.CreateImage(ctx, owner, image.CreateOptions{
		ID: body.ID, Name: text(body.Name), Visibility: body.Visibility,
		Protected: body.Protected, Hidden: body.Hidden,
		DiskFormat: text(body.DiskFormat), ContainerFormat: text(body.ContainerFormat),
		MinDiskGiB: body.MinDisk, MinRAMMiB: body.MinRAM, Properties: props, Tags: body.Tags,
	})
	if err != nil {
		return nil, err
	}
	h := http.Header{}
	h.Set("Location", r.BaseURL+"/v2/images/"+img.ID)
	h.Set("OpenStack-image-store-ids", a.svc.StoreName())
	return &httpapi.Response{Header: h, Body: view(img)}, nil
}

// ownProperties takes the user's properties out of a body.
func ownProperties(all map[string]json.RawMessage) (map[string]string, error) {
	props := map[string]string{}
	for k, raw := range all {
		if slices.Contains(readOnly[:], k) {
			return nil, fault.New(fault.Forbidden, "Attribute '%s' is read-only.", k)
		}
		if slices.Contains(base[:], k) {
			continue
		}
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			return nil, fault.New(fault.Invalid, "The property %q must be a string.", k)
		}
		props[k] = s
	}
	return props, nil
}

// mayShow checks the rules that guard the wider visibilities.
func (a *api) mayShow(r *httpapi.Request, v image.Visibility, t policy.Target) error {
	switch v {
	case image.Public:
		return r.Policy.Check(r.Service, "publicize_image", r.Principal, t)
	case image.Community:
		return r.Policy.Check(r.Service, "communitize_image", r.Principal, t)
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (a *api) list(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := filterOf(r)
	if err != nil {
		return nil, err
	}
	images := a.svc.ListImages(ctx, f)
	page, next, err := paged(r, images)
	if err != nil {
		return nil, err
	}
	views := make([]map[string]any, len(page))
	for i := range page {
		views[i] = view(page[i])
	}
	body := map[string]any{"images": views, "schema": "/v2/schemas/images", "first": first(r)}
	if next != "" {
		body["next"] = next
	}
	return httpapi.OK(body), nil
}

func (a *api) show(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(view(httpapi.Kept[image.Image](r))), nil
}

func (a *api) remove(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteImage(ctx, r.Path("image_id"))
}

func (a *api) addTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	tags := append(slices.Clone(httpapi.Kept[image.Image](r).Tags), r.Path("tag"))
	_, err := a.svc.UpdateImage(ctx, r.Path("image_id"), image.UpdateOptions{Tags: &tags})
	return httpapi.Empty(), err
}

func (a *api) removeTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	tags := slices.Clone(httpapi.Kept[image.Image](r).Tags)
	i := slices.Index(tags, r.Path("tag"))
	if i < 0 {
		return nil, fault.Missing("tag", r.Path("tag"))
	}
	tags = slices.Delete(tags, i, i+1)
	_, err := a.svc.UpdateImage(ctx, r.Path("image_id"), image.UpdateOptions{Tags: &tags})
	return httpapi.Empty(), err
}

func (a *api) deactivate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.svc.Deactivate(ctx, r.Path("image_id"))
	return httpapi.Empty(), err
}

func (a *api) reactivate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.svc.Reactivate(ctx, r.Path("image_id"))
	return httpapi.Empty(), err
}
