package identityapi_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// BenchmarkLists measures lists among so many users and as many assignments: what an
// answer costs ought to depend on the answer. Of those that a filter has no index for,
// each user is looked at.
func BenchmarkLists(b *testing.B) {
	for _, n := range sizes(10_000, 1_000_000) {
		s := serve(b)
		s.populate(n)
		s.lists(b, n)
	}
}

// corner is what is rare in a population: a domain whose few users come last, and a group
// that has a role.
type corner struct{ domain, group, user, project, role string }

func (s *site) corner() corner {
	s.Helper()
	ctx := s.Context()
	d, err := s.svc.CreateDomain(ctx, identity.CreateDomainOptions{ID: "zz", Name: "zz"})
	require.NoError(s, err)
	g, err := s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(s, err)
	p, err := s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "top"})
	require.NoError(s, err)
	role, err := s.svc.CreateRole(ctx, identity.CreateRoleOptions{Name: "rare"})
	require.NoError(s, err)
	require.NoError(s, s.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, GroupID: g.ID, ProjectID: p.ID, Inherited: true}))
	c := corner{domain: d.ID, group: g.ID, project: p.ID, role: role.ID}
	for i := range 100 {
		u, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{ID: fmt.Sprintf("zz%d", i), Name: fmt.Sprint("late", i), DomainID: d.ID})
		require.NoError(s, err)
		require.NoError(s, s.svc.AddUserToGroup(ctx, g.ID, u.ID))
		_, err = s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: fmt.Sprint("below", i), ParentID: p.ID})
		require.NoError(s, err)
		c.user = u.ID
	}
	return c
}

func (s *site) lists(b *testing.B, n int) {
	c, token := s.corner(), s.admin()
	for _, list := range []struct{ name, path string }{
		{"first users", "users?limit=100"},
		{"last users", "users?limit=100&marker=ffe"},
		{"users of a domain", "users?limit=100&domain_id=default"},
		{"last users of a domain", "users?limit=100&domain_id=default&marker=ffe"},
		{"users of a late domain", "users?limit=100&domain_id=" + c.domain},
		{"a user by name", "users?name=user-7"},
		{"a user by name and domain", "users?name=user-7&domain_id=default"},
		{"enabled users", "users?limit=100&enabled=true"},
		{"no index: disabled users", "users?limit=100&enabled=false"},
		{"no index: part of a name", "users?limit=100&name__contains=late7"},
		{"users of a group", "groups/" + c.group + "/users?limit=100"},
		{"projects of a domain", "projects?limit=100&domain_id=default"},
		{"a project by name", "projects?name=top"},
		{"own projects", "auth/projects"},
		{"assignments", "role_assignments?limit=100"},
		{"assignments with names", "role_assignments?limit=100&include_names"},
		{"effective assignments", "role_assignments?limit=100&effective"},
		{"assignments of a user", "role_assignments?user.id=" + c.user},
		{"effective assignments of a user", "role_assignments?limit=100&effective&user.id=" + c.user},
		{"assignments of a group", "role_assignments?group.id=" + c.group},
		{"assignments of a role", "role_assignments?role.id=" + c.role},
		{"effective assignments of a role", "role_assignments?limit=100&effective&role.id=" + c.role},
		{"assignments on a project", "role_assignments?scope.project.id=" + c.project},
		{"assignments on a tree", "role_assignments?include_subtree=true&scope.project.id=" + c.project},
		{"inherited assignments", "role_assignments?scope.OS-INHERIT:inherited_to=projects"},
		{"all assignments that one answer has", "role_assignments"},
	} {
		request := get("/identity/v3/"+list.path, "X-Auth-Token", token)
		b.Run(fmt.Sprintf("%d/%s", n, list.name), func(b *testing.B) {
			load(b, s.url, http.StatusOK, func(int64) []byte { return request })
		})
	}
}

// BenchmarkChangesAmongMany measures a user who comes and goes among so many.
func BenchmarkChangesAmongMany(b *testing.B) {
	for _, n := range sizes(10_000, 1_000_000) {
		s := serve(b)
		s.populate(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) { s.comeAndGo(b) })
	}
}

func (s *site) comeAndGo(b *testing.B) {
	for i := range b.N {
		u, err := s.svc.CreateUser(b.Context(), identity.CreateUserOptions{Name: fmt.Sprint("passing", i)})
		require.NoError(b, err)
		require.NoError(b, s.svc.DeleteUser(b.Context(), u.ID))
	}
}
