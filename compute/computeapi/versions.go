package computeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) versionRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/", Public: true, Handle: listVersions},
		{Method: "GET", Path: "/v2", Public: true, Handle: showOld},
		{Method: "GET", Path: "/v2.1", Public: true, Handle: showVersion},
	}
}

func current(r *httpapi.Request) httpapi.APIVersion {
	return httpapi.APIVersion{ID: "v2.1", Status: "CURRENT", Updated: "2013-07-23T11:33:21Z"}.
		Range(&versions).At(r, "/v2.1/")
}

// oldVersion is v2.0, which has no microversions and says so with empty texts.
// Clients expect it to be listed first; its routes are those of 2.1 and served there
// alone.
type oldVersion struct {
	ID         string         `json:"id"`
	Status     string         `json:"status"`
	Version    string         `json:"version"`
	MinVersion string         `json:"min_version"`
	Updated    string         `json:"updated"`
	Links      []httpapi.Link `json:"links"`
}

func old(r *httpapi.Request) oldVersion {
	return oldVersion{
		ID: "v2.0", Status: "DEPRECATED", Updated: "2011-01-21T11:33:21Z",
		Links: []httpapi.Link{{Rel: "self", Href: r.BaseURL + "/v2/"}},
	}
}

func listVersions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(map[string]any{"versions": []any{old(r), current(r)}}), nil
}

func showOld(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(map[string]any{"version": old(r)}), nil
}

func showVersion(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	one := current(r)
	one.Links = append(one.Links, httpapi.Link{Rel: "describedby", Href: "http://docs.openstack.org/", Type: "text/html"})
	one.MediaTypes = []httpapi.MediaType{{
		Base: "application/json", Type: "application/vnd.openstack.compute+json;version=2.1",
	}}
	return &httpapi.Response{Status: http.StatusOK, Body: httpapi.VersionOne(one)}, nil
}
