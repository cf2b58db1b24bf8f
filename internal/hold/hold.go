// Package hold is for calls that do not go on by themselves: a test holds them, or they
// wait for a clock that the test moves. Who waits until nothing is under way learns of
// it and does not wait for them.
package hold

import (
	"context"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
)

type watcher struct{}

// Watch returns a ctx under which begun is called whenever a call begins to be held,
// and what it returns when that call goes on. Watchers of the contexts around it are
// told too.
func Watch(ctx context.Context, begun func() (resumed func())) context.Context {
	outer, nested := ctx.Value(watcher{}).(func() func())
	if !nested {
		return context.WithValue(ctx, watcher{}, begun)
	}
	return context.WithValue(ctx, watcher{}, func() func() {
		first, second := outer(), begun()
		return func() { second(); first() }
	})
}

// Hold is one call that is held.
type Hold struct {
	once    sync.Once
	resumed func()
	done    chan struct{}
}

// Begin says that the call under ctx is held from now on.
func Begin(ctx context.Context) *Hold {
	h := &Hold{resumed: func() {}, done: make(chan struct{})}
	if begun, watched := ctx.Value(watcher{}).(func() func()); watched {
		h.resumed = begun()
	}
	return h
}

// End lets the call go on. When it returns, the watchers know. It may be called again.
func (h *Hold) End() {
	h.once.Do(func() {
		h.resumed()
		close(h.done)
	})
}

// Ended reports whether the call goes on.
func (h *Hold) Ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// Wait returns when the hold has ended, or ctx is done; then it returns ctx's error.
func (h *Hold) Wait(ctx context.Context) error {
	defer h.End()
	select {
	case <-h.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Sleep is clock.Sleep, held meanwhile: when Advance of a test's clock returns, the
// watchers know that the call goes on.
func Sleep(ctx context.Context, c clock.Clock, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	h := Begin(ctx)
	stop := c.AfterFunc(d, h.End)
	defer stop()
	return h.Wait(ctx)
}
