package glewlwydtest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// plugin is the name of what speaks OpenID Connect in glewlwyd.
const plugin = "oidc"

// Client is a client of the provider.
type Client struct {
	ID        string
	Secret    string
	Scopes    []string // that it may ask for as itself; people may grant it every one
	Redirects []string
}

// User is somebody whom the provider knows.
type User struct {
	Name     string
	Password string
	Email    string
	Groups   []string
}

// logIn opens a session of the administrator.
func (s *Server) logIn() error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	s.admin = &http.Client{Jar: jar}
	return call(s.admin, "POST", s.url+"/api/auth/", map[string]any{"username": "admin", "password": "password"}, nil)
}

// call sends a request with a body in JSON.
func call(c *http.Client, method, address string, body, answer any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %s: %s", method, address, resp.Status, said)
	case answer == nil:
		return nil
	}
	return json.Unmarshal(said, answer)
}

// manage calls the API for administrators.
func (s *Server) manage(method, path string, body, answer any) {
	s.t.Helper()
	require.NoError(s.t, call(s.admin, method, s.url+"/api"+path, body, answer))
}

// setUp has users have groups, and makes the provider.
func (s *Server) setUp() {
	s.t.Helper()
	var users map[string]any
	s.manage("GET", "/mod/user/database", nil, &users)
	format := users["parameters"].(map[string]any)["data-format"].(map[string]any)
	format["groups"] = map[string]any{"multiple": true, "read": true, "write": true}
	s.manage("PUT", "/mod/user/database", users, nil)
	s.manage("PUT", "/mod/user/database/reset", nil, nil)
	s.manage("POST", "/mod/plugin/", s.provider("first"), nil)
}

// provider is the configuration of the plugin, with a new key.
func (s *Server) provider(kid string) map[string]any {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(s.t, err)
	s.key = jose.JSONWebKey{Key: private, KeyID: kid, Algorithm: "RS256", Use: "sig"}
	keys, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{s.key}})
	require.NoError(s.t, err)
	claim := func(name, property string) map[string]any {
		return map[string]any{"name": name, "user-property": property, "mandatory": true}
	}
	parameters := map[string]any{
		"iss": s.Issuer, "jwks-private": string(keys), "subject-type": "public", "allowed-scope": []string{"openid"},
		"access-token-duration": 3600, "refresh-token-duration": 86400, "code-duration": 600, "refresh-token-rolling": true,
		"allow-non-oidc": true, "pkce-allowed": true, "pkce-method-plain-allowed": false,
		"introspection-revocation-allowed": true, "introspection-revocation-allow-target-client": true,
		"device-authorization-expiration": 600, "device-authorization-interval": 5,
		"name-claim": "mandatory", "email-claim": "mandatory", "scope-claim": "no",
		"claims":                []any{claim("groups", "groups"), claim("preferred_username", "username")},
		"additional-parameters": []any{map[string]any{"user-parameter": "username", "token-parameter": "preferred_username"}},
	}
	for _, grant := range []string{"code", "token", "id-token", "password", "client", "refresh", "device"} {
		parameters["auth-type-"+grant+"-enabled"] = true
	}
	return map[string]any{"module": "oidc", "name": plugin, "display_name": plugin, "parameters": parameters}
}

// Rotate makes the provider sign with a new key, and forget the old one.
func (s *Server) Rotate(kid string) {
	s.t.Helper()
	s.manage("PUT", "/mod/plugin/"+plugin, s.provider(kid), nil)
	s.manage("PUT", "/mod/plugin/"+plugin+"/reset", nil, nil)
}

// AddClient registers a client, which may use every grant.
func (s *Server) AddClient(c Client) {
	s.t.Helper()
	s.manage("POST", "/client/", map[string]any{
		"client_id": c.ID, "client_name": c.ID, "client_secret": c.Secret, "confidential": true, "enabled": true,
		"scope": c.Scopes, "redirect_uri": c.Redirects, "token_endpoint_auth_method": []string{"client_secret_basic"},
		"authorization_type": []string{"code", "token", "id_token", "password", "client_credentials", "refresh_token", "device_authorization"},
	}, nil)
}

// AddUser adds a user who may grant "openid".
func (s *Server) AddUser(u User) {
	s.t.Helper()
	s.manage("POST", "/user/", s.user(u), nil)
}

// ChangeUser changes what the provider says of a user.
func (s *Server) ChangeUser(u User) {
	s.t.Helper()
	s.manage("PUT", "/user/"+url.PathEscape(u.Name), s.user(u), nil)
}

func (s *Server) user(u User) map[string]any {
	return map[string]any{
		"username": u.Name, "password": u.Password, "name": u.Name, "email": u.Email, "enabled": true,
		"groups": u.Groups, "scope": []string{"openid", "g_profile"},
	}
}
