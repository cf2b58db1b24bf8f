package ldap_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
	"github.com/welkin-cloud/cloud/identity/ldap"
	"github.com/welkin-cloud/cloud/identity/ldap/slapdtest"
)

func world() drivertest.World { return drivertest.NewWorld() }

func TestConfigRefused(t *testing.T) {
	good := ldap.Config{
		URLs:  []string{"ldap://localhost"},
		Users: ldap.UserConfig{Tree: slapdtest.People}, Groups: ldap.GroupConfig{Tree: slapdtest.Groups},
	}
	_, err := ldap.Open(good)
	require.NoError(t, err)
	for name, spoil := range map[string]func(c *ldap.Config){
		"no URL":             func(c *ldap.Config) { c.URLs = nil },
		"another scheme":     func(c *ldap.Config) { c.URLs = []string{"http://localhost"} },
		"no host":            func(c *ldap.Config) { c.URLs = []string{"ldap://"} },
		"encrypted twice":    func(c *ldap.Config) { c.URLs, c.StartTLS = []string{"ldaps://localhost"}, true },
		"no tree":            func(c *ldap.Config) { c.Users.Tree = "" },
		"no DN":              func(c *ldap.Config) { c.Groups.Tree = "people" },
		"no filter":          func(c *ldap.Config) { c.Users.Filter = "(&(a=b)" },
		"nested of no where": func(c *ldap.Config) { c.Groups.Nested = true },
	} {
		c := good
		spoil(&c)
		_, err := ldap.Open(c)
		require.ErrorIs(t, err, driver.Invalid, name)
	}
}

func TestParseOptions(t *testing.T) {
	server := slapdtest.Start(t, slapdtest.Options{TLS: true})
	server.Person("ada", "secret")
	server.Group("devs", "ada")
	c, err := ldap.ParseOptions(map[string]string{
		"url": "ldap://127.0.0.1:1," + server.URL, "user": slapdtest.Admin, "password": slapdtest.Password,
		"suffix": slapdtest.Suffix, "query_scope": "sub", "page_size": "100", "use_tls": "True",
		"tls_cacertfile": server.CAFile, "user_id_attribute": "uid", "user_name_attribute": "uid",
		"user_filter": "mail=*", "group_name_attribute": "cn", "debug_level": "0",
	})
	require.NoError(t, err)
	d := open(t, c)
	u, err := d.Authenticate(t.Context(), driver.Ref{Name: "ada"}, "secret")
	require.NoError(t, err)
	require.True(t, u.Enabled, "there is no attribute \"enabled\": its default counts")
	groups, err := d.GroupsOf(t.Context(), u, 10)
	require.NoError(t, err)
	require.Equal(t, []driver.Group{{ID: "devs", Name: "devs"}}, groups)

	for option, value := range map[string]string{
		"page_size": "many", "use_tls": "perhaps", "query_scope": "all", "tls_req_cert": "ask",
		"tls_cacertfile": "/does/not/exist", "tls_cacertdir": "/etc", "user_enabled_emulation": "true",
		"chase_referrals": "true", "alias_dereferencing": "always", "user_filter": ")",
	} {
		options := map[string]string{"suffix": slapdtest.Suffix, option: value}
		_, err := ldap.ParseOptions(options)
		require.ErrorIs(t, err, driver.Invalid, option)
		require.NotContains(t, err.Error(), "no such file")
	}
	_, err = ldap.ParseOptions(map[string]string{})
	require.ErrorIs(t, err, driver.Invalid, "trees are required")
}
