package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func TestDomainConfigs(t *testing.T) {
	s := serve(t)
	token := s.admin()
	const path = "/v3/domains/default/config"
	s.want(http.StatusNotFound, "GET", path, token, "")
	body := `{"config": {"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://%(password)s", "password": "swordfish"}}}`
	shown := map[string]any{"identity": map[string]any{"driver": "ldap"}, "ldap": map[string]any{"url": "ldap://%(password)s"}}
	a := s.want(http.StatusCreated, "PUT", path, token, body)
	require.Equal(t, shown, a.at(t, "config"))
	s.want(http.StatusOK, "PUT", path, token, body)
	a = s.want(http.StatusOK, "GET", path, token, "")
	require.Equal(t, shown, a.at(t, "config"))
	require.NotContains(t, a.body, "swordfish")
	s.want(http.StatusOK, "HEAD", path, token, "")

	a = s.want(http.StatusOK, "GET", path+"/ldap", token, "")
	require.Equal(t, "ldap://%(password)s", a.at(t, "config", "ldap", "url"))
	a = s.want(http.StatusOK, "GET", path+"/ldap/url", token, "")
	require.Equal(t, "ldap://%(password)s", a.at(t, "config", "url"))
	s.want(http.StatusNotFound, "GET", path+"/ldap/password", token, "")
	s.want(http.StatusForbidden, "GET", path+"/sql", token, "")
	s.want(http.StatusForbidden, "GET", path+"/ldap/uri", token, "")

	a = s.want(http.StatusOK, "PATCH", path+"/ldap/url", token, `{"config": {"url": "ldap://b"}}`)
	require.Equal(t, "ldap://b", a.at(t, "config", "ldap", "url"))
	require.Equal(t, "ldap", a.at(t, "config", "identity", "driver"))
	s.want(http.StatusOK, "PATCH", path+"/ldap", token, `{"config": {"ldap": {"user": "cn=me"}}}`)
	s.want(http.StatusOK, "PATCH", path, token, `{"config": {"ldap": {"page_size": 3}}}`)
	s.want(http.StatusForbidden, "PATCH", path+"/ldap", token, `{"config": {"identity": {"driver": "sql"}}}`)
	s.want(http.StatusForbidden, "PATCH", path, token, `{"config": {"ldap": "all"}}`)
	s.want(http.StatusNotFound, "PATCH", path+"/ldap/suffix", token, `{"config": {"suffix": "x"}}`)
	s.want(http.StatusBadRequest, "PATCH", path, token, `{}`)
	a = s.want(http.StatusOK, "GET", path+"/ldap", token, "")
	require.Equal(t, map[string]any{"url": "ldap://b", "user": "cn=me", "page_size": 3.0}, a.at(t, "config", "ldap"))

	s.want(http.StatusNoContent, "DELETE", path+"/ldap/user", token, "")
	s.want(http.StatusNotFound, "DELETE", path+"/ldap/user", token, "")
	s.want(http.StatusNoContent, "DELETE", path+"/ldap", token, "")
	s.want(http.StatusNoContent, "DELETE", path, token, "")
	s.want(http.StatusNotFound, "GET", path, token, "")
	s.want(http.StatusNotFound, "PUT", "/v3/domains/nowhere/config", token, body)
	_, _, member := s.member("ann", "lab")
	s.want(http.StatusForbidden, "GET", path, member, "")
}

func TestDefaultDomainConfigs(t *testing.T) {
	s := serve(t)
	token := s.admin()
	a := s.want(http.StatusOK, "GET", "/v3/domains/config/default", token, "")
	require.Equal(t, "sql", a.at(t, "config", "identity", "driver"))
	a = s.want(http.StatusOK, "GET", "/v3/domains/config/ldap/default", token, "")
	require.Equal(t, "cn", a.at(t, "config", "ldap", "user_id_attribute"))
	a = s.want(http.StatusOK, "GET", "/v3/domains/config/ldap/use_tls/default", token, "")
	require.Equal(t, false, a.at(t, "config", "use_tls"))
	s.want(http.StatusForbidden, "GET", "/v3/domains/config/ldap/password/default", token, "")
	s.want(http.StatusForbidden, "GET", "/v3/domains/config/sql/default", token, "")

	_, _, member := s.member("ann", "lab")
	s.want(http.StatusForbidden, "GET", "/v3/domains/config/default", member, "")
	a = s.want(http.StatusOK, "GET", "/v3/domains/default/config/security_compliance", member, "")
	require.Contains(t, a.at(t, "config", "security_compliance"), "password_regex")
	a = s.want(http.StatusOK, "GET", "/v3/domains/default/config/security_compliance/password_regex_description", member, "")
	require.Nil(t, a.at(t, "config", "password_regex_description"))
	s.want(http.StatusForbidden, "GET", "/v3/domains/default/config/security_compliance/lockout_duration", member, "")
	s.want(http.StatusForbidden, "GET", "/v3/domains/other/config/security_compliance", member, "")
}

func TestSecurityComplianceIsThatOfTheRules(t *testing.T) {
	s := serveWith(t, identity.PasswordRules{Patterns: []string{".{8,}"}, Description: "eight characters"})
	_, err := s.svc.CreateUser(t.Context(), identity.CreateUserOptions{Name: "ann", Password: "long enough"})
	require.NoError(t, err)
	token := s.login("admin", adminPassword, projectScope("admin"))
	a := s.want(http.StatusOK, "GET", "/v3/domains/default/config/security_compliance", token, "")
	require.Equal(t, map[string]any{"password_regex": ".{8,}", "password_regex_description": "eight characters"},
		a.at(t, "config", "security_compliance"))
}
