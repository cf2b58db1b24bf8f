package identity_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestDomainConfigKeepsSecrets(t *testing.T) {
	dir := t.TempDir()
	s, err := identity.Open(t.Context(), identity.Config{AdminPassword: "pw", Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}, &identity.OpenOptions{Dir: dir})
	require.NoError(t, err)
	defer s.Close()
	ctx := t.Context()
	first, err := s.SetDomainConfig(ctx, "default", identity.DomainConfig{
		"identity": {"driver": "ldap"},
		"ldap": {
			"url": "ldap://%(user)s:%(password)s@host", "user": "cn=admin", "password": "swordfish", "page_size": 50,
			"use_tls": true, "user_attribute_ignore": []string{"tel", "fax"}, "suffix": "100%",
		},
	})
	require.NoError(t, err)
	require.True(t, first)

	whole, err := s.DomainConfig(ctx, "default")
	require.NoError(t, err)
	require.Equal(t, "swordfish", whole.Text("ldap", "password"))
	require.Equal(t, "ldap://cn=admin:swordfish@host", whole.Text("ldap", "url"))
	require.Equal(t, "100%", whole.Text("ldap", "suffix"))
	require.Equal(t, 50, whole.Number("ldap", "page_size", 0))
	require.Equal(t, 7, whole.Number("ldap", "user", 7))
	require.True(t, whole.Flag("ldap", "use_tls", false))
	require.True(t, whole.Flag("ldap", "use_pool", true))
	require.Equal(t, []string{"tel", "fax"}, whole.List("ldap", "user_attribute_ignore"))
	require.Empty(t, whole.Text("ldap", "user_filter"))

	shown, err := s.GetDomainConfig(ctx, "default", "", "")
	require.NoError(t, err)
	require.NotContains(t, shown["ldap"], "password")
	require.Equal(t, "ldap://%(user)s:%(password)s@host", shown.Text("ldap", "url"))
	_, err = s.GetDomainConfig(ctx, "default", "ldap", "password")
	require.ErrorIs(t, err, fault.NotFound)
	for _, name := range []string{"identity.db", "identity.db-wal"} {
		stored, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotContains(t, string(stored), "swordfish")
	}
}

func TestDomainConfigChanges(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	empty, err := w.DomainConfig(ctx, "default")
	require.NoError(t, err)
	require.Empty(t, empty)
	_, err = w.DomainConfig(ctx, "nowhere")
	require.ErrorIs(t, err, fault.NotFound)
	before := w.DomainConfigRevision()
	_, err = w.SetDomainConfig(ctx, "default", identity.DomainConfig{"ldap": {"url": "ldap://a", "password": "old"}})
	require.NoError(t, err)
	require.NotEqual(t, before, w.DomainConfigRevision())

	for name, c := range map[string]struct {
		group, option string
		config        identity.DomainConfig
		kind          error
	}{
		"nothing":        {"", "", identity.DomainConfig{}, fault.Forbidden},
		"empty group":    {"", "", identity.DomainConfig{"ldap": nil}, fault.Forbidden},
		"unknown group":  {"", "", identity.DomainConfig{"sql": {"url": "x"}}, fault.Forbidden},
		"unknown option": {"", "", identity.DomainConfig{"ldap": {"uri": "x"}}, fault.Forbidden},
		"deep value":     {"", "", identity.DomainConfig{"ldap": {"url": map[string]any{}}}, fault.Forbidden},
		"other group":    {"ldap", "", identity.DomainConfig{"identity": {"driver": "ldap"}}, fault.Forbidden},
		"more":           {"ldap", "url", identity.DomainConfig{"ldap": {"url": "x", "user": "y"}}, fault.Forbidden},
		"other option":   {"ldap", "url", identity.DomainConfig{"ldap": {"user": "y"}}, fault.Forbidden},
		"not set option": {"ldap", "user", identity.DomainConfig{"ldap": {"user": "y"}}, fault.NotFound},
		"not set group":  {"identity", "", identity.DomainConfig{"identity": {"driver": "ldap"}}, fault.NotFound},
	} {
		require.ErrorIs(t, w.UpdateDomainConfig(ctx, "default", c.group, c.option, c.config), c.kind, name)
	}
	require.NoError(t, w.UpdateDomainConfig(ctx, "default", "", "", identity.DomainConfig{"identity": {"driver": "ldap"}}))
	require.NoError(t, w.UpdateDomainConfig(ctx, "default", "ldap", "password", identity.DomainConfig{"ldap": {"password": "new"}}))
	whole, err := w.DomainConfig(ctx, "default")
	require.NoError(t, err)
	require.Equal(t, identity.DomainConfig{"identity": {"driver": "ldap"}, "ldap": {"url": "ldap://a", "password": "new"}}, whole)

	require.ErrorIs(t, w.DeleteDomainConfig(ctx, "default", "ldap", "user"), fault.NotFound)
	require.NoError(t, w.DeleteDomainConfig(ctx, "default", "ldap", "password"))
	require.NoError(t, w.DeleteDomainConfig(ctx, "default", "identity", ""))
	whole, err = w.DomainConfig(ctx, "default")
	require.NoError(t, err)
	require.Equal(t, identity.DomainConfig{"ldap": {"url": "ldap://a"}}, whole)
	require.NoError(t, w.DeleteDomainConfig(ctx, "default", "", ""))
	_, err = w.GetDomainConfig(ctx, "default", "", "")
	require.ErrorIs(t, err, fault.NotFound)
}

func TestDefaultDomainConfig(t *testing.T) {
	all, err := identity.DefaultDomainConfig("", "")
	require.NoError(t, err)
	require.NotContains(t, all["ldap"], "password")
	one, err := identity.DefaultDomainConfig("ldap", "user_objectclass")
	require.NoError(t, err)
	require.Equal(t, identity.DomainConfig{"ldap": {"user_objectclass": "inetOrgPerson"}}, one)
	for _, c := range [][2]string{{"sql", ""}, {"ldap", "nothing"}, {"ldap", "password"}} {
		_, err := identity.DefaultDomainConfig(c[0], c[1])
		require.ErrorIs(t, err, fault.Forbidden, c)
	}
}
