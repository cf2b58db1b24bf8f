package identity_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// staff are two people as a provider asserts them.
var (
	staff = driver.Assertion{
		"user": {"kim"}, "first": {"Kim"}, "last": {"Åström"}, "mail": {"kim@acme.example"},
		"role": {"engineer", "manager", "guest"}, "team": {"g-1", "g-2"}, "one": {"g-9"}, "number": {"1234"}, "home": {"acme"},
		"self":  {`JSON:{"name": "night", "domain": {"name": "acme"}}`, `JSON:{"name": "day", "domain": {"id": "d-7"}}`},
		"mixed": {`JSON:{"name": "night", "domain": {"name": "acme"}}`, "day"},
		"loose": {`JSON:{"name": "night"}`}, "broken": {`JSON:{"name"`},
	}
	visitor = driver.Assertion{"user": {"lee"}, "mail": {"lee@example.org"}, "role": {"guest"}}
)

// TestRuleShapes has every shape of rule that the unit tests of Keystone have, and what
// becomes of it there: a user, groups and projects, or a log-in that fails.
func TestRuleShapes(t *testing.T) {
	const name = `{"user": {"name": "{0}"}}`
	for shape, c := range map[string]struct{ version, rules, want string }{
		"a rule for the user and one for each kind": {"", `[
			{"local": [` + name + `], "remote": [{"type": "user"}]},
			{"local": [{"group": {"id": "a"}}], "remote": [{"type": "role", "any_one_of": ["engineer", "x"]}]},
			{"local": [{"group": {"id": "b"}}], "remote": [{"type": "role", "not_any_of": ["engineer"]}]},
			{"local": [{"group": {"id": "c"}}], "remote": [{"type": "role", "not_any_of": ["robot"]}, {"type": "mail", "any_one_of": ["kim@acme.example"]}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_ids": ["a", "c"]}`},
		"several values in one text": {"", `[{"local": [{"user": {"name": "{0} {1}", "email": "{2}"}, "group": {"id": "a"}}],
			"remote": [{"type": "first"}, {"type": "last"}, {"type": "mail"}, {"type": "role", "any_one_of": ["manager"]}]}]`,
			`{"user": {"name": "Kim Åström", "email": "kim@acme.example", "type": "ephemeral"}, "group_ids": ["a"]}`},
		"expressions": {"", `[{"local": [` + name + `, {"group": {"id": "a"}}], "remote": [{"type": "user"},
			{"type": "role", "any_one_of": [".*gineer$"], "regex": true}, {"type": "mail", "not_any_of": [".*@example.org$"], "regex": true}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_ids": ["a"]}`},
		"an expression that is text without regex": {"", `[{"local": [` + name + `], "remote": [{"type": "user"}]},
			{"local": [{"group": {"id": "a"}}], "remote": [{"type": "role", "any_one_of": [".*gineer$"], "regex": false}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}}`},
		"one attribute twice": {"", `[{"local": [{"user": {"name": "{0}", "type": "ephemeral", "domain": {"id": "f"}}}],
			"remote": [{"type": "user"}, {"type": "user", "any_one_of": ["kim"]}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral", "domain": {"id": "f"}}}`},
		"a domain that the provider names": {"", `[{"local": [{"user": {"name": "{0}", "domain": {"name": "{1}"}}}], "remote": [{"type": "user"}, {"type": "home"}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral", "domain": {"name": "acme"}}}`},
		"a local user": {"", `[{"local": [{"user": {"id": "{0}", "type": "local"}}], "remote": [{"type": "user"}]}]`,
			`{"user": {"id": "kim", "type": "local"}}`},
		"a domain alone": {"", `[{"local": [{"user": {"domain": {"id": "{0}"}, "type": "local"}}], "remote": [{"type": "home"}]}]`,
			`{"user": {"domain": {"id": "acme"}, "type": "local"}}`},
		"groups by name": {"", `[{"local": [{"group": {"name": "devs", "domain": {"name": "acme"}}}, {"group": {"name": "devs", "domain": {"id": "x"}}}, {"group": {"name": "devs", "domain": {"name": "acme"}}}],
			"remote": [{"type": "user"}]}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "devs", "domain": {"name": "acme"}}, {"name": "devs", "domain": {"id": "x"}}]}`},
		"a whitelist, another order": {"", `[{"remote": [{"type": "role", "whitelist": ["manager", "engineer"]}, {"type": "user"}],
			"local": [{"groups": "{0}", "domain": {"id": "d"}}, {"user": {"name": "{1}"}}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_names": [{"name": "engineer", "domain": {"id": "d"}}, {"name": "manager", "domain": {"id": "d"}}]}`},
		"a blacklist": {"", `[{"remote": [{"type": "role", "blacklist": ["guest", "x"]}, {"type": "mail"}, {"type": "user"}],
			"local": [{"groups": "{0}", "domain": {"id": "d"}}, {"user": {"name": "{2}"}}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_names": [{"name": "engineer", "domain": {"id": "d"}}, {"name": "manager", "domain": {"id": "d"}}]}`},
		"a whitelist of expressions": {"", `[{"remote": [{"type": "role", "whitelist": ["^.*er$"], "regex": true}], "local": [{"groups": "{0}", "domain": {"id": "d"}}]}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "engineer", "domain": {"id": "d"}}, {"name": "manager", "domain": {"id": "d"}}]}`},
		"a blacklist of expressions": {"", `[{"remote": [{"type": "role", "blacklist": [".*er$"], "regex": true}], "local": [{"groups": "{0}", "domain": {"id": "d"}}]}]`,
			`{"user": {"type": "ephemeral"}, "group_names": [{"name": "guest", "domain": {"id": "d"}}]}`},
		"a whitelist that leaves nothing": {"", `[{"remote": [{"type": "user"}], "local": [` + name + `]},
			{"remote": [{"type": "role", "whitelist": ["robot"]}], "local": [{"groups": "{0}", "domain": {"id": "d"}}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}}`},
		"a group that is a number": {"", `[{"remote": [{"type": "number"}, {"type": "user"}], "local": [{"groups": "{0}", "domain": {"id": "d"}}, {"user": {"name": "{1}"}}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_names": [{"name": "1234", "domain": {"id": "d"}}]}`},
		"ids of groups": {"", `[{"local": [` + name + `, {"group_ids": "{1}"}, {"group": {"id": "{2}"}}],
			"remote": [{"type": "user"}, {"type": "team", "whitelist": ["g-2", "g-3"]}, {"type": "one"}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_ids": ["g-2", "g-9"]}`},
		"ids of groups, of one value": {"", `[{"local": [{"group_ids": "{0}"}], "remote": [{"type": "one", "blacklist": ["g-1"]}]}]`,
			`{"user": {"type": "ephemeral"}, "group_ids": ["g-9"]}`},
		"groups that name their domains": {"", `[{"local": [` + name + `, {"groups": "{1}"}], "remote": [{"type": "user"}, {"type": "self"}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "group_names": [{"name": "night", "domain": {"name": "acme"}}, {"name": "day", "domain": {"id": "d-7"}}]}`},
		"projects": {"", `[{"local": [` + name + `, {"projects": [{"name": "prod", "roles": [{"name": "reader"}]}, {"name": "of {0}", "roles": []}]}], "remote": [{"type": "user"}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral"}, "projects": [{"name": "prod", "roles": [{"name": "reader"}]}, {"name": "of kim", "roles": []}]}`},
		"the second version's domain": {"2.0", `[{"local": [{"user": {"name": "{0}"}, "domain": {"id": "d"}, "projects": [{"name": "prod", "roles": []}]}], "remote": [{"type": "user"}]}]`,
			`{"user": {"name": "kim", "type": "ephemeral", "domain": {"id": "d"}}, "projects": [{"name": "prod", "roles": [], "domain": {"id": "d"}}]}`},
		"the first user of several": {"", `[{"local": [{"user": {"name": "first"}}], "remote": [{"type": "user"}]}, {"local": [{"user": {"name": "second"}}], "remote": [{"type": "user"}]}]`,
			`{"user": {"name": "first", "type": "ephemeral"}}`},

		"groups without a domain":  {"", `[{"local": [{"groups": "{0}"}], "remote": [{"type": "role", "whitelist": ["engineer"]}]}]`, ""},
		"no groups, and no domain": {"", `[{"local": [{"groups": "{0}"}], "remote": [{"type": "role", "whitelist": ["robot"]}]}]`, ""},
		"a group that names none":  {"", `[{"local": [{"groups": "{0}"}], "remote": [{"type": "mixed"}]}]`, ""},
		"a group without a domain": {"", `[{"local": [{"groups": "{0}"}], "remote": [{"type": "loose"}]}]`, ""},
		"a group that is not JSON": {"", `[{"local": [{"groups": "{0}"}], "remote": [{"type": "broken"}]}]`, ""},
		"nothing holds":            {"", `[{"local": [` + name + `], "remote": [{"type": "user"}, {"type": "role", "any_one_of": ["robot"]}]}]`, ""},
		"an attribute that is not": {"", `[{"local": [` + name + `], "remote": [{"type": "user"}, {"type": "shoe"}]}]`, ""},
	} {
		t.Run(shape, func(t *testing.T) {
			m := identity.Mapping{ID: "m", SchemaVersion: c.version}
			require.NoError(t, json.Unmarshal([]byte(c.rules), &m.Rules))
			_, err := open(t).CreateMapping(t.Context(), m)
			require.NoError(t, err, "what may fail at a log-in can be stored")
			got, err := identity.EvaluateMapping(m, staff)
			if c.want == "" {
				require.ErrorIs(t, err, fault.Invalid)
				return
			}
			require.NoError(t, err)
			want := identity.MappedIdentity{GroupIDs: []string{}, Groups: []identity.MappingGroup{}, Projects: []identity.MappingProject{}}
			require.NoError(t, json.Unmarshal([]byte(c.want), &want))
			slices.Sort(got.GroupIDs)
			require.Equal(t, want, got)
		})
	}
}

// TestRulesSortPeople: the same rules for two people.
func TestRulesSortPeople(t *testing.T) {
	m := identity.Mapping{ID: "m"}
	require.NoError(t, json.Unmarshal([]byte(`[
		{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "user"}]},
		{"local": [{"group": {"id": "inside"}}], "remote": [{"type": "mail", "any_one_of": ["@acme\\.example$"], "regex": true}]},
		{"local": [{"group": {"id": "outside"}}], "remote": [{"type": "mail", "not_any_of": ["@acme\\.example$"], "regex": true}]}]`), &m.Rules))
	for want, who := range map[string]driver.Assertion{"inside": staff, "outside": visitor} {
		got, err := identity.EvaluateMapping(m, who)
		require.NoError(t, err)
		require.Equal(t, []string{want}, got.GroupIDs)
		require.Equal(t, who["user"][0], got.User.Name)
	}
}
