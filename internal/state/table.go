package state

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// table is the documents of one collection at one revision, whatever their type.
// A table that a snapshot holds never changes; put and remove are for the copy
// that a transaction or a commit has made for itself.
type table interface {
	clone() table
	get(key string) any // *T, or nil
	put(key string, doc any)
	remove(key string)
	// taken reports whether another document has a unique index key of doc, and
	// which index says so.
	taken(key string, doc any) (index int, ix string, yes bool)
}

// degree of the trees: nodes hold up to 2*degree-1 items. Small nodes make cheap
// copies on write, large ones make quick walks; docs/performance-state.md has the
// figures.
const degree = 16

// ref hides the document's methods from the tree, which would call a Copy method.
type ref[T any] struct{ doc *T }

// entry is one key of an index. The document's own key orders equal index keys;
// an entry without a document sorts before all others of its key.
type entry[T any] struct {
	ix  string
	doc *T
}

type typedTable[T any] struct {
	spec    *Spec[T]
	mu      sync.Mutex // copying a tree marks the original
	docs    *btree.Map[string, ref[T]]
	indexes []*btree.BTreeG[entry[T]]
}

func newTable[T any](spec *Spec[T]) *typedTable[T] {
	t := &typedTable[T]{spec: spec, docs: btree.NewMap[string, ref[T]](degree)}
	for range spec.Indexes {
		t.indexes = append(t.indexes, btree.NewBTreeGOptions(t.less, btree.Options{Degree: degree, NoLocks: true}))
	}
	return t
}

// buildTable makes a table of many documents faster than put would.
func buildTable[T any](spec *Spec[T], docs []any) *typedTable[T] {
	t := newTable(spec)
	refs := make([]entry[T], len(docs))
	for i, d := range docs {
		doc := d.(*T)
		refs[i] = entry[T]{spec.Key(doc), doc}
	}
	byKey := func(a, b entry[T]) int { return cmp.Compare(a.ix, b.ix) }
	slices.SortFunc(refs, byKey)
	for _, r := range refs {
		t.docs.Load(r.ix, ref[T]{r.doc})
	}
	for i, ix := range spec.Indexes {
		entries := make([]entry[T], 0, len(refs))
		for _, r := range refs {
			for _, k := range ix.keys(r.doc) {
				entries = append(entries, entry[T]{k, r.doc})
			}
		}
		slices.SortStableFunc(entries, byKey)
		for _, e := range entries {
			t.indexes[i].Load(e)
		}
	}
	return t
}

func (t *typedTable[T]) less(a, b entry[T]) bool {
	switch {
	case a.ix != b.ix:
		return a.ix < b.ix
	case b.doc == nil:
		return false
	case a.doc == nil:
		return true
	}
	return t.spec.Key(a.doc) < t.spec.Key(b.doc)
}

func (t *typedTable[T]) clone() table {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &typedTable[T]{spec: t.spec, docs: t.docs.IsoCopy(), indexes: make([]*btree.BTreeG[entry[T]], len(t.indexes))}
	for i, ix := range t.indexes {
		c.indexes[i] = ix.IsoCopy()
	}
	return c
}

func (t *typedTable[T]) get(key string) any {
	if doc := t.doc(key); doc != nil {
		return doc
	}
	return nil
}

func (t *typedTable[T]) doc(key string) *T {
	r, _ := t.docs.Get(key)
	return r.doc
}

func (t *typedTable[T]) put(key string, doc any) {
	d := doc.(*T)
	old, had := t.docs.Set(key, ref[T]{d})
	for i, ix := range t.spec.Indexes {
		keys := ix.keys(d)
		// An entry under the same keys is replaced in place.
		if had && !slices.Equal(keys, ix.keys(old.doc)) {
			t.unindex(i, old.doc)
		}
		for _, k := range keys {
			t.indexes[i].Set(entry[T]{k, d})
		}
	}
}

func (t *typedTable[T]) remove(key string) {
	old, had := t.docs.Delete(key)
	if !had {
		return
	}
	for i := range t.spec.Indexes {
		t.unindex(i, old.doc)
	}
}

func (t *typedTable[T]) unindex(index int, doc *T) {
	for _, k := range t.spec.Indexes[index].keys(doc) {
		t.indexes[index].Delete(entry[T]{k, doc})
	}
}

func (t *typedTable[T]) taken(key string, doc any) (index int, ix string, yes bool) {
	d := doc.(*T)
	for i, index := range t.spec.Indexes {
		if !index.unique {
			continue
		}
		for _, k := range index.keys(d) {
			if other := t.first(i, k); other != nil && t.spec.Key(other) != key {
				return i, k, true
			}
		}
	}
	return 0, "", false
}

// first returns the first document with exactly this index key, or nil.
func (t *typedTable[T]) first(index int, ix string) (doc *T) {
	t.indexes[index].Ascend(entry[T]{ix: ix}, func(e entry[T]) bool {
		if e.ix == ix {
			doc = e.doc
		}
		return false
	})
	return doc
}

// walk calls f for the documents of a range with the key that put them there,
// until f returns false.
func (t *typedTable[T]) walk(s span, f func(key string, doc *T) bool) {
	if s.index == primary {
		t.docs.Ascend(s.from, func(key string, r ref[T]) bool { return s.has(key) && f(key, r.doc) })
		return
	}
	t.indexes[s.index].Ascend(entry[T]{ix: s.from}, func(e entry[T]) bool { return s.has(e.ix) && f(e.ix, e.doc) })
}
