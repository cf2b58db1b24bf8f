// Package imageapi serves the image service over HTTP as OpenStack's Image API v2
// (Glance), so that unmodified clients can use it.
//
// The route table is the whole of what is served; docs/api-coverage.md compares it
// with the original's.
package imageapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// api has what the handlers need.
type api struct{ svc *image.Service }

// New returns the handler of the Image API, to be mounted at "/image".
func New(svc *image.Service, opts httpapi.Options) http.Handler {
	return httpapi.New(API(svc), opts)
}

// API returns the route table, for New and for tests that walk it.
func API(svc *image.Service) httpapi.API {
	a := &api{svc}
	var routes []httpapi.Route
	for _, part := range [][]httpapi.Route{
		a.versionRoutes(), a.imageRoutes(), a.fileRoutes(), a.memberRoutes(), a.schemaRoutes(),
	} {
		routes = append(routes, part...)
	}
	return httpapi.API{Service: "image", Dialect: httpapi.Glance{}, Routes: routes}
}

// imageTarget loads the image of the path and gives the policy what it looks at. An
// image that the caller may not see is not found.
func (a *api) imageTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	img, err := a.svc.GetImage(ctx, r.Path("image_id"))
	if err != nil {
		return nil, err
	}
	if !r.IsAdmin() && !a.svc.CanSee(ctx, img, r.Principal.ProjectID) {
		return nil, fault.Missing("image", img.ID)
	}
	r.Keep(img)
	return a.target(ctx, r, img), nil
}

func (a *api) target(ctx context.Context, r *httpapi.Request, img image.Image) policy.Target {
	t := policy.Target{
		"project_id": img.ProjectID, "owner": img.ProjectID,
		"visibility": string(img.Visibility), "image_id": img.ID,
	}
	// A shared image is readable by members only: the rule's "shared" speaks of
	// images that imageTarget has let through.
	if r.Principal != nil {
		if _, err := a.svc.GetMember(ctx, img.ID, r.Principal.ProjectID); err == nil {
			t["member_id"] = r.Principal.ProjectID
		}
	}
	return t
}
