package libvirt

import (
	"context"
	"sync"
)

// keyLock is a mutex for each key that gives up when a context ends. The zero value
// is ready.
type keyLock struct {
	mu   sync.Mutex
	held map[string]*heldKey
}

// heldKey is the lock of one key, with how many want it.
type heldKey struct {
	turn  chan struct{}
	users int
}

// lock waits for the key and returns the function that lets go of it.
func (k *keyLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	if k.held == nil {
		k.held = map[string]*heldKey{}
	}
	h := k.held[key]
	if h == nil {
		h = &heldKey{turn: make(chan struct{}, 1)}
		k.held[key] = h
	}
	h.users++
	k.mu.Unlock()

	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if h.users--; h.users == 0 {
			delete(k.held, key)
		}
	}
	select {
	case h.turn <- struct{}{}:
		return func() { <-h.turn; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, ctx.Err()
	}
}

// signals lets callers wait for the next happening of a key. The zero value is ready.
type signals struct {
	mu   sync.Mutex
	wait map[string]map[chan struct{}]bool
}

// next returns a channel that is closed by the next notify of the key, and a
// function that ends the waiting.
func (s *signals) next(key string) (ch chan struct{}, stop func()) {
	ch = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wait == nil {
		s.wait = map[string]map[chan struct{}]bool{}
	}
	if s.wait[key] == nil {
		s.wait[key] = map[chan struct{}]bool{}
	}
	s.wait[key][ch] = true
	return ch, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.wait[key], ch)
		if len(s.wait[key]) == 0 {
			delete(s.wait, key)
		}
	}
}

// notify wakes all who wait for the key.
func (s *signals) notify(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ch := range s.wait[key] {
		close(ch)
	}
	delete(s.wait, key)
}
