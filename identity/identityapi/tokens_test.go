package identityapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDiscovery(t *testing.T) {
	s := serve(t)
	a := s.want(http.StatusMultipleChoices, "GET", "/", "", "")
	values := a.at(t, "versions", "values").([]any)
	require.Len(t, values, 1)
	require.Equal(t, "stable", values[0].(map[string]any)["status"])
	for _, path := range []string{"/v3", "/v3/"} {
		a = s.want(http.StatusOK, "GET", path, "", "")
		require.Equal(t, "v3.14", a.at(t, "version", "id"))
		require.Contains(t, a.body, s.url+"/identity/v3/")
	}
}

func TestTokenLifeOverHTTP(t *testing.T) {
	s := serve(t)
	a := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", authBody("admin", adminPassword, projectScope("admin")))
	token := a.header.Get("X-Subject-Token")
	require.NotContains(t, a.body, token)
	require.Regexp(t, `^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$`, a.at(t, "token", "expires_at"))
	require.Equal(t, "admin", a.at(t, "token", "project", "name"))
	require.Equal(t, false, a.at(t, "token", "is_domain"))

	shown := s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	require.JSONEq(t, a.body, shown.body)
	require.Equal(t, token, shown.header.Get("X-Subject-Token"))
	bare := s.want(http.StatusOK, "GET", "/v3/auth/tokens?nocatalog", token, "", "X-Subject-Token", token)
	require.NotContains(t, bare.body, `"catalog"`)
	s.want(http.StatusOK, "HEAD", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	s.want(http.StatusNotFound, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", "gAAAAgarbage")
	s.want(http.StatusBadRequest, "GET", "/v3/auth/tokens", token, "")

	s.want(http.StatusNoContent, "DELETE", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	refused := s.want(http.StatusUnauthorized, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	require.Contains(t, refused.header.Get("WWW-Authenticate"), `Keystone uri="`)
	again := s.admin()
	s.want(http.StatusNotFound, "GET", "/v3/auth/tokens", again, "", "X-Subject-Token", token)
	s.want(http.StatusNotFound, "HEAD", "/v3/auth/tokens", again, "", "X-Subject-Token", token)
}

func TestCatalogFollowsTheHostOfTheRequest(t *testing.T) {
	s := serve(t)
	token := s.admin()
	a := s.want(http.StatusOK, "GET", "/v3/auth/catalog", token, "", "X-Forwarded-Host", "cloud.example", "X-Forwarded-Proto", "https")
	require.Contains(t, a.body, `"url":"https://cloud.example/compute/v2.1"`)
	a = s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	require.Contains(t, a.body, `"url":"`+s.url+`/compute/v2.1"`)
	var types []string
	for _, item := range a.at(t, "token", "catalog").([]any) {
		types = append(types, item.(map[string]any)["type"].(string))
	}
	require.ElementsMatch(t, []string{"identity", "compute", "image", "network", "placement", "block-storage", "volumev3"}, types)

	unscoped := s.login("admin", adminPassword, `"unscoped"`)
	s.want(http.StatusForbidden, "GET", "/v3/auth/catalog", unscoped, "")
	s.want(http.StatusOK, "GET", "/v3/auth/projects", unscoped, "")
	a = s.want(http.StatusOK, "GET", "/v3/auth/system", unscoped, "")
	require.Len(t, a.at(t, "system"), 1)
}

func TestRefusedLogInsLookAlike(t *testing.T) {
	s := serve(t)
	s.member("ann", "lab")
	var first string
	for _, body := range []string{
		authBody("ann", "wrong", projectScope("lab")),
		authBody("nobody", "pw", projectScope("lab")),
		authBody("ann", "pw", projectScope("admin")),
		authBody("ann", "pw", projectScope("nowhere")),
		authBody("ann", "pw", `{"system": {"all": true}}`),
		authBody("ann", "pw", `{"domain": {"id": "default"}}`),
		authBody("ann", "", projectScope("lab")),
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": "garbage"}}}}`,
		`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "y"}}}}`,
	} {
		a := s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", body)
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Keystone uri=")
		if first == "" {
			first = a.body
		}
		require.Equal(t, first, a.body)
	}
	require.JSONEq(t, `{"error": {"code": 401, "title": "Unauthorized",
		"message": "The request you have made requires authentication."}}`, first)
}

func TestMalformedLogIns(t *testing.T) {
	s := serve(t)
	for name, body := range map[string]string{
		"no JSON":       `{`,
		"no auth":       `{}`,
		"no methods":    `{"auth": {"identity": {}}}`,
		"empty methods": `{"auth": {"identity": {"methods": []}}}`,
		"no password":   `{"auth": {"identity": {"methods": ["password"]}}}`,
		"no domain":     `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "a", "password": "b"}}}}}`,
		"wrong type":    `{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "b"}}}}}`,
		"two scopes":    authBody("admin", adminPassword, `{"project": {"id": "x"}, "domain": {"id": "y"}}`),
		"empty scope":   authBody("admin", adminPassword, `{}`),
		"odd scope":     authBody("admin", adminPassword, `"everything"`),
		"half system":   authBody("admin", adminPassword, `{"system": {"all": false}}`),
		"name twice":    `{"auth": {}, "auth": {}}`,
	} {
		t.Run(name, func(t *testing.T) {
			a := s.do("POST", "/v3/auth/tokens", "", body)
			require.Equal(t, http.StatusBadRequest, a.status, a.body)
			require.EqualValues(t, http.StatusBadRequest, a.at(t, "error", "code"))
		})
	}
	s.want(http.StatusRequestEntityTooLarge, "POST", "/v3/auth/tokens", "", `{"auth": "`+strings.Repeat("x", 2<<20)+`"}`)
}

func TestSubjectTokensOfOthers(t *testing.T) {
	s := serve(t)
	_, _, ann := s.member("ann", "lab")
	_, _, bob := s.member("bob", "den")
	s.want(http.StatusForbidden, "GET", "/v3/auth/tokens", ann, "", "X-Subject-Token", bob)
	s.want(http.StatusForbidden, "HEAD", "/v3/auth/tokens", ann, "", "X-Subject-Token", bob)
	s.want(http.StatusForbidden, "DELETE", "/v3/auth/tokens", ann, "", "X-Subject-Token", bob)
	s.want(http.StatusOK, "GET", "/v3/auth/tokens", bob, "", "X-Subject-Token", bob)
	s.want(http.StatusOK, "GET", "/v3/auth/tokens", s.admin(), "", "X-Subject-Token", bob)
}

func FuzzLogin(f *testing.F) {
	s := serve(f)
	f.Add(authBody("admin", adminPassword, projectScope("admin")))
	f.Add(authBody("admin", "x", `{"system": {"all": true}}`))
	f.Add(`{"auth": {"identity": {"methods": ["token", "application_credential"], "token": {"id": "x"}}}}`)
	f.Fuzz(func(t *testing.T, body string) {
		a := (&site{t, s.svc, s.url}).do("POST", "/v3/auth/tokens", "", body)
		if a.status >= 500 {
			t.Fatalf("%q gives %d %s", body, a.status, a.body)
		}
		if a.body != "" && !json.Valid([]byte(a.body)) {
			t.Fatalf("%q is answered with %q", body, a.body)
		}
	})
}
