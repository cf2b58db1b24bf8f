package policy_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/policy"
)

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policy.New(nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAllowed(b *testing.B) {
	e, err := policy.New(nil)
	require.NoError(b, err)
	p := people()["member"]
	for _, c := range []struct {
		service, rule string
		target        policy.Target
	}{
		{"compute", "os_compute_api:servers:create", policy.Target{"project_id": "p1"}},
		{"network", "get_network", policy.Target{"project_id": "p1", "shared": "False"}},
		{"identity", "identity:get_user", policy.Target{"target.user.id": "ann", "target.user.domain_id": "d1"}},
	} {
		b.Run(c.rule, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !e.Allowed(c.service, c.rule, p, c.target) {
					b.Fatal("denied")
				}
			}
		})
	}
}

func BenchmarkAccessRules(b *testing.B) {
	rules := policy.NewAccessRules([]policy.AccessRule{
		{Service: "image", Method: "GET", Path: "/v2/images/**"},
		{Service: "compute", Method: "POST", Path: "/v2.1/servers"},
		{Service: "compute", Method: "GET", Path: "/v2.1/servers/{server_id}"},
	})
	types := []string{"compute"}
	b.ReportAllocs()
	for b.Loop() {
		if !rules.Allow(types, "GET", "/v2.1/servers/4b42a7b1-8f0c-4b5e-9d3e-0c8a7f6d5e4c") {
			b.Fatal("denied")
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	e, err := policy.New(nil)
	require.NoError(b, err)
	overrides := map[string]map[string]string{"compute": {"os_compute_api:servers:create": "role:builder"}}
	for b.Loop() {
		if err := e.Load(overrides); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWhoCan(b *testing.B) {
	e, err := policy.New(nil)
	require.NoError(b, err)
	for b.Loop() {
		if _, err := e.WhoCan("identity", "identity:create_grant"); err != nil {
			b.Fatal(err)
		}
	}
}
