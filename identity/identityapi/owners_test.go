package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// TestOwnersCountNotPaths asks for what is somebody else's, by the path of its owner and
// by the caller's own.
func TestOwnersCountNotPaths(t *testing.T) {
	s := serve(t)
	annID, annProject, ann := s.member("ann", "lab")
	bobID, _, bob := s.member("bob", "den")
	admin := s.admin()
	const appCredential, keyPair = "/application_credentials/", "/credentials/OS-EC2/"
	app := s.want(http.StatusCreated, "POST", "/v3/users/"+annID+"/application_credentials", ann,
		`{"application_credential": {"name": "robot"}}`).at(t, "application_credential", "id").(string)
	pair := s.want(http.StatusCreated, "POST", "/v3/users/"+annID+"/credentials/OS-EC2", ann,
		`{"tenant_id": "`+annProject+`"}`).at(t, "credential", "access").(string)
	for _, c := range []struct {
		who, token, path string
		status           int
	}{
		{"ann", ann, annID + appCredential + app, http.StatusOK},
		{"ann", ann, annID + keyPair + pair, http.StatusOK},
		{"bob", bob, annID + appCredential + app, http.StatusForbidden},
		{"bob", bob, bobID + appCredential + app, http.StatusForbidden},
		{"bob", bob, annID + keyPair + pair, http.StatusForbidden},
		{"bob", bob, bobID + keyPair + pair, http.StatusForbidden},
		{"bob", bob, bobID + appCredential + "absent", http.StatusNotFound},
		{"bob", bob, annID + appCredential + "absent", http.StatusForbidden},
		{"bob", bob, bobID + keyPair + "absent", http.StatusNotFound},
		{"bob", bob, annID + keyPair + "absent", http.StatusNotFound},
		{"admin", admin, annID + appCredential + app, http.StatusOK},
		{"admin", admin, annID + keyPair + pair, http.StatusOK},
	} {
		a := s.do("GET", "/v3/users/"+c.path, c.token, "")
		require.Equal(t, c.status, a.status, "%s asks for %s: %s", c.who, c.path, a.body)
		if c.status != http.StatusOK {
			s.want(c.status, "DELETE", "/v3/users/"+c.path, c.token, "")
		}
	}
	s.want(http.StatusNoContent, "DELETE", "/v3/users/"+annID+appCredential+app, ann, "")
	s.want(http.StatusNoContent, "DELETE", "/v3/users/"+annID+keyPair+pair, ann, "")
}

// TestProjectsOfAUserInOtherDomains lists them for one who may see the user's domain only.
func TestProjectsOfAUserInOtherDomains(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	domain, err := s.svc.CreateDomain(ctx, identity.CreateDomainOptions{Name: "west"})
	require.NoError(t, err)
	user, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: "wes", DomainID: domain.ID, Password: "pw"})
	require.NoError(t, err)
	project, err := s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "afar"})
	require.NoError(t, err)
	reader, err := s.svc.FindRole(ctx, "reader")
	require.NoError(t, err)
	for _, a := range []identity.Assignment{
		{RoleID: reader.ID, UserID: user.ID, ProjectID: project.ID},
		{RoleID: reader.ID, UserID: user.ID, DomainID: domain.ID},
	} {
		require.NoError(t, s.svc.Assign(ctx, a))
	}
	token, _, err := s.svc.Login(ctx, identity.LoginRequest{
		Password: &identity.PasswordLogin{User: identity.UserRef{ID: user.ID}, Password: "pw"},
		Scope:    identity.LoginScope{Domain: &identity.DomainRef{ID: domain.ID}},
	})
	require.NoError(t, err)
	a := s.want(http.StatusOK, "GET", "/v3/users/"+user.ID+"/projects", token, "")
	require.Equal(t, []any{project.ID}, s.ids(a, "projects", "id"))
}
