package saga

import (
	"context"
	"errors"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// transition changes a saga's document in a journalling transaction. It may run
// several times.
type transition func(tx *state.Tx, s *Saga, r *Run) error

// stepError is an error in a journalling transaction that is the step's, not the
// journal's.
type stepError struct{ error }

func (e *stepError) Unwrap() error { return e.error }

// hookError is an error of the hook Failed or Stuck.
type hookError struct {
	error
	of *error // where the Run remembers it
}

// journal applies a transition to the saga, which must still be where prev says,
// and returns what was stored. If the hook that ends the saga fails, the
// transition is applied once more without it.
func (e *Engine) journal(prev Saga, r *Run, apply transition) (Saga, error) {
	for {
		next, err := e.journalOnce(prev, r, apply)
		var hook *hookError
		if !errors.As(err, &hook) {
			return next, err
		}
		e.logger(&prev).Error("the hook that ends a saga failed", "error", hook.error)
		*hook.of = hook.error
	}
}

// journalOnce stores one transition. When the saga ends, the next one of its
// resource takes its turn in the same transaction. Close does not interrupt it.
func (e *Engine) journalOnce(prev Saga, r *Run, apply transition) (Saga, error) {
	var next Saga
	err := e.db.Update(context.WithoutCancel(e.life), func(tx *state.Tx) error {
		s, err := e.still(tx, &prev)
		if err != nil {
			return err
		}
		if err := apply(tx, &s, r); err != nil {
			return err
		}
		next = s
		if err := e.sagas.Put(tx, s); err != nil || !s.Status.Terminal() {
			return err
		}
		return e.passOn(tx, &s)
	})
	if err != nil {
		return prev, err
	}
	e.report(&prev, &next)
	return next, nil
}

// still reads a saga that must stand where it stood, and be this controller's.
func (e *Engine) still(tx *state.Tx, was *Saga) (Saga, error) {
	if e.fenced(tx) {
		return Saga{}, errFenced
	}
	s, err := e.sagas.Get(tx, was.ID)
	if err == nil && (s.Owner != e.cfg.Controller || s.Status != was.Status || s.Step != was.Step) {
		err = errLost
	}
	return s, err
}

// passOn gives the turn on the resource to the next saga and drops the oldest
// terminal ones that are too many.
func (e *Engine) passOn(tx *state.Tx, ended *Saga) error {
	for s := range e.sagas.Where(tx, e.active, ended.Resource) {
		if s.Status != Pending {
			break
		}
		e.mu.Lock()
		d := e.defs[s.Name]
		e.mu.Unlock()
		if err := e.takeTurn(tx, d, &s); err != nil {
			return err
		}
		if err := e.sagas.Put(tx, s); err != nil {
			return err
		}
		break
	}
	return e.trim(tx, ended.Resource)
}

// stepDone journals a step as done, and the next one as started or the saga as
// finished.
func (e *Engine) stepDone(d *Definition, step Step) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if err := r.commit(tx); err != nil {
			return err
		}
		if err := s.note(step.Name, done, e.clock.Now(), nil); err != nil {
			return err
		}
		r.keep(s, step.Name)
		next := e.nextStep(d, r, s.Step+1)
		if next < len(d.Steps) && s.Cancelled {
			return e.unwind(d, nil)(tx, s, r)
		}
		s.Step = next
		s.NotBefore = time.Time{}
		if next == len(d.Steps) {
			return e.succeed(d)(tx, s, r)
		}
		return e.begin(d, s)
	}
}

// succeed ends the saga forwards.
func (e *Engine) succeed(d *Definition) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if d.Finished != nil {
			if err := e.guard(r, func() error { return d.Finished(tx, r) }); err != nil {
				return &stepError{err}
			}
		}
		r.keep(s, "")
		return s.become(Finished, e.clock.Now())
	}
}

// stepFailed journals a failed attempt: the step is tried again or the saga
// unwinds.
func (e *Engine) stepFailed(d *Definition, step Step, cause error) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		attempts := s.newest(step.Name).Attempts + 1
		again := (retryable(cause) || step.Insist) && attempts < step.Attempts && !s.Cancelled
		to := failed
		if again {
			to = started
		}
		if err := s.note(step.Name, to, e.clock.Now(), cause); err != nil {
			return err
		}
		r.keep(s, step.Name)
		if again {
			s.NotBefore = e.backoff(attempts)
			return nil
		}
		return e.unwind(d, cause)(tx, s, r)
	}
}

// unwind turns the saga round. If it was cancelled, that is the cause.
func (e *Engine) unwind(d *Definition, cause error) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if s.Cancelled {
			cause = cancelled(s)
		}
		now := e.clock.Now()
		if s.Step < len(d.Steps) && s.stands(d.Steps[s.Step].Name) == started {
			if err := s.note(d.Steps[s.Step].Name, failed, now, cause); err != nil {
				return err
			}
		}
		s.setCause(cause)
		if err := s.become(Unwinding, now); err != nil {
			return err
		}
		return e.undoNext(d)(tx, s, r)
	}
}

// undoNext begins the next undo, or ends the saga if there is none.
func (e *Engine) undoNext(d *Definition) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		more, err := e.beginUndo(d, s)
		if err != nil || more {
			return err
		}
		if r.failedErr != nil {
			return e.giveUp(d, r.failedErr)(tx, s, r)
		}
		if d.Failed != nil {
			if err := e.guard(r, func() error { return d.Failed(tx, r, s.Cause()) }); err != nil {
				return &hookError{err, &r.failedErr}
			}
		}
		r.keep(s, "")
		return s.become(Failed, e.clock.Now())
	}
}

// stepUndone journals an undo, and the start of the next or the end.
func (e *Engine) stepUndone(d *Definition, step Step) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if err := r.commit(tx); err != nil {
			return err
		}
		if err := s.note(step.Name, undone, e.clock.Now(), nil); err != nil {
			return err
		}
		r.keep(s, step.Name)
		s.NotBefore = time.Time{}
		return e.undoNext(d)(tx, s, r)
	}
}

// undoFailed journals a failed attempt to undo: it is tried again or given up.
func (e *Engine) undoFailed(d *Definition, step Step, cause error) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		attempts := s.newest(step.Name).Attempts + 1
		to := undoStarted
		if attempts >= e.cfg.UndoAttempts {
			to = undoFailed
		}
		if err := s.note(step.Name, to, e.clock.Now(), cause); err != nil {
			return err
		}
		r.keep(s, step.Name)
		if to == undoFailed {
			return e.giveUp(d, cause)(tx, s, r)
		}
		s.NotBefore = e.backoff(attempts)
		return nil
	}
}

// giveUp leaves the saga to a person, even if the hook Stuck fails.
func (e *Engine) giveUp(d *Definition, cause error) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if d.Stuck != nil && r.stuckErr == nil {
			why := &fault.Error{Kind: fault.Kind(s.ErrorKind), Message: s.Error, Err: cause}
			if err := e.guard(r, func() error { return d.Stuck(tx, r, why) }); err != nil {
				return &hookError{err, &r.stuckErr}
			}
		}
		r.keep(s, "")
		return s.become(Stuck, e.clock.Now())
	}
}

// abandon leaves a saga that this program does not know to a person.
func (e *Engine) abandon(f *flight, s Saga, cause error) (Saga, error) {
	e.release(f)
	return e.journal(s, e.newRun(f, s), e.giveUpUnknown(cause))
}

func (e *Engine) giveUpUnknown(cause error) transition {
	return func(tx *state.Tx, s *Saga, r *Run) error {
		if s.ErrorKind == "" {
			s.setCause(cause)
		}
		return e.giveUp(&Definition{}, cause)(tx, s, r)
	}
}

// report logs what went wrong between two documents, once it is stored.
func (e *Engine) report(prev, next *Saga) {
	turned := prev.ErrorKind == "" && next.ErrorKind != ""
	if !turned && next.Status != Stuck && next.NotBefore.IsZero() {
		return
	}
	log, details := e.logger(next), next.Error
	if n := len(prev.Journal); n > 0 && len(next.Journal) >= n {
		last := next.Journal[n-1]
		log = log.With("step", last.Step)
		if last.Details != "" {
			details = last.Details
		}
	}
	switch {
	case next.Status == Stuck:
		log.Error("a saga is stuck", "error", details)
	case turned && next.Cancelled:
		log.Info("a saga was cancelled")
	case turned:
		log.Warn("a saga failed and unwinds", "error", details)
	default:
		log.Info("a step failed and will be tried again", "error", details, "undo", next.Status == Unwinding, "at", next.NotBefore)
	}
}
