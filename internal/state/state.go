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
package state

import (
	"context"
	"iter"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Errors of the engine contract.
var (
	ErrStale     = fault.New(fault.Conflict, "the stored revision has moved on")
	ErrCompacted = fault.New(fault.Exhausted, "the revision is too old to be followed")
)

// Options of New; nil means the defaults.
type Options struct {
	// History is how many recent change sets are kept for Watch and for conflict
	// checks; 0 means 4096.
	History int
}

// New returns a closed DB over engine; nil keeps the state in memory only.
// Define the collections, then call Open.
func New(engine Engine, opts *Options) *DB { panic("stub") }

// DB is the state of one cloud. It is safe for concurrent use.
type DB struct{}

// Open loads the stored documents. Every collection must have been defined.
func (db *DB) Open(ctx context.Context) error { panic("stub") }

// Close waits for commits under way and closes the engine.
func (db *DB) Close() error { panic("stub") }

// Snapshot returns the newest durable state. It costs one atomic load and never
// blocks.
func (db *DB) Snapshot() *Snapshot { panic("stub") }

// Update runs f in a transaction and commits what it changed. f may run several
// times, so it must have no effect but through tx; it runs alone after repeated
// conflicts, so Update always makes progress. An error from f changes nothing
// and is returned as it is.
func (db *DB) Update(ctx context.Context, f func(tx *Tx) error) error { panic("stub") }

// Watch gives the commits after revision from, oldest first, and then new ones
// as they become durable, until ctx is done or the consumer stops. A consumer that
// falls behind the kept history gets ErrCompacted and must read a snapshot again.
func (db *DB) Watch(ctx context.Context, from uint64) iter.Seq2[Commit, error] { panic("stub") }

// Fork returns an open DB in memory with the state of now, sharing its memory,
// whose later changes neither side sees of the other. Collections defined on the
// original read and write the fork too.
func (db *DB) Fork() *DB { panic("stub") }

// Reader is what can be read from: a *Snapshot or, in a transaction, a *Tx, which
// sees its own writes.
type Reader interface {
	// Revision is the revision of the state that is read.
	Revision() uint64
	table(i int) tableReader
}

type tableReader interface{}

// Snapshot is the state at one revision. It never changes.
type Snapshot struct{}

// Revision of the snapshot.
func (s *Snapshot) Revision() uint64        { panic("stub") }
func (s *Snapshot) table(i int) tableReader { panic("stub") }

// Tx is a transaction under way; only the function that got it may use it.
type Tx struct{}

// Revision of the snapshot that the transaction began from.
func (tx *Tx) Revision() uint64        { panic("stub") }
func (tx *Tx) table(i int) tableReader { panic("stub") }

// Emit records an event in the transaction: it is kept and watched if, and only
// if, the transaction commits. The event's Revision is filled in.
func (tx *Tx) Emit(e Event) { panic("stub") }

// AfterCommit calls f once the transaction is durable, in the goroutine of
// Update, before Update returns. f must not block.
func (tx *Tx) AfterCommit(f func()) { panic("stub") }

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

// Key joins the parts of an index key so that a prefix of the parts is a prefix of
// the key.
func Key(parts ...string) string { return strings.Join(parts, "\x00") }

// Index orders a collection by something else than its key.
type Index[T any] struct{}

// NewIndex describes a secondary index. keys gives the index keys of a document,
// each made with Key: none, one or several.
func NewIndex[T any](name string, keys func(*T) []string) *Index[T] { panic("stub") }

// NewUnique is NewIndex for keys that at most one document may have; a write that
// would break this fails with fault.AlreadyExists.
func NewUnique[T any](name string, keys func(*T) []string) *Index[T] { panic("stub") }

// Collection is a typed set of documents, each under its own key.
type Collection[T any] struct{}

// Spec describes a collection to Define.
type Spec[T any] struct {
	Name    string          // "compute.servers": stable, it is stored
	Noun    string          // "server": how errors call a document
	Key     func(*T) string // the document's key, usually its id
	Version int             // of the stored form, from 1; 0 means 1
	Indexes []*Index[T]
	// Upgrade turns the JSON of an older version into the present document.
	// Needed only when Version > 1.
	Upgrade func(version int, doc []byte) (T, error)
}

// Define adds a collection to a DB that is not open yet. A second definition of
// the same name panics.
func Define[T any](db *DB, spec Spec[T]) *Collection[T] { panic("stub") }

// Get returns the document under key: fault.NotFound, with the collection's noun
// and the key, if there is none.
func (c *Collection[T]) Get(r Reader, key string) (T, error) { panic("stub") }

// Has reports whether there is a document under key.
func (c *Collection[T]) Has(r Reader, key string) bool { panic("stub") }

// Find returns the first document whose index key is exactly Key(parts...), and
// whether there is one.
func (c *Collection[T]) Find(r Reader, ix *Index[T], parts ...string) (T, bool) { panic("stub") }

// All walks the documents in the order of their keys.
func (c *Collection[T]) All(r Reader) iter.Seq[T] { panic("stub") }

// Where walks the documents whose index key begins with the parts, in the order of
// the index key and then of the document's key. With no parts it walks all that
// are in the index.
func (c *Collection[T]) Where(r Reader, ix *Index[T], parts ...string) iter.Seq[T] {
	panic("stub")
}

// Count returns how many documents Where would give; with a nil index, how many
// there are.
func (c *Collection[T]) Count(r Reader, ix *Index[T], parts ...string) int { panic("stub") }

// Insert adds a document: fault.AlreadyExists if its key or a unique index key is
// taken.
func (c *Collection[T]) Insert(tx *Tx, doc T) error { panic("stub") }

// Put adds or replaces a document: fault.AlreadyExists only for a unique index.
func (c *Collection[T]) Put(tx *Tx, doc T) error { panic("stub") }

// Change reads the document under key, lets f alter it, and puts it back. An
// error from f changes nothing. The key must stay.
func (c *Collection[T]) Change(tx *Tx, key string, f func(doc *T) error) error { panic("stub") }

// Delete removes the document under key: fault.NotFound if there is none.
func (c *Collection[T]) Delete(tx *Tx, key string) error { panic("stub") }
