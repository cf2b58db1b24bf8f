package saga

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Unfinished walks the sagas that have not ended, by resource.
func (e *Engine) Unfinished(r state.Reader) iter.Seq[Saga] { return e.sagas.Where(r, e.active) }

// IsStuck reports whether the newest saga of a resource is Stuck.
func (e *Engine) IsStuck(r state.Reader, resource string) bool {
	last := Saga{}
	for s := range e.sagas.Where(r, e.byResource, resource) {
		last = s
	}
	return last.Status == Stuck
}

// HasPeers reports whether other controllers work on the same state.
func (e *Engine) HasPeers(r state.Reader) bool {
	for c := range e.controllers.All(r) {
		if c.ID != e.cfg.Controller && e.alive(r, c.ID) {
			return true
		}
	}
	return false
}

// Checks are the invariants of the sagas.
func (e *Engine) Checks() []check.Check {
	return []check.Check{
		{
			Name: "saga.known", Run: e.checkKnown,
			Doc: "This program knows the steps of every saga that has not ended.",
		},
		{
			Name: "saga.owned", Run: e.checkOwned,
			Doc: "Every saga that has not ended belongs to a controller with a good lease, or to one that lost it a moment ago.",
		},
		{
			Name: "saga.one-at-a-time", Run: e.checkTurns,
			Doc: "Of the sagas of one resource that have not ended the first is at work, and the others wait for their turn.",
		},
		{
			Name: "saga.at-work", Run: e.checkFlights,
			Doc: "A saga of this controller whose time has come is being worked on, or waits for a worker.",
		},
	}
}

func (e *Engine) checkKnown(_ context.Context, l *check.Look) error {
	for s := range e.sagas.Where(l.State(), e.active) {
		if _, err := e.definition(&s); err != nil {
			l.Found("saga/"+s.ID, fmt.Sprintf("works on %s, but %v.", s.Resource, err),
				"Run the program that started it until it has ended.")
		}
	}
	return nil
}

func (e *Engine) checkOwned(_ context.Context, l *check.Look) error {
	for s := range e.sagas.Where(l.State(), e.active) {
		if e.alive(l.State(), s.Owner) || !e.forsaken(l.State(), &s) {
			continue
		}
		l.FoundMendable("saga/"+s.ID, fmt.Sprintf("works on %s for controller %s, which has no lease.", s.Resource, s.Owner),
			"A living controller takes it at its next sign of life; look why it does not.",
			func(context.Context) error { e.adoptOrphans(); return nil })
	}
	return nil
}

// forsaken reports whether a saga whose owner is no more should have been taken by
// somebody else: controllers look for such sagas several times in each lease.
func (e *Engine) forsaken(r state.Reader, s *Saga) bool {
	seen := s.CreatedAt
	later := func(t time.Time) {
		if t.After(seen) {
			seen = t
		}
	}
	later(s.NotBefore)
	for _, rec := range s.Journal {
		later(rec.Started)
		later(rec.Ended)
	}
	if c, err := e.controllers.Get(r, s.Owner); err == nil {
		later(c.LeaseUntil)
	}
	return e.clock.Now().Sub(seen) > e.cfg.Lease
}

func (e *Engine) checkTurns(_ context.Context, l *check.Look) error {
	before := Saga{}
	for s := range e.sagas.Where(l.State(), e.active) {
		first := s.Resource != before.Resource
		switch {
		case first && s.Status == Pending:
			l.Found("saga/"+s.ID, fmt.Sprintf("waits for its turn on %s, but none is before it.", s.Resource),
				"Cancel what is being done with the resource, and ask for it again.")
		case !first && s.Status != Pending:
			l.Found("saga/"+s.ID, fmt.Sprintf("is at work on %s beside saga %s.", s.Resource, before.ID),
				"Stop all controllers but one, and look at the resource when both have ended.")
		}
		before = s
	}
	return nil
}

func (e *Engine) checkFlights(_ context.Context, l *check.Look) error {
	now := e.clock.Now()
	for s := range e.sagas.Where(l.State(), e.runnable, e.cfg.Controller) {
		if s.NotBefore.After(now) {
			break
		}
		e.mu.Lock()
		taken, idle := e.flights[s.ID] != nil, e.closed || !e.open
		e.mu.Unlock()
		if taken || idle {
			continue
		}
		l.FoundMendable("saga/"+s.ID, fmt.Sprintf("may go on with %s, but nobody does.", s.Resource),
			"The controller finds it at its next sign of life.",
			func(context.Context) error { e.scan(); return nil })
	}
	return nil
}
