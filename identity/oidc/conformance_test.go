package oidc_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.RunProtocol(t, conforming)
	drivertest.RunBrowser(t, conforming)
}

func conforming(t *testing.T) drivertest.Provider {
	p := newIDP(t)
	about := func(who drivertest.Person, change map[string]any) map[string]any {
		all := p.claims(map[string]any{"sub": who.Name, "preferred_username": who.Name, "groups": who.Groups})
		for name, v := range change {
			all[name] = v
		}
		return all
	}
	return drivertest.Provider{
		Driver: p.driver(),
		Want: func(who drivertest.Person) driver.Assertion {
			return driver.Assertion{
				driver.RemoteUser: {who.Name}, "OIDC-preferred_username": {who.Name}, "HTTP_OIDC_GROUPS": who.Groups,
			}
		},
		Credential: func(who drivertest.Person) string { return p.sign(nil, about(who, nil)) },
		Spoiled: func(who drivertest.Person) map[string]string {
			return map[string]string{
				"expired":              p.sign(nil, about(who, map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})),
				"of another provider":  p.sign(nil, about(who, map[string]any{"iss": "https://evil.example"})),
				"meant for another":    p.sign(nil, about(who, map[string]any{"aud": "shop"})),
				"of a key not its own": signWith(t, newIDP(t).key, map[string]any{"alg": "RS256", "kid": "first"}, about(who, nil)),
				"for log-out":          p.sign(map[string]any{"typ": "logout+jwt"}, about(who, nil)),
			}
		},
		Return: func(address string, who drivertest.Person) url.Values {
			u, err := url.Parse(address)
			require.NoError(t, err)
			q := u.Query()
			token := p.sign(nil, about(who, map[string]any{"nonce": q.Get("nonce")}))
			p.set(func() { p.challenge, p.idToken = q.Get("code_challenge"), token })
			return url.Values{"state": {q.Get("state")}, "code": {"good"}}
		},
		Down: func(down bool) { p.set(func() { p.broken = down }) },
	}
}
