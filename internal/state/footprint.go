package state

import (
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"
)

// Footprint is what a computation has read of a state. As long as [DB.Holds] says so,
// the computation would give the same again, so its result can be kept. It is safe for
// concurrent use.
type Footprint struct {
	revision atomic.Uint64 // up to which it is known to hold
	tables   []int
	marks    []uint64
}

// Trace is a Reader of a snapshot that notes what is read: each document, absent key
// and range of an index. It is for one goroutine.
type Trace struct {
	*Snapshot
	db     *DB
	tables []int
	marks  []uint64
}

// Trace returns a reader of a snapshot of this DB that notes what is read.
func (db *DB) Trace(s *Snapshot) *Trace {
	return &Trace{Snapshot: s, db: db, marks: make([]uint64, 0, 32)}
}

// Footprint returns what was read so far.
func (t *Trace) Footprint() *Footprint {
	f := &Footprint{tables: t.tables, marks: t.marks}
	f.revision.Store(t.revision)
	t.db.changes.follow(t.db, t.tables)
	return f
}

func (t *Trace) reads(l location) { t.note(l.table, primary, l.key) }

func (t *Trace) scans(s span) int {
	if s.index == primary {
		s.from = "" // any change is noted under that, none under where a walk begins
	}
	t.note(s.table, s.index, s.from)
	return 0
}

func (t *Trace) note(table, index int, key string) {
	if !slices.Contains(t.tables, table) {
		t.tables = append(t.tables, table)
	}
	t.marks = append(t.marks, t.db.changes.mark(table, index, key))
}

// Holds reports whether what was read is the same in s, or was so in a later snapshot.
// It may say no although nothing has changed; it never says yes wrongly. The footprint
// must be of this DB.
func (db *DB) Holds(f *Footprint, s *Snapshot) bool {
	since := f.revision.Load()
	if since >= s.revision {
		return true
	}
	untouched := !slices.ContainsFunc(f.tables, func(t int) bool { return s.tables[t].changed > since })
	if !untouched && !db.changes.none(db, f, since, s.revision) {
		return false
	}
	f.revision.Store(s.revision)
	return true
}

// marksKept is how many marks of changes a generation remembers, for each commit that
// the history holds.
const marksKept = 8

// changes remembers when what footprints are made of has changed last. A mark stands
// for a document or for the beginning of an index key, which is where ranges begin; two
// things with the same mark count as one. It follows the history when it is asked, and
// looks only at the tables that a footprint was ever asked about.
type changes struct {
	seed maphash.Seed

	mu         sync.RWMutex
	tables     map[int]bool      // those that are looked at
	upTo       uint64            // the revision up to which changes are noted
	floor      uint64            // changes up to here are not known any more
	young, old map[uint64]uint64 // the newest revision of a mark
	oldEnd     uint64            // no change in old is newer
}

func (c *changes) mark(table, index int, key string) uint64 {
	return maphash.String(c.seed, key) + uint64(table*64+index+1)*0x9e3779b97f4a7c15
}

// follow looks at some tables from now on.
func (c *changes) follow(db *DB, tables []int) {
	c.mu.RLock()
	lacks := c.lacks(tables)
	c.mu.RUnlock()
	if !lacks {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUp(db)
	if c.tables == nil {
		c.tables = map[int]bool{}
	}
	for _, t := range tables {
		c.tables[t] = true
	}
	c.forget() // what it knows is without these
}

func (c *changes) lacks(tables []int) bool {
	return slices.ContainsFunc(tables, func(t int) bool { return !c.tables[t] })
}

// none reports whether nothing of f has changed from one revision to another, as far as
// that is known.
func (c *changes) none(db *DB, f *Footprint, since, to uint64) bool {
	c.mu.RLock()
	if c.upTo >= to {
		defer c.mu.RUnlock()
		return c.unchanged(f.marks, since)
	}
	c.mu.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.catchUp(db)
	return c.unchanged(f.marks, since)
}

func (c *changes) unchanged(marks []uint64, since uint64) bool {
	return since >= c.floor && !slices.ContainsFunc(marks, func(m uint64) bool {
		return c.young[m] > since || c.old[m] > since
	})
}

// catchUp notes what was committed since it was last called.
func (c *changes) catchUp(db *DB) {
	db.mu.Lock()
	to := db.durable.Load().revision
	records, ok := db.history.since(c.upTo, to, 0)
	db.mu.Unlock()
	c.upTo = to
	if !ok {
		c.forget()
		return
	}
	for _, r := range records {
		if len(c.young) >= marksKept*db.keep {
			c.floor, c.oldEnd = c.oldEnd, r.Revision-1
			c.old, c.young = c.young, nil
		}
		c.add(db, r)
	}
}

// forget makes all footprints older than now void.
func (c *changes) forget() {
	c.floor, c.oldEnd = c.upTo, c.upTo
	c.old, c.young = nil, nil
}

// add notes the changes of one commit.
func (c *changes) add(db *DB, r *record) {
	if c.young == nil {
		c.young = map[uint64]uint64{}
	}
	for i, change := range r.Changes {
		table := r.tables[i]
		if !c.tables[table] {
			continue
		}
		schema := db.schemas[table]
		c.young[c.mark(table, primary, "")] = r.Revision // of walks over all
		c.young[c.mark(table, primary, change.Key)] = r.Revision
		for index := range schema.indexes() {
			for _, doc := range []any{change.Old, change.New} {
				for _, key := range schema.keys(index, change.Key, doc) {
					c.addBeginnings(table, index, key, r.Revision)
				}
			}
		}
	}
}

// addBeginnings notes a change under each range that holds an index key: those that
// begin with none of its parts, with the first, and so on.
func (c *changes) addBeginnings(table, index int, key string, revision uint64) {
	c.young[c.mark(table, index, "")] = revision
	for at := 0; at < len(key); at++ {
		if key[at:at+1] == separator {
			c.young[c.mark(table, index, key[:at])] = revision
		}
	}
	c.young[c.mark(table, index, key)] = revision
}
