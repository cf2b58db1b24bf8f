package state

import (
	"context"
	"errors"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// batch is the commits that become durable in one engine call. A nil batch is
// durable.
type batch struct {
	base uint64
	sets []ChangeSet
	last *Snapshot
	done chan struct{}
	err  error // set before done is closed
}

// wait returns when the batch is durable or has failed.
func (b *batch) wait() error {
	if b == nil {
		return nil
	}
	<-b.done
	return b.err
}

// failed reports whether the batch is known not to be durable.
func (b *batch) failed() bool {
	if b == nil {
		return false
	}
	select {
	case <-b.done:
		return b.err != nil
	default:
		return false
	}
}

// end wakes those who wait and lets go of the batch's content, which snapshots
// would keep alive.
func (b *batch) end(err error) {
	b.err = err
	b.sets, b.last = nil, nil
	close(b.done)
}

// enqueue adds a commit to the pending batch. The caller holds mu.
func (db *DB) enqueue(next *Snapshot, set ChangeSet) *batch {
	if db.pending == nil {
		db.pending = &batch{base: next.revision - 1, done: make(chan struct{})}
		select {
		case db.work <- struct{}{}:
		default:
		}
	}
	b := db.pending
	b.sets = append(b.sets, set)
	b.last = next
	return b
}

// commitPending is the committer: it gives the engine all that has gathered while
// its last call ran, until the DB is closed and nothing is left.
func (db *DB) commitPending(ctx context.Context) {
	defer close(db.stopped)
	for range db.work {
		for b := db.takePending(); b != nil; b = db.takePending() {
			err := db.engine.Commit(ctx, b.base, b.sets)
			switch {
			case err == nil:
				db.succeed(b)
			case errors.Is(err, ErrStale):
				db.catchUp(ctx, b)
			default:
				db.fail(b, unavailable(err), nil)
			}
		}
	}
}

func (db *DB) takePending() *batch {
	db.mu.Lock()
	defer db.mu.Unlock()
	b := db.pending
	db.pending = nil
	return b
}

func (db *DB) succeed(b *batch) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.durable.Store(b.last)
	db.wakeWatchers()
	b.end(nil)
}

// fail gives err to all commits that are not durable and falls back to the newest
// durable state, on which adopt may build.
func (db *DB) fail(b *batch, err error, adopt func()) {
	db.mu.Lock()
	defer db.mu.Unlock()
	durable := db.durable.Load()
	db.history.truncate(durable.revision)
	db.head.Store(durable)
	if adopt != nil {
		adopt()
		db.wakeWatchers()
	}
	b.end(err)
	if db.pending != nil {
		db.pending.end(err)
		db.pending = nil
	}
}

// catchUp takes in what another controller has committed; then the transactions
// of the batch run again.
func (db *DB) catchUp(ctx context.Context, b *batch) {
	sets, err := db.engine.Since(ctx, db.durable.Load().revision)
	if errors.Is(err, ErrCompacted) {
		db.reload(ctx, b)
		return
	}
	var records []*record
	if err == nil {
		records, err = db.decode(sets)
	}
	if err != nil {
		db.fail(b, unavailable(err), nil)
		return
	}
	db.fail(b, errRerun, func() { db.adopt(records) })
}

// reload reads the whole state again; watchers have to as well.
func (db *DB) reload(ctx context.Context, b *batch) {
	s, err := db.load(ctx)
	if err != nil {
		db.fail(b, unavailable(err), nil)
		return
	}
	db.fail(b, errRerun, func() { db.start(s) })
}

// decode turns the rows of others' change sets into documents.
func (db *DB) decode(sets []ChangeSet) ([]*record, error) {
	records := make([]*record, len(sets))
	for i, set := range sets {
		r := &record{Commit: Commit{Revision: set.Revision, Events: set.Events}}
		for _, row := range set.Rows {
			table, known := db.byName[row.Collection]
			if !known {
				continue
			}
			change := Change{Collection: row.Collection, Key: row.Key}
			if row.Doc != nil {
				var err error
				if change.New, err = db.schemas[table].decode(row); err != nil {
					return nil, err
				}
			}
			r.Changes = append(r.Changes, change)
			r.tables = append(r.tables, table)
		}
		records[i] = r
	}
	return records, nil
}

// adopt applies the commits of others to the durable state. The caller holds mu.
func (db *DB) adopt(records []*record) {
	s := db.durable.Load()
	for _, r := range records {
		next := &Snapshot{revision: r.Revision, tables: append([]*table(nil), s.tables...)}
		for i, c := range r.Changes {
			t := next.tables[r.tables[i]].clone()
			next.tables[r.tables[i]] = t
			r.Changes[i].Old = t.get(c.Key)
			if c.New == nil {
				t.remove(c.Key)
			} else {
				t.put(c.Key, c.New)
			}
		}
		db.history.add(r)
		s = next
	}
	db.head.Store(s)
	db.durable.Store(s)
}

func unavailable(err error) error {
	return fault.New(fault.Unavailable, "the change could not be stored").Because(err)
}
