package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func TestParseAndPrint(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "@",
		"@":                                  "@",
		"!":                                  "!",
		"role:admin":                         "role:admin",
		"(role:admin)":                       "role:admin",
		"((role:a) and (role:b))":            "role:a and role:b",
		"role:a or role:b and role:c":        "role:a or role:b and role:c",
		"(role:a or role:b) and role:c":      "(role:a or role:b) and role:c",
		"role:a and (role:b and role:c)":     "role:a and role:b and role:c",
		"not role:a and role:b":              "not role:a and role:b",
		"not (role:a and role:b)":            "not (role:a and role:b)",
		"NOT not role:a":                     "not not role:a",
		"not not (role:a OR role:b)":         "not not (role:a or role:b)",
		"role:a AND NOT !":                   "role:a and not !",
		"user_id:%(target.user.id)s":         "user_id:%(target.user.id)s",
		"(a:%(b)s)and role:x":                "", // a word is up to a blank
		"field:port:device_owner=~^network:": "field:port:device_owner=~^network:",
	} {
		e, err := policy.Parse(text)
		if want == "" {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want, e.String())
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"admin":                "form kind:match",
		"  ":                   "is blank",
		"\n":                   "is blank",
		"'x'":                  "text alone",
		"role:a and 'x y'":     "form kind:match",
		":admin":               "form kind:match",
		"role:":                "form kind:match",
		"role:a role:b":        "does not belong",
		"role:a and":           "where a term is expected",
		"and role:a":           "where a term is expected",
		"(role:a":              "closing parenthesis",
		"role:a)":              "does not belong",
		"()":                   "where a term is expected",
		"not":                  "where a term is expected",
		"http://example.org/x": "another server",
		"role:a or https:x":    "another server",
		`"quoted"`:             "text alone",
		strings.Repeat("(", 1000) + "role:a" + strings.Repeat(")", 1000): "too deeply",
		strings.Repeat("not ", 1000) + "role:a":                          "too deeply",
	} {
		_, err := policy.Parse(text)
		require.ErrorIs(t, err, fault.Invalid, text)
		require.Contains(t, fault.Public(err), want)
	}
}

func FuzzParse(f *testing.F) {
	e, err := policy.New(nil)
	require.NoError(f, err)
	for _, s := range policy.Services() {
		for _, r := range e.Rules(s) {
			f.Add(r.Check)
		}
	}
	f.Add("not (a:b or (c:d)) and 'x y':%(z)s")
	f.Fuzz(func(t *testing.T, text string) {
		e, err := policy.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		again, err := policy.Parse(e.String())
		require.NoError(t, err, e.String())
		require.Equal(t, e, again)
		// What parses compiles, or is refused; it never panics when it is run.
		enforcer, err := policy.New(map[string]map[string]string{"compute": {"fuzz": text}})
		if err != nil {
			return
		}
		for _, p := range people() {
			enforcer.Allowed("compute", "fuzz", p, policy.Target{"project_id": "p1"})
		}
	})
}
