package simulate

import (
	"cmp"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

// clock is the time of the simulation: it moves when the schedule says so, to the next
// alarm and no further.
type clock struct {
	mu     sync.Mutex
	now    time.Time
	alarms []*alarm // earliest first
	heard  func(a *alarm)
}

// alarm is a call that waits for its time.
type alarm struct {
	owner *controller
	at    time.Time
	call  func()
	set   string // where it was set, for the story
}

func newClock() *clock { return &clock{now: time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)} }

// Now returns the time.
func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// set adds an alarm.
func (c *clock) set(owner *controller, d time.Duration, call func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &alarm{owner: owner, at: c.now.Add(max(d, 0)), call: call}
	if c.heard != nil {
		for i := 2; i < 5; i++ {
			_, file, line, _ := runtime.Caller(i)
			a.set += fmt.Sprintf(" %s:%d", filepath.Base(file), line)
		}
	}
	i, _ := slices.BinarySearchFunc(c.alarms, a, func(o, a *alarm) int {
		return cmp.Or(o.at.Compare(a.at), cmp.Compare(o.owner.name, a.owner.name), -1)
	})
	c.alarms = slices.Insert(c.alarms, i, a)
	return func() bool { return c.drop(a) }
}

func (c *clock) drop(a *alarm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.alarms, a)
	if i < 0 {
		return false
	}
	c.alarms = slices.Delete(c.alarms, i, i+1)
	return true
}

// ring moves the time to the next alarm that is not of a frozen controller and calls
// it. It reports whether there was one before a time; otherwise it is that time.
func (c *clock) ring(before time.Time) (rang bool) {
	c.mu.Lock()
	i := slices.IndexFunc(c.alarms, func(a *alarm) bool { return a.owner == nil || !a.owner.frozen })
	if i < 0 || c.alarms[i].at.After(before) {
		c.now = latest(c.now, before)
		c.mu.Unlock()
		return false
	}
	a := c.alarms[i]
	c.alarms = slices.Delete(c.alarms, i, i+1)
	c.now = latest(c.now, a.at)
	c.mu.Unlock()
	if c.heard != nil {
		c.heard(a)
	}
	if a.owner == nil || !a.owner.dead {
		go a.call()
	}
	return true
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// ownClock is a controller's view of the clock: its alarms end with it.
type ownClock struct {
	*clock
	owner *controller
}

// AfterFunc has f called once d has passed.
func (c ownClock) AfterFunc(d time.Duration, f func()) (stop func() bool) {
	return c.set(c.owner, d, f)
}
