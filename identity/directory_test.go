package identity_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memdirectory"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// account is a user "NAME" with the id "id-NAME" and the password "secret".
func account(name string) memdirectory.Account {
	return memdirectory.Account{
		User:     driver.User{ID: "id-" + name, Name: name, Enabled: true, Email: name + "@corp.example"},
		Password: "secret",
	}
}

func team(name string, members ...string) memdirectory.Team {
	t := memdirectory.Team{Group: driver.Group{ID: "g-" + name, Name: name}}
	for _, m := range members {
		t.Members = append(t.Members, "id-"+m)
	}
	return t
}

// corp is a service whose domain "corp" is kept by a directory with the users ada and
// bob and the group devs, in which ada is. Members of devs are members of the project lab.
type corp struct {
	*identity.Service
	dir  *memdirectory.Directory
	id   string // of the domain
	lab  identity.Project
	devs identity.Group
}

func newCorp(t testing.TB, readOnly bool, change ...func(*identity.Config)) *corp {
	t.Helper()
	c := &corp{dir: memdirectory.New(memdirectory.Config{ReadOnly: readOnly})}
	c.dir.Set([]memdirectory.Account{account("ada"), account("bob")}, []memdirectory.Team{team("devs", "ada")})
	c.Service = open(t, append(change, func(cfg *identity.Config) {
		cfg.Directories = map[string]driver.Directory{"corp": c.dir}
	})...)
	ctx := t.Context()
	domains, err := c.ListDomains(ctx, &identity.ListDomainsOptions{Name: "corp"})
	require.NoError(t, err)
	require.Len(t, domains, 1, "the domain is made")
	c.id = domains[0].ID
	c.lab, err = c.CreateProject(ctx, identity.CreateProjectOptions{Name: "lab", DomainID: c.id})
	require.NoError(t, err)
	groups, err := c.ListGroups(ctx, &identity.ListGroupsOptions{DomainID: c.id})
	require.NoError(t, err)
	require.Len(t, groups, 1)
	c.devs = groups[0]
	role, err := c.FindRole(ctx, "member")
	require.NoError(t, err)
	require.NoError(t, c.Assign(ctx, identity.Assignment{RoleID: role.ID, GroupID: c.devs.ID, ProjectID: c.lab.ID}))
	return c
}

// request is a log-in to the lab.
func (c *corp) request(name, password string) identity.LoginRequest {
	return identity.LoginRequest{
		Password: &identity.PasswordLogin{
			User: identity.UserRef{Name: name, Domain: identity.DomainRef{Name: "corp"}}, Password: password,
		},
		Scope: identity.LoginScope{Project: &identity.ProjectRef{ID: c.lab.ID}},
	}
}

func (c *corp) login(t testing.TB, name string) (string, *identity.Token) {
	t.Helper()
	token, what, err := c.Login(t.Context(), c.request(name, "secret"))
	require.NoError(t, err)
	return token, what
}

var errDown = errors.New("ldap://10.0.0.7: connection refused")

func (c *corp) down() {
	c.dir.SetFault(func(context.Context, string, string) error { return errDown })
}

func TestDirectoryLogin(t *testing.T) {
	c := newCorp(t, true)
	token, what := c.login(t, "ada")
	require.LessOrEqual(t, len(token), 255, "what databases of old clients hold")
	require.Equal(t, "ada", what.User.Name)
	require.Equal(t, c.id, what.User.Domain.ID)
	// What Keystone makes of the same: SHA-256 of domain, "user" and the directory's id.
	sum := sha256.Sum256([]byte(c.id + "user" + "id-ada"))
	require.Equal(t, hex.EncodeToString(sum[:]), what.User.ID)
	again, same := c.login(t, "ada")
	require.Equal(t, what.User.ID, same.User.ID)
	require.NotEqual(t, token, again)

	byID := c.request("", "secret")
	byID.Password.User = identity.UserRef{ID: what.User.ID}
	_, _, err := c.Login(t.Context(), byID)
	require.NoError(t, err)

	u, err := c.GetUser(t.Context(), what.User.ID)
	require.NoError(t, err)
	require.Equal(t, "ada@corp.example", u.Email)

	_, _, wrong := c.Login(t.Context(), c.request("ada", "wrong"))
	_, _, unknown := c.Login(t.Context(), c.request("eve", "secret"))
	_, _, empty := c.Login(t.Context(), c.request("ada", ""))
	_, _, noRole := c.Login(t.Context(), c.request("bob", "secret"))
	for _, err := range []error{wrong, unknown, empty, noRole} {
		require.ErrorIs(t, err, fault.Unauthenticated)
		require.Equal(t, fault.Public(wrong), fault.Public(err))
	}
}

// TestDirectoryExternal: somebody else has made sure who asks; the directory says which
// groups that is in.
func TestDirectoryExternal(t *testing.T) {
	c := newCorp(t, true)
	external := func(ref identity.UserRef) error {
		_, _, err := c.Login(t.Context(), identity.LoginRequest{
			External: &ref, Scope: identity.LoginScope{Project: &identity.ProjectRef{ID: c.lab.ID}},
		})
		return err
	}
	corp := identity.DomainRef{Name: "corp"}
	require.NoError(t, external(identity.UserRef{Name: "ada", Domain: corp}))
	require.ErrorIs(t, external(identity.UserRef{Name: "eve", Domain: corp}), fault.Unauthenticated)
	c.dir.Set([]memdirectory.Account{account("ada")}, nil)
	require.ErrorIs(t, external(identity.UserRef{Name: "ada", Domain: corp}), fault.Unauthenticated, "it has left its group")
	c.down()
	require.ErrorIs(t, external(identity.UserRef{Name: "ada", Domain: corp}), fault.Unavailable)
}

func TestDirectoryDown(t *testing.T) {
	c := newCorp(t, true)
	token, what := c.login(t, "ada")
	c.down()
	_, _, err := c.Login(t.Context(), c.request("ada", "secret"))
	require.ErrorIs(t, err, fault.Unavailable)
	require.NotContains(t, fault.Public(err), "10.0.0.7")
	_, err = c.ListUsers(t.Context(), &identity.ListUsersOptions{DomainID: c.id})
	require.ErrorIs(t, err, fault.Unavailable)

	_, err = c.Validate(t.Context(), token)
	require.NoError(t, err, "tokens go on")
	_, _, err = c.Login(t.Context(), identity.LoginRequest{Token: token})
	require.NoError(t, err, "and can be exchanged")
	_, err = c.GetUser(t.Context(), what.User.ID)
	require.NoError(t, err)
	_, _, err = c.Login(t.Context(), byName("admin", adminPassword))
	require.NoError(t, err, "other domains are not concerned")
	all, err := c.ListUsers(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, all, 2, "the administrator and ada, who is known")
	require.Error(t, c.RefreshDirectory(t.Context(), c.id))
	_, err = c.Validate(t.Context(), token)
	require.NoError(t, err)

	c.dir.SetFault(nil)
	c.login(t, "ada")
}

// TestDirectoryHangs: callers of a directory that does not answer get an error in time,
// and those beyond the queue at once.
func TestDirectoryHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCorp(t, true)
		synctest.Wait() // until the refresher has had its turn
		c.dir.SetFault(func(ctx context.Context, _, _ string) error {
			<-ctx.Done()
			return ctx.Err()
		})
		const callers = 200
		errs, began := make(chan error, callers), time.Now()
		for range callers {
			go func() {
				_, _, err := c.Login(t.Context(), c.request("ada", "secret"))
				errs <- err
			}()
		}
		count := map[fault.Kind]int{}
		for range callers {
			count[fault.Of(<-errs)]++
		}
		require.Equal(t, callers, count[fault.Unavailable]+count[fault.RateLimited])
		require.Equal(t, 80, count[fault.Unavailable], "16 at once and 64 who wait")
		require.LessOrEqual(t, time.Since(began), 11*time.Second)
		require.NoError(t, c.Close())
	})
}

func TestDirectoryRefresh(t *testing.T) {
	for name, lose := range map[string]func(c *corp){
		"deleted": func(c *corp) {
			c.dir.Set([]memdirectory.Account{account("bob")}, []memdirectory.Team{team("devs", "ada")})
		},
		"disabled": func(c *corp) {
			ada := account("ada")
			ada.Enabled = false
			c.dir.Set([]memdirectory.Account{ada}, []memdirectory.Team{team("devs", "ada")})
		},
		"out of the group": func(c *corp) {
			c.dir.Set([]memdirectory.Account{account("ada")}, []memdirectory.Team{team("devs", "bob")})
		},
		"group deleted": func(c *corp) {
			c.dir.Set([]memdirectory.Account{account("ada")}, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newCorp(t, true)
				synctest.Wait() // until the refresher has had its turn
				token, _ := c.login(t, "ada")
				lose(c)
				_, err := c.Validate(t.Context(), token)
				require.NoError(t, err, "nobody has looked yet")
				time.Sleep(6 * time.Minute)
				_, err = c.Validate(t.Context(), token)
				require.ErrorIs(t, err, fault.Unauthenticated)

				c.dir.Set([]memdirectory.Account{account("ada")}, []memdirectory.Team{team("devs", "ada")})
				time.Sleep(6 * time.Minute)
				_, _ = c.login(t, "ada")
				if name == "deleted" || name == "disabled" {
					_, err = c.Validate(t.Context(), token)
					require.ErrorIs(t, err, fault.Unauthenticated, "an old token does not come back")
				}
				require.NoError(t, c.Close())
			})
		})
	}
}

func TestDirectoryForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCorp(t, true)
		_, what := c.login(t, "ada")
		role, err := c.FindRole(t.Context(), "reader")
		require.NoError(t, err)
		a := identity.Assignment{RoleID: role.ID, UserID: what.User.ID, ProjectID: c.lab.ID}
		require.NoError(t, c.Assign(t.Context(), a))
		c.dir.Set(nil, nil)
		time.Sleep(20 * 24 * time.Hour)
		_, err = c.GetUser(t.Context(), what.User.ID)
		require.ErrorIs(t, err, fault.NotFound)
		has, err := c.ListAssignments(t.Context(), &identity.ListAssignmentsOptions{UserID: what.User.ID})
		require.NoError(t, err)
		require.Len(t, has, 1, "it may come back")
		time.Sleep(11 * 24 * time.Hour)
		has, err = c.ListAssignments(t.Context(), &identity.ListAssignmentsOptions{UserID: what.User.ID})
		require.NoError(t, err)
		require.Empty(t, has)
		require.NoError(t, c.Close())
	})
}

// TestDirectoryNames: names move between users, and those that several have are nobody's.
func TestDirectoryNames(t *testing.T) {
	c := newCorp(t, true)
	_, before := c.login(t, "ada")
	ada, bob := account("ada"), account("bob")
	ada.Name, bob.Name = "ada-old", "ada"
	c.dir.Set([]memdirectory.Account{ada, bob}, []memdirectory.Team{team("devs", "ada", "bob")})
	_, after := c.login(t, "ada")
	require.NotEqual(t, before.User.ID, after.User.ID)
	require.NoError(t, c.RefreshDirectory(t.Context(), c.id))
	u, err := c.GetUser(t.Context(), before.User.ID)
	require.NoError(t, err)
	require.Equal(t, "ada-old", u.Name)

	eve := account("eve")
	eve.Name = "ada"
	c.dir.Set([]memdirectory.Account{ada, bob, eve}, nil)
	list, err := c.ListUsers(t.Context(), &identity.ListUsersOptions{DomainID: c.id})
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "ada-old", list[0].Name)
	_, _, err = c.Login(t.Context(), c.request("ada", "secret"))
	require.ErrorIs(t, err, fault.Unauthenticated)
}

// TestDirectoryOwnUsers: users that the cloud made before stay its own.
func TestDirectoryOwnUsers(t *testing.T) {
	dir := memdirectory.New(memdirectory.Config{Users: []memdirectory.Account{account("admin"), account("ada")}})
	s := open(t, func(cfg *identity.Config) {
		cfg.Directories = map[string]driver.Directory{"Default": dir}
	})
	_, _, err := s.Login(t.Context(), byName("admin", adminPassword))
	require.NoError(t, err)
	_, _, err = s.Login(t.Context(), byName("admin", "secret"))
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, _, err = s.Login(t.Context(), byName("ada", "secret"))
	require.NoError(t, err)
	list, err := s.ListUsers(t.Context(), &identity.ListUsersOptions{DomainID: "default"})
	require.NoError(t, err)
	require.Len(t, list, 2)
}

func TestDirectoryReadOnly(t *testing.T) {
	c := newCorp(t, true)
	ctx := t.Context()
	_, what := c.login(t, "ada")
	id, name, project := what.User.ID, "x", "p"
	_, err1 := c.CreateUser(ctx, identity.CreateUserOptions{Name: "eve", DomainID: c.id})
	_, err2 := c.UpdateUser(ctx, id, identity.UpdateUserOptions{Name: &name})
	_, err3 := c.CreateGroup(ctx, identity.CreateGroupOptions{Name: "eve", DomainID: c.id})
	_, err4 := c.UpdateGroup(ctx, c.devs.ID, identity.UpdateGroupOptions{Name: &name})
	for _, err := range []error{
		err1, err2, err3, err4, c.DeleteUser(ctx, id), c.DeleteGroup(ctx, c.devs.ID),
		c.AddUserToGroup(ctx, c.devs.ID, id), c.RemoveUserFromGroup(ctx, c.devs.ID, id),
		c.ChangePassword(ctx, id, "secret", "other"),
	} {
		require.ErrorIs(t, err, fault.Forbidden)
	}
	require.ErrorIs(t, c.ChangePassword(ctx, id, "wrong", "other"), fault.Unauthenticated)
	u, err := c.UpdateUser(ctx, id, identity.UpdateUserOptions{DefaultProjectID: &project})
	require.NoError(t, err, "the cloud keeps this itself")
	require.NoError(t, c.RefreshDirectory(ctx, c.id))
	again, err := c.GetUser(ctx, id)
	require.NoError(t, err)
	require.Equal(t, u, again)
}

func TestDirectoryWritten(t *testing.T) {
	c := newCorp(t, false)
	ctx := t.Context()
	eve, err := c.CreateUser(ctx, identity.CreateUserOptions{
		Name: "eve", DomainID: c.id, Password: "first", DefaultProjectID: c.lab.ID, Extra: identity.Attributes{"desk": "7"},
	})
	require.NoError(t, err)
	require.Equal(t, c.lab.ID, eve.DefaultProjectID)
	_, err = c.CreateUser(ctx, identity.CreateUserOptions{Name: "eve", DomainID: c.id})
	require.ErrorIs(t, err, fault.AlreadyExists)
	require.NoError(t, c.AddUserToGroup(ctx, c.devs.ID, eve.ID))
	require.NoError(t, c.CheckUserInGroup(ctx, c.devs.ID, eve.ID))
	token, _, err := c.Login(ctx, c.request("eve", "first"))
	require.NoError(t, err)

	require.NoError(t, c.ChangePassword(ctx, eve.ID, "first", "second"))
	_, err = c.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)
	token, _, err = c.Login(ctx, c.request("eve", "second"))
	require.NoError(t, err)
	mail, off := "eve@corp.example", false
	u, err := c.UpdateUser(ctx, eve.ID, identity.UpdateUserOptions{Email: &mail, Enabled: &off})
	require.NoError(t, err)
	require.Equal(t, mail, u.Email)
	require.Equal(t, identity.Attributes{"desk": "7"}, u.Extra)
	_, err = c.Validate(ctx, token)
	require.ErrorIs(t, err, fault.Unauthenticated)

	members, err := c.ListUsersInGroup(ctx, c.devs.ID)
	require.NoError(t, err)
	require.Len(t, members, 2)
	require.NoError(t, c.RemoveUserFromGroup(ctx, c.devs.ID, eve.ID))
	require.ErrorIs(t, c.RemoveUserFromGroup(ctx, c.devs.ID, eve.ID), fault.NotFound)
	require.NoError(t, c.DeleteUser(ctx, eve.ID))
	left, err := c.dir.Users(ctx, driver.Query{Name: "eve"})
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = c.GetUser(ctx, eve.ID)
	require.ErrorIs(t, err, fault.NotFound)

	crew, err := c.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew", DomainID: c.id})
	require.NoError(t, err)
	what := "who sails"
	crew, err = c.UpdateGroup(ctx, crew.ID, identity.UpdateGroupOptions{Description: &what})
	require.NoError(t, err)
	require.Equal(t, what, crew.Description)
	require.NoError(t, c.DeleteGroup(ctx, crew.ID))
	groups, err := c.dir.Groups(ctx, driver.Query{Name: "crew"})
	require.NoError(t, err)
	require.Empty(t, groups)
}

func TestDirectoryAttachDetach(t *testing.T) {
	c := newCorp(t, true)
	ctx := t.Context()
	token, what := c.login(t, "ada")
	require.NoError(t, c.DetachDirectory(ctx, c.id))
	_, _, err := c.Login(ctx, c.request("ada", "secret"))
	require.ErrorIs(t, err, fault.Unauthenticated)
	_, err = c.Validate(ctx, token)
	require.NoError(t, err)
	other := memdirectory.New(memdirectory.Config{Users: []memdirectory.Account{account("ada")}})
	require.NoError(t, c.AttachDirectory(ctx, c.id, other))
	unscoped := c.request("ada", "secret")
	unscoped.Scope = identity.LoginScope{Unscoped: true}
	_, again, err := c.Login(ctx, unscoped)
	require.NoError(t, err)
	require.Equal(t, what.User.ID, again.User.ID)
	require.ErrorIs(t, c.AttachDirectory(ctx, "gone", other), fault.NotFound)
	require.NoError(t, c.Close())
	_, err = other.Users(ctx, driver.Query{})
	require.ErrorIs(t, err, driver.Unavailable, "the service closes what was attached")
	_, err = c.dir.Users(ctx, driver.Query{})
	require.NoError(t, err, "and not what it was configured with")
}
