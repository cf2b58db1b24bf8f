package driver

import (
	"context"
	"sync"
)

// watchBuffer is how many events a slow reader may lag behind before it is told to
// list again.
const watchBuffer = 256

// Broadcaster gives every event to every watcher and never blocks: it is the body
// of most [Watcher] implementations. The zero value is ready.
type Broadcaster struct {
	mu       sync.Mutex
	watchers map[chan Event]func() bool // to the stop function of the context's hook
}

// Watch returns a channel that gets what Send is given until ctx is done or Close
// is called; then it is closed.
func (b *Broadcaster) Watch(ctx context.Context) <-chan Event {
	ch := make(chan Event, watchBuffer)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.watchers == nil {
		b.watchers = map[chan Event]func() bool{}
	}
	b.watchers[ch] = context.AfterFunc(ctx, func() { b.end(ch) })
	return ch
}

// end closes one channel unless it is closed already.
func (b *Broadcaster) end(ch chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.watchers[ch]; ok {
		delete(b.watchers, ch)
		close(ch)
	}
}

// Send gives the event to all watchers. The last place of a channel is kept for an
// event without ID, which covers whatever is dropped while the channel is full.
func (b *Broadcaster) Send(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch := range b.watchers {
		switch free := cap(ch) - len(ch); {
		case free > 1:
			ch <- e
		case free == 1:
			ch <- Event{}
		}
	}
}

// Close ends all watches. The Broadcaster can be used again.
func (b *Broadcaster) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for ch, stop := range b.watchers {
		stop()
		close(ch)
	}
	b.watchers = nil
}
