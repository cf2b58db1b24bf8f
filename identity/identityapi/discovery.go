package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// version is the newest minor version of the API whose features are there.
const version = "v3.14"

func (a *api) discoveryRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/", Public: true, Status: http.StatusMultipleChoices, Handle: a.versions},
		{Method: "GET", Path: "/v3", Public: true, Handle: a.version},
	}
}

func (a *api) versions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	resp := httpapi.OK(object{"versions": object{"values": []object{versionOf(r)}}})
	resp.Header = http.Header{"Location": {r.BaseURL + "/v3/"}}
	return resp, nil
}

func (a *api) version(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return one("version", versionOf(r)), nil
}

func versionOf(r *httpapi.Request) object {
	return object{
		"id": version, "status": "stable", "updated": "2020-04-07T00:00:00Z",
		"links": []object{{"rel": "self", "href": r.BaseURL + "/v3/"}},
		"media-types": []object{{
			"base": "application/json", "type": "application/vnd.openstack.identity-v3+json",
		}},
	}
}
