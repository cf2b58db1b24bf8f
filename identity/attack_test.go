package identity_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// TestRefusalsDoTheSameWork: whatever is wrong with a log-in, one hash is computed and
// the error is the same, so that neither tells who exists.
func TestRefusalsDoTheSameWork(t *testing.T) {
	w := newWorld(t)
	off := true
	for _, u := range []identity.CreateUserOptions{
		{Name: "disabled", Password: "secret", Disabled: off}, {Name: "without a password"},
	} {
		_, err := w.CreateUser(t.Context(), u)
		require.NoError(t, err)
	}
	d, err := w.CreateDomain(t.Context(), identity.CreateDomainOptions{Name: "closed", Disabled: off})
	require.NoError(t, err)
	_, err = w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "inside", DomainID: d.ID, Password: "secret"})
	require.NoError(t, err)
	c, secret, err := w.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID,
	})
	require.NoError(t, err)

	inside, nowhere, byID := byName("inside", "secret"), byName("ann", "secret"), byName("", "secret")
	inside.Password.User.Domain.ID = d.ID
	nowhere.Password.User.Domain.ID = "nowhere"
	byID.Password.User = identity.UserRef{ID: "no such id"}
	credential := func(l identity.AppCredentialLogin) identity.LoginRequest {
		return identity.LoginRequest{AppCredential: &l}
	}
	for name, req := range map[string]identity.LoginRequest{
		"wrong password":          byName("ann", "wrong"),
		"no password":             byName("ann", ""),
		"a password of 4,096":     byName("ann", strings.Repeat("x", 4096)),
		"a password too long":     byName("ann", strings.Repeat("x", 5000)),
		"unknown user":            byName("nobody", "secret"),
		"unknown id":              byID,
		"unknown domain":          nowhere,
		"disabled user":           byName("disabled", "secret"),
		"disabled, and wrong":     byName("disabled", "wrong"),
		"user of a closed domain": inside,
		"user without a password": byName("without a password", ""),
		"no role there":           on(byName("ann", "secret"), "admin"),
		"unknown project":         on(byName("ann", "secret"), "nowhere"),
		"wrong secret":            credential(identity.AppCredentialLogin{ID: c.ID, Secret: "x" + secret}),
		"no secret":               credential(identity.AppCredentialLogin{ID: c.ID}),
		"unknown credential":      credential(identity.AppCredentialLogin{ID: "none", Secret: secret}),
		"unknown name":            credential(identity.AppCredentialLogin{Name: "none", User: identity.UserRef{ID: w.ann.ID}, Secret: secret}),
		"unknown owner":           credential(identity.AppCredentialLogin{Name: "robot", User: identity.UserRef{ID: "none"}, Secret: secret}),
	} {
		t.Run(name, func(t *testing.T) {
			before := w.Hashes()
			_, _, err := w.Login(t.Context(), req)
			require.ErrorIs(t, err, fault.Unauthenticated)
			require.Equal(t, "The request you have made requires authentication.", fault.Public(err))
			require.EqualValues(t, 1, w.Hashes()-before)
		})
	}
	for id, name := range map[string]string{w.ann.ID: "wrong password", "no such id": "unknown user"} {
		before := w.Hashes()
		err := w.ChangePassword(t.Context(), id, "wrong", "new password")
		require.ErrorIs(t, err, fault.Unauthenticated, name)
		require.EqualValues(t, 1, w.Hashes()-before, name)
	}
}

// TestSecretsOfCredentialsAreHashedOnce: further log-ins with a good secret cost no
// password hash; those with a wrong one do.
func TestSecretsOfCredentialsAreHashedOnce(t *testing.T) {
	w := newWorld(t)
	c, secret, err := w.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID,
	})
	require.NoError(t, err)
	logIn := func(secret string) error {
		_, _, err := w.Login(t.Context(), identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret}})
		return err
	}
	before := w.Hashes()
	for range 5 {
		require.NoError(t, logIn(secret))
	}
	require.EqualValues(t, 1, w.Hashes()-before)
	require.Error(t, logIn(secret+"x"))
	require.EqualValues(t, 2, w.Hashes()-before)
	require.NoError(t, w.DeleteApplicationCredential(t.Context(), c.ID))
	require.ErrorIs(t, logIn(secret), fault.Unauthenticated)
}

// TestEverythingAtOnce runs all that concerns tokens at the same time, for the race
// detector, and looks that no token is good after it was revoked.
func TestEverythingAtOnce(t *testing.T) {
	const rounds = 30
	w := newWorld(t, func(c *identity.Config) { c.MaxKeys = 1000; c.HashQueue = 1000 })
	ctx := t.Context()
	var wg sync.WaitGroup
	run := func(f func(i int)) {
		for worker := range 2 {
			wg.Go(func() {
				for i := range rounds {
					f(worker*rounds + i)
				}
			})
		}
	}
	admin, _, err := w.Login(ctx, on(byName("admin", adminPassword), "admin"))
	require.NoError(t, err)
	bob, err := w.CreateUser(ctx, identity.CreateUserOptions{Name: "bob", Password: "0"})
	require.NoError(t, err)
	run(func(int) { // revocations, with validations on their heels
		token, _, err := w.Login(ctx, identity.LoginRequest{Token: admin})
		if err != nil {
			t.Error(err)
			return
		}
		var after sync.WaitGroup
		for range 2 {
			after.Go(func() { w.Validate(ctx, token) })
		}
		if err := w.Revoke(ctx, token); err != nil {
			t.Error(err)
		}
		if _, err := w.Validate(ctx, token); err == nil {
			t.Error("a token is good after it was revoked")
		}
		after.Wait()
		if _, err := w.Validate(ctx, token); err == nil {
			t.Error("a token came back")
		}
	})
	run(func(i int) { // roles that come and go
		token, _, err := w.Login(ctx, on(byName("ann", "secret"), "lab"))
		if err == nil {
			_, _ = w.Validate(ctx, token)
		}
		_ = w.Unassign(ctx, w.assignment())
		_ = w.Assign(ctx, w.assignment())
	})
	wg.Go(func() { // passwords that change
		for i := range rounds {
			token, _, err := w.Login(ctx, byName("bob", fmt.Sprint(i)))
			if err != nil {
				t.Error(err)
				return
			}
			if err := w.ChangePassword(ctx, bob.ID, fmt.Sprint(i), fmt.Sprint(i+1)); err != nil {
				t.Error(err)
			}
			if _, err := w.Validate(ctx, token); err == nil {
				t.Error("a token is good after its user has changed the password")
			}
		}
	})
	wg.Go(func() { // keys that rotate
		for range rounds {
			if err := w.RotateKeys(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	_, err = w.Validate(ctx, admin)
	require.NoError(t, err)
}
