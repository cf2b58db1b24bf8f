package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/oidc/glewlwydtest"
)

// oidcRules know the people of a provider, and one client of it that logs in as itself.
const oidcRules = `[
	{"local": [{"user": {"id": "{0}", "name": "{1}"}}, {"groups": "{2}", "domain": {"name": "Default"}}],
	 "remote": [{"type": "OIDC-sub"}, {"type": "OIDC-preferred_username"}, {"type": "OIDC-groups", "whitelist": ["crew"]}]},
	{"local": [{"user": {"name": "robot {0}"}}, {"group": {"name": "crew", "domain": {"name": "Default"}}}],
	 "remote": [{"type": "OIDC-client_id"}, {"type": "OIDC-sub", "any_one_of": ["cloud"]}]}]`

// TestOpenIDConnect has users of a real provider log in with each plugin of the
// unmodified client, as docs/federation.md says.
func TestOpenIDConnect(t *testing.T) {
	provider := glewlwydtest.Start(t)
	cloud := glewlwydtest.Client{ID: "cloud", Secret: "client-secret", Scopes: []string{"openid"}, Redirects: []string{"http://127.0.0.1:9/"}}
	provider.AddClient(cloud)
	ada := glewlwydtest.User{Name: "ada", Password: "ada-secret", Email: "ada@acme.example", Groups: []string{"crew"}}
	provider.AddUser(ada)

	s := newServer(t, "memory")
	method := map[string]any{"identity_provider": "acme", "issuer": provider.Issuer, "client_id": cloud.ID, "client_secret": cloud.Secret}
	people, robots := map[string]any{"protocol": "openid", "user_info": true}, map[string]any{"protocol": "tokens"}
	for name, v := range method {
		people[name], robots[name] = v, v
	}
	config, err := json.Marshal(map[string]any{"openid_connect": []any{people, robots}})
	require.NoError(t, err)
	s.flags = []string{"-federation", write(t, "federation.json", string(config))}
	s.start()
	admin := s.client("admin", strings.TrimSpace(readText(t, filepath.Join(s.o.state, passwordFile))), "Default", "admin", "Default")
	rules := write(t, "rules.json", oidcRules)
	admin.script(
		"mapping create --rules "+rules+" acme",
		"identity provider create --remote-id "+provider.Issuer+" acme",
		"federation protocol create --identity-provider acme --mapping acme openid",
		"federation protocol create --identity-provider acme --mapping acme tokens",
		"group create crew", "project create lab",
		"role add --group crew --project lab member",
	)

	oidc := func(plugin, protocol string, more ...string) client {
		return client{t, append(append(os.Environ(),
			"OS_AUTH_TYPE="+plugin, "OS_AUTH_URL=http://"+s.o.listen+"/identity/v3", "OS_IDENTITY_API_VERSION=3",
			"OS_IDENTITY_PROVIDER=acme", "OS_PROTOCOL="+protocol, "OS_CLIENT_ID="+cloud.ID, "OS_CLIENT_SECRET="+cloud.Secret,
			"OS_PROJECT_NAME=lab", "OS_PROJECT_DOMAIN_NAME=Default", "OS_REGION_NAME=RegionOne"), more...)}
	}
	endpoint := "OS_ACCESS_TOKEN_ENDPOINT=" + provider.Issuer + "/token/"
	tokens := provider.Password(cloud, ada)
	for name, c := range map[string]client{
		"password":           oidc("v3oidcpassword", "openid", endpoint, "OS_USERNAME=ada", "OS_PASSWORD=ada-secret"),
		"authorization code": oidc("v3oidcauthcode", "openid", "OS_DISCOVERY_ENDPOINT="+provider.DiscoveryURL, "OS_CODE="+provider.Code(cloud, ada), "OS_REDIRECT_URI="+cloud.Redirects[0]),
		"access token":       oidc("v3oidcaccesstoken", "openid", "OS_ACCESS_TOKEN="+tokens.Access),
		"client credentials": oidc("v3oidcclientcredentials", "tokens", endpoint),
	} {
		t.Run(name, func(t *testing.T) {
			c.t = t
			require.NotEmpty(t, c.run("token", "issue", "-f", "value", "-c", "project_id"))
		})
	}
	wrong := oidc("v3oidcaccesstoken", "openid", "OS_ACCESS_TOKEN="+tokens.Access+"x")
	require.Contains(t, wrong.fails("token", "issue"), "HTTP 401")
}
