package saga_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// controllers is several controllers of one cloud on one store.
type controllers struct {
	t     *testing.T
	store *memengine.Store
	ran   list
}

func newControllers(t *testing.T) *controllers {
	return &controllers{t: t, store: memengine.NewStore(memengine.Options{Shared: true})}
}

// cutOff is an engine that answers nothing once it is cut.
type cutOff struct {
	state.Follower
	cut *atomic.Bool
}

func (c cutOff) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	if c.cut.Load() {
		return errors.New("no answer")
	}
	return c.Follower.Commit(ctx, base, sets)
}

func (c cutOff) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	if c.cut.Load() {
		return nil, errors.New("no answer")
	}
	return c.Follower.Since(ctx, revision)
}

// boot opens a controller. Its saga test.make has the steps a and b; b waits for
// gate, if there is one.
func (c *controllers) boot(name string, gate <-chan struct{}) (*rig, *atomic.Bool) {
	engine, err := c.store.Open()
	require.NoError(c.t, err)
	cut := &atomic.Bool{}
	r := newRig(c.t, cutOff{engine.(state.Follower), cut}, saga.Config{Controller: name})
	b := r.step("b")
	do := b.Do
	b.Do = func(ctx context.Context, run *saga.Run) error {
		c.ran.add(name)
		if gate != nil {
			select {
			case <-gate:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return do(ctx, run)
	}
	r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), b}}))
	require.NoError(c.t, r.db.Open(c.t.Context()))
	require.NoError(c.t, r.Engine.Open(c.t.Context()))
	return r, cut
}

func TestRestartGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, _ := c.boot("c1", make(chan struct{}))
		id := first.start("test.make", "x", nil)
		next := first.start("test.make", "x", nil)
		synctest.Wait()
		first.close()
		second, _ := c.boot("c1", nil)
		defer second.close()
		begin := time.Now()
		require.NoError(t, second.Wait(t.Context(), id))
		require.NoError(t, second.Wait(t.Context(), next))
		require.Zero(t, time.Since(begin))
		require.Equal(t, []string{"a", "b", "finished", "a", "b", "finished"}, second.thing("x").Marks)
	})
}

func TestOrphansOfTheClosedAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, _ := c.boot("c1", make(chan struct{}))
		id := first.start("test.make", "x", nil)
		synctest.Wait()
		first.close()
		second, _ := c.boot("c2", nil)
		defer second.close()
		require.NoError(t, second.Wait(t.Context(), id))
		require.Equal(t, []string{"c1", "c2"}, c.ran.all())
		require.Equal(t, "c2", second.get(id).Owner)
	})
}

func TestOrphansOfTheSilentAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		gate := make(chan struct{})
		first, cut := c.boot("c1", gate)
		id := first.start("test.make", "x", nil)
		synctest.Wait()
		second, _ := c.boot("c2", nil)
		defer second.close()

		begin := time.Now()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"c1"}, c.ran.all(), "the lease is renewed")
		cut.Store(true)
		require.NoError(t, second.Wait(t.Context(), id))
		silent := time.Since(begin) - time.Minute
		require.Greater(t, silent, 9*time.Second)
		require.Less(t, silent, 21*time.Second)

		cut.Store(false)
		close(gate) // the first comes back and has lost the saga
		synctest.Wait()
		time.Sleep(time.Minute)
		require.Equal(t, []string{"a", "b", "finished"}, second.thing("x").Marks)
		first.close()
	})
}

func TestCancelAndWaitAtAnotherController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, _ := c.boot("c1", make(chan struct{}))
		id := first.start("test.make", "x", nil)
		synctest.Wait()
		second, _ := c.boot("c2", nil)
		second.cancel("x")
		require.ErrorIs(t, second.Wait(t.Context(), id), fault.Cancelled)
		require.NoError(t, second.Idle(t.Context()))
		require.Equal(t, "c1", second.get(id).Owner, "its owner has unwound it")
		require.Equal(t, []string{"a", "unb", "una", "failed: make was cancelled"}, second.thing("x").Marks)
		second.close()
		first.close()
	})
}

func TestSecondProcessOfTheSameName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, _ := c.boot("c1", nil)
		second, _ := c.boot("c1", nil)
		time.Sleep(time.Minute)
		require.Contains(t, first.log.String(), "another process works under this controller's id")
		require.Empty(t, second.log.String())
		first.close()
		second.close()
	})
}

func TestUnknownSagaIsStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		first, _ := c.boot("c1", make(chan struct{}))
		id := first.start("test.make", "x", nil)
		synctest.Wait()
		first.close()
		engine, err := c.store.Open()
		require.NoError(t, err)
		r := newRig(t, engine, saga.Config{Controller: "c1"})
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("z")}})
		r.open()
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Unsupported)
		require.Equal(t, saga.Stuck, r.get(id).Status)
	})
}

func TestJournalThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newControllers(t)
		gate := make(chan struct{})
		r, cut := c.boot("c1", gate)
		defer r.close()
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		cut.Store(true)
		close(gate)
		time.Sleep(10 * time.Second)
		require.Equal(t, saga.Running, r.get(id).Status)
		require.Contains(t, r.log.String(), "journal could not be written")
		cut.Store(false)
		require.NoError(t, r.Wait(t.Context(), id))
		require.Equal(t, []string{"a", "b", "finished"}, r.thing("x").Marks)
	})
}

func TestKeepsTheNewest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{Keep: 3, KeepFor: 24 * time.Hour})
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a")}})
		r.open()
		var kept []string
		for range 5 {
			id := r.start("test.make", "x", nil)
			require.NoError(t, r.Wait(t.Context(), id))
			kept = append(kept, id)
		}
		var history []string
		for _, s := range r.History(r.db.Snapshot(), "thing/x") {
			history = append(history, s.ID)
		}
		require.Equal(t, kept[2:], history)

		for i := range 250 {
			r.start("test.make", fmt.Sprint(i), nil)
		}
		time.Sleep(12 * time.Hour)
		require.NoError(t, r.Wait(t.Context(), r.start("test.make", "x", nil)))
		require.Len(t, r.History(r.db.Snapshot(), "thing/17"), 1)
		time.Sleep(14 * time.Hour)
		require.Empty(t, r.History(r.db.Snapshot(), "thing/17"))
		require.Empty(t, r.History(r.db.Snapshot(), "thing/249"))
		require.Len(t, r.History(r.db.Snapshot(), "thing/x"), 3, "its last one is young")
		time.Sleep(12 * time.Hour)
		require.Empty(t, r.History(r.db.Snapshot(), "thing/x"))
	})
}
