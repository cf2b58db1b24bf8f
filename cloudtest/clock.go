package cloudtest

import (
	"container/heap"
	"sync"
	"time"
)

// Clock is a time that passes only when the test says so. It is a cloud.Clock.
//
// Work that waits for a time (a retry, the expiry of a token, a driver's delay) goes on
// at Advance. Cloud.WaitIdle before and after it makes the outcome certain.
type Clock struct {
	mu     sync.Mutex
	now    time.Time
	timers timers
	order  int // of timers that end at the same time

	sleepers int           // see sleeping
	asleep   chan struct{} // closed while there are sleepers
}

// NewClock returns a clock that stands at the first second of 2030, UTC.
func NewClock() *Clock {
	return &Clock{now: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC), asleep: make(chan struct{})}
}

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc has f called in its own goroutine once Advance has moved the clock by d.
// A d that is not positive has it called at once.
func (c *Clock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d <= 0 {
		go f()
		return func() bool { return false }
	}
	c.order++
	tm := &timer{at: c.now.Add(d), order: c.order, f: f}
	heap.Push(&c.timers, tm)
	return func() bool { return c.stop(tm) }
}

func (c *Clock) stop(tm *timer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if tm.gone {
		return false
	}
	heap.Remove(&c.timers, tm.index)
	return true
}

// Advance moves the clock by d. On the way it stops at each time that something waits
// for, earliest first, and waits for its function to return: what that function waits
// for in turn is met on the way too. While commits take their time on the clock (see
// DatabaseSlow) it does not wait for the functions, which may wait for a commit.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	end := c.now.Add(d)
	for len(c.timers) > 0 && !c.timers[0].at.After(end) {
		tm := heap.Pop(&c.timers).(*timer)
		c.now = tm.at
		c.mu.Unlock()
		done := make(chan struct{})
		go func() {
			defer close(done)
			tm.f()
		}()
		select {
		case <-done:
		case <-c.sleeps():
		}
		c.mu.Lock()
	}
	c.now = end
	c.mu.Unlock()
}

// sleeping says that something that others wait for waits for the clock, until awake is
// called.
func (c *Clock) sleeping() (awake func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.sleepers++; c.sleepers == 1 {
		close(c.asleep)
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.sleepers--; c.sleepers == 0 {
			c.asleep = make(chan struct{})
		}
	}
}

func (c *Clock) sleeps() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.asleep
}

// Jump sets the clock to another time, as when somebody sets a machine's: nothing that
// waits is woken, and everything waits as long as it would have. d may be negative.
func (c *Clock) Jump(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	for _, tm := range c.timers {
		tm.at = tm.at.Add(d)
	}
}

// Next tells when the next thing that waits for the clock goes on; false if nothing
// does.
func (c *Clock) Next() (at time.Time, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.timers) == 0 {
		return time.Time{}, false
	}
	return c.timers[0].at, true
}

// timer is a pending call.
type timer struct {
	at    time.Time
	order int
	f     func()
	index int  // in the heap
	gone  bool // out of the heap
}

// timers is a heap, the earliest first.
type timers []*timer

func (t timers) Len() int { return len(t) }

func (t timers) Less(i, j int) bool {
	if !t[i].at.Equal(t[j].at) {
		return t[i].at.Before(t[j].at)
	}
	return t[i].order < t[j].order
}

func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push is heap.Interface's.
func (t *timers) Push(x any) {
	tm := x.(*timer)
	tm.index = len(*t)
	*t = append(*t, tm)
}

// Pop is heap.Interface's.
func (t *timers) Pop() any {
	last := len(*t) - 1
	tm := (*t)[last]
	(*t)[last] = nil
	*t = (*t)[:last]
	tm.gone = true
	return tm
}
