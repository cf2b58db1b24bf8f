package state

import (
	"context"
	"errors"
	"slices"

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
		db.tellCommitter()
	}
	b := db.pending
	b.sets = append(b.sets, set)
	b.last = next
	return b
}

// tellCommitter says that there is work. The caller holds mu, and the DB is open.
func (db *DB) tellCommitter() {
	select {
	case db.work <- struct{}{}:
	default:
	}
}

// duty is what the committer does next.
type duty struct {
	batch *batch       // to be stored; nil if there is none
	news  bool         // others have committed
	syncs []chan error // to be told when the DB is current
}

// commitPending is the committer: it gives the engine all that has gathered while
// its last call ran, and adopts what others have committed, until the DB is closed
// and nothing is left. It alone moves the durable state, so nothing is adopted while
// a commit of this DB is on its way.
func (db *DB) commitPending(ctx context.Context) {
	defer close(db.stopped)
	for range db.work {
		for d, some := db.nextDuty(); some; d, some = db.nextDuty() {
			err := db.perform(ctx, d)
			for _, done := range d.syncs {
				done <- err // has room for it
			}
		}
	}
}

func (db *DB) nextDuty() (d duty, some bool) {
	db.mu.Lock()
	defer db.mu.Unlock()
	d = duty{db.pending, db.newest > db.durable.Load().revision, db.syncs}
	db.pending, db.newest, db.syncs = nil, 0, nil
	return d, d.batch != nil || d.news || d.syncs != nil
}

// perform does a duty. Without an error the DB then has all that was stored when
// perform began.
func (db *DB) perform(ctx context.Context, d duty) error {
	if d.batch == nil {
		return db.catchUp(ctx, nil, nil)
	}
	var err error = ErrStale
	if !d.news {
		err = db.engine.Commit(ctx, d.batch.base, d.batch.sets)
	}
	switch _, follows := db.engine.(Follower); {
	case err == nil:
		db.succeed(d.batch)
		return nil
	case errors.Is(err, ErrStale):
		return db.catchUp(ctx, d.batch, errRerun)
	case follows: // it may be stored all the same, and others build on it
		return db.catchUp(ctx, d.batch, unavailable(err))
	}
	db.fail(d.batch, unavailable(err), nil)
	return err
}

func (db *DB) succeed(b *batch) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.durable.Store(b.last)
	db.wakeWatchers()
	b.end(nil)
}

// fail gives err to all commits that are not durable, those of b and those that
// wait behind it, and falls back to the newest durable state, on which adopt may
// build.
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
	if b != nil {
		b.end(err)
	}
	if db.pending != nil {
		db.pending.end(err)
		db.pending = nil
	}
}

// catchUp takes in what is stored and not known here. If b is not nil, it was not
// acknowledged and ends with err; otherwise what waits to be stored runs again if
// there was anything to take in.
func (db *DB) catchUp(ctx context.Context, b *batch, err error) error {
	adopt, failed := db.missing(ctx)
	switch {
	case b == nil && adopt != nil:
		db.fail(nil, errRerun, adopt)
	case b != nil && failed != nil && err == errRerun:
		db.fail(b, unavailable(failed), nil)
	case b != nil:
		db.fail(b, err, adopt)
	}
	if failed != nil {
		return fault.New(fault.Unavailable, "the newest state could not be read").Because(failed)
	}
	return nil
}

// missing reads what is stored and not known here, and returns how to take it in;
// nil if nothing is missing. adopt's caller holds mu.
func (db *DB) missing(ctx context.Context) (adopt func(), err error) {
	sets, err := db.engine.Since(ctx, db.durable.Load().revision)
	if errors.Is(err, ErrCompacted) { // watchers will have to read anew as well
		s, err := db.load(ctx)
		if err != nil {
			return nil, err
		}
		return func() { db.start(s) }, nil
	}
	if err != nil || len(sets) == 0 {
		return nil, err
	}
	records, err := db.decode(sets)
	if err != nil {
		return nil, err
	}
	return func() { db.adopt(records) }, nil
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
	next := &Snapshot{revision: s.revision, tables: slices.Clone(s.tables)}
	cloned := make([]bool, len(next.tables))
	for _, r := range records {
		for i := range r.Changes {
			c, table := &r.Changes[i], r.tables[i]
			if !cloned[table] {
				next.tables[table], cloned[table] = next.tables[table].clone(), true
			}
			next.tables[table].changed = r.Revision
			c.Old = next.tables[table].get(c.Key)
			if c.New == nil {
				next.tables[table].remove(c.Key)
			} else {
				next.tables[table].put(c.Key, c.New)
			}
		}
		db.history.add(r)
		next.revision = r.Revision
	}
	db.head.Store(next)
	db.durable.Store(next)
}

func unavailable(err error) error {
	return fault.New(fault.Unavailable, "the change could not be stored").Because(err)
}
