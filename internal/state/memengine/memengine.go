// Package memengine is a state.Engine that stores bytes in memory, with
// programmable faults: it stands for a disk, or for a shared database, in tests of
// what is above the engine.
package memengine

import (
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Options of NewStore.
type Options struct {
	// Shared lets several engines be open on the store at once, like the
	// controllers of one cloud on one database.
	Shared bool
	// Retained is how many revisions Since can go back; 0 means 1024.
	Retained int
	// Before, if set, is called with the name of each engine method before it does
	// anything. It may block; an error from it is what the method returns.
	Before func(method string) error
	// After is Before, but for when the method has done its work: a commit that it
	// fails is stored all the same, as when the answer of a database is lost.
	After func(method string) error
}

// Store is what outlives an engine: the disk. It is safe for concurrent use.
type Store struct {
	opts Options

	mu       sync.Mutex
	engines  int
	docs     map[location]state.Row
	sets     []state.ChangeSet // the retained ones, oldest first
	revision uint64
	moved    chan struct{} // closed when the revision has moved, or an engine was closed
}

type location struct{ collection, key string }

// NewStore returns an empty store.
func NewStore(opts Options) *Store {
	if opts.Retained == 0 {
		opts.Retained = 1024
	}
	return &Store{opts: opts, docs: map[location]state.Row{}, moved: make(chan struct{})}
}

// Open returns an engine on the store, a state.Follower if the store is shared;
// fault.Conflict if there is one already and it is not.
func (s *Store) Open() (state.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engines > 0 && !s.opts.Shared {
		return nil, fault.New(fault.Conflict, "the state in memory is in use by this process")
	}
	s.engines++
	e := &engine{store: s}
	if s.opts.Shared {
		return &follower{e}, nil
	}
	return e, nil
}

// tell wakes those who await a revision. The caller holds mu.
func (s *Store) tell() {
	close(s.moved)
	s.moved = make(chan struct{})
}

type engine struct {
	store  *Store
	closed bool // guarded by the store's mu
}

// follower is an engine on a shared store.
type follower struct{ *engine }

// Await is not seen by the hooks: it only waits until Since has something to give.
func (f *follower) Await(ctx context.Context, revision uint64) (newest uint64, err error) {
	for {
		var moved chan struct{}
		err = f.locked(func() error {
			newest, moved = f.store.revision, f.store.moved
			return nil
		})
		if err != nil || newest > revision {
			return newest, err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return 0, &fault.Error{Kind: fault.Of(ctx.Err()), Err: ctx.Err()}
		}
	}
}

// Load gives the documents in no particular order.
func (e *engine) Load(ctx context.Context, row func(state.Row) error) (revision uint64, err error) {
	var docs []state.Row
	err = e.do(ctx, "Load", func() error {
		docs = slices.Collect(maps.Values(e.store.docs))
		revision = e.store.revision
		return nil
	})
	for i := 0; err == nil && i < len(docs); i++ {
		docs[i].Doc = slices.Clone(docs[i].Doc)
		err = row(docs[i])
	}
	return revision, err
}

// Commit appends the sets.
func (e *engine) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	return e.do(ctx, "Commit", func() error {
		s := e.store
		if s.revision != base {
			return state.ErrStale
		}
		for _, set := range sets {
			set = clone(set)
			for _, row := range set.Rows {
				at := location{row.Collection, row.Key}
				if row.Doc == nil {
					delete(s.docs, at)
				} else {
					s.docs[at] = row
				}
			}
			s.sets = append(s.sets, set)
			s.revision = set.Revision
		}
		s.tell()
		if extra := len(s.sets) - s.opts.Retained; extra > 0 {
			s.sets = slices.Delete(s.sets, 0, extra)
		}
		return nil
	})
}

// Since returns the sets after revision.
func (e *engine) Since(ctx context.Context, revision uint64) (sets []state.ChangeSet, err error) {
	err = e.do(ctx, "Since", func() error {
		s := e.store
		if revision+uint64(len(s.sets)) < s.revision {
			return state.ErrCompacted
		}
		for _, set := range s.sets {
			if set.Revision > revision {
				sets = append(sets, clone(set))
			}
		}
		return nil
	})
	return sets, err
}

// Close lets another engine be opened.
func (e *engine) Close() error {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if e.closed {
		return errClosed()
	}
	e.closed = true
	e.store.engines--
	e.store.tell()
	return nil
}

// do runs f with the store locked, between the hooks.
func (e *engine) do(ctx context.Context, method string, f func() error) error {
	if err := call(e.store.opts.Before, method); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return &fault.Error{Kind: fault.Of(err), Err: err}
	}
	if err := e.locked(f); err != nil {
		return err
	}
	return call(e.store.opts.After, method)
}

func (e *engine) locked(f func() error) error {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	if e.closed {
		return errClosed()
	}
	return f()
}

func call(hook func(string) error, method string) error {
	if hook == nil {
		return nil
	}
	return hook(method)
}

func errClosed() error { return fault.New(fault.Unavailable, "the engine is closed") }

// clone copies a set deeply: what is stored must not change with what was given.
func clone(set state.ChangeSet) state.ChangeSet {
	set.Rows = slices.Clone(set.Rows)
	for i := range set.Rows {
		set.Rows[i].Doc = slices.Clone(set.Rows[i].Doc)
	}
	set.Events = slices.Clone(set.Events)
	for i := range set.Events {
		set.Events[i].Traits = maps.Clone(set.Events[i].Traits)
	}
	return set
}
