package identity_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

const day = 24 * time.Hour

// ruled gives a service password rules.
func ruled(rules identity.PasswordRules) func(*identity.Config) {
	return func(c *identity.Config) { c.Passwords = rules }
}

// try logs ann in and returns the error.
func (w *world) try(t testing.TB, password string) error {
	_, _, err := w.Login(t.Context(), byName("ann", password))
	return err
}

// requireDenied demands the one answer that says nothing.
func requireDenied(t testing.TB, err error, of ...any) {
	t.Helper()
	require.ErrorIs(t, err, fault.Unauthenticated, of...)
	require.Equal(t, "The request you have made requires authentication.", fault.Public(err), of...)
}

func option(name string, value any) identity.UpdateUserOptions {
	return identity.UpdateUserOptions{Options: identity.Attributes{name: value}}
}

func (w *world) set(t testing.TB, opts identity.UpdateUserOptions) {
	t.Helper()
	_, err := w.UpdateUser(t.Context(), w.ann.ID, opts)
	require.NoError(t, err)
}

// A long password is hashed by its sum; the sum is no password.
func TestLongPassword(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("long ", 20)
	w.set(t, identity.UpdateUserOptions{Password: &long})
	require.NoError(t, w.try(t, long))
	requireDenied(t, w.try(t, long+"er"))
	requireDenied(t, w.try(t, fmt.Sprintf("%x", sha256.Sum256([]byte(long)))))
}

func TestRulesThatCannotBeKept(t *testing.T) {
	for name, rules := range map[string]identity.PasswordRules{
		"no regular expression": {Patterns: []string{"("}, Description: "x"},
		"no description":        {Patterns: []string{"x"}},
		"long history":          {History: 25},
		"negative":              {LockoutAttempts: -1},
		"expires too early":     {ExpireAfter: day, MinimumAge: day},
	} {
		_, err := identity.Open(t.Context(), identity.Config{Settings: identity.Settings{Passwords: rules}}, nil)
		require.ErrorIs(t, err, fault.Invalid, name)
	}
}

func TestPasswordPatterns(t *testing.T) {
	w := newWorld(t)
	_, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", Password: "x"})
	require.NoError(t, err, "nothing is asked by default")

	s := open(t, ruled(identity.PasswordRules{Patterns: []string{`^.{7,}$`, `\d`}, Description: "seven characters, one of them a digit"}))
	for _, weak := range []string{"short1", "no digits here"} {
		_, err := s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", Password: weak})
		require.ErrorIs(t, err, fault.Invalid)
		require.Contains(t, fault.Public(err), "seven characters")
		require.NotContains(t, err.Error(), weak)
	}
	u, err := s.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", Password: "long enough 1"})
	require.NoError(t, err)
	weak := "weak"
	_, err = s.UpdateUser(t.Context(), u.ID, identity.UpdateUserOptions{Password: &weak})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorIs(t, s.ChangePassword(t.Context(), u.ID, "long enough 1", weak), fault.Invalid)
	_, _, err = s.Login(t.Context(), byName("bob", "long enough 1"))
	require.NoError(t, err, "nothing has changed")
}

func TestPasswordHistory(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{History: 3}))
	change := func(from, to string) error { return w.ChangePassword(t.Context(), w.ann.ID, from, to) }
	require.ErrorIs(t, change("secret", "secret"), fault.Invalid)
	require.NoError(t, change("secret", "two"))
	require.NoError(t, change("two", "three"))
	for _, used := range []string{"secret", "two", "three"} {
		require.ErrorIs(t, change("three", used), fault.Invalid, used)
	}
	require.NoError(t, change("three", "four"))
	require.NoError(t, change("four", "secret"), "four passwords ago")
	again := "four"
	w.set(t, identity.UpdateUserOptions{Password: &again})
	require.NoError(t, w.try(t, "four"), "an administrator may set what it likes")

	free := newWorld(t)
	require.NoError(t, free.ChangePassword(t.Context(), free.ann.ID, "secret", "secret"), "no history is kept by default")
}

func TestMinimumPasswordAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ruled(identity.PasswordRules{MinimumAge: 2 * day}))
		require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "two"), "the first was not its own")
		err := w.ChangePassword(t.Context(), w.ann.ID, "two", "three")
		require.ErrorIs(t, err, fault.Invalid)
		require.Contains(t, fault.Public(err), "2 day(s)")
		time.Sleep(2 * day)
		require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "two", "three"))
	})
}

func TestPasswordExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ruled(identity.PasswordRules{ExpireAfter: 10 * day}))
		u, err := w.GetUser(t.Context(), w.ann.ID)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now().Add(10*day), *u.PasswordExpires, time.Second)
		time.Sleep(10 * day)
		err = w.try(t, "secret")
		require.ErrorIs(t, err, fault.Unauthenticated)
		require.Equal(t, "The password is expired and needs to be changed for user: "+w.ann.ID+".", fault.Public(err))
		requireDenied(t, w.try(t, "wrong"), "only who knows it is told")
		w.set(t, option("ignore_password_expiry", true))
		require.NoError(t, w.try(t, "secret"))
		w.set(t, option("ignore_password_expiry", nil))
		require.Error(t, w.try(t, "secret"))
		requireDenied(t, w.ChangePassword(t.Context(), w.ann.ID, "wrong", "fresh"))
		require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "fresh"))
		require.NoError(t, w.try(t, "fresh"))
	})
}

func TestChangeUponFirstUse(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{ChangeUponFirstUse: true}))
	err := w.try(t, "secret")
	require.Contains(t, fault.Public(err), "needs to be changed")
	require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "mine"))
	require.NoError(t, w.try(t, "mine"))
	reset := "reset"
	w.set(t, identity.UpdateUserOptions{Password: &reset})
	require.Error(t, w.try(t, reset))
	exempt := identity.UpdateUserOptions{Password: &reset, Options: identity.Attributes{"ignore_change_password_upon_first_use": true}}
	w.set(t, exempt)
	require.NoError(t, w.try(t, reset))
	_, _, err = w.Login(t.Context(), byName("admin", adminPassword))
	require.NoError(t, err, "whoever starts the cloud chose it")
}

func TestLockedPassword(t *testing.T) {
	w := newWorld(t)
	w.set(t, option("lock_password", true))
	requireDenied(t, w.ChangePassword(t.Context(), w.ann.ID, "wrong", "other"))
	require.ErrorIs(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "other"), fault.Invalid)
	w.set(t, option("lock_password", false))
	require.NoError(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "other"))
}

func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 3, LockoutDuration: time.Minute}))
		fail := func(n int) {
			for range n {
				requireDenied(t, w.try(t, "wrong"))
			}
		}
		fail(2)
		require.NoError(t, w.try(t, "secret"))
		fail(2)
		require.NoError(t, w.try(t, "secret"), "a right password forgives the wrong ones before it")
		fail(2)
		requireDenied(t, w.ChangePassword(t.Context(), w.ann.ID, "wrong", "x"))
		requireDenied(t, w.try(t, "secret"))
		requireDenied(t, w.ChangePassword(t.Context(), w.ann.ID, "secret", "x"))
		_, _, err := w.Login(t.Context(), byName("admin", adminPassword))
		require.NoError(t, err, "others are not concerned")
		time.Sleep(50 * time.Second)
		fail(5) // while locked out nothing is counted
		time.Sleep(11 * time.Second)
		require.NoError(t, w.try(t, "secret"))

		fail(3)
		requireDenied(t, w.try(t, "secret"))
		enabled := true
		w.set(t, identity.UpdateUserOptions{Enabled: &enabled})
		require.NoError(t, w.try(t, "secret"), "an administrator has let it in")
		w.set(t, option("ignore_lockout_failure_attempts", true))
		fail(5)
		require.NoError(t, w.try(t, "secret"))
	})
}

func TestLockedOutUntilEnabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 1, LockoutDuration: -1}))
		requireDenied(t, w.try(t, "wrong"))
		time.Sleep(1000 * day)
		requireDenied(t, w.try(t, "secret"))
	})
}

// TestFailedLogInsAreBounded: whatever names are tried, the state does not grow.
func TestFailedLogInsAreBounded(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 2}))
	for i := range 50 {
		_, _, err := w.Login(t.Context(), byName(fmt.Sprint("nobody", i), "wrong"))
		requireDenied(t, err)
		requireDenied(t, w.try(t, "wrong"))
	}
	require.Equal(t, 2, w.LoginRecords(), "ann's, and that of all who do not exist")
	require.NoError(t, w.DeleteUser(t.Context(), w.ann.ID))
	require.Equal(t, 1, w.LoginRecords())
}

func TestInactiveUsersAreDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, ruled(identity.PasswordRules{DisableInactive: 30 * day}))
		time.Sleep(20 * day)
		require.NoError(t, w.try(t, "secret"))
		time.Sleep(20 * day)
		require.NoError(t, w.try(t, "secret"), "it was here 20 days ago")
		time.Sleep(31 * day)
		requireDenied(t, w.try(t, "secret"))
		u, err := w.GetUser(t.Context(), w.ann.ID)
		require.NoError(t, err)
		require.False(t, u.Enabled)
		on, off := true, false
		list, err := w.ListUsers(t.Context(), &identity.ListUsersOptions{Enabled: &off})
		require.NoError(t, err)
		require.Len(t, list, 2, "the administrator too")
		w.set(t, option("ignore_user_inactivity", true))
		require.NoError(t, w.try(t, "secret"))
		time.Sleep(31 * day)
		w.set(t, option("ignore_user_inactivity", nil))
		requireDenied(t, w.try(t, "secret"))
		w.set(t, identity.UpdateUserOptions{Enabled: &on})
		require.NoError(t, w.try(t, "secret"))
	})
}

func TestUserOptionsAreChecked(t *testing.T) {
	w := newWorld(t)
	for name, bad := range map[string]identity.Attributes{
		"unknown":       {"color": "red"},
		"not a boolean": {"lock_password": "yes"},
		"no list":       {"multi_factor_auth_rules": "password"},
		"flat list":     {"multi_factor_auth_rules": []any{"password"}},
		"numbers":       {"multi_factor_auth_rules": []any{[]any{1}}},
		"empty rule":    {"multi_factor_auth_rules": [][]string{{}}},
		"twice in rule": {"multi_factor_auth_rules": [][]string{{"totp", "totp"}}},
		"rule twice":    {"multi_factor_auth_rules": [][]string{{"totp"}, {"totp"}}},
	} {
		_, err := w.UpdateUser(t.Context(), w.ann.ID, identity.UpdateUserOptions{Options: bad})
		require.ErrorIs(t, err, fault.Invalid, name)
		_, err = w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", Options: bad})
		require.ErrorIs(t, err, fault.Invalid, name)
	}
	w.set(t, option("multi_factor_auth_rules", []any{[]any{"password"}, []any{"totp", "password"}}))
}

func TestNothingTellsWhyALogInFails(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 1}))
	off := false
	disabled, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "dee", Password: "secret", Disabled: true})
	require.NoError(t, err)
	bare, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "noa"})
	require.NoError(t, err)
	requireDenied(t, w.try(t, "wrong"))
	for name, user := range map[string]string{"locked out": "ann", "disabled": "dee", "no password": "noa", "unknown": "nobody", "too long": strings.Repeat("n", 300)} {
		for _, password := range []string{"secret", "wrong", "", strings.Repeat("x", 5000)} {
			_, _, err := w.Login(t.Context(), byName(user, password))
			requireDenied(t, err, name)
		}
	}
	for _, id := range []string{w.ann.ID, disabled.ID, bare.ID, "nobody"} {
		requireDenied(t, w.ChangePassword(t.Context(), id, "secret", "other"))
	}
	_, err = w.UpdateUser(t.Context(), w.ann.ID, identity.UpdateUserOptions{Enabled: &off})
	require.NoError(t, err)
	requireDenied(t, w.try(t, "secret"))
}

func TestAUserOfTheSameIDHasNoOldTokens(t *testing.T) {
	s := open(t)
	make := func() {
		_, err := s.CreateUser(t.Context(), identity.CreateUserOptions{ID: "robot", Name: "robot", Password: "x"})
		require.NoError(t, err)
	}
	make()
	token, _, err := s.Login(t.Context(), byName("robot", "x"))
	require.NoError(t, err)
	require.NoError(t, s.DeleteUser(t.Context(), "robot"))
	make()
	_, err = s.Validate(t.Context(), token)
	require.ErrorIs(t, err, fault.Unauthenticated)
}
