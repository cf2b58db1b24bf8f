package identity_test

import (
	"log/slog"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

const trustedPage = "https://dashboard.example/auth/websso/"

// browserController is a controller that logs people in with their browsers, whose codes
// are good as often as one likes.
func browserController(t *testing.T, store *memengine.Store) *identity.Service {
	engine, err := store.Open()
	require.NoError(t, err)
	provider := &memprotocol.Provider{}
	provider.Know("bob's", driver.Assertion{"name": {"bob"}, "groups": {"guests"}})
	log, source, db := slog.New(slog.DiscardHandler), ids.Random(), state.New(engine, nil)
	s, err := identity.New(&core.Core{
		DB: db, Clock: clock.System{}, IDs: source, Log: log, Quotas: quota.Define(db),
		Sagas: saga.New(db, clock.System{}, source, log, saga.Config{}),
	}, identity.Config{
		AdminPassword: "secret", SharedKeys: true, Settings: identity.Settings{BcryptCost: 4},
		Federation: identity.FederationConfig{
			Methods:           []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "openid", Driver: provider}},
			TrustedDashboards: []string{trustedPage},
		},
	})
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	require.NoError(t, s.Start(t.Context()))
	return s
}

// TestBrowserLoginEndsOnce ends log-ins twice, at one controller and at another.
func TestBrowserLoginEndsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memengine.NewStore(memengine.Options{Shared: true})
		a, b := browserController(t, store), browserController(t, store)
		_, err := a.CreateMapping(t.Context(), identity.Mapping{ID: "basic", Rules: basicRules[:1]})
		require.NoError(t, err)
		_, err = a.CreateIdentityProvider(t.Context(), identity.CreateIdentityProviderOptions{ID: "acme", Enabled: true})
		require.NoError(t, err)
		_, err = a.CreateFederationProtocol(t.Context(), identity.FederationProtocol{ID: "openid", ProviderID: "acme", MappingID: "basic"})
		require.NoError(t, err)
		synctest.Wait()
		begin := func() identity.WebSSO {
			started, err := a.BeginWebSSO(t.Context(), identity.WebSSOOptions{
				ProviderID: "acme", ProtocolID: "openid", Origin: trustedPage, Redirect: "https://cloud.example/callback",
			})
			require.NoError(t, err)
			require.False(t, started.Posts)
			return started
		}
		finish := func(s *identity.Service, started identity.WebSSO, code string) error {
			token, _, err := s.FinishWebSSO(t.Context(), "acme", "openid", started.Sealed, url.Values{"state": {started.State}, "code": {code}})
			require.Equal(t, err == nil, token != "")
			return err
		}
		first := begin()
		require.ErrorIs(t, finish(a, first, "eve's"), fault.Unauthenticated)
		require.NoError(t, finish(a, first, "bob's"), "what failed has not ended")
		require.ErrorIs(t, finish(a, first, "bob's"), fault.Unauthenticated)
		synctest.Wait()
		require.ErrorIs(t, finish(b, first, "bob's"), fault.Unauthenticated)

		second := begin()
		outcomes := make(chan error, 2)
		for _, s := range []*identity.Service{a, b} {
			go func() { outcomes <- finish(s, second, "bob's") }()
		}
		one, other := <-outcomes, <-outcomes
		require.True(t, (one == nil) != (other == nil), "%v, %v", one, other)

		// An hour later nothing of them is left but the newest.
		time.Sleep(time.Hour)
		require.ErrorIs(t, finish(b, first, "bob's"), fault.Unauthenticated)
		require.NoError(t, finish(a, begin(), "bob's"))
		require.Equal(t, 1, identity.UsedFlows(a))
	})
}

func TestFederationMetadata(t *testing.T) {
	a := newAbroad(t)
	_, _, err := a.FederationMetadata(t.Context(), "acme", "openid", "https://cloud.example/callback", "")
	require.ErrorIs(t, err, fault.NotFound)
	_, _, err = a.FederationMetadata(t.Context(), "acme", "none", "https://cloud.example/callback", "")
	require.ErrorIs(t, err, fault.NotFound)
}
