package identityapi_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	sso       = "/v3/auth/OS-FEDERATION"
	dashboard = "?origin=https%3A%2F%2Fdashboard.example%2Fauth%2Fwebsso%2F"
)

// browse asks for a page as a browser with cookies does.
func (s *site) browse(jar http.CookieJar, method, address string) answer {
	s.Helper()
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(s.Context(), method, address, nil)
	require.NoError(s, err)
	resp, err := client.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// sent goes to the provider, and returns where that is to send the browser back to, and
// with which state.
func (s *site) sent(jar http.CookieJar, method, path string) (callback, state string) {
	s.Helper()
	a := s.browse(jar, method, s.url+"/identity"+path+dashboard)
	require.Equal(s, http.StatusFound, a.status, a.body)
	to, err := url.Parse(a.header.Get("Location"))
	require.NoError(s, err)
	require.Equal(s, "provider.invalid", to.Host)
	return to.Query().Get("redirect_uri"), to.Query().Get("state")
}

func TestWebSSO(t *testing.T) {
	s, _ := abroad(t)
	for _, begin := range []string{
		"GET " + sso + "/websso/openid", "POST " + sso + "/websso/openid",
		"GET " + sso + "/identity_providers/acme/protocols/openid/websso",
		"POST " + sso + "/identity_providers/acme/protocols/openid/websso",
		"GET " + sso + "/identity_providers/acme/protocol/openid/websso",
	} {
		method, path, _ := strings.Cut(begin, " ")
		jar, err := cookiejar.New(nil)
		require.NoError(t, err)
		callback, state := s.sent(jar, method, path)
		require.Equal(t, s.url+"/identity"+sso+"/identity_providers/acme/protocols/openid/callback", callback)
		a := s.browse(jar, "GET", callback+"?code=bob%27s&state="+state)
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Equal(t, "text/html; charset=utf-8", a.header.Get("Content-Type"))
		require.Equal(t, "no-store", a.header.Get("Cache-Control"))
		require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
		require.Contains(t, a.body, `action="https://dashboard.example/auth/websso/"`)
		token := regexp.MustCompile(`name="token" value="([^"]+)"`).FindStringSubmatch(a.body)
		require.Len(t, token, 2)
		shown := s.want(http.StatusOK, "GET", "/v3/auth/tokens", token[1], "", "X-Subject-Token", token[1])
		require.Equal(t, "bob", shown.at(t, "token", "user", "name"))
		again := s.browse(jar, "GET", callback+"?code=bob%27s&state="+state)
		require.Equal(t, http.StatusUnauthorized, again.status, "the cookie is gone")
	}
}

func TestWebSSORefusals(t *testing.T) {
	s, provider := abroad(t)
	base := s.url + "/identity"
	for path, want := range map[string]int{
		"/websso/openid": http.StatusBadRequest,
		"/websso/openid?origin=https://evil.example/":                                        http.StatusUnauthorized,
		"/websso/openid?origin=https://dashboard.example/auth/websso/../x":                   http.StatusUnauthorized,
		"/websso/openid?origin=https://dashboard.example.evil.example/auth/websso/":          http.StatusUnauthorized,
		"/websso/openid?origin=https://dashboard.example/AUTH/websso/":                       http.StatusUnauthorized,
		"/websso/openid?origin=HTTPS://Dashboard.example/auth/websso/":                       http.StatusFound,
		"/websso/saml2" + dashboard:                                                          http.StatusNotFound,
		"/identity_providers/none/protocols/openid/websso" + dashboard:                       http.StatusNotFound,
		"/identity_providers/acme/protocols/openid/callback":                                 http.StatusUnauthorized,
		"/identity_providers/acme/protocols/openid/callback?code=bob%27s&state=guessed":      http.StatusUnauthorized,
		"/identity_providers/acme/protocols/openid/callback?code=bob%27s&error=denied&state": http.StatusUnauthorized,
	} {
		a := s.browse(nil, "GET", base+sso+path)
		require.Equal(t, want, a.status, "%s: %s", path, a.body)
		require.NotContains(t, a.body, "<form")
	}
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	callback, state := s.sent(jar, "GET", sso+"/websso/openid")
	_, second := s.sent(jar, "GET", sso+"/websso/openid")
	require.NotEqual(t, state, second)
	stranger, err := cookiejar.New(nil)
	require.NoError(t, err)
	s.sent(stranger, "GET", sso+"/websso/openid")
	for name, a := range map[string]answer{
		"another browser":  s.browse(stranger, "GET", callback+"?code=bob%27s&state="+state),
		"no cookie":        s.browse(nil, "GET", callback+"?code=bob%27s&state="+state),
		"a bad code":       s.browse(jar, "GET", callback+"?code=eve%27s&state="+state),
		"another protocol": s.browse(jar, "GET", strings.Replace(callback, "openid/callback", "saml2/callback", 1)+"?code=bob%27s&state="+state),
	} {
		require.Equal(t, http.StatusUnauthorized, a.status, "%s: %s", name, a.body)
	}
	provider.Down(true)
	require.Equal(t, http.StatusServiceUnavailable, s.browse(jar, "GET", callback+"?code=bob%27s&state="+state).status)
	require.Equal(t, http.StatusServiceUnavailable, s.browse(jar, "GET", base+sso+"/websso/openid"+dashboard).status)
	provider.Down(false)
	require.Equal(t, http.StatusOK, s.browse(jar, "GET", callback+"?code=bob%27s&state="+state).status, "both log-ins of a browser can end")
	require.Equal(t, http.StatusOK, s.browse(jar, "GET", callback+"?code=bob%27s&state="+second).status)
}

// TestWebSSOCookie: what keeps a log-in in its browser is read by no script and sent to
// no other host, and with TLS comes from no other host either.
func TestWebSSOCookie(t *testing.T) {
	s, _ := abroad(t)
	for proto, name := range map[string]string{"http": "websso-", "https": "__Host-websso-"} {
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/identity"+sso+"/websso/openid"+dashboard, nil)
		require.NoError(t, err)
		req.Header.Set("X-Forwarded-Proto", proto)
		resp, err := http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Len(t, resp.Cookies(), 1)
		c := resp.Cookies()[0]
		require.True(t, strings.HasPrefix(c.Name, name), c.Name)
		require.True(t, c.HttpOnly)
		require.Empty(t, c.Domain)
		require.Equal(t, 600, c.MaxAge)
		require.Equal(t, http.SameSiteLaxMode, c.SameSite)
		require.Equal(t, proto == "https", c.Secure)
		require.Equal(t, map[string]string{"http": "/identity" + sso, "https": "/"}[proto], c.Path)

		to, err := url.Parse(resp.Header.Get("Location"))
		require.NoError(t, err)
		back := "/identity" + sso + "/identity_providers/acme/protocols/openid/callback?code=bob%27s&state=" + to.Query().Get("state")
		req, err = http.NewRequestWithContext(t.Context(), "GET", s.url+back, nil)
		require.NoError(t, err)
		req.Header.Set("X-Forwarded-Proto", proto)
		req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		resp, err = http.DefaultTransport.RoundTrip(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Negative(t, resp.Cookies()[0].MaxAge)
		require.Equal(t, c.Name, resp.Cookies()[0].Name)
		require.Equal(t, c.Path, resp.Cookies()[0].Path)
	}
}
