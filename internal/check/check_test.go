package check_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/state"
)

// runner tries the given checks on an empty state.
func runner(t *testing.T, checks ...check.Check) *check.Runner {
	db := state.New(nil, nil)
	require.NoError(t, db.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return &check.Runner{
		Checks: checks, DB: db, Clock: clock.System{},
		Active: func(state.Reader) iter.Seq[string] { return slices.Values([]string{"server/busy"}) },
	}
}

// world is what a check looks at.
type world struct {
	bad   []string // resources that are wrong
	looks int
}

func (w *world) check(name string) check.Check {
	return check.Check{Name: name, Run: func(_ context.Context, l *check.Look) error {
		w.looks++
		for _, r := range w.bad {
			l.FoundMendable(r, "is wrong.", "Mend it.", func(context.Context) error {
				w.bad = slices.DeleteFunc(w.bad, func(x string) bool { return x == r })
				return nil
			})
		}
		return nil
	}}
}

func TestACleanCloudIsLookedAtOnce(t *testing.T) {
	w := &world{}
	report, err := runner(t, w.check("a"), w.check("b")).Run(t.Context(), nil)
	require.NoError(t, err)
	require.True(t, report.Clean())
	require.Equal(t, "2 checks, no findings", report.String())
	require.Equal(t, 2, w.looks)
}

func TestWhatPassesIsNoFinding(t *testing.T) {
	w := &world{bad: []string{"port/1", "port/2"}}
	calm := &world{}
	r := runner(t, w.check("a"), calm.check("b"))
	r.Idle = func(context.Context) error {
		w.bad = []string{"port/2", "port/3"} // what is found first may pass, and what comes later too
		return nil
	}
	report, err := r.Run(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, "port/2", report.Findings[0].Resource)
	require.False(t, report.Clean())
	require.Equal(t, "2 checks, 1 findings:\n\ta: port/2 is wrong. Mend it.", report.String())
	require.Equal(t, 1, calm.looks, "what found nothing is not asked again")
}

func TestABusyCloudIsNotWaitedForLong(t *testing.T) {
	w := &world{bad: []string{"port/1"}}
	r := runner(t, w.check("a"))
	waits := 0
	r.Idle = func(ctx context.Context) error { waits++; <-ctx.Done(); return ctx.Err() }
	report, err := r.Run(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, report.Findings, 1)
	require.Equal(t, 2, waits)
}

func TestMend(t *testing.T) {
	w := &world{bad: []string{"port/1", "port/2"}}
	report, err := runner(t, w.check("a")).Run(t.Context(), &check.Options{Mend: true})
	require.NoError(t, err)
	require.True(t, report.Clean())
	require.Len(t, report.Findings, 2)
	require.True(t, report.Findings[0].Mended)
	require.Contains(t, report.String(), "port/1 is wrong. (mended)")
	require.Empty(t, w.bad)
}

func TestMendThatFailsSaysWhy(t *testing.T) {
	tries := 0
	r := runner(t, check.Check{Name: "a", Run: func(_ context.Context, l *check.Look) error {
		l.Found("disk/1", "is somebody's.", "Look whose.")
		l.FoundMendable("disk/2", "is broken.", "Replace it.", func(context.Context) error {
			tries++
			return errors.New("no spare disk")
		})
		return nil
	}})
	report, err := r.Run(t.Context(), &check.Options{Mend: true})
	require.NoError(t, err)
	require.Len(t, report.Findings, 2)
	require.Equal(t, "Look whose.", report.Findings[0].Remedy)
	require.Equal(t, "Mending failed: no spare disk. Replace it.", report.Findings[1].Remedy)
	require.False(t, report.Clean())
	require.Equal(t, 1, tries)
}

func TestMendingShowsWhatIsBelow(t *testing.T) {
	top, below := true, true
	r := runner(t, check.Check{Name: "a", Run: func(_ context.Context, l *check.Look) error {
		switch {
		case top:
			l.FoundMendable("layer/top", "is wrong.", "Take it off.", func(context.Context) error { top = false; return nil })
		case below:
			l.FoundMendable("layer/below", "is wrong.", "Take it off.", func(context.Context) error { below = false; return nil })
		}
		return nil
	}})
	report, err := r.Run(t.Context(), &check.Options{Mend: true})
	require.NoError(t, err)
	require.Len(t, report.Findings, 2)
	require.True(t, report.Clean())
	require.False(t, below)
}

func TestACheckThatCannotBeMadeIsAFinding(t *testing.T) {
	r := runner(t, check.Check{Name: "a", Run: func(_ context.Context, l *check.Look) error {
		require.True(t, l.Busy("server", "busy"))
		require.False(t, l.Busy("server", "other"))
		require.Zero(t, l.State().Revision())
		l.Unanswered("host/1", errors.New("connection refused"))
		return errors.New("nobody knows")
	}})
	report, err := r.Run(t.Context(), nil)
	require.NoError(t, err)
	require.Len(t, report.Findings, 2)
	require.Contains(t, report.String(), "The check could not be made: nobody knows.")
	require.Contains(t, report.String(), "host/1 does not answer: connection refused.")
}

func TestADoneContextEndsTheCheck(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{bad: []string{"port/1"}}
	r := runner(t, w.check("a"))
	r.Idle = func(context.Context) error { cancel(); return nil }
	_, err := r.Run(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}
