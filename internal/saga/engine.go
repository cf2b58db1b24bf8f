package saga

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Config of an Engine; zero fields mean the defaults.
type Config struct {
	// Controller is this controller's id; default: a new UUID. With a stable id
	// a controller goes on with its own sagas at once after a crash; with a new
	// one it waits until the old lease is over.
	Controller   string
	Workers      int            // sagas at work at once; default 64
	Limits       map[string]int // for Step.Limit, by the part before the colon; default 1 each
	Lease        time.Duration  // how long a silent controller keeps its sagas; default 15s
	UndoAttempts int            // default 10
	Keep         int            // terminal sagas kept for each resource; default 50
	KeepFor      time.Duration  // terminal sagas of resources without newer ones, see Retain; default 24h
	// Wrap, if set, replaces each step that is defined: for the injection of
	// faults, as in package sagatest.
	Wrap func(saga string, s Step) Step
}

func (c Config) withDefaults(id *ids.Source) Config {
	if c.Controller == "" {
		c.Controller = id.UUID()
	}
	c.Workers = cmp.Or(c.Workers, 64)
	c.Lease = cmp.Or(c.Lease, 15*time.Second)
	c.UndoAttempts = cmp.Or(c.UndoAttempts, 10)
	c.Keep = cmp.Or(c.Keep, 50)
	c.KeepFor = cmp.Or(c.KeepFor, 24*time.Hour)
	return c
}

// Engine runs sagas. It is safe for concurrent use.
type Engine struct {
	db    *state.DB
	clock clock.Clock
	ids   *ids.Source
	log   *slog.Logger
	cfg   Config

	sagas       *state.Collection[Saga]
	byResource  *state.Index[Saga]
	active      *state.Index[Saga] // unfinished ones, by resource
	runnable    *state.Index[Saga] // those whose turn it is, by owner and time
	controllers *state.Collection[controller]

	life context.Context // ends at Close
	end  context.CancelFunc
	work sync.WaitGroup // all goroutines of the engine

	mu       sync.Mutex // never held across db.Update
	session  string     // tells this run of the controller from an earlier one; fixed by Open
	defs     map[string]*Definition
	retain   []func(r state.Reader, resource string) bool
	whenGone []func(tx *state.Tx, gone Gone) error // fixed by Open
	open     bool
	closed   bool
	flights  map[string]*flight
	queue    []*flight // wait for a worker, oldest first
	working  int

	leaseUntil time.Time // others leave this controller's sagas alone until then

	limits  map[string]*limit
	alarms  map[string]alarm // pending calls of the clock, by name
	waiters map[string][]chan struct{}
	held    map[string]int       // calls that are held, by saga; see package hold
	resting map[string]time.Time // until when, by saga: the journal could not be written
	changed chan struct{}        // closed when a saga has changed; nil if nobody waits
}

// New returns an engine whose sagas live in db. Define the kinds of saga, open
// the DB, then Open the engine.
func New(db *state.DB, c clock.Clock, id *ids.Source, log *slog.Logger, cfg Config) *Engine {
	e := &Engine{
		db: db, clock: c, ids: id, log: log, cfg: cfg.withDefaults(id),
		defs:    map[string]*Definition{},
		flights: map[string]*flight{},
		limits:  map[string]*limit{},
		alarms:  map[string]alarm{},
		waiters: map[string][]chan struct{}{},
		held:    map[string]int{},
		resting: map[string]time.Time{},
	}
	e.byResource = state.NewIndex("resource", func(s *Saga) []string { return []string{resourceKey(s)} })
	e.active = state.NewIndex("active", func(s *Saga) []string {
		if s.Status.Terminal() {
			return nil
		}
		return []string{resourceKey(s)}
	})
	e.runnable = state.NewIndex("runnable", func(s *Saga) []string {
		if s.Status != Running && s.Status != Unwinding {
			return nil
		}
		return []string{state.Key(s.Owner, timeKey(s.NotBefore), seqKey(s.Seq))}
	})
	e.sagas = state.Define(db, state.Spec[Saga]{
		Name: "saga.sagas", Noun: "saga",
		Key:     func(s *Saga) string { return s.ID },
		Indexes: []*state.Index[Saga]{e.byResource, e.active, e.runnable},
	})
	e.controllers = state.Define(db, state.Spec[controller]{
		Name: "saga.controllers", Noun: "controller",
		Key: func(c *controller) string { return c.ID },
	})
	return e
}

func resourceKey(s *Saga) string { return state.Key(s.Resource, seqKey(s.Seq)) }

func seqKey(n uint64) string {
	const zeros = "0000000000000000"
	s := strconv.FormatUint(n, 16)
	return zeros[len(s):] + s
}

func timeKey(t time.Time) string {
	if t.IsZero() {
		return seqKey(0)
	}
	return seqKey(uint64(max(t.UnixNano(), 0)))
}

// Open starts the engine: sagas that were under way go on. The DB must be open, and
// the services that the steps use must be ready.
func (e *Engine) Open(ctx context.Context) error {
	e.mu.Lock()
	if e.open || e.closed {
		e.mu.Unlock()
		return fault.New(fault.Conflict, "the saga engine was opened before")
	}
	e.open = true
	e.life, e.end = context.WithCancel(context.WithoutCancel(ctx))
	e.session = e.ids.UUID()
	e.mu.Unlock()

	from := e.db.Snapshot().Revision()
	if err := e.takeLease(ctx); err != nil {
		e.mu.Lock()
		e.open = false
		e.mu.Unlock()
		e.end()
		return fault.Wrap("saga.Open", err)
	}
	e.work.Add(1)
	go func() { defer e.work.Done(); e.watch(from) }()
	e.adoptOrphans()
	e.scan()
	e.heartbeatLater()
	e.sweepLater()
	return nil
}

// Close stops taking up work, ends the ctx of running steps and waits for them.
// What is unfinished goes on at the next Open, of another engine. Close it before
// the services that the steps use.
func (e *Engine) Close() error {
	e.mu.Lock()
	wasOpen, again := e.open, e.closed
	e.closed = true
	if wasOpen && !again {
		e.end()
		e.stopAlarms()
	}
	e.mu.Unlock()
	if !wasOpen {
		return nil
	}
	e.work.Wait()
	if !again {
		e.releaseLease()
	}
	return nil
}

// enter reports whether the engine is at work; then the caller must call
// e.work.Done.
func (e *Engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.open || e.closed {
		return false
	}
	e.work.Add(1)
	return true
}

// Start writes a new saga in tx and returns its id; it begins to run once tx is
// durable.
func (e *Engine) Start(tx *state.Tx, s Start) (id string, err error) {
	e.mu.Lock()
	d := e.defs[s.Name]
	e.mu.Unlock()
	if d == nil {
		return "", fault.New(fault.Internal, "no saga %q is defined", s.Name)
	}
	if s.Resource == "" {
		return "", fault.New(fault.Internal, "saga %s was started without a resource", s.Name)
	}
	params, err := json.Marshal(s.Params)
	if err != nil {
		return "", fault.New(fault.Internal, "the parameters of saga %s cannot be stored", s.Name).Because(err)
	}
	doc := Saga{
		ID: e.ids.UUID(), Name: s.Name, Action: cmp.Or(s.Action, s.Name), Resource: s.Resource,
		ProjectID: s.ProjectID, UserID: s.UserID, RequestID: s.RequestID,
		Params: params, Status: Pending, Owner: e.cfg.Controller,
		Seq: tx.Revision() + 1, CreatedAt: e.clock.Now(),
	}
	free := true
	for before := range e.sagas.Where(tx, e.active, s.Resource) {
		free = false
		doc.Seq = max(doc.Seq, before.Seq+1)
	}
	if free {
		if err := e.takeTurn(tx, d, &doc); err != nil {
			return "", err
		}
	}
	return doc.ID, e.sagas.Insert(tx, doc)
}

// takeTurn makes a Pending saga runnable by this controller.
func (e *Engine) takeTurn(tx *state.Tx, d *Definition, doc *Saga) error {
	doc.Owner = e.cfg.Controller
	tx.AfterCommit(func() { e.enqueue(doc.ID) })
	if doc.Cancelled {
		return e.cancelBefore(d, doc)
	}
	if err := doc.become(Running, e.clock.Now()); err != nil {
		return err
	}
	if d == nil {
		return nil // found out when it runs
	}
	doc.Step = e.nextStep(d, e.newRun(nil, *doc), 0)
	return e.begin(d, doc)
}

// cancelBefore turns a saga round that was cancelled before its turn came. Its first
// step counts as cut off before its effect: so its undo takes back what the
// transaction prepared that started the saga.
func (e *Engine) cancelBefore(d *Definition, doc *Saga) error {
	cause := cancelled(doc)
	doc.setCause(cause)
	if d != nil {
		doc.Step = e.nextStep(d, e.newRun(nil, *doc), 0)
		if err := e.begin(d, doc); err != nil {
			return err
		}
		if doc.Step < len(d.Steps) {
			if err := doc.note(d.Steps[doc.Step].Name, failed, e.clock.Now(), cause); err != nil {
				return err
			}
		}
	}
	return doc.become(Unwinding, e.clock.Now())
}

// Cancel asks every unfinished saga of the resource to unwind. It changes state
// in tx only; running steps see their ctx end once tx is durable. A saga that is
// unwinding already goes on, at once if it waits for its next attempt; one whose turn
// has not come undoes its first step when it comes, and fails; one whose last step is done just
// then finishes.
func (e *Engine) Cancel(tx *state.Tx, resource string) error {
	for s := range e.sagas.Where(tx, e.active, resource) {
		if s.Status == Unwinding && s.NotBefore.After(e.clock.Now()) {
			s.NotBefore = time.Time{}
			if err := e.sagas.Put(tx, s); err != nil {
				return err
			}
			tx.AfterCommit(func() { e.enqueue(s.ID) })
			continue
		}
		if s.Cancelled || s.Status == Unwinding {
			continue
		}
		s.Cancelled = true
		s.NotBefore = time.Time{}
		if err := e.sagas.Put(tx, s); err != nil {
			return err
		}
		if s.Status == Running {
			tx.AfterCommit(func() { e.poke(s.ID) })
		}
	}
	return nil
}

func cancelled(s *Saga) error {
	return fault.New(fault.Cancelled, "%s was cancelled", s.Action)
}

func (s *Saga) setCause(err error) {
	s.Error, s.ErrorKind = fault.Public(err), string(fault.Of(err))
}

// logger returns the engine's log with what names a saga.
func (e *Engine) logger(s *Saga) *slog.Logger {
	return e.log.With("saga", s.ID, "name", s.Name, "resource", s.Resource, "request", s.RequestID)
}
