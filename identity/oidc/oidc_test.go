package oidc_test

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/oidc"
)

func TestConfigIsChecked(t *testing.T) {
	for _, cfg := range []oidc.Config{
		{}, {Issuer: "https://x.example"}, {ClientID: "x"}, {ClientID: "x", Issuer: "x.example"}, {ClientID: "x", Issuer: "ftp://x.example"},
		{ClientID: "x", Issuer: "http://x.example"}, {ClientID: "x", Issuer: "http://127.0.0.1.x.example"}, {ClientID: "x", Issuer: "http://10.0.0.1"},
	} {
		_, err := oidc.New(cfg)
		require.ErrorIs(t, err, driver.Invalid, "%v", cfg)
	}
}

func TestTokensBecomeAttributes(t *testing.T) {
	p := newIDP(t)
	a, err := p.driver().Assert(t.Context(), p.sign(nil, p.claims(map[string]any{
		"email_verified": true, "level": 7, "address": map[string]any{"city": "x"}, "odd-name": "n", "none": []string{},
		"nested": []any{[]any{"x"}, "y"}, "Sub": "admin",
	})))
	require.NoError(t, err)
	for name, want := range map[string][]string{
		"OIDC-sub": {"17"}, "HTTP_OIDC_SUB": {"17"}, driver.RemoteUser: {"17"}, "OIDC-Sub": {"admin"},
		"OIDC-groups": {"crew", "guests"}, "HTTP_OIDC_GROUPS": {"crew", "guests"}, "HTTP_OIDC_ISS": {p.URL},
		"OIDC-email_verified": {"true"}, "OIDC-level": {"7"}, "HTTP_OIDC_ODD_NAME": {"n"}, "OIDC-nested": {"y"},
		"OIDC-address": nil, "OIDC-none": nil,
	} {
		require.Equal(t, want, a[name], name)
	}
}

func TestWhoATokenIsMeantFor(t *testing.T) {
	p := newIDP(t)
	d := p.driver(func(c *oidc.Config) { c.Audiences = []string{"cloud", "api"} })
	for name, change := range map[string]map[string]any{
		"aud": {"aud": "api"}, "one of several": {"aud": []string{"x", "api"}},
		"azp": {"aud": "account", "azp": "cloud"}, "client_id": {"aud": "account", "client_id": "cloud"},
	} {
		_, err := d.Assert(t.Context(), p.sign(nil, p.claims(change)))
		require.NoError(t, err, name)
	}
	for name, change := range map[string]map[string]any{
		"another": {"aud": "shop"}, "none": {"aud": nil}, "part of the name": {"aud": "clou"}, "empty": {"aud": ""},
	} {
		_, err := d.Assert(t.Context(), p.sign(nil, p.claims(change)))
		require.ErrorIs(t, err, driver.Unauthenticated, name)
	}
}

func TestBadTokens(t *testing.T) {
	p := newIDP(t)
	d := p.driver()
	good := p.sign(nil, p.claims(nil))
	_, err := d.Assert(t.Context(), good)
	require.NoError(t, err)
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	public, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey)
	require.NoError(t, err)
	symmetric := enc([]byte(`{"alg":"HS256","kid":"first","typ":"JWT"}`)) + "." + parts[1]
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(symmetric))
	for name, token := range map[string]string{
		"another issuer":     p.sign(nil, p.claims(map[string]any{"iss": "https://evil.example"})),
		"no issuer":          p.sign(nil, p.claims(map[string]any{"iss": nil})),
		"expired":            p.sign(nil, p.claims(map[string]any{"exp": time.Now().Add(-time.Second).Unix()})),
		"no expiry":          p.sign(nil, p.claims(map[string]any{"exp": nil})),
		"not yet":            p.sign(nil, p.claims(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()})),
		"no subject":         p.sign(nil, p.claims(map[string]any{"sub": nil})),
		"empty subject":      p.sign(nil, p.claims(map[string]any{"sub": ""})),
		"another key":        signWith(t, other, map[string]any{"alg": "RS256", "kid": "first"}, p.claims(nil)),
		"another key, named": signWith(t, other, map[string]any{"alg": "RS256", "kid": "second"}, p.claims(nil)),
		"unsigned":           enc([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".",
		"key as a secret":    symmetric + "." + enc(mac.Sum(nil)),
		"changed":            parts[0] + "." + enc([]byte(`{"sub":"admin"}`)) + "." + parts[2],
		"no signature":       parts[0] + "." + parts[1] + ".",
		"a log-out token":    p.sign(map[string]any{"typ": "logout+jwt"}, p.claims(nil)),
		"no object":          parts[0] + "." + enc([]byte(`[]`)) + "." + parts[2],
		"garbage":            "ey.ey.ey", "opaque": "opaque", "long": "ey" + strings.Repeat("x", 20000) + "..",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := d.Assert(t.Context(), token)
			require.ErrorIs(t, err, driver.Unauthenticated)
			require.NotContains(t, err.Error(), parts[2], "a token must not be in an error")
		})
	}
	p.set(func() { require.LessOrEqual(t, p.fetched, 1, "forged tokens do not become requests to the provider") })
}

func TestKeysAreRotated(t *testing.T) {
	p := newIDP(t)
	now := &hands{at: time.Now()}
	d := p.driver(func(c *oidc.Config) { c.Clock = now })
	old := p.sign(nil, p.claims(nil))
	for range 5 {
		_, err := d.Assert(t.Context(), old)
		require.NoError(t, err)
	}
	p.set(func() { require.Equal(t, 1, p.fetched) })
	p.rotate("second")
	now.at = now.at.Add(6 * time.Second)
	_, err := d.Assert(t.Context(), p.sign(nil, p.claims(nil)))
	require.NoError(t, err)
	_, err = d.Assert(t.Context(), old)
	require.ErrorIs(t, err, driver.Unauthenticated, "the old key is gone")
	p.set(func() { require.Equal(t, 2, p.fetched) })
}

// hands are a clock that a test sets.
type hands struct{ at time.Time }

func (h *hands) Now() time.Time { return h.at }
func (h *hands) AfterFunc(time.Duration, func()) (stop func() bool) {
	return func() bool { return true }
}

func TestOpaqueTokensAreShownToTheProvider(t *testing.T) {
	p := newIDP(t)
	d := p.driver()
	good := map[string]any{"active": true, "sub": "17", "client_id": "cloud", "username": "bob"}
	for name, c := range map[string]struct {
		said map[string]any
		want error
	}{
		"good":           {good, nil},
		"inactive":       {map[string]any{"active": false, "sub": "17", "client_id": "cloud"}, driver.Unauthenticated},
		"another client": {map[string]any{"active": true, "sub": "17", "client_id": "shop"}, driver.Unauthenticated},
		"another issuer": {map[string]any{"active": true, "sub": "17", "client_id": "cloud", "iss": "x"}, driver.Unauthenticated},
		"expired":        {map[string]any{"active": true, "sub": "17", "client_id": "cloud", "exp": 1}, driver.Unauthenticated},
		"nobody":         {map[string]any{"active": true, "client_id": "cloud"}, driver.Unauthenticated},
	} {
		p.set(func() { p.active["opaque"] = c.said })
		a, err := d.Assert(t.Context(), "opaque")
		require.ErrorIs(t, err, c.want, name)
		if c.want == nil {
			require.Equal(t, []string{"bob"}, a["OIDC-username"])
			require.Equal(t, []string{p.URL}, a["OIDC-iss"])
		}
	}
	wrong := p.driver(func(c *oidc.Config) { c.ClientSecret = "wrong" })
	_, err := wrong.Assert(t.Context(), "opaque")
	require.ErrorIs(t, err, driver.Unavailable)
	require.NotContains(t, err.Error(), "wrong", "a secret must not be in an error")
}

func TestUserInfo(t *testing.T) {
	p := newIDP(t)
	d := p.driver(func(c *oidc.Config) { c.UserInfo = true })
	token := p.sign(nil, p.claims(nil))
	_, err := d.Assert(t.Context(), token)
	require.ErrorIs(t, err, driver.Unauthenticated, "the provider does not take it")
	p.set(func() {
		p.userInfo["Bearer "+token] = map[string]any{"sub": "17", "email": "bob@acme.example", "aud": "x"}
	})
	a, err := d.Assert(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, []string{"bob@acme.example"}, a["OIDC-email"])
	require.Equal(t, []string{"cloud"}, a["OIDC-aud"], "what is signed counts")
	p.set(func() { p.userInfo["Bearer "+token] = map[string]any{"sub": "18"} })
	_, err = d.Assert(t.Context(), token)
	require.ErrorIs(t, err, driver.Unauthenticated, "somebody else")
}

func TestProviderDown(t *testing.T) {
	p := newIDP(t)
	now := &hands{at: time.Now()}
	d := p.driver(func(c *oidc.Config) { c.Clock = now })
	token := p.sign(nil, p.claims(nil))
	p.set(func() { p.broken = true })
	for range 10 {
		_, err := d.Assert(t.Context(), token)
		require.ErrorIs(t, err, driver.Unavailable)
	}
	p.set(func() {
		p.broken = false
		require.Zero(t, p.asked)
	})
	_, err := d.Assert(t.Context(), token)
	require.ErrorIs(t, err, driver.Unavailable, "it is not asked again at once")
	now.at = now.at.Add(3 * time.Second)
	_, err = d.Assert(t.Context(), token)
	require.NoError(t, err)
	p.set(func() { p.broken = true })
	_, err = d.Assert(t.Context(), token)
	require.NoError(t, err, "keys that are known need no provider")
	_, err = d.Assert(t.Context(), "opaque")
	require.ErrorIs(t, err, driver.Unavailable)
}

func TestProviderThatDoesNotAnswer(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	d, err := oidc.New(oidc.Config{Issuer: "http://" + silent.Addr().String(), ClientID: "cloud", Timeout: 50 * time.Millisecond, MaxCalls: 2})
	require.NoError(t, err)
	defer d.Close()
	start, ended := time.Now(), make(chan error, 20)
	for range cap(ended) {
		go func() {
			_, err := d.Assert(context.WithoutCancel(t.Context()), "opaque")
			ended <- err
		}()
	}
	for range cap(ended) {
		require.ErrorIs(t, <-ended, driver.Unavailable)
	}
	require.Less(t, time.Since(start), 5*time.Second)
}

func TestAnswersAreBounded(t *testing.T) {
	endless := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(" ", 4096))); err != nil {
				return
			}
		}
	}))
	defer endless.Close()
	d, err := oidc.New(oidc.Config{Issuer: endless.URL, ClientID: "cloud"})
	require.NoError(t, err)
	_, err = d.Assert(t.Context(), "opaque")
	require.ErrorIs(t, err, driver.Unavailable)
	require.NoError(t, d.Close())
}

func TestBrowserFlow(t *testing.T) {
	p := newIDP(t)
	d := p.driver()
	flow := driver.Flow{Redirect: "https://cloud.example/callback", State: "st", Nonce: "no", Verifier: strings.Repeat("v", 43)}
	address, err := d.Begin(t.Context(), flow)
	require.NoError(t, err)
	u, err := url.Parse(address)
	require.NoError(t, err)
	q := u.Query()
	require.Equal(t, p.URL+"/authorize", strings.TrimSuffix(address, "?"+u.RawQuery))
	require.Equal(t, "st", q.Get("state"))
	require.Equal(t, "no", q.Get("nonce"))
	require.Equal(t, "code", q.Get("response_type"))
	require.Equal(t, "openid profile email", q.Get("scope"))
	require.Equal(t, "S256", q.Get("code_challenge_method"))
	require.NotContains(t, address, flow.Verifier)
	require.NotContains(t, address, "s3cret")

	finish := func(flow driver.Flow, query string, claims map[string]any) error {
		p.set(func() { p.challenge = q.Get("code_challenge") })
		token := p.sign(nil, p.claims(claims))
		p.set(func() { p.idToken = token })
		values, err := url.ParseQuery(query)
		require.NoError(t, err)
		a, err := d.Finish(t.Context(), flow, values)
		if err == nil {
			require.Equal(t, []string{"bob"}, a["OIDC-preferred_username"])
		}
		return err
	}
	nonce := map[string]any{"nonce": "no"}
	require.NoError(t, finish(flow, "code=good&state=st", nonce))
	require.NoError(t, finish(flow, "code=good&iss="+url.QueryEscape(p.URL), nonce))
	require.Equal(t, flow.Redirect, p.code.Get("redirect_uri"))

	stolen := flow
	stolen.Verifier = strings.Repeat("w", 43)
	for name, err := range map[string]error{
		"another nonce":    finish(flow, "code=good", map[string]any{"nonce": "other"}),
		"no nonce":         finish(flow, "code=good", nil),
		"another verifier": finish(stolen, "code=good", nonce),
		"bad code":         finish(flow, "code=bad", nonce),
		"no code":          finish(flow, "", nonce),
		"error":            finish(flow, "code=good&error=access_denied", nonce),
		"another provider": finish(flow, "code=good&iss=https://evil.example", nonce),
		"another client":   finish(flow, "code=good", map[string]any{"nonce": "no", "aud": "shop", "azp": "cloud"}),
		"another issuer":   finish(flow, "code=good", map[string]any{"nonce": "no", "iss": "https://evil.example"}),
		"expired":          finish(flow, "code=good", map[string]any{"nonce": "no", "exp": 1}),
	} {
		require.ErrorIs(t, err, driver.Unauthenticated, name)
	}
	p.set(func() { p.broken = true })
	require.ErrorIs(t, finish(flow, "code=good", nonce), driver.Unavailable)
}
