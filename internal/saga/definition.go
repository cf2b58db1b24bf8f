package saga

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Define registers a kind of saga; before Open of the DB's engine. A second
// definition of a name panics, and so does one whose steps have no name, no Do or
// the name of another.
func (e *Engine) Define(d Definition) {
	if d.Name == "" {
		panic("saga: a definition needs a name")
	}
	seen := map[string]bool{}
	d.Steps = slices.Clone(d.Steps)
	for i, s := range d.Steps {
		if s.Name == "" || s.Do == nil || seen[s.Name] {
			panic(fmt.Sprintf("saga: step %d of %s needs a name of its own and a Do", i, d.Name))
		}
		seen[s.Name] = true
		if e.cfg.Wrap != nil {
			d.Steps[i] = e.cfg.Wrap(d.Name, s)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, twice := e.defs[d.Name]; twice {
		panic(fmt.Sprintf("saga: %s is defined twice", d.Name))
	}
	if e.open {
		panic(fmt.Sprintf("saga: %s is defined after Open", d.Name))
	}
	e.defs[d.Name] = &d
}

// definition returns the kind of s, if this program can go on with s: a saga of
// an older program may have steps that are no longer known.
func (e *Engine) definition(s *Saga) (*Definition, error) {
	e.mu.Lock()
	d := e.defs[s.Name]
	e.mu.Unlock()
	if d == nil {
		return nil, fault.New(fault.Unsupported, "no saga %s is defined", s.Name)
	}
	for _, r := range s.Journal {
		if !slices.ContainsFunc(d.Steps, func(step Step) bool { return step.Name == r.Step }) {
			return nil, fault.New(fault.Unsupported, "saga %s has no step %s", s.Name, r.Step)
		}
	}
	if s.Step > len(d.Steps) || s.Status == Running && s.Step < len(d.Steps) && s.stands(d.Steps[s.Step].Name) != started {
		return nil, fault.New(fault.Unsupported, "the steps of saga %s have changed", s.Name)
	}
	return d, nil
}

// nextStep returns the first step at or after from that is not skipped, or the
// number of steps if there is none.
func (e *Engine) nextStep(d *Definition, r *Run, from int) int {
	for from < len(d.Steps) && e.skips(d.Steps[from], r) {
		from++
	}
	return from
}

// begin journals the saga's next step as started, if there is one.
func (e *Engine) begin(d *Definition, s *Saga) error {
	if s.Step == len(d.Steps) {
		return nil
	}
	return s.note(d.Steps[s.Step].Name, started, e.clock.Now(), nil)
}

// beginUndo makes the last step at or before s.Step that may have taken effect
// the next one to undo. It reports whether there is one.
func (e *Engine) beginUndo(d *Definition, s *Saga) (bool, error) {
	for s.Step = min(s.Step, len(d.Steps)-1); s.Step >= 0; s.Step-- {
		step := d.Steps[s.Step]
		at := s.stands(step.Name)
		if step.Undo != nil && (at == done || at == failed) {
			return true, s.note(step.Name, undoStarted, e.clock.Now(), nil)
		}
	}
	s.Step = 0
	return false, nil
}

func (e *Engine) skips(step Step, r *Run) (skip bool) {
	if step.Skip == nil {
		return false
	}
	err := e.guard(r, func() error { skip = step.Skip(r); return nil })
	return skip && err == nil
}

func (e *Engine) limitOf(step Step, r *Run) (key string) {
	if step.Limit == nil {
		return ""
	}
	_ = e.guard(r, func() error { key = step.Limit(r); return nil }) // logged; then without a limit
	return key
}

// guard calls a function of a definition and turns its panic into an error.
func (e *Engine) guard(r *Run, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			e.logger(&r.saga).Error("a saga's function panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fault.New(fault.Internal, "an internal error").Because(fmt.Errorf("panic: %v", p))
		}
	}()
	return f()
}
