// Package saga runs the cloud's long verbs: named steps, each with a do and an
// undo, journalled in the state.
//
// A saga is started in the transaction of the row it works on, so there is never
// a row without its saga nor a saga without its row. The end of each step and the
// start of the next are journalled in one transaction; after a crash the engine of
// this controller, or another one once the lease of this one is over, goes on from
// the journal. When a step fails for good, or the saga is cancelled, the steps
// done so far are undone, last first.
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
//   - Long waits honour ctx, which ends when the saga is cancelled (forward steps
//     only) or the engine closes.
//
// Package sagatest proves all this of a saga by failing and crashing it at every
// point.
//
// # What the engine keeps
//
// Sagas of one resource run one at a time, in the order in which they were
// started. Sagas of different resources run side by side, at most Config.Workers
// of them at once, first come first served. A saga that waits for a limit or for
// its next attempt takes up no worker. A saga of n steps costs n+1 commits, the
// one that starts it included.
//
// # Several controllers
//
// Each controller that works on a state keeps a lease in it. A saga belongs to the
// controller that started it, and is taken by another one when that lease is over.
// A controller begins no step without a good lease of its own, and what it does counts
// only while the lease is there, is of this very run, and the saga is still its own:
// otherwise its commit is refused, and with it all that the step would have recorded.
//
// What cannot be refused is the call of a driver that was under way when the lease
// ended. It may arrive while the next controller does the same step, or after that:
// so steps must be idempotent, also against themselves, and the services look for what
// such a call left behind (see [Engine.WhenGone], and cloud.Check).
//
// Leases are compared with each controller's own clock: clocks that differ by more than
// a part of Config.Lease may let two controllers do one step at a time. Even then only
// one of them can record it.
package saga

import (
	"context"
	"encoding/json"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Step is one named part of a saga.
type Step struct {
	Name string // unique in its saga, and stable: it is stored
	Do   func(ctx context.Context, r *Run) error
	Undo func(ctx context.Context, r *Run) error // nil: nothing to undo
	// Attempts is how many times Do is tried before the saga unwinds, with
	// backoff between; 0 means 1. Only errors of kind fault.Unavailable,
	// fault.RateLimited and fault.DeadlineReached are tried again; others unwind
	// at once. Undo is tried Config.UndoAttempts times whatever the error.
	Attempts int
	// Insist has Do tried again whatever the error, as an undo is: for steps behind
	// which there is no way back.
	Insist bool
	// Limit names a resource of which only so many steps may be done at once,
	// such as "build:host-1"; nil or "" means no limit beyond the engine's. The
	// number is set with Config.Limits by the part before the colon. Undo is not
	// limited.
	Limit func(r *Run) string
	// Skip reports whether the step is not needed in this run: it is then
	// neither done nor undone. It is asked once, when the step's turn comes, in
	// the transaction that journals it; so it must judge by what r.Params and
	// r.Load give.
	Skip func(r *Run) bool
}

// Definition is a kind of saga, registered once with Engine.Define.
//
// The hooks Finished, Failed and Stuck read r (Params, Load, Saga) and write to
// tx. An error from Finished counts as a failure of the last step; an error from
// Failed leaves the saga Stuck.
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
	// the resource must become visibly broken. The kind and the public text of
	// cause are those of what made the saga unwind, its own cause is the failure
	// of the undo. May be nil.
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

// Terminal reports whether the saga has ended.
func (s Status) Terminal() bool { return s == Finished || s == Failed || s == Stuck }

// Record is one line of the journal. Action and Result are the events of Nova's
// instance actions: one Record has the start and the end of one step. A record
// that has an error but has not ended is of a step that is going to be tried
// again.
type Record struct {
	Step     string    `json:"step"`
	Undo     bool      `json:"undo,omitempty"`
	Attempts int       `json:"attempts,omitempty"` // how many have come to an end
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

// Cause returns what made the saga unwind, with its kind; nil if nothing did.
func (s *Saga) Cause() error {
	if s.ErrorKind == "" {
		return nil
	}
	return &fault.Error{Kind: fault.Kind(s.ErrorKind), Message: s.Error}
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
