package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// people of the tests, by what they hold.
func people() map[string]*policy.Principal {
	return map[string]*policy.Principal{
		"admin":  {UserID: "root", ProjectID: "ops", Roles: []string{"admin", "manager", "member", "reader"}},
		"member": {UserID: "ann", UserDomainID: "d1", ProjectID: "p1", ProjectDomainID: "d1", Roles: []string{"member", "reader"}, RoleIDs: []string{"r1", "r2"}, Methods: []string{"password"}},
		"reader": {UserID: "rae", ProjectID: "p1", Roles: []string{"reader"}},
		"system": {UserID: "sys", System: true, Roles: []string{"reader"}},
		"domain": {UserID: "dom", DomainID: "d1", Roles: []string{"manager", "reader"}},
		"loose":  {UserID: "lou"},
		"called": {UserID: "ann", ProjectID: "p1", Roles: []string{"member", "reader"},
			Service: &policy.Principal{UserID: "nova", Roles: []string{"service"}}},
		"nobody": nil,
	}
}

func TestDefaultsCompile(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	counts := map[string]int{}
	for _, s := range policy.Services() {
		counts[s] = len(e.Rules(s))
		for _, r := range e.Rules(s) {
			require.True(t, e.Has(s, r.Name))
		}
	}
	require.Equal(t, map[string]int{
		"identity": 203, "compute": 221, "placement": 38, "image": 69, "network": 367, "volume": 171,
	}, counts)
	require.Nil(t, e.Rules("bakery"))
	require.False(t, e.Has("bakery", "x"))
	require.False(t, e.Has("compute", "x"))
}

func TestDefaultsDecide(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	own := policy.Target{"project_id": "p1", "user_id": "ann"}
	foreign := policy.Target{"project_id": "p2"}
	for _, c := range []struct {
		service, rule string
		target        policy.Target
		allowed       []string
	}{
		{"compute", "os_compute_api:servers:index", own, []string{"admin", "member", "reader", "called"}},
		{"compute", "os_compute_api:servers:create", own, []string{"admin", "member", "called"}},
		{"compute", "os_compute_api:servers:create", foreign, []string{"admin"}},
		{"compute", "os_compute_api:servers:create", nil, []string{"admin"}},
		{"compute", "os_compute_api:os-flavor-manage:create", own, []string{"admin"}},
		{"identity", "identity:list_users", policy.Target{"target.domain_id": "d1"}, []string{"admin", "system", "domain"}},
		{"identity", "identity:get_user", policy.Target{"target.user.id": "ann"}, []string{"admin", "system", "member", "called"}},
		{"network", "get_network", policy.Target{"project_id": "p2", "shared": "True"}, []string{"admin", "member", "reader", "loose", "called", "nobody"}},
		{"network", "get_network", policy.Target{"project_id": "p2", "shared": "False", "router:external": "False"}, []string{"admin"}},
		{"network", "create_network", policy.Target{"tenant_id": "p1", "project_id": "p1"}, []string{"admin", "member", "called"}},
		{"network", "create_rbac_policy:target_tenant", policy.Target{"target_project": "*"}, []string{"admin"}},
		{"network", "network_device", policy.Target{"device_owner": "network:dhcp"}, []string{"admin", "member", "reader", "system", "domain", "loose", "called", "nobody"}},
		{"network", "network_device", policy.Target{"device_owner": "compute:network:x"}, nil},
		{"image", "get_image", policy.Target{"project_id": "p2", "visibility": "public"}, []string{"admin", "member", "reader", "called"}},
		{"image", "get_image", policy.Target{"project_id": "p2", "visibility": "private"}, []string{"admin"}},
		{"volume", "volume:create", own, []string{"admin", "member", "called"}},
		{"placement", "placement:resource_providers:list", nil, []string{"admin"}},
	} {
		t.Run(c.service+" "+c.rule, func(t *testing.T) {
			var allowed []string
			for name, p := range people() {
				if e.Allowed(c.service, c.rule, p, c.target) {
					allowed = append(allowed, name)
				}
			}
			require.ElementsMatch(t, c.allowed, allowed)
		})
	}
}

func TestCheckNamesTheRule(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	require.NoError(t, e.Check("compute", "os_compute_api:servers:index", people()["member"], policy.Target{"project_id": "p1"}))
	for _, c := range []struct{ service, rule string }{
		{"compute", "os_compute_api:os-flavor-manage:create"},
		{"compute", "no-such-rule"},
		{"bakery", "bake"},
	} {
		err := e.Check(c.service, c.rule, people()["member"], nil)
		require.ErrorIs(t, err, fault.Forbidden)
		var denied *policy.Denied
		require.ErrorAs(t, err, &denied)
		require.Equal(t, &policy.Denied{Service: c.service, Rule: c.rule}, denied)
	}
}
