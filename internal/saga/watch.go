package saga

import (
	"context"
	"errors"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Active lists the unfinished sagas of a resource, oldest first.
func (e *Engine) Active(r state.Reader, resource string) []Saga {
	return slices.Collect(e.sagas.Where(r, e.active, resource))
}

// History lists all sagas of a resource that are still kept, oldest first.
func (e *Engine) History(r state.Reader, resource string) []Saga {
	return slices.Collect(e.sagas.Where(r, e.byResource, resource))
}

// Get returns one saga.
func (e *Engine) Get(r state.Reader, id string) (Saga, error) { return e.sagas.Get(r, id) }

// Wait returns when the saga is terminal: nil if it Finished, its error (with its
// kind) if it Failed or is Stuck, ctx's error if that comes first. The engine must
// be open; the saga may be another controller's.
func (e *Engine) Wait(ctx context.Context, id string) error {
	for {
		news, err := e.listen(id)
		if err != nil {
			return err
		}
		s, err := e.sagas.Get(e.db.Snapshot(), id)
		if err != nil || s.Status.Terminal() {
			e.unlisten(id, news)
			if err == nil {
				err = s.Cause()
			}
			return err
		}
		select {
		case <-news:
		case <-ctx.Done():
			e.unlisten(id, news)
			return fault.Wrap("saga.Wait", ctx.Err())
		case <-e.life.Done():
			return errClosed()
		}
	}
}

// Idle returns when no saga goes on by itself now: all are terminal, wait for a time, or
// are in a step that is held (see package hold).
func (e *Engine) Idle(ctx context.Context) error {
	for {
		e.mu.Lock()
		if e.changed == nil {
			e.changed = make(chan struct{})
		}
		changed, open := e.changed, e.open && !e.closed
		e.mu.Unlock()
		if !open {
			return errClosed()
		}
		if !e.busy() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fault.Wrap("saga.Idle", ctx.Err())
		case <-e.life.Done():
			return errClosed()
		}
	}
}

// busy reports whether a saga of any controller could go on now.
func (e *Engine) busy() bool {
	now := e.clock.Now()
	for s := range e.sagas.Where(e.db.Snapshot(), e.runnable) {
		if !s.NotBefore.After(now) && !e.isHeld(&s) {
			return true
		}
	}
	return false
}

// hold notes that a call of a saga's step is held, until the function that it returns
// is called.
func (e *Engine) hold(id string) (resumed func()) {
	e.mu.Lock()
	e.held[id]++
	e.mu.Unlock()
	e.broadcast()
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.held[id]--; e.held[id] == 0 {
			delete(e.held, id)
		}
	}
}

// isHeld reports whether a saga is in a step that is held, or rests. A forward step
// whose saga was cancelled is let go.
func (e *Engine) isHeld(s *Saga) bool {
	now := e.clock.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.resting[s.ID].After(now) || e.held[s.ID] > 0 && !(s.Cancelled && s.Status == Running)
}

func errClosed() error { return fault.New(fault.Unavailable, "the saga engine is not open") }

// listen returns a channel that is closed when the saga has ended.
func (e *Engine) listen(id string) (chan struct{}, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open || e.closed {
		return nil, errClosed()
	}
	news := make(chan struct{})
	e.waiters[id] = append(e.waiters[id], news)
	return news, nil
}

func (e *Engine) unlisten(id string, news chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	rest := slices.DeleteFunc(e.waiters[id], func(c chan struct{}) bool { return c == news })
	if len(rest) == 0 {
		delete(e.waiters, id)
		return
	}
	e.waiters[id] = rest
}

// watch follows the sagas in the state, whoever changes them, until Close.
func (e *Engine) watch(from uint64) {
	for e.life.Err() == nil {
		for commit, err := range e.db.Watch(e.life, from) {
			if errors.Is(err, state.ErrCompacted) {
				from = e.lookAgain()
				break
			}
			if err != nil {
				return // the DB is closed
			}
			from = commit.Revision
			e.notice(commit)
		}
	}
}

// notice tells those who wait, and stops steps that are no longer wanted here.
func (e *Engine) notice(c state.Commit) {
	seen := false
	for _, change := range c.Changes {
		was, _ := change.Old.(*Saga)
		is, _ := change.New.(*Saga)
		if was == nil && is == nil {
			continue
		}
		seen = true
		if is == nil || is.Status.Terminal() {
			e.tell(change.Key)
			continue
		}
		own := is.Owner == e.cfg.Controller
		taken := !own && was != nil && was.Owner == e.cfg.Controller
		if taken || own && is.Cancelled && is.Status == Running && was != nil && !was.Cancelled {
			e.poke(is.ID)
		}
	}
	if seen {
		e.broadcast()
	}
}

// lookAgain makes up for commits that were missed.
func (e *Engine) lookAgain() (revision uint64) {
	snapshot := e.db.Snapshot()
	e.mu.Lock()
	for id, waiting := range e.waiters {
		for _, news := range waiting {
			close(news)
		}
		delete(e.waiters, id)
	}
	e.mu.Unlock()
	for s := range e.sagas.Where(snapshot, e.runnable, e.cfg.Controller) {
		if s.Cancelled && s.Status == Running {
			e.poke(s.ID)
		}
	}
	e.broadcast()
	e.scan()
	return snapshot.Revision()
}

// tell wakes those who wait for a saga.
func (e *Engine) tell(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, news := range e.waiters[id] {
		close(news)
	}
	delete(e.waiters, id)
}

// broadcast wakes those who wait for any change.
func (e *Engine) broadcast() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.changed != nil {
		close(e.changed)
		e.changed = nil
	}
}
