package policy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// with returns an enforcer with one more rule of compute, "it".
func with(t testing.TB, text string) *policy.Enforcer {
	e, err := policy.New(map[string]map[string]string{"compute": {"it": text}})
	require.NoError(t, err, text)
	return e
}

func TestLanguage(t *testing.T) {
	const everybody = "admin called domain loose member nobody reader system"
	target := policy.Target{
		"project_id": "p1", "user_id": "ann", "none": "", "visibility": "public", "role": "Reader",
		"domain.id": "d1", "enabled": "true", "n": "7", "target_project": "*", "device_owner": "network:dhcp", "prefix": "p",
		"f": "1.5", "g": "2.0",
	}
	for text, want := range map[string]string{
		"":                          everybody,
		"token.roles.name:reader":   "admin called domain member reader system",
		"token.roles.name:READER":   "",
		"roles:Reader":              "",
		"token.roles.id:r1":         "member",
		"token.methods:password":    "member",
		"token.system.all:True":     "system",
		"token.user.id:%(user_id)s": "called member",
		"token.user.domain.id:d1":   "member",
		"token.project.id:None":     "domain loose nobody system",
		"system:all":                "system",
		"user_id:None":              "nobody",
		"service_project_id:None":   everybody,
		"service_user_name:None":    everybody,
		"service_roles:SERVICE":     "",
		"Role:member":               "-",
		"+7:%(n)s":                  everybody,
		"-7:%(n)s":                  "",
		"1.50:%(f)s":                everybody,
		"2.:%(g)s":                  everybody,
		"0.0:%(none)s":              "",
		"'':%(none)s":               everybody,
		`"public":%(visibility)s`:   everybody,
		"role:reader AND NOT (role:member OR role:admin)": "domain reader system",
		"not not role:admin":                              "admin",
		"not role:admin and not role:reader":              "loose nobody",
		"@ and !":                                         "",
		"! or @":                                          everybody,
		"@":                                               everybody,
		"!":                                               "",
		"role:member":                                     "admin called member",
		"role:MEMBER":                                     "admin called member",
		"role:%(role)s":                                   "admin called domain member reader system",
		"role:%(missing)s":                                "",
		"rule:project_member_or_admin":                    "admin called member",
		"is_admin:True":                                   "admin",
		"is_admin:1":                                      "admin",
		"is_admin:False":                                  "called domain loose member nobody reader system",
		"is_admin_project:True":                           everybody,
		"project_id:%(project_id)s":                       "called member reader",
		"tenant_id:%(tenant_id)s":                         "called member reader",
		"project_id:p1":                                   "called member reader",
		"project_id:%(missing)s":                          "",
		"project_id:%(none)s":                             "", // least of all those without a project
		"project_id:%(prefix)s1":                          "called member reader",
		"project_id:%(prefix)s%(missing)s":                "",
		"user_id:%(user_id)s":                             "called member",
		"domain_id:%(domain.id)s":                         "domain",
		"token.domain.id:%(domain.id)s":                   "domain",
		"not domain_id:None":                              "domain",
		"user_domain_id:d1":                               "member",
		"token.project.domain.id:d1":                      "member",
		"system_scope:all":                                "system",
		"service_roles:service":                           "called",
		"service_user_id:nova":                            "called",
		"'public':%(visibility)s":                         everybody,
		"'private':%(visibility)s":                        "",
		"None:%(none)s":                                   everybody,
		"None:%(missing)s":                                "",
		"None:%(visibility)s":                             "",
		"True:%(enabled)s":                                everybody,
		"False:%(enabled)s":                               "",
		"7:%(n)s":                                         everybody,
		"field:x:target_tenant=*":                         everybody,
		"field:x:enabled=True":                            everybody,
		"field:x:enabled=False":                           "",
		"field:x:missing=True":                            "",
		"field:x:device_owner=~^network:":                 everybody,
		"field:x:device_owner=~dhcp":                      "", // it holds from the start
		"not role:reader":                                 "loose nobody",
		"role:admin or role:member and user_id:ann":       "admin called member",
		"(role:admin or role:member) and user_id:ann":     "called member",
		"not (role:admin or role:reader)":                 "loose nobody",
	} {
		if want == "-" { // attributes have their case
			_, err := policy.New(map[string]map[string]string{"compute": {"it": text}})
			require.ErrorContains(t, err, "no attribute")
			continue
		}
		e := with(t, text)
		var got []string
		for name, p := range people() {
			if e.Allowed("compute", "it", p, target) {
				got = append(got, name)
			}
		}
		require.ElementsMatch(t, strings.Fields(want), got, text)
	}
}

func TestOverridesAreChecked(t *testing.T) {
	for _, c := range []struct {
		rules map[string]string
		want  string
	}{
		{map[string]string{"a": "rule:b"}, `there is no rule "b"`},
		{map[string]string{"a": "rule:a"}, `in a circle: a → a`},
		{map[string]string{"a": "not rule:b", "b": "role:x or rule:c", "c": "rule:a"}, `in a circle: a → b → c → a`},
		{map[string]string{"context_is_admin": "rule:project_reader_or_admin"}, `in a circle`},
		{map[string]string{"a": "flavour:%(x)s"}, `a token has no attribute "flavour"`},
		{map[string]string{"a": "project_id:%(x"}, `not of the form %(name)s`},
		{map[string]string{"a": "project_id:%s"}, `not of the form %(name)s`},
		{map[string]string{"a": "project_id:%()s"}, `not of the form %(name)s`},
		{map[string]string{"a": "field:x"}, `field:resource:name=value`},
		{map[string]string{"a": "field:x:y=~["}, `regular expression`},
		{map[string]string{"a": "http://x/%(y)s"}, `another server`},
	} {
		_, err := policy.New(map[string]map[string]string{"compute": c.rules})
		require.ErrorIs(t, err, fault.Invalid)
		require.ErrorContains(t, err, c.want)
		require.ErrorContains(t, err, "compute")
	}
	_, err := policy.New(map[string]map[string]string{"bakery": {}})
	require.ErrorContains(t, err, "bakery")
}

func TestOverridesHold(t *testing.T) {
	e, err := policy.New(map[string]map[string]string{"compute": {
		"os_compute_api:servers:create": "rule:helper",
		"helper":                        "role:reader",
	}})
	require.NoError(t, err)
	require.True(t, e.Allowed("compute", "os_compute_api:servers:create", people()["reader"], nil))
	require.False(t, e.Allowed("compute", "os_compute_api:servers:create", people()["loose"], nil))
	for _, r := range e.Rules("compute") {
		if r.Name == "os_compute_api:servers:create" {
			require.Equal(t, policy.Rule{Name: r.Name, Check: "rule:helper", Scopes: []string{"project"},
				Operations: []string{"POST /servers"}, Overridden: true}, r)
		}
	}
	fresh, err := policy.New(nil) // which is not touched by the overrides of another
	require.NoError(t, err)
	require.False(t, fresh.Allowed("compute", "os_compute_api:servers:create", people()["reader"], nil))
}

func TestWhoIsAdminIsARule(t *testing.T) {
	e, err := policy.New(map[string]map[string]string{"volume": {"context_is_admin": "role:boss"}})
	require.NoError(t, err)
	boss := &policy.Principal{UserID: "b", ProjectID: "p", Roles: []string{"boss"}}
	require.True(t, e.Allowed("volume", "volume_extension:services:index", boss, nil))
	require.False(t, e.Allowed("network", "create_network:shared", boss, nil))
}

func TestLoadOverrides(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	got, err := policy.LoadOverrides(dir)
	require.NoError(t, err)
	require.Empty(t, got)
	write("compute.yaml", "# ours\n\"a\": \"role:x\"\nb: ''\nc: [[\"role:x\", \"role:y\"], \"role:z\"]\nd: []\nf: [[]]\ng: [[], \"role:x\"]\n")
	write("network.json", `{"e": "!"}`)
	write("other.yaml", "not: read: at all")
	got, err = policy.LoadOverrides(dir)
	require.NoError(t, err)
	require.Equal(t, map[string]map[string]string{
		"compute": {"a": "role:x", "b": "", "c": "role:x and role:y or role:z", "d": "", "f": "!", "g": "role:x"},
		"network": {"e": "!"},
	}, got)
	_, err = policy.New(got)
	require.NoError(t, err)

	write("network.yaml", "e: '@'\n")
	_, err = policy.LoadOverrides(dir)
	require.ErrorContains(t, err, "two files")
	require.ErrorContains(t, err, "network.json")
	for _, bad := range []string{"a: {b: c}", "a: 5", "- a", "a: [[5]]", "a: [[\"\"]]", "a: [\"role:a or role:b\"]", "a: [[\"not role:a\"]]", "a: [admin]", "a:", "a: [5]", strings.Repeat("#", 2<<20)} {
		require.NoError(t, os.Remove(filepath.Join(dir, "network.yaml")))
		write("network.yaml", bad)
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "network.json")))
		_, err = policy.LoadOverrides(dir)
		require.Error(t, err, bad[:min(10, len(bad))])
	}
}

func TestChecksDoNotAllocate(t *testing.T) {
	e, err := policy.New(nil)
	require.NoError(t, err)
	p, target := people()["member"], policy.Target{"project_id": "p1"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		e.Allowed("compute", "os_compute_api:servers:create", p, target)
		e.Allowed("network", "get_network", p, target)
	}))
}

func ExampleEnforcer_Check() {
	e, err := policy.New(map[string]map[string]string{
		"compute": {"os_compute_api:servers:create": "role:builder and project_id:%(project_id)s"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ann := &policy.Principal{UserID: "ann", ProjectID: "p1", Roles: []string{"builder"}}
	fmt.Println(e.Check("compute", "os_compute_api:servers:create", ann, policy.Target{"project_id": "p1"}))
	fmt.Println(fault.Public(e.Check("compute", "os_compute_api:servers:create", ann, policy.Target{"project_id": "p2"})))
	// Output:
	// <nil>
	// The policy rule os_compute_api:servers:create does not allow this.
}

func ExampleParse() {
	e, err := policy.Parse("(role:admin) or (role:member and not user_id:%(user_id)s)")
	fmt.Println(e, err)
	// Output: role:admin or role:member and not user_id:%(user_id)s <nil>
}
