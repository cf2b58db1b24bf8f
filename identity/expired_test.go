package identity_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

func TestExpiredTokensAreForgivenForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		token := w.login(t)
		fresh, err := w.ValidateExpired(t.Context(), token)
		require.NoError(t, err)
		time.Sleep(time.Hour)
		_, err = w.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
		late, err := w.ValidateExpired(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, fresh, late)
		p, err := w.AuthenticateExpired(t.Context(), token)
		require.NoError(t, err)
		require.Equal(t, w.ann.ID, p.UserID)
		_, err = w.Authenticate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated, "the other way is as strict as before")

		time.Sleep(48*time.Hour - time.Second)
		_, err = w.ValidateExpired(t.Context(), token)
		require.NoError(t, err)
		time.Sleep(time.Second)
		_, err = w.ValidateExpired(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

func TestNoWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *identity.Config) { c.ExpiredWindow = -1 })
		token := w.login(t)
		time.Sleep(time.Hour)
		_, err := w.ValidateExpired(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

func TestOnlyExpiryIsForgiven(t *testing.T) {
	off := false
	for name, end := range map[string]func(ctx context.Context, w *world) error{
		"user disabled": func(ctx context.Context, w *world) error {
			_, err := w.UpdateUser(ctx, w.ann.ID, identity.UpdateUserOptions{Enabled: &off})
			return err
		},
		"user deleted": func(ctx context.Context, w *world) error { return w.DeleteUser(ctx, w.ann.ID) },
		"project disabled": func(ctx context.Context, w *world) error {
			_, err := w.UpdateProject(ctx, w.lab.ID, identity.UpdateProjectOptions{Enabled: &off})
			return err
		},
		"role taken back": func(ctx context.Context, w *world) error { return w.Unassign(ctx, w.assignment()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				token := w.login(t)
				time.Sleep(time.Hour)
				require.NoError(t, end(t.Context(), w))
				_, err := w.ValidateExpired(t.Context(), token)
				require.ErrorIs(t, err, fault.Unauthenticated)
			})
		})
	}
}

func TestRevocationsOutlastTheWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		revoked := w.login(t)
		require.NoError(t, w.Revoke(t.Context(), revoked))
		for range 47 { // each revocation sweeps those that are outdated
			time.Sleep(time.Hour)
			require.NoError(t, w.Revoke(t.Context(), w.login(t)))
			_, err := w.ValidateExpired(t.Context(), revoked)
			require.ErrorIs(t, err, fault.Unauthenticated)
		}
	})
}

func TestExpiredCredentialsAreNotForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		soon := time.Now().Add(time.Minute)
		c, secret, err := w.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
			Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID, ExpiresAt: &soon,
		})
		require.NoError(t, err)
		token, _, err := w.Login(t.Context(), identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret}})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		_, err = w.ValidateExpired(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)
	})
}

// TestWhatATokenComesFromMayExpireLater: a token that has expired is remembered as long as
// it is forgiven, and what it came from may expire in between without any change.
func TestWhatATokenComesFromMayExpireLater(t *testing.T) {
	for name, delegate := range map[string]func(t *testing.T, w *world, until time.Time) identity.LoginRequest{
		"application credential": func(t *testing.T, w *world, until time.Time) identity.LoginRequest {
			c, secret, err := w.CreateApplicationCredential(t.Context(), identity.CreateApplicationCredentialOptions{
				Name: "robot", UserID: w.ann.ID, ProjectID: w.lab.ID, ExpiresAt: &until,
			})
			require.NoError(t, err)
			return identity.LoginRequest{AppCredential: &identity.AppCredentialLogin{ID: c.ID, Secret: secret}}
		},
		"trust": func(t *testing.T, w *world, until time.Time) identity.LoginRequest {
			_, err := w.CreateUser(t.Context(), identity.CreateUserOptions{Name: "bob", Password: "bobs"})
			require.NoError(t, err)
			bob, err := w.FindUser(t.Context(), "default", "bob")
			require.NoError(t, err)
			trust, err := w.CreateTrust(t.Context(), identity.CreateTrustOptions{
				TrustorID: w.ann.ID, TrusteeID: bob.ID, ProjectID: w.lab.ID, RoleIDs: []string{w.member.ID}, ExpiresAt: &until,
			})
			require.NoError(t, err)
			req := byName("bob", "bobs")
			req.Scope.TrustID = trust.ID
			return req
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				token, _, err := w.Login(t.Context(), delegate(t, w, time.Now().Add(3*time.Hour)))
				require.NoError(t, err)
				_, err = w.Validate(t.Context(), token)
				require.NoError(t, err)
				time.Sleep(2 * time.Hour)
				for range 2 { // looked up, then remembered
					_, err = w.ValidateExpired(t.Context(), token)
					require.NoError(t, err)
				}
				time.Sleep(time.Hour)
				_, err = w.ValidateExpired(t.Context(), token)
				require.ErrorIs(t, err, fault.Unauthenticated)
			})
		})
	}
}
