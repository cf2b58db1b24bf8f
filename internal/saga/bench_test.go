package saga_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// BenchmarkSaga runs sagas of five steps, from Start to the end of Wait: one after
// the other, and 64 at a time.
func BenchmarkSaga(b *testing.B) {
	engines := map[string]func(b *testing.B) state.Engine{
		"memory": func(*testing.B) state.Engine { return nil },
		"sqlite": func(b *testing.B) state.Engine {
			engine, err := sqlite.Open(filepath.Join(b.TempDir(), "state.db"))
			require.NoError(b, err)
			return engine
		},
	}
	for _, name := range []string{"memory", "sqlite"} {
		for _, width := range []int{1, 64} {
			b.Run(fmt.Sprintf("%s/%d", name, width), func(b *testing.B) {
				r := newRig(b, engines[name](b), saga.Config{})
				var steps []saga.Step
				for i := range 5 {
					steps = append(steps, saga.Step{Name: fmt.Sprint(i), Do: func(_ context.Context, run *saga.Run) error {
						run.Commit(func(tx *state.Tx) error {
							return r.things.Put(tx, thing{ID: run.Saga().Resource, Status: fmt.Sprint(i)})
						})
						return nil
					}})
				}
				r.Define(saga.Definition{Name: "test.make", Steps: steps})
				r.open()
				var n atomic.Int64
				b.SetParallelism(max(width/2, 1)) // times GOMAXPROCS
				if width == 1 {
					for b.Loop() {
						require.NoError(b, r.Wait(b.Context(), r.start("test.make", fmt.Sprint(n.Add(1)), nil)))
					}
				} else {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							require.NoError(b, r.Wait(b.Context(), r.start("test.make", fmt.Sprint(n.Add(1)), nil)))
						}
					})
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sagas/s")
			})
		}
	}
}
