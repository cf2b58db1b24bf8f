package identity_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// FuzzMapping evaluates any rules on any assertion: a mistake in either is one of the
// sender's, what is given is bounded, and the same rules always give the same.
func FuzzMapping(f *testing.F) {
	f.Add(`{"rules": [{"local": [{"user": {"name": "{0}"}, "group": {"id": "g"}}], "remote": [{"type": "NAME"}, {"type": "ORG", "any_one_of": ["a"]}]}]}`, `{"NAME": ["ann"], "ORG": ["a", "b"]}`)
	f.Add(`{"rules": [{"local": [{"groups": "{0}", "domain": {"id": "default"}}], "remote": [{"type": "G", "whitelist": ["a.*"], "regex": true}]}]}`, `{"G": ["ab", "a;b"]}`)
	f.Add(`{"schema_version": "2.0", "rules": [{"local": [{"user": {"name": "{0}"}, "projects": [{"name": "{1}", "roles": [{"name": "member"}]}]}], "remote": [{"type": "A"}, {"type": "B"}]}]}`, `{"A": ["x"], "B": ["{0}", "{{1}}"]}`)
	f.Add(`{"rules": [{"local": [{"user": {"name": "{9}"}}], "remote": [{"type": "A", "not_any_of": ["(((("], "regex": true}]}]}`, `{"A": []}`)
	f.Fuzz(func(t *testing.T, rules, assertion string) {
		var m identity.Mapping
		var a driver.Assertion
		if json.Unmarshal([]byte(rules), &m) != nil || json.Unmarshal([]byte(assertion), &a) != nil {
			return
		}
		got, err := identity.EvaluateMapping(m, a)
		if err != nil {
			require.Contains(t, []fault.Kind{fault.Invalid, fault.TooLarge, fault.Unauthenticated, fault.Forbidden}, fault.Of(err), "%v", err)
			return
		}
		text, err := json.Marshal(got)
		require.NoError(t, err)
		require.Less(t, len(text), 16<<20)
		again, err := identity.EvaluateMapping(m, a)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}
