package state_test

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"

	"github.com/welkin-cloud/cloud/internal/state"
)

// scheduler lets what stops at it go on one at a time, in an order that a seed decides,
// and decides what fails. It is for a synctest bubble.
type scheduler struct {
	random *rand.Rand

	mu      sync.Mutex
	stopped []stopped
	ended   bool
}

type stopped struct {
	label  string
	faulty bool // it may fail
	fail   chan bool
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{random: rand.New(rand.NewPCG(seed, 0))}
}

// stop waits until the schedule lets the caller go on, and reports whether it shall
// fail.
func (s *scheduler) stop(label string, faulty bool) (fail bool) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return false
	}
	at := stopped{label, faulty, make(chan bool)}
	s.stopped = append(s.stopped, at)
	s.mu.Unlock()
	return <-at.fail
}

// run schedules until done.
func (s *scheduler) run(done <-chan struct{}) {
	for {
		synctest.Wait()
		s.mu.Lock()
		if len(s.stopped) == 0 {
			s.ended = true
			s.mu.Unlock()
			<-done
			return
		}
		slices.SortFunc(s.stopped, func(a, b stopped) int { return cmp.Compare(a.label, b.label) })
		i := s.random.IntN(len(s.stopped))
		next := s.stopped[i]
		s.stopped = slices.Delete(s.stopped, i, i+1)
		fail := next.faulty && s.random.IntN(12) == 0
		s.mu.Unlock()
		next.fail <- fail
	}
}

// scheduled is an engine whose calls, and whose DB's transactions, the scheduler puts
// in order. A call that fails does so before its effect or after it.
type scheduled struct {
	state.Follower
	s    *scheduler
	name string
}

var errScheduled = errors.New("as scheduled")

func (e *scheduled) Pass(context.Context) { e.s.stop(e.name+" transaction", false) }

func (e *scheduled) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	if e.s.stop(e.name+" commit", true) {
		return errScheduled
	}
	err := e.Follower.Commit(ctx, base, sets)
	if e.s.stop(e.name+" commit/after", true) && err == nil {
		return errScheduled
	}
	return err
}

func (e *scheduled) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	if e.s.stop(e.name+" since", true) {
		return nil, errScheduled
	}
	sets, err := e.Follower.Since(ctx, revision)
	e.s.stop(e.name+" since/after", false)
	return sets, err
}

// heedless is an engine that stores whatever comes, without comparing revisions.
type heedless struct{ state.Follower }

func (h heedless) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	for {
		err := h.Follower.Commit(ctx, base, sets)
		if !errors.Is(err, state.ErrStale) {
			return err
		}
		missed, err := h.Follower.Since(ctx, base)
		if err != nil {
			return err
		}
		base += uint64(len(missed))
		sets = slices.Clone(sets)
		for i := range sets {
			sets[i].Revision = base + uint64(i) + 1
		}
	}
}
