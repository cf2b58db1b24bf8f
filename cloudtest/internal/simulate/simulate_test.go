package simulate_test

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/welkin-cloud/cloud/cloudtest/internal/simulate"
)

var (
	seeds      = flag.Int("seeds", 150, "how many seeds to run")
	seed       = flag.Uint64("seed", 1, "the first seed")
	stride     = flag.Uint64("stride", 1, "the distance of one seed to the next: for several processes")
	operations = flag.Int("operations", 0, "what clients ask for in each run")
	story      = flag.Bool("story", false, "tell every event")
	first      = flag.Bool("first", false, "end with the first seed that fails")
)

// One goroutine at a time: the order is the schedule's.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

// run runs a seed in a bubble. No collection of garbage comes in between: it may change
// in which order goroutines run.
func run(t *testing.T, o simulate.Options) (r simulate.Result) {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	synctest.Test(t, func(t *testing.T) { r = simulate.Run(t.Context(), o) })
	return r
}

func TestSeeds(t *testing.T) {
	start := time.Now()
	var sum simulate.Result
	for i := range *seeds {
		o := simulate.Options{Seed: *seed + uint64(i)**stride, Operations: *operations}
		if *story {
			o.Log = os.Stdout
		}
		r := run(t, o)
		sum.Steps += r.Steps
		sum.Operations += r.Operations
		sum.Refused += r.Refused
		sum.Faults += r.Faults
		sum.Crashes += r.Crashes
		sum.Virtual += r.Virtual
		if len(r.Problems) > 0 {
			t.Errorf("seed %d: %d problems\n\t%s\nthe end of its story:\n\t%s\nplay it again: make simulate SEED=%d",
				o.Seed, len(r.Problems), strings.Join(r.Problems, "\n\t"), strings.Join(r.Tale, "\n\t"), o.Seed)
			if *first {
				return
			}
		}
	}
	t.Logf("%d seeds in %v: %d operations (%d refused), %d faults, %d crashes, %d steps, %v of virtual time",
		*seeds, time.Since(start).Round(time.Millisecond), sum.Operations, sum.Refused, sum.Faults, sum.Crashes, sum.Steps, sum.Virtual.Round(time.Hour))
}

func TestASeedGivesTheSameRunAgain(t *testing.T) {
	for s := uint64(1000); s < 1012; s++ {
		first := run(t, simulate.Options{Seed: s, Operations: 100})
		again := run(t, simulate.Options{Seed: s, Operations: 100})
		if first.Trace != again.Trace {
			t.Errorf("seed %d ran in two ways: %d and %d steps", s, first.Steps, again.Steps)
		}
	}
}
