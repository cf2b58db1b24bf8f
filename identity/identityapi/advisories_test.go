package identityapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// What Keystone had to mend, and no other test looks at. docs/security.md has the list.

// CVE-2026-42998: whoever else the body names, the token is the owner's.
func TestAnApplicationCredentialIsItsOwners(t *testing.T) {
	s := serve(t)
	annID, projectID, _ := s.member("ann", "lab")
	admin, err := s.svc.FindUser(t.Context(), identity.DefaultDomainID, "admin")
	require.NoError(t, err)
	c, secret, err := s.svc.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: annID, ProjectID: projectID,
	})
	require.NoError(t, err)
	a := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["application_credential"],
		"application_credential": {"id": "`+c.ID+`", "name": "other", "user": {"id": "`+admin.ID+`"}, "secret": "`+secret+`"}}}}`)
	require.Equal(t, annID, a.at(t, "token", "user", "id"))
	s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["application_credential"],
		"application_credential": {"name": "robot", "user": {"id": "`+admin.ID+`"}, "secret": "`+secret+`"}}}}`)
}

// CVE-2014-2828: a method that is named often is not work that is done often.
func TestMethodsAreCounted(t *testing.T) {
	s := serve(t)
	body := func(n int) string {
		methods := strings.TrimSuffix(strings.Repeat(`"password",`, n), ",")
		return strings.Replace(authBody("admin", "wrong", ""), `["password"]`, "["+methods+"]", 1)
	}
	s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", body(10))
	s.want(http.StatusBadRequest, "POST", "/v3/auth/tokens", "", body(11))
}

// CVE-2014-3621: addresses in the catalog name nothing but who asks.
func TestCatalogsFillInNothingElse(t *testing.T) {
	s := serve(t)
	admin := s.admin()
	service := s.want(http.StatusCreated, "POST", "/v3/services", admin, `{"service": {"type": "trap"}}`).at(t, "service", "id").(string)
	for _, url := range []string{"http://h/%(password)s", "http://h/$(admin_token)s", "http://h/%s", "http://h/%(user_id"} {
		s.want(http.StatusBadRequest, "POST", "/v3/endpoints", admin,
			`{"endpoint": {"service_id": "`+service+`", "interface": "public", "url": "`+url+`"}}`)
	}
}

// CVE-2014-0204: a user has not the roles of a group whose id is the same.
func TestAUserIsNoGroupOfItsID(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	userID, projectID, token := s.member("ann", "lab")
	_, err := s.svc.CreateGroup(ctx, identity.CreateGroupOptions{ID: userID, Name: "crew"})
	require.NoError(t, err)
	role, err := s.svc.FindRole(ctx, "admin")
	require.NoError(t, err)
	require.NoError(t, s.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, GroupID: userID, ProjectID: projectID}))
	got, err := s.svc.Validate(ctx, token)
	require.NoError(t, err)
	for _, r := range got.Roles {
		require.NotEqual(t, "admin", r.Name)
	}
}

// CVE-2025-65073, CVE-2013-0282, CVE-2012-5571: a signature is looked at by services, and
// its token is for them; who has no role, or is disabled, gets none.
func TestSignedTokensAreNotForIdentity(t *testing.T) {
	s := serve(t)
	userID, projectID, ann := s.member("ann", "lab")
	pair := s.want(http.StatusCreated, "POST", "/v3/users/"+userID+"/credentials/OS-EC2", ann, `{"tenant_id": "`+projectID+`"}`)
	signed := signV2(pair.at(t, "credential", "access").(string), pair.at(t, "credential", "secret").(string))
	s.want(http.StatusUnauthorized, "POST", "/v3/ec2tokens", "", signed)
	s.want(http.StatusForbidden, "POST", "/v3/ec2tokens", ann, signed)
	token := s.want(http.StatusOK, "POST", "/v3/ec2tokens", s.admin(), signed).header.Get("X-Subject-Token")
	for _, path := range []string{"/v3/users/" + userID, "/v3/credentials", "/v3/auth/projects", "/v3/users/" + userID + "/application_credentials"} {
		s.want(http.StatusForbidden, "GET", path, token, "")
	}
	s.want(http.StatusOK, "GET", "/v3/auth/tokens", s.admin(), "", "X-Subject-Token", token)
	again := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", tokenBody(token, "null")).header.Get("X-Subject-Token")
	s.want(http.StatusForbidden, "GET", "/v3/users/"+userID, again, "")

	role, err := s.svc.FindRole(t.Context(), "member")
	require.NoError(t, err)
	given := identity.Assignment{RoleID: role.ID, UserID: userID, ProjectID: projectID}
	require.NoError(t, s.svc.Unassign(t.Context(), given))
	s.want(http.StatusUnauthorized, "POST", "/v3/ec2tokens", s.admin(), signed)
	require.NoError(t, s.svc.Assign(t.Context(), given))
	s.want(http.StatusOK, "POST", "/v3/ec2tokens", s.admin(), signed)
	off := false
	_, err = s.svc.UpdateUser(t.Context(), userID, identity.UpdateUserOptions{Enabled: &off})
	require.NoError(t, err)
	s.want(http.StatusUnauthorized, "POST", "/v3/ec2tokens", s.admin(), signed)
}

// signV2 is the body that asks whose a request is that is signed in version 2.
func signV2(access, secret string) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte("GET\nh\n/\nSignatureMethod=HmacSHA256&SignatureVersion=2"))
	return `{"credentials": {"access": "` + access + `", "signature": "` + base64.StdEncoding.EncodeToString(m.Sum(nil)) +
		`", "verb": "GET", "host": "h", "path": "/", "params": {"SignatureVersion": "2"}}}`
}
