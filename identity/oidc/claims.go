package oidc

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/welkin-cloud/cloud/identity/driver"
)

// isJWT reports whether a token has the form of a signed JWT.
func isJWT(token string) bool {
	return strings.Count(token, ".") == 2 && strings.HasPrefix(token, "ey")
}

// typeOf is what a JWT says that it is.
func typeOf(token string) string {
	head, _, _ := strings.Cut(token, ".")
	var said struct {
		Type string `json:"typ"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil || json.Unmarshal(raw, &said) != nil {
		return "?"
	}
	return strings.ToLower(said.Type)
}

// verify returns the claims of a token of this provider that has not expired.
func (p *Provider) verify(ctx context.Context, m *discovered, token string) (map[string]any, error) {
	switch typeOf(token) {
	case "", "jwt", "at+jwt", "application/at+jwt":
	default: // a provider signs other things too, which are no proof of who somebody is
		return nil, denied(errors.New("the token is neither an ID token nor an access token"))
	}
	// The verifier does not tell a bad signature from keys that cannot be fetched.
	if _, err := m.keys.VerifySignature(ctx, token); err != nil {
		return nil, refusedOr(err)
	}
	t, err := m.verifier.Verify(ctx, token)
	if err != nil {
		return nil, refusedOr(err)
	}
	var claims map[string]any
	if err := t.Claims(&claims); err != nil {
		return nil, denied(err)
	}
	return usable(claims)
}

// kinds are names of claims that providers tell the kind of a token by, and notProof are
// kinds that must not open anything: what gets new tokens, or ends sessions, or is worth
// something only together with a key.
var (
	kinds    = []string{"token_type", "token_use", "typ", "type"}
	notProof = []string{"refresh", "refresh_token", "offline", "logout", "dpop", "pop", "mac"}
)

// usable returns claims if they say who they are about, and are those of a token that
// whoever has it may show.
func usable(claims map[string]any) (map[string]any, error) {
	if subject, _ := claims["sub"].(string); subject == "" {
		return nil, denied(errors.New("the token names no subject"))
	}
	if claims["cnf"] != nil { // RFC 7800, for DPoP and certificates of clients
		return nil, denied(errors.New("the token is bound to a key, of which there is no proof"))
	}
	if claims["events"] != nil { // RFC 8417
		return nil, denied(errors.New("the token tells of events"))
	}
	for _, name := range kinds {
		if kind, _ := claims[name].(string); slices.Contains(notProof, strings.ToLower(kind)) {
			return nil, denied(errors.New("the token is one of the kind " + strings.ToLower(kind)))
		}
	}
	return claims, nil
}

// introspect asks the provider about a token that only the provider can read.
func (p *Provider) introspect(ctx context.Context, m *discovered, token string) (map[string]any, error) {
	if m.introspect == "" {
		return nil, denied(errors.New("the token is no JWT, and the provider does not look at tokens"))
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.introspect, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, unreachable(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	req.SetBasicAuth(url.QueryEscape(p.cfg.ClientID), url.QueryEscape(p.cfg.ClientSecret))
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, unreachable(errors.Join(err, errors.New("the token cannot be looked at: "+resp.Status)))
	}
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		return nil, unreachable(err)
	}
	if active, _ := claims["active"].(bool); !active {
		return nil, denied(errors.New("the provider says that the token is not active"))
	}
	if iss, there := claims["iss"]; there && iss != p.cfg.Issuer {
		return nil, denied(errors.New("the token is of another issuer"))
	}
	if exp, there := claims["exp"].(float64); there && p.cfg.Clock.Now().Unix() >= int64(exp) {
		return nil, denied(errors.New("the token has expired"))
	}
	claims["iss"] = p.cfg.Issuer
	return usable(claims)
}

// addUserInfo adds claims that the provider tells the holder of an access token.
func (p *Provider) addUserInfo(ctx context.Context, m *discovered, claims map[string]any, token string) error {
	info, err := m.provider.UserInfo(ctx, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token}))
	if err != nil {
		return refusedOr(err)
	}
	if info.Subject != claims["sub"] {
		return denied(errors.New("the provider tells about somebody else"))
	}
	var more map[string]any
	if err := info.Claims(&more); err != nil {
		return denied(err)
	}
	for name, v := range more {
		if _, there := claims[name]; !there {
			claims[name] = v
		}
	}
	return nil
}

// refusedOr tells a provider that says no from one that cannot be asked.
func refusedOr(err error) error {
	var gone net
	switch {
	case errors.Is(err, driver.Unavailable):
		return unreachable(err)
	case errors.As(err, &gone), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return unreachable(err)
	}
	return denied(err)
}

// net are the errors of connections.
type net interface {
	error
	Timeout() bool
	Temporary() bool
}

// assertion makes attributes of claims. Where two claims have one name in capitals, that
// is the first one's; names in small letters, as standards write them, come first.
func (p *Provider) assertion(claims map[string]any) driver.Assertion {
	a := driver.Assertion{}
	names := slices.SortedFunc(maps.Keys(claims), func(x, y string) int {
		return -cmp.Compare(x, y) // small letters are greater than capitals and dashes
	})
	for _, name := range names {
		values := texts(claims[name])
		if len(values) == 0 {
			continue
		}
		attribute := p.cfg.Prefix + name
		a[attribute] = values
		if capitals := "HTTP_" + environment(attribute); a[capitals] == nil {
			a[capitals] = values
		}
	}
	a[driver.RemoteUser] = texts(claims["sub"])
	return a
}

// environment is the name that a web server gives a header of this name.
func environment(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z':
			return c - 'a' + 'A'
		case c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
			return c
		}
		return '_'
	}, name)
}

// texts are the values of a claim.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case bool:
		return []string{strconv.FormatBool(v)}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		list := []string{}
		for _, item := range v {
			if _, nested := item.([]any); !nested {
				list = append(list, texts(item)...)
			}
		}
		return list
	}
	return nil
}

// same compares a secret that came back with what it must be.
func same(values []string, want string) bool {
	return len(values) == 1 && want != "" && subtle.ConstantTimeCompare([]byte(values[0]), []byte(want)) == 1
}

// clip bounds what is repeated of a foreign text.
func clip(s string) string { return s[:min(len(s), 100)] }

var _ oidc.KeySet = (*keySet)(nil)
