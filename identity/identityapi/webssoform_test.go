package identityapi_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memprotocol"
)

// formProvider sends browsers back with a form.
type formProvider struct{ *memprotocol.Provider }

func (formProvider) Publish(redirect, _ string) ([]byte, string) {
	return []byte("<about " + redirect + ">"), "application/samlmetadata+xml"
}

const acmeForm = sso + "/identity_providers/acme/protocols/form"

// formSite is a site with such a provider.
func formSite(t *testing.T) *site {
	t.Helper()
	provider := &memprotocol.Provider{}
	provider.Know("bob's", driver.Assertion{"name": {"bob"}, "groups": {"guests"}})
	s := serve(t, func(c *identity.Config) {
		c.Federation.Methods = []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "form", Driver: formProvider{provider}}}
		c.Federation.TrustedDashboards = []string{"https://dashboard.example/auth/websso/"}
	})
	token := s.admin()
	s.want(http.StatusCreated, "PUT", acme, token, `{"identity_provider": {"enabled": true}}`)
	s.want(http.StatusCreated, "PUT", fed+"/mappings/basic", token, basicRules)
	s.want(http.StatusCreated, "PUT", acme+"/protocols/form", token, mappingBody)
	return s
}

// post sends a form, with a cookie.
func (s *site) post(path, kind, cookie, body string) answer {
	s.Helper()
	return s.send("POST", path, http.Header{"Content-Type": {kind}, "Cookie": {cookie}}, body)
}

// send sends a request, and follows nothing.
func (s *site) send(method, path string, header http.Header, body string) answer {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+"/identity"+path, strings.NewReader(body))
	require.NoError(s, err)
	if header != nil {
		req.Header = header
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	return answer{resp.StatusCode, resp.Header, string(text)}
}

const formType = "application/x-www-form-urlencoded"

func TestWebSSOForm(t *testing.T) {
	s := formSite(t)
	begin := func(header http.Header) (cookie *http.Cookie, state string) {
		a := s.send("GET", acmeForm+"/websso"+dashboard, header, "")
		require.Equal(t, http.StatusFound, a.status, a.body)
		to, err := url.Parse(a.header.Get("Location"))
		require.NoError(t, err)
		cookie, err = http.ParseSetCookie(a.header.Get("Set-Cookie"))
		require.NoError(t, err)
		return cookie, to.Query().Get("state")
	}
	cookie, _ := begin(http.Header{"X-Forwarded-Proto": {"https"}})
	require.Equal(t, http.SameSiteNoneMode, cookie.SameSite, "the form comes from another site")
	require.True(t, cookie.Secure)
	require.True(t, cookie.HttpOnly)
	cookie, state := begin(nil)
	require.Zero(t, cookie.SameSite)
	kept := cookie.Name + "=" + cookie.Value
	form := url.Values{"RelayState": {state}, "code": {"bob's"}}.Encode()

	for name, got := range map[string]answer{
		"no cookie":           s.post(acmeForm+"/callback", formType, "", form),
		"another state":       s.post(acmeForm+"/callback", formType, kept, strings.Replace(form, "RelayState=", "RelayState=x", 1)),
		"the state elsewhere": s.post(acmeForm+"/callback?state="+state, formType, kept, "code=bob%27s"),
		"a bad code":          s.post(acmeForm+"/callback", formType, kept, strings.Replace(form, "bob", "eve", 1)),
		"another protocol":    s.post(strings.Replace(acmeForm, "form", "other", 1)+"/callback", formType, kept, form),
	} {
		require.Equal(t, http.StatusUnauthorized, got.status, "%s: %s", name, got.body)
	}
	require.Equal(t, http.StatusBadRequest, s.post(acmeForm+"/callback", "application/json", kept, "{}").status)
	require.Equal(t, http.StatusBadRequest, s.post(acmeForm+"/callback", formType, kept, "%").status)
	require.Equal(t, http.StatusRequestEntityTooLarge, s.post(acmeForm+"/callback", formType, kept, strings.Repeat("x", 2<<20)).status)

	a := s.post(acmeForm+"/callback", formType+"; charset=utf-8", kept, form)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `action="https://dashboard.example/auth/websso/"`)
	again := s.post(acmeForm+"/callback", formType, kept, form)
	require.Equal(t, http.StatusUnauthorized, again.status, "it is replayed")
}

func TestFederationMetadataRoute(t *testing.T) {
	s := formSite(t)
	a := s.want(http.StatusOK, "GET", acmeForm+"/metadata", "", "")
	require.Equal(t, "<about "+s.url+"/identity"+acmeForm+"/callback>", a.body)
	require.Equal(t, "application/samlmetadata+xml", a.header.Get("Content-Type"))
	s.want(http.StatusNotFound, "GET", strings.Replace(acmeForm, "form", "other", 1)+"/metadata", "", "")
}
