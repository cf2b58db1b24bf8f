package state

import "slices"

// location is where a document is: the position of its table, and its key.
type location struct {
	table int
	key   string
}

// write is what a transaction leaves under a key: a *T, or nil to delete, and its
// JSON when there is an engine to store it.
type write struct {
	location
	doc  any
	json []byte
}

// Tx is a transaction under way; only the function that got it may use it.
type Tx struct {
	base   *Snapshot
	tables []*table // those of base, but for own copies
	owned  []bool   // which tables are copies that nobody else reads

	read    map[location]struct{}
	spans   []span
	writes  []write
	written map[location]int // where in writes
	events  []Event
	after   []func()
	ended   bool
}

func begin(base *Snapshot) *Tx {
	return &Tx{
		base:    base,
		tables:  base.tables,
		read:    map[location]struct{}{},
		written: map[location]int{},
	}
}

// Revision of the snapshot that the transaction began from.
func (tx *Tx) Revision() uint64 { return tx.base.revision }

// Emit records an event in the transaction: it is kept and watched if, and only
// if, the transaction commits. The event's Revision is filled in.
func (tx *Tx) Emit(e Event) {
	tx.check()
	tx.events = append(tx.events, e)
}

// AfterCommit calls f once the transaction is durable, in the goroutine of
// Update, before Update returns. f must not block.
func (tx *Tx) AfterCommit(f func()) {
	tx.check()
	tx.after = append(tx.after, f)
}

func (tx *Tx) table(i int) *table {
	tx.check()
	return tx.tables[i]
}

func (tx *Tx) check() {
	if tx.ended {
		panic("state: a transaction was used after its function returned")
	}
}

// own returns the transaction's own copy of a table, for writing.
func (tx *Tx) own(i int) *table {
	tx.check()
	if tx.owned == nil {
		tx.tables = slices.Clone(tx.tables)
		tx.owned = make([]bool, len(tx.tables))
	}
	if !tx.owned[i] {
		tx.tables[i] = tx.tables[i].clone()
		tx.owned[i] = true
	}
	return tx.tables[i]
}

// share says that somebody walks over the table, so that the next write must make
// a copy of it.
func (tx *Tx) share(i int) {
	if tx.owned != nil {
		tx.owned[i] = false
	}
}

// reads notes that the transaction depends on what is, or is not, at l. What it
// has written itself is no dependency.
func (tx *Tx) reads(l location) {
	if _, own := tx.written[l]; !own {
		tx.read[l] = struct{}{}
	}
}

// scans notes that the transaction depends on a range, and returns the position of
// the note.
func (tx *Tx) scans(s span) int {
	tx.spans = append(tx.spans, s)
	return len(tx.spans) - 1
}

func (tx *Tx) wrote(l location, doc any) {
	if i, again := tx.written[l]; again {
		tx.writes[i].doc = doc
		return
	}
	tx.written[l] = len(tx.writes)
	tx.writes = append(tx.writes, write{location: l, doc: doc})
}

// conflicts reports whether a commit changed what the transaction has read.
func (tx *Tx) conflicts(schemas []schema, c *record) bool {
	for i, change := range c.Changes {
		table := c.tables[i]
		if _, read := tx.read[location{table, change.Key}]; read {
			return true
		}
		for _, s := range tx.spans {
			if s.table != table {
				continue
			}
			for _, doc := range []any{change.Old, change.New} {
				if slices.ContainsFunc(schemas[table].keys(s.index, change.Key, doc), s.has) {
					return true
				}
			}
		}
	}
	return false
}

// tablesOn returns the tables of head with the transaction's writes; false if a
// unique index forbids one of them there.
func (tx *Tx) tablesOn(head *Snapshot) ([]*table, bool) {
	if head == tx.base {
		return tx.tables, true
	}
	tables := slices.Clone(head.tables)
	cloned := make([]bool, len(tables))
	// All old index keys go before new ones come: documents may swap unique keys.
	for _, w := range tx.writes {
		if !cloned[w.table] {
			tables[w.table], cloned[w.table] = tables[w.table].clone(), true
		}
		tables[w.table].remove(w.key)
	}
	for _, w := range tx.writes {
		if w.doc == nil {
			continue
		}
		if _, _, taken := tables[w.table].taken(w.key, w.doc); taken {
			return nil, false
		}
		tables[w.table].put(w.key, w.doc)
	}
	return tables, true
}
