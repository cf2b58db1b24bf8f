package cloud_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// sizes are how many servers the benchmarks of forks have.
var sizes = []int{10, 10_000, 100_000}

// BenchmarkFork is a fork made and closed.
func BenchmarkFork(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			_, c := crowd(b, n)
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.Fork(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if err := f.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRehearse is a fork in which a server is deleted, with a look at what that
// changed.
func BenchmarkRehearse(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			_, c := crowd(b, n)
			id := c.Compute.ServersOn(b.Context(), "host-1")[0].ID
			b.ReportAllocs()
			for b.Loop() {
				f, err := c.Fork(b.Context())
				require.NoError(b, err)
				require.NoError(b, f.Compute.DeleteServer(b.Context(), id))
				require.NoError(b, f.Idle(b.Context()))
				require.Len(b, f.Changes(), 3)
				require.NoError(b, f.Close())
			}
		})
	}
}

// BenchmarkDiff is the differences of a fork in which ten servers have been stopped.
func BenchmarkDiff(b *testing.B) {
	for _, n := range sizes {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			_, c := crowd(b, n)
			f, err := c.Fork(b.Context())
			require.NoError(b, err)
			defer f.Close()
			for _, s := range c.Compute.ServersOn(b.Context(), "host-1")[:10] {
				require.NoError(b, f.Compute.StopServer(b.Context(), s.ID))
			}
			require.NoError(b, f.Idle(b.Context()))
			b.ReportAllocs()
			for b.Loop() {
				if len(f.Changes()) != 10 {
					b.Fatal(f.Changes())
				}
			}
		})
	}
}

// BenchmarkSave is a whole state written.
func BenchmarkSave(b *testing.B) {
	_, c := crowd(b, 10_000)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(saved(b, c))))
	}
}
