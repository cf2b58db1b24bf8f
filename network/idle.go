package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Idle returns when what is recorded is realised on all hosts, or was tried: what
// failed waits for its next try.
func (s *Service) Idle(ctx context.Context) error { return fault.Wrap("network.Idle", s.rec.idle(ctx)) }

// followed notes that the changes up to a revision are known.
func (r *reconciler) followed(revision uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen = max(r.seen, revision)
	r.tellMoved()
}

// tellMoved wakes those who wait for rest. The caller holds mu.
func (r *reconciler) tellMoved() {
	if r.moved != nil {
		close(r.moved)
		r.moved = nil
	}
}

// idle returns when the changes up to now are followed and nothing is being realised
// or waits for a worker; what waits for a time to pass is left alone.
func (r *reconciler) idle(ctx context.Context) error {
	return r.waitUntil(ctx, func(now uint64) bool { return r.seen >= now && r.runs == 0 && len(r.queue) == 0 })
}

// waitUntil returns when calm, which is called with mu held and the newest revision,
// says so.
func (r *reconciler) waitUntil(ctx context.Context, calm func(now uint64) bool) error {
	for {
		now := r.s.db.Snapshot().Revision()
		r.mu.Lock()
		if r.life == nil || r.closed {
			r.mu.Unlock()
			return errClosing()
		}
		if calm(now) {
			r.mu.Unlock()
			return nil
		}
		if r.moved == nil {
			r.moved = make(chan struct{})
		}
		moved := r.moved
		r.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		case <-r.life.Done():
			return errClosing()
		}
	}
}

// catchUp returns when the changes up to a revision are followed.
func (r *reconciler) catchUp(ctx context.Context, revision uint64) error {
	return r.waitUntil(ctx, func(uint64) bool { return r.seen >= revision })
}

// hurry has what failed tried again at once.
func (r *reconciler) hurry() {
	r.mu.Lock()
	defer r.mu.Unlock()
	var failed []key
	for k, it := range r.items {
		if it.tries > 0 && it.later != nil {
			failed = append(failed, k)
		}
	}
	slices.SortFunc(failed, key.compare)
	for _, k := range failed {
		if it := r.items[k]; it.later() {
			it.later = nil
			r.push(k, it, it.want)
		}
	}
}

// unsettled reports whether a thing is going to be realised without having failed
// before. What has failed is told by trouble.
func (r *reconciler) unsettled(k key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	it := r.items[k]
	return it != nil && it.tries == 0 && (it.running || it.queued || it.due())
}

// trouble is why a thing could not be realised, nil if it could.
func (r *reconciler) trouble(k key) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if it := r.items[k]; it != nil {
		return it.err
	}
	return nil
}
