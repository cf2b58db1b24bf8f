package identityapi_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// lab is a site where ann, a member of a project, has several kinds of tokens.
type lab struct {
	*site
	annID, projectID, member, bobID string
	password                        string // a token by password
	trust, free, restricted         string // tokens by a trust for bob, and application credentials
}

func newLab(t *testing.T) *lab {
	t.Helper()
	ctx := t.Context()
	l := &lab{site: serve(t)}
	l.annID, l.projectID, l.password = l.site.member("ann", "lab")
	l.bobID, _, _ = l.site.member("bob", "den")
	role, err := l.svc.FindRole(ctx, "member")
	require.NoError(t, err)
	l.member = role.ID
	trust, err := l.svc.CreateTrust(ctx, identity.CreateTrustOptions{
		TrustorID: l.annID, TrusteeID: l.bobID, ProjectID: l.projectID, RoleIDs: []string{l.member}, Impersonation: true,
	})
	require.NoError(t, err)
	l.trust = l.login("bob", "pw", `{"OS-TRUST:trust": {"id": "`+trust.ID+`"}}`)
	l.free, l.restricted = l.robot("free", true), l.robot("restricted", false)
	return l
}

// robot makes an application credential and returns a token that was got by it.
func (l *lab) robot(name string, unrestricted bool) string {
	l.Helper()
	c, secret, err := l.svc.CreateApplicationCredential(l.Context(), identity.CreateApplicationCredentialOptions{
		Name: name, UserID: l.annID, ProjectID: l.projectID, Unrestricted: unrestricted, Secret: "secret of " + name,
	})
	require.NoError(l, err)
	token, _, err := l.svc.Login(l.Context(), identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret}})
	require.NoError(l, err)
	return token
}

// TestWhatDelegatedTokensMayDo is Keystone's table of what each kind of token is good
// for, from 2026 on.
func TestWhatDelegatedTokensMayDo(t *testing.T) {
	l := newLab(t)
	user := "/v3/users/" + l.annID
	ec2 := func(project string) string {
		return `{"credential": {"type": "ec2", "user_id": "` + l.annID + `", "project_id": "` + project + `", "blob": "{\"access\": \"` + time.Now().String() + `\", \"secret\": \"s\"}"}}`
	}
	totp := `{"credential": {"type": "totp", "user_id": "` + l.annID + `", "blob": "GEZDGNBV"}}`
	trust := `{"trust": {"trustor_user_id": "` + l.annID + `", "trustee_user_id": "` + l.bobID + `", "impersonation": false,
		"project_id": "` + l.projectID + `", "roles": [{"id": "` + l.member + `"}]}}`
	for _, c := range []struct {
		method, path, body                string
		password, trust, free, restricted int
	}{
		{"POST", user + "/application_credentials", `{"application_credential": {"name": "NEW"}}`, 201, 403, 201, 403},
		{"GET", user + "/application_credentials", "", 200, 403, 200, 200},
		{"HEAD", user + "/application_credentials", "", 200, 403, 200, 200},
		{"GET", user + "/access_rules", "", 200, 403, 200, 200},
		{"POST", "/v3/OS-TRUST/trusts", trust, 201, 403, 403, 403},
		{"GET", "/v3/OS-TRUST/trusts?trustor_user_id=" + l.annID, "", 200, 200, 403, 403},
		{"HEAD", "/v3/OS-TRUST/trusts?trustor_user_id=" + l.annID, "", 200, 200, 403, 403},
		{"POST", "/v3/credentials", ec2(l.projectID), 201, 403, 403, 403},
		{"POST", "/v3/credentials", ec2("elsewhere"), 201, 403, 403, 403},
		{"POST", "/v3/credentials", totp, 201, 403, 403, 403},
		{"GET", "/v3/credentials", "", 200, 200, 200, 200},
		{"POST", user + "/credentials/OS-EC2", `{"tenant_id": "` + l.projectID + `"}`, 201, 201, 201, 403},
		{"GET", user + "/credentials/OS-EC2", "", 200, 200, 200, 200},
	} {
		for i, as := range []struct {
			token string
			want  int
		}{{l.password, c.password}, {l.trust, c.trust}, {l.free, c.free}, {l.restricted, c.restricted}} {
			body := strings.ReplaceAll(c.body, "NEW", "new"+string(rune('a'+i)))
			a := l.do(c.method, c.path, as.token, body)
			require.Equal(t, as.want, a.status, "%s %s as %d: %s", c.method, c.path, i, a.body)
		}
	}
}

// TestDelegatedTokensSeeTheirProjectOnly looks at credentials with a token that is bound
// to one project.
func TestDelegatedTokensSeeTheirProjectOnly(t *testing.T) {
	l := newLab(t)
	keep := func(kind, project string) string {
		c, err := l.svc.CreateCredential(t.Context(), identity.CreateCredentialOptions{Type: kind, UserID: l.annID, ProjectID: project, Blob: "b"})
		require.NoError(t, err)
		return c.ID
	}
	inside, outside, seed := keep("cert", l.projectID), keep("cert", "elsewhere"), keep("totp", "")
	for _, token := range []string{l.trust, l.free, l.restricted} {
		l.want(http.StatusOK, "GET", "/v3/credentials/"+inside, token, "")
		for _, id := range []string{outside, seed} {
			l.want(http.StatusForbidden, "GET", "/v3/credentials/"+id, token, "")
			l.want(http.StatusForbidden, "PATCH", "/v3/credentials/"+id, token, `{"credential": {"blob": "c"}}`)
			l.want(http.StatusForbidden, "DELETE", "/v3/credentials/"+id, token, "")
		}
		l.want(http.StatusForbidden, "PATCH", "/v3/credentials/"+inside, token, `{"credential": {"project_id": "elsewhere"}}`)
		a := l.want(http.StatusOK, "GET", "/v3/credentials", token, "")
		require.Len(t, a.at(t, "credentials"), 1)
	}
	a := l.want(http.StatusOK, "GET", "/v3/credentials", l.password, "")
	require.Len(t, a.at(t, "credentials"), 3)
	for _, token := range []string{l.trust, l.free, l.restricted} {
		l.want(http.StatusForbidden, "PATCH", "/v3/credentials/"+inside, token,
			`{"credential": {"type": "ec2", "blob": "{\"access\": \"x\", \"secret\": \"y\"}"}}`)
		l.want(http.StatusForbidden, "DELETE", "/v3/credentials/"+inside, token, "")
	}
}

func TestEC2CredentialsByTrust(t *testing.T) {
	l := newLab(t)
	a := l.want(http.StatusCreated, "POST", "/v3/users/"+l.annID+"/credentials/OS-EC2", l.trust, `{"tenant_id": "`+l.projectID+`"}`)
	require.NotEmpty(t, a.at(t, "credential", "trust_id"))
	access := a.at(t, "credential", "access").(string)
	c, err := l.svc.GetCredential(t.Context(), identity.EC2CredentialID(access))
	require.NoError(t, err)
	require.Contains(t, c.Blob, "trust_id")
	l.want(http.StatusBadRequest, "PATCH", "/v3/credentials/"+c.ID, l.password,
		`{"credential": {"blob": "{\"access\": \"`+access+`\", \"secret\": \"s\"}"}}`)
	l.want(http.StatusForbidden, "POST", "/v3/users/"+l.annID+"/credentials/OS-EC2", l.trust, `{"tenant_id": "elsewhere"}`)
}

func TestSignatureRoutesRefuse(t *testing.T) {
	s := serve(t)
	admin := s.admin()
	for _, path := range []string{"/v3/ec2tokens", "/v3/s3tokens"} {
		s.want(http.StatusUnauthorized, "POST", path, "", `{"credentials": {}}`)
		s.want(http.StatusBadRequest, "POST", path, admin, "")
		s.want(http.StatusBadRequest, "POST", path, admin, `{"credentials": "x"}`)
		s.want(http.StatusUnauthorized, "POST", path, admin, `{"credentials": {"signature": "x"}}`)
		s.want(http.StatusNotFound, "POST", path, admin, `{"ec2Credentials": {"access": "x", "signature": "x", "token": "eA=="}}`)
		s.want(http.StatusMethodNotAllowed, "GET", path, admin, "")
	}
	s.want(http.StatusBadRequest, "POST", "/v3/s3tokens", admin, `{"credentials": {"access": "x", "token": "%"}}`)
}

func TestOAuth1RoutesRefuse(t *testing.T) {
	s := serve(t)
	admin := s.admin()
	for _, header := range []string{"", "Basic eA==", `OAuth x`, `OAuth oauth_nonce="x"`} {
		s.want(http.StatusBadRequest, "POST", "/v3/OS-OAUTH1/request_token", "", "", "Authorization", header, "Requested-Project-Id", s.project("admin"))
		s.want(http.StatusBadRequest, "POST", "/v3/OS-OAUTH1/access_token", "", "", "Authorization", header)
		s.want(http.StatusBadRequest, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}`, "Authorization", header)
	}
	s.want(http.StatusBadRequest, "POST", "/v3/OS-OAUTH1/request_token", "", "", "Authorization", `OAuth oauth_consumer_key="x"`)
	s.want(http.StatusNotFound, "PUT", "/v3/OS-OAUTH1/authorize/nothing", admin, `{"roles": [{"name": "member"}]}`)
	s.want(http.StatusBadRequest, "PUT", "/v3/OS-OAUTH1/authorize/nothing", admin, `{"roles": [{}]}`)
	a := s.want(http.StatusCreated, "POST", "/v3/OS-OAUTH1/consumers", admin, `{"consumer": {"description": "d", "secret": "mine", "desk": 3}}`)
	require.NotEqual(t, "mine", a.at(t, "consumer", "secret"))
	id := a.at(t, "consumer", "id").(string)
	s.want(http.StatusBadRequest, "PATCH", "/v3/OS-OAUTH1/consumers/"+id, admin, `{"consumer": {"secret": "mine"}}`)
	a = s.want(http.StatusOK, "GET", "/v3/OS-OAUTH1/consumers/"+id, admin, "")
	require.NotContains(t, a.body, "secret")
	require.Equal(t, 3.0, a.at(t, "consumer", "desk"))
	_, _, member := s.member("ann", "lab")
	s.want(http.StatusForbidden, "GET", "/v3/OS-OAUTH1/consumers", member, "")
}

// project is the id of a project of the default domain.
func (s *site) project(name string) string {
	s.Helper()
	all, err := s.svc.ListProjects(s.Context(), &identity.ListProjectsOptions{Name: name})
	require.NoError(s, err)
	require.Len(s, all, 1)
	return all[0].ID
}

func TestOAuth2Token(t *testing.T) {
	l := newLab(t)
	c, secret, err := l.svc.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "client", UserID: l.annID, ProjectID: l.projectID,
	})
	require.NoError(t, err)
	post := func(code int, form url.Values, headers ...string) map[string]any {
		t.Helper()
		headers = append(headers, "Content-Type", "application/x-www-form-urlencoded")
		a := l.want(code, "POST", "/v3/OS-OAUTH2/token", "", form.Encode(), headers...)
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		var body map[string]any
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		return body
	}
	grant := url.Values{"grant_type": {"client_credentials"}}
	req, err := http.NewRequest("GET", l.url, nil)
	require.NoError(t, err)
	req.SetBasicAuth(c.ID, secret)
	body := post(http.StatusOK, grant, "Authorization", req.Header.Get("Authorization"))
	require.Equal(t, "Bearer", body["token_type"])
	require.InDelta(t, 3600, body["expires_in"], 1)
	a := l.want(http.StatusOK, "GET", "/v3/auth/tokens", l.admin(), "", "X-Subject-Token", body["access_token"].(string))
	require.Equal(t, c.ID, a.at(t, "token", "application_credential", "id"))
	in := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.ID}, "client_secret": {secret}}
	require.NotEmpty(t, post(http.StatusOK, in)["access_token"])

	require.Equal(t, "invalid_request", post(http.StatusBadRequest, url.Values{})["error"])
	require.Equal(t, "unsupported_grant_type", post(http.StatusBadRequest, url.Values{"grant_type": {"password"}})["error"])
	require.Equal(t, "invalid_client", post(http.StatusUnauthorized, grant)["error"])
	in.Set("client_secret", "wrong")
	require.Equal(t, "invalid_client", post(http.StatusUnauthorized, in)["error"])
	in.Set("client_id", strings.Repeat("x", 17<<10))
	require.Equal(t, "invalid_request", post(http.StatusBadRequest, in)["error"])
}
