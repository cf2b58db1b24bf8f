package identityapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func passwordBody(from, to string) string {
	return `{"user": {"original_password": "` + from + `", "password": "` + to + `"}}`
}

func TestExpiredPasswordOverHTTP(t *testing.T) {
	s := serveWith(t, identity.PasswordRules{
		ChangeUponFirstUse: true, Patterns: []string{"^.{6,}$"}, Description: "six characters",
		MinimumAge: 24 * time.Hour,
	})
	admin := s.admin()
	a := s.want(http.StatusBadRequest, "POST", "/v3/users", admin, `{"user": {"name": "ann", "password": "short"}}`)
	require.Contains(t, a.body, "six characters")
	a = s.want(http.StatusCreated, "POST", "/v3/users", admin, `{"user": {"name": "ann", "password": "initial"}}`)
	id := a.at(t, "user", "id").(string)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$`, a.at(t, "user", "password_expires_at"))
	path := "/v3/users/" + id + "/password"

	a = s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("ann", "initial", ""))
	require.Equal(t, "The password is expired and needs to be changed for user: "+id+".", a.at(t, "error", "message"))
	unknown := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("nobody", "initial", ""))
	wrong := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("ann", "wrong", ""))
	require.Equal(t, unknown.body, wrong.body)

	for _, other := range []string{path, "/v3/users/nobody/password"} {
		a = s.want(http.StatusUnauthorized, "POST", other, "", passwordBody("wrong", "password"))
		require.Equal(t, unknown.body, a.body)
	}
	s.want(http.StatusBadRequest, "POST", path, "", passwordBody("initial", "short"))
	s.want(http.StatusBadRequest, "POST", path, "", passwordBody("initial", ""))
	s.want(http.StatusBadRequest, "POST", path, "", `{"user": {"password": "x"}}`)
	s.want(http.StatusMethodNotAllowed, "GET", path, admin, "")
	s.want(http.StatusNoContent, "POST", path, "", passwordBody("initial", "password"))
	s.login("ann", "password", "")
	a = s.want(http.StatusBadRequest, "POST", path, "", passwordBody("password", "pass word"))
	require.Contains(t, a.body, "minimum age")
}

func TestLockedOutOverHTTP(t *testing.T) {
	s := serveWith(t, identity.PasswordRules{LockoutAttempts: 2})
	_, _, token := s.member("ann", "lab")
	first := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("ann", "wrong", "")).body
	for _, password := range []string{"wrong", "pw", "pw"} {
		a := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", authBody("ann", password, ""))
		require.Equal(t, first, a.body)
	}
	s.want(http.StatusOK, "GET", "/v3/auth/projects", token, "")
	s.admin()
}

func TestRevocationsOverHTTP(t *testing.T) {
	s := serve(t)
	admin := s.admin()
	_, _, member := s.member("ann", "lab")
	started := time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
	a := s.want(http.StatusOK, "GET", "/v3/auth/tokens", member, "", "X-Subject-Token", member)
	audit := a.at(t, "token", "audit_ids").([]any)[0]
	s.want(http.StatusNoContent, "DELETE", "/v3/auth/tokens", member, "", "X-Subject-Token", member)
	require.NoError(t, s.svc.RevokeChain(t.Context(), s.login("ann", "pw", projectScope("lab"))))

	a = s.want(http.StatusOK, "GET", "/v3/OS-REVOKE/events?since="+started, admin, "")
	var audits, chains []any
	for _, e := range a.at(t, "events").([]any) {
		event := e.(map[string]any)
		require.Equal(t, event["revoked_at"], event["issued_before"])
		if event["audit_id"] != nil {
			audits = append(audits, event["audit_id"])
		} else {
			chains = append(chains, event["audit_chain_id"])
		}
	}
	require.Equal(t, []any{audit}, audits)
	require.Len(t, chains, 1)
	require.Contains(t, a.at(t, "links").(map[string]any), "next")
	later := time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05")
	a = s.want(http.StatusOK, "GET", "/v3/OS-REVOKE/events?since="+later, admin, "")
	require.Empty(t, a.at(t, "events"))
	s.want(http.StatusBadRequest, "GET", "/v3/OS-REVOKE/events?since=noon", admin, "")

	_, _, other := s.member("bob", "den")
	s.want(http.StatusForbidden, "GET", "/v3/OS-REVOKE/events", other, "")
	s.want(http.StatusForbidden, "GET", "/v3/auth/tokens/OS-PKI/revoked", other, "")
	s.want(http.StatusForbidden, "GET", "/v3/auth/tokens/OS-PKI/revoked", admin, "")
	s.want(http.StatusUnauthorized, "GET", "/v3/auth/tokens/OS-PKI/revoked", "", "")
}
