// Package volumeapi serves the volume service over HTTP as OpenStack's Block Storage
// API v3 (Cinder), so that unmodified clients can use it.
//
// The route table is the whole of what is served; docs/api-coverage.md compares it
// with the original's.
package volumeapi

import (
	"context"
	"net/http"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

// api has what the handlers need.
type api struct{ svc *volume.Service }

// doc is an object of an answer.
type doc = map[string]any

// microversions are those whose shapes and behaviour hold for all that is served.
var microversions = httpapi.Microversions{
	Service: "volume", Min: httpapi.Version{Major: 3, Minor: 0}, Max: httpapi.Version{Major: 3, Minor: 67},
}

// since is the version 3.minor.
func since(minor int) httpapi.Version { return httpapi.Version{Major: 3, Minor: minor} }

// New returns the handler of the Block Storage API, to be mounted at "/volume".
func New(svc *volume.Service, opts httpapi.Options) http.Handler {
	return httpapi.New(API(svc), opts)
}

// API returns the route table, for New and for tests that walk it.
func API(svc *volume.Service) httpapi.API {
	a := &api{svc}
	m := microversions
	return httpapi.API{
		Service: "volume", Types: []string{"block-storage", "volumev3", "volume"}, Dialect: httpapi.Cinder{}, Microversions: &m,
		RequestIDHeader: "X-Compute-Request-Id", ProjectPrefix: "/v3",
		Routes: slices.Concat(
			a.versionRoutes(), a.volumeRoutes(), a.actionRoutes(), a.attachActionRoutes(), a.metadataRoutes(),
			a.imageMetadataRoutes(), a.snapshotRoutes(), a.attachmentRoutes(), a.typeRoutes(), a.typeAccessRoutes(),
			a.defaultTypeRoutes(), a.backupRoutes(), a.transferRoutes(), a.quotaRoutes(), a.serviceRoutes(),
		),
	}
}

// isAdmin reports whether the caller is an administrator by the policy.
func isAdmin(r *httpapi.Request) bool { return r.May("context_is_admin", policy.Target{}) }

// scope is the project whose things are listed: empty for all of them, which
// administrators may ask for. Others whose token is for no project have nothing.
func scope(r *httpapi.Request) string {
	q := r.Query()
	switch all := truth(q.Get("all_tenants")) || truth(q.Get("all_projects")); {
	case isAdmin(r) && all:
		return ""
	case !isAdmin(r) && r.Principal.ProjectID == "":
		return noProject
	}
	return r.Principal.ProjectID
}

// newOwner is the project that something new will belong to. A token that is for none
// makes nothing, not even an administrator's.
func newOwner(r *httpapi.Request) (string, error) {
	if r.Principal.ProjectID == "" {
		return "", fault.New(fault.Invalid, "Malformed request url: the token is for no project, to which something new could belong.")
	}
	return r.Principal.ProjectID, nil
}

// noProject is the id of none.
const noProject = "-"

// owned is the target of what belongs to a project and a user.
func owned(projectID, userID string) policy.Target {
	return policy.Target{"project_id": projectID, "user_id": userID}
}

// reveal gives the target of a resource, or not found if the rule for reading it does
// not let the caller see it.
func reveal(r *httpapi.Request, rule string, target policy.Target, resource, id string) (policy.Target, error) {
	if !r.May(rule, target) {
		return nil, fault.Missing(resource, id)
	}
	return target, nil
}

// volumeTarget loads the volume of the path.
func (a *api) volumeTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	return a.keepVolume(ctx, r, r.Path("volume_id"))
}

// keepVolume loads a volume that the caller may see and keeps it for the handler.
func (a *api) keepVolume(ctx context.Context, r *httpapi.Request, id string) (policy.Target, error) {
	v, err := a.svc.GetVolume(ctx, id)
	if err != nil {
		return nil, err
	}
	r.Keep(v)
	return reveal(r, "volume:get", owned(v.ProjectID, v.UserID), "volume", id)
}

// snapshotTarget loads the snapshot of the path.
func (a *api) snapshotTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	snap, err := a.svc.GetSnapshot(ctx, r.Path("snapshot_id"))
	if err != nil {
		return nil, err
	}
	r.Keep(snap)
	return reveal(r, "volume:get_snapshot", owned(snap.ProjectID, snap.UserID), "snapshot", snap.ID)
}
