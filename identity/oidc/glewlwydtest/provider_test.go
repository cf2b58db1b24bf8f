package glewlwydtest_test

import (
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/oidc"
)

// hands are a clock that a test moves on.
type hands struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return time.Now().Add(h.ahead)
}

func (h *hands) AfterFunc(time.Duration, func()) (stop func() bool) {
	return func() bool { return true }
}

func (h *hands) move(by time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ahead += by
}

func TestKeysAreRotated(t *testing.T) {
	now := &hands{}
	w := newWorld(t, func(c *oidc.Config) { c.Clock = now })
	old := w.provider.Password(w.client, ada).ID
	w.login(http.StatusCreated, "tokens", old)
	w.provider.Rotate("second")
	now.move(6 * time.Second)
	w.login(http.StatusCreated, "tokens", w.provider.Password(w.client, ada).ID)
	w.login(http.StatusUnauthorized, "tokens", old)
}

func TestProviderGoesAndComesBack(t *testing.T) {
	now := &hands{}
	w := newWorld(t, func(c *oidc.Config) { c.Clock = now })
	tokens := w.provider.Password(w.client, ada)
	w.provider.Kill()
	w.login(http.StatusServiceUnavailable, "tokens", tokens.ID)
	require.Equal(t, "The identity provider cannot be reached.",
		w.login(http.StatusServiceUnavailable, "openid", tokens.Access).at(t, "error", "message"))
	w.provider.Run()
	now.move(3 * time.Second)
	w.login(http.StatusCreated, "tokens", tokens.ID)
	w.login(http.StatusCreated, "openid", tokens.Access)

	// Tokens that need nobody to be asked are good while it is down once more.
	token := w.login(http.StatusCreated, "openid", tokens.Access).token
	w.provider.Kill()
	w.check(http.StatusOK, token)
	w.login(http.StatusCreated, "tokens", tokens.ID)
	w.login(http.StatusServiceUnavailable, "openid", tokens.Access)
	w.login(http.StatusServiceUnavailable, "tokens", "opaque")
}

// TestRefreshTokens: the provider calls them active, and they are no proof.
func TestRefreshTokens(t *testing.T) {
	w := newWorld(t)
	d, err := oidc.New(oidc.Config{Issuer: w.provider.Issuer, ClientID: w.client.ID, ClientSecret: w.client.Secret})
	require.NoError(t, err)
	defer d.Close()
	tokens := w.provider.Password(w.client, ada)
	a, err := d.Assert(t.Context(), tokens.Access)
	require.NoError(t, err)
	require.Equal(t, []string{"ada"}, a["OIDC-preferred_username"])
	_, err = d.Assert(t.Context(), tokens.Refresh)
	require.ErrorIs(t, err, driver.Unauthenticated)

	robot := w.provider.Ask(w.client, "client_credentials", url.Values{"scope": {"openid"}})
	a, err = d.Assert(t.Context(), robot.Access)
	require.NoError(t, err)
	require.Equal(t, []string{"cloud"}, a[driver.RemoteUser])
}
