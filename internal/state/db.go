package state

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Options of New; nil means the defaults.
type Options struct {
	// History is how many recent change sets are kept for Watch and for conflict
	// checks; 0 means 4096.
	History int
}

// DB is the state of one cloud. It is safe for concurrent use.
type DB struct {
	engine  Engine
	keep    int // how many commits the history holds
	schemas []schema
	byName  map[string]int

	parent *DB       // that this one is a fork of; nil if it is none
	origin *Snapshot // of a fork: what it began with

	durable atomic.Pointer[Snapshot] // newest that the engine has; what readers see
	head    atomic.Pointer[Snapshot] // newest of all; what transactions begin from

	changes changes // of what footprints are of

	turn sync.Mutex // held to commit, and by a transaction that runs alone

	mu      sync.Mutex // guards what follows, and changes of durable and head
	history history
	pending *batch        // commits that wait for the committer
	newest  uint64        // revision that the engine is known to have
	syncs   []chan error  // who waits for the newest state
	wake    chan struct{} // closed when durable has moved; nil if nobody waits
	closed  bool

	work     chan struct{} // tells the committer that there is something to do
	stopped  chan struct{} // closed when the committer has ended
	stop     context.CancelFunc
	unfollow func() // ends the following of other controllers; nil without
}

// New returns a closed DB over engine; nil keeps the state in memory only.
// Define the collections, then call Open.
func New(engine Engine, opts *Options) *DB {
	keep := 4096
	if opts != nil && opts.History > 0 {
		keep = opts.History
	}
	return &DB{engine: engine, keep: keep, byName: map[string]int{}, changes: changes{seed: maphash.MakeSeed()}}
}

func (db *DB) define(s schema) int {
	if db.origin != nil {
		return db.redefine(s)
	}
	if _, twice := db.byName[s.name()]; twice {
		panic(fmt.Sprintf("state: collection %s is defined twice", s.name()))
	}
	if db.durable.Load() != nil {
		panic(fmt.Sprintf("state: collection %s is defined after Open", s.name()))
	}
	db.byName[s.name()] = len(db.schemas)
	db.schemas = append(db.schemas, s)
	return len(db.schemas) - 1
}

// Open loads the stored documents. Every collection must have been defined;
// documents of collections that were not are left alone.
func (db *DB) Open(ctx context.Context) error {
	if db.durable.Load() != nil {
		panic("state: opened twice")
	}
	s := &Snapshot{tables: make([]*table, len(db.schemas))}
	for i, schema := range db.schemas {
		s.tables[i] = newTable(schema)
	}
	if db.engine != nil {
		var err error
		if s, err = db.load(ctx); err != nil {
			return err
		}
	}
	db.start(s)
	if db.engine != nil {
		life, stop := context.WithCancel(context.WithoutCancel(ctx))
		db.work, db.stopped, db.stop = make(chan struct{}, 1), make(chan struct{}), stop
		go db.commitPending(life)
		if f, ok := db.engine.(Follower); ok {
			db.follow(life, f, s.revision)
		}
	}
	return nil
}

func (db *DB) start(s *Snapshot) {
	db.history = newHistory(db.keep, s.revision)
	db.head.Store(s)
	db.durable.Store(s)
}

// Close waits for commits under way and closes the engine. The newest snapshot
// can still be read.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.closed {
		db.mu.Unlock()
		return nil
	}
	db.closed = true
	db.wakeWatchers()
	if db.work != nil {
		close(db.work)
	}
	db.mu.Unlock()
	if db.unfollow != nil {
		db.unfollow()
	}
	if db.work != nil {
		<-db.stopped
		db.stop()
	}
	if db.engine != nil {
		return db.engine.Close()
	}
	return nil
}

// Snapshot returns the newest durable state. It costs one atomic load and never
// blocks.
func (db *DB) Snapshot() *Snapshot {
	s := db.durable.Load()
	if s == nil {
		panic("state: read before Open")
	}
	return s
}
