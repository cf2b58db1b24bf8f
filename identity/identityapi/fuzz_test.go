package identityapi_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// target is an identity API that is asked without a network in between.
type target struct {
	svc     *identity.Service
	handler http.Handler
	admin   string // the administrator's token
}

func newTarget(f *testing.F) *target {
	svc, err := identity.Open(f.Context(), identity.Config{AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}, nil)
	require.NoError(f, err)
	f.Cleanup(func() { require.NoError(f, svc.Close()) })
	admin, _, err := svc.Login(f.Context(), identity.LoginRequest{
		Password: &identity.PasswordLogin{
			User: identity.UserRef{Name: "admin", Domain: identity.DomainRef{ID: identity.DefaultDomainID}}, Password: adminPassword,
		},
		Scope: identity.LoginScope{Project: &identity.ProjectRef{Name: "admin", Domain: identity.DomainRef{ID: identity.DefaultDomainID}}},
	})
	require.NoError(f, err)
	api := identityapi.New(svc, httpapi.Options{Policy: enforcer(f)})
	return &target{svc, httpapi.Mount(map[string]http.Handler{"/identity": api}), admin}
}

// ask asks as the administrator. Whatever was asked, the answer is a document of JSON, or
// nothing, and no failure of the server.
func (x *target) ask(t *testing.T, method, path, query, body, authorization string) int {
	r := httptest.NewRequest(method, "http://cloud.test/identity"+path, strings.NewReader(body))
	r.URL.RawQuery = query
	r.Header["X-Auth-Token"] = []string{x.admin}
	r.Header["Content-Type"] = []string{"application/json"}
	if authorization != "" {
		r.Header["Authorization"] = []string{authorization}
		r.Header["Requested-Project-Id"] = []string{"lab"}
	}
	w := httptest.NewRecorder()
	x.handler.ServeHTTP(w, r)
	if w.Code >= http.StatusInternalServerError {
		t.Fatalf("%s %s with %q and %q gives %d %s", method, path, body, authorization, w.Code, w.Body)
	}
	if w.Body.Len() > 0 && !json.Valid(w.Body.Bytes()) {
		t.Fatalf("%s %s with %q is answered with %q", method, path, body, w.Body)
	}
	return w.Code
}

func FuzzSignedBody(f *testing.F) {
	x := newTarget(f)
	admin, err := x.svc.FindUser(f.Context(), identity.DefaultDomainID, "admin")
	require.NoError(f, err)
	project, err := x.svc.CreateProject(f.Context(), identity.CreateProjectOptions{Name: "lab"})
	require.NoError(f, err)
	made, err := x.svc.CreateEC2Credential(f.Context(), admin.ID, project.ID, nil)
	require.NoError(f, err)
	var pair struct{ Access string }
	require.NoError(f, json.Unmarshal([]byte(made.Blob), &pair))
	for _, body := range []string{
		`{"credentials": {"access": "$", "signature": "x", "verb": "GET", "host": "h:1", "path": "/", "params": {"SignatureVersion": "2", "Timestamp": "2026-01-31T00:00:00Z"}}}`,
		`{"ec2Credentials": {"access": "$", "signature": "x", "params": {"X-Amz-Algorithm": "AWS4-HMAC-SHA256", "X-Amz-Credential": "$/20260131/r/s/aws4_request"}, "headers": {"host": 1}, "body_hash": ""}}`,
		`{"credential": {"access": "$", "signature": "x", "token": "QVdTNC1ITUFDLVNIQTI1NgpkCjIwMjYwMTMxL3IvczMvYXdzNF9yZXF1ZXN0Cmg="}}`,
		`{"credentials": {"access": "?"}}`, `{"credentials": null}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		body = strings.ReplaceAll(body, "$", pair.Access)
		for _, path := range []string{"/v3/ec2tokens", "/v3/s3tokens"} {
			if code := x.ask(t, "POST", path, "", body, ""); code < http.StatusBadRequest {
				t.Fatalf("%s takes %q for signed", path, body)
			}
		}
	})
}

func FuzzOAuth1Header(f *testing.F) {
	x := newTarget(f)
	consumer, _, err := x.svc.CreateConsumer(f.Context(), identity.CreateConsumerOptions{})
	require.NoError(f, err)
	for _, header := range []string{
		`OAuth oauth_consumer_key="$",oauth_nonce="1",oauth_signature_method="HMAC-SHA1",oauth_timestamp="1",oauth_signature="x"`,
		`OAuth realm="r", oauth_consumer_key="$", oauth_token="t", oauth_verifier="%20", oauth_callback="oob"`,
		`OAuth oauth_consumer_key="$",oauth_signature_method="PLAINTEXT",oauth_signature="%26"`, "OAuth =,", "Bearer x",
	} {
		f.Add(header, "a=b")
	}
	f.Fuzz(func(t *testing.T, header, query string) {
		header = strings.ReplaceAll(header, "$", consumer.ID)
		for _, path := range []string{"/v3/OS-OAUTH1/request_token", "/v3/OS-OAUTH1/access_token"} {
			if code := x.ask(t, "POST", path, query, "", header); code < http.StatusBadRequest {
				t.Fatalf("%s takes %q for signed", path, header)
			}
		}
	})
}

func FuzzListQuery(f *testing.F) {
	x := newTarget(f)
	for _, query := range []string{
		"name__icontains=ADM", "name__startswith=a&name__endswith=n", "limit=1&marker=x", "name__=x", "__icontains=x", "domain_id=default&enabled",
		"enabled__contains=t", "password_expires_at=lt:2026-01-31T00:00:00Z", "sort_key=name", "scope.project.id=x&include_subtree", "%zz=%", "tags=a,b&not-tags-any=c",
	} {
		f.Add(query)
	}
	paths := []string{"/v3/users", "/v3/projects", "/v3/roles", "/v3/domains", "/v3/role_assignments", "/v3/credentials", "/v3/limits"}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range paths {
			x.ask(t, "GET", path, query, "", "")
		}
	})
}

func FuzzDomainConfigBody(f *testing.F) {
	x := newTarget(f)
	for _, body := range []string{
		`{"config": {"ldap": {"url": "ldap://x", "user_tree_dn": "dc=x"}, "identity": {"driver": "ldap"}}}`,
		`{"config": {"ldap": {"url": "%(password)s", "password": "%(url)s"}}}`, `{"config": {"ldap": {"url": "%(", "page_size": 1e400}}}`,
		`{"config": {"ldap": {"query_scope": ["a", {}]}}}`, `{"config": {"ldap": null}}`, `{"config": {"url": true}}`, `{"config": []}`,
	} {
		f.Add(body)
	}
	const all = "/v3/domains/default/config"
	f.Fuzz(func(t *testing.T, body string) {
		x.ask(t, "PUT", all, "", body, "")
		for _, below := range []string{"", "/ldap", "/ldap/url"} {
			x.ask(t, "PATCH", all+below, "", body, "")
			x.ask(t, "GET", all+below, "", "", "")
		}
		x.ask(t, "DELETE", all, "", "", "")
	})
}

func FuzzMappingBody(f *testing.F) {
	x := newTarget(f)
	for _, body := range []string{
		`{"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "name"}]}]}}`,
		`{"mapping": {"schema_version": "2.0", "rules": [{"local": [{"groups": "{1}", "domain": {"id": "default"}}], "remote": [{"type": "a", "any_one_of": ["("], "regex": true}]}]}}`,
		`{"mapping": {"rules": [{"local": [{"projects": [{"name": "p", "roles": [{"name": "r"}]}]}], "remote": [{"type": "a", "blacklist": []}]}]}}`,
		`{"mapping": {"rules": [{}]}}`, `{"mapping": {"rules": {}}}`,
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		const path = "/v3/OS-FEDERATION/mappings/it"
		x.ask(t, "PUT", path, "", body, "")
		x.ask(t, "PATCH", path, "", body, "")
		x.ask(t, "GET", path, "", "", "")
		x.ask(t, "DELETE", path, "", "", "")
	})
}

func FuzzPath(f *testing.F) {
	x := newTarget(f)
	for _, path := range []string{"/v3/users/x", "/v3/roles/%2e%2e", "/v3//projects/", "/v3/projects/x/tags/%ff", "/v3/OS-TRUST/trusts/\x00"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if _, err := url.ParseRequestURI("/identity" + path); err != nil || strings.ContainsAny(path, " \n?#") || !strings.HasPrefix(path, "/") {
			return
		}
		x.ask(t, "GET", path, "", "", "")
	})
}
