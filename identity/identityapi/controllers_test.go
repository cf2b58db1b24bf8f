package identityapi_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// movedClock is the machine's clock, moved on by a test.
type movedClock struct {
	clock.System
	by atomic.Int64
}

func (c *movedClock) Now() time.Time { return c.System.Now().Add(time.Duration(c.by.Load())) }

// controller is one of several controllers of a cloud, over HTTP: identity, and below
// /compute a service with one route that does nothing but check token and rule.
type controller struct {
	*site
	db *state.DB
}

// controllers opens n controllers on one store.
func controllers(t *testing.T, n int, moved *movedClock) []*controller {
	t.Helper()
	store := memengine.NewStore(memengine.Options{Shared: true})
	provider := &memprotocol.Provider{}
	provider.Know("frida's", driver.Assertion{"name": {"frida"}})
	all := make([]*controller, n)
	for i := range all {
		engine, err := store.Open()
		require.NoError(t, err)
		log, source, db := slog.New(slog.DiscardHandler), ids.Random(), state.New(engine, nil)
		svc, err := identity.New(&core.Core{
			DB: db, Clock: moved, IDs: source, Log: log, Quotas: quota.Define(db),
			Sagas: saga.New(db, moved, source, log, saga.Config{}),
		}, identity.Config{
			AdminPassword: adminPassword, SharedKeys: true, Settings: identity.Settings{BcryptCost: bcrypt.MinCost},
			Federation: identity.FederationConfig{Methods: []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "openid", Driver: provider}}},
		})
		require.NoError(t, err)
		require.NoError(t, db.Open(t.Context()))
		require.NoError(t, svc.Start(t.Context()))
		server := httptest.NewServer(guarded(t, svc))
		t.Cleanup(func() {
			server.Close()
			require.NoError(t, svc.Close())
			require.NoError(t, db.Close())
		})
		all[i] = &controller{&site{TB: t, svc: svc, url: server.URL}, db}
	}
	return all
}

// guarded serves identity, and another service whose one route needs the role reader.
func guarded(t testing.TB, svc *identity.Service) http.Handler {
	policy := enforcer(t)
	return httpapi.Mount(map[string]http.Handler{
		"/identity": identityapi.New(svc, httpapi.Options{Policy: policy}),
		"/compute": httpapi.New(httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{{
			Method: "GET", Path: "/v2.1/servers", Policy: "os_compute_api:servers:index", Status: http.StatusNoContent,
			Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return httpapi.Empty(), nil },
		}}}, httpapi.Options{Auth: svc, Policy: policy}),
	})
}

// serves returns the status of the other service's answer to a token.
func (c *controller) serves(token string) int {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), "GET", c.url+"/compute/v2.1/servers", nil)
	require.NoError(c, err)
	req.Header.Set("X-Auth-Token", token)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c, err)
	require.NoError(c, resp.Body.Close())
	return resp.StatusCode
}
