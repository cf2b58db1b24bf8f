package oidc_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/oidc"
)

// idp is an identity provider that signs whatever a test wants.
type idp struct {
	testing.TB
	*httptest.Server
	mu        sync.Mutex
	key       *rsa.PrivateKey
	kid       string
	fetched   int                       // how often the keys were asked for
	asked     int                       // how often the provider was asked what it is
	requests  int                       // how many requests came, answered or not
	says      map[string]any            // more of what the provider says of itself
	basic     bool                      // the last exchange of a code had the secret in a header
	code      url.Values                // the form of the last exchange of a code
	idToken   string                    // what an exchange gives
	active    map[string]map[string]any // what introspection says of tokens
	userInfo  map[string]map[string]any // what the holder of a token is told
	broken    bool                      // every answer is 500
	challenge string                    // of PKCE
}

func newIDP(t testing.TB) *idp {
	t.Helper()
	p := &idp{TB: t, active: map[string]map[string]any{}, userInfo: map[string]map[string]any{}}
	p.rotate("first")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.configuration)
	mux.HandleFunc("GET /keys", p.keys)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("POST /introspect", p.introspect)
	mux.HandleFunc("GET /userinfo", p.info)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.requests++
		if p.broken {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// rotate makes the provider sign with another key, and forget the old one.
func (p *idp) rotate(kid string) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(p, err)
	p.set(func() { p.key, p.kid = key, kid })
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func (p *idp) configuration(w http.ResponseWriter, _ *http.Request) {
	p.asked++
	said := map[string]any{
		"issuer": p.URL, "jwks_uri": p.URL + "/keys", "authorization_endpoint": p.URL + "/authorize",
		"token_endpoint": p.URL + "/token", "introspection_endpoint": p.URL + "/introspect",
		"userinfo_endpoint": p.URL + "/userinfo", "id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"},
	}
	maps.Copy(said, p.says)
	answer(w, said)
}

func (p *idp) keys(w http.ResponseWriter, _ *http.Request) {
	p.fetched++
	enc := base64.RawURLEncoding.EncodeToString
	answer(w, map[string]any{"keys": []any{
		map[string]any{"kty": "unheard of"},
		map[string]any{
			"kty": "RSA", "use": "sig", "kid": p.kid, "alg": "RS256",
			"n": enc(p.key.N.Bytes()), "e": enc(big.NewInt(int64(p.key.E)).Bytes()),
		},
	}})
}

// token exchanges a code if the proof is that of the challenge.
func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	p.code = maps.Clone(r.PostForm)
	_, _, p.basic = r.BasicAuth()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	if r.PostForm.Get("code") != "good" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
		w.WriteHeader(http.StatusBadRequest)
		answer(w, map[string]any{"error": "invalid_grant"})
		return
	}
	answer(w, map[string]any{"access_token": "opaque", "token_type": "Bearer", "id_token": p.idToken, "expires_in": 60})
}

func (p *idp) introspect(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	if id, secret, ok := r.BasicAuth(); !ok || id != "cloud" || secret != "s3cret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	said := p.active[r.PostForm.Get("token")]
	if said == nil {
		said = map[string]any{"active": false}
	}
	answer(w, said)
}

func (p *idp) info(w http.ResponseWriter, r *http.Request) {
	said := p.userInfo[r.Header.Get("Authorization")]
	if said == nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer(w, said)
}

// claims are those of a good token, with changes; nil takes one away.
func (p *idp) claims(change map[string]any) map[string]any {
	all := map[string]any{
		"iss": p.URL, "sub": "17", "aud": "cloud", "exp": time.Now().Add(time.Hour).Unix(),
		"iat": time.Now().Unix(), "preferred_username": "bob", "groups": []string{"crew", "guests"},
	}
	for name, v := range change {
		all[name] = v
		if v == nil {
			delete(all, name)
		}
	}
	return all
}

// sign makes a token.
func (p *idp) sign(head, claims map[string]any) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := map[string]any{"alg": "RS256", "kid": p.kid, "typ": "JWT"}
	maps.Copy(h, head)
	return signWith(p, p.key, h, claims)
}

func signWith(t testing.TB, key *rsa.PrivateKey, head, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(head) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// driver returns one that speaks with the provider.
func (p *idp) driver(change ...func(*oidc.Config)) *oidc.Provider {
	p.Helper()
	cfg := oidc.Config{Issuer: p.URL, ClientID: "cloud", ClientSecret: "s3cret", Timeout: 5 * time.Second}
	for _, f := range change {
		f(&cfg)
	}
	d, err := oidc.New(cfg)
	require.NoError(p, err)
	p.Cleanup(func() { require.NoError(p, d.Close()) })
	return d
}
