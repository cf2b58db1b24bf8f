package saga_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

func TestFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		type params struct{ Size int }
		first, second := r.step("a"), r.step("b")
		first.Do = func(ctx context.Context, run *saga.Run) error {
			var p params
			require.NoError(t, run.Params(&p))
			require.Equal(t, "req-1", caller.From(ctx).RequestID)
			require.False(t, run.Cancelled())
			run.Set("double", p.Size*2)
			run.OnHost("host-1")
			run.Commit(func(tx *state.Tx) error { return r.mark(tx, "x", "a") })
			return nil
		}
		second.Do = func(ctx context.Context, run *saga.Run) error {
			var double int
			require.True(t, run.Load("double", &double))
			require.False(t, run.Load("none", &double))
			require.Equal(t, 42, double)
			x, err := r.things.Get(run.Snapshot(), "x")
			require.NoError(t, err)
			require.Equal(t, []string{"a"}, x.Marks, "the first step's change is durable")
			require.Equal(t, run.Saga().ID, run.ID())
			return nil
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{first, second}}))
		r.open()
		before := r.db.Snapshot().Revision()
		id := r.start("test.make", "x", params{21})
		require.NoError(t, r.Wait(t.Context(), id))
		require.Equal(t, before+3, r.db.Snapshot().Revision(), "n steps cost n+1 commits")
		require.Equal(t, []string{"a", "finished"}, r.thing("x").Marks)

		s := r.get(id)
		require.Equal(t, saga.Finished, s.Status)
		require.Len(t, s.Journal, 2)
		require.Equal(t, "a", s.Journal[0].Step)
		require.Equal(t, "host-1", s.Journal[0].Host)
		require.Equal(t, 1, s.Journal[0].Attempts)
		require.False(t, s.Journal[0].Ended.IsZero())
		require.Empty(t, s.Error)
		require.NoError(t, r.Idle(t.Context()))
		require.Empty(t, r.Active(r.db.Snapshot(), "thing/x"))
		require.Len(t, r.History(r.db.Snapshot(), "thing/x"), 1)
		require.Empty(t, r.log.String())
	})
}

func TestUnwinds(t *testing.T) {
	cause := fault.New(fault.Exhausted, "no host has room").Because(errors.New("secret cause"))
	tests := map[string]struct {
		breaks func(r *rig, d *saga.Definition)
		marks  []string
		status saga.Status
		kind   fault.Kind
		log    string
	}{
		"a step fails": {
			breaks: func(r *rig, d *saga.Definition) { d.Steps[2] = r.failing("c", cause) },
			marks:  []string{"a", "b", "unc", "unb", "una", "failed: no host has room"},
			status: saga.Failed, kind: fault.Exhausted, log: "secret cause",
		},
		"nothing to undo": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[0] = r.failing("a", cause)
				d.Steps[0].Undo = nil
			},
			marks:  []string{"failed: no host has room"},
			status: saga.Failed, kind: fault.Exhausted,
		},
		"a commit fails": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[1].Do = func(_ context.Context, run *saga.Run) error {
					run.Commit(func(tx *state.Tx) error { return r.mark(tx, "x", "lost") })
					run.Commit(func(tx *state.Tx) error { return cause })
					return nil
				}
			},
			marks:  []string{"a", "unb", "una", "failed: no host has room"},
			status: saga.Failed, kind: fault.Exhausted,
		},
		"finished fails": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Finished = func(*state.Tx, *saga.Run) error { return cause }
			},
			marks:  []string{"a", "b", "unc", "unb", "una", "failed: no host has room"},
			status: saga.Failed, kind: fault.Exhausted,
		},
		"a step panics": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[1].Do = func(context.Context, *saga.Run) error { panic("oops") }
			},
			marks:  []string{"a", "unb", "una", "failed: an internal error"},
			status: saga.Failed, kind: fault.Internal, log: "saga_test.go",
		},
		"a value cannot be stored": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[1].Do = func(_ context.Context, run *saga.Run) error { run.Set("f", func() {}); return nil }
			},
			marks:  []string{"a", "unb", "una", "failed: the saga's value f cannot be stored"},
			status: saga.Failed, kind: fault.Internal,
		},
		"an undo fails for good": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[2] = r.failing("c", cause)
				d.Steps[1].Undo = func(context.Context, *saga.Run) error { return errors.New("will not") }
			},
			marks:  []string{"a", "b", "unc", "stuck: no host has room: will not"},
			status: saga.Stuck, kind: fault.Exhausted, log: "a saga is stuck",
		},
		"failed fails": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[1] = r.failing("b", cause)
				d.Failed = func(*state.Tx, *saga.Run, error) error { return errors.New("will not") }
			},
			marks:  []string{"a", "unb", "una", "stuck: no host has room: will not"},
			status: saga.Stuck, kind: fault.Exhausted,
		},
		"failed and stuck fail": {
			breaks: func(r *rig, d *saga.Definition) {
				d.Steps[1] = r.failing("b", cause)
				d.Failed = func(*state.Tx, *saga.Run, error) error { panic("will not") }
				d.Stuck = func(tx *state.Tx, _ *saga.Run, _ error) error {
					_ = r.mark(tx, "x", "lost")
					return errors.New("will not")
				}
			},
			marks:  []string{"a", "unb", "una"},
			status: saga.Stuck, kind: fault.Exhausted,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, saga.Config{})
				d := r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), r.step("b"), r.step("c")}})
				test.breaks(r, &d)
				r.Define(d)
				r.open()
				id := r.start("test.make", "x", nil)
				err := r.Wait(t.Context(), id)
				synctest.Wait() // the log is written once the end is on record
				require.Error(t, err)
				require.Equal(t, test.kind, fault.Of(err))
				require.NotContains(t, err.Error(), "secret cause")
				require.Equal(t, test.marks, r.thing("x").Marks)
				require.Equal(t, test.status, r.get(id).Status)
				require.Contains(t, r.log.String(), test.log)
				require.Equal(t, 1, strings.Count(r.log.String(), "a saga failed and unwinds"))
				require.Contains(t, r.log.String(), "request=req-1")
			})
		})
	}
}

func TestJournalOfFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		cause := fault.New(fault.Exhausted, "no room").Because(errors.New("secret"))
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), r.failing("b", cause)}})
		r.open()
		id := r.start("test.make", "x", nil)
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Exhausted)
		s := r.get(id)
		require.Equal(t, "no room", s.Error)
		var steps []string
		for _, rec := range s.Journal {
			steps = append(steps, rec.Step+map[bool]string{true: "-", false: "+"}[rec.Undo])
			require.False(t, rec.Ended.IsZero())
		}
		require.Equal(t, []string{"a+", "b+", "b-", "a-"}, steps)
		require.Equal(t, "no room", s.Journal[1].Error)
		require.Equal(t, "no room: secret", s.Journal[1].Details)
	})
}

func TestSkip(t *testing.T) {
	yes := func(*saga.Run) bool { return true }
	tests := map[string]struct {
		skip  []string
		fail  bool
		marks []string
	}{
		"first":    {[]string{"a"}, false, []string{"b", "c", "finished"}},
		"middle":   {[]string{"b"}, false, []string{"a", "c", "finished"}},
		"last":     {[]string{"c"}, false, []string{"a", "b", "finished"}},
		"all":      {[]string{"a", "b", "c"}, false, []string{"finished"}},
		"no undo":  {[]string{"b"}, true, []string{"a", "unc", "una", "failed: no"}},
		"panicked": {nil, false, []string{"a", "b", "c", "finished"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, saga.Config{})
				d := r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), r.step("b"), r.step("c")}})
				if test.fail {
					d.Steps[2] = r.failing("c", fault.New(fault.Invalid, "no"))
				}
				for i := range d.Steps {
					for _, name := range test.skip {
						if d.Steps[i].Name == name {
							d.Steps[i].Skip = yes
						}
					}
				}
				if name == "panicked" {
					d.Steps[1].Skip = func(*saga.Run) bool { panic("oops") }
				}
				r.Define(d)
				r.open()
				_ = r.Wait(t.Context(), r.start("test.make", "x", nil))
				require.Equal(t, test.marks, r.thing("x").Marks)
			})
		})
	}
}

func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		var at []time.Time
		flaky := r.step("b")
		flaky.Attempts = 4
		flaky.Do = func(_ context.Context, run *saga.Run) error {
			at = append(at, time.Now())
			run.Set("tries", len(at))
			if len(at) < 4 {
				return fault.New(fault.Unavailable, "the host is away")
			}
			var tries int
			require.True(t, run.Load("tries", &tries))
			return nil
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a"), flaky}}))
		r.open()
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		require.NoError(t, r.Idle(t.Context()), "a saga that waits for a time is not runnable")
		s := r.get(id)
		require.Equal(t, "the host is away", s.Journal[1].Error)
		require.True(t, s.Journal[1].Ended.IsZero())
		require.NoError(t, r.Wait(t.Context(), id))
		require.Len(t, at, 4)
		for i, want := range []time.Duration{100, 200, 400} {
			gap := at[i+1].Sub(at[i])
			require.GreaterOrEqual(t, gap, want*time.Millisecond/2)
			require.LessOrEqual(t, gap, want*time.Millisecond)
		}
		require.Equal(t, 4, r.get(id).Journal[1].Attempts)
		require.Empty(t, r.get(id).Journal[1].Error)
	})
}

func TestRetryEnds(t *testing.T) {
	for kind, attempts := range map[fault.Kind]int{
		fault.Unavailable: 3, fault.RateLimited: 3, fault.DeadlineReached: 3,
		fault.Invalid: 1, fault.Internal: 1, fault.Cancelled: 1,
	} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, saga.Config{})
				s := r.failing("a", fault.New(kind, "no"))
				s.Attempts = 3
				r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{s}}))
				r.open()
				id := r.start("test.make", "x", nil)
				require.ErrorIs(t, r.Wait(t.Context(), id), kind)
				require.Equal(t, attempts, r.get(id).Journal[0].Attempts)
				require.Equal(t, []string{"una", "failed: no"}, r.thing("x").Marks)
			})
		})
	}
}

func TestUndoIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{UndoAttempts: 3})
		tries := 0
		a := r.step("a")
		undo := a.Undo
		a.Undo = func(ctx context.Context, run *saga.Run) error {
			if tries++; tries < 3 {
				return errors.New("not yet")
			}
			return undo(ctx, run)
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{a, r.failing("b", fault.New(fault.Invalid, "no"))}}))
		r.open()
		require.ErrorIs(t, r.Wait(t.Context(), r.start("test.make", "x", nil)), fault.Invalid)
		require.Equal(t, []string{"unb", "una", "failed: no"}, r.thing("x").Marks[1:])
	})
}

func TestDefinePanics(t *testing.T) {
	r := newRig(t, nil, saga.Config{})
	do := func(context.Context, *saga.Run) error { return nil }
	r.Define(saga.Definition{Name: "test.make"})
	for name, d := range map[string]saga.Definition{
		"no name":     {},
		"twice":       {Name: "test.make"},
		"nameless":    {Name: "test.a", Steps: []saga.Step{{Do: do}}},
		"no do":       {Name: "test.b", Steps: []saga.Step{{Name: "a"}}},
		"same step":   {Name: "test.c", Steps: []saga.Step{{Name: "a", Do: do}, {Name: "a", Do: do}}},
		"after start": {Name: "test.d"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "after start" {
				r := newRig(t, nil, saga.Config{}).open()
				require.Panics(t, func() { r.Define(d) })
				return
			}
			require.Panics(t, func() { r.Define(d) })
		})
	}
}

func TestStartRefuses(t *testing.T) {
	r := newRig(t, nil, saga.Config{})
	r.Define(saga.Definition{Name: "test.make"})
	r.open()
	for name, s := range map[string]saga.Start{
		"unknown":     {Name: "test.other", Resource: "thing/x"},
		"no resource": {Name: "test.make"},
		"bad params":  {Name: "test.make", Resource: "thing/x", Params: func() {}},
	} {
		t.Run(name, func(t *testing.T) {
			err := r.db.Update(t.Context(), func(tx *state.Tx) error { _, err := r.Start(tx, s); return err })
			require.ErrorIs(t, err, fault.Internal)
		})
	}
	require.ErrorIs(t, r.Wait(t.Context(), "nobody"), fault.NotFound)
}
