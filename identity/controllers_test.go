package identity_test

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// controller is a service on a store that it shares with others.
func controller(t *testing.T, store *memengine.Store) *identity.Service {
	engine, err := store.Open()
	require.NoError(t, err)
	log, source, db := slog.New(slog.DiscardHandler), ids.Random(), state.New(engine, nil)
	s, err := identity.New(&core.Core{
		DB: db, Clock: clock.System{}, IDs: source, Log: log, Quotas: quota.Define(db),
		Sagas: saga.New(db, clock.System{}, source, log, saga.Config{}),
	}, identity.Config{AdminPassword: "secret", SharedKeys: true, Settings: identity.Settings{BcryptCost: 4, MaxKeys: 3}})
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return s
}

func logIn(ctx context.Context, s *identity.Service, password string) (string, error) {
	token, _, err := s.Login(ctx, identity.LoginRequest{
		Password: &identity.PasswordLogin{Password: password, User: identity.UserRef{
			Name: "admin", Domain: identity.DomainRef{ID: identity.DefaultDomainID},
		}},
		Scope: identity.LoginScope{System: true},
	})
	return token, err
}

func TestControllersShareIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memengine.NewStore(memengine.Options{Shared: true})
		a, b := controller(t, store), controller(t, store)
		started := make(chan error, 2) // both make what is not there, at once
		for _, s := range []*identity.Service{a, b} {
			go func() { started <- s.Start(t.Context()) }()
		}
		require.NoError(t, <-started)
		require.NoError(t, <-started)
		synctest.Wait()
		users, err := a.ListUsers(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, users, 1)

		token, err := logIn(t.Context(), a, "secret")
		require.NoError(t, err)
		seen, err := b.Validate(t.Context(), token)
		require.NoError(t, err, "a token is good everywhere")
		require.NoError(t, a.Revoke(t.Context(), token))
		synctest.Wait()
		_, err = b.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated, "what was remembered of it counts no more")

		// Keys that one rotates seal and open everywhere.
		for range 3 {
			fresh, err := logIn(t.Context(), b, "secret")
			require.NoError(t, err)
			_, err = a.Validate(t.Context(), fresh)
			require.NoError(t, err)
			require.NoError(t, a.RotateKeys(t.Context()))
			synctest.Wait()
			_, err = b.Validate(t.Context(), fresh)
			require.NoError(t, err)
			require.NoError(t, a.RotateKeys(t.Context()))
			require.NoError(t, a.RotateKeys(t.Context()))
			synctest.Wait()
			_, err = b.Validate(t.Context(), fresh)
			require.ErrorIs(t, err, fault.Unauthenticated, "its key is gone")
		}

		token, err = logIn(t.Context(), b, "secret")
		require.NoError(t, err)
		off := false
		_, err = a.UpdateUser(t.Context(), seen.User.ID, identity.UpdateUserOptions{Enabled: &off})
		require.NoError(t, err)
		synctest.Wait()
		_, err = b.Validate(t.Context(), token)
		require.ErrorIs(t, err, fault.Unauthenticated)

		before := b.CatalogRevision()
		_, err = a.CreateService(t.Context(), identity.CreateServiceOptions{Type: "dns", Name: "designate"})
		require.NoError(t, err)
		synctest.Wait()
		require.NotEqual(t, before, b.CatalogRevision())
	})
}
