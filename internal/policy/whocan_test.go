package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// grid writes who may as lines of role and answers: + yes, - no, ? depends, in the
// order project, other project, domain, other domain, system.
func grid(a policy.Access) string {
	var b strings.Builder
	marks := map[policy.Answer]string{policy.Yes: "+", policy.No: "-", policy.Depends: "?"}
	for _, r := range a.Roles {
		line := ""
		for _, answer := range []policy.Answer{r.Project, r.OtherProject, r.Domain, r.OtherDomain, r.System} {
			line += marks[answer]
		}
		if line != "-----" {
			fmt.Fprintln(&b, r.Role, line)
		}
	}
	return b.String()
}

func TestWhoCan(t *testing.T) {
	for _, c := range []struct {
		service, rule, expanded, grid string
	}{
		{"compute", "os_compute_api:servers:create", "role:member and project_id:%(project_id)s or role:admin",
			"member +----\nmanager +----\nadmin ++---\n"},
		{"compute", "os_compute_api:os-volumes-attachments:swap", "role:service or role:admin", "admin ++---\nservice ++---\n"},
		{"compute", "welkin:flavors:index", "@", "(none) +++++\n(owner) +++++\nreader +++++\nmember +++++\nmanager +++++\nadmin +++++\nservice +++++\n"},
		{"identity", "identity:get_user", "role:admin or is_admin:1 or role:reader and system_scope:all or role:reader and token.domain.id:%(target.user.domain_id)s or user_id:%(target.user.id)s",
			"(owner) +++++\nreader --+-+\nmember --+-+\nmanager --+-+\nadmin +++++\n"},
		{"identity", "identity:create_region", "role:admin or is_admin:1", "admin ++--+\n"},
		{"image", "get_image", "", "reader +?---\nmember +?---\nmanager +?---\nadmin ++---\n"},
		{"volume", "volume_extension:services:index", "", "admin +++++\n"},
		{"placement", "placement:resource_providers:list", "", "admin ++---\nservice ++---\n"},
	} {
		e, err := policy.New(nil)
		require.NoError(t, err)
		a, err := e.WhoCan(c.service, c.rule)
		require.NoError(t, err)
		if c.expanded != "" {
			require.Equal(t, c.expanded, a.Expanded)
		}
		require.Equal(t, c.grid, grid(a), c.rule+": "+a.Expanded)
		require.False(t, a.Overridden)
	}
}

func TestWhoCanSeesOverrides(t *testing.T) {
	e, err := policy.New(map[string]map[string]string{"compute": {
		"project_member_or_admin": "role:builder and not project_id:None", "os_compute_api:servers:delete": "!",
	}})
	require.NoError(t, err)
	a, err := e.WhoCan("compute", "os_compute_api:servers:create")
	require.NoError(t, err)
	require.Equal(t, []string{"project_member_or_admin"}, a.Via)
	require.False(t, a.Overridden)
	require.Equal(t, "rule:project_member_or_admin", a.Check)
	require.Equal(t, "builder ++---\n", grid(a))
	a, err = e.WhoCan("compute", "os_compute_api:servers:delete")
	require.NoError(t, err)
	require.True(t, a.Overridden)
	require.Empty(t, grid(a))

	for _, c := range [][2]string{{"bakery", "bake"}, {"compute", "bake"}} {
		_, err = e.WhoCan(c[0], c[1])
		require.ErrorIs(t, err, fault.NotFound)
	}
}

// TestWhoCanAgrees compares the answers with what the enforcer decides, for all rules.
func TestWhoCanAgrees(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	member := &policy.Principal{UserID: "u", UserDomainID: "d", ProjectID: "p", ProjectDomainID: "d", Roles: []string{"reader", "member"}}
	for _, service := range policy.Services() {
		for _, r := range e.Rules(service) {
			a, err := e.WhoCan(service, r.Name)
			require.NoError(t, err)
			for _, row := range a.Roles {
				if row.Role == "member" && row.Project == policy.Yes && !strings.Contains(a.Expanded, "%") {
					require.True(t, e.Allowed(service, r.Name, member, nil), r.Name)
				}
				if row.Role == "member" && row.Project == policy.No {
					require.False(t, e.Allowed(service, r.Name, member, policy.Target{"project_id": "p"}), r.Name)
				}
			}
		}
	}
}

func TestExpansionIsBounded(t *testing.T) {
	rules := map[string]string{"r0": "role:reader and user_id:%(user_id)s"}
	for i := 1; i < 60; i++ {
		rules[fmt.Sprint("r", i)] = strings.ReplaceAll("not (rule:X and rule:X)", "X", fmt.Sprint("r", i-1))
	}
	e, err := policy.New(map[string]map[string]string{"compute": rules})
	require.NoError(t, err)
	a, err := e.WhoCan("compute", "r40")
	require.NoError(t, err)
	require.Less(t, len(a.Expanded), 1<<20)
}
