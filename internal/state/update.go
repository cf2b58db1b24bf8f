package state

import (
	"context"
	"errors"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// aloneAfter is how many conflicts a transaction bears before it runs while all
// other commits wait.
const aloneAfter = 3

// errRerun says that a transaction must run again, because what it built on has
// changed.
var errRerun = errors.New("state: the transaction must run again")

// Update runs f in a transaction and commits what it changed. f may run several
// times, so it must have no effect but through tx; it runs alone after repeated
// conflicts, so Update always makes progress. An error from f changes nothing
// and is returned as it is.
//
// Update returns when all that f read and wrote is durable; an error from f, too, is
// about the newest state, whichever controller made it. A done ctx ends it between
// runs of f, never once the commit is on its way: then its outcome counts. f must not
// call Update.
func (db *DB) Update(ctx context.Context, f func(tx *Tx) error) error {
	f = fenced(ctx, f)
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			return &fault.Error{Kind: fault.Of(err), Err: err}
		}
		db.pass(ctx)
		tx, batch, err := db.run(ctx, f, try >= aloneAfter)
		if err == errRerun {
			continue
		}
		stored := batch.wait()
		db.pass(ctx)
		changesNothing := err != nil || !tx.commits()
		if stored != nil {
			// What did not commit read a state that is void now; look again.
			if stored == errRerun || changesNothing {
				continue
			}
			return stored
		}
		if changesNothing {
			// No commit has proved that it read the newest state.
			if err := db.Sync(ctx); err != nil {
				return err
			}
			if db.outdated(tx) {
				continue
			}
		}
		if err != nil {
			return err
		}
		for _, hook := range tx.after {
			hook()
		}
		return nil
	}
}

// run runs f once and commits. It returns the batch that the outcome waits for.
func (db *DB) run(ctx context.Context, f func(tx *Tx) error, alone bool) (*Tx, *batch, error) {
	if alone {
		db.turn.Lock()
		defer db.turn.Unlock()
	}
	base := db.head.Load()
	if base == nil {
		panic("state: Update before Open")
	}
	tx := begin(base)
	err := f(tx)
	tx.ended = true
	if err != nil || !tx.commits() {
		return tx, base.batch, err
	}
	if err := db.encode(tx); err != nil {
		return tx, nil, err
	}
	if !alone {
		db.pass(ctx)
		db.turn.Lock()
		defer db.turn.Unlock()
	}
	batch, err := db.commit(tx)
	return tx, batch, err
}

// commits reports whether the transaction has anything to commit.
func (tx *Tx) commits() bool { return len(tx.writes) > 0 || len(tx.events) > 0 }

// encode prepares the JSON of what the transaction wrote.
func (db *DB) encode(tx *Tx) error {
	if db.engine == nil {
		return nil
	}
	for i, w := range tx.writes {
		if w.doc == nil {
			continue
		}
		doc, err := db.schemas[w.table].encode(w.doc)
		if err != nil {
			return fault.New(fault.Internal, "a document cannot be stored").Because(err)
		}
		tx.writes[i].json = doc
	}
	return nil
}

// commit makes the transaction's writes the new head, or returns errRerun. The
// caller holds turn.
func (db *DB) commit(tx *Tx) (*batch, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.closed {
		return nil, errClosed()
	}
	head := db.head.Load()
	if head != tx.base && !db.unchanged(tx, head) {
		return nil, errRerun
	}
	tables, ok := tx.tablesOn(head)
	if !ok {
		return nil, errRerun
	}
	next := &Snapshot{revision: head.revision + 1, tables: tables}
	for i, t := range tables {
		if t != head.tables[i] {
			t.changed = next.revision
		}
	}
	record := db.record(tx, head, next)
	if len(record.Changes) == 0 && len(record.Events) == 0 {
		return head.batch, nil // it deleted only what it had inserted itself
	}
	db.history.add(record)
	if db.engine == nil {
		db.head.Store(next)
		db.durable.Store(next)
		db.wakeWatchers()
		return nil, nil
	}
	next.batch = db.enqueue(next, db.changeSet(tx, record))
	db.head.Store(next)
	return next.batch, nil
}

// outdated reports whether another controller has changed what the transaction read.
func (db *DB) outdated(tx *Tx) bool {
	if _, shared := db.engine.(Follower); !shared {
		return false
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	head := db.head.Load()
	return head != tx.base && !db.unchanged(tx, head)
}

// unchanged reports whether all that the transaction read is the same in head.
func (db *DB) unchanged(tx *Tx, head *Snapshot) bool {
	if tx.base.batch.failed() {
		return false
	}
	records, ok := db.history.since(tx.base.revision, head.revision, 0)
	return ok && !slices.ContainsFunc(records, func(r *record) bool { return tx.conflicts(db.schemas, r) })
}

// record describes for the history what leads from head to next.
func (db *DB) record(tx *Tx, head, next *Snapshot) *record {
	r := &record{Commit: Commit{Revision: next.revision, Events: tx.events}}
	for _, w := range tx.writes {
		old := head.tables[w.table].get(w.key)
		if old == nil && w.doc == nil {
			continue
		}
		r.Changes = append(r.Changes, Change{db.schemas[w.table].name(), w.key, old, w.doc})
		r.tables = append(r.tables, w.table)
	}
	for i := range r.Events {
		r.Events[i].Revision = next.revision
	}
	return r
}

func (db *DB) changeSet(tx *Tx, r *record) ChangeSet {
	set := ChangeSet{Revision: r.Revision, Events: r.Events}
	for i, c := range r.Changes {
		w := tx.writes[tx.written[location{r.tables[i], c.Key}]]
		set.Rows = append(set.Rows, Row{
			Collection: c.Collection, Key: c.Key, Revision: r.Revision,
			Version: db.schemas[w.table].version(), Doc: w.json,
		})
	}
	return set
}
