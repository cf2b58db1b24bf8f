package identity_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestNamesAreUniqueWhereTheyMust(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	far, err := w.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	for name, create := range map[string]func(domain string) error{
		"user": func(d string) error {
			_, err := w.CreateUser(ctx, identity.CreateUserOptions{Name: "ann", DomainID: d})
			return err
		},
		"project": func(d string) error {
			_, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab", DomainID: d})
			return err
		},
		"role": func(d string) error {
			if d == "default" {
				d = "" // a global role
			}
			_, err := w.CreateRole(ctx, identity.CreateRoleOptions{Name: "member", DomainID: d})
			return err
		},
	} {
		require.ErrorIs(t, create("default"), fault.AlreadyExists, name)
		require.NoError(t, create(far.ID), name)
	}
	_, err = w.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.ErrorIs(t, err, fault.AlreadyExists)
	_, err = w.CreateUser(ctx, identity.CreateUserOptions{Name: "x", DomainID: "nowhere"})
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.CreateProject(ctx, identity.CreateProjectOptions{Name: strings.Repeat("x", 65)})
	require.ErrorIs(t, err, fault.Invalid)
	name := "admin"
	_, err = w.UpdateUser(ctx, w.ann.ID, identity.UpdateUserOptions{Name: &name})
	require.ErrorIs(t, err, fault.AlreadyExists)
}

func TestDeletingADomainTakesEverythingInIt(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	d, err := w.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	u, err := w.CreateUser(ctx, identity.CreateUserOptions{Name: "bob", DomainID: d.ID})
	require.NoError(t, err)
	g, err := w.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew", DomainID: d.ID})
	require.NoError(t, err)
	require.NoError(t, w.AddUserToGroup(ctx, g.ID, u.ID))
	p, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "p", DomainID: d.ID})
	require.NoError(t, err)
	child, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "c", ParentID: p.ID})
	require.NoError(t, err)
	require.Equal(t, d.ID, child.DomainID)
	require.NoError(t, w.Assign(ctx, identity.Assignment{RoleID: w.member.ID, GroupID: g.ID, ProjectID: child.ID}))

	require.ErrorIs(t, w.DeleteDomain(ctx, d.ID), fault.Forbidden, "it is enabled")
	require.ErrorIs(t, w.DeleteProject(ctx, p.ID), fault.Forbidden, "it has a child")
	off := false
	_, err = w.UpdateDomain(ctx, d.ID, identity.UpdateDomainOptions{Enabled: &off})
	require.NoError(t, err)
	require.NoError(t, w.DeleteDomain(ctx, d.ID))
	_, err = w.GetUser(ctx, u.ID)
	require.ErrorIs(t, err, fault.NotFound)
	_, err = w.GetProject(ctx, child.ID)
	require.ErrorIs(t, err, fault.NotFound)
	left, err := w.ListAssignments(ctx, &identity.ListAssignmentsOptions{RoleID: w.member.ID})
	require.NoError(t, err)
	require.Len(t, left, 1, "only ann's")
}

func TestRolesThroughGroupsInheritanceAndImplication(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob, err := w.CreateUser(ctx, identity.CreateUserOptions{Name: "bob", Password: "pw"})
	require.NoError(t, err)
	crew, err := w.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(t, err)
	require.NoError(t, w.AddUserToGroup(ctx, crew.ID, bob.ID))
	child, err := w.CreateProject(ctx, identity.CreateProjectOptions{Name: "bench", ParentID: w.lab.ID})
	require.NoError(t, err)
	require.NoError(t, w.Assign(ctx, identity.Assignment{
		RoleID: w.member.ID, GroupID: crew.ID, ProjectID: w.lab.ID, Inherited: true,
	}))

	_, _, err = w.Login(ctx, on(byName("bob", "pw"), "lab"))
	require.ErrorIs(t, err, fault.Unauthenticated, "inherited roles do not hold on the project itself")
	_, got, err := w.Login(ctx, on(byName("bob", "pw"), "bench"))
	require.NoError(t, err)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))
	projects, err := w.ProjectsOf(ctx, bob.ID)
	require.NoError(t, err)
	require.Len(t, projects, 1)

	list, err := w.ListAssignments(ctx, &identity.ListAssignmentsOptions{UserID: bob.ID, Effective: true})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, child.ID, list[0].ProjectID)
	require.Equal(t, crew.ID, list[0].ViaGroupID)
	require.Equal(t, w.lab.ID, list[0].FromProjectID)
	require.Equal(t, w.member.ID, list[1].PriorRoleID)

	require.NoError(t, w.RemoveUserFromGroup(ctx, crew.ID, bob.ID))
	_, _, err = w.Login(ctx, on(byName("bob", "pw"), "bench"))
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestInferencesMakeNoCircle(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	reader, err := s.FindRole(ctx, "reader")
	require.NoError(t, err)
	manager, err := s.FindRole(ctx, "manager")
	require.NoError(t, err)
	admin, err := s.FindRole(ctx, "admin")
	require.NoError(t, err)
	require.ErrorIs(t, s.CreateInference(ctx, reader.ID, manager.ID), fault.Forbidden)
	require.ErrorIs(t, s.CreateInference(ctx, reader.ID, admin.ID), fault.Forbidden)
	require.ErrorIs(t, s.DeleteRole(ctx, reader.ID), fault.Forbidden, "the first roles are immutable")
}

func TestApplicationCredentials(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	reader, err := w.FindRole(ctx, "reader")
	require.NoError(t, err)
	c, secret, err := w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID, RoleIDs: []string{reader.ID},
	})
	require.NoError(t, err)
	req := identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret}}
	var token string
	for range 2 { // the second time the secret is remembered
		var got *identity.Token
		token, got, err = w.Login(ctx, req)
		require.NoError(t, err)
		require.LessOrEqual(t, len(token), 255)
		require.Equal(t, []string{"reader"}, roleNames(got))
		require.True(t, got.AppCredential.Restricted)
	}
	wrong := identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret + "x"}}
	_, _, err = w.Login(ctx, wrong)
	require.ErrorIs(t, err, fault.Unauthenticated)
	elsewhere := identity.LoginRequest{Token: token}
	elsewhere.Scope.System = true
	_, _, err = w.Login(ctx, elsewhere)
	require.ErrorIs(t, err, fault.Forbidden, "its tokens cannot change their scope")
	_, again, err := w.Login(ctx, identity.LoginRequest{Token: token})
	require.NoError(t, err)
	require.Equal(t, []string{"reader"}, roleNames(again))

	require.NoError(t, w.Unassign(ctx, w.assignment()))
	_, err = w.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, err = w.GetApplicationCredential(ctx, c.ID)
	require.ErrorIs(t, err, fault.NotFound, "it went with the role")
	_, _, err = w.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID, RoleIDs: []string{reader.ID},
	})
	require.ErrorIs(t, err, fault.Invalid, "ann has no role to pass on")
}

func TestTrust(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	bob, err := w.CreateUser(ctx, identity.CreateUserOptions{Name: "bob", Password: "pw"})
	require.NoError(t, err)
	once := 1
	trust, err := w.CreateTrust(ctx, identity.CreateTrustOptions{
		TrustorID: w.ann.ID, TrusteeID: bob.ID, ProjectID: w.lab.ID,
		RoleIDs: []string{w.member.ID}, Impersonation: true, Remaining: &once,
	})
	require.NoError(t, err)
	other := byName("admin", adminPassword)
	other.Scope.TrustID = trust.ID
	_, _, err = w.Login(ctx, other)
	require.ErrorIs(t, err, fault.Forbidden, "only the trustee may use it")
	req := byName("bob", "pw")
	req.Scope.TrustID = trust.ID
	token, got, err := w.Login(ctx, req)
	require.NoError(t, err)
	require.LessOrEqual(t, len(token), 255)
	require.Equal(t, "ann", got.User.Name)
	require.Equal(t, []string{"member", "reader"}, roleNames(got))
	_, _, err = w.Login(ctx, req)
	require.Error(t, err, "it is used up")
	_, err = w.Validate(ctx, token)
	require.NoError(t, err)
	require.NoError(t, w.DeleteTrust(ctx, trust.ID))
	_, err = w.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)
}

func TestStateAndKeysOnDisk(t *testing.T) {
	dir := t.TempDir()
	cfg := identity.Config{AdminPassword: adminPassword, Settings: identity.Settings{BcryptCost: bcrypt.MinCost}}
	start := func() *identity.Service {
		s, err := identity.Open(t.Context(), cfg, &identity.OpenOptions{Dir: dir})
		require.NoError(t, err)
		return s
	}
	s := start()
	token, _, err := s.Login(t.Context(), on(byName("admin", adminPassword), "admin"))
	require.NoError(t, err)
	cred, err := s.CreateCredential(t.Context(), identity.CreateCredentialOptions{Type: "cert", Blob: "very private", UserID: "u"})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	db, err := os.ReadFile(filepath.Join(dir, "identity.db"))
	require.NoError(t, err)
	for _, secret := range []string{"very private", adminPassword, token} {
		require.NotContains(t, string(db), secret)
	}
	keys, err := filepath.Glob(filepath.Join(dir, "*-keys", "*"))
	require.NoError(t, err)
	require.Len(t, keys, 6)
	for _, k := range keys {
		info, err := os.Stat(k)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	}

	cfg.AdminPassword = "another that must not count"
	s = start()
	defer func() { require.NoError(t, s.Close()) }()
	_, err = s.Validate(t.Context(), token)
	require.NoError(t, err, "tokens outlive a restart")
	_, _, err = s.Login(t.Context(), on(byName("admin", adminPassword), "admin"))
	require.NoError(t, err, "bootstrap changes no password")
	got, err := s.GetCredential(t.Context(), cred.ID)
	require.NoError(t, err)
	require.Equal(t, "very private", got.Blob)

	for range 2 { // the old primary key becomes secondary, then is dropped
		_, err = s.Validate(t.Context(), token)
		require.NoError(t, err)
		require.NoError(t, s.RotateKeys(t.Context()))
	}
	_, err = s.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, _, err = s.Login(t.Context(), on(byName("admin", adminPassword), "admin"))
	require.NoError(t, err)
}

func TestLogInsDoNotPileUp(t *testing.T) {
	s := open(t, func(c *identity.Config) { c.BcryptCost, c.HashWorkers, c.HashQueue = 10, 1, 2 })
	var mu sync.Mutex
	kinds := map[fault.Kind]int{}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _, err := s.Login(context.Background(), byName("admin", "wrong"))
			mu.Lock()
			defer mu.Unlock()
			kinds[fault.Of(err)]++
		})
	}
	wg.Wait()
	require.Positive(t, kinds[fault.RateLimited], "the queue has an end")
	require.Positive(t, kinds[fault.Unauthenticated], "some were served")
	require.Equal(t, 50, kinds[fault.RateLimited]+kinds[fault.Unauthenticated])
}

func TestLongPasswords(t *testing.T) {
	s := open(t)
	long := strings.Repeat("x", 100)
	_, err := s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "long", Password: long + "1"})
	require.NoError(t, err)
	_, _, err = s.Login(t.Context(), byName("long", long+"1"))
	require.NoError(t, err)
	_, _, err = s.Login(t.Context(), byName("long", long+"2"))
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, err = s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "longer", Password: strings.Repeat("x", 5000)})
	require.ErrorIs(t, err, fault.Invalid)
}

func TestDefaultProjectIsTheScopeOfLogInsWithoutOne(t *testing.T) {
	w := newWorld(t)
	_, err := w.UpdateUser(t.Context(), w.ann.ID, identity.UpdateUserOptions{DefaultProjectID: &w.lab.ID})
	require.NoError(t, err)
	_, got, err := w.Login(t.Context(), byName("ann", "secret"))
	require.NoError(t, err)
	require.Equal(t, w.lab.ID, got.Project.ID)
	require.NoError(t, w.Unassign(t.Context(), w.assignment()))
	_, got, err = w.Login(t.Context(), byName("ann", "secret"))
	require.NoError(t, err)
	require.False(t, got.Scoped())

	require.NoError(t, w.DeleteProject(t.Context(), w.lab.ID))
	u, err := w.GetUser(t.Context(), w.ann.ID)
	require.NoError(t, err)
	require.Empty(t, u.DefaultProjectID, "the project is gone")
}
