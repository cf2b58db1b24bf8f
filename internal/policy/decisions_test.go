package policy_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

// TestDecisionsOfOsloPolicy compares with what the imitated library decides.
func TestDecisionsOfOsloPolicy(t *testing.T) {
	data, err := os.ReadFile("testdata/decisions.tsv")
	require.NoError(t, err)
	rules := map[string]string{"a": "role:admin or user_id:%(user_id)s", "b": "not rule:a and role:reader"}
	type decision struct{ rule, text, passes string }
	var all []decision
	for line := range strings.Lines(string(data)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, passes, ok := strings.Cut(strings.TrimSpace(line), "\t")
		require.True(t, ok, line)
		d := decision{"case" + strconv.Itoa(len(all)), text, passes}
		rules[d.rule], all = text, append(all, d)
	}
	require.Greater(t, len(all), 500)
	e, err := policy.New(map[string]map[string]string{"compute": rules})
	require.NoError(t, err)

	people := []struct {
		name string
		policy.Principal
	}{
		{"admin", policy.Principal{UserID: "root", ProjectID: "ops", Roles: []string{"admin", "member", "reader"}}},
		{"member", policy.Principal{UserID: "ann", ProjectID: "p1", UserDomainID: "d1", Roles: []string{"Member", "reader"}}},
		{"domain", policy.Principal{UserID: "dom", DomainID: "d1", Roles: []string{"manager", "reader"}}},
		{"system", policy.Principal{UserID: "sys", System: true, Roles: []string{"reader"}}},
		{"loose", policy.Principal{UserID: "lou"}},
	}
	target := policy.Target{
		"project_id": "p1", "user_id": "ann", "target.user.domain_id": "d1", "visibility": "public",
		"enabled": "True", "n": "7", "name": "reader", "empty": "x",
	}
	for _, d := range all {
		var passes []string
		for _, p := range people {
			if e.Allowed("compute", d.rule, &p.Principal, target) {
				passes = append(passes, p.name)
			}
		}
		want := strings.Fields(strings.TrimPrefix(d.passes, "-"))
		require.Equal(t, strings.Join(want, " "), strings.Join(passes, " "), d.text)
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"is_admin:1", "role:%(x)s", "field:a:b=~c", "1.5:%(y)s", "'a':%(b)s", "%:%%", "token.roles.id:x"} {
		f.Add(seed)
	}
	p := &policy.Principal{UserID: "u", Roles: []string{"reader"}}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := policy.New(map[string]map[string]string{"placement": {"it": text, "its reverse": "not rule:it"}})
		if err != nil {
			return
		}
		target := policy.Target{"x": "reader", "y": "1.5", "b": "a"}
		require.NotEqual(t, e.Allowed("placement", "it", p, target), e.Allowed("placement", "its reverse", p, target))
	})
}
