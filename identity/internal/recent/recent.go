// Package recent is a bounded map of what was used lately.
package recent

import "sync"

// Cache remembers at least the last size entries that were put into it or read
// from it, and at most twice as many. It keeps two generations: when the young one
// is full it becomes the old one, and the old one is dropped whole, so that no
// call does more than two look-ups. It is safe for concurrent use.
type Cache[K comparable, V any] struct {
	mu         sync.RWMutex
	size       int
	young, old map[K]V
}

// New returns an empty cache; size must be positive.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{size: size, young: make(map[K]V)}
}

// Get returns what was put under k, and whether it is still there.
func (c *Cache[K, V]) Get(k K) (V, bool) {
	c.mu.RLock()
	v, ok := c.young[k]
	if ok {
		c.mu.RUnlock()
		return v, true
	}
	v, ok = c.old[k]
	c.mu.RUnlock()
	if ok {
		c.Put(k, v)
	}
	return v, ok
}

// Put stores v under k.
func (c *Cache[K, V]) Put(k K, v V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.young) >= c.size {
		c.old, c.young = c.young, make(map[K]V)
	}
	c.young[k] = v
}

// Len returns how many entries are held, counting one that is in both
// generations twice.
func (c *Cache[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.young) + len(c.old)
}
