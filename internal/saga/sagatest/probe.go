package sagatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// patience is how long a run may take by its own clock.
const patience = time.Hour

// probe plays one scenario: it is what the engine and the steps are watched and
// disturbed through, over all controllers of the run.
type probe struct {
	scenario
	c     Case
	store *memengine.Store
	boots uint64
	log   bytes.Buffer
	db    *state.DB // of the running controller
	sagas *saga.Engine

	mu      sync.Mutex
	armed   bool   // the saga is about to start
	id      string // of the saga
	commits int    // since the saga was started, that one included
	dead    bool
	died    chan struct{}
	crashed bool // died at some time
	fired   bool // the injection took place
	called  map[string]bool
	working string // the step at work
	steps   []string
	strays  []string
}

func newProbe(c Case, s scenario) *probe {
	return &probe{
		scenario: s, c: c,
		store:  memengine.NewStore(memengine.Options{}),
		died:   make(chan struct{}),
		called: map[string]bool{},
	}
}

// play runs the scenario and says what is wrong in the end.
func (p *probe) play(t *testing.T) error {
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	world := p.c.New(t)
	controller, err := p.boot(ctx, world)
	if err != nil {
		return err
	}
	err = p.start(ctx, controller)
	if err == nil && p.awaitEnd(ctx) {
		_ = p.halt(controller) // the dead do not leave in order
		p.revive()
		if controller, err = p.boot(ctx, world); err != nil {
			return fmt.Errorf("after the crash: %w\nlog:\n%s", err, p.log.String())
		}
	}
	if err == nil {
		err = p.judge(ctx, controller)
	}
	err = errors.Join(err, p.halt(controller))
	if err != nil && p.log.Len() > 0 {
		err = fmt.Errorf("%w\nlog:\n%s", err, p.log.String())
	}
	return err
}

// boot makes a controller of the world and opens it.
func (p *probe) boot(ctx context.Context, world World) (Controller, error) {
	inner, err := p.store.Open()
	if err != nil {
		return Controller{}, err
	}
	p.boots++
	p.steps = nil
	p.db = state.New(&tap{inner, p}, nil)
	log := slog.New(slog.NewTextHandler(&p.log, &slog.HandlerOptions{Level: slog.LevelWarn}))
	source := ids.Seeded(p.boots)
	p.sagas = saga.New(p.db, clock.System{}, source, log, saga.Config{Controller: "sagatest", Wrap: p.wrap})
	controller, err := world(&core.Core{
		DB: p.db, Sagas: p.sagas, Clock: clock.System{}, IDs: source, Quotas: quota.Define(p.db), Log: log,
	})
	if err != nil {
		return Controller{}, errors.Join(err, inner.Close())
	}
	if err := p.db.Open(ctx); err != nil {
		return Controller{}, errors.Join(err, inner.Close())
	}
	if err = call(ctx, controller.Open); err == nil {
		err = p.sagas.Open(ctx)
	}
	if err == nil && p.boots == 1 {
		if err = call(ctx, controller.Prepare); err == nil {
			err = p.sagas.Idle(ctx)
		}
	}
	if err != nil {
		return Controller{}, errors.Join(err, p.halt(controller))
	}
	return controller, nil
}

// halt closes a controller and what it stands on.
func (p *probe) halt(c Controller) error {
	err := p.sagas.Close()
	if c.Close != nil {
		err = errors.Join(err, c.Close())
	}
	return errors.Join(err, p.db.Close())
}

// start calls the verb. A crash may take it down once the saga is stored.
func (p *probe) start(ctx context.Context, c Controller) error {
	p.mu.Lock()
	p.armed = true
	p.mu.Unlock()
	err := c.Start(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.id != "":
		return nil
	case err != nil:
		return fmt.Errorf("the saga did not start: %w", err)
	}
	return fmt.Errorf("no saga %s was started", p.c.Saga)
}

// awaitEnd returns when the saga has ended, or the controller is dead.
func (p *probe) awaitEnd(ctx context.Context) (crashed bool) {
	ctx, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.sagas.Wait(ctx, p.sagaID())
	}()
	select {
	case <-p.died:
	case <-ended:
	}
	stop()
	<-ended
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.crashed {
		p.crash = 0 // sagas that this one has started live on in peace
	}
	return p.crashed
}

// revive lets the next controller live.
func (p *probe) revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
	p.crash = 0
	p.working = ""
}

// judge compares the end of the saga and of the world with what they should be.
func (p *probe) judge(ctx context.Context, c Controller) error {
	err := p.sagas.Wait(ctx, p.sagaID())
	if idle := p.sagas.Idle(ctx); idle != nil {
		return idle
	}
	s, getErr := p.sagas.Get(p.db.Snapshot(), p.sagaID())
	if getErr != nil {
		return getErr
	}
	p.mu.Lock()
	fired, strays := p.fired, p.strays
	p.mu.Unlock()
	check, want := c.Built, "as if the saga had run once"
	switch {
	case !s.Status.Terminal():
		return fmt.Errorf("the saga is %s and does not end: %w", s.Status, err)
	case s.Status == saga.Stuck:
		return fmt.Errorf("the saga is stuck: %w", undoError(&s))
	case s.Status == saga.Finished && fired && p.inject != cancel:
		return errors.New("the saga finished although a step failed")
	case s.Status == saga.Failed && !fired:
		return fmt.Errorf("the saga failed by itself: %w", undoError(&s))
	case s.Status == saga.Failed:
		check, want = c.Clean, "as if the saga had never run"
	}
	if len(strays) > 0 {
		return errors.New(strings.Join(strays, "; "))
	}
	if err := call(ctx, check); err != nil {
		return fmt.Errorf("not %s: %w", want, err)
	}
	return nil
}

// undoError returns the last error in the journal.
func undoError(s *saga.Saga) error {
	for _, r := range slices.Backward(s.Journal) {
		if r.Details != "" {
			return fmt.Errorf("step %s: %s", r.Step, r.Details)
		}
	}
	return errors.New(s.Error)
}

func call(ctx context.Context, f func(context.Context) error) error {
	if f == nil {
		return nil
	}
	return f(ctx)
}

func errDead() error { return fault.New(fault.Unavailable, "the controller has crashed") }
