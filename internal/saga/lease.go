package saga

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// controller is the stored sign of life of an engine. A saga whose owner has none,
// or one that is over, is an orphan.
type controller struct {
	ID         string    `json:"id"`
	Session    string    `json:"session"` // which run of the controller
	LeaseUntil time.Time `json:"leaseUntil"`
	Leads      bool      `json:"leads,omitempty"` // see Engine.Leads
}

// adoptBatch is how many orphans are taken in one transaction.
const adoptBatch = 100

// Leads reports whether this controller does at the moment what only one of a cloud
// needs to do: looking for what differs between the record and the drivers, and
// removing what is old. The first controller leads, and another one once its lease is
// over. Before Open, a controller leads if no other does.
func (e *Engine) Leads() bool {
	e.mu.Lock()
	session := e.session
	e.mu.Unlock()
	r := e.db.Snapshot()
	if session == "" {
		return !e.ledByOther(r)
	}
	own, err := e.controllers.Get(r, e.cfg.Controller)
	return err == nil && own.Session == session && own.Leads && own.LeaseUntil.After(e.clock.Now())
}

func (e *Engine) ledByOther(r state.Reader) bool {
	now := e.clock.Now()
	for c := range e.controllers.All(r) {
		if c.ID != e.cfg.Controller && c.Leads && c.LeaseUntil.After(now) {
			return true
		}
	}
	return false
}

// Session names this run of this controller; empty before Open.
func (e *Engine) Session() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.session
}

// AtWork reports whether a run of any controller goes on: it has a good lease. An
// earlier run of this controller has ended, whatever its lease says.
func (e *Engine) AtWork(r state.Reader, session string) bool {
	now := e.clock.Now()
	for c := range e.controllers.All(r) {
		if c.Session == session {
			return c.LeaseUntil.After(now) && (c.ID != e.cfg.Controller || session == e.Session())
		}
	}
	return false
}

// Gone is a run of a controller that has ended.
type Gone struct {
	Session string
	Own     bool // of this controller
}

// WhenGone has f called in the transaction that takes note that a run of any
// controller has ended, to clean up behind it. Call it before Open.
func (e *Engine) WhenGone(f func(tx *state.Tx, gone Gone) error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.whenGone = append(e.whenGone, f)
}

// bury removes a controller that is no more.
func (e *Engine) bury(tx *state.Tx, c controller) error {
	for _, f := range e.whenGone {
		if err := f(tx, Gone{c.Session, c.ID == e.cfg.Controller}); err != nil {
			return err
		}
	}
	return e.controllers.Delete(tx, c.ID)
}

// takeLease claims the controller's id for this engine.
func (e *Engine) takeLease(ctx context.Context) error {
	return e.signLease(ctx, func(tx *state.Tx) (bool, error) {
		if before, err := e.controllers.Get(tx, e.cfg.Controller); err == nil {
			return true, e.bury(tx, before)
		}
		return true, nil
	})
}

// signLease stores a sign of life, if the transaction may.
func (e *Engine) signLease(ctx context.Context, may func(tx *state.Tx) (bool, error)) error {
	return e.db.Update(ctx, func(tx *state.Tx) error {
		var until time.Time                          // none
		tx.AfterCommit(func() { e.setLease(until) }) // before sagas that the transaction starts
		if ok, err := may(tx); !ok || err != nil {
			return err
		}
		until = e.clock.Now().Add(e.cfg.Lease)
		return e.controllers.Put(tx, controller{e.cfg.Controller, e.session, until, !e.ledByOther(tx)})
	})
}

// setLease notes until when others leave this controller's sagas alone. It begins no
// step after that time.
func (e *Engine) setLease(until time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leaseUntil = until
}

func (e *Engine) holdsLease() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clock.Now().Before(e.leaseUntil)
}

// fenced reports whether another process has this controller's id, or others have
// given the controller up: then its work counts no more.
func (e *Engine) fenced(tx *state.Tx) bool {
	c, err := e.controllers.Get(tx, e.cfg.Controller)
	return err != nil || c.Session != e.session
}

// releaseLease lets other controllers take this one's sagas at once. Without it
// they wait for the end of the lease.
func (e *Engine) releaseLease() {
	err := e.db.Update(context.WithoutCancel(e.life), func(tx *state.Tx) error {
		c, err := e.controllers.Get(tx, e.cfg.Controller)
		if err != nil || c.Session != e.session {
			return nil
		}
		return e.bury(tx, c)
	})
	if err != nil {
		e.log.Info("the controller's lease was not released", "controller", e.cfg.Controller, "error", err)
	}
}

func (e *Engine) heartbeatLater() {
	e.alarm("heartbeat", e.clock.Now().Add(e.cfg.Lease/3), e.heartbeat)
}

// heartbeat renews the lease, takes orphans, and looks for sagas that were missed.
func (e *Engine) heartbeat() {
	displaced := false
	err := e.signLease(e.life, func(tx *state.Tx) (bool, error) {
		c, err := e.controllers.Get(tx, e.cfg.Controller)
		displaced = err == nil && c.Session != e.session
		return !displaced, nil
	})
	switch {
	case displaced:
		e.log.Error("another process works under this controller's id: this one stops", "controller", e.cfg.Controller)
		e.end()
		return
	case err != nil && e.life.Err() == nil:
		e.log.Warn("the controller's lease was not renewed", "controller", e.cfg.Controller, "error", err)
	case err == nil:
		e.adoptOrphans()
		e.scan()
	}
	e.heartbeatLater()
}

// alive reports whether a controller has a good lease.
func (e *Engine) alive(r state.Reader, id string) bool {
	if id == e.cfg.Controller {
		return true
	}
	c, err := e.controllers.Get(r, id)
	return err == nil && c.LeaseUntil.After(e.clock.Now())
}

// adoptOrphans takes the sagas of controllers that are no more.
func (e *Engine) adoptOrphans() {
	snapshot := e.db.Snapshot()
	alive := map[string]bool{}
	var orphans []string
	for s := range e.sagas.Where(snapshot, e.active) {
		if _, known := alive[s.Owner]; !known {
			alive[s.Owner] = e.alive(snapshot, s.Owner)
		}
		if !alive[s.Owner] {
			orphans = append(orphans, s.ID)
		}
	}
	for len(orphans) > 0 && e.life.Err() == nil {
		n := min(len(orphans), adoptBatch)
		if err := e.db.Update(e.life, func(tx *state.Tx) error { return e.adopt(tx, orphans[:n]) }); err != nil {
			e.log.Warn("orphaned sagas were not taken", "error", err)
			return
		}
		orphans = orphans[n:]
	}
	e.buryControllers(snapshot)
}

// adopt makes this controller the owner of those sagas that are still orphans.
func (e *Engine) adopt(tx *state.Tx, orphans []string) error {
	for _, id := range orphans {
		s, err := e.sagas.Get(tx, id)
		if err != nil || s.Status.Terminal() || e.alive(tx, s.Owner) {
			continue
		}
		from := s.Owner
		s.Owner = e.cfg.Controller
		if err := e.sagas.Put(tx, s); err != nil {
			return err
		}
		tx.AfterCommit(func() {
			e.logger(&s).Info("an orphaned saga was taken", "from", from)
			if s.Status != Pending {
				e.enqueue(s.ID)
			}
		})
	}
	return nil
}

// buryControllers removes the leases that are over.
func (e *Engine) buryControllers(r state.Reader) {
	for c := range e.controllers.All(r) {
		if e.alive(r, c.ID) {
			continue
		}
		err := e.db.Update(e.life, func(tx *state.Tx) error {
			now, err := e.controllers.Get(tx, c.ID)
			if err != nil || e.alive(tx, c.ID) {
				return nil
			}
			return e.bury(tx, now)
		})
		if err != nil {
			return // the next heartbeat tries again
		}
	}
}
