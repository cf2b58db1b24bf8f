// Package saga runs the cloud's long verbs: named steps, each with a do and an
// undo, journalled in the state.
//
// A saga is started in the transaction of the row it works on, so there is never
// a row without its saga nor a saga without its row. Before and after each step a
// record is journalled; after a crash the engine of this controller, or another
// one whose lease is still good, goes on from the journal. When a step fails for
// good, or the saga is cancelled, the steps done so far are undone, last first.
//
// # What a step must keep
//
//   - Do and Undo are idempotent: a crash may come between the effect and its
//     record, and then the step runs again with the same Run.
//   - Undo of a step whose Do never took effect is a no-op. Undo is also called for
//     a step whose Do failed, since it may have half succeeded.
//   - Identifiers are made before the saga starts, or in a step of their own, and
//     kept in the parameters or with [Run.Set].
//   - State is changed only through [Run.Commit], whose function runs in the very
//     transaction that journals the step as done (or undone).
//   - Long waits return [Retry] or honour ctx, which ends when the saga is
//     cancelled (forward steps only) or the engine closes.
//
// Package sagatest proves all this of a saga by failing and crashing it at every
// point.
package saga

import (
	"context"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Step is one named part of a saga.
type Step struct {
	Name string
	Do   func(ctx context.Context, r *Run) error
	Undo func(ctx context.Context, r *Run) error // nil: nothing to undo
	// Attempts is how many times Do is tried before the saga unwinds, with
	// backoff between; 0 means 1. Only errors of kind fault.Unavailable,
	// fault.RateLimited and fault.DeadlineReached are tried again; others unwind
	// at once. Undo is tried Engine.UndoAttempts times whatever the error.
	Attempts int
	// Limit names a resource of which only so many steps may run at once, such
	// as "build:host-1"; nil or "" means no limit beyond the engine's. The
	// number is set with Config.Limits by the part before the colon.
	Limit func(r *Run) string
	// Skip reports whether the step is not needed in this run: it is then
	// neither done nor undone.
	Skip func(r *Run) bool
}

// Definition is a kind of saga, registered once with Engine.Define.
type Definition struct {
	Name  string // "compute.create": stable, it is stored
	Steps []Step
	// Finished runs in the transaction that ends the saga forwards: set the row's
	// final state here. May be nil.
	Finished func(tx *state.Tx, r *Run) error
	// Failed runs in the transaction that ends the saga unwound; cause is what
	// made it unwind (kind fault.Cancelled if it was cancelled). May be nil.
	Failed func(tx *state.Tx, r *Run, cause error) error
	// Stuck runs in the transaction that gives up after an undo failed for good:
	// the resource must become visibly broken. May be nil.
	Stuck func(tx *state.Tx, r *Run, cause error) error
}

// Status of a saga.
type Status string

// The statuses; the last three are terminal.
const (
	Pending   Status = "pending"   // waiting for its turn on its resource
	Running   Status = "running"   // doing its steps
	Unwinding Status = "unwinding" // undoing them
	Finished  Status = "finished"  // all steps done
	Failed    Status = "failed"    // all steps undone
	Stuck     Status = "stuck"     // an undo failed for good: a person must look
)

// Record is one line of the journal. Action and Result are the events of Nova's
// instance actions: one Record has the start and the end of one step.
type Record struct {
	Step     string    `json:"step"`
	Undo     bool      `json:"undo,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	Error    string    `json:"error,omitempty"`   // what API users may read
	Details  string    `json:"details,omitempty"` // the same for admins: the whole cause
	Host     string    `json:"host,omitempty"`    // set with Run.OnHost
}

// Saga is the stored document.
type Saga struct {
	ID         string                     `json:"id"`
	Name       string                     `json:"name"`     // of the Definition
	Action     string                     `json:"action"`   // what the user called: "create", "reboot", "attach_volume"
	Resource   string                     `json:"resource"` // "server/UUID": sagas of one resource run one at a time, in order of start
	ProjectID  string                     `json:"project,omitempty"`
	UserID     string                     `json:"user,omitempty"`
	RequestID  string                     `json:"request,omitempty"`
	Params     json.RawMessage            `json:"params,omitempty"`
	Vars       map[string]json.RawMessage `json:"vars,omitempty"`
	Status     Status                     `json:"status"`
	Step       int                        `json:"step"` // the step that is next to do, or to undo
	Journal    []Record                   `json:"journal,omitempty"`
	Cancelled  bool                       `json:"cancelled,omitempty"`
	Error      string                     `json:"error,omitempty"` // public text of what made it unwind
	ErrorKind  string                     `json:"error_kind,omitempty"`
	Owner      string                     `json:"owner,omitempty"`    // the controller that runs it
	NotBefore  time.Time                  `json:"notBefore,omitzero"` // backoff
	Seq        uint64                     `json:"seq"`                // order of start
	CreatedAt  time.Time                  `json:"created"`
	FinishedAt time.Time                  `json:"finished,omitzero"`
}

// Start describes a new saga.
type Start struct {
	Name      string // of the Definition
	Action    string // defaults to Name
	Resource  string // "server/UUID"
	ProjectID string
	UserID    string
	RequestID string
	Params    any // encoded as JSON; read back with Run.Params
}

// Engine runs sagas. It is safe for concurrent use.
type Engine struct{}

// Define registers a kind of saga; before Open of the DB's engine. A second
// definition of a name panics.
func (e *Engine) Define(d Definition) { panic("stub") }

// Start writes a new saga in tx and returns its id; it begins to run once tx is
// durable.
func (e *Engine) Start(tx *state.Tx, s Start) (id string, err error) { panic("stub") }

// Cancel asks every unfinished saga of the resource to unwind. It changes state
// in tx only; running steps see their ctx end once tx is durable.
func (e *Engine) Cancel(tx *state.Tx, resource string) error { panic("stub") }

// Active lists the unfinished sagas of a resource, oldest first.
func (e *Engine) Active(r state.Reader, resource string) []Saga { panic("stub") }

// History lists all sagas of a resource that are still kept, oldest first.
func (e *Engine) History(r state.Reader, resource string) []Saga { panic("stub") }

// Get returns one saga.
func (e *Engine) Get(r state.Reader, id string) (Saga, error) { panic("stub") }

// Wait returns when the saga is terminal: nil if it Finished, its error (with its
// kind) if it Failed or is Stuck, ctx's error if that comes first.
func (e *Engine) Wait(ctx context.Context, id string) error { panic("stub") }

// Run is what a step is given.
type Run struct{}

// ID of the saga.
func (r *Run) ID() string { panic("stub") }

// Saga gives the stored document as of the step's start.
func (r *Run) Saga() Saga { panic("stub") }

// Params decodes the parameters into v, a pointer.
func (r *Run) Params(v any) error { panic("stub") }

// Set keeps a value under name for later steps and undos; it is journalled with
// the step, so a step that crashes before its record does not keep it.
func (r *Run) Set(name string, v any) { panic("stub") }

// Load decodes the value kept under name into v and reports whether there is one.
func (r *Run) Load(name string, v any) bool { panic("stub") }

// OnHost notes the host that the step works on, for the journal.
func (r *Run) OnHost(host string) { panic("stub") }

// Commit adds f to the transaction that journals this step as done or undone.
// f may run several times, or never if the step fails.
func (r *Run) Commit(f func(tx *state.Tx) error) { panic("stub") }

// Snapshot reads the newest state.
func (r *Run) Snapshot() *state.Snapshot { panic("stub") }

// Cancelled reports whether the saga has been asked to unwind.
func (r *Run) Cancelled() bool { panic("stub") }

// Config of an Engine; zero fields mean the defaults.
type Config struct {
	Controller   string         // this controller's id; default: a new UUID
	Workers      int            // sagas at work at once; default 64
	Limits       map[string]int // for Step.Limit, by the part before the colon; default 1 each
	Lease        time.Duration  // how long a silent controller keeps its sagas; default 15s
	UndoAttempts int            // default 10
	Keep         int            // terminal sagas kept for each resource; default 50
	KeepFor      time.Duration  // terminal sagas of deleted resources; default 24h
}

// Open starts the engine: sagas that were under way go on. The DB must be open.
func (e *Engine) Open(ctx context.Context) error { panic("stub") }

// Close stops taking up work, ends the ctx of running steps and waits for them.
// What is unfinished goes on at the next Open.
func (e *Engine) Close() error { panic("stub") }

// Idle returns when no saga is runnable now: all are terminal or wait for a time.
func (e *Engine) Idle(ctx context.Context) error { panic("stub") }

// New returns an engine whose sagas live in db. Define the kinds of saga, open
// the DB, then Open the engine.
func New(db *state.DB, c clock.Clock, id *ids.Source, log *slog.Logger, cfg Config) *Engine {
	panic("stub")
}
