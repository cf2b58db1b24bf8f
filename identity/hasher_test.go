package identity_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// TestEachRefusalCostsOneHash: what takes the same work takes the same time.
func TestEachRefusalCostsOneHash(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 2}))
	w.withTOTP(t)
	for _, name := range []string{"dee", "lou"} {
		_, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: name, Password: "secret", Disabled: name == "dee"})
		require.NoError(t, err)
	}
	_, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "noa"})
	require.NoError(t, err)
	for range 2 {
		_, _, err := w.Login(t.Context(), byName("lou", "wrong"))
		requireDenied(t, err)
	}
	code := func(name string) identity.LoginRequest {
		return identity.LoginRequest{TOTP: &identity.TOTPLogin{User: byName(name, "").Password.User, Passcode: "000000"}}
	}
	robot := func(l identity.AppCredentialLogin) identity.LoginRequest {
		return identity.LoginRequest{AppCredential: &l}
	}
	hashes, enabled := w.CountHashes(), true
	for name, req := range map[string]identity.LoginRequest{
		"unknown": byName("nobody", "x"), "unknown domain": {Password: &identity.PasswordLogin{
			User: identity.UserRef{Name: "ann", Domain: identity.DomainRef{Name: "nowhere"}}, Password: "secret",
		}},
		"wrong": byName("ann", "x"), "disabled": byName("dee", "secret"), "no password": byName("noa", "x"),
		"locked out": byName("lou", "secret"), "very long": byName("ann", strings.Repeat("x", 10_000)),
		"code of nobody": code("nobody"), "code of one without": code("noa"), "wrong code": code("ann"),
		"unknown credential": robot(identity.AppCredentialLogin{ID: "x", Secret: "y"}),
		"unknown name":       robot(identity.AppCredentialLogin{Name: "x", User: byName("ann", "").Password.User, Secret: "y"}),
	} {
		hashes.Store(0)
		_, _, err := w.Login(t.Context(), req)
		requireDenied(t, err, name)
		require.EqualValues(t, 1, hashes.Load(), name)
		w.set(t, identity.UpdateUserOptions{Enabled: &enabled}) // forgets the failure
	}
	for _, id := range []string{w.ann.ID, "nobody"} {
		hashes.Store(0)
		requireDenied(t, w.ChangePassword(t.Context(), id, "wrong", "other"))
		require.EqualValues(t, 1, hashes.Load(), id)
	}
}

func TestFullQueueOfHashes(t *testing.T) {
	w := newWorld(t, func(c *identity.Config) { c.HashWorkers, c.HashQueue = 1, 2 })
	token := w.login(t)
	begun := w.HoldHashes()
	results := make(chan error, 8)
	waiting, leave := context.WithCancel(t.Context())
	start := func(ctx context.Context) {
		go func() {
			_, _, err := w.Login(ctx, byName("ann", "secret"))
			results <- err
		}()
	}
	start(t.Context())
	goOn := <-begun
	for range 6 {
		start(waiting)
	}
	for range 4 { // one works, two wait
		require.ErrorIs(t, <-results, fault.RateLimited)
	}
	_, err := w.Validate(t.Context(), token)
	require.NoError(t, err, "validations need no hash")
	leave()
	for range 2 {
		require.ErrorIs(t, <-results, fault.Cancelled, "who goes away waits no more")
	}
	goOn()
	require.NoError(t, <-results)
	start(t.Context())
	select {
	case goOn = <-begun:
	case <-time.After(time.Minute):
		require.FailNow(t, "the place of those who went away is not free")
	}
	goOn()
	require.NoError(t, <-results)
}

// TestLockoutHoldsForThoseWhoWaited: a crowd that tries at once gains nothing.
func TestLockoutHoldsForThoseWhoWaited(t *testing.T) {
	w := newWorld(t, ruled(identity.PasswordRules{LockoutAttempts: 1}), func(c *identity.Config) { c.HashWorkers = 2 })
	begun := w.HoldHashes()
	try := func(password string) chan error {
		result := make(chan error, 1)
		go func() {
			_, _, err := w.Login(t.Context(), byName("ann", password))
			result <- err
		}()
		return result
	}
	wrong := try("wrong")
	first := <-begun
	right := try("secret")
	second := <-begun
	first()
	requireDenied(t, <-wrong)
	second()
	requireDenied(t, <-right)
}

func TestTokensAreShort(t *testing.T) {
	lengths, err := open(t).TokenLengths()
	require.NoError(t, err)
	require.Len(t, lengths, 28)
	for name, n := range lengths {
		require.LessOrEqual(t, n, 255, name)
	}
}
