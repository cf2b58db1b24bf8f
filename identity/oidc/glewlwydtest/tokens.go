package glewlwydtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// Tokens are what the provider gives a client.
type Tokens struct {
	Access  string `json:"access_token"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
}

// Ask has a client ask for tokens with a grant.
func (s *Server) Ask(c Client, grant string, form url.Values) Tokens {
	s.t.Helper()
	form = maps.Clone(form)
	form.Set("grant_type", grant)
	req, err := http.NewRequest("POST", s.Issuer+"/token/", strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.ID, c.Secret)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusOK, resp.StatusCode, "%s: %s", grant, s.output.String())
	var tokens Tokens
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(&tokens))
	return tokens
}

// Password has a client log a user in with name and password.
func (s *Server) Password(c Client, u User) Tokens {
	s.t.Helper()
	return s.Ask(c, "password", url.Values{"username": {u.Name}, "password": {u.Password}, "scope": {"openid"}})
}

// Visit does what a user does in a browser at an address of the provider: log in, grant
// what the client asks for, and go on. It returns where the provider sends the browser
// then.
func (s *Server) Visit(u User, address string) *url.URL {
	s.t.Helper()
	at, err := url.Parse(address)
	require.NoError(s.t, err)
	require.Equal(s.t, s.url, at.Scheme+"://"+at.Host, "the browser is not sent to the provider")
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	require.NoError(s.t, call(browser, "POST", s.url+"/api/auth/", map[string]any{"username": u.Name, "password": u.Password}, nil))
	grant := s.url + "/api/auth/grant/" + url.PathEscape(at.Query().Get("client_id"))
	require.NoError(s.t, call(browser, "PUT", grant, map[string]any{"scope": at.Query().Get("scope")}, nil))
	resp, err := browser.Get(address + "&g_continue")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusFound, resp.StatusCode, s.output.String())
	to, err := resp.Location()
	require.NoError(s.t, err)
	return to
}

// Code returns an authorization code for a client, which a user's browser brings to the
// first of its redirect addresses.
func (s *Server) Code(c Client, u User) string {
	s.t.Helper()
	to := s.Visit(u, s.Issuer+"/auth?"+url.Values{
		"response_type": {"code"}, "client_id": {c.ID}, "redirect_uri": {c.Redirects[0]}, "scope": {"openid"},
		"state": {"st"}, "nonce": {"no"},
	}.Encode())
	require.NotEmpty(s.t, to.Query().Get("code"), to)
	return to.Query().Get("code")
}

// Sign signs claims with the provider's key, whatever they say. Those that are missing
// are those of a good ID token for an audience.
func (s *Server) Sign(audience string, claims map[string]any) string {
	s.t.Helper()
	now := time.Now()
	all := map[string]any{
		"iss": s.Issuer, "aud": audience, "sub": "somebody", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(all, claims)
	text, err := json.Marshal(all)
	require.NoError(s.t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: s.key}, nil)
	require.NoError(s.t, err)
	signed, err := signer.Sign(text)
	require.NoError(s.t, err)
	token, err := signed.CompactSerialize()
	require.NoError(s.t, err)
	return token
}

// PublicKey is what the provider's signatures are checked with.
func (s *Server) PublicKey() any { return s.key.Public().Key }
