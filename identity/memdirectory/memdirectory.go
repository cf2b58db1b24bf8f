// Package memdirectory keeps users and groups in memory: the fake of the directories. It
// passes the same conformance suite as real ones, and faults can be set. It is a fake:
// it keeps passwords as they are.
package memdirectory

import (
	"context"
	"crypto/subtle"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/inject"
)

// Account is a user with its password; an empty one lets nobody in.
type Account struct {
	driver.User
	Password string
}

// Team is a group with the ids of its users.
type Team struct {
	driver.Group
	Members []string
}

// Config of New. The zero value is an empty directory that can be changed.
type Config struct {
	Users  []Account
	Groups []Team
	// ReadOnly refuses all changes but Set's.
	ReadOnly bool
	// Fault is asked at each call with the method's name and the id that it is about:
	// before the effect as "Users", after it as "Users/after". The call ends with the
	// error that it returns. It may block until ctx ends.
	Fault func(ctx context.Context, op, id string) error
	// Delay says how long a call takes on Clock.
	Delay func(op, id string) time.Duration
	Clock clock.Clock // the machine's if nil
}

// Directory is a driver.Writer in memory.
type Directory struct {
	readOnly bool
	points   *inject.Points

	mu     sync.Mutex
	users  map[string]Account
	groups map[string]Team
	closed bool
}

var _ driver.Writer = (*Directory)(nil)

// New returns a directory with the users and groups of cfg.
func New(cfg Config) *Directory {
	d := &Directory{readOnly: cfg.ReadOnly, points: inject.New(cfg.Clock, cfg.Fault, cfg.Delay)}
	d.Set(cfg.Users, cfg.Groups)
	return d
}

// Set replaces all users and groups, as somebody else does who administers the
// directory.
func (d *Directory) Set(users []Account, groups []Team) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users, d.groups = map[string]Account{}, map[string]Team{}
	for _, u := range users {
		d.users[u.ID] = u
	}
	for _, g := range groups {
		g.Members = slices.Clone(g.Members)
		d.groups[g.ID] = g
	}
}

// SetFault replaces Config.Fault; nil ends all faults.
func (d *Directory) SetFault(f func(ctx context.Context, op, id string) error) { d.points.SetFault(f) }

// SetDelay replaces Config.Delay; nil ends all delays.
func (d *Directory) SetDelay(f func(op, id string) time.Duration) { d.points.SetDelay(f) }

// Close ends the directory.
func (d *Directory) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// call runs do under the lock.
func (d *Directory) call(ctx context.Context, op, id string, do func() error) error {
	return d.points.Call(ctx, op, id, &d.mu, func() error {
		if d.closed {
			return driver.Errorf(driver.Unavailable, "The directory is closed.")
		}
		return do()
	})
}

// Authenticate checks a password.
func (d *Directory) Authenticate(ctx context.Context, ref driver.Ref, password string) (u driver.User, err error) {
	err = d.call(ctx, "Authenticate", ref.ID+ref.Name, func() error {
		a, ok := d.users[ref.ID]
		if ref.ID == "" {
			a, ok = d.only(ref.Name)
		}
		right := subtle.ConstantTimeCompare([]byte(a.Password), []byte(password)) == 1
		if !ok || !right || password == "" {
			return driver.Errorf(driver.Unauthenticated, "The user or its password is wrong.")
		}
		u = a.User
		return nil
	})
	return u, err
}

// only returns the user of a name that no other has.
func (d *Directory) only(name string) (Account, bool) {
	var found Account
	n := 0
	for _, a := range d.users {
		if a.Name == name {
			found = a
			n++
		}
	}
	return found, n == 1
}

func (d *Directory) named(name string) (Account, bool) {
	for _, a := range d.users {
		if a.Name == name {
			return a, true
		}
	}
	return Account{}, false
}

// Users lists users in order of their ids.
func (d *Directory) Users(ctx context.Context, q driver.Query) (list []driver.User, err error) {
	err = d.call(ctx, "Users", q.Name, func() (err error) {
		list, err = choose(d.users, q, func(a Account) (string, driver.User) { return a.Name, a.User })
		return err
	})
	return list, err
}

// Groups lists groups in order of their ids.
func (d *Directory) Groups(ctx context.Context, q driver.Query) (list []driver.Group, err error) {
	err = d.call(ctx, "Groups", q.Name, func() (err error) {
		list, err = choose(d.groups, q, func(t Team) (string, driver.Group) { return t.Name, t.Group })
		return err
	})
	return list, err
}

func choose[T, V any](all map[string]T, q driver.Query, show func(T) (string, V)) ([]V, error) {
	var list []V
	for _, id := range slices.Sorted(maps.Keys(all)) {
		name, v := show(all[id])
		if (q.IDs == nil || slices.Contains(q.IDs, id)) && (q.Name == "" || q.Name == name) {
			list = append(list, v)
		}
	}
	return list, within(len(list), q.Limit)
}

func within(n, limit int) error {
	if limit > 0 && n > limit {
		return driver.Errorf(driver.TooLarge, "The directory has more than %d entries that match.", limit)
	}
	return nil
}

// Members lists the users of a group in order of their ids.
func (d *Directory) Members(ctx context.Context, groupID string, limit int) (list []driver.User, err error) {
	err = d.call(ctx, "Members", groupID, func() error {
		t, ok := d.groups[groupID]
		if !ok {
			return missing("group")
		}
		for _, id := range slices.Sorted(slices.Values(t.Members)) {
			if a, ok := d.users[id]; ok {
				list = append(list, a.User)
			}
		}
		return within(len(list), limit)
	})
	return list, err
}

// GroupsOf lists the groups of a user in order of their ids.
func (d *Directory) GroupsOf(ctx context.Context, u driver.User, limit int) (list []driver.Group, err error) {
	err = d.call(ctx, "GroupsOf", u.ID, func() error {
		if _, ok := d.users[u.ID]; !ok {
			return nil
		}
		for _, id := range slices.Sorted(maps.Keys(d.groups)) {
			if t := d.groups[id]; slices.Contains(t.Members, u.ID) {
				list = append(list, t.Group)
			}
		}
		return within(len(list), limit)
	})
	return list, err
}

func missing(noun string) error {
	return driver.Errorf(driver.NotFound, "The directory has no such %s.", noun)
}
