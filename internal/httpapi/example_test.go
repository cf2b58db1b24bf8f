package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// A service is a table of routes. This one has a single resource, which everybody
// who has a token of the project "p1" may see.
func Example() {
	enforcer, err := policy.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	show := func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		if r.Path("server_id") != "web" {
			return nil, fault.Missing("server", r.Path("server_id"))
		}
		return httpapi.OK(map[string]string{"server": "web"}), nil
	}
	compute := httpapi.New(httpapi.API{
		Service: "compute",
		Dialect: httpapi.Nova{},
		Routes: []httpapi.Route{
			{Method: "GET", Path: "/v2.1/servers/{server_id}", Policy: "os_compute_api:servers:show", Handle: show},
		},
	}, httpapi.Options{
		Auth:   tokens{"secret": {UserID: "ann", ProjectID: "p1", Roles: []string{"reader"}}},
		Policy: enforcer,
	})
	handler := httpapi.Mount(map[string]http.Handler{"/compute": compute})

	for _, path := range []string{"/compute/v2.1/servers/web", "/compute/v2.1/servers/db"} {
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("X-Auth-Token", "secret")
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 {"server":"web"}
	// 404 {"itemNotFound":{"code":404,"message":"Instance db could not be found."}}
}

func ExampleCut() {
	servers := slices.Values([]string{"a", "b", "c", "d"})
	page, err := httpapi.Cut(servers, httpapi.Paging{Limit: 2, Marker: "a"}, func(id string) string { return id })
	fmt.Println(page.Items, "next after", page.Next, err)
	// Output: [b c] next after c <nil>
}

func ExampleParseVersion() {
	v, err := httpapi.ParseVersion("2.60")
	fmt.Println(v.AtLeast(2, 37), v.AtLeast(2, 61), err)
	// Output: true false <nil>
}
