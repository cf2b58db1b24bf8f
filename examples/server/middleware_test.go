package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/trusts"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/require"
)

// TestKeystoneMiddleware puts a service behind keystonemiddleware, which stands before every
// service of OpenStack, and has it ask the reference server who is calling.
func TestKeystoneMiddleware(t *testing.T) {
	w := newMiddlewareWorld(t)
	ask := w.ask
	ann, rules := w.annsToken, w.limitedToken(t)
	told := ask(http.StatusOK, "GET", "/v2.1/servers", ann, "")
	require.Equal(t, "Confirmed", told["X_IDENTITY_STATUS"])
	require.Equal(t, []string{w.ann, "ann", "default", w.lab, "lab", "Default"}, []string{
		told["X_USER_ID"], told["X_USER_NAME"], told["X_USER_DOMAIN_ID"],
		told["X_PROJECT_ID"], told["X_PROJECT_NAME"], told["X_PROJECT_DOMAIN_NAME"],
	})
	require.ElementsMatch(t, []string{"member", "reader"}, strings.Split(told["X_ROLES"], ","))
	require.Contains(t, told["X_SERVICE_CATALOG"], `"type": "volumev3"`)

	for _, token := range []string{"", "garbage", ann[:len(ann)-3] + "AAA"} {
		ask(http.StatusUnauthorized, "GET", "/v2.1/servers", token, "")
		require.Equal(t, "Invalid", ask(http.StatusOK, "GET", "/late", token, "")["X_IDENTITY_STATUS"])
	}
	require.Equal(t, "all", ask(http.StatusOK, "GET", "/", w.systemToken, "")["OPENSTACK_SYSTEM_SCOPE"])
	require.Equal(t, w.ann, ask(http.StatusOK, "GET", "/", w.trustToken(t), "")["X_USER_ID"], "impersonated")

	told = ask(http.StatusOK, "GET", "/", ann, w.serviceToken)
	require.Equal(t, []string{"Confirmed", "nova", "service"},
		[]string{told["X_SERVICE_IDENTITY_STATUS"], told["X_SERVICE_USER_NAME"], told["X_SERVICE_ROLES"]})
	ask(http.StatusUnauthorized, "GET", "/", ann, ann)
	ask(http.StatusUnauthorized, "GET", "/", ann, "garbage")
	require.Eventually(t, func() bool {
		_, status := w.get(t, "GET", "/", w.oldToken, "")
		return status == http.StatusUnauthorized
	}, 20*time.Second, 100*time.Millisecond, "it has expired")
	require.Equal(t, w.ann, ask(http.StatusOK, "GET", "/", w.oldToken, w.serviceToken)["X_USER_ID"], "a service goes on with it")

	ask(http.StatusOK, "GET", "/v2.1/servers", rules, "")
	ask(http.StatusOK, "POST", "/v2.1/servers/x/action", rules, "")
	ask(http.StatusUnauthorized, "POST", "/v2.1/servers", rules, "")
	ask(http.StatusUnauthorized, "GET", "/v2.1/flavors", rules, "")
	ask(http.StatusOK, "GET", "/v2.1/flavors", rules, w.serviceToken)

	require.NoError(t, tokens.Revoke(t.Context(), w.admin, rules).Err)
	ask(http.StatusUnauthorized, "GET", "/v2.1/servers", rules, "")
	off := false
	_, err := users.Update(t.Context(), w.admin, w.ann, users.UpdateOpts{Enabled: &off}).Extract()
	require.NoError(t, err)
	ask(http.StatusUnauthorized, "GET", "/v2.1/servers", ann, "")
}

// middlewareWorld is a server, people, and a service.
type middlewareWorld struct {
	*server
	admin                               *gophercloud.ServiceClient
	ann, nova, lab, url                 string // url: of the service
	annsToken, oldToken                 string // the old one is good for two seconds
	serviceToken, systemToken, memberID string
}

func newMiddlewareWorld(t *testing.T) *middlewareWorld {
	w := &middlewareWorld{server: newServer(t, "memory")}
	short := filepath.Join(t.TempDir(), "keystone.conf")
	require.NoError(t, os.WriteFile(short, []byte("[token]\nexpiration = 2\n"), 0o600))
	w.flags = []string{"-identity", short}
	w.start()
	w.connect(t)
	w.people(t)
	w.oldToken = w.token(t, gophercloud.AuthOptions{UserID: w.ann, Password: "pw", TenantID: w.lab})
	w.stop()
	w.flags = nil
	w.start()
	w.connect(t)
	w.annsToken = w.token(t, gophercloud.AuthOptions{UserID: w.ann, Password: "pw", TenantID: w.lab})
	w.serviceToken = w.token(t, gophercloud.AuthOptions{Username: "nova", Password: "pw", DomainID: "default", TenantName: "service"})
	w.systemToken = w.token(t, gophercloud.AuthOptions{
		Username: "admin", Password: w.adminPassword(t), DomainID: "default", Scope: &gophercloud.AuthScope{System: true},
	})
	w.serve(t)
	return w
}

func (w *middlewareWorld) adminPassword(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(readText(t, filepath.Join(w.o.state, passwordFile)))
}

// identity is a client of who logs in.
func (w *middlewareWorld) identity(t *testing.T, opts gophercloud.AuthOptions) *gophercloud.ServiceClient {
	t.Helper()
	opts.IdentityEndpoint = "http://" + w.o.listen + "/identity/v3"
	provider, err := openstack.AuthenticatedClient(t.Context(), opts)
	require.NoError(t, err)
	c, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(t, err)
	return c
}

func (w *middlewareWorld) token(t *testing.T, opts gophercloud.AuthOptions) string {
	t.Helper()
	return w.identity(t, opts).Token()
}

// connect makes the client of the administrator, who logs in again when it must.
func (w *middlewareWorld) connect(t *testing.T) {
	t.Helper()
	w.admin = w.identity(t, gophercloud.AuthOptions{
		Username: "admin", Password: w.adminPassword(t), DomainID: "default", TenantName: "admin", AllowReauth: true,
	})
}

// people are ann, a member of the lab, and nova, the service's user.
func (w *middlewareWorld) people(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	for user, where := range map[string][2]string{"ann": {"lab", "member"}, "nova": {"service", "service"}} {
		u, err := users.Create(ctx, w.admin, users.CreateOpts{Name: user, Password: "pw"}).Extract()
		require.NoError(t, err)
		p, err := projects.Create(ctx, w.admin, projects.CreateOpts{Name: where[0]}).Extract()
		require.NoError(t, err)
		pages, err := roles.List(w.admin, roles.ListOpts{Name: where[1]}).AllPages(ctx)
		require.NoError(t, err)
		found, err := roles.ExtractRoles(pages)
		require.NoError(t, err)
		require.Len(t, found, 1)
		require.NoError(t, roles.Assign(ctx, w.admin, found[0].ID, roles.AssignOpts{UserID: u.ID, ProjectID: p.ID}).ExtractErr())
		if user == "ann" {
			w.ann, w.lab, w.memberID = u.ID, p.ID, found[0].ID
		} else {
			w.nova = u.ID
		}
	}
}

// limitedToken is ann's, by a credential that may do two things.
func (w *middlewareWorld) limitedToken(t *testing.T) string {
	t.Helper()
	mine := w.identity(t, gophercloud.AuthOptions{UserID: w.ann, Password: "pw", TenantID: w.lab})
	c, err := applicationcredentials.Create(t.Context(), mine, w.ann, applicationcredentials.CreateOpts{
		Name: "robot", AccessRules: []applicationcredentials.AccessRule{
			{Service: "compute", Method: "GET", Path: "/v2.1/servers"},
			{Service: "compute", Method: "POST", Path: "/v2.1/servers/*/action"},
		},
	}).Extract()
	require.NoError(t, err)
	return w.token(t, gophercloud.AuthOptions{ApplicationCredentialID: c.ID, ApplicationCredentialSecret: c.Secret})
}

// trustToken is nova's, who acts for ann.
func (w *middlewareWorld) trustToken(t *testing.T) string {
	t.Helper()
	mine := w.identity(t, gophercloud.AuthOptions{UserID: w.ann, Password: "pw", TenantID: w.lab})
	trust, err := trusts.Create(t.Context(), mine, trusts.CreateOpts{
		TrustorUserID: w.ann, TrusteeUserID: w.nova, ProjectID: w.lab, Impersonation: true, Roles: []trusts.Role{{ID: w.memberID}},
	}).Extract()
	require.NoError(t, err)
	return w.token(t, gophercloud.AuthOptions{UserID: w.nova, Password: "pw", Scope: &gophercloud.AuthScope{TrustID: trust.ID}})
}

// serve starts the service.
func (w *middlewareWorld) serve(t *testing.T) {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", filepath.Join("testdata", "service.py"), "http://"+w.o.listen+"/identity/v3", "nova", "pw", "service")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, "the service does not start")
	w.url = strings.TrimSpace(line)
}

// ask calls the service, which must answer with a status, and returns what it was told.
func (w *middlewareWorld) ask(status int, method, path, token, service string) map[string]string {
	w.t.Helper()
	told, got := w.get(w.t, method, path, token, service)
	require.Equal(w.t, status, got, "%s %s", method, path)
	return told
}

func (w *middlewareWorld) get(t *testing.T, method, path, token, service string) (told map[string]string, status int) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, w.url+path, nil)
	require.NoError(t, err)
	r.Header.Set("X-Auth-Token", token)
	if service != "" {
		r.Header.Set("X-Service-Token", service)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		require.NoError(t, json.NewDecoder(resp.Body).Decode(&told))
	}
	return told, resp.StatusCode
}
