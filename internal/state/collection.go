package state

import (
	"encoding/json"
	"fmt"
	"iter"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Index orders a collection by something else than its key.
type Index[T any] struct {
	name   string
	unique bool
	keys   func(*T) []string
}

// NewIndex describes a secondary index. keys gives the index keys of a document,
// each made with Key: none, one or several.
func NewIndex[T any](name string, keys func(*T) []string) *Index[T] {
	return &Index[T]{name: name, keys: keys}
}

// NewUnique is NewIndex for keys that at most one document may have; a write that
// would break this fails with fault.AlreadyExists.
func NewUnique[T any](name string, keys func(*T) []string) *Index[T] {
	return &Index[T]{name: name, unique: true, keys: keys}
}

// Collection is a typed set of documents, each under its own key.
type Collection[T any] struct {
	spec Spec[T]
	pos  int // of its table in a snapshot
}

// Spec describes a collection to Define.
type Spec[T any] struct {
	Name    string          // "compute.servers": stable, it is stored
	Noun    string          // "server": how errors call a document
	Key     func(*T) string // the document's key, usually its id; never empty
	Version int             // of the stored form, from 1; 0 means 1
	Indexes []*Index[T]
	// Upgrade turns the JSON of an older version into the present document.
	// Needed only when Version > 1.
	Upgrade func(version int, doc []byte) (T, error)
}

// schema is a collection whatever its type.
type schema interface {
	name() string
	version() int
	key(doc any) string
	indexes() int
	unique(index int) bool
	keys(index int, key string, doc any) []string
	encode(doc any) ([]byte, error)
	decode(row Row) (any, error)
}

// Define adds a collection to a DB that is not open yet. A second definition of
// the same name panics.
func Define[T any](db *DB, spec Spec[T]) *Collection[T] {
	if spec.Name == "" || spec.Key == nil {
		panic("state: a collection needs a name and a key")
	}
	spec.Version = max(spec.Version, 1)
	c := &Collection[T]{spec: spec}
	c.pos = db.define(c)
	return c
}

func (c *Collection[T]) name() string          { return c.spec.Name }
func (c *Collection[T]) version() int          { return c.spec.Version }
func (c *Collection[T]) key(doc any) string    { return c.spec.Key(doc.(*T)) }
func (c *Collection[T]) indexes() int          { return len(c.spec.Indexes) }
func (c *Collection[T]) unique(index int) bool { return c.spec.Indexes[index].unique }

// keys returns the keys under which an index, or the table itself, holds doc.
func (c *Collection[T]) keys(index int, key string, doc any) []string {
	switch {
	case doc == nil:
		return nil
	case index == primary:
		return []string{key}
	}
	return c.spec.Indexes[index].keys(doc.(*T))
}

func (c *Collection[T]) encode(doc any) ([]byte, error) { return json.Marshal(doc) }

func (c *Collection[T]) decode(row Row) (any, error) {
	doc := new(T)
	var err error
	switch {
	case row.Version > c.spec.Version:
		err = fault.New(fault.Conflict, "it has version %d, this program knows %d", row.Version, c.spec.Version)
	case row.Version == c.spec.Version:
		err = json.Unmarshal(row.Doc, doc)
	case c.spec.Upgrade == nil:
		err = fault.New(fault.Internal, "version %d cannot be upgraded", row.Version)
	default:
		*doc, err = c.spec.Upgrade(row.Version, row.Doc)
	}
	if err == nil && c.spec.Key(doc) != row.Key {
		err = fault.New(fault.Internal, "its key is %q", c.spec.Key(doc))
	}
	if err != nil {
		return nil, fmt.Errorf("stored document %s %q: %w", row.Collection, row.Key, err)
	}
	return doc, nil
}

// Get returns the document under key: fault.NotFound, with the collection's noun
// and the key, if there is none.
func (c *Collection[T]) Get(r Reader, key string) (T, error) {
	if doc := c.read(r, key); doc != nil {
		return *doc, nil
	}
	var zero T
	return zero, fault.Missing(c.spec.Noun, key)
}

// Has reports whether there is a document under key.
func (c *Collection[T]) Has(r Reader, key string) bool { return c.read(r, key) != nil }

// Find returns the first document whose index key is exactly Key(parts...), and
// whether there is one.
func (c *Collection[T]) Find(r Reader, ix *Index[T], parts ...string) (T, bool) {
	index, key := c.index(ix), Key(parts...)
	r.scans(exactly(c.pos, index, key))
	if doc := r.table(c.pos).first(index, key); doc != nil {
		return *doc.(*T), true
	}
	var zero T
	return zero, false
}

// All walks the documents in the order of their keys. In a transaction the walk
// sees what was there when it began; writing meanwhile is allowed.
func (c *Collection[T]) All(r Reader) iter.Seq[T] {
	return c.seq(r, span{table: c.pos, index: primary})
}

// After is All from the first key after the given one on, without a look at those
// before: the next page of a list.
func (c *Collection[T]) After(r Reader, key string) iter.Seq[T] {
	return c.seq(r, span{table: c.pos, index: primary, from: after(key)})
}

// Where walks the documents whose index key begins with the parts, in the order of
// the index key and then of the document's key. With no parts it walks all that
// are in the index. A document with several such index keys comes once for each.
func (c *Collection[T]) Where(r Reader, ix *Index[T], parts ...string) iter.Seq[T] {
	return c.seq(r, beginning(c.pos, c.index(ix), parts))
}

// WhereAfter walks the documents with exactly the index key Key(parts...), in the order
// of their own keys, from the first after the given one on and without a look at those
// before: the next page of a list. An empty key is the start.
func (c *Collection[T]) WhereAfter(r Reader, ix *Index[T], key string, parts ...string) iter.Seq[T] {
	s := exactly(c.pos, c.index(ix), Key(parts...))
	if key != "" {
		s.first = after(key)
	}
	return c.seq(r, s)
}

// Count returns how many documents Where would give; with a nil index, how many
// there are.
func (c *Collection[T]) Count(r Reader, ix *Index[T], parts ...string) int {
	s := span{table: c.pos, index: primary}
	if ix != nil {
		s = beginning(c.pos, c.index(ix), parts)
	}
	r.scans(s)
	t, n := r.table(c.pos), 0
	if ix == nil {
		return t.docs.Len()
	}
	t.walk(s, func(string, any) bool { n++; return true })
	return n
}

// Revision returns the revision of the collection's newest change, or a later one: as
// long as it is the same, so are the documents. What is made of a collection can be
// kept under it.
func (c *Collection[T]) Revision(s *Snapshot) uint64 { return s.tables[c.pos].changed }

// Insert adds a document: fault.AlreadyExists if its key or a unique index key is
// taken.
func (c *Collection[T]) Insert(tx *Tx, doc T) error {
	key := c.spec.Key(&doc)
	if c.read(tx, key) != nil {
		return &fault.Error{Kind: fault.AlreadyExists, Resource: c.spec.Noun, ID: key}
	}
	return c.write(tx, key, &doc)
}

// Put adds or replaces a document: fault.AlreadyExists only for a unique index.
func (c *Collection[T]) Put(tx *Tx, doc T) error {
	return c.write(tx, c.spec.Key(&doc), &doc)
}

// Change reads the document under key, lets f alter it, and puts it back. An
// error from f changes nothing. The key must stay.
func (c *Collection[T]) Change(tx *Tx, key string, f func(doc *T) error) error {
	doc, err := c.Get(tx, key)
	if err != nil {
		return err
	}
	if err := f(&doc); err != nil {
		return err
	}
	if now := c.spec.Key(&doc); now != key {
		return fault.New(fault.Internal, "the key of %s %s was changed to %q", c.spec.Noun, key, now)
	}
	return c.write(tx, key, &doc)
}

// Delete removes the document under key: fault.NotFound if there is none.
func (c *Collection[T]) Delete(tx *Tx, key string) error {
	if c.read(tx, key) == nil {
		return fault.Missing(c.spec.Noun, key)
	}
	tx.own(c.pos).remove(key)
	tx.wrote(location{c.pos, key}, nil)
	return nil
}

func (c *Collection[T]) read(r Reader, key string) *T {
	r.reads(location{c.pos, key})
	doc, _ := r.table(c.pos).get(key).(*T)
	return doc
}

// write stores doc, which the caller gives away.
func (c *Collection[T]) write(tx *Tx, key string, doc *T) error {
	if key == "" {
		return fault.New(fault.Internal, "a %s without a key cannot be stored", c.spec.Noun)
	}
	t := tx.own(c.pos)
	if index, ix, taken := t.taken(key, doc); taken {
		tx.scans(exactly(c.pos, index, ix))
		return &fault.Error{
			Kind: fault.AlreadyExists, Resource: c.spec.Noun, ID: key,
			Message: fmt.Sprintf("a %s with this %s already exists", c.spec.Noun, c.spec.Indexes[index].name),
		}
	}
	t.put(key, doc)
	tx.wrote(location{c.pos, key}, doc)
	return nil
}

// seq walks a range. In a transaction it notes the range as read, and narrows the
// note to what was seen if the consumer stops early.
func (c *Collection[T]) seq(r Reader, s span) iter.Seq[T] {
	return func(yield func(T) bool) {
		note := r.scans(s)
		tx, _ := r.(*Tx)
		if tx != nil {
			tx.share(c.pos)
		}
		r.table(c.pos).walk(s, func(key string, doc any) bool {
			if yield(*doc.(*T)) {
				return true
			}
			if tx != nil {
				tx.spans[note].to = after(key)
			}
			return false
		})
	}
}

// index returns the position of one of the collection's own indexes.
func (c *Collection[T]) index(ix *Index[T]) int {
	for i, own := range c.spec.Indexes {
		if own == ix {
			return i
		}
	}
	panic(fmt.Sprintf("state: %s has no index %q", c.spec.Name, ix.name))
}
