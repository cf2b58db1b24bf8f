package check

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Look is one pass over the cloud. All checks of a pass read the same snapshot; what
// drivers say is newer than that.
type Look struct {
	state *state.Snapshot
	busy  map[string]bool
	check string
	found []suspicion
}

// suspicion is what one look has found.
type suspicion struct {
	Finding
	mend func(ctx context.Context) error // nil: a person must
}

// State is the record as it was when the look began.
func (l *Look) State() *state.Snapshot { return l.state }

// Busy reports whether a saga was at work on a resource, "server", "UUID", or waited
// for its turn. What it has to do with is then between two states, and says nothing.
func (l *Look) Busy(kind, id string) bool { return l.busy[kind+"/"+id] }

// Found tells what is wrong with a resource, "port/UUID", and how a person mends it.
func (l *Look) Found(resource, problem, remedy string) {
	l.FoundMendable(resource, problem, remedy, nil)
}

// FoundMendable is Found with a function that mends it, if it is still so then: a
// moment has passed. It must be safe to call on a cloud at work. When it is called,
// snapshots have all that is stored.
func (l *Look) FoundMendable(resource, problem, remedy string, mend func(ctx context.Context) error) {
	l.found = append(l.found, suspicion{
		Finding: Finding{Check: l.check, Resource: resource, Problem: problem, Remedy: remedy},
		mend:    mend,
	})
}

// Unanswered tells that a driver could not be asked, so that nothing is known of it.
func (l *Look) Unanswered(resource string, err error) {
	l.Found(resource, fmt.Sprintf("does not answer: %v.", err), "Mend the driver or its host, and check again.")
}
