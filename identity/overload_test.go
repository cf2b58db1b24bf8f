package identity_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// face is a service over HTTP.
type face struct {
	*world
	testing.TB
	url, admin string // address and a token of the administrator
}

func newFace(t testing.TB, change ...func(*identity.Config)) *face {
	w := newWorld(t, change...)
	rules, err := policy.New(nil)
	require.NoError(t, err)
	server := httptest.NewServer(identityapi.New(w.Service, httpapi.Options{Policy: rules}))
	t.Cleanup(server.Close)
	token, _, err := w.Login(t.Context(), on(byName("admin", adminPassword), "admin"))
	require.NoError(t, err)
	return &face{w, t, server.URL, token}
}

// ask sends a request as the administrator.
func (f *face) ask(method, path, body string) (*http.Response, string) {
	f.Helper()
	req, err := http.NewRequestWithContext(f.Context(), method, f.url+path, strings.NewReader(body))
	require.NoError(f, err)
	req.Header.Set("Content-Type", "application/json")
	if !strings.HasPrefix(path, "/v3/auth/tokens") || method != "POST" {
		req.Header.Set("X-Auth-Token", f.admin)
		req.Header.Set("X-Subject-Token", f.admin)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(f, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(f, err)
	return resp, string(text)
}

// auth is the body of a log-in.
func auth(method, what string) string {
	return `{"auth": {"identity": {"methods": ["` + method + `"], "` + method + `": ` + what + `}}}`
}

// passwordOf is the password method's part for somebody.
func passwordOf(name, password string) string {
	return `{"user": {"name": "` + name + `", "domain": {"id": "default"}, "password": "` + password + `"}}`
}

// jam has one hash computed that does not end, and the queue behind it full. release
// ends it.
func (f *face) jam() (release func()) {
	begun, results := f.HoldHashes(), make(chan int)
	for range 4 { // one works and two wait: the last one finds no place
		go func() {
			resp, err := http.Post(f.url+"/v3/auth/tokens", "application/json", strings.NewReader(auth("password", passwordOf("ann", "secret"))))
			if err != nil {
				results <- 0
				return
			}
			_ = resp.Body.Close()
			results <- resp.StatusCode
		}()
	}
	goOn := <-begun
	require.Equal(f, http.StatusTooManyRequests, <-results)
	return func() {
		goOn()
		for range 2 {
			(<-begun)()
		}
		for range 3 {
			require.Equal(f, http.StatusCreated, <-results)
		}
		go func() { // whoever hashes from now on is not held
			for {
				select {
				case next := <-begun:
					next()
				case <-f.Context().Done():
					return
				}
			}
		}()
	}
}

// TestFullQueueOverHTTP: whatever needs a password hash is told to come back, in
// Keystone's form, and changes nothing; nothing else notices.
func TestFullQueueOverHTTP(t *testing.T) {
	f := newFace(t, func(c *identity.Config) { c.HashWorkers, c.HashQueue = 1, 2 })
	ctx := t.Context()
	f.withTOTP(t)
	robot, secret, err := f.CreateApplicationCredential(ctx, identity.CreateApplicationCredentialOptions{
		Name: "robot", UserID: f.ann.ID, ProjectID: f.lab.ID,
	})
	require.NoError(t, err)
	known := auth("application_credential", `{"id": "`+robot.ID+`", "secret": "`+secret+`"}`)
	resp, text := f.ask("POST", "/v3/auth/tokens", known)
	require.Equal(t, http.StatusCreated, resp.StatusCode, text)
	ec2, err := f.CreateEC2Credential(ctx, f.ann.ID, f.lab.ID, nil)
	require.NoError(t, err)
	owner, err := f.Validate(ctx, f.admin)
	require.NoError(t, err)
	passcode, _ := identity.Passcode(totpSecret, time.Now())

	release := f.jam()
	before := f.Revision()
	for what, c := range map[string][3]string{
		"password":                   {"POST", "/v3/auth/tokens", auth("password", passwordOf("ann", "secret"))},
		"password of nobody":         {"POST", "/v3/auth/tokens", auth("password", passwordOf("nobody", "secret"))},
		"passcode":                   {"POST", "/v3/auth/tokens", auth("totp", `{"user": {"id": "`+f.ann.ID+`", "passcode": "`+passcode+`"}}`)},
		"application credential":     {"POST", "/v3/auth/tokens", auth("application_credential", `{"id": "`+robot.ID+`", "secret": "wrong"}`)},
		"application credential's":   {"POST", "/v3/auth/tokens", auth("application_credential", `{"id": "nothing", "secret": "wrong"}`)},
		"user with a password":       {"POST", "/v3/users", `{"user": {"name": "bob", "password": "secret"}}`},
		"new password":               {"PATCH", "/v3/users/" + f.ann.ID, `{"user": {"password": "other", "description": "x"}}`},
		"change of password":         {"POST", "/v3/users/" + f.ann.ID + "/password", `{"user": {"original_password": "secret", "password": "other"}}`},
		"new application credential": {"POST", "/v3/users/" + owner.User.ID + "/application_credentials", `{"application_credential": {"name": "new"}}`},
	} {
		resp, text := f.ask(c[0], c[1], c[2])
		require.Equal(t, http.StatusTooManyRequests, resp.StatusCode, "%s: %s", what, text)
		require.Equal(t, "1", resp.Header.Get("Retry-After"), what)
		require.Equal(t, "application/json", resp.Header.Get("Content-Type"), what)
		var body struct {
			Error struct {
				Code           int
				Title, Message string
			}
		}
		require.NoError(t, json.Unmarshal([]byte(text), &body), text)
		require.Equal(t, http.StatusTooManyRequests, body.Error.Code, what)
		require.Equal(t, "Too Many Requests", body.Error.Title, what)
		require.NotEmpty(t, body.Error.Message, what)
		require.NotContains(t, text, "secret", what)
	}
	require.Equal(t, before, f.Revision(), "what was refused changed something")

	// No hash can be computed: what is answered now needs none.
	for what, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"validation":                   {"GET", "/v3/auth/tokens", "", http.StatusOK},
		"log-in with a token":          {"POST", "/v3/auth/tokens", auth("token", `{"id": "`+f.admin+`"}`), http.StatusCreated},
		"application credential again": {"POST", "/v3/auth/tokens", known, http.StatusCreated},
		"list":                         {"GET", "/v3/users", "", http.StatusOK},
		"user without a password":      {"POST", "/v3/users", `{"user": {"name": "cid"}}`, http.StatusCreated},
		"change of a user":             {"PATCH", "/v3/users/" + f.ann.ID, `{"user": {"description": "x"}}`, http.StatusOK},
	} {
		for range 20 {
			resp, text := f.ask(c.method, c.path, c.body)
			require.Equal(t, c.want, resp.StatusCode, "%s: %s", what, text)
			if c.method == "POST" && c.path == "/v3/users" {
				break
			}
		}
	}
	_, _, err = f.LoginEC2(ctx, keysOf(t, ec2).v2(time.Now()))
	require.NoError(t, err, "a signature needs no hash")

	release()
	resp, text = f.ask("POST", "/v3/auth/tokens", auth("password", passwordOf("ann", "secret")))
	require.Equal(t, http.StatusCreated, resp.StatusCode, text)
}
