// Package glewlwydtest runs glewlwyd, an OpenID Connect provider, for tests: on a port of
// the loopback interface, with its data in a directory of the test, and no longer than
// the test. It is set up by its own API for administrators.
package glewlwydtest

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/daemontest"
)

// schema makes the tables and the administrator. The package of Debian has it for its
// own set-up, in a directory that also small installations keep.
const schema = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"

// Server is a running glewlwyd.
type Server struct {
	Issuer string // the provider's address, as it calls itself
	// DiscoveryURL is that of what the provider says of itself.
	DiscoveryURL string
	t            testing.TB
	url          string
	dir          string
	daemon       daemontest.Daemon
	admin        *http.Client // has the administrator's session
	key          jose.JSONWebKey
}

// Start runs a provider without clients and with nobody but its administrator. It signs
// with a key "first", allows every grant, and has PKCE and introspection.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	address := daemontest.FreeAddress(t)
	s.url = "http://" + address.String()
	s.Issuer = s.url + "/api/" + plugin
	s.DiscoveryURL = s.Issuer + "/.well-known/openid-configuration"
	require.NoError(t, os.WriteFile(s.path("conf"), []byte(s.config(address.Port)), 0o600))
	sql, err := os.Open(schema)
	require.NoError(t, err)
	defer sql.Close()
	// What is lost with the machine is the test's own.
	load := exec.Command("sqlite3", "-cmd", "PRAGMA synchronous=OFF", s.path("db"))
	load.Stdin = sql
	out, err := load.CombinedOutput()
	require.NoError(t, err, string(out))
	s.Run()
	t.Cleanup(s.Kill)
	s.setUp()
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// config is the server's configuration file.
func (s *Server) config(port int) string {
	const modules = "/usr/lib/glewlwyd/"
	return fmt.Sprintf(`port=%d
bind_address="127.0.0.1"
external_url=%q
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="WARNING"
cookie_secure=0
session_key="GLEWLWYD2_SESSION_ID"
admin_session_authentication="cookie"
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="%suser"
client_module_path="%sclient"
user_auth_scheme_module_path="%sscheme"
plugin_module_path="%splugin"
hash_algorithm="SHA512"
database = { type = "sqlite3", path = %q };
`, port, s.url, modules, modules, modules, modules, s.path("db"))
}

// Run starts the server again after Kill, with the data that it had, and waits until it
// answers.
func (s *Server) Run() {
	s.t.Helper()
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(s.t, err)
	defer log.Close()
	cmd := exec.Command("glewlwyd", "-c", s.path("conf"))
	cmd.Stdout, cmd.Stderr = log, log
	if !s.daemon.Run(s.t, cmd, func() bool { return s.logIn() == nil }) {
		require.Fail(s.t, "glewlwyd does not answer", "%s", s.output())
	}
}

// output is what the server has said so far.
func (s *Server) output() string {
	text, err := os.ReadFile(s.path("log"))
	require.NoError(s.t, err)
	return string(text)
}

// Kill ends the server as a crash does.
func (s *Server) Kill() { s.daemon.Kill() }
