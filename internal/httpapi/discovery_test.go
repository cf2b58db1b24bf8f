package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// documents is an API that serves the four kinds of discovery documents.
func documents(t *testing.T) http.Handler {
	m := &httpapi.Microversions{Service: "compute", Min: httpapi.Version{Major: 2, Minor: 1}, Max: httpapi.Version{Major: 2, Minor: 96}}
	v := httpapi.APIVersion{ID: "v2.1", Status: "CURRENT", Updated: "2013-07-23T11:33:21Z"}
	serve := func(path string, status int, doc func(r *httpapi.Request) any) httpapi.Route {
		return httpapi.Route{Method: "GET", Path: path, Public: true, Status: status,
			Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) { return httpapi.OK(doc(r)), nil }}
	}
	api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Microversions: m, Routes: []httpapi.Route{
		serve("/", 300, func(r *httpapi.Request) any { return httpapi.VersionValues(v.At(r, "/v3/")) }),
		serve("/list", 0, func(r *httpapi.Request) any { return httpapi.VersionList(v.Range(m).At(r, "/v2.1/")) }),
		serve("/one", 0, func(r *httpapi.Request) any { return httpapi.VersionOne(v.MaxRange(m).At(r, "")) }),
		serve("/bare", 0, func(r *httpapi.Request) any { return v.At(r, "/v2.1/") }),
	}}
	return httpapi.Mount(map[string]http.Handler{"/compute": httpapi.New(api, options(t, io.Discard))})
}

func TestDiscoveryDocuments(t *testing.T) {
	h := documents(t)
	const head, tail = `"id":"v2.1","status":"CURRENT","updated":"2013-07-23T11:33:21Z",`, `"rel":"self"}]`
	for path, want := range map[string]string{
		"/":     `{"versions":{"values":[{` + head + `"links":[{"href":"http://cloud.test/compute/v3/",` + tail + `}]}}`,
		"/list": `{"versions":[{` + head + `"version":"2.96","min_version":"2.1","links":[{"href":"http://cloud.test/compute/v2.1/",` + tail + `}]}`,
		"/one":  `{"version":{` + head + `"max_version":"2.96","min_version":"2.1","links":[{"href":"http://cloud.test/compute",` + tail + `}}`,
		"/bare": `{` + head + `"links":[{"href":"http://cloud.test/compute/v2.1/",` + tail + `}`,
	} {
		a := ask(t, h, "GET /compute"+path, "")
		require.JSONEq(t, want, a.body)
		if path == "/" {
			require.Equal(t, 300, a.StatusCode)
		}
	}
}

func TestBaseURLFollowsProxies(t *testing.T) {
	h := documents(t)
	for _, c := range []struct {
		headers []string
		want    string
	}{
		{nil, "http://cloud.test/compute"},
		{[]string{"X-Forwarded-Proto: https"}, "https://cloud.test/compute"},
		{[]string{"X-Forwarded-Proto: HTTPS, http", "X-Forwarded-Host: api.example.org:8443, inner"}, "https://api.example.org:8443/compute"},
		{[]string{"X-Forwarded-Prefix: /cloud/"}, "http://cloud.test/cloud/compute"},
		{[]string{"Forwarded: for=192.0.2.1;proto=https;host=\"api.example.org\", for=x"}, "https://api.example.org/compute"},
		{[]string{"X-Forwarded-Host: [2001:db8::1]:443"}, "http://[2001:db8::1]:443/compute"},
		{[]string{"X-Forwarded-Host: a/b?c=\"", "X-Forwarded-Proto: javascript", "X-Forwarded-Prefix: //evil.test"}, "http://cloud.test/compute"},
		{[]string{"X-Forwarded-Prefix: evil"}, "http://cloud.test/compute"},
	} {
		v := ask(t, h, "GET /compute/one", "", c.headers...).decode(t)
		link := v["version"].(map[string]any)["links"].([]any)[0].(map[string]any)
		require.Equal(t, c.want, link["href"], c.headers)
	}
}

func TestForeignHandlersAreMountedToo(t *testing.T) {
	inner := httpapi.New(compute(), options(t, io.Discard))
	wrapped := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Wrapped", r.URL.Path)
		inner.ServeHTTP(w, r)
	})
	h := httpapi.Mount(map[string]http.Handler{"/compute": wrapped})
	a := ask(t, h, "GET /compute/v2.1/servers/a%2Fb", "", asMember)
	require.Equal(t, "/v2.1/servers/a/b", a.Header.Get("X-Wrapped"))
	require.Equal(t, "http://cloud.test/compute", a.decode(t)["base"])
	require.Equal(t, "a/b", a.decode(t)["id"])
	require.Panics(t, func() { httpapi.Mount(map[string]http.Handler{"/a/b": wrapped}) })
}

func FuzzParseVersion(f *testing.F) {
	for _, s := range []string{"2.1", "2.60", "latest", "02.1", "2.", ".1", "2.1.3", "9999999999.1", "２.1", ""} {
		f.Add(s)
	}
	h := newCompute(f, io.Discard)
	f.Fuzz(func(t *testing.T, s string) {
		v, err := httpapi.ParseVersion(s)
		if err == nil {
			require.Equal(t, s, v.String())
		}
		r, w := request("GET", "/v2.1/servers", nil)
		r.Header.Set("OpenStack-API-Version", "compute "+s)
		h.ServeHTTP(w, r)
		require.Contains(t, []int{200, 400, 406}, w.Code)
		if w.Code == 200 && err == nil {
			require.Equal(t, "compute "+s, w.Header().Get("OpenStack-API-Version"))
		}
	})
}

func FuzzBody(f *testing.F) {
	for _, s := range []string{`{"server":{"name":"a"}}`, `{"server":{"name":"a","name":"b"}}`, `[1,-2.5e3,"\u00e9\"",null,true,false,{}]`, `{`, `"`, "\xff", ` {"a" : [ ] } `} {
		f.Add(s)
	}
	h := newCompute(f, io.Discard)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/v2.1/servers", "/v2.1/servers/x/action"} {
			a := ask(t, h, "POST "+path, body, asMember)
			require.Contains(t, []int{200, 202, 400, 413}, a.StatusCode, a.body)
		}
	})
}
