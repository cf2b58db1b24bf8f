// Package slapdtest runs OpenLDAP's slapd for tests: on ports of the loopback interface,
// with its data in a directory of the test, and no longer than the test.
package slapdtest

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/daemontest"
)

// What is in every server.
const (
	Suffix   = "dc=example,dc=org"
	People   = "ou=people," + Suffix
	Groups   = "ou=groups," + Suffix
	Admin    = "cn=admin," + Suffix
	Password = "admin-secret"
)

//go:embed accounts.schema
var schema []byte

// Options of Start. The zero value is a server without TLS.
type Options struct {
	// TLS has the server speak it too, by a certificate for 127.0.0.1.
	TLS bool
	// MemberOf has the server keep the attribute of that name.
	MemberOf bool
	// NoSync has the server keep its data in memory as long as it likes: for many users.
	NoSync bool
}

// Server is a running slapd.
type Server struct {
	URL       string // ldap://
	SecureURL string // ldaps://; empty without TLS
	CAFile    string // of who has signed the certificate
	t         testing.TB
	dir       string
	daemon    daemontest.Daemon
	output    bytes.Buffer
}

// Start runs a server with the trees of people and groups, both empty. It ends with the
// test.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	s.URL = "ldap://" + daemontest.FreeAddress(t).String()
	config := s.config(opts)
	require.NoError(t, os.Mkdir(s.path("db"), 0o700))
	require.NoError(t, os.WriteFile(s.path("accounts.schema"), schema, 0o600))
	require.NoError(t, os.WriteFile(s.path("slapd.conf"), []byte(config), 0o600))
	s.Run()
	t.Cleanup(s.Kill)
	s.Add(Suffix, map[string][]string{"objectClass": {"dcObject", "organization"}, "dc": {"example"}, "o": {"Example"}})
	for _, ou := range []string{"people", "groups"} {
		s.Add("ou="+ou+","+Suffix, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	}
	return s
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// config is the server's configuration file.
func (s *Server) config(opts Options) string {
	var b bytes.Buffer
	for _, name := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", name)
	}
	fmt.Fprintf(&b, "include %s\n", s.path("accounts.schema"))
	fmt.Fprintf(&b, "pidfile %s\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n", s.path("pid"))
	if opts.MemberOf {
		b.WriteString("moduleload memberof\n")
	}
	if opts.TLS {
		s.SecureURL = "ldaps://" + daemontest.FreeAddress(s.t).String()
		s.CAFile = s.path("ca.pem")
		s.makeCertificates()
		fmt.Fprintf(&b, "TLSCACertificateFile %s\nTLSCertificateFile %s\nTLSCertificateKeyFile %s\n",
			s.CAFile, s.path("cert.pem"), s.path("key.pem"))
	}
	fmt.Fprintf(&b, "database mdb\nsuffix %s\nrootdn %s\nrootpw %s\ndirectory %s\nmaxsize 1073741824\n",
		Suffix, Admin, Password, s.path("db"))
	if opts.NoSync {
		b.WriteString("envflags nosync\n")
	}
	b.WriteString("sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited\nindex objectClass,uid,cn,ou,member,memberUid,sAMAccountName,objectGUID eq\n")
	b.WriteString("access to attrs=userPassword by anonymous auth by * none\naccess to * by * read\n")
	if opts.MemberOf {
		b.WriteString("overlay memberof\nmemberof-group-oc group\n")
	}
	return b.String()
}

// Run starts the server again after Kill, with the data that it had, and waits until it
// answers.
func (s *Server) Run() {
	s.t.Helper()
	urls := s.URL
	if s.SecureURL != "" {
		urls += " " + s.SecureURL
	}
	cmd := exec.Command("/usr/sbin/slapd", "-d", "0", "-h", urls, "-f", s.path("slapd.conf"))
	cmd.Stdout, cmd.Stderr = &s.output, &s.output
	ready := func() bool {
		c, err := goldap.DialURL(s.URL)
		if err != nil {
			return false
		}
		defer c.Close()
		return c.Bind(Admin, Password) == nil
	}
	if !s.daemon.Run(s.t, cmd, ready) {
		require.Fail(s.t, "slapd does not answer", "%s", s.output.String())
	}
}

// Kill ends the server as a crash does.
func (s *Server) Kill() { s.daemon.Kill() }

// Freeze has the server do nothing until Thaw: connections stay, answers do not come.
func (s *Server) Freeze() {
	s.t.Helper()
	require.NoError(s.t, s.daemon.Process().Signal(syscall.SIGSTOP))
	require.True(s.t, daemontest.Wait(s.stopped), "slapd does not stop")
}

// stopped reports whether all threads of the server have stopped: each does so when it
// is next its turn.
func (s *Server) stopped() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.daemon.Process().Pid))
	if err != nil || len(threads) == 0 {
		return false
	}
	for _, name := range threads {
		b, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(b, []byte(") T ")) {
			return false
		}
	}
	return true
}

// Thaw ends Freeze.
func (s *Server) Thaw() { require.NoError(s.t, s.daemon.Process().Signal(syscall.SIGCONT)) }

// Do calls f with a connection of the administrator.
func (s *Server) Do(f func(c *goldap.Conn) error) {
	s.t.Helper()
	c, err := goldap.DialURL(s.URL)
	require.NoError(s.t, err)
	defer c.Close()
	require.NoError(s.t, c.Bind(Admin, Password))
	require.NoError(s.t, f(c))
}

// Add adds an entry.
func (s *Server) Add(dn string, attributes map[string][]string) {
	s.t.Helper()
	s.Do(func(c *goldap.Conn) error { return c.Add(Entry(dn, attributes)) })
}

// Entry is the request to add an entry; attributes without values are left out.
func Entry(dn string, attributes map[string][]string) *goldap.AddRequest {
	req := goldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		if len(values) > 0 && values[0] != "" {
			req.Attribute(name, values)
		}
	}
	return req
}

// Person adds a user to People, with the attributes that inetOrgPerson needs.
func (s *Server) Person(uid, password string) {
	s.t.Helper()
	s.Add("uid="+uid+","+People, map[string][]string{
		"objectClass": {"inetOrgPerson"}, "uid": {uid}, "cn": {uid}, "sn": {uid},
		"mail": {uid + "@example.org"}, "userPassword": {password},
	})
}

// Group adds a group to Groups; members are uids.
func (s *Server) Group(name string, uids ...string) {
	s.t.Helper()
	members := []string{"cn=dumb,dc=nonexistent"}
	for _, uid := range uids {
		members = append(members, "uid="+uid+","+People)
	}
	s.Add("cn="+name+","+Groups, map[string][]string{"objectClass": {"groupOfNames"}, "cn": {name}, "member": members})
}
