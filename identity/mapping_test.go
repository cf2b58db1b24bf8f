package identity_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// assertion is what an identity provider says of bob.
var assertion = driver.Assertion{
	"name": {"bob"}, "mail": {"bob@acme.example"}, "kind": {"staff"},
	"groups": {"crew", "guests", "wheel"}, "ids": {"g1", "g2"}, "odd": {"['admin']"}, "void": {},
}

func TestMappingsAreEvaluated(t *testing.T) {
	for name, c := range map[string]struct{ local, remote, want string }{
		"user": {`[{"user": {"name": "{0}", "email": "{1}"}}]`, `[{"type": "name"}, {"type": "mail"}]`,
			`{"user": {"name": "bob", "email": "bob@acme.example", "type": "ephemeral"}}`},
		"text around values": {`[{"user": {"id": "{1}/{0} {{{0}}}", "name": "x"}}]`, `[{"type": "name"}, {"type": "kind"}]`,
			`{"user": {"id": "staff/bob {bob}", "name": "x", "type": "ephemeral"}}`},
		"conditions give no values": {`[{"user": {"name": "{0}"}}]`,
			`[{"type": "kind", "any_one_of": ["staff", "x"]}, {"type": "groups", "not_any_of": ["robots"]}, {"type": "name"}]`,
			`{"user": {"name": "bob", "type": "ephemeral"}}`},
		"whitelist": {`[{"groups": "{0}", "domain": {"id": "d"}}]`, `[{"type": "groups", "whitelist": ["wheel", "crew", "x"]}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "crew", "domain": {"id": "d"}}, {"name": "wheel", "domain": {"id": "d"}}]}`},
		"blacklist": {`[{"groups": "acme-{0}", "domain": {"name": "D"}}]`, `[{"type": "groups", "blacklist": ["guests", "crew"]}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "acme-wheel", "domain": {"name": "D"}}]}`},
		"regular expressions": {`[{"groups": "{0}", "domain": {"id": "d"}}]`, `[{"type": "mail", "any_one_of": ["@acme\\.example$"], "regex": true}, {"type": "groups", "whitelist": ["^(cr|gu)"], "regex": true}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "crew", "domain": {"id": "d"}}, {"name": "guests", "domain": {"id": "d"}}]}`},
		"nothing left of a list": {`[{"user": {"name": "{0}"}}, {"groups": "{1}", "domain": {"id": "d"}}]`, `[{"type": "name"}, {"type": "groups", "whitelist": []}]`,
			`{"user": {"name": "bob", "type": "ephemeral"}}`},
		"group ids": {`[{"group_ids": "{0}"}, {"group": {"id": "g2"}}, {"group": {"id": "g3"}}]`, `[{"type": "ids"}]`,
			`{"user": {"type": "ephemeral"}, "group_ids": ["g1", "g2", "g3"]}`},
		"lists in the rule, never in values": {`[{"group_ids": "['a', \"b\"]"}, {"group_ids": "{0}"}]`, `[{"type": "odd"}]`,
			`{"user": {"type": "ephemeral"}, "group_ids": ["a", "b", "['admin']"]}`},
		"group of each value": {`[{"group": {"name": "{0}", "domain": {"name": "D"}}}]`, `[{"type": "ids"}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "g1", "domain": {"name": "D"}}, {"name": "g2", "domain": {"name": "D"}}]}`},
		"first user, last projects": {`[{"user": {"name": "{0}", "type": "local", "domain": {"name": "D"}}, "projects": [{"name": "a", "roles": [{"name": "r"}]}]}, {"user": {"name": "x"}, "projects": [{"name": "b", "roles": []}]}]`, `[{"type": "name"}]`,
			`{"user": {"name": "bob", "type": "local", "domain": {"name": "D"}}, "projects": [{"name": "b", "roles": []}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := evaluate(t, "1.0", c.local, c.remote)
			require.NoError(t, err)
			var want identity.MappedIdentity
			require.NoError(t, json.Unmarshal([]byte(c.want), &want))
			require.Equal(t, want.User, got.User)
			require.ElementsMatch(t, want.GroupIDs, got.GroupIDs)
			require.ElementsMatch(t, want.Groups, got.Groups)
			require.ElementsMatch(t, want.Projects, got.Projects)
		})
	}
}

func evaluate(t testing.TB, version, local, remote string) (identity.MappedIdentity, error) {
	t.Helper()
	m := identity.Mapping{ID: "m", SchemaVersion: version}
	require.NoError(t, json.Unmarshal([]byte(`[{"local": `+local+`, "remote": `+remote+`}]`), &m.Rules))
	return identity.EvaluateMapping(m, assertion)
}

func TestVersionTwoHonoursTheDomain(t *testing.T) {
	local := `[{"user": {"name": "{0}"}, "domain": {"name": "D"}, "projects": [{"name": "a", "roles": []}, {"name": "b", "roles": [], "domain": {"id": "e"}}]}]`
	got, err := evaluate(t, "2.0", local, `[{"type": "name"}]`)
	require.NoError(t, err)
	require.Equal(t, &identity.Named{Name: "D"}, got.User.Domain)
	require.Equal(t, &identity.Named{Name: "D"}, got.Projects[0].Domain)
	require.Equal(t, &identity.Named{ID: "e"}, got.Projects[1].Domain)
	_, err = evaluate(t, "1.0", local, `[{"type": "name"}]`)
	require.ErrorIs(t, err, fault.Invalid)
}

func TestMappingsThatDoNotFit(t *testing.T) {
	for name, c := range map[string][2]string{
		"no attribute":         {`[{"user": {"name": "x"}}]`, `[{"type": "shoe"}]`},
		"an empty attribute":   {`[{"user": {"name": "x"}}]`, `[{"type": "void"}]`},
		"none of":              {`[{"user": {"name": "x"}}]`, `[{"type": "groups", "any_one_of": ["x"]}]`},
		"none of none":         {`[{"user": {"name": "x"}}]`, `[{"type": "groups", "any_one_of": []}]`},
		"one of":               {`[{"user": {"name": "x"}}]`, `[{"type": "groups", "not_any_of": ["crew"]}]`},
		"nothing local":        {`[]`, `[{"type": "name"}]`},
		"two names":            {`[{"user": {"name": "{0}"}}]`, `[{"type": "groups"}]`},
		"no name left":         {`[{"user": {"name": "{0}"}}]`, `[{"type": "groups", "whitelist": ["x"]}]`},
		"two lists":            {`[{"groups": "{0}{1}", "domain": {"id": "d"}}]`, `[{"type": "groups"}, {"type": "ids"}]`},
		"case of an attribute": {`[{"user": {"name": "x"}}]`, `[{"type": "Name"}]`},
	} {
		_, err := evaluate(t, "", c[0], c[1])
		require.ErrorIs(t, err, fault.Invalid, name)
	}
}

func TestMappingsAreBoundedWork(t *testing.T) {
	values := make([]string, 2000)
	for i := range values {
		values[i] = fmt.Sprintf("%0100d", i)
	}
	patterns := make([]string, 1000)
	for i := range patterns {
		patterns[i] = fmt.Sprintf("(0|1)*(2|3)*x{50}%d", i)
	}
	regex := true
	m := identity.Mapping{ID: "m", Rules: []identity.MappingRule{{
		Local:  []identity.MappingLocal{{User: &identity.MappingUser{Name: "x"}}},
		Remote: []identity.MappingRemote{{Type: "v", AnyOneOf: patterns, Regex: &regex}},
	}}}
	start := time.Now()
	_, err := identity.EvaluateMapping(m, driver.Assertion{"v": values})
	require.ErrorIs(t, err, fault.Invalid)
	require.Less(t, time.Since(start), 20*time.Second)

	_, err = identity.EvaluateMapping(m, driver.Assertion{"v": {strings.Repeat("x", 1<<20)}})
	require.ErrorIs(t, err, fault.Invalid)
	local := make([]identity.MappingLocal, 100)
	for i := range local {
		local[i] = identity.MappingLocal{Groups: strings.Repeat("{0}", 100), Domain: &identity.Named{ID: "d"}}
	}
	m.Rules = []identity.MappingRule{{Local: local, Remote: []identity.MappingRemote{{Type: "v"}}}}
	_, err = identity.EvaluateMapping(m, driver.Assertion{"v": values})
	require.ErrorIs(t, err, fault.Invalid)
	for _, pattern := range []string{"(((a{30}){30}){30})", "a{1000}{2}", strings.Repeat("a", 2000), "(a{100}b{100}c{100}){20}"} {
		m.Rules[0].Remote[0] = identity.MappingRemote{Type: "v", AnyOneOf: []string{pattern}, Regex: &regex}
		m.Rules[0].Local = nil
		_, err = identity.EvaluateMapping(m, driver.Assertion{"v": {"x"}})
		require.ErrorIs(t, err, fault.Invalid, pattern)
	}
}

func ExampleEvaluateMapping() {
	m := identity.Mapping{ID: "acme", Rules: []identity.MappingRule{{
		Local: []identity.MappingLocal{
			{User: &identity.MappingUser{Name: "{0}"}},
			{Groups: "{1}", Domain: &identity.Named{Name: "Default"}},
		},
		Remote: []identity.MappingRemote{
			{Type: "HTTP_OIDC_PREFERRED_USERNAME"},
			{Type: "HTTP_OIDC_GROUPS", Whitelist: []string{"crew", "staff"}},
		},
	}}}
	who, err := identity.EvaluateMapping(m, driver.Assertion{
		"HTTP_OIDC_PREFERRED_USERNAME": {"bob"}, "HTTP_OIDC_GROUPS": {"crew", "guests"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.User.Name, who.Groups[0].Name, len(who.Groups))
	// Output: bob crew 1
}
