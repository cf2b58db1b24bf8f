package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// write makes a file that only its owner can read.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestFederationFile(t *testing.T) {
	cfg, err := readFederation("")
	require.NoError(t, err)
	require.Empty(t, cfg.Methods)
	path := write(t, "federation.json", `{
		"trusted_dashboards": ["https://dashboard.example/auth/websso/"], "default_authorization_ttl": 30,
		"openid_connect": [{"identity_provider": "acme", "protocol": "openid", "issuer": "https://acme.example",
			"client_id": "cloud", "client_secret": "s3cret", "audiences": ["cloud", "account"]}],
		"saml2": [{"identity_provider": "acme", "protocol": "saml2", "entity_id": "https://cloud.example/saml",
			"metadata": "https://idp.example/metadata"}]}`)
	cfg, err = readFederation(path)
	require.NoError(t, err)
	require.Len(t, cfg.Methods, 2)
	require.Equal(t, "acme", cfg.Methods[0].ProviderID)
	require.Equal(t, 30*time.Minute, cfg.GroupTTL)
	require.Equal(t, "saml2", cfg.Methods[1].ProtocolID)
	for _, m := range cfg.Methods {
		require.NoError(t, m.Driver.Close())
	}
	require.NoError(t, os.Chmod(path, 0o644))
	_, err = readFederation(path)
	require.ErrorContains(t, err, "holds secrets")
	for _, bad := range []string{
		`{`, `{"colour": "red"}`, `{"openid_connect": [{"identity_provider": "acme", "client_secret": "s3cret"}]}`,
		`{"openid_connect": [{"identity_provider": "acme", "protocol": "openid", "issuer": "acme", "client_id": "x", "client_secret": "s3cret"}]}`,
		`{"saml2": [{"identity_provider": "acme", "entity_id": "x", "metadata": "https://idp.example/"}]}`,
		`{"saml2": [{"identity_provider": "acme", "protocol": "saml2", "entity_id": "x"}]}`,
		`{"saml2": [{"identity_provider": "acme", "protocol": "saml2", "entity_id": "x", "metadata": "/nowhere/metadata.xml"}]}`,
		`{"saml2": [{"identity_provider": "acme", "protocol": "saml2", "entity_id": "x", "metadata": "` + path + `"}]}`,
		`{"saml2": [{"identity_provider": "acme", "protocol": "saml2", "metadata": "https://idp.example/"}]}`,
		`{"saml2": [{"identity_provider": "acme", "protocol": "saml2", "entity_id": "x", "metadata": "https://idp.example/", "key": "/nowhere"}]}`,
	} {
		_, err := readFederation(write(t, "federation.json", bad))
		require.Error(t, err, bad)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

func TestMappingIsTried(t *testing.T) {
	rules := `[{"local": [{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"name": "Default"}}],
		"remote": [{"type": "name"}, {"type": "groups", "whitelist": ["crew", "staff"]}]}]`
	input := write(t, "input", "name: bob\n\n  groups: crew;guests;staff\n")
	for _, text := range []string{rules, `{"rules": ` + rules + `}`} {
		var out bytes.Buffer
		require.NoError(t, tryMapping([]string{"-rules", write(t, "rules.json", text), "-input", input}, &out))
		require.JSONEq(t, `{"user": {"name": "bob", "type": "ephemeral"}, "group_ids": [], "projects": [], "group_names": [
			{"name": "crew", "domain": {"name": "Default"}}, {"name": "staff", "domain": {"name": "Default"}}]}`, out.String())
	}
	for name, args := range map[string][]string{
		"no files":   nil,
		"no input":   {"-rules", write(t, "rules.json", rules)},
		"bad rules":  {"-rules", write(t, "rules.json", `{"rule": 1}`), "-input", input},
		"bad line":   {"-rules", write(t, "rules.json", rules), "-input", write(t, "input", "name")},
		"no rule":    {"-rules", write(t, "rules.json", rules), "-input", write(t, "input", "colour: red")},
		"no version": {"-rules", write(t, "rules.json", rules), "-input", input, "-schema-version", "9"},
	} {
		require.Error(t, tryMapping(args, &bytes.Buffer{}), name)
	}
}
