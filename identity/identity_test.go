package identity_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

const adminPassword = "correct horse"

// open returns a service in memory with cheap password hashes.
func open(t testing.TB, change ...func(*identity.Config)) *identity.Service {
	t.Helper()
	cfg := identity.Config{
		AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost},
		Services: []identity.CatalogEntry{
			{Type: "identity", Name: "keystone", Path: "/identity/v3"},
			{Type: "compute", Name: "nova", Path: "/compute/v2.1"},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	s, err := identity.Open(t.Context(), cfg, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// byName is a log-in with a password as a user of the default domain.
func byName(user, password string) identity.LoginRequest {
	return identity.LoginRequest{Password: &identity.PasswordLogin{
		User:     identity.UserRef{Name: user, Domain: identity.DomainRef{ID: "default"}},
		Password: password,
	}}
}

// on gives a log-in the scope of a project of the default domain.
func on(req identity.LoginRequest, project string) identity.LoginRequest {
	req.Scope.Project = &identity.ProjectRef{Name: project, Domain: identity.DomainRef{Name: "Default"}}
	return req
}

// world is a service with a user "ann" who is a member of the project "lab".
type world struct {
	*identity.Service
	ann    identity.User
	lab    identity.Project
	member identity.Role
}

func newWorld(t testing.TB, change ...func(*identity.Config)) *world {
	t.Helper()
	ctx := context.Background()
	w := &world{Service: open(t, change...)}
	var err error
	w.ann, err = w.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", Password: "secret"})
	require.NoError(t, err)
	w.lab, err = w.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab"})
	require.NoError(t, err)
	w.member, err = w.FindRole(ctx, "member")
	require.NoError(t, err)
	require.NoError(t, w.Assign(ctx, w.assignment()))
	return w
}

func (w *world) assignment() identity.Assignment {
	return identity.Assignment{RoleID: w.member.ID, UserID: w.ann.ID, ProjectID: w.lab.ID}
}

// login issues a token for ann on lab.
func (w *world) login(t testing.TB) string {
	t.Helper()
	token, _, err := w.Login(context.Background(), on(byName("ann", "secret"), "lab"))
	require.NoError(t, err)
	return token
}

func roleNames(t *identity.Token) []string {
	var names []string
	for _, r := range t.Roles {
		names = append(names, r.Name)
	}
	return names
}

func TestScopes(t *testing.T) {
	s := open(t)
	admin := byName("admin", adminPassword)
	system, domain, unscoped := admin, admin, admin
	system.Scope.System = true
	domain.Scope.Domain = &identity.DomainRef{ID: "default"}
	unscoped.Scope.Unscoped = true

	token, got, err := s.Login(t.Context(), on(admin, "admin"))
	require.NoError(t, err)
	require.LessOrEqual(t, len(token), 255)
	require.Equal(t, "admin", got.Project.Name)
	require.Equal(t, identity.Ref{ID: "default", Name: "Default"}, got.Project.Domain)
	require.Equal(t, []string{"admin", "manager", "member", "reader"}, roleNames(got))
	require.Equal(t, []string{"password"}, got.Methods)
	require.Equal(t, time.Hour, got.ExpiresAt.Sub(got.IssuedAt))
	p, err := s.Authenticate(t.Context(), token)
	require.NoError(t, err)
	require.True(t, p.IsAdmin())
	require.Equal(t, got.Project.ID, p.ProjectID)

	_, got, err = s.Login(t.Context(), system)
	require.NoError(t, err)
	require.True(t, got.System)
	require.True(t, got.Principal().System)

	_, _, err = s.Login(t.Context(), domain)
	require.ErrorIs(t, err, fault.Unauthenticated, "admin has no role on the domain")

	_, got, err = s.Login(t.Context(), unscoped)
	require.NoError(t, err)
	require.False(t, got.Scoped())
	require.Empty(t, got.Roles)
}
