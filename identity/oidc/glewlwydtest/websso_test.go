package glewlwydtest_test

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/oidc"
)

// begin begins a log-in with a browser, and returns where that is sent.
func (w *world) begin(browser *http.Client) string {
	w.Helper()
	resp, err := browser.Get(w.url + sso + "/websso?origin=" + url.QueryEscape(dashboard))
	require.NoError(w, err)
	require.NoError(w, resp.Body.Close())
	require.Equal(w, http.StatusFound, resp.StatusCode)
	return resp.Header.Get("Location")
}

// visit loads a page.
func (w *world) visit(browser *http.Client, address string) (status int, page string) {
	w.Helper()
	resp, err := browser.Get(address)
	require.NoError(w, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w, err)
	return resp.StatusCode, string(text)
}

func (w *world) browser() *http.Client {
	w.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(w, err)
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// handedOver reads the form that takes a token to the dashboard.
func handedOver(t testing.TB, page string) (action, token string) {
	t.Helper()
	found := regexp.MustCompile(`(?s)action="([^"]+)".*name="token" value="([^"]+)"`).FindStringSubmatch(page)
	require.Len(t, found, 3, page)
	return html.UnescapeString(found[1]), html.UnescapeString(found[2])
}

func TestWebSSO(t *testing.T) {
	w := newWorld(t)
	browser := w.browser()
	back := w.provider.Visit(ada, w.begin(browser))
	require.NotEmpty(t, back.Query().Get("code"), back)
	status, page := w.visit(browser, back.String())
	require.Equal(t, http.StatusOK, status, page)
	action, token := handedOver(t, page)
	require.Equal(t, dashboard, action)
	shown := w.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
	require.Equal(t, "ada", shown.at(t, "token", "user", "name"))
	w.scoped(http.StatusCreated, token, w.lab)

	// The provider gives each code once, and the cloud forgets the log-in.
	status, _ = w.visit(browser, back.String())
	require.Equal(t, http.StatusUnauthorized, status)

	// A thief of the address has neither the cookie nor the verifier that belong to it.
	stolen := w.provider.Visit(ada, w.begin(browser))
	thief := w.browser()
	own, err := url.Parse(w.begin(thief))
	require.NoError(t, err)
	status, _ = w.visit(thief, stolen.String())
	require.Equal(t, http.StatusUnauthorized, status)
	q := stolen.Query()
	q.Set("state", own.Query().Get("state"))
	stolen.RawQuery = q.Encode()
	status, _ = w.visit(thief, stolen.String())
	require.Equal(t, http.StatusUnauthorized, status)
}

// TestWebSSOWithUserInfo has the provider asked for what the ID token lacks.
func TestWebSSOWithUserInfo(t *testing.T) {
	w := newWorld(t, func(c *oidc.Config) { c.UserInfo = true })
	browser := w.browser()
	status, page := w.visit(browser, w.provider.Visit(ada, w.begin(browser)).String())
	require.Equal(t, http.StatusOK, status, page)
	// Who is not in the group has no role by it.
	status, page = w.visit(browser, w.provider.Visit(bob, w.begin(browser)).String())
	require.Equal(t, http.StatusOK, status, page)
	_, token := handedOver(t, page)
	w.scoped(http.StatusUnauthorized, token, w.lab)
}
