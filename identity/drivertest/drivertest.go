// Package drivertest has the conformance suites of directories of users and of protocols
// of identity providers. The author of a directory calls Run from a test, and RunWriter
// if it can be changed; the author of a protocol RunProtocol, and RunBrowser if it logs
// people in with their browsers.
package drivertest

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// Account is a user of the World. The directory may give it another ID.
type Account struct {
	driver.User
	Password string
}

// Team is a group of the World with the names of its users. The directory may give it
// another ID.
type Team struct {
	driver.Group
	Members []string
}

// World is what a directory holds before a test.
type World struct {
	Users  []Account
	Groups []Team
}

// The names of users and groups that look like the directory's own syntax.
const (
	oddName  = `Zoë (R&D) * "x", \ +jr=#1`
	oddGroup = `Ops, (night) * \shift`
	twinName = "twin"
)

// NewWorld returns the world of the suite. It has two users of one name, which a
// directory may keep out.
func NewWorld() World {
	user := func(id, name string, enabled bool) Account {
		return Account{
			User: driver.User{
				ID: id, Name: name, Enabled: enabled, Email: id + "@example.org", Description: "user " + id,
			},
			Password: password(id),
		}
	}
	return World{
		Users: []Account{
			user("ada", "ada", true), user("bob", "bob", true), user("dora", "dora", false),
			user("odd", oddName, true), user("twin1", twinName, true), user("twin2", twinName, true),
		},
		Groups: []Team{
			{Group: driver.Group{ID: "devs", Name: "devs", Description: "who builds"}, Members: []string{"ada", oddName}},
			{Group: driver.Group{ID: "ops", Name: oddGroup}, Members: []string{"ada", "bob"}},
			{Group: driver.Group{ID: "nobody", Name: "nobody"}},
		},
	}
}

func password(id string) string { return "pä55 " + id }

// suite is a directory and what tests do with it.
type suite struct {
	*testing.T
	d driver.Directory
}

func (s suite) ctx() context.Context { return s.Context() }

// Run tests every rule of driver.Directory. fresh returns one with the given world,
// which the suite closes.
func Run(t *testing.T, fresh func(t *testing.T, w World) driver.Directory) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			d := fresh(t, NewWorld())
			defer d.Close()
			c.run(suite{t, d})
		})
	}
}

var cases = []struct {
	name string
	run  func(s suite)
}{
	{"the right password gives the user", rightPassword},
	{"whatever is wrong is refused alike", wrongPassword},
	{"a name of several lets nobody in", twins},
	{"one that is disabled is shown as such", disabled},
	{"a password cannot be a filter", injection},
	{"users are listed whole", listUsers},
	{"users are found by name", findUsers},
	{"users are found by ids", usersByID},
	{"groups are listed and found", groups},
	{"more than the limit is too large", limits},
	{"groups have members and users have groups", members},
	{"what is not there", missing},
	{"a context that has ended ends the call", ended},
	{"many calls at once", atOnce},
	{"after Close it is unavailable", closed},
}

// user returns the user of a name.
func (s suite) user(name string) driver.User {
	s.Helper()
	list, err := s.d.Users(s.ctx(), driver.Query{Name: name})
	require.NoError(s, err)
	require.Len(s, list, 1)
	return list[0]
}

// group returns the group of a name.
func (s suite) group(name string) driver.Group {
	s.Helper()
	list, err := s.d.Groups(s.ctx(), driver.Query{Name: name})
	require.NoError(s, err)
	require.Len(s, list, 1)
	return list[0]
}

func userNames(list []driver.User) []string {
	names := []string{}
	for _, u := range list {
		names = append(names, u.Name)
	}
	slices.Sort(names)
	return names
}

func groupNames(list []driver.Group) []string {
	names := []string{}
	for _, g := range list {
		names = append(names, g.Name)
	}
	slices.Sort(names)
	return names
}
