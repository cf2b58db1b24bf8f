package identityapi_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

const totpSecret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// totpBody is a log-in with a passcode.
func totpBody(userID, code, scope string) string {
	return `{"auth": {"identity": {"methods": ["totp"], "totp": {"user": {"id": "` + userID +
		`", "passcode": "` + code + `"}}}, "scope": ` + scope + `}}`
}

func TestMultiFactorOverHTTP(t *testing.T) {
	s := serve(t)
	userID, _, _ := s.member("ann", "lab")
	admin := s.admin()
	s.want(http.StatusCreated, "POST", "/v3/credentials", admin,
		`{"credential": {"type": "totp", "user_id": "`+userID+`", "blob": "`+totpSecret+`"}}`)
	s.want(http.StatusOK, "PATCH", "/v3/users/"+userID, admin,
		`{"user": {"options": {"multi_factor_auth_enabled": true, "multi_factor_auth_rules": [["password", "totp"]]}}}`)
	a := s.want(http.StatusOK, "GET", "/v3/users/"+userID, admin, "")
	require.Equal(t, []any{[]any{"password", "totp"}}, a.at(t, "user", "options", "multi_factor_auth_rules"))

	a = s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("ann", "pw", projectScope("lab")))
	receipt := a.header.Get("openstack-auth-receipt")
	require.NotEmpty(t, receipt)
	require.Empty(t, a.header.Get("X-Subject-Token"))
	require.Equal(t, []any{"password"}, a.at(t, "receipt", "methods"))
	require.Equal(t, []any{[]any{"password", "totp"}}, a.at(t, "required_auth_methods"))
	require.Equal(t, userID, a.at(t, "receipt", "user", "id"))
	require.Equal(t, "Default", a.at(t, "receipt", "user", "domain", "name"))
	for _, name := range []string{"issued_at", "expires_at"} {
		require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000Z$`, a.at(t, "receipt", name))
	}

	code, _ := identity.Passcode(totpSecret, time.Now())
	s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", totpBody(userID, code, projectScope("lab")), "openstack-auth-receipt", "garbage")
	code, _ = identity.Passcode(totpSecret, time.Now().Add(30*time.Second))
	a = s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", totpBody(userID, code, projectScope("lab")), "openstack-auth-receipt", receipt)
	require.Equal(t, []any{"password", "totp"}, a.at(t, "token", "methods"))

	a = s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", totpBody("nobody", "123456", projectScope("lab")))
	wrong := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", totpBody(userID, "123456", projectScope("lab")))
	require.Equal(t, a.body, wrong.body)
	require.Empty(t, wrong.header.Get("openstack-auth-receipt"))
}

func TestRemoteUser(t *testing.T) {
	s := serve(t)
	userID, _, _ := s.member("ann", "lab")
	h := identityapi.New(s.svc, httpapi.Options{Policy: enforcer(t)})
	post := func(user *identity.UserRef, body string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "/v3/auth/tokens", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		if user != nil {
			r = r.WithContext(identityapi.WithRemoteUser(r.Context(), *user))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	body := `{"auth": {"identity": {"methods": ["external"], "external": {}}, "scope": ` + projectScope("lab") + `}}`
	w := post(&identity.UserRef{Name: "ann"}, body)
	require.Equal(t, http.StatusCreated, w.Code, w.Body)
	a := answer{w.Code, w.Header(), w.Body.String()}
	require.Equal(t, []any{"external"}, a.at(t, "token", "methods"))
	require.Equal(t, userID, a.at(t, "token", "user", "id"))

	for name, w := range map[string]*httptest.ResponseRecorder{
		"nobody vouches":  post(nil, body),
		"headers do not":  post(nil, body, "Remote-User", "ann", "REMOTE_USER", "ann", "X-Remote-User", "ann"),
		"unknown user":    post(&identity.UserRef{Name: "nobody"}, body),
		"somebody else's": post(&identity.UserRef{Name: "admin"}, authBody("ann", "pw", projectScope("lab"))),
	} {
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.NotContains(t, w.Header(), "X-Subject-Token", name)
	}
}

func TestUserOptionsOverHTTP(t *testing.T) {
	s := serve(t)
	admin := s.admin()
	for _, options := range []string{
		`{"color": "red"}`, `{"lock_password": "yes"}`, `{"multi_factor_auth_rules": "password"}`,
		`{"multi_factor_auth_rules": [[]]}`, `{"multi_factor_auth_rules": [["a", "a"]]}`, `{"multi_factor_auth_rules": [["a"], ["a"]]}`,
	} {
		s.want(http.StatusBadRequest, "POST", "/v3/users", admin, `{"user": {"name": "bob", "options": `+options+`}}`)
	}
	a := s.want(http.StatusCreated, "POST", "/v3/users", admin, `{"user": {"name": "bob", "password": "pw", "options": {"lock_password": true, "ignore_password_expiry": true}}}`)
	id := a.at(t, "user", "id").(string)
	require.Equal(t, map[string]any{"lock_password": true, "ignore_password_expiry": true}, a.at(t, "user", "options"))
	a = s.want(http.StatusOK, "PATCH", "/v3/users/"+id, admin, `{"user": {"options": {"ignore_password_expiry": null}}}`)
	require.Equal(t, map[string]any{"lock_password": true}, a.at(t, "user", "options"))
	s.want(http.StatusBadRequest, "POST", "/v3/users/"+id+"/password", "", `{"user": {"original_password": "pw", "password": "other"}}`)
	s.want(http.StatusUnauthorized, "POST", "/v3/users/"+id+"/password", "", `{"user": {"original_password": "no", "password": "other"}}`)
}
