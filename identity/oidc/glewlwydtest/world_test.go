package glewlwydtest_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/identity/oidc"
	"github.com/welkin-cloud/cloud/identity/oidc/glewlwydtest"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

const (
	dashboard = "https://dashboard.example/auth/websso/"
	fed       = "/v3/OS-FEDERATION"
	acme      = fed + "/identity_providers/acme"
	sso       = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/tokens"
)

// Who is at the provider.
var (
	ada = glewlwydtest.User{Name: "ada", Password: "ada-secret", Email: "ada@acme.example", Groups: []string{"crew", "guests"}}
	bob = glewlwydtest.User{Name: "bob", Password: "bob-secret", Email: "bob@acme.example", Groups: []string{"guests"}}
	// Root is a user of the cloud as well.
	root = glewlwydtest.User{Name: "root", Password: "root-secret", Email: "root@acme.example", Groups: []string{"operators"}}
)

// peopleRules make operators local users, and others users of the provider with a
// project of their own, some of them in a group.
const peopleRules = `[
	{"local": [{"user": {"name": "{0}", "type": "local", "domain": {"name": "Default"}}}],
	 "remote": [{"type": "OIDC-preferred_username"}, {"type": "OIDC-groups", "any_one_of": ["operators"]}]},
	{"local": [{"user": {"id": "{0}", "name": "{1}", "email": "{2}"}}, {"groups": "{3}", "domain": {"name": "Default"}},
		{"projects": [{"name": "sandbox of {1}", "roles": [{"name": "member"}]}]}],
	 "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-preferred_username"}, {"type": "OIDC-email"},
		{"type": "OIDC-groups", "whitelist": ["crew"]}, {"type": "OIDC-groups", "not_any_of": ["operators"]}]}]`

// robotRules know one client, which logs in as itself.
const robotRules = `[{"local": [{"user": {"name": "robot {0}"}}, {"group": {"name": "robots", "domain": {"name": "Default"}}}],
	"remote": [{"type": "OIDC-client_id"}, {"type": "OIDC-sub", "any_one_of": ["cloud"]}]}]`

// world is a cloud whose users a real provider knows: by the protocol "openid", which
// asks it about the holders of access tokens, and by "tokens", which believes the token.
type world struct {
	testing.TB
	provider *glewlwydtest.Server
	svc      *identity.Service
	url      string // of the identity API
	admin    string // a token
	lab      string // a project of the groups crew and robots
	client   glewlwydtest.Client
	log      journal
	secrets  []string // none of which the log may hold
}

// journal is a log in memory.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write adds to the log.
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func newWorld(t testing.TB, change ...func(*oidc.Config)) *world {
	t.Helper()
	var h http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { h.ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w := &world{TB: t, provider: glewlwydtest.Start(t), url: server.URL + "/identity"}
	w.client = glewlwydtest.Client{
		ID: "cloud", Secret: "client-secret", Scopes: []string{"openid"}, Redirects: []string{w.url + sso + "/callback"},
	}
	w.provider.AddClient(w.client)
	for _, u := range []glewlwydtest.User{ada, bob, root} {
		w.provider.AddUser(u)
	}
	svc, err := identity.Open(t.Context(), identity.Config{
		AdminPassword: "admin-secret", Federation: w.federation(change),
		Services: []identity.CatalogEntry{{Type: "identity", Name: "keystone", Path: "/identity/v3"}},
		Settings: identity.Settings{BcryptCost: bcrypt.MinCost},
	}, &identity.OpenOptions{Log: slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, svc.Close())
		for _, secret := range append(w.secrets, ada.Password, bob.Password, root.Password, w.client.Secret) {
			require.NotContains(t, w.log.text.String(), secret)
		}
	})
	w.svc = svc
	enforcer, err := policy.New(nil)
	require.NoError(t, err)
	h = httpapi.Mount(map[string]http.Handler{"/identity": identityapi.New(svc, httpapi.Options{Policy: enforcer})})
	w.setUp()
	return w
}

// federation are the drivers of the two protocols.
func (w *world) federation(change []func(*oidc.Config)) identity.FederationConfig {
	cfg := identity.FederationConfig{TrustedDashboards: []string{dashboard}}
	for protocol, userInfo := range map[string]bool{"openid": true, "tokens": false} {
		c := oidc.Config{
			Issuer: w.provider.Issuer, ClientID: w.client.ID, ClientSecret: w.client.Secret,
			Scopes: []string{"openid"}, UserInfo: userInfo,
		}
		for _, f := range change {
			f(&c)
		}
		driver, err := oidc.New(c)
		require.NoError(w, err)
		cfg.Methods = append(cfg.Methods, identity.FederationMethod{ProviderID: "acme", ProtocolID: protocol, Driver: driver})
	}
	return cfg
}

// setUp makes the provider, its protocols and mappings, and groups with a role each.
func (w *world) setUp() {
	w.Helper()
	w.admin = w.want(201, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["password"], "password": {"user": {
		"name": "admin", "domain": {"id": "default"}, "password": "admin-secret"}}},
		"scope": {"project": {"name": "admin", "domain": {"id": "default"}}}}}`).token
	w.want(201, "PUT", acme, w.admin, `{"identity_provider": {"enabled": true, "remote_ids": ["`+w.provider.Issuer+`"]}}`)
	rules := strings.TrimSuffix(peopleRules, "]") + "," + strings.TrimPrefix(robotRules, "[")
	w.want(201, "PUT", fed+"/mappings/people", w.admin, `{"mapping": {"rules": `+rules+`}}`)
	for _, protocol := range []string{"openid", "tokens"} {
		w.want(201, "PUT", acme+"/protocols/"+protocol, w.admin, `{"protocol": {"mapping_id": "people", "remote_id_attribute": "OIDC-iss"}}`)
	}
	ctx := w.Context()
	project, err := w.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	require.NoError(w, err)
	w.lab = project.ID
	for group, name := range map[string]string{"crew": "member", "robots": "reader"} {
		g, err := w.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: group})
		require.NoError(w, err)
		role, err := w.svc.FindRole(ctx, name)
		require.NoError(w, err)
		require.NoError(w, w.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, GroupID: g.ID, ProjectID: w.lab}))
	}
	_, err = w.svc.CreateUser(ctx, identity.CreateUserOptions{Name: "root"})
	require.NoError(w, err)
}

// answer is what the cloud said.
type answer struct {
	header http.Header
	body   string
	token  string // that it gave
}

// at reads a value out of the body.
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

// want sends a request to the cloud, whose answer must have a status; headers are pairs
// of a name and a value.
func (w *world) want(status int, method, path, token, body string, headers ...string) answer {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, w.url+path, strings.NewReader(body))
	require.NoError(w, err)
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("X-Auth-Token", token)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w, err)
	require.Equal(w, status, resp.StatusCode, "%s %s: %s", method, path, text)
	return answer{resp.Header, string(text), resp.Header.Get("X-Subject-Token")}
}

// login logs in with a credential of the provider, as the unmodified clients do.
func (w *world) login(status int, protocol, credential string) answer {
	w.Helper()
	if len(credential) > len("garbage") {
		w.secrets = append(w.secrets, credential)
	}
	a := w.want(status, "POST", acme+"/protocols/"+protocol+"/auth", "", "", "Authorization", "Bearer "+credential)
	if status != http.StatusCreated {
		require.NotContains(w, a.body, w.provider.Issuer, "who is refused is not told why")
	}
	return a
}

// scoped exchanges a token for one with a project.
func (w *world) scoped(status int, token, project string) answer {
	w.Helper()
	return w.want(status, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["token"], "token": {"id": "`+token+`"}},
		"scope": {"project": {"id": "`+project+`"}}}}`)
}

// check asks whether a token is good: 200 or 404.
func (w *world) check(status int, token string) {
	w.Helper()
	w.want(status, "GET", "/v3/auth/tokens", w.admin, "", "X-Subject-Token", token)
}
