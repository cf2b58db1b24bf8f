package cloud_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/image/memstore"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// smallest is the configuration of a cloud with one host, on fakes.
func smallest() cloud.Config {
	return cloud.Config{
		Hypervisors: []hypervisor.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1"})},
		Networks:    map[string]mechanism.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Images:      memstore.New(memstore.Config{}),
		Volumes:     []backend.Backend{memvolume.New(memvolume.Config{})},
	}
}

func ExampleCloud_WhoCan() {
	ctx := context.Background()
	cfg := smallest()
	cfg.Policies = map[string]map[string]string{"compute": {
		"os_compute_api:servers:delete": "role:admin or (role:janitor and project_id:%(project_id)s)",
	}}
	c, err := cloud.New(ctx, cfg)
	if err != nil {
		panic(err)
	}
	defer c.Close()
	found, _ := c.WhoCan(ctx, "compute", "DELETE /servers/{server_id}")
	for _, a := range found {
		fmt.Println(a.Rule, "by", a.Expanded)
		for _, r := range a.Roles {
			fmt.Println(r.Role, "on the project:", r.Project, "on another:", r.OtherProject)
		}
	}
	// Output:
	// os_compute_api:servers:delete by role:admin or role:janitor and project_id:%(project_id)s
	// (none) on the project: no on another: no
	// (owner) on the project: no on another: no
	// reader on the project: no on another: no
	// member on the project: no on another: no
	// manager on the project: no on another: no
	// admin on the project: yes on another: yes
	// service on the project: no on another: no
	// janitor on the project: yes on another: no
}

func TestWhoCanByRequest(t *testing.T) {
	c, err := cloud.New(t.Context(), smallest())
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close()) }()
	for _, q := range []struct {
		service, operation string
		rules              []string
	}{
		{"identity", "GET /v3/users/{user_id}", []string{"identity:get_user"}},
		{"", "GET /identity/v3/users/ann", []string{"identity:get_user"}},
		{"identity", "get /users", []string{"identity:list_users"}},
		{"identity", "GET /roles/{role_id}", []string{"identity:get_role", "identity:get_domain_role"}},
		{"network", "GET /networks", []string{"get_network"}},
		{"volume", "GET /v3/0123456789abcdef0123456789abcdef/volumes", []string{"volume:get_all"}},
		{"", "identity:list_users", []string{"identity:list_users"}},
		{"", "context_is_admin", []string{"context_is_admin", "context_is_admin", "context_is_admin", "context_is_admin"}},
	} {
		found, err := c.WhoCan(t.Context(), q.service, q.operation)
		require.NoError(t, err, q.operation)
		var rules []string
		for _, a := range found {
			rules = append(rules, a.Rule)
		}
		require.Equal(t, q.rules, rules, q.operation)
	}
	actions, err := c.WhoCan(t.Context(), "compute", "POST /servers/{server_id}/action")
	require.NoError(t, err)
	require.Greater(t, len(actions), 10, "one for each action")
	for _, q := range [][2]string{{"bakery", "GET /"}, {"compute", "bake"}, {"compute", "GET /bread"}, {"", "BAKE /v3/users"}, {"identity", "GET /v3"}} {
		_, err := c.WhoCan(t.Context(), q[0], q[1])
		require.ErrorIs(t, err, cloud.NotFound, "%v", q)
	}
}

func TestScopesAreASwitch(t *testing.T) {
	for _, ignored := range []bool{false, true} {
		cfg := smallest()
		cfg.IgnoreScopes = ignored
		c, err := cloud.New(t.Context(), cfg)
		require.NoError(t, err)
		found, err := c.WhoCan(t.Context(), "compute", "os_compute_api:os-hypervisors:list")
		require.NoError(t, err)
		for _, r := range found[0].Roles {
			if r.Role == "admin" {
				require.Equal(t, ignored, r.System == "yes")
				require.Equal(t, cloud.Answer("yes"), r.Project)
			}
		}
		require.NoError(t, c.Close())
	}
}
