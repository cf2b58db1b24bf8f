// Package state is the one state of a cloud: a single revisioned value made of
// typed collections.
//
// All documents are held in memory as persistent trees, so a read is a snapshot
// that never blocks and never changes, a list is a range walk, a fork of the whole
// state is a copy of a few pointers, and a watch can resume from a recent
// revision. Writes are optimistic transactions: the function runs against a
// snapshot, everything it read (documents, absent keys, index ranges) must be
// unchanged when it commits, and if not it runs again. A commit is acknowledged,
// and becomes visible to snapshots, only when the engine below has made it
// durable; commits that arrive together share one engine call.
//
// # Documents
//
// A document is a plain Go struct that encoding/json can carry. It is stored by
// value: Get and List give copies whose slices and maps are shared with the
// state, so treat those as read-only and replace them instead of writing into
// them (slices.Clone, maps.Clone).
//
// # Transactions
//
// A transaction begins from the newest commit, even one whose durability is still
// awaited; Update answers only when all that it read and wrote is durable. If the
// engine fails, every commit not yet durable fails with it and the state falls
// back to the newest durable one.
//
// # Several controllers
//
// Over an engine that is a [Follower], the DBs of several controllers are one state.
// Transactions are linearizable over all of them: what a transaction has read is
// compared with the newest stored state when it commits, and an error or a mere read
// is believed only when nothing of what it read has changed. A snapshot is what its
// own DB knows: it never goes back and has all that this DB has acknowledged, and
// follows the others a moment later; after [DB.Sync] it is current.
//
// When the answer of the engine is lost, Update fails with fault.Unavailable although
// the commit may be stored. The DB then reads what is stored before it goes on, so a
// snapshot taken after the error tells, if the engine answers again.
package state

import (
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Errors of the engine contract.
var (
	ErrStale     = fault.New(fault.Conflict, "the stored revision has moved on")
	ErrCompacted = fault.New(fault.Exhausted, "the revision is too old to be followed")
)

// Reader is what can be read from: a *Snapshot, a *Trace of one or, in a transaction, a
// *Tx, which sees its own writes.
type Reader interface {
	// Revision is the revision of the state that is read.
	Revision() uint64
	table(i int) *table
	// reads and scans are told what is read; scans returns the position of the note.
	reads(l location)
	scans(s span) int
}

// Snapshot is the state at one revision. It never changes.
type Snapshot struct {
	revision uint64
	tables   []*table
	batch    *batch // the engine call that makes it durable; nil if none is needed
}

// Revision of the snapshot.
func (s *Snapshot) Revision() uint64 { return s.revision }

func (s *Snapshot) table(i int) *table { return s.tables[i] }
func (s *Snapshot) reads(location)     {}
func (s *Snapshot) scans(span) int     { return 0 }

// Event says that something happened to a resource. One transaction may emit
// several; each change of a user-visible resource emits one.
type Event struct {
	Type      string            `json:"type"`               // "compute.instance.create.start", OpenStack's notification names where there is one
	Resource  string            `json:"resource"`           // "server"
	ID        string            `json:"id"`                 // the resource's id
	ProjectID string            `json:"project,omitempty"`  // whose it is
	UserID    string            `json:"user,omitempty"`     // who did it, if a user did
	RequestID string            `json:"request,omitempty"`  // the API request that caused it
	Time      time.Time         `json:"time"`               // when, by the cloud's clock
	Traits    map[string]string `json:"traits,omitempty"`   // small facts: flavor, size, host; no secrets
	Revision  uint64            `json:"revision,omitempty"` // the commit that holds it
}

// Commit is one durable change set as a watcher sees it.
type Commit struct {
	Revision uint64
	Changes  []Change
	Events   []Event
}

// Change is one document before and after. Old or New is nil for an insert or a
// delete; both hold *T of the collection's document type, read-only.
type Change struct {
	Collection string
	Key        string
	Old, New   any
}
