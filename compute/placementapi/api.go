// Package placementapi serves what hosts have and who uses it over HTTP as
// OpenStack's Placement API, microversions 1.0 to 1.39.
//
// Allocations are read here, not written: servers claim what they use in the
// transactions that place them, so what a client wrote beside them could only be
// wrong.
package placementapi

import (
	"context"
	"net/http"
	"time"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/state"
)

// versions are the microversions that are served.
var versions = httpapi.Microversions{
	Service: "placement", Min: httpapi.Version{Major: 1, Minor: 0}, Max: httpapi.Version{Major: 1, Minor: 39},
}

// v is the microversion 1.minor.
func v(minor int) httpapi.Version { return httpapi.Version{Major: 1, Minor: minor} }

// api has what the handlers need.
type api struct{ store *placement.Store }

// New returns the handler of the Placement API, to be mounted at "/placement".
func New(store *placement.Store, opts httpapi.Options) http.Handler {
	return httpapi.New(API(store), opts)
}

// API returns the route table, for New and for tests that walk it.
func API(store *placement.Store) httpapi.API {
	a := &api{store}
	routes := []httpapi.Route{{Method: "GET", Path: "/", Public: true, Handle: root}}
	for _, part := range [][]httpapi.Route{
		a.providerRoutes(), a.inventoryRoutes(), a.belongingRoutes(), a.catalogueRoutes(), a.usageRoutes(), a.candidateRoutes(),
	} {
		routes = append(routes, part...)
	}
	return httpapi.API{Service: "placement", Dialect: httpapi.Placement{}, Microversions: &versions, Routes: routes}
}

func root(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	one := httpapi.APIVersion{ID: "v1.0", Status: "CURRENT"}.MaxRange(&versions)
	one.Links = []httpapi.Link{{Rel: "self", Href: ""}}
	return httpapi.OK(httpapi.VersionList(one)), nil
}

// answer is a success with the times that caches look at, from 1.15.
func answer(r *httpapi.Request, changed time.Time, body any) *httpapi.Response {
	resp := httpapi.OK(body)
	if r.Version.AtLeast(1, 15) {
		resp.Header = http.Header{
			"Last-Modified": {changed.UTC().Format(http.TimeFormat)}, "Cache-Control": {"no-cache"},
		}
	}
	return resp
}

// provider loads the provider of the path.
func (a *api) provider(r *httpapi.Request, reader state.Reader) (placement.Provider, error) {
	p, err := a.store.Get(reader, r.Path("uuid"))
	if err != nil {
		return p, fault.New(fault.NotFound, "No resource provider with uuid %s found", r.Path("uuid"))
	}
	return p, nil
}

// schema makes a request schema that is the same at all microversions.
func schema(json string) []httpapi.Schema { return []httpapi.Schema{{JSON: json}} }

const sUUID = `{"type":"string","format":"uuid"}`
