package saga

import (
	"encoding/json"
	"maps"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Run is what a step is given. It is for the goroutine that the step was called
// in, and only until the step returns.
type Run struct {
	engine  *Engine
	flight  *flight
	saga    Saga
	vars    map[string]json.RawMessage // set in this step
	host    string
	commits []func(tx *state.Tx) error
	err     error // of Set or Load

	failedErr, stuckErr error // of the hooks, which are then not called again
}

func (e *Engine) newRun(f *flight, s Saga) *Run { return &Run{engine: e, flight: f, saga: s} }

// ID of the saga.
func (r *Run) ID() string { return r.saga.ID }

// Saga gives the stored document as of the step's start.
func (r *Run) Saga() Saga { return r.saga }

// Params decodes the parameters into v, a pointer.
func (r *Run) Params(v any) error {
	if err := json.Unmarshal(r.saga.Params, v); err != nil {
		return fault.New(fault.Internal, "the parameters of %s cannot be read", r.saga.Name).Because(err)
	}
	return nil
}

// Set keeps a value under name for later steps and undos; it is journalled with
// the step, also if the step fails, so a step that crashes before its record does
// not keep it. A value that JSON cannot carry fails the step.
func (r *Run) Set(name string, v any) {
	doc, err := json.Marshal(v)
	if err != nil {
		r.err = fault.New(fault.Internal, "the saga's value %s cannot be stored", name).Because(err)
		return
	}
	if r.vars == nil {
		r.vars = map[string]json.RawMessage{}
	}
	r.vars[name] = doc
}

// Load decodes the value kept under name into v and reports whether there is one.
func (r *Run) Load(name string, v any) bool {
	doc, ok := r.vars[name]
	if !ok {
		doc, ok = r.saga.Vars[name]
	}
	if !ok {
		return false
	}
	if err := json.Unmarshal(doc, v); err != nil {
		r.err = fault.New(fault.Internal, "the saga's value %s cannot be read", name).Because(err)
		return false
	}
	return true
}

// OnHost notes the host that the step works on, for the journal.
func (r *Run) OnHost(host string) { r.host = host }

// Commit adds f to the transaction that journals this step as done or undone.
// f may run several times, or never if the step fails. If f returns an error, the
// step has failed with that error.
func (r *Run) Commit(f func(tx *state.Tx) error) { r.commits = append(r.commits, f) }

// Snapshot reads the newest state.
func (r *Run) Snapshot() *state.Snapshot { return r.engine.db.Snapshot() }

// Cancelled reports whether the saga has been asked to unwind.
func (r *Run) Cancelled() bool {
	if r.saga.Cancelled || r.flight == nil {
		return r.saga.Cancelled
	}
	r.engine.mu.Lock()
	defer r.engine.mu.Unlock()
	return r.flight.cancelled
}

// keep puts what the step has set into the document that is journalled.
func (r *Run) keep(s *Saga, step string) {
	if len(r.vars) > 0 {
		vars := maps.Clone(s.Vars)
		if vars == nil {
			vars = map[string]json.RawMessage{}
		}
		maps.Copy(vars, r.vars)
		s.Vars = vars
	}
	if r.host != "" {
		if rec := s.newest(step); rec != nil {
			rec.Host = r.host // the journal is s's own: it is noted first
		}
	}
}

// commit runs the functions given to Commit.
func (r *Run) commit(tx *state.Tx) error {
	for _, f := range r.commits {
		if err := r.engine.guard(r, func() error { return f(tx) }); err != nil {
			return &stepError{err}
		}
	}
	return nil
}
