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
	var tokens Tokens
	s.post(c, "/token/", form, &tokens)
	return tokens
}

// post sends a form to an endpoint of the provider, as a client.
func (s *Server) post(c Client, path string, form url.Values, answer any) {
	s.t.Helper()
	req, err := http.NewRequest("POST", s.Issuer+path, strings.NewReader(form.Encode()))
	require.NoError(s.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(c.ID, c.Secret)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusOK, resp.StatusCode, "%s: %s", form.Get("grant_type"), s.output())
	require.NoError(s.t, json.NewDecoder(resp.Body).Decode(answer))
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
	return s.browse(u, at.Query().Get("client_id"), at.Query().Get("scope"), address)
}

// browse logs a user in, has it grant a client scopes, and follows an address.
func (s *Server) browse(u User, client, scope, address string) *url.URL {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(s.t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	require.NoError(s.t, call(browser, "POST", s.url+"/api/auth/", map[string]any{"username": u.Name, "password": u.Password}, nil))
	require.NoError(s.t, call(browser, "PUT", s.url+"/api/auth/grant/"+url.PathEscape(client), map[string]any{"scope": scope}, nil))
	resp, err := browser.Get(address + "&g_continue")
	require.NoError(s.t, err)
	defer resp.Body.Close()
	require.Equal(s.t, http.StatusFound, resp.StatusCode, s.output())
	to, err := resp.Location()
	require.NoError(s.t, err)
	return to
}

// Device has a client without a browser log a user in, who tells the provider a code.
func (s *Server) Device(c Client, u User) Tokens {
	s.t.Helper()
	var told struct {
		Code    string `json:"device_code"`
		Address string `json:"verification_uri_complete"`
	}
	s.post(c, "/device_authorization/", url.Values{"scope": {"openid"}}, &told)
	s.browse(u, c.ID, "openid", told.Address)
	return s.Ask(c, "urn:ietf:params:oauth:grant-type:device_code", url.Values{"device_code": {told.Code}})
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
