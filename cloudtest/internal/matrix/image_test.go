package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/image/imageapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// imageService is Glance's: an image that is neither public nor one's own nor shared with
// one is not there.
var imageService = service{
	api: func(c *cloud.Cloud, opts httpapi.Options) http.Handler { return imageapi.New(c.Images, opts) },
	own: func(p *policy.Principal) policy.Target {
		return policy.Target{"project_id": p.ProjectID, "owner": p.ProjectID}
	},
	public: map[string]string{"GET /": discovery, "GET /versions": discovery},
	kinds: []kind{
		{
			name: "image", at: "images", make: "POST /v2/images", id: "id", hide: "project",
			body:   `{"name":"secret-of-p-image","visibility":"private","disk_format":"raw","container_format":"bare","tags":["blue"]}`,
			target: map[string]string{"project_id": "$project", "owner": "$project", "visibility": "private"},
		},
		{make: "PUT /v2/images/$image/file", body: "secret-of-p-content", contentType: "application/octet-stream"},
		{
			name: "queuedimage", make: "POST /v2/images", id: "id",
			body: `{"name":"secret-of-p-queued","visibility":"private","disk_format":"raw","container_format":"bare"}`,
		},
		{
			name: "communityimage", make: "POST /v2/images", id: "id",
			body: `{"name":"everybody's","visibility":"community","disk_format":"raw","container_format":"bare"}`,
		},
		{
			name: "sharedimage", make: "POST /v2/images", id: "id",
			body: `{"name":"secret-of-p-shared","visibility":"shared","disk_format":"raw","container_format":"bare"}`,
		},
		{make: "POST /v2/images/$sharedimage/members", body: `{"member":"$other"}`},
		{name: "tag", at: "tags", value: "blue"},
		{name: "other", at: "members", target: map[string]string{"member_id": "$other"}},
	},
	asks: map[string][]ask{
		"GET /v2/images": ofOthers("owner=$project&visibility=private"),
		"PATCH /v2/images/{id}": publicToo(ask{
			contentType: "application/openstack-images-v2.1-json-patch", body: `[{"op":"replace","path":"/name","value":"changed"}]`,
		}),
		"GET /v2/images/{id}":                        publicToo(ask{}),
		"DELETE /v2/images/{id}":                     publicToo(ask{}),
		"PUT /v2/images/{id}/file":                   {{with: map[string]string{"images": "$queuedimage"}, contentType: "application/octet-stream", body: "content"}},
		"GET /v2/images/{id}/members":                {sharedToOther("")},
		"POST /v2/images/{id}/members":               {sharedToOther(`{"member":"$service"}`)},
		"GET /v2/images/{id}/members/{member_id}":    {sharedToOther("")},
		"PUT /v2/images/{id}/members/{member_id}":    {sharedToOther(`{"status":"accepted"}`)},
		"DELETE /v2/images/{id}/members/{member_id}": {sharedToOther("")},
	},
}

// sharedToOther asks for the image that Q is a member of.
func sharedToOther(body string) ask {
	return ask{body: body, with: map[string]string{"images": "$sharedimage"}, target: map[string]string{
		"project_id": "$project", "owner": "$project", "visibility": "shared", "member_id": "$other",
	}}
}

// publicToo asks for a public and for a community image as well: everybody sees them, and
// whoever may not change them is told so.
func publicToo(a ask) []ask {
	public, community := a, a
	public.name, public.open, public.with = "of a public one", true, map[string]string{"images": "$guestimage"}
	public.target = map[string]string{"project_id": "$adminproject", "owner": "$adminproject", "visibility": "public"}
	community.name, community.open, community.with = "of a community one", true, map[string]string{"images": "$communityimage"}
	community.target = map[string]string{"project_id": "$project", "owner": "$project", "visibility": "community"}
	return []ask{a, public, community}
}
