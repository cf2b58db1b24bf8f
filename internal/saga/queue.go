package saga

import (
	"context"
	"slices"
	"time"
)

// flight is a saga that this engine holds: it waits for a worker, is at work, or
// waits for a limit. The queue itself is in the state: flights only name the sagas
// whose turn it is, and scan finds those that are missing.
type flight struct {
	id        string
	parked    bool               // waits for a limit
	holds     string             // key of the limit that it has a share of
	cancelled bool               // a Cancel is in the state
	cancel    context.CancelFunc // of the forward step that is at work
}

// pause is how long a saga rests when its journal could not be written.
const pause = time.Second

// enqueue hands a runnable saga to the workers, unless it is held already.
func (e *Engine) enqueue(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.flights[id] != nil || !e.open {
		return
	}
	delete(e.resting, id)
	f := &flight{id: id}
	e.flights[id] = f
	e.push(f)
}

// push gives f to a worker. The caller holds mu.
func (e *Engine) push(f *flight) {
	if e.closed {
		return
	}
	if e.working >= e.cfg.Workers {
		e.queue = append(e.queue, f)
		return
	}
	e.working++
	e.work.Add(1)
	go e.worker(f)
}

// worker runs f and then what waits, until nothing does.
func (e *Engine) worker(f *flight) {
	defer e.work.Done()
	for f != nil {
		e.fly(f)
		f = e.next()
	}
}

// next takes the oldest waiting flight; with none, the worker ends.
func (e *Engine) next() *flight {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.queue) == 0 || e.closed {
		e.working--
		return nil
	}
	f := e.queue[0]
	e.queue = slices.Delete(e.queue, 0, 1)
	return f
}

// leave lets go of a flight. The saga may have become runnable again meanwhile, by
// a Cancel: so the state is asked again once it is no longer held.
func (e *Engine) leave(f *flight, rest time.Duration) {
	e.drop(f)
	if rest > 0 {
		until := e.clock.Now().Add(rest)
		e.mu.Lock()
		e.resting[f.id] = until
		e.mu.Unlock()
		e.broadcast()
		e.scanAt(until)
		return
	}
	s, err := e.sagas.Get(e.db.Snapshot(), f.id)
	if err != nil || !e.mine(&s) {
		return
	}
	if s.NotBefore.After(e.clock.Now()) {
		e.scanAt(s.NotBefore)
		return
	}
	e.enqueue(f.id)
}

// drop lets go of a flight that something else will bring back.
func (e *Engine) drop(f *flight) {
	e.release(f)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.flights, f.id)
}

// mine reports whether this engine is to run s.
func (e *Engine) mine(s *Saga) bool {
	return s.Owner == e.cfg.Controller && (s.Status == Running || s.Status == Unwinding)
}

// poke tells of a cancelled saga.
func (e *Engine) poke(id string) {
	e.mu.Lock()
	f := e.flights[id]
	if f == nil {
		e.mu.Unlock()
		e.enqueue(id)
		return
	}
	defer e.mu.Unlock()
	f.cancelled = true
	if f.cancel != nil {
		f.cancel()
	}
	if f.parked {
		e.unpark(f)
		e.push(f)
	}
}

// scan takes up all sagas of this controller whose time has come, and sets the
// alarm for the first that has to wait.
func (e *Engine) scan() {
	now := e.clock.Now()
	for s := range e.sagas.Where(e.db.Snapshot(), e.runnable, e.cfg.Controller) {
		if s.NotBefore.After(now) {
			e.scanAt(s.NotBefore)
			return
		}
		e.enqueue(s.ID)
	}
}

// scanAt has scan called at a time, if it is not called sooner anyway.
func (e *Engine) scanAt(at time.Time) { e.alarm("scan", at, e.scan) }

// alarm is a pending call of the clock.
type alarm struct {
	at   time.Time
	stop func() bool
}

// alarm has f called at a time unless the alarm of that name comes sooner. Close
// stops alarms and waits for their functions.
func (e *Engine) alarm(name string, at time.Time, f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open || e.closed {
		return
	}
	if old, set := e.alarms[name]; set {
		if !at.Before(old.at) {
			return
		}
		old.stop()
	}
	stop := e.clock.AfterFunc(at.Sub(e.clock.Now()), func() {
		if !e.enter() {
			return
		}
		defer e.work.Done()
		e.mu.Lock()
		if e.alarms[name].at.Equal(at) {
			delete(e.alarms, name)
		}
		e.mu.Unlock()
		f()
	})
	e.alarms[name] = alarm{at, stop}
}

// stopAlarms stops what the clock would call. The caller holds mu.
func (e *Engine) stopAlarms() {
	for name, a := range e.alarms {
		a.stop()
		delete(e.alarms, name)
	}
}
