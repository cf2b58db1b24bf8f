package memhypervisor_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
)

func BenchmarkLifeOfAGuest(b *testing.B) {
	h := memhypervisor.New(memhypervisor.Config{})
	ctx := b.Context()
	spec := driver.Spec{ID: "g", Name: "g", VCPUs: 1, MemoryMiB: 64}
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, h.Create(ctx, spec))
		require.NoError(b, h.Start(ctx, spec.ID))
		_, err := h.Get(ctx, spec.ID)
		require.NoError(b, err)
		require.NoError(b, h.Destroy(ctx, spec.ID))
	}
}
