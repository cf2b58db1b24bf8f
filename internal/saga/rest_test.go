package saga_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// TestIdleDoesNotWaitForTheNextTryOfAJournal: a saga whose journal could not be written
// waits for a time like others.
func TestIdleDoesNotWaitForTheNextTryOfAJournal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var commits atomic.Int64
		var failing atomic.Bool
		store := memengine.NewStore(memengine.Options{Before: func(method string) error {
			if method != "Commit" {
				return nil
			}
			if commits.Add(1) > 1 && failing.Load() {
				return fault.Unavailable
			}
			return nil
		}})
		engine, err := store.Open()
		require.NoError(t, err)
		r := newRig(t, engine, saga.Config{})
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a")}}))
		r.open()
		commits.Store(0)
		failing.Store(true)
		id := r.start("test.make", "x", nil)
		before := time.Now()
		require.NoError(t, r.Idle(t.Context()))
		require.Equal(t, before, time.Now(), "no time has passed")
		require.Equal(t, saga.Running, r.get(id).Status)
		failing.Store(false)
		time.Sleep(2 * time.Second)
		require.NoError(t, r.Idle(t.Context()))
		require.Equal(t, saga.Finished, r.get(id).Status)
	})
}
