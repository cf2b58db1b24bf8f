// Package computeapi serves the compute service over HTTP as OpenStack's Compute API
// (Nova), microversions 2.1 to 2.79, so that unmodified clients can use it.
//
// The route table is the whole of what is served; there is one file for each
// resource. Handlers turn wire shapes into calls of [compute.Service] and back.
package computeapi

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Siblings are the services behind the routes that old clients still ask compute
// for. Any may be nil: its routes then answer 404.
type Siblings struct {
	Networks Networks
	Images   Images
}

// versions are the microversions that are served.
var versions = httpapi.Microversions{
	Service: "compute", Legacy: "X-OpenStack-Nova-API-Version",
	Min: httpapi.Version{Major: 2, Minor: 1}, Max: httpapi.Version{Major: 2, Minor: 79},
}

// v is the microversion 2.minor.
func v(minor int) httpapi.Version { return httpapi.Version{Major: 2, Minor: minor} }

// api has what the handlers need.
type api struct {
	svc *compute.Service
	Siblings
}

// New returns the handler of the Compute API, to be mounted at "/compute".
func New(svc *compute.Service, siblings Siblings, opts httpapi.Options) http.Handler {
	return httpapi.New(API(svc, siblings), opts)
}

// API returns the route table, for New and for tests that walk it.
func API(svc *compute.Service, siblings Siblings) httpapi.API {
	a := &api{svc, siblings}
	var routes []httpapi.Route
	for _, part := range [][]httpapi.Route{
		a.versionRoutes(), a.serverRoutes(), a.actionRoutes(), a.metadataRoutes(), a.tagRoutes(), a.addressRoutes(),
		a.interfaceRoutes(), a.volumeRoutes(), a.instanceActionRoutes(), a.consoleRoutes(), a.migrationRoutes(),
		a.flavorRoutes(), a.flavorSpecRoutes(), a.keypairRoutes(), a.zoneRoutes(), a.serviceRoutes(), a.hypervisorRoutes(),
		a.aggregateRoutes(), a.groupRoutes(), a.quotaRoutes(), a.limitRoutes(), a.usageRoutes(), a.extensionRoutes(),
		a.securityGroupRoutes(), a.floatingIPRoutes(), a.networkRoutes(), a.imageRoutes(), a.placementRoutes(),
	} {
		routes = append(routes, part...)
	}
	return httpapi.API{
		Service: "compute", Dialect: httpapi.Nova{}, Microversions: &versions, Routes: routes,
		RequestIDHeader: "X-Compute-Request-Id", ProjectPrefix: "/v2.1",
	}
}

// serverTarget loads the server of the path. One of another project is not found,
// unless the caller is an admin.
func (a *api) serverTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	id := r.Path("server_id")
	server, err := a.svc.GetServer(ctx, id)
	if err != nil {
		return nil, err
	}
	if !r.IsAdmin() && server.ProjectID != r.Principal.ProjectID {
		return nil, fault.New(fault.NotFound, "Instance %s could not be found.", id)
	}
	r.Keep(server)
	return policy.Target{"project_id": server.ProjectID, "user_id": server.UserID}, nil
}

// asCaller lets admins past the lock of a server.
func asCaller(ctx context.Context, r *httpapi.Request) context.Context {
	if r.IsAdmin() {
		return compute.AsAdmin(ctx)
	}
	return ctx
}

// own is the target of what belongs to the caller.
func own(r *httpapi.Request) policy.Target {
	return policy.Target{"project_id": r.Principal.ProjectID, "user_id": r.Principal.UserID}
}

// stamp is a time as most of the API writes it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// micros is a time with microseconds and no zone, or nil for none.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000")
}

// orNil is a text, or nil if it is empty.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// links are the two links of a resource.
func links(r *httpapi.Request, path string) []httpapi.Link {
	return []httpapi.Link{
		{Rel: "self", Href: r.BaseURL + "/v2.1/" + path},
		{Rel: "bookmark", Href: r.BaseURL + "/" + path},
	}
}

// page is a list with its link to the next page.
func page(r *httpapi.Request, name string, items any, next string) map[string]any {
	body := map[string]any{name: items}
	if l := r.NextLinks(next); l != nil {
		body[name+"_links"] = l
	}
	return body
}

// flag reads a boolean of the query as Nova does.
func flag(q url.Values, name string) bool {
	switch q.Get(name) {
	case "1", "t", "T", "true", "True", "TRUE", "on", "y", "yes":
		return true
	}
	return false
}
