package pysaml2test_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"html"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/identity/saml"
	"github.com/welkin-cloud/cloud/identity/saml/pysaml2test"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

const (
	dashboard = "https://dashboard.example/auth/websso/"
	sso       = "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/saml2"
	entityID  = "https://cloud.example/saml"
)

// users are those of the provider.
var users = map[string]pysaml2test.User{
	"ada": {Password: "ada-secret", Attributes: map[string]any{
		"displayName": "Ada <L> & Söhne", "mail": "ada@acme.example", "eduPersonAffiliation": []string{"crew", "guests"},
	}},
	"eve": {Password: "eve-secret", Attributes: map[string]any{"displayName": "eve", "mail": "eve@evil.example"}},
}

// rules know people with an address of the company.
var rules = []identity.MappingRule{{
	Local: []identity.MappingLocal{
		{User: &identity.MappingUser{ID: "{0}", Name: "{1}", Email: "{2}"}},
		{Groups: "{3}", Domain: &identity.Named{Name: "Default"}},
	},
	Remote: []identity.MappingRemote{
		{Type: "MELLON_NAME_ID"}, {Type: "MELLON_displayName"}, {Type: "mail"},
		{Type: "eduPersonAffiliation", Whitelist: []string{"crew"}},
		{Type: "MELLON_mail", AnyOneOf: []string{`@acme\.example$`}, Regex: new(true)},
	},
}}

// world is a cloud whose users the provider knows.
type world struct {
	testing.TB
	provider *pysaml2test.Server
	svc      *identity.Service
	url      string // of the identity API
}

func newWorld(t *testing.T, cfg pysaml2test.Config, change ...func(*saml.Config)) *world {
	t.Helper()
	cfg.Users = users
	w := &world{TB: t, provider: pysaml2test.New(t, cfg)}
	samlConfig := saml.Config{EntityID: entityID, Metadata: w.provider.Metadata}
	for _, c := range change {
		c(&samlConfig)
	}
	driver, err := saml.New(samlConfig)
	require.NoError(t, err)
	w.svc, err = identity.Open(t.Context(), identity.Config{
		AdminPassword: "admin-secret", Settings: identity.Settings{BcryptCost: 4},
		Federation: identity.FederationConfig{
			Methods:           []identity.FederationMethod{{ProviderID: "acme", ProtocolID: "saml2", Driver: driver}},
			TrustedDashboards: []string{dashboard},
		},
	}, nil)
	require.NoError(t, err)
	enforcer, err := policy.New(nil)
	require.NoError(t, err)
	server := httptest.NewServer(httpapi.Mount(map[string]http.Handler{
		"/identity": identityapi.New(w.svc, httpapi.Options{Policy: enforcer}),
	}))
	t.Cleanup(func() { server.Close(); require.NoError(t, w.svc.Close()) })
	w.url = server.URL + "/identity"
	w.federate()
	w.provider.Serve([]byte(w.page(http.StatusOK, w.ask(nil, "GET", w.url+sso+"/metadata", nil, ""))))
	return w
}

// federate makes provider, mapping and protocol, and a group.
func (w *world) federate() {
	w.Helper()
	ctx := w.Context()
	_, err := w.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(w, err)
	_, err = w.svc.CreateMapping(ctx, identity.Mapping{ID: "people", Rules: rules})
	require.NoError(w, err)
	_, err = w.svc.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{
		ID: "acme", Enabled: true, RemoteIDs: []string{w.provider.URL + "/metadata"},
	})
	require.NoError(w, err)
	_, err = w.svc.CreateFederationProtocol(ctx, identity.FederationProtocol{
		ID: "saml2", ProviderID: "acme", MappingID: "people", RemoteIDAttribute: "MELLON_IDP",
	})
	require.NoError(w, err)
}

// ask sends a request as a browser does, with basic authentication if a user is named.
func (w *world) ask(jar http.CookieJar, method, address string, form url.Values, user string) *http.Response {
	w.Helper()
	req, err := http.NewRequestWithContext(w.Context(), method, address, strings.NewReader(form.Encode()))
	require.NoError(w, err)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if user != "" {
		req.SetBasicAuth(user, users[user].Password)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	require.NoError(w, err)
	w.Cleanup(func() { resp.Body.Close() })
	return resp
}

// page reads an answer.
func (w *world) page(status int, resp *http.Response) string {
	w.Helper()
	text, err := io.ReadAll(resp.Body)
	require.NoError(w, err)
	require.Equal(w, status, resp.StatusCode, string(text))
	return string(text)
}

var (
	action = regexp.MustCompile(`action="([^"]+)"`)
	input  = regexp.MustCompile(`name="([^"]+)" value="([^"]*)"`)
)

// asserted begins a log-in, logs a user in at the provider, and returns the form with
// which that sends the browser back.
func (w *world) asserted(jar http.CookieJar, user string) (address string, form url.Values) {
	w.Helper()
	resp := w.ask(jar, "GET", w.url+sso+"/websso?origin="+url.QueryEscape(dashboard), nil, "")
	w.page(http.StatusFound, resp)
	page := w.page(http.StatusOK, w.ask(jar, "GET", resp.Header.Get("Location"), nil, user))
	form = url.Values{}
	for _, field := range input.FindAllStringSubmatch(page, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return html.UnescapeString(action.FindStringSubmatch(page)[1]), form
}

func newJar(t *testing.T) http.CookieJar {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return jar
}

// logIn logs a user in with a browser.
func (w *world) logIn(jar http.CookieJar, user string) *identity.Token {
	w.Helper()
	address, form := w.asserted(jar, user)
	require.Equal(w, w.url+sso+"/callback", address)
	page := w.page(http.StatusOK, w.ask(jar, "POST", address, form, ""))
	require.Contains(w, page, `action="`+dashboard+`"`)
	token, err := w.svc.Validate(w.Context(), input.FindStringSubmatch(page)[2])
	require.NoError(w, err)
	return token
}

func TestLogin(t *testing.T) {
	w := newWorld(t, pysaml2test.Config{})
	first := w.logIn(newJar(t), "ada")
	require.Equal(t, "Ada <L> & Söhne", first.User.Name)
	require.Equal(t, []string{"saml2"}, first.Methods)
	require.Equal(t, "acme", first.Federation.ProviderID)
	require.Len(t, first.Federation.GroupIDs, 1)
	require.Equal(t, first.User.ID, w.logIn(newJar(t), "ada").User.ID)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t, pysaml2test.Config{})
	jar := newJar(t)
	address, form := w.asserted(jar, "ada")
	w.page(http.StatusUnauthorized, w.ask(newJar(t), "POST", address, form, ""))
	stranger := newJar(t)
	_, theirs := w.asserted(stranger, "eve")
	mixed := url.Values{"RelayState": theirs["RelayState"], "SAMLResponse": form["SAMLResponse"]}
	w.page(http.StatusUnauthorized, w.ask(stranger, "POST", address, mixed, ""))
	w.page(http.StatusUnauthorized, w.ask(stranger, "POST", address, theirs, "")) // the mapping lets no such address in

	kept := jar.Cookies(mustParse(t, address))
	require.Len(t, kept, 1)
	w.page(http.StatusOK, w.ask(jar, "POST", address, form, ""))
	jar.SetCookies(mustParse(t, address), kept)
	w.page(http.StatusUnauthorized, w.ask(jar, "POST", address, form, "")) // a replay
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	return u
}

// TestOnlyTheResponseIsSigned is a provider that is not configured as it must be.
func TestOnlyTheResponseIsSigned(t *testing.T) {
	w := newWorld(t, pysaml2test.Config{Sign: "response"})
	jar := newJar(t)
	address, form := w.asserted(jar, "ada")
	w.page(http.StatusUnauthorized, w.ask(jar, "POST", address, form, ""))
}

func TestSignedRequests(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	w := newWorld(t, pysaml2test.Config{WantSigned: true}, func(c *saml.Config) {
		c.Keypair = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	})
	jar := newJar(t)
	w.logIn(jar, "ada")
	resp := w.ask(jar, "GET", w.url+sso+"/websso?origin="+url.QueryEscape(dashboard), nil, "")
	spoilt := strings.Replace(resp.Header.Get("Location"), "&RelayState=", "&RelayState=x", 1)
	w.page(http.StatusForbidden, w.ask(jar, "GET", spoilt, nil, "ada"))
}

// TestUnmodifiedClient logs in with the usual client's plugin, which carries messages.
func TestUnmodifiedClient(t *testing.T) {
	w := newWorld(t, pysaml2test.Config{})
	issue := func(user, password string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), "openstack", "--os-auth-type", "v3samlpassword", "--os-identity-api-version", "3",
			"--os-auth-url", w.url+"/v3", "--os-identity-provider", "acme", "--os-protocol", "saml2",
			"--os-identity-provider-url", w.provider.URL+"/ecp", "--os-username", user, "--os-password", password,
			"token", "issue", "-f", "value", "-c", "id")
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}
		return cmd.CombinedOutput()
	}
	out, err := issue("ada", "ada-secret")
	require.NoError(t, err, string(out))
	token, err := w.svc.Validate(t.Context(), strings.TrimSpace(string(out)))
	require.NoError(t, err)
	require.Equal(t, "Ada <L> & Söhne", token.User.Name)
	require.Len(t, token.Federation.GroupIDs, 1)
	for _, stranger := range []string{"ada", "eve"} {
		out, err := issue(stranger, map[string]string{"ada": "guessed", "eve": "eve-secret"}[stranger])
		require.Error(t, err, string(out))
	}
}
