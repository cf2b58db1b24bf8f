package saga_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// waiting returns a step that waits for ctx and then fails as err says.
func (r *rig) waiting(name string, err func(ctx context.Context) error) saga.Step {
	s := r.step(name)
	s.Do = func(ctx context.Context, run *saga.Run) error {
		<-ctx.Done()
		return err(ctx)
	}
	return s
}

func TestCancelRunningStep(t *testing.T) {
	for name, result := range map[string]func(context.Context) error{
		"honoured":  func(ctx context.Context) error { return ctx.Err() },
		"failed":    func(context.Context) error { return fault.New(fault.Invalid, "other") },
		"retryable": func(context.Context) error { return fault.New(fault.Unavailable, "other") },
		"succeeded": func(context.Context) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, saga.Config{})
				wait := r.waiting("b", result)
				wait.Attempts = 5
				r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), wait, r.step("c")}}))
				r.open()
				id := r.start("test.make", "x", nil)
				synctest.Wait()
				r.cancel("x")
				r.cancel("x")
				err := r.Wait(t.Context(), id)
				require.ErrorIs(t, err, fault.Cancelled)
				require.Equal(t, []string{"a", "unb", "una", "failed: make was cancelled"}, r.thing("x").Marks)
				require.Contains(t, r.log.String(), "a saga was cancelled")
			})
		})
	}
}

func TestCancelDuringTheLastStepFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{
			r.step("a"), r.waiting("b", func(context.Context) error { return nil }),
		}}))
		r.open()
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		r.cancel("x")
		require.NoError(t, r.Wait(t.Context(), id))
		require.Equal(t, saga.Finished, r.get(id).Status)
	})
}

func TestCancelDuringBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		s := r.failing("a", fault.New(fault.Unavailable, "away"))
		s.Attempts = 100
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{s}}))
		r.open()
		id := r.start("test.make", "x", nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		now := time.Now()
		r.cancel("x")
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Cancelled)
		require.Equal(t, now, time.Now(), "it does not wait for the next attempt")
	})
}

// An undo that waits for its next attempt is tried at once: who cancels wants the
// resource.
func TestCancelHastensAnUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{UndoAttempts: 100})
		broken := true
		a := r.step("a")
		undo := a.Undo
		a.Undo = func(ctx context.Context, run *saga.Run) error {
			if broken {
				return fault.New(fault.Unavailable, "away")
			}
			return undo(ctx, run)
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{a, r.failing("b", fault.New(fault.Invalid, "no"))}}))
		r.open()
		id := r.start("test.make", "x", nil)
		time.Sleep(10 * time.Minute) // it waits for half a minute at a time now
		synctest.Wait()
		broken = false
		began := time.Now()
		r.cancel("x")
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Invalid)
		require.Zero(t, time.Since(began))
		require.Equal(t, []string{"a", "unb", "una", "failed: no"}, r.thing("x").Marks)
	})
}

func TestCancelWhileUnwindingIsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		a := r.step("a")
		undo := a.Undo
		a.Undo = func(ctx context.Context, run *saga.Run) error {
			r.cancel("x")
			require.NoError(t, ctx.Err())
			return undo(ctx, run)
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{a, r.failing("b", fault.New(fault.Invalid, "no"))}}))
		r.open()
		id := r.start("test.make", "x", nil)
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Invalid)
		require.False(t, r.get(id).Cancelled)
	})
}

func TestOneAtATimePerResource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		busy := false
		s := r.step("a")
		s.Do = func(ctx context.Context, run *saga.Run) error {
			require.False(t, busy)
			busy = true
			time.Sleep(time.Second)
			busy = false
			var n int
			require.NoError(t, run.Params(&n))
			run.Commit(func(tx *state.Tx) error { return r.mark(tx, "x", fmt.Sprint(n)) })
			if n == 2 {
				return fault.New(fault.Invalid, "no")
			}
			return nil
		}
		s.Undo = nil
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{s}})
		r.open()
		require.NoError(t, r.db.Update(t.Context(), func(tx *state.Tx) error {
			for i := range 3 {
				if _, err := r.Start(tx, saga.Start{Name: "test.make", Resource: "thing/x", Params: i}); err != nil {
					return err
				}
			}
			return nil
		}))
		last := r.start("test.make", "x", 3)
		require.Len(t, r.Active(r.db.Snapshot(), "thing/x"), 4)
		require.NoError(t, r.Wait(t.Context(), last))
		require.Equal(t, []string{"0", "1", "3"}, r.thing("x").Marks)
	})
}

func TestCancelledBeforeItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{
			r.waiting("a", func(ctx context.Context) error { return ctx.Err() }),
		}}))
		delete_ := r.step("delete")
		delete_.Undo = nil
		r.Define(saga.Definition{Name: "test.delete", Steps: []saga.Step{delete_}})
		r.open()
		first, second := r.start("test.make", "x", nil), r.start("test.make", "x", nil)
		synctest.Wait()
		var third string
		require.NoError(t, r.db.Update(t.Context(), func(tx *state.Tx) (err error) {
			if err := r.Cancel(tx, "thing/x"); err != nil {
				return err
			}
			third, err = r.Start(tx, saga.Start{Name: "test.delete", Resource: "thing/x"})
			return err
		}))
		require.NoError(t, r.Wait(t.Context(), third))
		require.ErrorIs(t, r.Wait(t.Context(), first), fault.Cancelled)
		require.ErrorIs(t, r.Wait(t.Context(), second), fault.Cancelled)
		for _, entry := range r.get(second).Journal {
			require.True(t, entry.Undo || entry.Error != "", "it never ran")
		}
		const failed = "failed: make was cancelled"
		require.Equal(t, []string{"una", failed, "una", failed, "delete"}, r.thing("x").Marks, "what the start prepared is undone")
	})
}

func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{Workers: 3})
		at := make(chan int, 100)
		proceed := make(chan struct{})
		s := saga.Step{Name: "a", Do: func(_ context.Context, run *saga.Run) error {
			var n int
			require.NoError(t, run.Params(&n))
			at <- n
			<-proceed
			return nil
		}}
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{s}})
		r.open()
		for i := range 10 {
			r.start("test.make", fmt.Sprint(i), i)
		}
		synctest.Wait()
		require.Len(t, at, 3)
		close(proceed)
		require.NoError(t, r.Idle(t.Context()))
		require.Len(t, at, 10)
	})
}

func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{Workers: 2, Limits: map[string]int{"build": 1}})
		var order list
		build := saga.Step{
			Name:  "build",
			Limit: func(run *saga.Run) string { return "build:host-1" },
			Do: func(ctx context.Context, run *saga.Run) error {
				time.Sleep(time.Minute)
				order.add(run.Saga().Resource)
				return ctx.Err()
			},
		}
		free := saga.Step{Name: "free", Do: func(_ context.Context, run *saga.Run) error {
			order.add(run.Saga().Resource)
			return nil
		}}
		r.Define(saga.Definition{Name: "test.build", Steps: []saga.Step{build}})
		r.Define(saga.Definition{Name: "test.free", Steps: []saga.Step{free}})
		r.open()
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			r.start("test.build", id, nil)
			synctest.Wait()
		}
		begin := time.Now()
		require.NoError(t, r.Wait(t.Context(), r.start("test.free", "6", nil)), "those who wait take up no worker")
		r.cancel("3")
		require.NoError(t, r.Idle(t.Context()))
		require.Equal(t, []string{"thing/6", "thing/1", "thing/2", "thing/4", "thing/5"}, order.all(), "first come, first served")
		require.Equal(t, 4*time.Minute, time.Since(begin))
	})
}

func TestCloseDoesNotFailSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{Controller: "c1"})
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{
			r.step("a"), r.waiting("b", func(ctx context.Context) error { return errors.New("interrupted") }),
		}}))
		require.NoError(t, r.db.Open(t.Context()))
		require.NoError(t, r.Open(t.Context()))
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		waited := make(chan error, 1)
		go func() { waited <- r.Wait(t.Context(), id) }()
		synctest.Wait()
		require.NoError(t, r.Engine.Close())
		require.NoError(t, r.Engine.Close())
		require.ErrorIs(t, <-waited, fault.Unavailable)
		s := r.get(id)
		require.Equal(t, saga.Running, s.Status)
		require.Equal(t, 1, s.Step)
		require.Zero(t, s.Journal[1].Attempts)
		require.ErrorIs(t, r.Idle(t.Context()), fault.Unavailable)
		require.ErrorIs(t, r.Open(t.Context()), fault.Conflict)
		require.NoError(t, r.db.Close())
	})
}

func TestWaitHonoursContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{
			r.waiting("a", func(ctx context.Context) error { return ctx.Err() }),
		}})
		r.open()
		id := r.start("test.make", "x", nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		require.ErrorIs(t, r.Wait(ctx, id), fault.DeadlineReached)
		require.ErrorIs(t, r.Idle(ctx), fault.DeadlineReached)
	})
}

func TestRunIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{{
			Name: "a", Do: func(ctx context.Context, run *saga.Run) error {
				require.False(t, run.Cancelled())
				<-ctx.Done()
				require.True(t, run.Cancelled())
				return ctx.Err()
			},
		}}})
		r.open()
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		r.cancel("x")
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Cancelled)
	})
}

func TestStepThatEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		s := r.step("a")
		s.Do = func(context.Context, *saga.Run) error { runtime.Goexit(); return nil }
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{s}})
		r.open()
		require.ErrorIs(t, r.Wait(t.Context(), r.start("test.make", "x", nil)), fault.Internal)
	})
}
