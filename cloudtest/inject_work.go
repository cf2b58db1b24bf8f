package cloudtest

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/sqlite"
)

// stepFault strikes in steps of work under way. do runs the step, or not.
type stepFault struct {
	do func(ctx context.Context, in *Injection, step func(ctx context.Context) error) error
}

// commitFault strikes when the database is to commit.
type commitFault struct {
	do func(ctx context.Context, in *Injection) error
}

// wrapStep puts the transitions and faults before a step.
func (c *Cloud) wrapStep(name string, s saga.Step) saga.Step {
	do := s.Do
	s.Do = func(ctx context.Context, r *saga.Run) error {
		if err := c.transitions.step(ctx, r, name, s.Name); err != nil {
			return err
		}
		return c.stepThroughFaults(ctx, func(ctx context.Context) error { return do(ctx, r) })
	}
	if undo := s.Undo; undo != nil {
		s.Undo = func(ctx context.Context, r *saga.Run) error {
			return c.stepThroughFaults(ctx, func(ctx context.Context) error { return undo(ctx, r) })
		}
	}
	return s
}

func (c *Cloud) stepThroughFaults(ctx context.Context, step func(context.Context) error) error {
	for _, in := range slices.Backward(c.injections.all()) {
		if in.fault.step != nil {
			inner := step
			step = func(ctx context.Context) error { return in.fault.step.do(ctx, in, inner) }
		}
	}
	return step(ctx)
}

// database is an engine of the state whose commits may fail.
type database struct {
	state.Engine
	cloud *Cloud
}

// openDatabase opens the state in a directory.
func (c *Cloud) openDatabase(path string) (state.Engine, error) {
	engine, err := sqlite.Open(path)
	if err != nil {
		return nil, err
	}
	return &database{engine, c}, nil
}

// Commit asks the faults first.
func (d *database) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	for _, in := range d.cloud.injections.all() {
		if in.fault.commit != nil && in.strikes() {
			if err := in.fault.commit.do(ctx, in); err != nil {
				return err
			}
		}
	}
	return d.Engine.Commit(ctx, base, sets)
}
