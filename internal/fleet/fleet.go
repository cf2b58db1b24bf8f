// Package fleet is the drivers of a cloud by host. Those of a fork are made when they
// are first needed: a fork of a thousand hosts touches a few.
package fleet

import (
	"iter"
	"maps"
	"slices"
	"sync"
)

// Fleet is one driver for each host. It is safe for concurrent use.
type Fleet[D any] struct {
	names  []string        // sorted, never changed: forks share them
	known  map[string]bool // the same
	open   func(host string) D
	notify func(host string, d D)

	mu     sync.Mutex
	opened map[string]D
}

// New returns a fleet all of whose drivers are there.
func New[D any](drivers map[string]D) *Fleet[D] {
	f := Lazy[D](slices.Sorted(maps.Keys(drivers)), nil)
	f.opened = maps.Clone(drivers)
	if f.opened == nil {
		f.opened = map[string]D{}
	}
	return f
}

// Lazy returns a fleet whose drivers open makes, once for each host.
func Lazy[D any](hosts []string, open func(host string) D) *Fleet[D] {
	known := make(map[string]bool, len(hosts))
	for _, h := range hosts {
		known[h] = true
	}
	return &Fleet[D]{names: slices.Sorted(slices.Values(hosts)), known: known, open: open, opened: map[string]D{}}
}

// Fork returns a fleet of the same hosts whose drivers open makes, once for each host.
func (f *Fleet[D]) Fork(open func(host string) D) *Fleet[D] {
	return &Fleet[D]{names: f.names, known: f.known, open: open, opened: map[string]D{}}
}

// OnOpen has notify called for each driver that is made. Call it before the first Get.
func (f *Fleet[D]) OnOpen(notify func(host string, d D)) { f.notify = notify }

// Hosts returns the names of all hosts, sorted: read only.
func (f *Fleet[D]) Hosts() []string { return f.names }

// Has reports whether the fleet has a driver for a host, without making it.
func (f *Fleet[D]) Has(host string) bool { return f.known[host] }

// Len is how many hosts there are.
func (f *Fleet[D]) Len() int { return len(f.names) }

// Get returns the driver of a host, and whether there is one.
func (f *Fleet[D]) Get(host string) (D, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.opened[host]
	if ok || !f.known[host] {
		return d, ok
	}
	d = f.open(host)
	f.opened[host] = d
	if f.notify != nil {
		f.notify(host, d)
	}
	return d, true
}

// Opened returns the driver of a host if it has been made.
func (f *Fleet[D]) Opened(host string) (D, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	d, ok := f.opened[host]
	return d, ok
}

// AllOpened walks the drivers that have been made, by host.
func (f *Fleet[D]) AllOpened() iter.Seq2[string, D] {
	f.mu.Lock()
	opened := maps.Clone(f.opened)
	f.mu.Unlock()
	return func(yield func(string, D) bool) {
		for _, h := range slices.Sorted(maps.Keys(opened)) {
			if !yield(h, opened[h]) {
				return
			}
		}
	}
}

// All walks all drivers by host, and makes those that are not there yet.
func (f *Fleet[D]) All() iter.Seq2[string, D] {
	return func(yield func(string, D) bool) {
		for _, h := range f.names {
			if d, ok := f.Get(h); ok && !yield(h, d) {
				return
			}
		}
	}
}
