package identityapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func TestExpiredTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := identity.Open(t.Context(), identity.Config{AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, svc.Close()) }()
		h := identityapi.New(svc, httpapi.Options{Policy: enforcer(t)})
		login := func() string {
			token, _, err := svc.Login(t.Context(), identity.LoginRequest{
				Password: &identity.PasswordLogin{User: identity.UserRef{Name: "admin", Domain: identity.DomainRef{ID: "default"}}, Password: adminPassword},
				Scope:    identity.LoginScope{Project: &identity.ProjectRef{Name: "admin", Domain: identity.DomainRef{ID: "default"}}},
			})
			require.NoError(t, err)
			return token
		}
		ask := func(method, query, token, subject string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, "http://cloud.test/v3/auth/tokens"+query, nil)
			r.Header.Set("X-Auth-Token", token)
			r.Header.Set("X-Subject-Token", subject)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		old := login()
		time.Sleep(2 * time.Hour)
		fresh := login()
		for _, c := range []struct {
			method, query string
			want          int
		}{
			{"GET", "", 404}, {"HEAD", "", 404}, {"DELETE", "", 404},
			{"GET", "?allow_expired=1", 200}, {"GET", "?allow_expired=True", 200}, {"HEAD", "?allow_expired=yes", 200},
			{"GET", "?allow_expired=0", 404}, {"GET", "?allow_expired", 404}, {"GET", "?allow_expired=maybe", 404},
			{"DELETE", "?allow_expired=1", 404},
		} {
			a := ask(c.method, c.query, fresh, old)
			require.Equal(t, c.want, a.Code, "%s %s: %s", c.method, c.query, a.Body)
		}
		require.Equal(t, 401, ask("GET", "?allow_expired=1", old, old).Code, "it opens nothing itself")
		require.Contains(t, ask("GET", "?allow_expired=1", fresh, old).Body.String(), `"expires_at":"`+time.Now().Add(-time.Hour).UTC().Format("2006-01-02T15:04"))
		time.Sleep(48 * time.Hour)
		require.Equal(t, 404, ask("GET", "?allow_expired=1", login(), old).Code)
	})
}

func TestAccessRulesAreEnforced(t *testing.T) {
	s := serve(t)
	user, _, token := s.member("ann", "lab")
	a := s.want(http.StatusCreated, "POST", "/v3/users/"+user+"/application_credentials", token, `{"application_credential": {
		"name": "robot", "secret": "s3cret", "unrestricted": true, "access_rules": [
			{"service": "identity", "method": "GET", "path": "/v3/users/{user_id}"},
			{"service": "compute", "method": "GET", "path": "/v3/auth/**"}]}}`)
	id := a.at(t, "application_credential", "id").(string)
	a = s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["application_credential"],
		"application_credential": {"id": "`+id+`", "secret": "s3cret"}}}}`)
	robot := a.header.Get("X-Subject-Token")

	s.want(http.StatusOK, "GET", "/v3/users/"+user, robot, "")
	s.want(http.StatusOK, "GET", "/v3", robot, "")
	for _, line := range []string{
		"HEAD /v3/users/" + user, "GET /v3/users/" + user + "/projects", "GET /v3/auth/projects", "PATCH /v3/users/" + user,
		"DELETE /v3/auth/tokens", "GET /v3/regions",
	} {
		method, path, _ := strings.Cut(line, " ")
		a := s.do(method, path, robot, "{}")
		require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", line, a.body)
		require.NotEmpty(t, a.header.Get("WWW-Authenticate"))
		if method != "HEAD" {
			require.Equal(t, "The request you have made requires authentication.", a.at(t, "error", "message"))
		}
	}
	// A token with rules is shown only to those who say that they enforce them.
	const header = "OpenStack-Identity-Access-Rules"
	s.want(http.StatusOK, "GET", "/v3/auth/tokens", robot, "", "X-Subject-Token", robot, header, "1.0")
	s.want(http.StatusNotFound, "GET", "/v3/auth/tokens", robot, "", "X-Subject-Token", robot)
	s.want(http.StatusNotFound, "GET", "/v3/auth/tokens", s.admin(), "", "X-Subject-Token", robot, header, "0.9")
	s.want(http.StatusNotFound, "GET", "/v3/auth/tokens", s.admin(), "", "X-Subject-Token", robot, header, "new")

	s.want(http.StatusNoContent, "DELETE", "/v3/auth/tokens", s.admin(), "", "X-Subject-Token", robot)
	s.want(http.StatusUnauthorized, "GET", "/v3/users/"+user, robot, "")
}

// TestIdentityForgivesNoExpiredToken: other services take an expired token together with
// a service's; identity does not, as Keystone does not. So nothing is delegated with it
// that outlasts it.
func TestIdentityForgivesNoExpiredToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		svc, err := identity.Open(t.Context(), identity.Config{AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}, nil)
		require.NoError(t, err)
		defer func() { require.NoError(t, svc.Close()) }()
		s, h := &site{TB: t, svc: svc}, guarded(t, svc)
		ask := func(method, path, token, service, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequestWithContext(t.Context(), method, "http://cloud.test"+path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Auth-Token", token)
			if service != "" {
				r.Header.Set("X-Service-Token", service)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			return w
		}
		user, project := s.owner("ann", "lab", "member")
		s.owner("nova", "services", "service")
		login := func(name, on string) string {
			token, _, err := svc.Login(t.Context(), identity.LoginRequest{
				Password: &identity.PasswordLogin{User: identity.UserRef{Name: name, Domain: identity.DomainRef{ID: "default"}}, Password: "pw"},
				Scope:    identity.LoginScope{Project: &identity.ProjectRef{Name: on, Domain: identity.DomainRef{ID: "default"}}},
			})
			require.NoError(t, err)
			return token
		}
		old := login("ann", "lab")
		time.Sleep(2 * time.Hour)
		service := login("nova", "services")
		require.Equal(t, http.StatusNoContent, ask("GET", "/compute/v2.1/servers", old, service, "").Code, "another service forgives its age")
		require.Equal(t, http.StatusUnauthorized, ask("GET", "/compute/v2.1/servers", old, "", "").Code)
		delegations := map[string]string{
			"/users/" + user + "/application_credentials": `{"application_credential": {"name": "robot"}}`,
			"/users/" + user + "/credentials/OS-EC2":      `{"tenant_id": "` + project + `"}`,
			"/credentials":                                `{"credential": {"type": "cert", "blob": "x", "user_id": "` + user + `"}}`,
			"/OS-TRUST/trusts":                            `{"trust": {"trustor_user_id": "` + user + `", "trustee_user_id": "` + user + `", "project_id": "` + project + `", "impersonation": false, "roles": [{"name": "member"}]}}`,
		}
		for path, body := range delegations {
			require.Equal(t, http.StatusUnauthorized, ask("POST", "/identity/v3"+path, old, service, body).Code, path)
			a := ask("POST", "/identity/v3"+path, login("ann", "lab"), service, body)
			require.Equal(t, http.StatusCreated, a.Code, "%s: %s", path, a.Body)
		}
		for _, path := range []string{"/auth/projects", "/auth/catalog", "/users/" + user} {
			require.Equal(t, http.StatusUnauthorized, ask("GET", "/identity/v3"+path, old, service, "").Code, path)
		}
	})
}
