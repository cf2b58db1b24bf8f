package network

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/hold"
)

// This file tells those who wait for rest of calls of mechanisms that are held: the
// run that makes the call is then not under way, and nor are those that wait for it.

// hold says that a call of the run of an item is held, until the function that it
// returns is called.
func (r *reconciler) hold(it *item) (resumed func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs--
	it.held++
	for _, w := range slices.Concat(it.served, it.waiters) {
		if w.hold == nil {
			w.hold = hold.Begin(w.ctx)
		}
	}
	r.tellMoved()
	return func() { r.resume(it) }
}

func (r *reconciler) resume(it *item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs++
	if it.held--; it.held > 0 {
		return
	}
	for _, w := range slices.Concat(it.served, it.waiters) {
		w.unhold()
	}
}

// unhold ends the hold of one who no longer waits.
func (r *reconciler) unhold(w *waiter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w.unhold()
}

// unhold ends the hold, if there is one. The caller holds mu.
func (w *waiter) unhold() {
	if w.hold != nil {
		w.hold.End()
		w.hold = nil
	}
}
