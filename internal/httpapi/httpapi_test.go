package httpapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
)

const (
	projectOne = "11111111111111111111111111111111"
	projectTwo = "22222222222222222222222222222222"
)

// tokens is an Authenticator of fixed tokens.
type tokens map[string]*policy.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*policy.Principal, error) {
	if token == "broken" {
		return nil, fault.Unavailable
	}
	p := t[token]
	if p == nil {
		return nil, fault.Unauthenticated
	}
	return p, nil
}

// AuthenticateExpired knows one more token.
func (t tokens) AuthenticateExpired(ctx context.Context, token string) (*policy.Principal, error) {
	if token == "expired" {
		return &policy.Principal{UserID: "late", ProjectID: projectOne}, nil
	}
	return t.Authenticate(ctx, token)
}

// options of the tests, with a log that is kept.
func options(t testing.TB, log io.Writer) httpapi.Options {
	enforcer, err := policy.New(nil)
	require.NoError(t, err)
	return httpapi.Options{
		Auth: tokens{
			"admin":   {UserID: "root", ProjectID: projectTwo, Roles: []string{"admin", "member", "reader"}},
			"member":  {UserID: "ann", ProjectID: projectOne, Roles: []string{"member", "reader"}},
			"service": {UserID: "nova", ProjectID: projectTwo, Roles: []string{"service"}},
			"robot": {UserID: "ann", ProjectID: projectOne, AccessRules: policy.NewAccessRules([]policy.AccessRule{
				{Service: "identity", Method: "GET", Path: "/v3/users/*"},
				{Service: "iam", Method: "POST", Path: "/v3/users"},
				{Service: "compute", Method: "GET", Path: "**"},
			})},
		},
		Policy: enforcer,
		Log:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		IDs:    ids.Seeded(1),
	}
}

// answer is what came back.
type answer struct {
	*http.Response
	body string
}

// decode reads the body as JSON.
func (a answer) decode(t testing.TB) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	return v
}

// ask sends "METHOD /path" with headers given as "Name: value".
func ask(t testing.TB, h http.Handler, line, body string, headers ...string) answer {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, "http://cloud.test"+target, strings.NewReader(body))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Add(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	out, err := io.ReadAll(w.Result().Body)
	require.NoError(t, err)
	return answer{w.Result(), string(out)}
}

const (
	asMember = "X-Auth-Token: member"
	asAdmin  = "X-Auth-Token: admin"
)

// createSchema is the schema of the tests' bodies.
const createSchema = `{"type":"object","required":["server"],"additionalProperties":false,"properties":{
	"server":{"type":"object","required":["name"],"additionalProperties":false,"properties":{
		"name":{"type":"string","minLength":1,"maxLength":16},
		"count":{"type":"integer","minimum":1},
		"image":{"type":"string","format":"uuid"},
		"net":{"type":"string","format":"cidr"},
		"mac":{"type":"string","format":"mac"}}}}}`

// echo answers with what the handler was given.
func echo(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	out := map[string]any{"id": r.Path("server_id"), "version": r.Version.String(), "base": r.BaseURL}
	if len(r.Body()) > 0 {
		var v any
		if err := r.Decode(&v); err != nil {
			return nil, err
		}
		out["body"] = v
	}
	return httpapi.OK(out), nil
}

// say answers with a word.
func say(word string) httpapi.Handler {
	return func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
		return httpapi.OK(map[string]string{"said": word}), nil
	}
}

// failing answers with an error.
func failing(err error) httpapi.Handler {
	return func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return nil, err }
}

// compute is an API as Nova has it.
func compute() httpapi.API {
	const show, create = "os_compute_api:servers:index", "os_compute_api:servers:create"
	return httpapi.API{
		Service: "compute", Dialect: httpapi.Nova{},
		RequestIDHeader: "X-Compute-Request-Id",
		ProjectPrefix:   "/v2.1",
		MaxBody:         2048,
		Microversions: &httpapi.Microversions{
			Service: "compute", Legacy: "X-OpenStack-Nova-API-Version",
			Min: httpapi.Version{Major: 2, Minor: 1}, Max: httpapi.Version{Major: 2, Minor: 96},
		},
		Routes: []httpapi.Route{
			{Method: "GET", Path: "/", Public: true, Handle: say("root")},
			{Method: "GET", Path: "/v2.1/", Public: true, Handle: say("v2.1")},
			{Method: "GET", Path: "/v2.1/servers", Policy: show, Handle: echo},
			{Method: "POST", Path: "/v2.1/servers", Policy: create, Status: 202, Body: []httpapi.Schema{{JSON: createSchema}}, Handle: echo},
			{Method: "GET", Path: "/v2.1/servers/detail", Policy: show, Handle: say("detail")},
			{Method: "GET", Path: "/v2.1/servers/{server_id}", Policy: show, Handle: echo},
			{Method: "DELETE", Path: "/v2.1/servers/{server_id}", Policy: show, Status: 204,
				Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return httpapi.Empty(), nil }},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "os-stop", Policy: show, Status: 202, Handle: say("stopped")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "lock", Policy: show, Max: httpapi.Version{Major: 2, Minor: 72}, Handle: say("old lock")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "lock", Policy: show, Min: httpapi.Version{Major: 2, Minor: 73}, Handle: say("new lock")},
			{Method: "POST", Path: "/v2.1/servers/{server_id}/action", Action: "melt", Policy: show, Min: httpapi.Version{Major: 2, Minor: 90}, Handle: say("melted")},
			{Method: "GET", Path: "/v2.1/servers/{server_id}/topology", Policy: show, Min: httpapi.Version{Major: 2, Minor: 78}, Handle: say("topology")},
			{Method: "GET", Path: "/v2.1/flavors", Policy: "os_compute_api:os-flavor-manage:create", Handle: say("flavors")},
			{Method: "GET", Path: "/v2.1/whoami", Policy: "welkin:flavors:index", Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
				who := map[string]any{"user": r.Principal.UserID, "admin": r.May("context_is_admin", nil)}
				if s := r.Principal.Service; s != nil {
					who["service"] = s.UserID
				}
				return httpapi.OK(who), nil
			}},
		},
	}
}

func newCompute(t testing.TB, log io.Writer) http.Handler {
	return httpapi.New(compute(), options(t, log))
}

func TestRouting(t *testing.T) {
	h := newCompute(t, io.Discard)
	for _, c := range []struct {
		line   string
		status int
		want   string
	}{
		{"GET /", 200, `{"said":"root"}`},
		{"GET /v2.1", 200, `{"said":"v2.1"}`},
		{"GET /v2.1/", 200, `{"said":"v2.1"}`},
		{"GET /v2.1/" + projectOne, 200, `{"said":"v2.1"}`},
		{"GET /v2.1/" + projectOne + "/", 200, `{"said":"v2.1"}`},
		{"GET /v2.1/servers", 200, `"id":""`},
		{"GET /v2.1/servers/", 200, `"id":""`},
		{"GET /v2.1/servers/detail", 200, `{"said":"detail"}`},
		{"GET /v2.1/servers/a%2Fb%20c", 200, `"id":"a/b c"`},
		{"GET /v2.1/" + projectOne + "/servers/x", 200, `"id":"x"`},
		{"GET /v2.1/" + projectTwo + "/servers/x", 400, `Malformed request URL`},
		{"DELETE /v2.1/servers/x", 204, ``},
		{"GET /v2.1/bakery", 404, `{"itemNotFound":{"code":404,"message":"The resource could not be found."}}`},
		{"GET /v2.1/servers/x/y/z", 404, `itemNotFound`},
		{"GET /v9/servers", 404, `itemNotFound`},
		{"PUT /v2.1/servers", 405, `{"badMethod":{"code":405`},
	} {
		t.Run(c.line, func(t *testing.T) {
			a := ask(t, h, c.line, "", asMember)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Contains(t, a.body, c.want)
			require.Regexp(t, `^req-[0-9a-f-]{36}$`, a.Header.Get("X-Openstack-Request-Id"))
			require.Equal(t, a.Header.Get("X-Openstack-Request-Id"), a.Header.Get("X-Compute-Request-Id"))
			if c.want != "" {
				require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			}
		})
	}
	a := ask(t, h, "PUT /v2.1/servers", "", asMember)
	require.Equal(t, "GET, HEAD, POST", a.Header.Get("Allow"))
}

func TestHeadIsGetWithoutBody(t *testing.T) {
	server := httptest.NewServer(newCompute(t, &bytes.Buffer{}))
	defer server.Close()
	get, err := http.Get(server.URL + "/v2.1")
	require.NoError(t, err)
	get.Body.Close()
	head, err := http.Head(server.URL + "/v2.1")
	require.NoError(t, err)
	head.Body.Close()
	require.Equal(t, 200, head.StatusCode)
	require.Equal(t, get.ContentLength, head.ContentLength)
	require.Positive(t, head.ContentLength)
}

func TestMountKeepsThePrefix(t *testing.T) {
	h := httpapi.Mount(map[string]http.Handler{"/compute": newCompute(t, io.Discard)})
	a := ask(t, h, "GET /compute/v2.1/servers/x", "", asMember)
	require.Equal(t, "http://cloud.test/compute", a.decode(t)["base"])
	require.Equal(t, 200, ask(t, h, "GET /compute", "").StatusCode)
	require.JSONEq(t, `{"services":[{"name":"compute","links":[{"rel":"self","href":"http://cloud.test/compute/"}]}]}`,
		ask(t, h, "GET /", "").body)
	require.Equal(t, 404, ask(t, h, "GET /bakery/v1", "").StatusCode)
	a = ask(t, h, "POST /", "")
	require.Equal(t, 405, a.StatusCode)
	require.NotEmpty(t, a.Header.Get("X-Openstack-Request-Id"))
}

// request makes a request by a member whose body's length is not known.
func request(method, path string, body io.Reader) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(method, "http://cloud.test"+path, body)
	r.Header.Set("X-Auth-Token", "member")
	r.ContentLength = -1
	return r, httptest.NewRecorder()
}
