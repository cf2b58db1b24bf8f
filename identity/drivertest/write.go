package drivertest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// RunWriter tests every rule that driver.Writer adds. fresh returns one with the given
// world, which the suite closes.
func RunWriter(t *testing.T, fresh func(t *testing.T, w World) driver.Writer) {
	for _, c := range writerCases {
		t.Run(c.name, func(t *testing.T) {
			d := fresh(t, NewWorld())
			defer d.Close()
			c.run(suite{t, d}, d)
		})
	}
}

// RunReadOnly tests that a directory that is read-only refuses all changes, and alters
// nothing.
func RunReadOnly(t *testing.T, fresh func(t *testing.T, w World) driver.Writer) {
	d := fresh(t, NewWorld())
	defer d.Close()
	s := suite{t, d}
	ada, devs := s.user("ada"), s.group("devs")
	name := "other"
	_, err1 := d.CreateUser(s.ctx(), driver.User{Name: name}, "secret")
	_, err2 := d.UpdateUser(s.ctx(), ada.ID, driver.UserChange{Name: &name})
	_, err3 := d.CreateGroup(s.ctx(), driver.Group{Name: name})
	_, err4 := d.UpdateGroup(s.ctx(), devs.ID, driver.GroupChange{Name: &name})
	for _, err := range []error{
		err1, err2, err3, err4, d.DeleteUser(s.ctx(), ada.ID), d.DeleteGroup(s.ctx(), devs.ID),
		d.AddMember(s.ctx(), devs.ID, ada.ID), d.RemoveMember(s.ctx(), devs.ID, ada.ID),
	} {
		require.ErrorIs(t, err, driver.Forbidden)
	}
	require.Equal(t, ada, s.user("ada"))
	members(s)
}

var writerCases = []struct {
	name string
	run  func(s suite, d driver.Writer)
}{
	{"a user is made, changed and deleted", writeUser},
	{"a user without a password cannot log in", noPassword},
	{"a new password takes the place of the old one", newPassword},
	{"names that are odd", oddNames},
	{"a name is taken once", takenOnce},
	{"a group is made, changed and deleted", writeGroup},
	{"members are added and removed", writeMembers},
	{"a deleted user is in no group", deletedMember},
	{"what is not there cannot be changed", changeMissing},
}

func (s suite) allowed(id, password string) bool {
	s.Helper()
	_, err := s.d.Authenticate(s.ctx(), driver.Ref{ID: id}, password)
	if err != nil {
		require.ErrorIs(s, err, driver.Unauthenticated)
	}
	return err == nil
}

func writeUser(s suite, d driver.Writer) {
	made, err := d.CreateUser(s.ctx(), driver.User{
		Name: "eve", Enabled: true, Email: "eve@example.org", Description: "new",
	}, "secret")
	require.NoError(s, err)
	require.NotEmpty(s, made.ID)
	require.Equal(s, made, s.user("eve"))
	require.True(s, made.Enabled)
	require.Equal(s, "new", made.Description)
	require.True(s, s.allowed(made.ID, "secret"))

	name, email, off, empty := "eva", "eva@example.org", false, ""
	changed, err := d.UpdateUser(s.ctx(), made.ID, driver.UserChange{
		Name: &name, Email: &email, Enabled: &off, Description: &empty,
	})
	require.NoError(s, err)
	require.Equal(s, made.ID, changed.ID)
	require.Equal(s, changed, s.user("eva"))
	require.Equal(s, []string{"eva", email, ""}, []string{changed.Name, changed.Email, changed.Description})
	require.False(s, changed.Enabled)

	require.NoError(s, d.DeleteUser(s.ctx(), made.ID))
	require.NoError(s, d.DeleteUser(s.ctx(), made.ID), "again")
	list, err := d.Users(s.ctx(), driver.Query{Name: "eva"})
	require.NoError(s, err)
	require.Empty(s, list)
	require.False(s, s.allowed(made.ID, "secret"))
}

func noPassword(s suite, d driver.Writer) {
	made, err := d.CreateUser(s.ctx(), driver.User{Name: "eve", Enabled: true}, "")
	require.NoError(s, err)
	require.False(s, s.allowed(made.ID, ""))
	require.False(s, s.allowed(made.ID, "x"))
}

func newPassword(s suite, d driver.Writer) {
	ada, fresh := s.user("ada"), "neü"
	changed, err := d.UpdateUser(s.ctx(), ada.ID, driver.UserChange{Password: &fresh})
	require.NoError(s, err)
	require.Equal(s, ada, changed)
	require.True(s, s.allowed(ada.ID, fresh))
	require.False(s, s.allowed(ada.ID, password("ada")))
}

func oddNames(s suite, d driver.Writer) {
	const name = ` #<a+b>=;"c", \ (d)*é `
	made, err := d.CreateUser(s.ctx(), driver.User{Name: "x" + name + "x", Enabled: true}, "secret")
	require.NoError(s, err)
	require.Equal(s, made, s.user("x"+name+"x"))
	g, err := d.CreateGroup(s.ctx(), driver.Group{Name: "y" + name + "y"})
	require.NoError(s, err)
	require.Equal(s, g, s.group("y"+name+"y"))
	require.NoError(s, d.AddMember(s.ctx(), g.ID, made.ID))
	list, err := d.Members(s.ctx(), g.ID, 10)
	require.NoError(s, err)
	require.Equal(s, []driver.User{made}, list)
	list2, err := d.GroupsOf(s.ctx(), made, 10)
	require.NoError(s, err)
	require.Equal(s, []driver.Group{g}, list2)
}

func takenOnce(s suite, d driver.Writer) {
	_, err := d.CreateUser(s.ctx(), driver.User{Name: "ada", Enabled: true}, "secret")
	require.ErrorIs(s, err, driver.AlreadyExists)
	_, err = d.CreateGroup(s.ctx(), driver.Group{Name: "devs"})
	require.ErrorIs(s, err, driver.AlreadyExists)
	ada := "ada"
	_, err = d.UpdateUser(s.ctx(), s.user("bob").ID, driver.UserChange{Name: &ada})
	require.ErrorIs(s, err, driver.AlreadyExists)
	_, err = d.UpdateUser(s.ctx(), s.user("ada").ID, driver.UserChange{Name: &ada})
	require.NoError(s, err, "its own name is free")
	require.True(s, s.allowed(s.user("ada").ID, password("ada")))
}

func writeGroup(s suite, d driver.Writer) {
	made, err := d.CreateGroup(s.ctx(), driver.Group{Name: "team", Description: "new"})
	require.NoError(s, err)
	require.NotEmpty(s, made.ID)
	require.Equal(s, made, s.group("team"))
	list, err := d.Members(s.ctx(), made.ID, 10)
	require.NoError(s, err)
	require.Empty(s, list)
	name, empty := "crew", ""
	changed, err := d.UpdateGroup(s.ctx(), made.ID, driver.GroupChange{Name: &name, Description: &empty})
	require.NoError(s, err)
	require.Equal(s, driver.Group{ID: made.ID, Name: "crew"}, changed)
	require.Equal(s, changed, s.group("crew"))
	require.NoError(s, d.DeleteGroup(s.ctx(), made.ID))
	require.NoError(s, d.DeleteGroup(s.ctx(), made.ID), "again")
	_, err = d.Members(s.ctx(), made.ID, 10)
	require.ErrorIs(s, err, driver.NotFound)
}

func writeMembers(s suite, d driver.Writer) {
	devs, bob := s.group("devs"), s.user("bob")
	for range 2 {
		require.NoError(s, d.AddMember(s.ctx(), devs.ID, bob.ID))
		list, err := d.Members(s.ctx(), devs.ID, 10)
		require.NoError(s, err)
		require.Equal(s, []string{oddName, "ada", "bob"}, userNames(list))
	}
	for range 2 {
		require.NoError(s, d.RemoveMember(s.ctx(), devs.ID, bob.ID))
	}
	for _, name := range []string{"ada", oddName} {
		require.NoError(s, d.RemoveMember(s.ctx(), devs.ID, s.user(name).ID), "the last one too")
	}
	list, err := d.Members(s.ctx(), devs.ID, 10)
	require.NoError(s, err)
	require.Empty(s, list)
}

func deletedMember(s suite, d driver.Writer) {
	require.NoError(s, d.DeleteUser(s.ctx(), s.user("ada").ID))
	list, err := d.Members(s.ctx(), s.group(oddGroup).ID, 10)
	require.NoError(s, err)
	require.Equal(s, []string{"bob"}, userNames(list))
}

func changeMissing(s suite, d driver.Writer) {
	name := "x"
	_, err := d.UpdateUser(s.ctx(), "gone", driver.UserChange{Name: &name})
	require.ErrorIs(s, err, driver.NotFound)
	_, err = d.UpdateGroup(s.ctx(), "gone", driver.GroupChange{Name: &name})
	require.ErrorIs(s, err, driver.NotFound)
	require.ErrorIs(s, d.AddMember(s.ctx(), "gone", s.user("ada").ID), driver.NotFound)
	require.ErrorIs(s, d.AddMember(s.ctx(), s.group("devs").ID, "gone"), driver.NotFound)
	require.ErrorIs(s, d.RemoveMember(s.ctx(), s.group("devs").ID, "gone"), driver.NotFound)
}
