package state

import "context"

// Row is one stored document.
type Row struct {
	Collection string
	Key        string
	Version    int    // the version of the document's Go type, from Define
	Revision   uint64 // the revision that wrote it
	Doc        []byte // JSON, owned by who receives it; nil in a ChangeSet means deleted
}

// ChangeSet is what one transaction changed. Revisions have no gaps.
type ChangeSet struct {
	Revision uint64
	Rows     []Row
	Events   []Event
}

// Engine keeps change sets durable. The DB above it keeps all state in memory;
// an engine is asked for everything once, at Open, and then only appended to.
// The memory engine is nil: New(nil, …) keeps nothing.
//
// Contract, tested by package enginetest:
//   - Commit is atomic over all its sets, durable when it returns nil, and leaves
//     nothing behind when it returns an error.
//   - Commit must answer [ErrStale] when the stored revision is not base: another
//     controller has committed. The DB then calls Since and tries again.
//   - An engine that only one process may use must refuse a second one in its
//     constructor with fault.Conflict and a message that says who holds it.
//   - Methods are not called concurrently with Commit, except Since and those of
//     [Follower].
type Engine interface {
	// Load calls row for each stored document, in any order, from one snapshot,
	// and returns the revision of that snapshot (0 if nothing was ever stored).
	// row may be slow; an error from it ends the load with that error.
	Load(ctx context.Context, row func(Row) error) (revision uint64, err error)
	// Commit appends sets, the first of which has revision base+1.
	Commit(ctx context.Context, base uint64, sets []ChangeSet) error
	// Since returns the change sets after revision, oldest first, those that the
	// engine still has; ErrCompacted if it no longer has them all.
	Since(ctx context.Context, revision uint64) ([]ChangeSet, error)
	// Close releases the engine. Later calls fail with fault.Unavailable.
	Close() error
}

// Follower is an Engine that several controllers may use at once, and that tells
// them of each other's commits. The DB above it then adopts those as they come, not
// only when a commit of its own is refused. On PostgreSQL, Await is a LISTEN and a
// SELECT of the newest revision after each notification.
type Follower interface {
	Engine
	// Await blocks until the stored revision is newer than revision, by whomever,
	// and returns it. It mends lost connections itself: it fails only when ctx ends
	// or the engine is closed. It is called concurrently with all other methods.
	Await(ctx context.Context, revision uint64) (newest uint64, err error)
}
