package identity_test

import (
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/state"
)

// TestEveryReferenceIsChecked plants a row for each collection that names what does not
// exist in every field that is a reference, and wants a finding for each field.
func TestEveryReferenceIsChecked(t *testing.T) {
	rows := map[string]struct {
		key, row string
		nouns    []string
	}{
		"assignments":             {state.Key("group:gone", "domain:gone", "gone", ""), `{"role": "gone", "user": "gone", "group": "gone", "project": "gone", "domain": "gone"}`, []string{"role", "user", "group", "project", "domain"}},
		"policy_associations":     {state.Key("gone", "gone", "gone"), `{"policy": "gone", "endpoint": "gone", "service": "gone", "region": "gone"}`, []string{"policy", "endpoint", "service", "region"}},
		"federated_users":         {state.Key("gone", "gone", "x"), `{"provider": "gone", "protocol": "gone", "unique": "x", "user": "gone"}`, []string{"user", "protocol"}},
		"federated_memberships":   {state.Key("gone", "gone", "gone", "gone"), `{"provider": "gone", "protocol": "gone", "user": "gone", "group": "gone"}`, []string{"user", "group", "protocol"}},
		"projects":                {"x", `{"id": "x", "name": "x", "domain": "gone", "parent": "gone", "enabled": true}`, []string{"domain", "parent"}},
		"users":                   {"gone", `{"id": "gone", "name": "x", "domain": "gone", "source": "directory"}`, []string{"domain", "directory entry"}},
		"groups":                  {"x", `{"id": "x", "name": "x", "domain": "gone"}`, []string{"domain"}},
		"roles":                   {"x", `{"id": "x", "name": "x", "domain": "gone"}`, []string{"domain"}},
		"memberships":             {state.Key("gone", "gone"), `{"group": "gone", "user": "gone"}`, []string{"group", "user"}},
		"implications":            {state.Key("gone", "gone2"), `{"prior": "gone", "implied": "gone2"}`, []string{"role", "role"}},
		"regions":                 {"x", `{"id": "x", "parent": "gone"}`, []string{"region"}},
		"endpoints":               {"x", `{"id": "x", "service": "gone", "region": "gone"}`, []string{"service", "region"}},
		"application_credentials": {"x", `{"id": "x", "name": "x", "user": "gone", "project": "gone", "roles": [], "access_rules": [{"id": "gone"}]}`, []string{"user", "project", "access rule"}},
		"access_rules":            {"x", `{"id": "x", "user": "gone"}`, []string{"user"}},
		"login_records":           {"gone", `{"user": "gone"}`, []string{"user"}},
		"trusts":                  {"x", `{"id": "x", "trustor": "gone", "trustee": "gone2", "project": "gone", "redelegated_from": "gone"}`, []string{"user", "user", "project", "trust"}},
		"request_tokens":          {"x", `{"id": "x", "consumer": "gone", "project": "gone", "user": "gone"}`, []string{"consumer", "project", "user"}},
		"access_tokens":           {"x", `{"id": "x", "consumer": "gone", "project": "gone", "user": "gone"}`, []string{"consumer", "project", "user"}},
		"directory_entries":       {"gone", `{"id": "gone", "domain": "gone", "noun": "group", "local": "x"}`, []string{"domain", "group"}},
		"project_endpoints":       {state.Key("gone", "gone"), `{"project": "gone", "endpoint": "gone"}`, []string{"project", "endpoint"}},
		"project_endpoint_groups": {state.Key("gone", "gone"), `{"project": "gone", "group": "gone"}`, []string{"project", "endpoint group"}},
		"registered_limits":       {"x", `{"id": "x", "service": "gone", "region": "gone", "resource": "x"}`, []string{"service", "region"}},
		"limits":                  {"x", `{"id": "x", "registered": "gone", "project": "gone", "domain": "gone", "service": "gone", "region": "gone", "resource": "x"}`, []string{"registered limit", "project", "domain", "service", "region"}},
		"domain_configs":          {"gone", `{"domain": "gone"}`, []string{"domain"}},
		"identity_providers":      {"x", `{"id": "x", "domain": "gone"}`, []string{"domain"}},
		"federation_protocols":    {state.Key("gone", "x"), `{"id": "x", "provider": "gone", "mapping": "m"}`, []string{"identity provider"}},
	}
	free := []string{ // of references, or what clients say and nobody holds them to
		"consumers", "services", "policies", "mappings", "service_providers", "revocations", "keys", "oauth_nonces", "used_flows",
		"credentials", "endpoint_groups",
	}
	for _, collection := range open(t).DB().Collections() {
		name, ours := strings.CutPrefix(collection, "identity.")
		_, planted := rows[name]
		require.True(t, !ours || planted != slices.Contains(free, name), "%s is checked by no row here", name)
	}
	for collection, c := range rows {
		t.Run(collection, func(t *testing.T) {
			s := open(t)
			require.Empty(t, problems(t, s))
			require.True(t, json.Valid([]byte(c.row)))
			require.NoError(t, s.Plant(t.Context(), state.Row{Collection: "identity." + collection, Key: c.key, Doc: []byte(c.row)}))
			found := problems(t, s)
			for _, noun := range c.nouns {
				i := slices.IndexFunc(found, func(p string) bool { return strings.HasPrefix(p, "names the "+noun+" gone") })
				require.GreaterOrEqual(t, i, 0, "%s in %q", noun, found)
				found = slices.Delete(found, i, i+1)
			}
			require.Empty(t, found)
		})
	}
}

func TestAFederatedUserIsKnownToAProvider(t *testing.T) {
	s := open(t)
	require.NoError(t, s.Plant(t.Context(), state.Row{
		Collection: "identity.users", Key: "x", Doc: []byte(`{"id": "x", "name": "x", "domain": "default", "source": "federation"}`),
	}))
	require.Equal(t, []string{"comes from an identity provider, but none knows it."}, problems(t, s))
}

// problems are what the checks of a service find.
func problems(t *testing.T, s *identity.Service) []string {
	t.Helper()
	r := &check.Runner{
		Checks: s.Checks(), DB: s.DB(), Clock: clock.System{},
		Active: func(state.Reader) iter.Seq[string] { return func(func(string) bool) {} },
	}
	report, err := r.Run(t.Context(), nil)
	require.NoError(t, err)
	var all []string
	for _, f := range report.Findings {
		all = append(all, f.Problem)
	}
	return all
}
