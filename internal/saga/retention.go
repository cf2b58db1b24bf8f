package saga

import (
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// sweepBatch is how many old sagas are removed in one transaction.
const sweepBatch = 100

// trim keeps the newest terminal sagas of a resource and removes the others.
func (e *Engine) trim(tx *state.Tx, resource string) error {
	if e.sagas.Count(tx, e.byResource, resource) <= e.cfg.Keep {
		return nil
	}
	var ended []string
	for s := range e.sagas.Where(tx, e.byResource, resource) {
		if s.Status.Terminal() {
			ended = append(ended, s.ID)
		}
	}
	for len(ended) > e.cfg.Keep {
		if err := e.sagas.Delete(tx, ended[0]); err != nil {
			return err
		}
		ended = ended[1:]
	}
	return nil
}

// Retain has the sagas of a resource kept, at most Config.Keep of them, for as long as
// exists says that the resource is there: its history is then not swept away. Call it
// before Open.
func (e *Engine) Retain(exists func(r state.Reader, resource string) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.retain = append(e.retain, exists)
}

// retained reports whether the sagas of a resource are kept because it is there.
func (e *Engine) retained(r state.Reader, resource string) bool {
	e.mu.Lock()
	all := e.retain
	e.mu.Unlock()
	return slices.ContainsFunc(all, func(exists func(state.Reader, string) bool) bool { return exists(r, resource) })
}

func (e *Engine) sweepLater() {
	every := min(max(e.cfg.KeepFor/24, time.Minute), time.Hour)
	e.alarm("sweep", e.clock.Now().Add(every), func() { e.sweep(); e.sweepLater() })
}

// sweep removes the sagas of resources whose last one ended long ago, if this
// controller leads.
func (e *Engine) sweep() {
	if !e.Leads() {
		return
	}
	before := e.clock.Now().Add(-e.cfg.KeepFor)
	var old []Saga
	for s := range e.oldSagas(e.db.Snapshot(), before) {
		if old = append(old, s); len(old) < sweepBatch {
			continue
		}
		if !e.remove(old) {
			return
		}
		old = nil
	}
	e.remove(old)
}

// oldSagas walks the sagas of the resources all of whose sagas ended before a time, and
// which are not retained.
func (e *Engine) oldSagas(r state.Reader, before time.Time) func(yield func(Saga) bool) {
	return func(yield func(Saga) bool) {
		var group []Saga
		flush := func() bool {
			for _, s := range group {
				if !s.Status.Terminal() || !s.FinishedAt.Before(before) {
					return true
				}
			}
			if len(group) > 0 && e.retained(r, group[0].Resource) {
				return true
			}
			for _, s := range group {
				if !yield(s) {
					return false
				}
			}
			return true
		}
		for s := range e.sagas.Where(r, e.byResource) {
			if len(group) > 0 && group[0].Resource != s.Resource {
				if !flush() {
					return
				}
				group = group[:0]
			}
			group = append(group, s)
		}
		flush()
	}
}

// remove deletes old sagas, but for those whose resource has got a new one.
func (e *Engine) remove(old []Saga) bool {
	if len(old) == 0 {
		return true
	}
	err := e.db.Update(e.life, func(tx *state.Tx) error {
		for _, s := range old {
			if !e.sagas.Has(tx, s.ID) || e.sagas.Count(tx, e.active, s.Resource) > 0 {
				continue
			}
			if err := e.sagas.Delete(tx, s.ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil && e.life.Err() == nil {
		e.log.Warn("old sagas were not removed", "error", err)
	}
	return err == nil
}
