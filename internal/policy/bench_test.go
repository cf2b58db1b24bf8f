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
