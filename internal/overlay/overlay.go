// Package overlay is a map over a base that it never changes: what the fakes of a forked
// cloud hold. A fork has a hundred thousand things and touches a few: only those are
// taken from the base.
package overlay

import (
	"iter"
	"maps"
	"slices"
)

// Base is what a Map holds before anything is written to it. Its functions must give
// the same answers whenever they are asked. The zero Base is empty.
type Base[V any] struct {
	Get  func(id string) (V, bool) // nil: nothing is there
	Keys func() []string           // nil: nothing is there
}

// Map is what was written over a base. It is not safe for concurrent use: reading it
// fills it.
type Map[V any] struct {
	base   Base[V]
	own    map[string]V
	gone   map[string]bool // asked for or deleted, and not there
	merged bool            // all of the base has been taken
}

// New returns a map that holds what base does.
func New[V any](base Base[V]) *Map[V] {
	return &Map[V]{base: base, own: map[string]V{}, gone: map[string]bool{}, merged: base.Keys == nil}
}

// Get returns the value under id, and whether there is one.
func (m *Map[V]) Get(id string) (V, bool) {
	v, ok := m.own[id]
	if ok || m.base.Get == nil || m.gone[id] {
		return v, ok
	}
	if v, ok = m.base.Get(id); ok {
		m.own[id] = v
	} else {
		m.gone[id] = true
	}
	return v, ok
}

// Set puts a value under id.
func (m *Map[V]) Set(id string, v V) {
	m.own[id] = v
	delete(m.gone, id)
}

// Delete removes what is under id.
func (m *Map[V]) Delete(id string) {
	delete(m.own, id)
	if m.base.Get != nil {
		m.gone[id] = true
	}
}

// All walks everything, in no order. It takes all of the base the first time.
func (m *Map[V]) All() iter.Seq2[string, V] {
	m.merge()
	return maps.All(m.own)
}

// Keys returns all ids, sorted.
func (m *Map[V]) Keys() []string {
	m.merge()
	return slices.Sorted(maps.Keys(m.own))
}

// Len is how many values there are.
func (m *Map[V]) Len() int {
	m.merge()
	return len(m.own)
}

func (m *Map[V]) merge() {
	if m.merged {
		return
	}
	for _, id := range m.base.Keys() {
		m.Get(id)
	}
	m.merged = true
}
