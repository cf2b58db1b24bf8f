package identityapi_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

const adminPassword = "correct horse"

// site is an identity service that is served over HTTP below /identity.
type site struct {
	testing.TB
	svc *identity.Service
	url string // of the server, without the mount point
}

func serve(t testing.TB, change ...func(*identity.Config)) *site {
	t.Helper()
	cfg := identity.Config{
		AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost},
		Services: []identity.CatalogEntry{
			{Type: "identity", Name: "keystone", Path: "/identity/v3"},
			{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
			{Type: "image", Name: "glance", Path: "/image"},
			{Type: "network", Name: "neutron", Path: "/network"},
			{Type: "placement", Name: "placement", Path: "/placement"},
			{Type: "block-storage", Name: "cinder", Path: "/volume/v3"},
			{Type: "volumev3", Name: "cinderv3", Path: "/volume/v3"},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	svc, err := identity.Open(t.Context(), cfg, nil)
	require.NoError(t, err)
	h := identityapi.New(svc, httpapi.Options{Policy: enforcer(t)})
	require.NoError(t, httpapi.Verify(h))
	server := newServer(h)
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, svc.Close())
	})
	return &site{TB: t, svc: svc, url: server.URL}
}

// serveWith is serve with rules for passwords.
func serveWith(t testing.TB, rules identity.PasswordRules) *site {
	return serve(t, func(c *identity.Config) { c.Passwords = rules })
}

// newServer serves an identity API below its mount point.
func newServer(h http.Handler) *httptest.Server {
	return httptest.NewServer(httpapi.Mount(map[string]http.Handler{"/identity": h}))
}

func enforcer(t testing.TB) *policy.Enforcer {
	t.Helper()
	e, err := policy.New(nil)
	require.NoError(t, err)
	return e
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// at reads a value out of the body: at("token", "user", "id").
func (a answer) at(t testing.TB, path ...string) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal([]byte(a.body), &v), a.body)
	for _, name := range path {
		o, ok := v.(map[string]any)
		require.True(t, ok, "%s in %s", name, a.body)
		v = o[name]
	}
	return v
}

// do sends a request; headers are pairs of a name and a value.
func (s *site) do(method, path, token, body string, headers ...string) answer {
	s.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+"/identity"+path, r)
	require.NoError(s, err)
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(resp.Body)
	require.NoError(s, err)
	return answer{resp.StatusCode, resp.Header, b.String()}
}

// want is do for an answer that must have a status.
func (s *site) want(status int, method, path, token, body string, headers ...string) answer {
	s.Helper()
	a := s.do(method, path, token, body, headers...)
	require.Equal(s, status, a.status, "%s %s: %s", method, path, a.body)
	return a
}

func authBody(user, password, scope string) string {
	if scope != "" {
		scope = `, "scope": ` + scope
	}
	return `{"auth": {"identity": {"methods": ["password"], "password": {"user": {
		"name": "` + user + `", "domain": {"id": "default"}, "password": "` + password + `"}}}` + scope + `}}`
}

func projectScope(name string) string {
	return `{"project": {"name": "` + name + `", "domain": {"name": "Default"}}}`
}

// login returns a token.
func (s *site) login(user, password, scope string) string {
	s.Helper()
	a := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", authBody(user, password, scope))
	return a.header.Get("X-Subject-Token")
}

func (s *site) admin() string { return s.login("admin", adminPassword, projectScope("admin")) }

// member makes a user who is a member of a new project, and returns its token.
func (s *site) member(user, project string) (userID, projectID, token string) {
	s.Helper()
	userID, projectID = s.owner(user, project, "member")
	return userID, projectID, s.login(user, "pw", projectScope(project))
}

// owner makes a user with the password "pw" and a project on which it has a role.
func (s *site) owner(user, project, role string) (userID, projectID string) {
	s.Helper()
	u, err := s.svc.CreateUser(s.Context(), identity.CreateUserOptions{Name: user, Password: "pw"})
	require.NoError(s, err)
	p, err := s.svc.CreateProject(s.Context(), identity.CreateProjectOptions{Name: project})
	require.NoError(s, err)
	r, err := s.svc.FindRole(s.Context(), role)
	require.NoError(s, err)
	require.NoError(s, s.svc.Assign(s.Context(), identity.Assignment{RoleID: r.ID, UserID: u.ID, ProjectID: p.ID}))
	return u.ID, p.ID
}
