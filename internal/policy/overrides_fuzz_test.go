package policy_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

// FuzzOverrides reads files of rules: what is read without an error makes rules, or a
// clear error, and the other form of file says the same.
func FuzzOverrides(f *testing.F) {
	for _, seed := range []string{
		"list: role:reader\n", "\"a:b\": \"@\"", `{"x": [["role:admin"], ["role:member", "user_id:%(user_id)s"]]}`, "x: []\n", "x: &a !\ny: *a\n",
		"a: &a [*a]\n", "? [x]\n: y\n", "x: 1\n", "---\n...\n---\n", "<<: {x: y}\n", "x: !!binary aGVsbG8=\n", "x: |\n  role:admin\n",
	} {
		f.Add(seed)
	}
	dir := f.TempDir()
	alone := filepath.Join(dir, "alone")
	shared := filepath.Join(dir, "shared")
	require.NoError(f, os.Mkdir(alone, 0o700))
	require.NoError(f, os.Mkdir(shared, 0o700))
	f.Fuzz(func(t *testing.T, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(alone, "placement.yaml"), []byte(text), 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(shared, "policy.yaml"), []byte(text), 0o600))
		for _, place := range []string{alone, shared} {
			rules, err := policy.LoadOverrides(place)
			if err != nil {
				require.Nil(t, rules)
				continue
			}
			if e, err := policy.New(rules); err == nil {
				e.Allowed("placement", "placement:resource_providers:list", &policy.Principal{UserID: "u"}, policy.Target{})
			}
		}
	})
}
