// Package clock is where the cloud gets its time from, so that tests can own it.
package clock

import (
	"context"
	"time"
)

// Clock tells the time and waits. Times that are stored come from a Clock, never
// from time.Now.
type Clock interface {
	// Now returns the current time in UTC.
	Now() time.Time
	// AfterFunc calls f in its own goroutine once d has passed. The returned
	// function stops it and reports whether it did so before f was started.
	AfterFunc(d time.Duration, f func()) (stop func() bool)
}

// System is the machine's clock.
type System struct{}

// Now returns the machine's time in UTC.
func (System) Now() time.Time { return time.Now().UTC() }

// AfterFunc is time.AfterFunc.
func (System) AfterFunc(d time.Duration, f func()) func() bool {
	return time.AfterFunc(d, f).Stop
}

// Sleep waits until d has passed on c, or ctx is done; then it returns ctx's error.
func Sleep(ctx context.Context, c Clock, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	done := make(chan struct{})
	stop := c.AfterFunc(d, func() { close(done) })
	defer stop()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
