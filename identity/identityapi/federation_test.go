package identityapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
)

const (
	fed         = "/v3/OS-FEDERATION"
	acme        = fed + "/identity_providers/acme"
	acmeOpenID  = acme + "/protocols/openid"
	basicRules  = `{"mapping": {"rules": [{"local": [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "default"}}], "remote": [{"type": "name"}, {"type": "groups"}]}]}}`
	mappingBody = `{"protocol": {"mapping_id": "basic"}}`
)

func TestIdentityProviders(t *testing.T) {
	s := serve(t)
	token := s.admin()
	a := s.want(http.StatusCreated, "PUT", acme, token, `{"identity_provider": {"description": "ACME", "remote_ids": ["b", "a"], "authorization_ttl": 30}}`)
	p := a.at(t, "identity_provider").(map[string]any)
	require.Equal(t, false, p["enabled"])
	require.Equal(t, []any{"a", "b"}, p["remote_ids"])
	require.EqualValues(t, 30, p["authorization_ttl"])
	require.Equal(t, map[string]any{
		"self": s.url + "/identity" + acme, "protocols": s.url + "/identity" + acme + "/protocols",
	}, p["links"])
	domain := p["domain_id"].(string)
	s.want(http.StatusOK, "GET", "/v3/domains/"+domain, token, "")

	s.want(http.StatusConflict, "PUT", acme, token, `{"identity_provider": {}}`)
	a = s.want(http.StatusConflict, "PUT", fed+"/identity_providers/other", token, `{"identity_provider": {"remote_ids": ["a"]}}`)
	require.Contains(t, a.body, "Duplicate remote ID: a")
	s.want(http.StatusNotFound, "GET", fed+"/identity_providers/other", token, "")
	s.want(http.StatusNotFound, "PUT", fed+"/identity_providers/other", token, `{"identity_provider": {"domain_id": "nowhere"}}`)
	s.want(http.StatusBadRequest, "PUT", fed+"/identity_providers/other", token, `{"identity_provider": {"colour": "red"}}`)
	s.want(http.StatusBadRequest, "PUT", fed+"/identity_providers/other", token, `{"identity_provider": {"authorization_ttl": -1}}`)
	s.want(http.StatusCreated, "PUT", fed+"/identity_providers/other", token, `{"identity_provider": {"domain_id": "default", "enabled": true}}`)

	a = s.want(http.StatusOK, "GET", fed+"/identity_providers?enabled=true", token, "")
	list := a.at(t, "identity_providers").([]any)
	require.Len(t, list, 1)
	require.Equal(t, "other", list[0].(map[string]any)["id"])
	a = s.want(http.StatusOK, "GET", fed+"/identity_providers?id=acme", token, "")
	require.Len(t, a.at(t, "identity_providers"), 1)

	a = s.want(http.StatusOK, "PATCH", acme, token, `{"identity_provider": {"enabled": true, "remote_ids": ["c"], "authorization_ttl": null, "description": null}}`)
	p = a.at(t, "identity_provider").(map[string]any)
	require.Equal(t, true, p["enabled"])
	require.Equal(t, []any{"c"}, p["remote_ids"])
	require.Nil(t, p["authorization_ttl"])
	require.Nil(t, p["description"])
	s.want(http.StatusBadRequest, "PATCH", acme, token, `{"identity_provider": {"domain_id": "default"}}`)
	s.want(http.StatusBadRequest, "PATCH", acme, token, `{"identity_provider": {}}`)
	s.want(http.StatusNotFound, "PATCH", fed+"/identity_providers/none", token, `{"identity_provider": {"enabled": true}}`)
	s.want(http.StatusNoContent, "DELETE", acme, token, "")
	s.want(http.StatusNotFound, "DELETE", acme, token, "")
	s.want(http.StatusOK, "GET", "/v3/domains/"+domain, token, "")

	_, _, member := s.member("ann", "lab")
	for _, line := range []string{"GET ", "PUT /x", "GET /other", "PATCH /other", "DELETE /other", "GET /other/protocols"} {
		method, path, _ := strings.Cut(line, " ")
		s.want(http.StatusForbidden, method, fed+"/identity_providers"+path, member, `{"identity_provider": {"enabled": false}}`)
	}
}

func TestProtocolsAndMappings(t *testing.T) {
	s := serve(t)
	token := s.admin()
	s.want(http.StatusCreated, "PUT", acme, token, `{"identity_provider": {"enabled": true}}`)
	a := s.want(http.StatusBadRequest, "PUT", acmeOpenID, token, mappingBody)
	require.Contains(t, a.body, "Invalid mapping id: basic")
	a = s.want(http.StatusCreated, "PUT", fed+"/mappings/basic", token, basicRules)
	require.Equal(t, "1.0", a.at(t, "mapping", "schema_version"))
	require.Equal(t, s.url+"/identity"+fed+"/mappings/basic", a.at(t, "mapping", "links", "self"))
	s.want(http.StatusConflict, "PUT", fed+"/mappings/basic", token, basicRules)
	shown := s.want(http.StatusOK, "GET", fed+"/mappings/basic", token, "")
	require.JSONEq(t, a.body, shown.body)
	a = s.want(http.StatusOK, "GET", fed+"/mappings", token, "")
	require.Len(t, a.at(t, "mappings"), 1)

	s.want(http.StatusNotFound, "PUT", fed+"/identity_providers/none/protocols/openid", token, mappingBody)
	a = s.want(http.StatusCreated, "PUT", acmeOpenID, token, mappingBody)
	require.Equal(t, map[string]any{
		"id": "openid", "mapping_id": "basic", "links": map[string]any{
			"self": s.url + "/identity" + acmeOpenID, "identity_provider": s.url + "/identity" + acme,
		},
	}, a.at(t, "protocol"))
	s.want(http.StatusConflict, "PUT", acmeOpenID, token, mappingBody)
	s.want(http.StatusOK, "GET", acmeOpenID, token, "")
	a = s.want(http.StatusOK, "GET", acme+"/protocols", token, "")
	require.Len(t, a.at(t, "protocols"), 1)
	s.want(http.StatusBadRequest, "PATCH", acmeOpenID, token, `{"protocol": {"mapping_id": "none"}}`)
	a = s.want(http.StatusOK, "PATCH", acmeOpenID, token, `{"protocol": {"mapping_id": "basic", "remote_id_attribute": "iss"}}`)
	require.Equal(t, "iss", a.at(t, "protocol", "remote_id_attribute"))
	s.want(http.StatusNoContent, "DELETE", acmeOpenID, token, "")
	a = s.want(http.StatusNotFound, "GET", acmeOpenID, token, "")
	require.Contains(t, a.body, "Could not find federated protocol openid for Identity Provider: acme.")
	s.want(http.StatusOK, "PATCH", fed+"/mappings/basic", token, `{"mapping": {"schema_version": "2.0", "rules": [{"local": [], "remote": [{"type": "x"}]}]}}`)
	s.want(http.StatusNoContent, "DELETE", fed+"/mappings/basic", token, "")
	s.want(http.StatusNotFound, "GET", fed+"/mappings/basic", token, "")
	s.want(http.StatusNotFound, "PATCH", fed+"/mappings/basic", token, basicRules)
	s.want(http.StatusNotFound, "DELETE", fed+"/mappings/basic", token, "")
}

func TestBadMappings(t *testing.T) {
	s := serve(t)
	token := s.admin()
	remote := `"remote": [{"type": "name"}]`
	for name, body := range map[string]string{
		"no mapping":        `{}`,
		"no rules":          `{"mapping": {}}`,
		"empty rules":       `{"mapping": {"rules": []}}`,
		"no remote":         `{"mapping": {"rules": [{"local": []}]}}`,
		"empty remote":      `{"mapping": {"rules": [{"local": [], "remote": []}]}}`,
		"two conditions":    `{"mapping": {"rules": [{"local": [], "remote": [{"type": "x", "any_one_of": [], "blacklist": []}]}]}}`,
		"regex alone":       `{"mapping": {"rules": [{"local": [], "remote": [{"type": "x", "regex": true}]}]}}`,
		"no regex":          `{"mapping": {"rules": [{"local": [], "remote": [{"type": "x", "regex": true, "any_one_of": ["("]}]}]}}`,
		"look-ahead":        `{"mapping": {"rules": [{"local": [], "remote": [{"type": "x", "regex": true, "any_one_of": ["(?=x)"]}]}]}}`,
		"unknown attribute": `{"mapping": {"rules": [{"local": [{"pet": {}}], ` + remote + `}]}}`,
		"no such value":     `{"mapping": {"rules": [{"local": [{"user": {"name": "{1}"}}], ` + remote + `}]}}`,
		"bad braces":        `{"mapping": {"rules": [{"local": [{"user": {"name": "{0"}}], ` + remote + `}]}}`,
		"bad type":          `{"mapping": {"rules": [{"local": [{"user": {"name": "{0}", "type": "robot"}}], ` + remote + `}]}}`,
		"half a group":      `{"mapping": {"rules": [{"local": [{"group": {"name": "{0}"}}], ` + remote + `}]}}`,
		"bad version":       `{"mapping": {"schema_version": "9", "rules": [{"local": [], ` + remote + `}]}}`,
		"project's domain":  `{"mapping": {"rules": [{"local": [{"projects": [{"name": "x", "roles": [], "domain": {"id": "d"}}]}], ` + remote + `}]}}`,
	} {
		t.Run(name, func(t *testing.T) {
			s.want(http.StatusBadRequest, "PUT", fed+"/mappings/bad", token, body)
			s.want(http.StatusNotFound, "GET", fed+"/mappings/bad", token, "")
		})
	}
}

func TestServiceProviders(t *testing.T) {
	s := serve(t)
	token := s.admin()
	const sp = fed + "/service_providers/south"
	body := `{"service_provider": {"auth_url": "https://south.example/auth", "sp_url": "https://south.example/sp"}}`
	a := s.want(http.StatusCreated, "PUT", sp, token, body)
	require.Equal(t, map[string]any{
		"id": "south", "auth_url": "https://south.example/auth", "sp_url": "https://south.example/sp", "enabled": false,
		"description": nil, "relay_state_prefix": "ss:mem:", "links": map[string]any{"self": s.url + "/identity" + sp},
	}, a.at(t, "service_provider"))
	s.want(http.StatusConflict, "PUT", sp, token, body)
	s.want(http.StatusBadRequest, "PUT", fed+"/service_providers/x", token, `{"service_provider": {"auth_url": "https://x"}}`)
	s.want(http.StatusBadRequest, "PUT", fed+"/service_providers/x", token, `{"service_provider": {"auth_url": "x", "sp_url": "https://x"}}`)
	require.NotContains(t, s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token).body, "service_providers")
	s.want(http.StatusOK, "PATCH", sp, token, `{"service_provider": {"enabled": true, "description": "far"}}`)
	a = s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	require.Equal(t, []any{map[string]any{
		"id": "south", "auth_url": "https://south.example/auth", "sp_url": "https://south.example/sp",
	}}, a.at(t, "token", "service_providers"))
	a = s.want(http.StatusOK, "GET", fed+"/service_providers?enabled=false", token, "")
	require.Empty(t, a.at(t, "service_providers"))
	a = s.want(http.StatusOK, "GET", fed+"/service_providers?id=south", token, "")
	require.Len(t, a.at(t, "service_providers"), 1)
	s.want(http.StatusOK, "GET", sp, token, "")
	s.want(http.StatusNoContent, "DELETE", sp, token, "")
	s.want(http.StatusNotFound, "GET", sp, token, "")
	require.NotContains(t, s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token).body, "service_providers")
}

// abroad makes a provider "acme" whose users log in by "openid", bob among them, and a
// group "crew" whose users are members of the project "lab".
func abroad(t testing.TB) (*site, *memprotocol.Provider) {
	t.Helper()
	provider := &memprotocol.Provider{}
	s := serve(t, func(c *identity.Config) {
		c.Federation.Methods = []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "openid", Driver: provider}}
		c.Federation.TrustedDashboards = []string{"https://dashboard.example/auth/websso/"}
	})
	token := s.admin()
	s.want(http.StatusCreated, "PUT", acme, token, `{"identity_provider": {"enabled": true}}`)
	s.want(http.StatusCreated, "PUT", fed+"/mappings/basic", token, basicRules)
	s.want(http.StatusCreated, "PUT", acmeOpenID, token, mappingBody)
	_, project, _ := s.member("ann", "lab")
	group, err := s.svc.CreateGroup(s.Context(), identity.CreateGroupOptions{Name: "crew"})
	require.NoError(s, err)
	role, err := s.svc.FindRole(s.Context(), "member")
	require.NoError(s, err)
	require.NoError(s, s.svc.Assign(s.Context(), identity.Assignment{RoleID: role.ID, GroupID: group.ID, ProjectID: project}))
	provider.Know("bob's", driver.Assertion{"name": {"bob"}, "groups": {"crew"}})
	return s, provider
}

func TestFederatedAuth(t *testing.T) {
	s, provider := abroad(t)
	for _, method := range []string{"POST", "GET"} {
		a := s.want(http.StatusCreated, method, acmeOpenID+"/auth", "", "", "Authorization", "Bearer bob's")
		require.Equal(t, []any{"openid"}, a.at(t, "token", "methods"))
		user := a.at(t, "token", "user").(map[string]any)
		require.Equal(t, "bob", user["name"])
		require.NotContains(t, user, "password_expires_at")
		path := user["OS-FEDERATION"].(map[string]any)
		require.Equal(t, map[string]any{"id": "acme"}, path["identity_provider"])
		require.Equal(t, map[string]any{"id": "openid"}, path["protocol"])
		require.Len(t, path["groups"], 1)

		token := a.header.Get("X-Subject-Token")
		for _, list := range []string{"/v3/auth/projects", fed + "/projects"} {
			a = s.want(http.StatusOK, "GET", list, token, "")
			require.Len(t, a.at(t, "projects"), 1)
		}
		for _, list := range []string{"/v3/auth/domains", fed + "/domains"} {
			a = s.want(http.StatusOK, "GET", list, token, "")
			require.Empty(t, a.at(t, "domains"))
		}
		a = s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["token"],
			"token": {"id": "`+token+`"}}, "scope": `+projectScope("lab")+`}}`)
		require.ElementsMatch(t, []any{"openid", "token"}, a.at(t, "token", "methods"))
		scoped := a.header.Get("X-Subject-Token")
		a = s.want(http.StatusOK, "GET", "/v3/auth/tokens", scoped, "", "X-Subject-Token", scoped)
		require.NotNil(t, a.at(t, "token", "user", "OS-FEDERATION"))
	}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer eve's", "Basic bob's", "bob's"} {
		a := s.want(http.StatusUnauthorized, "POST", acmeOpenID+"/auth", "", "", "Authorization", header)
		require.Contains(t, a.header.Get("WWW-Authenticate"), "Keystone uri=")
		require.Equal(t, "The request you have made requires authentication.", a.at(t, "error", "message"))
	}
	s.want(http.StatusNotFound, "POST", acme+"/protocols/saml2/auth", "", "", "Authorization", "Bearer bob's")
	s.want(http.StatusNotFound, "POST", fed+"/identity_providers/x/protocols/openid/auth", "", "", "Authorization", "Bearer bob's")
	provider.Down(true)
	a := s.want(http.StatusServiceUnavailable, "POST", acmeOpenID+"/auth", "", "", "Authorization", "Bearer bob's")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	provider.Down(false)
	s.want(http.StatusOK, "PATCH", acme, s.admin(), `{"identity_provider": {"enabled": false}}`)
	a = s.want(http.StatusForbidden, "POST", acmeOpenID+"/auth", "", "", "Authorization", "Bearer bob's")
	require.Contains(t, a.body, "Identity Provider acme is disabled")
}

func TestFederatedUsers(t *testing.T) {
	s, _ := abroad(t)
	token := s.admin()
	known := func(id string) string {
		return `[{"idp_id": "acme", "protocols": [{"protocol_id": "openid", "unique_id": "` + id + `"}]}]`
	}
	a := s.want(http.StatusCreated, "POST", "/v3/users", token, `{"user": {"name": "zoe", "federated": `+known("z1")+`}}`)
	id := a.at(t, "user", "id").(string)
	require.JSONEq(t, known("z1"), string(must(t, a.at(t, "user", "federated"))))
	a = s.want(http.StatusOK, "PATCH", "/v3/users/"+id, token, `{"user": {"federated": `+known("z2")+`}}`)
	require.JSONEq(t, known("z2"), string(must(t, a.at(t, "user", "federated"))))
	a = s.want(http.StatusOK, "PATCH", "/v3/users/"+id, token, `{"user": {"description": "x"}}`)
	require.JSONEq(t, known("z2"), string(must(t, a.at(t, "user", "federated"))))
	a = s.want(http.StatusOK, "GET", "/v3/users/"+id, token, "")
	require.JSONEq(t, known("z2"), string(must(t, a.at(t, "user", "federated"))))
	s.want(http.StatusBadRequest, "POST", "/v3/users", token, `{"user": {"name": "x", "federated": [{"idp_id": "no", "protocols": [{"protocol_id": "openid", "unique_id": "1"}]}]}}`)
	s.want(http.StatusBadRequest, "POST", "/v3/users", token, `{"user": {"name": "x", "federated": [{"idp_id": "acme", "protocols": []}]}}`)
	s.want(http.StatusConflict, "POST", "/v3/users", token, `{"user": {"name": "x", "federated": `+known("z2")+`}}`)

	a = s.want(http.StatusCreated, "POST", acmeOpenID+"/auth", "", "", "Authorization", "Bearer bob's")
	bob := a.at(t, "token", "user", "id").(string)
	for query, want := range map[string][]string{
		"unique_id=z2": {id}, "unique_id=bob&idp_id=acme&protocol_id=openid": {bob}, "idp_id=acme": {id, bob},
		"idp_id=other": {}, "name=bob": {bob}, "protocol_id=openid&name=zoe": {id},
	} {
		a = s.want(http.StatusOK, "GET", "/v3/users?"+query, token, "")
		ids := []string{}
		for _, u := range a.at(t, "users").([]any) {
			ids = append(ids, u.(map[string]any)["id"].(string))
		}
		require.ElementsMatch(t, want, ids, query)
	}
	s.want(http.StatusNoContent, "DELETE", acme, token, "")
	s.want(http.StatusNotFound, "GET", "/v3/users/"+bob, token, "")
	a = s.want(http.StatusOK, "GET", "/v3/users/"+id, token, "")
	require.NotContains(t, a.body, "federated")
}

// must encodes a value.
func must(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	require.NoError(t, err)
	return b
}
