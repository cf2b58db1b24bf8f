package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/identity/ldap/slapdtest"
)

// TestLDAPUser has a user of an LDAP server work with the unmodified client, as does the
// administrator who gives it a role; then the same by configuration through the API.
func TestLDAPUser(t *testing.T) {
	directory := slapdtest.Start(t, slapdtest.Options{TLS: true})
	directory.Person("ada", "ada-secret")
	directory.Group("devs", "ada")
	dir := t.TempDir()
	conf := fmt.Sprintf(`# As Keystone has it.
[identity]
driver = ldap

[ldap]
url = %s
use_tls = true
tls_cacertfile = %s
user = %s
password = %s
user_tree_dn = %s
user_id_attribute = uid
user_name_attribute = uid
group_tree_dn = %s
group_name_attribute = cn
page_size = 100
`, directory.URL, directory.CAFile, slapdtest.Admin, slapdtest.Password, slapdtest.People, slapdtest.Groups)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "keystone.corp.conf"), []byte(conf), 0o600))

	s := newServer(t, "memory")
	s.flags = []string{"-domain-config-dir", dir, "-domain-configs-from-api"}
	s.start()
	admin := s.client("admin", strings.TrimSpace(readText(t, filepath.Join(s.o.state, passwordFile))), "Default", "admin", "Default")

	require.Equal(t, "ada", admin.run("user", "list", "--domain", "corp", "-f", "value", "-c", "Name"))
	require.Contains(t, admin.run("user", "show", "ada", "--domain", "corp"), "ada@example.org")
	require.Contains(t, admin.run("group", "contains", "user", "--group-domain", "corp", "--user-domain", "corp", "devs", "ada"), "in group")
	admin.run("project", "create", "lab", "--domain", "corp")
	admin.run("role", "add", "--group", "devs", "--group-domain", "corp", "--project", "lab", "--project-domain", "corp", "member")

	ada := s.client("ada", "ada-secret", "corp", "lab", "corp")
	require.NotEmpty(t, ada.run("token", "issue", "-f", "value", "-c", "id"))
	ada.run("network", "create", "blue")
	require.Equal(t, "blue", ada.run("network", "list", "-f", "value", "-c", "Name"))
	ada.run("application", "credential", "create", "robot")
	require.Contains(t, ada.fails("user", "list"), "HTTP 403")
	require.Contains(t, admin.fails("user", "create", "eve", "--domain", "corp"), "HTTP 403")
	wrong := s.client("ada", "wrong", "corp", "lab", "corp")
	require.Contains(t, wrong.fails("token", "issue"), "HTTP 401")
	directory.Kill()
	require.Contains(t, ada.fails("token", "issue"), "HTTP 503")
	admin.run("token", "issue")
}

// client is the openstack command as somebody.
type client struct {
	t   *testing.T
	env []string
}

func (s *server) client(user, password, userDomain, project, projectDomain string) client {
	return client{s.t, append(os.Environ(),
		"OS_AUTH_URL=http://"+s.o.listen+"/identity/v3", "OS_IDENTITY_API_VERSION=3", "OS_REGION_NAME=RegionOne",
		"OS_USERNAME="+user, "OS_PASSWORD="+password, "OS_USER_DOMAIN_NAME="+userDomain,
		"OS_PROJECT_NAME="+project, "OS_PROJECT_DOMAIN_NAME="+projectDomain,
	)}
}

func (c client) output(args []string) (string, error) {
	cmd := exec.Command("openstack", args...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// script runs several commands in one process, which is quicker.
func (c client) script(commands ...string) {
	c.t.Helper()
	cmd := exec.Command("openstack")
	cmd.Env = c.env
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	require.NoError(c.t, err, string(out))
	require.NotContains(c.t, string(out), "HTTP 4")
}

func (c client) run(args ...string) string {
	c.t.Helper()
	out, err := c.output(args)
	require.NoError(c.t, err, "openstack %v: %s", args, out)
	return out
}

func (c client) fails(args ...string) string {
	c.t.Helper()
	out, err := c.output(args)
	require.Error(c.t, err, "openstack %v: %s", args, out)
	return out
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b)
}

// TestLDAPByAPI: a domain gets its directory by its configuration, without a restart.
func TestLDAPByAPI(t *testing.T) {
	directory := slapdtest.Start(t, slapdtest.Options{})
	directory.Person("ada", "ada-secret")
	s := newServer(t, "memory")
	s.flags = []string{"-domain-configs-from-api"}
	s.start()
	admin := s.client("admin", strings.TrimSpace(readText(t, filepath.Join(s.o.state, passwordFile))), "Default", "admin", "Default")
	token := admin.run("token", "issue", "-f", "value", "-c", "id")
	domain := admin.run("domain", "create", "corp", "-f", "value", "-c", "id")
	config, err := json.Marshal(map[string]any{"config": map[string]any{
		"identity": map[string]any{"driver": "ldap"},
		"ldap": map[string]any{
			"url": directory.URL, "user": slapdtest.Admin, "password": slapdtest.Password, "suffix": slapdtest.Suffix,
			"query_scope": "sub", "user_id_attribute": "uid", "user_name_attribute": "uid", "group_name_attribute": "cn",
		},
	}})
	require.NoError(t, err)
	curl := exec.Command("curl", "-sS", "-f", "-X", "PUT", "-H", "X-Auth-Token: "+token, "-H", "Content-Type: application/json",
		"--data", string(config), "http://"+s.o.listen+"/identity/v3/domains/"+domain+"/config")
	out, err := curl.CombinedOutput()
	require.NoError(t, err, string(out))
	require.NotContains(t, string(out), slapdtest.Password)
	require.Equal(t, "ada", admin.run("user", "list", "--domain", "corp", "-f", "value", "-c", "Name"))
}

func TestDomainConfigFiles(t *testing.T) {
	for text, want := range map[string]string{
		"url = x":                           "neither a section nor an option",
		"[identity]\ndriver":                "neither a section nor an option",
		"[identity]\ndriver = nis":          `the driver "nis"`,
		"[identity]\ndriver = ldap\n":       "distinguished name",
		"[identity]\ndriver = sql\n[ldap]":  "",
		"; a comment\n\n# another\n[other]": "",
	} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "keystone.corp.conf"), []byte(text), 0o600))
		o := options{domainConfigDir: dir}
		err := addDirectories(new(cloud.Config), o)
		if want == "" {
			require.NoError(t, err, text)
			continue
		}
		require.ErrorContains(t, err, want, text)
	}
}
