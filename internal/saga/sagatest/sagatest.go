// Package sagatest proves that a saga can fail and crash anywhere.
//
// A [Case] names a saga and says how to make a world for it: what outlives a crash
// of the controller, such as the drivers. [Run] takes one such world after the
// other and
//
//   - runs the saga plainly;
//   - fails each step before its effect and after it, and cancels the saga during
//     each step;
//   - in each of these runs, has every Do and every Undo called twice;
//   - in each of these runs, stops the controller after every commit, forwards and
//     while unwinding, once before the next step has begun and once after its
//     effect but before its record, and starts a new one over the same state and
//     world.
//
// In the end the world must be as if the saga had run exactly once (Built) or as
// if it had never run (Clean). While a step is at work, nothing that belongs to
// the saga's service may be changed but through Run.Commit.
//
// Each run has a synctest bubble of its own, so backoff takes no time; the world
// must therefore be in memory, and its goroutines must end with its Close.
package sagatest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/welkin-cloud/cloud/internal/core"
)

// Case is a saga to test.
type Case struct {
	// Saga is the name of its Definition.
	Saga string
	// New returns a new world, in which the saga has not run. It is called in a
	// synctest bubble: t.Run and t.Parallel may not be used.
	New func(t *testing.T) World
	// Forward says that the saga cannot be undone, like most deletions: then no
	// step is failed and nothing is cancelled.
	Forward bool
	// Outside names collections of the saga's own service (those that have the
	// part of Saga before the dot in common) that steps may change outside
	// Run.Commit after all.
	Outside []string
}

// World builds a controller's services over c, as the composition of a cloud
// does; c.DB is not open yet. It is called again after each crash, and must build
// new services each time over the same drivers.
type World func(c *core.Core) (Controller, error)

// Controller is the services of one controller. Fields may be nil, but for Start.
type Controller struct {
	Open    func(ctx context.Context) error // starts the services; the DB is open, the saga engine is opened next
	Prepare func(ctx context.Context) error // makes what the saga needs; called once for each world
	Start   func(ctx context.Context) error // the verb that starts the saga; it does not wait for its end
	Built   func(ctx context.Context) error // nil if all is as if the saga had run exactly once
	Clean   func(ctx context.Context) error // nil if all is as if the saga had never run
	Close   func() error                    // stops the services
}

// Run reports everything that Check finds as errors of t.
func Run(t *testing.T, c Case) {
	t.Helper()
	if err := Check(t, c); err != nil {
		t.Error(err)
	}
}

// maxProblems is how many faulty runs Check reports before it gives up.
const maxProblems = 10

// Check tests a saga and returns all violations, joined.
func Check(t *testing.T, c Case) error {
	t.Helper()
	steps, problem := discover(t, c)
	if problem != nil {
		return problem
	}
	var problems []error
	explore(c, steps, func(s scenario) (crashed bool) {
		if len(problems) >= maxProblems {
			return false
		}
		crashed, err := play(t, c, s)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s, %v: %w", c.Saga, s, err))
		}
		return crashed
	})
	return errors.Join(problems...)
}

// injection is what is done to one step of a run.
type injection string

const (
	nothing injection = "no fault"
	before  injection = "failed before its effect"
	after   injection = "failed after its effect"
	cancel  injection = "cancelled"
)

// scenario is one run.
type scenario struct {
	step   string // where the injection is
	inject injection
	twice  bool // every Do and Undo is called twice
	crash  int  // after how many commits the controller stops; 0: it does not
	eager  bool // it stops at once, not at the next commit
}

func (s scenario) String() string {
	what := string(s.inject)
	if s.inject != nothing {
		what = fmt.Sprintf("step %s %s", s.step, s.inject)
	}
	switch {
	case s.twice:
		what += ", everything called twice"
	case s.crash > 0 && s.eager:
		what += fmt.Sprintf(", crash at commit %d", s.crash)
	case s.crash > 0:
		what += fmt.Sprintf(", crash before commit %d", s.crash+1)
	}
	return what
}

// explore plays all scenarios of a saga.
func explore(c Case, steps []string, play func(scenario) (crashed bool)) {
	faults := []scenario{{inject: nothing}}
	for _, step := range steps {
		if c.Forward {
			break
		}
		for _, i := range []injection{before, after, cancel} {
			faults = append(faults, scenario{step: step, inject: i})
		}
	}
	for _, s := range faults {
		play(s)
		twice := s
		twice.twice = true
		play(twice)
		for _, eager := range []bool{true, false} {
			s.eager = eager
			for s.crash = 1; play(s); s.crash++ {
			}
		}
	}
}

// discover runs the saga plainly to learn its steps.
func discover(t *testing.T, c Case) (steps []string, err error) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(c, scenario{inject: nothing})
		err = p.play(t)
		steps = p.steps
	})
	if err == nil && len(steps) == 0 {
		err = fmt.Errorf("no saga %s with steps was defined", c.Saga)
	}
	return steps, err
}

func play(t *testing.T, c Case, s scenario) (crashed bool, err error) {
	synctest.Test(t, func(t *testing.T) {
		p := newProbe(c, s)
		err = p.play(t)
		crashed = p.crashed
	})
	return crashed, err
}
