package imageapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// minors are the minor versions whose routes are served: 2.7, and what came with the
// stores list (2.8) and the multi-hash fields.
var minors = [...]string{"v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0"}

func (a *api) versionRoutes() []httpapi.Route {
	route := func(path string, status int) httpapi.Route {
		return httpapi.Route{Method: http.MethodGet, Path: path, Public: true, Status: status, Handle: versions}
	}
	return []httpapi.Route{
		route("/", http.StatusMultipleChoices),
		route("/versions", http.StatusOK),
	}
}

type link struct {
	Rel  string `json:"rel"`
	Href string `json:"href"`
}

type version struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Links  []link `json:"links"`
}

func versions(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := make([]version, 0, len(minors))
	for i, id := range minors {
		status := "SUPPORTED"
		if i == 0 {
			status = "CURRENT"
		}
		list = append(list, version{id, status, []link{{"self", r.BaseURL + "/v2/"}}})
	}
	return httpapi.OK(map[string]any{"versions": list}), nil
}
