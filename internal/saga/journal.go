package saga

import (
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// event is what happens to a step. A step's newest event is where it stands.
type event string

const (
	none        event = "none"
	started     event = "started"
	done        event = "done"
	failed      event = "failed"
	undoStarted event = "undo started"
	undone      event = "undone"
	undoFailed  event = "undo failed"
)

// follows says which events may follow which. Anything else is a bug.
var follows = map[event][]event{
	none:        {started},
	started:     {started, done, failed}, // started again: another attempt
	done:        {undoStarted},
	failed:      {undoStarted}, // a failed step may have taken effect
	undoStarted: {undoStarted, undone, undoFailed},
}

// becomes says which status may follow which. Anything else is a bug.
var becomes = map[Status][]Status{
	Pending:   {Running, Unwinding}, // Unwinding: cancelled before its turn
	Running:   {Running, Unwinding, Finished, Stuck},
	Unwinding: {Unwinding, Failed, Stuck},
}

// become moves the saga to a status.
func (s *Saga) become(to Status, now time.Time) error {
	if !slices.Contains(becomes[s.Status], to) {
		return fault.New(fault.Internal, "saga %s cannot go from %s to %s", s.ID, s.Status, to)
	}
	s.Status = to
	s.NotBefore = time.Time{}
	if to.Terminal() {
		s.FinishedAt = now
	}
	return nil
}

// stands tells the newest event of a step.
func (s *Saga) stands(step string) event {
	r := s.newest(step)
	switch {
	case r == nil:
		return none
	case r.Ended.IsZero() && r.Undo:
		return undoStarted
	case r.Ended.IsZero():
		return started
	case r.Undo && r.Error != "":
		return undoFailed
	case r.Undo:
		return undone
	case r.Error != "":
		return failed
	}
	return done
}

// newest returns the last record of a step, nil if there is none.
func (s *Saga) newest(step string) *Record {
	for i := len(s.Journal) - 1; i >= 0; i-- {
		if s.Journal[i].Step == step {
			return &s.Journal[i]
		}
	}
	return nil
}

// note journals an event of a step; err is the error of the attempt that it ends,
// if it ends one. Documents share their journal, so note works on a new one.
func (s *Saga) note(step string, to event, now time.Time, err error) error {
	from := s.stands(step)
	if !slices.Contains(follows[from], to) {
		return fault.New(fault.Internal, "saga %s: step %s cannot go from %s to %s", s.ID, step, from, to)
	}
	begins := from != to && (to == started || to == undoStarted)
	if begins {
		s.Journal = append(slices.Clip(s.Journal), Record{Step: step, Undo: to == undoStarted, Started: now})
		return nil
	}
	s.Journal = slices.Clone(s.Journal)
	r := s.newest(step)
	r.Attempts++
	r.Error, r.Details = "", ""
	if err != nil {
		r.Error, r.Details = fault.Public(err), err.Error()
	}
	if from != to {
		r.Ended = now
	}
	return nil
}
