package state

import (
	"cmp"
	"slices"
	"sync"

	"github.com/tidwall/btree"
)

// degree of the trees: nodes hold up to 2*degree-1 items. Small nodes make cheap
// copies on write, large ones make quick walks; docs/performance-state.md has the
// figures.
const degree = 16

// ref hides the document's methods from the tree, which would call a Copy method.
type ref struct{ doc any }

// entry is one key of an index. The document's own key orders equal index keys;
// an entry without a document sorts before all others of its key.
type entry struct {
	ix  string
	doc any // *T of the collection, a place, or nil
}

// place stands, where a walk begins, for the document with this key.
type place string

// table is the documents of one collection at one revision, each a *T. It does not
// know T: trees for each type would be compiled again in every package that has
// collections, which took minutes.
//
// A table that a snapshot holds never changes; put and remove are for the copy
// that a transaction or a commit has made for itself.
type table struct {
	schema  schema
	changed uint64     // the revision that changed it last; of a transaction's own copy, 0
	mu      sync.Mutex // copying a tree marks the original
	docs    *btree.Map[string, ref]
	indexes []*btree.BTreeG[entry]
}

func newTable(s schema) *table {
	t := &table{schema: s, docs: btree.NewMap[string, ref](degree)}
	for range s.indexes() {
		t.indexes = append(t.indexes, btree.NewBTreeGOptions(t.less, btree.Options{Degree: degree, NoLocks: true}))
	}
	return t
}

// buildTable makes a table of many documents faster than put would.
func buildTable(s schema, docs []any, revision uint64) *table {
	t := newTable(s)
	t.changed = revision
	refs := make([]entry, len(docs))
	for i, d := range docs {
		refs[i] = entry{s.key(d), d}
	}
	byKey := func(a, b entry) int { return cmp.Compare(a.ix, b.ix) }
	slices.SortFunc(refs, byKey)
	for _, r := range refs {
		t.docs.Load(r.ix, ref{r.doc})
	}
	for i := range t.indexes {
		for _, k := range indexed(s, i, refs) {
			t.indexes[i].Load(entry{k.ix, refs[k.ref].doc})
		}
	}
	return t
}

// indexKey is a key that an index has for one of the documents at hand.
type indexKey struct {
	ix  string
	ref int // where the document is
}

// indexed returns the keys of an index for documents that are in order, in the order of
// the index.
func indexed(s schema, index int, refs []entry) []indexKey {
	keys := make([]indexKey, 0, len(refs))
	for i, r := range refs {
		for _, k := range s.keys(index, r.ix, r.doc) {
			keys = append(keys, indexKey{k, i})
		}
	}
	slices.SortFunc(keys, func(a, b indexKey) int {
		if order := cmp.Compare(a.ix, b.ix); order != 0 {
			return order
		}
		return a.ref - b.ref
	})
	return keys
}

func (t *table) less(a, b entry) bool {
	switch {
	case a.ix != b.ix:
		return a.ix < b.ix
	case b.doc == nil:
		return false
	case a.doc == nil:
		return true
	}
	return t.key(a.doc) < t.key(b.doc)
}

func (t *table) key(doc any) string {
	if p, is := doc.(place); is {
		return string(p)
	}
	return t.schema.key(doc)
}

func (t *table) clone() *table {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := &table{schema: t.schema, docs: t.docs.IsoCopy(), indexes: make([]*btree.BTreeG[entry], len(t.indexes))}
	for i, ix := range t.indexes {
		c.indexes[i] = ix.IsoCopy()
	}
	return c
}

// get returns the document under key, or nil.
func (t *table) get(key string) any {
	r, _ := t.docs.Get(key)
	return r.doc
}

func (t *table) put(key string, doc any) {
	old, had := t.docs.Set(key, ref{doc})
	for i := range t.indexes {
		keys := t.schema.keys(i, key, doc)
		// An entry under the same keys is replaced in place.
		if had && !slices.Equal(keys, t.schema.keys(i, key, old.doc)) {
			t.unindex(i, key, old.doc)
		}
		for _, k := range keys {
			t.indexes[i].Set(entry{k, doc})
		}
	}
}

func (t *table) remove(key string) {
	old, had := t.docs.Delete(key)
	if !had {
		return
	}
	for i := range t.indexes {
		t.unindex(i, key, old.doc)
	}
}

func (t *table) unindex(index int, key string, doc any) {
	for _, k := range t.schema.keys(index, key, doc) {
		t.indexes[index].Delete(entry{k, doc})
	}
}

// taken reports whether another document has a unique index key of doc, and which
// index says so.
func (t *table) taken(key string, doc any) (index int, ix string, yes bool) {
	for i := range t.indexes {
		if !t.schema.unique(i) {
			continue
		}
		for _, k := range t.schema.keys(i, key, doc) {
			if other := t.first(i, k); other != nil && t.schema.key(other) != key {
				return i, k, true
			}
		}
	}
	return 0, "", false
}

// first returns the first document with exactly this index key, or nil.
func (t *table) first(index int, ix string) (doc any) {
	t.indexes[index].Ascend(entry{ix: ix}, func(e entry) bool {
		if e.ix == ix {
			doc = e.doc
		}
		return false
	})
	return doc
}

// walk calls f for the documents of a range with the key that put them there,
// until f returns false.
func (t *table) walk(s span, f func(key string, doc any) bool) {
	if s.index == primary {
		t.docs.Ascend(s.from, func(key string, r ref) bool { return s.has(key) && f(key, r.doc) })
		return
	}
	begin := entry{ix: s.from}
	if s.first != "" {
		begin.doc = place(s.first)
	}
	t.indexes[s.index].Ascend(begin, func(e entry) bool { return s.has(e.ix) && f(e.ix, e.doc) })
}
