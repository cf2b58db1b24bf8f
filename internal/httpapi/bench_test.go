package httpapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// nothing is a ResponseWriter that keeps only the status.
type nothing struct {
	header http.Header
	status int
}

func (n *nothing) Header() http.Header         { return n.header }
func (n *nothing) Write(p []byte) (int, error) { return len(p), nil }
func (n *nothing) WriteHeader(status int)      { n.status = status }

// quiet is an API whose log is off.
func quiet(b *testing.B) http.Handler {
	opts := options(b, nil)
	opts.Log = slog.New(slog.DiscardHandler)
	api := compute()
	for i := range api.Routes {
		if api.Routes[i].Method == "POST" {
			api.Routes[i].Handle = created
		}
	}
	return httpapi.Mount(map[string]http.Handler{"/compute": httpapi.New(api, opts)})
}

// created does what a handler of a POST does at least.
func created(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Server struct{ Name, Image, MAC string }
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	return httpapi.OK(in), nil
}

// run serves the same request again and again.
func run(b *testing.B, h http.Handler, method, path, body string, status int) {
	r := httptest.NewRequest(method, "http://cloud.test"+path, nil)
	r.Header.Set("X-Auth-Token", "member")
	r.Header.Set("X-Openstack-Nova-Api-Version", "2.60")
	r.Header.Set("Openstack-Api-Version", "compute 2.60")
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = int64(len(body))
	b.ReportAllocs()
	for b.Loop() {
		w := &nothing{header: http.Header{}}
		r.Body = readCloser{strings.NewReader(body)}
		h.ServeHTTP(w, r)
		if w.status != status {
			require.Equal(b, status, w.status)
		}
	}
}

// readCloser is a body in memory.
type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkGetWithPolicy(b *testing.B) {
	run(b, quiet(b), "GET", "/compute/v2.1/servers/4f0e4c1e-0a5c-4f0e-8a3c-5d3c1f6a7b8c", "", 200)
}

func BenchmarkPostWithSchema(b *testing.B) {
	body := `{"server":{"name":"web-1","count":2,"image":"4f0e4c1e-0a5c-4f0e-8a3c-5d3c1f6a7b8c","mac":"fa:16:3e:00:00:01"}}`
	run(b, quiet(b), "POST", "/compute/v2.1/servers", body, 202)
}

func BenchmarkDenied(b *testing.B) {
	run(b, quiet(b), "GET", "/compute/v2.1/flavors", "", 403)
}

// BenchmarkNew is what a service with 100 schemas pays at its start.
func BenchmarkNew(b *testing.B) {
	opts := options(b, nil)
	api := compute()
	for i := range 100 {
		name := "r" + strconv.Itoa(i)
		api.Routes = append(api.Routes, httpapi.Route{
			Method: "POST", Path: "/v2.1/" + name, Policy: "welkin:flavors:index", Handle: echo,
			Body: []httpapi.Schema{{JSON: strings.ReplaceAll(createSchema, "server", name)}},
		})
	}
	b.ReportAllocs()
	for b.Loop() {
		httpapi.New(api, opts)
	}
}
