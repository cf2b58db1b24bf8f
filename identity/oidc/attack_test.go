package oidc_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/oidc"
)

// TestOtherKindsOfTokens: a provider signs, and calls active, more than what proves who
// its bearer is.
func TestOtherKindsOfTokens(t *testing.T) {
	p := newIDP(t)
	d := p.driver()
	for name, c := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"bearer":            {map[string]any{"token_type": "Bearer", "typ": "Bearer"}, nil},
		"ID token":          {map[string]any{"token_use": "id", "typ": "ID"}, nil},
		"refresh":           {map[string]any{"token_type": "refresh_token"}, driver.Unauthenticated},
		"refresh, use":      {map[string]any{"token_use": "refresh"}, driver.Unauthenticated},
		"refresh, typ":      {map[string]any{"typ": "Refresh"}, driver.Unauthenticated},
		"offline":           {map[string]any{"typ": "Offline"}, driver.Unauthenticated},
		"bound to a key":    {map[string]any{"cnf": map[string]any{"jkt": "x"}}, driver.Unauthenticated},
		"DPoP":              {map[string]any{"token_type": "DPoP"}, driver.Unauthenticated},
		"log-out":           {map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, driver.Unauthenticated},
		"log-out of a kind": {map[string]any{"typ": "Logout"}, driver.Unauthenticated},
	} {
		_, err := d.Assert(t.Context(), p.sign(nil, p.claims(c.claims)))
		require.ErrorIs(t, err, c.want, "signed: %s", name)
		said := p.claims(c.claims)
		said["active"] = true
		p.set(func() { p.active["opaque"] = said })
		_, err = d.Assert(t.Context(), "opaque")
		require.ErrorIs(t, err, c.want, "opaque: %s", name)
	}
}

// TestAddressesInTokensAreNotAsked: whoever can put text into a token must not choose
// whom the cloud talks to, or which key it believes.
func TestAddressesInTokensAreNotAsked(t *testing.T) {
	var asked atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer trap.Close()
	p := newIDP(t)
	d := p.driver()
	distributed := map[string]any{
		"groups": nil, "_claim_names": map[string]any{"groups": "src1"}, "hasgroups": true,
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": trap.URL, "access_token": "x"}},
		"picture":        trap.URL, "jku": trap.URL, "jwks_uri": trap.URL, "userinfo_endpoint": trap.URL,
	}
	a, err := d.Assert(t.Context(), p.sign(map[string]any{"jku": trap.URL, "x5u": trap.URL}, p.claims(distributed)))
	require.NoError(t, err)
	require.Empty(t, a["OIDC-groups"])

	own, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	enc := base64.RawURLEncoding.EncodeToString
	jwk := map[string]any{"kty": "RSA", "n": enc(own.N.Bytes()), "e": enc(big.NewInt(int64(own.E)).Bytes()), "kid": "first"}
	for name, head := range map[string]map[string]any{
		"key in the token":    {"alg": "RS256", "jwk": jwk, "kid": "first"},
		"key at an address":   {"alg": "RS256", "jku": trap.URL, "kid": "first"},
		"chain at an address": {"alg": "RS256", "x5u": trap.URL},
		"key that is a path":  {"alg": "RS256", "kid": "../../../../dev/null"},
		"key that is another": {"alg": "RS256", "kid": trap.URL},
		"must be understood":  {"alg": "RS256", "kid": "first", "crit": []string{"b64"}, "b64": false},
	} {
		_, err := d.Assert(t.Context(), signWith(t, own, head, p.claims(nil)))
		require.ErrorIs(t, err, driver.Unauthenticated, name)
	}
	_, err = d.Assert(t.Context(), p.sign(nil, p.claims(map[string]any{"iss": trap.URL})))
	require.ErrorIs(t, err, driver.Unauthenticated)
	require.Zero(t, asked.Load())
}

// TestWithdrawnKeys: a key that the provider does not have any more is not believed for
// long, though nobody shows a token of another key.
func TestWithdrawnKeys(t *testing.T) {
	p := newIDP(t)
	now := &hands{at: time.Now()}
	d := p.driver(func(c *oidc.Config) { c.Clock = now })
	stolen := p.sign(nil, p.claims(nil))
	_, err := d.Assert(t.Context(), stolen)
	require.NoError(t, err)
	p.rotate("second")
	now.at = now.at.Add(9 * time.Minute)
	_, err = d.Assert(t.Context(), stolen)
	require.NoError(t, err)
	now.at = now.at.Add(2 * time.Minute)
	p.set(func() { p.broken = true })
	for range 10 {
		_, err = d.Assert(t.Context(), stolen)
		require.NoError(t, err, "a provider that is down takes nothing away")
		now.at = now.at.Add(3 * time.Second)
	}
	p.set(func() {
		p.broken = false
		require.Equal(t, 1, p.asked)
		require.Equal(t, 3, p.requests, "it is not asked for each log-in")
	})
	now.at = now.at.Add(time.Minute)
	_, err = d.Assert(t.Context(), stolen)
	require.ErrorIs(t, err, driver.Unauthenticated)
	_, err = d.Assert(t.Context(), p.sign(nil, p.claims(nil)))
	require.NoError(t, err)
}

// TestForgedTokensDoNotWait: while keys cannot be fetched, tokens that name unknown ones
// fail at once, so that they are in nobody's way.
func TestForgedTokensDoNotWait(t *testing.T) {
	p := newIDP(t)
	now := &hands{at: time.Now()}
	d := p.driver(func(c *oidc.Config) { c.Clock = now })
	good := p.sign(nil, p.claims(nil))
	_, err := d.Assert(t.Context(), good)
	require.NoError(t, err)
	p.set(func() { p.broken, p.requests = true, 0 })
	now.at = now.at.Add(6 * time.Second)
	forged := p.sign(map[string]any{"kid": "unknown"}, p.claims(nil))
	for range 10 {
		_, err = d.Assert(t.Context(), forged)
		require.ErrorIs(t, err, driver.Unavailable, "it may be a new key")
		_, err = d.Assert(t.Context(), good)
		require.NoError(t, err)
	}
	p.set(func() {
		require.Equal(t, 1, p.requests)
		p.broken = false
	})
	now.at = now.at.Add(6 * time.Second)
	_, err = d.Assert(t.Context(), forged)
	require.ErrorIs(t, err, driver.Unauthenticated)
}

// TestSecretsStayWithTheProvider: neither a redirect nor an endpoint without TLS gets
// the client's secret, a code or a token.
func TestSecretsStayWithTheProvider(t *testing.T) {
	var asked atomic.Int32
	trap := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer trap.Close()
	p := newIDP(t)
	away := httptest.NewServer(http.RedirectHandler(trap.URL, http.StatusTemporaryRedirect))
	defer away.Close()
	p.set(func() {
		p.says = map[string]any{"token_endpoint": away.URL, "introspection_endpoint": away.URL, "userinfo_endpoint": away.URL}
	})
	d := p.driver()
	_, err := d.Assert(t.Context(), "opaque")
	require.Error(t, err)
	_, err = d.Finish(t.Context(), driver.Flow{Nonce: "no"}, url.Values{"code": {"good"}})
	require.Error(t, err)
	asks := p.driver(func(c *oidc.Config) { c.UserInfo = true })
	_, err = asks.Assert(t.Context(), p.sign(nil, p.claims(nil)))
	require.Error(t, err)
	require.Zero(t, asked.Load())

	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	for _, name := range []string{"jwks_uri", "authorization_endpoint", "token_endpoint", "introspection_endpoint", "userinfo_endpoint"} {
		secure.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			said := map[string]any{"issuer": secure.URL}
			for _, end := range []string{"jwks_uri", "authorization_endpoint", "token_endpoint", "introspection_endpoint", "userinfo_endpoint"} {
				said[end] = secure.URL + "/" + end
			}
			said[name] = trap.URL
			answer(w, said)
		})
		d := p.driver(func(c *oidc.Config) { c.Issuer, c.Transport = secure.URL, secure.Client().Transport })
		_, err := d.Begin(t.Context(), driver.Flow{})
		require.ErrorIs(t, err, driver.Unavailable, name)
		require.ErrorContains(t, err, "without TLS", name)
	}
	require.Zero(t, asked.Load())
}

// TestSecretIsSentOnce: in the way that the provider takes it, so that a code is not
// spent on trying.
func TestSecretIsSentOnce(t *testing.T) {
	for name, c := range map[string]struct {
		methods []string
		secret  string
		basic   bool
	}{
		"not said": {nil, "s3cret", true}, "header": {[]string{"client_secret_post", "client_secret_basic"}, "s3cret", true},
		"form": {[]string{"client_secret_post"}, "s3cret", false}, "public client": {nil, "", false},
	} {
		p := newIDP(t)
		if c.methods != nil {
			p.says = map[string]any{"token_endpoint_auth_methods_supported": c.methods}
		}
		d := p.driver(func(cfg *oidc.Config) { cfg.ClientSecret = c.secret })
		_, err := d.Finish(t.Context(), driver.Flow{Verifier: strings.Repeat("v", 43)}, url.Values{"code": {"bad"}})
		require.ErrorIs(t, err, driver.Unauthenticated, name)
		require.Equal(t, c.basic, p.basic, name)
		require.Equal(t, !c.basic && c.secret != "", p.code.Has("client_secret"), name)
		require.Equal(t, 3, p.requests, "what it is, its keys, and the code: %s", name)
	}
}

// TestProviderThatIsBusy: what it cannot say now says nothing of a token.
func TestProviderThatIsBusy(t *testing.T) {
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }))
	defer busy.Close()
	p := newIDP(t)
	p.says = map[string]any{"token_endpoint": busy.URL, "introspection_endpoint": busy.URL, "userinfo_endpoint": busy.URL}
	d := p.driver()
	_, err := d.Assert(t.Context(), "opaque")
	require.ErrorIs(t, err, driver.Unavailable)
	_, err = d.Finish(t.Context(), driver.Flow{}, url.Values{"code": {"good"}})
	require.ErrorIs(t, err, driver.Unavailable)
	asks := p.driver(func(c *oidc.Config) { c.UserInfo = true })
	_, err = asks.Assert(t.Context(), p.sign(nil, p.claims(nil)))
	require.ErrorIs(t, err, driver.Unavailable)
}

// TestSlowProvider: log-ins that wait for the provider are bounded, and those that need
// not ask it go on meanwhile.
func TestSlowProvider(t *testing.T) {
	asked, answered := make(chan struct{}, 1), make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answered
		answer(w, map[string]any{"active": true, "sub": "17", "client_id": "cloud"})
	}))
	defer slow.Close()
	release := sync.OnceFunc(func() { close(answered) })
	defer release()
	p := newIDP(t)
	p.says = map[string]any{"introspection_endpoint": slow.URL}
	d := p.driver(func(c *oidc.Config) { c.MaxCalls, c.Timeout = 1, time.Minute })
	good := p.sign(nil, p.claims(nil))
	_, err := d.Assert(t.Context(), good)
	require.NoError(t, err)
	first := make(chan error, 1)
	go func() {
		_, err := d.Assert(t.Context(), "opaque")
		first <- err
	}()
	<-asked
	_, err = d.Assert(t.Context(), "opaque")
	require.ErrorIs(t, err, driver.Unavailable)
	_, err = d.Assert(t.Context(), good)
	require.NoError(t, err)
	release()
	require.NoError(t, <-first)
	_, err = d.Assert(t.Context(), "opaque")
	require.NoError(t, err, "its place is free again")
}
