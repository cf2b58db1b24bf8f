package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func TestAuthentication(t *testing.T) {
	h := newCompute(t, io.Discard)
	const service = "X-Service-Token: "
	for _, c := range []struct {
		name    string
		line    string
		headers []string
		status  int
		want    string
	}{
		{"none", "GET /v2.1/whoami", nil, 401, `"title":"Unauthorized"`},
		{"wrong", "GET /v2.1/whoami", []string{"X-Auth-Token: stolen"}, 401, `"code":401`},
		{"huge", "GET /v2.1/whoami", []string{"X-Auth-Token: " + strings.Repeat("x", 9000)}, 401, `"code":401`},
		{"identity is down", "GET /v2.1/whoami", []string{"X-Auth-Token: broken"}, 503, `serviceUnavailable`},
		{"good", "GET /v2.1/whoami", []string{asMember}, 200, `{"admin":false,"user":"ann"}`},
		{"admin", "GET /v2.1/whoami", []string{asAdmin}, 200, `{"admin":true,"user":"root"}`},
		{"service", "GET /v2.1/whoami", []string{asMember, service + "service"}, 200, `"service":"nova"`},
		{"bad service", "GET /v2.1/whoami", []string{asMember, service + "stolen"}, 401, `"title":"Unauthorized"`},
		{"empty service", "GET /v2.1/whoami", []string{asMember, service}, 401, ``},
		{"not a service", "GET /v2.1/whoami", []string{asMember, service + "admin"}, 401, ``},
		{"service, bad user", "GET /v2.1/whoami", []string{"X-Auth-Token: stolen", service + "service"}, 401, ``},
		{"service alone", "GET /v2.1/whoami", []string{service + "service"}, 401, ``},
		{"expired", "GET /v2.1/whoami", []string{"X-Auth-Token: expired"}, 401, ``},
		{"expired, with a service", "GET /v2.1/whoami", []string{"X-Auth-Token: expired", service + "service"}, 200, `"user":"late"`},
		{"expired service", "GET /v2.1/whoami", []string{asMember, service + "expired"}, 401, ``},
		{"expired, not a service", "GET /v2.1/whoami", []string{"X-Auth-Token: expired", service + "admin"}, 401, ``},
		{"public with a bad service", "GET /v2.1", []string{asMember, service + "stolen"}, 200, ``},
		{"service unknown", "GET /v2.1/whoami", []string{asMember, service + "broken"}, 503, ``},
		{"public without", "GET /v2.1", nil, 200, ``},
		{"public with a bad one", "GET /v2.1", []string{"X-Auth-Token: stolen"}, 200, ``},
		{"before the body is looked at", "POST /v2.1/servers", nil, 401, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, h, c.line, "", c.headers...)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Contains(t, a.body, c.want)
			if c.status == 401 {
				require.Equal(t, `Keystone uri="http://cloud.test/identity"`, a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestAccessRules(t *testing.T) {
	opts := options(t, io.Discard)
	route := func(method, path string, public bool) httpapi.Route {
		r := httpapi.Route{Method: method, Path: path, Public: public, Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(r.Principal != nil), nil
		}}
		if !public {
			r.Policy = "identity:get_auth_catalog"
		}
		return r
	}
	h := httpapi.New(httpapi.API{Service: "identity", Types: []string{"identity", "iam"}, Dialect: httpapi.Keystone{}, Routes: []httpapi.Route{
		route("GET", "/v3/users", false), route("GET", "/v3/users/{user_id}", false), route("POST", "/v3/users", false),
		route("GET", "/v3/auth/tokens", false), route("DELETE", "/v3/auth/tokens", false), route("GET", "/v3", true),
	}}, opts)
	mounted := httpapi.Mount(map[string]http.Handler{"/identity": h})
	for _, c := range []struct {
		line   string
		header []string
		status int
		want   string
	}{
		{"GET /v3/users/ann", nil, 200, "true"},
		{"GET /v3/users/ann/", nil, 401, "The request you have made requires authentication."},
		{"GET /v3/users", nil, 401, "The request you have made requires authentication."},
		{"HEAD /v3/users/ann", nil, 401, ""},
		{"POST /v3/users", nil, 200, "true"},
		{"GET /v3/auth/tokens", nil, 200, "true"},
		{"DELETE /v3/auth/tokens", nil, 401, "requires authentication"},
		{"GET /v3", nil, 200, "false"},
		{"GET /v3/users", []string{"X-Service-Token: service"}, 200, "true"},
		{"GET /v3/users", []string{"X-Service-Token: member"}, 401, ""},
	} {
		method, path, _ := strings.Cut(c.line, " ")
		for _, a := range []answer{
			ask(t, h, c.line, "", append(c.header, "X-Auth-Token: robot")...),
			ask(t, mounted, method+" /identity"+path, "", append(c.header, "X-Auth-Token: robot")...),
		} {
			require.Equal(t, c.status, a.StatusCode, c.line)
			require.Contains(t, a.body, c.want, c.line)
		}
		other := ask(t, h, c.line, "", asMember)
		require.Equal(t, 200, other.StatusCode, "without rules nothing is closed")
	}
}

func TestEvery401NamesTheIdentityService(t *testing.T) {
	opts := options(t, io.Discard)
	opts.AuthURL = func(*http.Request) string { return "https://keys.example.org/v3" }
	h := httpapi.New(httpapi.API{Service: "identity", Dialect: httpapi.Keystone{}, Routes: []httpapi.Route{
		{Method: "POST", Path: "/v3/auth/tokens", Public: true, Handle: failing(fault.Unauthenticated)},
	}}, opts)
	a := ask(t, h, "POST /v3/auth/tokens", "")
	require.Equal(t, 401, a.StatusCode)
	require.Equal(t, `Keystone uri="https://keys.example.org/v3"`, a.Header.Get("WWW-Authenticate"))
}

func TestMicroversions(t *testing.T) {
	h := newCompute(t, io.Discard)
	const modern, legacy = "OpenStack-API-Version: ", "X-OpenStack-Nova-API-Version: "
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		want    string
	}{
		{"none is the oldest", nil, 200, "2.1"},
		{"modern", []string{modern + "compute 2.60"}, 200, "2.60"},
		{"legacy", []string{legacy + "2.38"}, 200, "2.38"},
		{"modern wins", []string{legacy + "2.38", modern + "compute 2.60"}, 200, "2.60"},
		{"latest", []string{modern + "compute latest"}, 200, "2.96"},
		{"of another service", []string{modern + "volume 3.70"}, 200, "2.1"},
		{"in a list", []string{modern + "volume 3.70, compute 2.12"}, 200, "2.12"},
		{"below", []string{modern + "compute 2.0"}, 406, "Version 2.0 is not supported by the API. Minimum is 2.1 and maximum is 2.96."},
		{"above", []string{legacy + "2.97"}, 406, "Minimum is 2.1 and maximum is 2.96."},
		{"another major", []string{legacy + "3.0"}, 406, "Minimum is"},
		{"malformed", []string{legacy + "2"}, 400, "API Version String 2 is of invalid format. Must be of format MajorNum.MinorNum."},
		{"leading zero", []string{legacy + "2.01"}, 400, "invalid format"},
		{"sign", []string{legacy + "2.+1"}, 400, "invalid format"},
		{"huge", []string{legacy + "2.99999999999999999999"}, 400, "invalid format"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, h, "GET /v2.1/servers", "", append(c.headers, asMember)...)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Contains(t, a.body, c.want)
			require.ElementsMatch(t, []string{"OpenStack-API-Version", "X-OpenStack-Nova-API-Version"}, a.Header.Values("Vary"))
			if c.status == 200 {
				require.Equal(t, "compute "+c.want, a.Header.Get("OpenStack-API-Version"))
				require.Equal(t, c.want, a.Header.Get("X-OpenStack-Nova-API-Version"))
			}
		})
	}
	a := ask(t, h, "GET /v2.1/servers/x/topology", "", asMember, legacy+"2.77")
	require.Equal(t, 404, a.StatusCode)
	require.Equal(t, 200, ask(t, h, "GET /v2.1/servers/x/topology", "", asMember, legacy+"2.78").StatusCode)
}

func TestActions(t *testing.T) {
	h := newCompute(t, io.Discard)
	for _, c := range []struct {
		body, version string
		status        int
		want          string
	}{
		{`{"os-stop": null}`, "2.1", 202, "stopped"},
		{`{"lock": {}}`, "2.72", 200, "old lock"},
		{`{"lock": {}}`, "2.73", 200, "new lock"},
		{`{"melt": {}}`, "2.1", 404, "API version 2.1 is not supported on this method."},
		{`{"dance": {}}`, "2.1", 400, "There is no such action: dance"},
		{`{}`, "2.1", 400, "Malformed message body"},
		{`{"os-stop": null, "lock": null}`, "2.1", 400, "too many body keys"},
		{`["os-stop"]`, "2.1", 400, "badRequest"},
		{``, "2.1", 400, "badRequest"},
	} {
		a := ask(t, h, "POST /v2.1/servers/x/action", c.body, asMember, "X-OpenStack-Nova-API-Version: "+c.version)
		require.Equal(t, c.status, a.StatusCode, c.body)
		require.Contains(t, a.body, c.want)
	}
}

func TestBodies(t *testing.T) {
	h := newCompute(t, io.Discard)
	require.NoError(t, httpapi.Verify(h))
	deep := strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100)
	for _, c := range []struct {
		name, body, contentType string
		status                  int
		want                    string
	}{
		{"good", `{"server":{"name":"a","count":3}}`, "application/json", 202, `"count":3`},
		{"charset", `{"server":{"name":"a"}}`, "application/json; charset=utf-8", 202, ``},
		{"no type", `{"server":{"name":"a"}}`, "", 202, ``},
		{"text", `{"server":{"name":"a"}}`, "text/plain", 415, `Unsupported Content-Type`},
		{"form", `a=b`, "application/x-www-form-urlencoded", 415, `badMediaType`},
		{"empty", ``, "", 400, `the body is empty`},
		{"no JSON", `{"server":`, "", 400, `it is not valid JSON`},
		{"more behind", `{"server":{"name":"a"}} {}`, "", 400, `it is not valid JSON`},
		{"a name twice", `{"server":{"name":"a","name":"b"}}`, "", 400, `the name 'name' is there twice`},
		{"a name twice, escaped", `{"server":{"name":"a","\u006eame":"b"}}`, "", 400, `twice`},
		{"bad UTF-8", "{\"server\":{\"name\":\"\xff\"}}", "", 400, `UTF-8`},
		{"deep", `{"server":` + deep + `}`, "", 400, `nested too deeply`},
		{"huge number", `{"server":{"name":"a","count":1e999999999}}`, "", 400, `out of range`},
		{"tiny number", `{"server":{"name":"a","count":1e-999999999}}`, "", 400, `out of range`},
		{"nought with a huge exponent", `{"server":{"name":"a","count":0e999999999}}`, "", 400, `out of range`},
		{"long number", `{"server":{"name":"a","count":` + strings.Repeat("1", 500) + `}}`, "", 400, `out of range`},
		{"large number", `{"server":{"name":"a","count":1e30}}`, "", 202, ``},
		{"list", `[]`, "", 400, `it is not an object`},
		{"too large", `{"server":{"name":"` + strings.Repeat("a", 4096) + `"}}`, "", 413, `overLimit`},
		{"unknown key", `{"server":{"name":"a"},"x":1}`, "", 400, `Additional properties are not allowed ('x' was unexpected)`},
		{"missing", `{"server":{}}`, "", 400, `Invalid input for field/attribute server. Value: {}. 'name' is a required property`},
		{"type", `{"server":{"name":5}}`, "", 400, `Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'`},
		{"short", `{"server":{"name":""}}`, "", 400, `'' is too short`},
		{"minimum", `{"server":{"name":"a","count":0}}`, "", 400, `0 is less than the minimum of 1`},
		{"integer", `{"server":{"name":"a","count":1.5}}`, "", 400, `1.5 is not of type 'integer'`},
		{"uuid", `{"server":{"name":"a","image":"nope"}}`, "", 400, `'nope' is not a 'uuid'`},
		{"cidr", `{"server":{"name":"a","net":"10.0.0.0/33"}}`, "", 400, `is not a 'cidr'`},
		{"mac", `{"server":{"name":"a","mac":"fa-16-3e-00-00-01"}}`, "", 400, `is not a 'mac'`},
		{"formats", `{"server":{"name":"a","net":"10.0.0.1/24","mac":"FA:16:3e:00:00:01","image":"` + projectOne + `"}}`, "", 202, ``},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, h, "POST /v2.1/servers", c.body, asMember, "Content-Type: "+c.contentType)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Contains(t, a.body, c.want)
		})
	}
}

func TestUnlengthedBodyIsBounded(t *testing.T) {
	h := newCompute(t, io.Discard)
	r, w := request("POST", "/v2.1/servers", io.MultiReader(strings.NewReader(`{"server":{"name":"`), strings.NewReader(strings.Repeat("a", 5000))))
	h.ServeHTTP(w, r)
	require.Equal(t, 413, w.Code)
}

func TestPolicy(t *testing.T) {
	h := newCompute(t, io.Discard)
	require.Equal(t, 200, ask(t, h, "GET /v2.1/flavors", "", asAdmin).StatusCode)
	a := ask(t, h, "GET /v2.1/flavors", "", asMember)
	require.Equal(t, 403, a.StatusCode)
	require.JSONEq(t, `{"forbidden":{"code":403,"message":"Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed."}}`, a.body)
}

func TestTargetRunsBeforeTheRule(t *testing.T) {
	var seen caller.Info
	api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{{
		Method: "GET", Path: "/servers/{id}", Policy: "os_compute_api:servers:show",
		Target: func(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
			seen = caller.From(ctx)
			switch r.Path("id") {
			case "hidden":
				return nil, fault.Missing("server", r.Path("id"))
			case "foreign":
				return policy.Target{"project_id": projectTwo}, nil
			}
			r.Keep(r.Path("id"))
			return policy.Target{"project_id": projectOne}, nil
		},
		Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(httpapi.Kept[string](r)), nil
		},
	}}}
	h := httpapi.New(api, options(t, io.Discard))
	a := ask(t, h, "GET /servers/own", "", asMember)
	require.Equal(t, `"own"`, a.body)
	require.Equal(t, caller.Info{RequestID: a.Header.Get("X-Openstack-Request-Id"), UserID: "ann", ProjectID: projectOne}, seen)
	require.Equal(t, 403, ask(t, h, "GET /servers/foreign", "", asMember).StatusCode)
	a = ask(t, h, "GET /servers/hidden", "", asMember)
	require.Equal(t, 404, a.StatusCode)
	require.Contains(t, a.body, "Instance hidden could not be found.")
}

func TestRulesAreChosen(t *testing.T) {
	const open, closed = "welkin:flavors:index", "os_compute_api:os-flavor-manage:create"
	api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{
		{
			Method: "GET", Path: "/chosen", Policy: open, Also: []string{closed}, Handle: say("x"),
			Choose: func(_ context.Context, r *httpapi.Request) string { return r.Query().Get("rule") },
		},
		{Method: "GET", Path: "/items", Policy: closed, EachItem: true, Handle: say("x")},
	}}
	h := httpapi.New(api, options(t, io.Discard))
	for path, want := range map[string]int{
		"/chosen?rule=" + open: 200, "/chosen?rule=" + closed: 403, "/chosen?rule=welkin:flavors:show": 500, "/chosen": 500, "/items": 200,
	} {
		require.Equal(t, want, ask(t, h, "GET "+path, "", asMember).StatusCode, path)
		require.Equal(t, 401, ask(t, h, "GET "+path, "").StatusCode, path)
	}
}

// guard makes a public route one with a rule.
func guard(r *httpapi.Route) { r.Public, r.Policy = false, "welkin:flavors:index" }

func noTarget(context.Context, *httpapi.Request) (policy.Target, error) { return nil, nil }

func first(context.Context, *httpapi.Request) string { return "welkin:flavors:index" }

func TestFaultyTablesPanic(t *testing.T) {
	good := httpapi.Route{Method: "GET", Path: "/x", Public: true, Handle: say("x")}
	for name, change := range map[string]func(r *httpapi.Route){
		"no handler":     func(r *httpapi.Route) { r.Handle = nil },
		"no guard":       func(r *httpapi.Route) { r.Public = false },
		"two guards":     func(r *httpapi.Route) { r.Policy = "welkin:flavors:index" },
		"public, target": func(r *httpapi.Route) { r.Target = noTarget },
		"also, unknown":  func(r *httpapi.Route) { guard(r); r.Choose, r.Also = first, []string{"os_compute_api:dance"} },
		"nothing chosen": func(r *httpapi.Route) { guard(r); r.Also = []string{"welkin:flavors:show"} },
		"no choice":      func(r *httpapi.Route) { guard(r); r.Choose = first },
		"items, target":  func(r *httpapi.Route) { guard(r); r.EachItem, r.Target = true, noTarget },
		"unknown rule":   func(r *httpapi.Route) { r.Public, r.Policy = false, "os_compute_api:dance" },
		"no JSON":        func(r *httpapi.Route) { r.Body = []httpapi.Schema{{JSON: "{"}} },
		"action of GET":  func(r *httpapi.Route) { r.Action = "os-stop" },
		"stream, schema": func(r *httpapi.Route) { r.Stream, r.Body = true, []httpapi.Schema{{JSON: "{}"}} },
		"no versions":    func(r *httpapi.Route) { r.Min = httpapi.Version{Major: 2, Minor: 1} },
		"there twice":    func(r *httpapi.Route) {},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			if name != "there twice" {
				bad.Path = "/y"
			}
			change(&bad)
			api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{good, bad}}
			require.Panics(t, func() { httpapi.New(api, options(t, io.Discard)) })
		})
	}
	api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{good}}
	api.Routes[0].Body = []httpapi.Schema{{JSON: `{"type":"objct"}`}}
	require.ErrorContains(t, httpapi.Verify(httpapi.New(api, options(t, io.Discard))), "GET /x")
	require.Error(t, httpapi.Verify(http.NotFoundHandler()))
}

func TestRoutesCanBeWalked(t *testing.T) {
	require.Len(t, httpapi.Routes(newCompute(t, io.Discard)), len(compute().Routes))
	require.Nil(t, httpapi.Routes(http.NotFoundHandler()))
}

func TestPanicsAndSecrets(t *testing.T) {
	var log bytes.Buffer
	api := httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{
		{Method: "GET", Path: "/panic", Policy: "welkin:flavors:index", Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) { panic("ouch") }},
		{Method: "GET", Path: "/cause", Policy: "welkin:flavors:index", Handle: failing((&fault.Error{Kind: fault.Internal, Message: "boom"}).Because(io.ErrUnexpectedEOF))},
		{Method: "GET", Path: "/unencodable", Policy: "welkin:flavors:index", Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(func() {}), nil
		}},
	}}
	h := httpapi.New(api, options(t, &log))
	for path, cause := range map[string]string{"/panic": "ouch", "/cause": "unexpected EOF", "/unencodable": "unsupported type"} {
		log.Reset()
		a := ask(t, h, "GET "+path+"?password=hunter2", "", asMember, "X-Openstack-Request-Id: req-4f0e4c1e-0a5c-4f0e-8a3c-5d3c1f6a7b8c")
		require.Equal(t, 500, a.StatusCode)
		require.Contains(t, a.body, "computeFault")
		require.NotContains(t, a.body, cause)
		require.NotContains(t, a.body, "boom")
		require.Contains(t, log.String(), `"level":"ERROR"`)
		require.Contains(t, log.String(), cause)
		require.Contains(t, log.String(), a.Header.Get("X-Openstack-Request-Id"))
		require.Contains(t, log.String(), `"global_request_id":"req-4f0e4c1e-0a5c-4f0e-8a3c-5d3c1f6a7b8c"`)
		require.NotContains(t, log.String(), "hunter2")
		require.NotContains(t, log.String(), `"member"`) // the token
	}
}

func TestLogLevels(t *testing.T) {
	var log bytes.Buffer
	h := newCompute(t, &log)
	for line, level := range map[string]string{"GET /v2.1/servers": "DEBUG", "GET /v2.1/flavors": "INFO", "GET /nowhere": "INFO"} {
		log.Reset()
		ask(t, h, line, "", asMember, "X-Openstack-Request-Id: not-an-id")
		require.Contains(t, log.String(), `"level":"`+level+`"`)
		require.NotContains(t, log.String(), "global_request_id")
		require.Equal(t, 1, strings.Count(log.String(), "\n"))
	}
}
