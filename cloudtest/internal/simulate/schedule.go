package simulate

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/welkin-cloud/cloud/internal/caller"
)

// stop is a goroutine of the cloud that stands still until the schedule lets it go on.
// Whatever two goroutines could do in either order has a stop before it.
type stop struct {
	owner *controller // nil for the clients' own
	label string
	order int           // of arrival: decides between equal labels
	until time.Time     // a slow call does not go on before
	going chan struct{} // closed to let it go on
}

// schedule decides, by its seed alone, what happens next.
type schedule struct {
	random *rand.Rand
	clock  *clock

	mu    sync.Mutex
	stops []*stop
	count int

	steps int
	trace hashWriter
	tale  []string // the newest events, for people
	log   io.Writer
}

type hashWriter interface {
	io.Writer
	Sum64() uint64
}

func newSchedule(seed uint64, log io.Writer) *schedule {
	return &schedule{random: rand.New(rand.NewPCG(seed, 0x5eed)), trace: fnv.New64a(), log: log}
}

// chance is true with probability p.
func (s *schedule) chance(p float64) bool { return p > 0 && s.random.Float64() < p }

// pick returns one of the list.
func pick[T any](s *schedule, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[s.random.IntN(len(list))], true
}

// taleLength is how many events are kept for the report of a failure.
const taleLength = 60

// note records what was decided: two runs of one seed must note the same.
func (s *schedule) note(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(s.trace, line)
	line = fmt.Sprintf("%6d %s %s", s.steps, s.clock.Now().Format("15:04:05.000"), line)
	if s.log != nil {
		fmt.Fprintln(s.log, line)
	}
	if s.tale = append(s.tale, line); len(s.tale) > 2*taleLength {
		s.tale = slices.Clone(s.tale[taleLength:])
	}
}

// wait stops the calling goroutine until the schedule lets it go on.
func (s *schedule) wait(ctx context.Context, owner *controller, label string) {
	st := &stop{owner: owner, label: label, going: make(chan struct{})}
	if id := caller.From(ctx).RequestID; id != "" {
		st.label += " for " + id
	}
	if owner != nil {
		st.label = owner.name + " " + st.label
	}
	s.mu.Lock()
	s.count++
	st.order = s.count
	s.stops = append(s.stops, st)
	s.mu.Unlock()
	<-st.going
}

// ready waits until nothing moves, and returns the stops that may go on, in an order
// that does not depend on who came first.
func (s *schedule) ready() []*stop {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.stops, func(a, b *stop) int {
		return cmp.Or(cmp.Compare(a.label, b.label), cmp.Compare(a.order, b.order))
	})
	var list []*stop
	now := s.clock.Now()
	for _, st := range s.stops {
		if !st.until.After(now) && (st.owner == nil || !st.owner.frozen) {
			list = append(list, st)
		}
	}
	if s.log != nil {
		fmt.Fprintf(s.log, "       ready:")
		for _, st := range list {
			fmt.Fprintf(s.log, " %s;", st.label)
		}
		fmt.Fprintln(s.log)
	}
	return list
}

// slow returns when the next slow call goes on, or end if that is earlier.
func (s *schedule) slow(end time.Time) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range s.stops {
		if st.until.After(s.clock.Now()) && st.until.Before(end) {
			end = st.until
		}
	}
	return end
}

// release lets a stop go on.
func (s *schedule) release(st *stop) {
	s.mu.Lock()
	s.stops = slices.DeleteFunc(s.stops, func(o *stop) bool { return o == st })
	s.mu.Unlock()
	s.steps++
	s.note("%s", st.label)
	close(st.going)
}

// releaseAll lets all stops of an owner go on at once: it is dead, they do nothing.
func (s *schedule) releaseAll(owner *controller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stops = slices.DeleteFunc(s.stops, func(st *stop) bool {
		if st.owner == owner {
			close(st.going)
		}
		return st.owner == owner
	})
}
