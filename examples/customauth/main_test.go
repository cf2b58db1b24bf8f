package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// site is the cloud as served, and whom it knows.
type site struct {
	testing.TB
	url string
}

func serve(t testing.TB) site {
	t.Setenv("OS_PASSWORD", "secret")
	c, err := open(t.Context(), sessions{"ann-cookie": {"ann", "web"}, "bob-cookie": {"bob", "db"}})
	require.NoError(t, err)
	server := httptest.NewServer(c.Handler())
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, c.Close())
	})
	return site{t, server.URL}
}

// do sends a request with a cookie, or with a token.
func (s site) do(method, path, cookie, token, body string) (int, string, http.Header) {
	r, err := http.NewRequestWithContext(s.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(s, err)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
	}
	if token != "" {
		r.Header.Set("X-Auth-Token", token)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	require.NoError(s, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	return resp.StatusCode, string(text), resp.Header
}

func TestSessions(t *testing.T) {
	s := serve(t)
	status, body, _ := s.do("POST", "/network/v2.0/networks", "ann-cookie", "", `{"network":{"name":"blue"}}`)
	require.Equal(t, 201, status, body)
	require.Contains(t, body, `"project_id":"web"`)

	status, body, _ = s.do("GET", "/network/v2.0/networks?name=blue", "ann-cookie", "", "")
	require.Equal(t, 200, status)
	require.Contains(t, body, `"blue"`)
	status, body, _ = s.do("GET", "/network/v2.0/networks?name=blue", "bob-cookie", "", "")
	require.Equal(t, 200, status)
	require.NotContains(t, body, `"blue"`, "it is another team's")

	for _, cookie := range []string{"", "guessed"} {
		status, _, header := s.do("GET", "/network/v2.0/networks", cookie, "", "")
		require.Equal(t, 401, status)
		require.Contains(t, header.Get("Www-Authenticate"), "Keystone")
	}
	status, _, _ = s.do("GET", "/identity/v3/users", "ann-cookie", "", "")
	require.Equal(t, 403, status, "a member may not do what administrators do")
	status, _, _ = s.do("GET", "/network/v2.0/networks", "ann-cookie", "not-a-token", "")
	require.Equal(t, 401, status, "a token counts, if there is one")
}

// TestTokensStill: the cloud's own users log in as ever.
func TestTokensStill(t *testing.T) {
	s := serve(t)
	status, body, header := s.do("POST", "/identity/v3/auth/tokens", "", "", fmt.Sprintf(`{"auth":{
		"identity":{"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":%q}}},
		"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`, "secret"))
	require.Equal(t, 201, status, body)
	status, _, _ = s.do("GET", "/identity/v3/users", "", header.Get("X-Subject-Token"), "")
	require.Equal(t, 200, status)
}

// TestLength keeps what the documentation promises.
func TestLength(t *testing.T) {
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	require.Less(t, bytes.Count(source, []byte("\n")), 60)
}
