package computeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) versionRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/", Public: true, Handle: listVersions},
		{Method: "GET", Path: "/v2.1", Public: true, Handle: showVersion},
	}
}

func current(r *httpapi.Request) httpapi.APIVersion {
	return httpapi.APIVersion{ID: "v2.1", Status: "CURRENT", Updated: "2013-07-23T11:33:21Z"}.
		Range(&versions).At(r, "/v2.1/")
}

func listVersions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(httpapi.VersionList(current(r))), nil
}

func showVersion(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	one := current(r)
	one.Links = append(one.Links, httpapi.Link{Rel: "describedby", Href: "http://docs.openstack.org/", Type: "text/html"})
	one.MediaTypes = []httpapi.MediaType{{
		Base: "application/json", Type: "application/vnd.openstack.compute+json;version=2.1",
	}}
	return &httpapi.Response{Status: http.StatusOK, Body: httpapi.VersionOne(one)}, nil
}
