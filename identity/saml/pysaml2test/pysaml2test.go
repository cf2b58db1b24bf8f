// Package pysaml2test runs a SAML 2.0 identity provider for tests: a short program on
// pysaml2, which Keystone uses as well, with xmlsec1 for signatures. It listens on a port
// of the loopback interface, has its files in a directory of the test, and runs no longer
// than the test.
package pysaml2test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/daemontest"
)

// python is Debian's, which sees its packages: another one may come first in the path.
const python = "/usr/bin/python3"

//go:embed idp.py
var program string

// User is somebody whom the provider knows.
type User struct {
	Password   string         `json:"password"`
	Attributes map[string]any `json:"attributes"` // texts, or lists of them
}

// Config of a provider.
type Config struct {
	Users map[string]User `json:"users"` // by name
	// WantSigned makes the provider refuse requests that are not signed.
	WantSigned bool `json:"want_signed"`
	// Sign is what it signs: "assertion", which is the default, or "response".
	Sign string `json:"sign"`
}

// Server is a provider.
type Server struct {
	URL      string
	Metadata []byte // that describe it
	t        testing.TB
	dir      string
	daemon   daemontest.Daemon
	output   bytes.Buffer
}

// New makes a provider that does not run yet.
func New(t testing.TB, cfg Config) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	port := daemontest.FreeAddress(t).Port
	s.URL = "http://127.0.0.1:" + strconv.Itoa(port)
	if cfg.Sign == "" {
		cfg.Sign = "assertion"
	}
	s.makeKey()
	text, err := json.Marshal(struct {
		Config
		Port        int    `json:"port"`
		Key         string `json:"key"`
		Certificate string `json:"certificate"`
		Service     string `json:"service"`
	}{cfg, port, s.path("key.pem"), s.path("cert.pem"), s.path("service.xml")})
	require.NoError(t, err)
	s.write("config.json", text)
	s.write("idp.py", []byte(program))
	var problem bytes.Buffer
	describe := exec.CommandContext(t.Context(), python, s.path("idp.py"), s.path("config.json"), "metadata")
	describe.Stderr = &problem
	s.Metadata, err = describe.Output()
	require.NoError(t, err, problem.String())
	return s
}

// Serve runs the provider, for one service that these metadata describe.
func (s *Server) Serve(service []byte) {
	s.t.Helper()
	s.write("service.xml", service)
	cmd := exec.Command(python, s.path("idp.py"), s.path("config.json"))
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	s.t.Cleanup(func() {
		s.daemon.Kill()
		if s.t.Failed() {
			s.t.Log(s.output.String())
		}
	})
	listens := func() bool {
		c, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
		return err == nil && c.Close() == nil
	}
	require.True(s.t, s.daemon.Run(s.t, cmd, listens), "the provider did not start")
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Server) write(name string, text []byte) {
	s.t.Helper()
	require.NoError(s.t, os.WriteFile(s.path(name), text, 0o600))
}

// makeKey makes what the provider signs with.
func (s *Server) makeKey() {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(s.t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "idp"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(s.t, err)
	s.write("cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	s.write("key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
}
