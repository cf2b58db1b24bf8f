package saga

import (
	"context"
	"errors"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/hold"
	"github.com/welkin-cloud/cloud/internal/state"
)

var (
	errParked  = errors.New("saga: waits for a limit")
	errClosing = errors.New("saga: the engine closes")
	errLost    = errors.New("saga: another controller has it")
	errFenced  = errors.New("saga: the lease of this controller is no more")
)

// fly runs a saga until it ends, waits, or the engine closes.
func (e *Engine) fly(f *flight) {
	s, err := e.sagas.Get(e.db.Snapshot(), f.id)
	for err == nil && e.mine(&s) && !s.NotBefore.After(e.clock.Now()) {
		if e.life.Err() != nil {
			return
		}
		if !e.holdsLease() {
			e.drop(f) // the next good heartbeat finds it
			return
		}
		s, err = e.advance(f, s)
	}
	switch {
	case errors.Is(err, errFenced):
		e.setLease(time.Time{})
		e.drop(f) // likewise, if this controller comes back
	case errors.Is(err, errParked), errors.Is(err, errClosing):
		return
	case err == nil, errors.Is(err, errLost), errors.Is(err, fault.NotFound):
		e.leave(f, 0)
	default:
		if e.life.Err() == nil {
			e.logger(&s).Warn("a saga's journal could not be written", "error", err)
		}
		e.leave(f, pause)
	}
}

// advance takes a saga one step on and returns it as journalled.
func (e *Engine) advance(f *flight, s Saga) (Saga, error) {
	d, err := e.definition(&s)
	switch {
	case err != nil:
		return e.abandon(f, s, err)
	case s.Status == Unwinding:
		return e.backward(f, d, s)
	case s.Cancelled:
		return e.journal(s, e.newRun(f, s), e.unwind(d, nil))
	case s.Step == len(d.Steps):
		return e.finish(f, d, s)
	}
	return e.forward(f, d, s)
}

// forward does the next step.
func (e *Engine) forward(f *flight, d *Definition, s Saga) (Saga, error) {
	step, r := d.Steps[s.Step], e.newRun(f, s)
	if !e.admit(f, e.limitOf(step, r)) {
		return s, errParked
	}
	ctx, ok := e.beginStep(f, &s)
	if !ok {
		e.release(f)
		return e.sagas.Get(e.db.Snapshot(), s.ID) // it has the Cancel, or a new owner
	}
	err := e.call(ctx, r, step.Do)
	stopped := ctx.Err() != nil
	e.endStep(f)
	e.release(f)
	if err != nil && e.life.Err() != nil {
		return s, errClosing // not the step's fault: it runs again
	}
	if err != nil && stopped {
		now, gone := e.sagas.Get(e.db.Snapshot(), s.ID)
		if gone != nil || !now.Cancelled {
			return now, gone // another controller took it; if it is this one's again, it runs again
		}
	}
	if err == nil {
		var broken *stepError
		next, commitErr := e.journal(s, r, e.stepDone(d, step))
		if !errors.As(commitErr, &broken) {
			return next, commitErr
		}
		err = broken.error
	}
	return e.journal(s, r, e.stepFailed(d, step, err))
}

// finish ends a saga all of whose steps were skipped.
func (e *Engine) finish(f *flight, d *Definition, s Saga) (Saga, error) {
	var broken *stepError
	r := e.newRun(f, s)
	next, err := e.journal(s, r, e.succeed(d))
	if errors.As(err, &broken) {
		return e.journal(s, r, e.unwind(d, broken.error))
	}
	return next, err
}

// backward undoes the next step.
func (e *Engine) backward(f *flight, d *Definition, s Saga) (Saga, error) {
	e.release(f)
	r := e.newRun(f, s)
	if s.Step >= len(d.Steps) || s.stands(d.Steps[s.Step].Name) != undoStarted {
		return e.journal(s, r, e.undoNext(d))
	}
	step := d.Steps[s.Step]
	err := e.call(e.stepContext(&s), r, step.Undo)
	if err != nil && e.life.Err() != nil {
		return s, errClosing
	}
	if err == nil {
		var broken *stepError
		next, commitErr := e.journal(s, r, e.stepUndone(d, step))
		if !errors.As(commitErr, &broken) {
			return next, commitErr
		}
		err = broken.error
	}
	return e.journal(s, r, e.undoFailed(d, step, err))
}

// call runs a Do or an Undo, in a goroutine of its own so that one that ends its
// goroutine (as a test's FailNow does) ends no worker.
func (e *Engine) call(ctx context.Context, r *Run, do func(context.Context, *Run) error) error {
	if do == nil { // the undo was taken out of the program
		return nil
	}
	err := error(fault.New(fault.Internal, "an internal error").Because(errors.New("the step ended its goroutine")))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = e.guard(r, func() error { return do(ctx, r) })
	}()
	<-ended
	if err != nil {
		return err
	}
	return r.err
}

// stepContext carries on whose behalf a step runs, and who is told when it is held. The
// transactions that a step makes on its way are fenced: a controller that stood still, and
// whose saga is another's now, changes nothing.
func (e *Engine) stepContext(s *Saga) context.Context {
	ctx := caller.With(e.life, caller.Info{RequestID: s.RequestID, UserID: s.UserID, ProjectID: s.ProjectID})
	was := *s
	ctx = state.WithFence(ctx, func(tx *state.Tx) error {
		_, err := e.still(tx, &was)
		return err
	})
	id := s.ID
	return hold.Watch(ctx, func() func() { return e.hold(id) })
}

// beginStep gives the ctx of a forward step, unless the saga was cancelled since
// it was read.
func (e *Engine) beginStep(f *flight, s *Saga) (context.Context, bool) {
	ctx, cancel := context.WithCancel(e.stepContext(s))
	e.mu.Lock()
	defer e.mu.Unlock()
	if f.cancelled {
		f.cancelled = false
		cancel()
		return nil, false
	}
	f.cancel = cancel
	return ctx, true
}

func (e *Engine) endStep(f *flight) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f.cancel()
	f.cancel = nil
}

// retryable reports whether an error may go away by itself.
func retryable(err error) bool {
	switch fault.Of(err) {
	case fault.Unavailable, fault.RateLimited, fault.DeadlineReached:
		return true
	}
	return false
}

const (
	firstBackoff = 100 * time.Millisecond
	maxBackoff   = 30 * time.Second
)

// backoff returns when to try again after so many attempts: exponentially later,
// each between half and all of its delay so that sagas that failed together do not
// come back together.
func (e *Engine) backoff(attempts int) time.Time {
	d := maxBackoff
	if n := attempts - 1; n < 9 {
		d = min(firstBackoff<<n, maxBackoff)
	}
	return e.clock.Now().Add(d/2 + time.Duration(e.ids.Int64N(int64(d/2))))
}
