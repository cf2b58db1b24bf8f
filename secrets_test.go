package cloud_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image/memstore"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"

	"github.com/welkin-cloud/cloud/internal/saga"
)

// record is text that several goroutines add to.
type record struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

// confidant is a client of a cloud that knows secrets, and keeps whatever of them could
// be seen elsewhere: the log, the steps of work, the answers to what is refused.
type confidant struct {
	testing.TB
	cloud   *cloud.Cloud
	dir     string
	url     string
	secrets map[string]string // by what they are
	log     record
	steps   record
	refused record
	ann     string
	token   string
}

func newConfidant(t *testing.T) *confidant {
	c := &confidant{TB: t, dir: t.TempDir(), secrets: map[string]string{}}
	var err error
	c.cloud, err = cloud.New(t.Context(), cloud.Config{
		Dir: c.dir, AdminPassword: c.secret("administrator's password"), Identity: identity.Settings{BcryptCost: 4},
		Images: memstore.New(memstore.Config{}), Volumes: []backend.Backend{memvolume.New(memvolume.Config{})},
		Hypervisors: []hypervisor.Hypervisor{memhypervisor.New(memhypervisor.Config{Name: "host-1"})},
		Networks:    map[string]mechanism.Mechanism{"host-1": memnetwork.New(memnetwork.Config{Name: "host-1"})},
		Log:         slog.New(slog.NewTextHandler(&c.log, &slog.HandlerOptions{Level: slog.LevelDebug - 4, AddSource: true})),
		WrapStep: func(name string, step saga.Step) saga.Step {
			fmt.Fprintf(&c.steps, "%s %+v\n", name, step)
			return step
		},
	})
	require.NoError(t, err)
	server := httptest.NewServer(c.cloud.Handler())
	c.url = server.URL
	t.Cleanup(func() {
		server.Close()
		require.NoError(t, c.cloud.Close())
	})
	return c
}

// secret makes up a secret that is recognised anywhere.
func (c *confidant) secret(what string) string {
	return c.keep(what, fmt.Sprintf("Hush-Qz7-%d-%s", len(c.secrets), strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, what)))
}

// keep notes a secret that the cloud has made.
func (c *confidant) keep(what, text string) string {
	c.Helper()
	if len(text) < 12 {
		c.Errorf("the %s is no secret: %q", what, text)
		return text
	}
	c.secrets[what] = text
	return text
}

// call sends a request and returns the answer; what is refused is kept.
func (c *confidant) call(method, path, body string, headers ...string) (int, http.Header, map[string]any) {
	c.Helper()
	req, err := http.NewRequestWithContext(c.Context(), method, c.url+"/identity"+path, strings.NewReader(body))
	require.NoError(c, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Auth-Token", c.token)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(c, err)
	if resp.StatusCode >= http.StatusBadRequest {
		fmt.Fprintf(&c.refused, "%d %v %s\n", resp.StatusCode, resp.Header, text)
	}
	var v map[string]any
	_ = json.Unmarshal(text, &v)
	return resp.StatusCode, resp.Header, v
}

// must is call for what must succeed; it returns the object called name.
func (c *confidant) must(name, method, path, body string, headers ...string) map[string]any {
	c.Helper()
	status, _, v := c.call(method, path, body, headers...)
	if status >= 300 {
		c.Errorf("%s %s: %d %v", method, path, status, v)
	}
	o, _ := v[name].(map[string]any)
	return o
}

// text is an attribute of an object.
func text(o any, name string) string {
	v, _ := o.(map[string]any)
	s, _ := v[name].(string)
	return s
}

// refuse is call for what must be refused.
func (c *confidant) refuse(method, path, body string, headers ...string) {
	c.Helper()
	status, _, v := c.call(method, path, body, headers...)
	if status < 400 || status >= 500 {
		c.Errorf("%s %s: %d %v", method, path, status, v)
	}
}

// logIn sends the identity part of a log-in, and keeps the token.
func (c *confidant) logIn(what, identity, scope string) string {
	c.Helper()
	status, header, v := c.call("POST", "/v3/auth/tokens", `{"auth": {"identity": `+identity+`, "scope": `+scope+`}}`)
	if status != http.StatusCreated {
		c.Errorf("%s: %d %v", what, status, v)
	}
	return c.keep(what, header.Get("X-Subject-Token"))
}

func byPassword(user, password string) string {
	return `{"methods": ["password"], "password": {"user": {"name": "` + user + `", "domain": {"id": "default"}, "password": "` + password + `"}}}`
}

const toAdmin = `{"project": {"name": "admin", "domain": {"id": "default"}}}`

// passwords are the life of passwords and tokens.
func (c *confidant) passwords() {
	c.token = c.logIn("administrator's token", byPassword("admin", c.secrets["administrator's password"]), toAdmin)
	first, second, third := c.secret("first password"), c.secret("second password"), c.secret("third password")
	c.ann = text(c.must("user", "POST", "/v3/users", `{"user": {"name": "ann", "password": "`+first+`"}}`), "id")
	c.logIn("user's token", byPassword("ann", first), `"unscoped"`)
	c.refuse("POST", "/v3/auth/tokens", `{"auth": {"identity": `+byPassword("ann", c.secret("wrong password"))+`}}`)
	c.refuse("POST", "/v3/auth/tokens", `{"auth": {"identity": `+byPassword("nobody", c.secret("password of nobody"))+`}}`)
	path := "/v3/users/" + c.ann
	c.must("", "POST", path+"/password", `{"user": {"original_password": "`+first+`", "password": "`+second+`"}}`)
	c.refuse("POST", path+"/password", `{"user": {"original_password": "`+c.secret("wrong original")+`", "password": "`+c.secret("new one of a wrong original")+`"}}`)
	c.must("user", "PATCH", path, `{"user": {"password": "`+third+`"}}`)
	old := c.logIn("another token", byPassword("ann", third), `"unscoped"`)
	c.logIn("token of a token", `{"methods": ["token"], "token": {"id": "`+old+`"}}`, `"unscoped"`)
	c.must("token", "GET", "/v3/auth/tokens", "", "X-Subject-Token", old)
	c.must("", "DELETE", "/v3/auth/tokens", "", "X-Subject-Token", old)
	c.refuse("GET", "/v3/auth/tokens", "", "X-Subject-Token", old)
	c.refuse("GET", "/v3/auth/tokens", "", "X-Auth-Token", old)
	c.refuse("GET", "/v3/auth/tokens", "", "X-Subject-Token", c.secret("token that is none"))
}

// malformed are secrets where they do not belong, or in what is no request.
func (c *confidant) malformed() {
	for _, body := range []string{
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": ["` + c.secret("list") + `  "]}}}}}`,
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": "x", "password": {"a": "` + c.secret("object") + `"}}}}}}`,
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "` + c.secret("wrong id") + `"}}}}}`,
		`{"auth": {"identity": {"methods": ["password"], "password": "` + c.secret("password alone") + `"}}}`,
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": ["` + c.secret("token in a list") + `"]}}}}`,
		`{"auth": {"identity": {"methods": ["token"], "token": {"id": "` + c.secret("unknown token") + `"}}}}`,
		`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "x", "secret": "` + c.secret("unknown secret") + `"}}}}`,
		`{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "x", "secret": ["` + c.secret("secret in a list") + `"]}}}}`,
		`{"auth": {"identity": {"methods": ["totp"], "totp": {"user": {"id": "x", "passcode": "` + c.secret("passcode") + `"}}}}}`,
		`{"auth": {"identity": {"methods": ["password"], "password": {"user": {"password": "` + c.secret("cut off"),
		`{"auth": "` + c.secret("wrong body") + `"}`,
	} {
		c.refuse("POST", "/v3/auth/tokens", body)
	}
	path := "/v3/users/" + c.ann
	c.refuse("POST", "/v3/users", `{"user": {"name": 7, "password": "`+c.secret("of a wrong user")+`"}}`)
	c.refuse("POST", "/v3/users", `{"user": {"name": "ann", "password": "`+c.secret("of a user that is there")+`"}}`)
	c.refuse("POST", "/v3/users", `{"user": {"name": "long", "password": "`+strings.Repeat(c.secret("too long"), 300)+`"}}`)
	c.refuse("PATCH", path, `{"user": {"password": ["`+c.secret("in a list")+`"]}}`)
	c.refuse("POST", path+"/password", `{"user": {"original_password": ["`+c.secret("original in a list")+`"], "password": "`+c.secret("new password")+`"}}`)
	c.refuse("POST", "/v3/credentials", `{"credential": {"type": "ec2", "user_id": "`+c.ann+`", "blob": "`+c.secret("no EC2 blob")+`"}}`)
	c.refuse("POST", "/v3/credentials", `{"credential": {"type": "cert", "user_id": "`+c.ann+`", "blob": ["`+c.secret("wrong blob")+`"]}}`)
}

// credentials are the life of all other secrets.
func (c *confidant) credentials() {
	user := c.must("token", "GET", "/v3/auth/tokens", "", "X-Subject-Token", c.token)
	id, project := text(user["user"], "id"), text(user["project"], "id")

	path := "/v3/users/" + id + "/application_credentials"
	given := c.secret("chosen secret")
	chosen := c.must("application_credential", "POST", path, `{"application_credential": {"name": "one", "secret": "`+given+`"}}`)
	made := c.must("application_credential", "POST", path, `{"application_credential": {"name": "two"}}`)
	c.keep("secret that was made", text(made, "secret"))
	for i, o := range []map[string]any{chosen, made} {
		c.logIn(fmt.Sprintf("token %d of an application credential", i), `{"methods": ["application_credential"],
			"application_credential": {"id": "`+text(o, "id")+`", "secret": "`+text(o, "secret")+`"}}`, `null`)
	}
	c.refuse("POST", "/v3/auth/tokens", `{"auth": {"identity": {"methods": ["application_credential"], "application_credential": {"id": "`+
		text(made, "id")+`", "secret": "`+c.secret("wrong secret")+`"}}}}`)

	for _, kind := range []string{"cert", "totp"} {
		blob := c.must("credential", "POST", "/v3/credentials", `{"credential": {"type": "`+kind+`", "user_id": "`+c.ann+`", "blob": "`+c.secret(kind+" blob of a user")+`"}}`)
		c.must("credential", "PATCH", "/v3/credentials/"+text(blob, "id"), `{"credential": {"blob": "`+c.secret(kind+" blob, renewed")+`"}}`)
	}
	pair := c.must("credential", "POST", "/v3/users/"+id+"/credentials/OS-EC2", `{"tenant_id": "`+project+`"}`)
	c.keep("EC2 secret", text(pair, "secret"))
	c.must("config", "PUT", "/v3/domains/default/config", `{"config": {"ldap": {"url": "ldap://127.0.0.1:1", "user": "cn=admin", "password": "`+c.secret("bind password")+`"}}}`)
	c.call("PUT", "/v3/domains/default/config", `{"config": {"ldap": {"password": ["`+c.secret("bind password in a list")+`"]}}}`)
	c.refuse("PUT", "/v3/domains/default/config", `{"config": {"odd": {"password": "`+c.secret("password of an odd group")+`"}}}`)
	consumer := c.must("consumer", "POST", "/v3/OS-OAUTH1/consumers", `{"consumer": {"description": "c"}}`)
	c.keep("secret of a consumer", text(consumer, "secret"))
}

// server is work with steps, whose owner gives it secrets.
func (c *confidant) server() {
	flavor, err := c.cloud.Compute.CreateFlavor(c.Context(), compute.Flavor{Name: "small", VCPUs: 1, MemoryMiB: 64, DiskGiB: 1, Public: true})
	require.NoError(c, err)
	require.NotEmpty(c, flavor.ID)
	require.NoError(c, c.cloud.Idle(c.Context()))
}

// haystacks are the places where no secret may be, by name.
func (c *confidant) haystacks(before cloud.Moment) map[string]string {
	report, err := c.cloud.Check(c.Context(), nil)
	require.NoError(c, err)
	all := map[string]string{
		"the saved cloud":          string(saved(c, c.cloud)),
		"the report of a check":    encode(c, report) + fmt.Sprintf("%+v", report),
		"what changed":             encode(c, cloud.Diff(before, c.cloud.Moment())),
		"the log":                  c.log.String(),
		"the steps of work":        c.steps.String(),
		"the answers of a refusal": c.refused.String(),
	}
	require.NoError(c, filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "keys") {
			return err // the keys are there to be read by the cloud alone
		}
		text, err := os.ReadFile(path)
		all["the file "+filepath.Base(path)] = string(text)
		return err
	}))
	return all
}

// TestSecretsAreNowhere runs the life of an identity service with secrets that are easy
// to recognise, and looks for them wherever they could have gone.
func TestSecretsAreNowhere(t *testing.T) {
	c := newConfidant(t)
	before := c.cloud.Moment()
	c.passwords()
	c.malformed()
	c.credentials()
	c.server()
	places := c.haystacks(before)
	for place, sign := range map[string]string{ // so that we look where there is something
		"the log": "/v3/auth/tokens", "the answers of a refusal": "requires authentication", "the saved cloud": `"ann"`, "the file state.db": "SQLite",
	} {
		require.Contains(t, places[place], sign)
	}
	for what, secret := range c.secrets {
		for place, text := range places {
			for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret))} {
				if at := strings.Index(text, form); at >= 0 {
					t.Errorf("%s: the %s is in it: …%q…", place, what, text[max(0, at-80):min(len(text), at+len(form)+20)])
				}
			}
		}
	}
	for path, mode := range map[string]fs.FileMode{".": 0o700, "keys": 0o700, "keys/fernet-keys/1": 0o600, "keys/credential-keys/1": 0o600} {
		info, err := os.Stat(filepath.Join(c.dir, path))
		require.NoError(t, err)
		if path != "." { // which the test has made
			require.Equal(t, mode, info.Mode().Perm(), path)
		}
	}
}
