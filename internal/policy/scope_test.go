package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

// scoped are administrators by what their tokens are for.
func scoped() map[string]*policy.Principal {
	admin := []string{"admin", "member", "reader"}
	return map[string]*policy.Principal{
		"project":  {UserID: "u", ProjectID: "p1", Roles: admin},
		"domain":   {UserID: "u", DomainID: "d1", Roles: admin},
		"system":   {UserID: "u", System: true, Roles: admin},
		"unscoped": {UserID: "u"},
		"nobody":   nil,
	}
}

func TestScopesAreEnforced(t *testing.T) {
	e, err := policy.New(map[string]map[string]string{
		"compute":  {"os_compute_api:servers:index": "@", "mine": "rule:os_compute_api:servers:index"},
		"identity": {"identity:list_projects": "@", "identity:list_limits": "@", "identity:list_regions": "@", "identity:create_region": "@"},
	})
	require.NoError(t, err)
	for _, c := range []struct {
		service, rule string
		allowed       []string
	}{
		{"compute", "os_compute_api:servers:index", []string{"project", "unscoped", "nobody"}},
		{"compute", "mine", []string{"project", "domain", "system", "unscoped", "nobody"}},
		{"compute", "welkin:flavors:index", []string{"project", "domain", "system", "unscoped", "nobody"}},
		{"compute", "os_compute_api:servers:create", []string{"project"}},
		{"identity", "identity:create_region", []string{"project", "system", "unscoped", "nobody"}},
		{"identity", "identity:list_projects", []string{"project", "domain", "system", "unscoped", "nobody"}},
		{"volume", "volume:create", []string{"project", "domain", "system"}},
	} {
		var got []string
		for name, p := range scoped() {
			if e.Allowed(c.service, c.rule, p, policy.Target{"project_id": "p1"}) {
				got = append(got, name)
			}
		}
		require.ElementsMatch(t, c.allowed, got, c.rule)
	}
}

func TestScopesMayBeIgnored(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	system := scoped()["system"]
	require.False(t, e.Allowed("compute", "os_compute_api:servers:create", system, nil))
	e.IgnoreScopes()
	require.True(t, e.Allowed("compute", "os_compute_api:servers:create", system, nil))
	require.NoError(t, e.Load(nil))
	require.True(t, e.Allowed("compute", "os_compute_api:servers:create", system, nil), "after a reload")
}

func TestScopeOfPrincipal(t *testing.T) {
	for name, p := range scoped() {
		switch name {
		case "nobody":
		case "unscoped":
			require.Empty(t, p.Scope())
		default:
			require.Equal(t, name, p.Scope())
		}
	}
}

func TestLoadIsWhole(t *testing.T) {
	e, err := policy.New(map[string]map[string]string{"compute": {"os_compute_api:servers:index": "!"}})
	require.NoError(t, err)
	p := scoped()["project"]
	require.False(t, e.Allowed("compute", "os_compute_api:servers:index", p, nil))
	// The second service is wrong: the first stays too.
	err = e.Load(map[string]map[string]string{
		"compute": {"os_compute_api:servers:index": "@"}, "network": {"get_network": "rule:nothing"},
	})
	require.ErrorContains(t, err, `there is no rule "nothing"`)
	require.False(t, e.Allowed("compute", "os_compute_api:servers:index", p, nil))
	require.NoError(t, e.Load(nil))
	require.True(t, e.Allowed("compute", "os_compute_api:servers:index", p, nil))
}
