package glewlwydtest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/oidc/glewlwydtest"
)

// reheaded is a token with another head and no signature.
func reheaded(t testing.TB, token string, head map[string]any) string {
	t.Helper()
	h, err := json.Marshal(head)
	require.NoError(t, err)
	return base64.RawURLEncoding.EncodeToString(h) + "." + strings.Split(token, ".")[1]
}

// keyed signs a text with a secret.
func keyed(text string, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func TestForgedTokens(t *testing.T) {
	w := newWorld(t)
	people := map[string]any{"preferred_username": "ada", "email": "ada@acme.example", "groups": []string{"crew"}}
	sign := func(audience string, change map[string]any) string {
		for name, v := range people {
			if _, there := change[name]; !there {
				change[name] = v
			}
		}
		return w.provider.Sign(audience, change)
	}
	good := sign("cloud", map[string]any{})
	w.login(http.StatusCreated, "tokens", good)
	shop := glewlwydtest.Client{ID: "shop", Secret: "shop-secret", Scopes: []string{"openid"}, Redirects: []string{"https://shop.example/"}}
	w.provider.AddClient(shop)
	bought, real := w.provider.Password(shop, ada), w.provider.Password(w.client, ada)
	parts := strings.Split(real.ID, ".")
	der, err := x509.MarshalPKIXPublicKey(w.provider.PublicKey())
	require.NoError(t, err)
	pemKey := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	hs := reheaded(t, real.ID, map[string]any{"alg": "HS256", "typ": "JWT", "kid": "first"})
	admin := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin","preferred_username":"admin"}`))
	for name, token := range map[string]string{
		"another audience":        sign("shop", map[string]any{}),
		"another client's ID":     bought.ID,
		"another client's access": bought.Access,
		"another issuer":          sign("cloud", map[string]any{"iss": "https://evil.example"}),
		"expired":                 sign("cloud", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}),
		"not yet":                 sign("cloud", map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}),
		"nobody":                  sign("cloud", map[string]any{"sub": ""}),
		"changed":                 parts[0] + "." + admin + "." + parts[2],
		"cut":                     real.ID[:len(real.ID)-4],
		"alg none":                reheaded(t, real.ID, map[string]any{"alg": "none"}) + ".",
		"alg none, signature":     reheaded(t, real.ID, map[string]any{"alg": "none"}) + "." + parts[2],
		"HS256 with the DER key":  keyed(hs, der),
		"HS256 with the PEM key":  keyed(hs, pemKey),
		"HS256 with the secret":   keyed(hs, []byte(w.client.Secret)),
		"a refresh token":         real.Refresh,
		"garbage":                 "garbage",
		"too long":                strings.Repeat("x", 40<<10),
		"nothing":                 "",
	} {
		t.Run(name, func(t *testing.T) {
			require.Empty(t, w.login(http.StatusUnauthorized, "tokens", token).token)
			require.Empty(t, w.login(http.StatusUnauthorized, "openid", token).token)
		})
	}
	w.login(http.StatusCreated, "tokens", real.ID)
	w.login(http.StatusCreated, "openid", real.Access)
	require.Contains(t, w.log.text.String(), "neither meant for this cloud", "the log says why")
}

// TestTokensEnd: what a token came by must be there, enabled, and as it was.
func TestTokensEnd(t *testing.T) {
	w := newWorld(t)
	credential := w.provider.Password(w.client, ada).ID
	login := func() [2]string {
		unscoped := w.login(http.StatusCreated, "tokens", credential).token
		return [2]string{unscoped, w.scoped(http.StatusCreated, unscoped, w.lab).token}
	}
	for _, c := range []struct{ name, method, path, body, undo string }{
		{"disabled", "PATCH", acme, `{"identity_provider": {"enabled": false}}`, `PATCH ` + acme + ` {"identity_provider": {"enabled": true}}`},
		{"another mapping", "PATCH", acme + "/protocols/tokens", `{"protocol": {"mapping_id": "other"}}`,
			`PATCH ` + acme + `/protocols/tokens {"protocol": {"mapping_id": "people"}}`},
		{"mapping changed", "PATCH", fed + "/mappings/people", `{"mapping": {"rules": ` + strings.ReplaceAll(peopleRules, "crew", "captains") + `}}`,
			`PATCH ` + fed + `/mappings/people {"mapping": {"rules": ` + peopleRules + `}}`},
		{"no protocol", "DELETE", acme + "/protocols/tokens", "", `PUT ` + acme + `/protocols/tokens {"protocol": {"mapping_id": "people"}}`},
		{"no mapping", "DELETE", fed + "/mappings/people", "", `PUT ` + fed + `/mappings/people {"mapping": {"rules": ` + peopleRules + `}}`},
		{"no provider", "DELETE", acme, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "another mapping" {
				w.want(http.StatusCreated, "PUT", fed+"/mappings/other", w.admin, `{"mapping": {"rules": `+robotRules+`}}`)
			}
			tokens := login()
			status := map[string]int{"PATCH": http.StatusOK, "DELETE": http.StatusNoContent}[c.method]
			w.want(status, c.method, c.path, w.admin, c.body)
			for _, token := range tokens {
				w.check(http.StatusNotFound, token)
				w.want(http.StatusUnauthorized, "GET", "/v3/auth/projects", token, "")
				w.scoped(http.StatusUnauthorized, token, w.lab)
			}
			if c.undo == "" {
				return
			}
			undo := strings.SplitN(c.undo, " ", 3)
			w.want(map[string]int{"PATCH": http.StatusOK, "PUT": http.StatusCreated}[undo[0]], undo[0], undo[1], w.admin, undo[2])
			for _, token := range tokens {
				w.check(http.StatusNotFound, token)
			}
			login()
		})
	}
	w.login(http.StatusNotFound, "tokens", credential)
}
