package state

import (
	"slices"
	"strings"
)

// Moment is a state of a DB: its Origin, or a Snapshot of it.
type Moment struct {
	DB       *DB
	Snapshot *Snapshot
}

// Diff returns the documents that differ between two moments, by collection and key. If
// both are of one DB, or of forks of one, and the history still knows the commits in
// between, it looks only at what those have changed. Otherwise it compares all documents
// of the collections that have changed.
func Diff(before, after Moment) []Change {
	var changes []Change
	add := func(collection, key string, was, is any) {
		if was != is {
			changes = append(changes, Change{collection, key, was, is})
		}
	}
	if places, known := touched(before, after); known {
		schemas := after.DB.schemas
		for _, l := range places {
			add(schemas[l.table].name(), l.key, before.Snapshot.tables[l.table].get(l.key), after.Snapshot.tables[l.table].get(l.key))
		}
	} else {
		compare(before.Snapshot, after.Snapshot, add)
	}
	slices.SortFunc(changes, func(a, b Change) int {
		if a.Collection != b.Collection {
			return strings.Compare(a.Collection, b.Collection)
		}
		return strings.Compare(a.Key, b.Key)
	})
	return changes
}

// stretch is the commits of a DB after one revision, up to another.
type stretch struct {
	db       *DB
	from, to uint64
}

// line returns the stretches that lead back from a moment, through the DBs that its own
// is a fork of.
func (m Moment) line() []stretch {
	var all []stretch
	to := m.Snapshot.revision
	for db := m.DB; db != nil; db = db.parent {
		if db.origin == nil {
			return append(all, stretch{db, 0, to})
		}
		all = append(all, stretch{db, db.origin.revision, to})
		to = db.origin.revision
	}
	return all
}

// touched returns the places that were written between two moments, if the histories
// tell.
func touched(a, b Moment) ([]location, bool) {
	lineA, lineB := a.line(), b.line()
	for i, sa := range lineA {
		j := slices.IndexFunc(lineB, func(sb stretch) bool { return sb.db == sa.db })
		if j < 0 {
			continue
		}
		shared := stretch{sa.db, min(sa.to, lineB[j].to), max(sa.to, lineB[j].to)}
		return written(slices.Concat(lineA[:i], lineB[:j], []stretch{shared}))
	}
	return nil, false
}

// written returns the places that the commits of stretches wrote, each once.
func written(stretches []stretch) ([]location, bool) {
	seen := map[location]bool{}
	var places []location
	for _, s := range stretches {
		s.db.mu.Lock()
		records, known := s.db.history.since(s.from, s.to, 0)
		s.db.mu.Unlock()
		if !known {
			return nil, false
		}
		for _, r := range records {
			for i, c := range r.Changes {
				if l := (location{r.tables[i], c.Key}); !seen[l] {
					seen[l] = true
					places = append(places, l)
				}
			}
		}
	}
	return places, true
}

// compare walks the tables that are not the same, two by two.
func compare(before, after *Snapshot, add func(collection, key string, was, is any)) {
	tables := map[string]*table{}
	for _, t := range before.tables {
		tables[t.schema.name()] = t
	}
	for _, t := range after.tables {
		name := t.schema.name()
		was := tables[name]
		delete(tables, name)
		if was == t {
			continue
		}
		if was != nil {
			was.docs.Scan(func(key string, r ref) bool {
				add(name, key, r.doc, t.get(key))
				return true
			})
		}
		t.docs.Scan(func(key string, r ref) bool {
			if was == nil || was.get(key) == nil {
				add(name, key, nil, r.doc)
			}
			return true
		})
	}
	for name, t := range tables {
		t.docs.Scan(func(key string, r ref) bool {
			add(name, key, r.doc, nil)
			return true
		})
	}
}
