package state

import (
	"fmt"
	"reflect"
)

// Fork returns an open DB in memory with the state of now, sharing its memory,
// whose later changes neither side sees of the other. Collections defined on the
// original read and write the fork too; Define on the fork gives further ones over the
// same documents. It can be watched from the revision that it began with.
func (db *DB) Fork() *DB {
	now := db.Snapshot()
	f := &DB{keep: db.keep, schemas: db.schemas, byName: db.byName, parent: db, changes: changes{seed: db.changes.seed}}
	f.origin = &Snapshot{revision: now.revision, tables: now.tables}
	f.start(f.origin)
	return f
}

// Origin is the state that a fork began with; nil for a DB that is no fork.
func (db *DB) Origin() *Snapshot { return db.origin }

// Collections returns the names of all collections, in the order of their definition.
func (db *DB) Collections() []string {
	names := make([]string, len(db.schemas))
	for i, s := range db.schemas {
		names[i] = s.name()
	}
	return names
}

// redefine finds the table that a collection has on the original. The definition must
// be the same.
func (db *DB) redefine(s schema) int {
	at, known := db.byName[s.name()]
	if !known {
		panic(fmt.Sprintf("state: collection %s is not defined on the original of a fork", s.name()))
	}
	if was := db.schemas[at]; was.indexes() != s.indexes() || reflect.TypeOf(was) != reflect.TypeOf(s) {
		panic(fmt.Sprintf("state: collection %s is another one on the original of a fork", s.name()))
	}
	return at
}
