package policy_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

func TestAccessRulePaths(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"/v2/servers", []string{"/v2/servers"}, []string{"/v2/servers/1", "/v2/servers/", "/v2/server", "/x/v2/servers", ""}},
		{"/v2/servers/{server_id}", []string{"/v2/servers/1", "/v2/servers/%2F"}, []string{"/v2/servers", "/v2/servers/", "/v2/servers//", "/v2/servers/1/", "/v2/servers/1/2"}},
		{"/v2/servers/{server_id}/", []string{"/v2/servers/1/"}, []string{"/v2/servers/1"}},
		{"/v2/servers/*", []string{"/v2/servers/1"}, []string{"/v2/servers/", "/v2/servers/1/2"}},
		{"/v2/servers/**", []string{"/v2/servers/", "/v2/servers/1", "/v2/servers/1/2"}, []string{"/v2/servers"}},
		{"**", []string{"", "/", "/v2", "/v2/servers/1/2", "/a\nb"}, nil},
		{"/v2/*/*/*", []string{"/v2/a/b/c"}, []string{"/v2/a/b", "/v2/a/b/", "/v2/a/b/c/d"}},
		{"/v2/{p}/servers/{s}", []string{"/v2/a/servers/b"}, []string{"/v2/servers/b", "/v2/a/b/servers/c"}},
		{"/v2/s*s", []string{"/v2/servers"}, []string{"/v2/ss", "/v2/s/s"}},
		{"/**/ips", []string{"/a/ips", "/a/b/ips"}, []string{"/ips", "/a/ips/b"}},
		{"v2/servers", nil, []string{"/v2/servers"}},
		{"/v2.1/a", []string{"/v2.1/a"}, []string{"/v2x1/a"}}, // a dot is a dot
		{"/a+(b)[c]", []string{"/a+(b)[c]"}, []string{"/aab"}},
		{"/a{b", []string{"/a{b"}, []string{"/ab"}},
		{"/a}b", []string{"/a}b"}, []string{"/ab"}},
		{"/é", []string{"/é"}, []string{"/e"}},
		{"", []string{""}, []string{"/"}},
	} {
		rules := policy.NewAccessRules([]policy.AccessRule{{Service: "compute", Method: "GET", Path: c.pattern}})
		for _, path := range c.yes {
			require.True(t, rules.Allow([]string{"compute"}, "GET", path), "%s %s", c.pattern, path)
		}
		for _, path := range c.no {
			require.False(t, rules.Allow([]string{"compute"}, "GET", path), "%s %s", c.pattern, path)
		}
	}
}

func TestAccessRulesAreAlternatives(t *testing.T) {
	rules := policy.NewAccessRules([]policy.AccessRule{
		{Service: "compute", Method: "GET", Path: "/v2.1/servers"},
		{Service: "volumev3", Method: "POST", Path: "/v3/volumes"},
	})
	volume := []string{"block-storage", "volumev3"}
	require.True(t, rules.Allow([]string{"compute"}, "GET", "/v2.1/servers"))
	require.True(t, rules.Allow(volume, "POST", "/v3/volumes"))
	require.False(t, rules.Allow([]string{"compute"}, "HEAD", "/v2.1/servers"))
	require.False(t, rules.Allow([]string{"compute"}, "POST", "/v3/volumes"))
	require.False(t, rules.Allow(volume, "GET", "/v2.1/servers"))
	require.False(t, rules.Allow(nil, "GET", "/v2.1/servers"))
	require.True(t, policy.NewAccessRules(nil).Allow([]string{"compute"}, "GET", "/x"), "none are no restriction")
}

func FuzzAccessRulePath(f *testing.F) {
	for _, seed := range []string{"/v2.1/servers/{id}/**", "**", "{", "}{", "/a*b**c", "\xff{\x00}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		allow := policy.NewAccessRules([]policy.AccessRule{{Service: "s", Method: "GET", Path: pattern}})
		plain := !strings.ContainsAny(pattern, "*{") && utf8.ValidString(pattern)
		if plain {
			require.True(t, allow.Allow([]string{"s"}, "GET", pattern), "a path without wildcards is for itself")
			require.False(t, allow.Allow([]string{"s"}, "GET", pattern+"x"))
		}
	})
}
