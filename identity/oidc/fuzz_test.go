package oidc_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzToken: whatever is shown, it is refused or is what the provider has signed.
func FuzzToken(f *testing.F) {
	p := newIDP(f)
	p.says = map[string]any{"introspection_endpoint": ""}
	d := p.driver()
	good := p.sign(nil, p.claims(nil))
	parts := strings.Split(good, ".")
	enc := base64.RawURLEncoding.EncodeToString
	for _, seed := range []string{
		good, p.sign(map[string]any{"typ": 7}, p.claims(map[string]any{"aud": 7, "groups": map[string]any{"x": nil}})),
		enc([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", parts[0] + "." + enc([]byte(`{"sub":"18"}`)) + "." + parts[2],
		"ey..", "ey.ey.ey", "opaque", "", ".", "ey" + strings.Repeat("A", 5000) + ".e30.AA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		a, err := d.Assert(t.Context(), token)
		if err == nil {
			require.Equal(t, []string{"17"}, a["OIDC-sub"])
			require.Equal(t, []string{p.URL}, a["OIDC-iss"])
		} else {
			require.Nil(t, a)
		}
	})
}
