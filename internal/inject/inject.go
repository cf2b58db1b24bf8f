// Package inject makes drivers in memory slow and faulty on demand. Every fake has
// one Points, and asks it before and after each effect.
package inject

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/hold"
)

// Fault is asked at each call of a driver with the method's name and the id of what it
// is about: before the effect as "Start", and after it as "Start/after", which is an
// answer that gets lost. The call ends with the error that it returns. It may block, as
// a host that hangs does, and should not outlast ctx then.
type Fault = func(ctx context.Context, op, id string) error

// ErrTwice from a Fault before the effect has it done twice, as when a proxy sends a
// call again whose answer it did not get. The call then succeeds.
var ErrTwice = errors.New("inject: do it twice")

// Delay says how long a call takes, before its effect.
type Delay = func(op, id string) time.Duration

// Points are the places in a driver where faults and delays come in. It is safe for
// concurrent use.
type Points struct {
	clock clock.Clock

	mu    sync.RWMutex
	fault Fault
	delay Delay
}

// New returns the points of one driver, which wait on c; nil is the machine's clock.
// fault and delay may be nil.
func New(c clock.Clock, fault Fault, delay Delay) *Points {
	if c == nil {
		c = clock.System{}
	}
	return &Points{clock: c, fault: fault, delay: delay}
}

// SetFault replaces the fault; nil ends all faults.
func (p *Points) SetFault(f Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

// SetDelay replaces the delay; nil ends all delays.
func (p *Points) SetDelay(f Delay) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = f
}

// Before begins a call: it waits and fails as told.
func (p *Points) Before(ctx context.Context, op, id string) error {
	p.mu.RLock()
	fault, delay := p.fault, p.delay
	p.mu.RUnlock()
	if delay != nil {
		if err := hold.Sleep(ctx, p.clock, delay(op, id)); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if fault != nil {
		return fault(ctx, op, id)
	}
	return nil
}

// After ends a call that took effect.
func (p *Points) After(ctx context.Context, op, id string) error {
	p.mu.RLock()
	fault := p.fault
	p.mu.RUnlock()
	if fault != nil {
		return fault(ctx, op+"/after", id)
	}
	return nil
}

// Call is a whole call: do is its effect, done only if nothing failed before, and under
// lock.
func (p *Points) Call(ctx context.Context, op, id string, lock sync.Locker, do func() error) error {
	switch err := p.Before(ctx, op, id); {
	case err == ErrTwice:
		if err := under(lock, do); err != nil {
			return err
		}
	case err != nil:
		return err
	}
	return p.Effect(ctx, op, id, lock, do)
}

// Effect is Call without its beginning.
func (p *Points) Effect(ctx context.Context, op, id string, lock sync.Locker, do func() error) error {
	if err := under(lock, do); err != nil {
		return err
	}
	return p.After(ctx, op, id)
}

func under(lock sync.Locker, do func() error) error {
	lock.Lock()
	defer lock.Unlock()
	return do()
}
