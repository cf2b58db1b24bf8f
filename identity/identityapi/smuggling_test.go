package identityapi_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// loginByID returns a token for a scope that is written as JSON.
func (s *site) loginByID(userID, scope string) string {
	s.Helper()
	a := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", fmt.Sprintf(`{"auth": {"identity": {"methods": ["password"],
		"password": {"user": {"id": "%s", "password": "pw"}}}, "scope": %s}}`, userID, scope))
	return a.header.Get("X-Subject-Token")
}

// manager makes a domain and a manager of it, and returns their ids and the token.
func (s *site) manager(name string) (domainID, userID, token string) {
	s.Helper()
	ctx := s.Context()
	d, err := s.svc.CreateDomain(ctx, identity.CreateDomainOptions{Name: name})
	require.NoError(s, err)
	u, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: "boss", DomainID: d.ID, Password: "pw"})
	require.NoError(s, err)
	role, err := s.svc.FindRole(ctx, "manager")
	require.NoError(s, err)
	require.NoError(s, s.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, UserID: u.ID, DomainID: d.ID}))
	return d.ID, u.ID, s.loginByID(u.ID, `{"domain": {"id": "`+d.ID+`"}}`)
}

// What the rule is checked against must be what is done: encoding/json takes "Credential"
// for "credential" too (CVE-2026-42999 was Keystone's flaw of this kind).
func TestABodyCannotShowTheRuleSomethingElse(t *testing.T) {
	s := serve(t)
	userID, _, token := s.member("mallory", "lab")
	admin, err := s.svc.FindUser(t.Context(), identity.DefaultDomainID, "admin")
	require.NoError(t, err)
	const secret = "JBSWY3DPEHPK3PXP"
	mine, theirs := `"user_id": "`+userID+`"`, `"user_id": "`+admin.ID+`"`
	totp := `"type": "totp", "blob": "` + secret + `"`
	for _, body := range []string{
		`{"credential": {` + totp + `, ` + theirs + `}}`,
		`{"credential": {` + totp + `, ` + theirs + `}, "Credential": {` + mine + `}}`,
		`{"CREDENTIAL": {` + mine + `}, "credential": {` + totp + `, ` + theirs + `}}`,
		`{"credential": {` + totp + `, ` + theirs + `, "User_ID": "` + userID + `"}}`,
		`{"credential": {` + totp + `, "User_ID": "` + admin.ID + `", ` + mine + `}}`,
		`{"credential": {` + totp + `, ` + theirs + `}, "target": {"credential": {` + mine + `}}, ` + mine + `}`,
	} {
		a := s.do("POST", "/v3/credentials?"+"user_id="+userID, token, body)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, a.status, "%s: %s", body, a.body)
	}
	all, err := s.svc.ListCredentials(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, all)
	code, _ := identity.Passcode(secret, time.Now())
	s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["totp"],
		"totp": {"user": {"id": "`+admin.ID+`", "passcode": "`+code+`"}}}}}`)
}

func TestAManagerMakesProjectsInItsDomainOnly(t *testing.T) {
	s := serve(t)
	own, _, token := s.manager("own")
	foreign, err := s.svc.CreateProject(t.Context(), identity.CreateProjectOptions{Name: "foreign"})
	require.NoError(t, err)
	for _, body := range []string{
		`{"project": {"name": "a", "domain_id": "default"}}`,
		`{"project": {"name": "a", "parent_id": "default"}}`,
		`{"project": {"name": "a", "parent_id": "` + foreign.ID + `"}}`,
		`{"project": {"name": "a", "parent_id": "` + foreign.ID + `", "domain_id": "` + own + `"}}`,
		`{"project": {"name": "a", "parent_id": "nothing"}}`,
		`{"project": {"name": "a", "domain_id": "default"}, "x": 1}`,
		`{"project": {"name": "a", "domain_id": "default"}, "PROJECT": {"domain_id": "` + own + `"}}`,
		`{"project": {"name": "a", "is_domain": true}}`,
		`{"project": {"name": "a", "is_domain": true, "domain_id": "` + own + `"}}`,
		`{"project": {"name": "a", "is_domain": true}, "Project": {"is_domain": false}}`,
	} {
		a := s.do("POST", "/v3/projects", token, body)
		require.Contains(t, []int{http.StatusBadRequest, http.StatusForbidden}, a.status, "%s: %s", body, a.body)
	}
	mine := s.want(http.StatusCreated, "POST", "/v3/projects", token, `{"project": {"name": "a"}}`).at(t, "project", "id").(string)
	below := s.want(http.StatusCreated, "POST", "/v3/projects", token, `{"project": {"name": "b", "parent_id": "`+mine+`"}}`)
	require.Equal(t, own, below.at(t, "project", "domain_id"))
	below = s.want(http.StatusCreated, "POST", "/v3/projects", s.admin(), `{"project": {"name": "c", "parent_id": "`+mine+`"}}`)
	require.Equal(t, own, below.at(t, "project", "domain_id"))
}

// A secret under a name of another case would be stored among the attributes that are
// shown.
func TestSecretsAreNoFurtherAttributes(t *testing.T) {
	s := serve(t)
	token := s.admin()
	s.want(http.StatusBadRequest, "POST", "/v3/users", token, `{"user": {"name": "x", "Password": "in the clear"}}`)
	id := s.want(http.StatusCreated, "POST", "/v3/users", token, `{"user": {"name": "x"}}`).at(t, "user", "id").(string)
	s.want(http.StatusBadRequest, "PATCH", "/v3/users/"+id, token, `{"user": {"PASSWORD": "in the clear"}}`)
	require.NotContains(t, s.want(http.StatusOK, "GET", "/v3/users/"+id, token, "").body, "in the clear")
}
