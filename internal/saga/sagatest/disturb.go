package sagatest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// tap is the store of a controller, as the probe lets it be reached.
type tap struct {
	state.Engine
	p *probe
}

// Commit stores the sets unless the controller is dead, and kills it when it is
// time.
func (t *tap) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	p := t.p
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return errDead()
	}
	id, n := p.id, p.commits
	for _, set := range sets {
		if p.armed && id == "" {
			id = p.findSaga(set)
		}
		if id != "" {
			n++
			p.inspect(id, set)
		}
	}
	if p.crash > 0 && !p.eager && n > p.crash {
		p.die()
		return errDead()
	}
	if err := t.Engine.Commit(ctx, base, sets); err != nil {
		return err
	}
	p.id, p.commits = id, n
	if p.crash > 0 && p.eager && n >= p.crash {
		p.die()
	}
	return nil
}

// die stops the controller: no commit and no step succeeds any more. The caller
// holds mu.
func (p *probe) die() {
	p.dead, p.crashed = true, true
	close(p.died)
}

const sagas = "saga.sagas"

// findSaga returns the id of the saga under test if the set has it.
func (p *probe) findSaga(set state.ChangeSet) string {
	for _, row := range set.Rows {
		var s saga.Saga
		if row.Collection == sagas && json.Unmarshal(row.Doc, &s) == nil && s.Name == p.c.Saga {
			return s.ID
		}
	}
	return ""
}

// inspect looks for changes that a step makes beside the journal. The caller holds
// mu.
func (p *probe) inspect(id string, set state.ChangeSet) {
	if p.working == "" {
		return
	}
	service, _, _ := strings.Cut(p.c.Saga, ".")
	for _, row := range set.Rows {
		if row.Collection == sagas && row.Key == id {
			return
		}
	}
	for _, row := range set.Rows {
		own := strings.HasPrefix(row.Collection, service+".")
		if own && !slices.Contains(p.c.Outside, row.Collection) {
			p.strays = append(p.strays, fmt.Sprintf("step %s changes %s outside Run.Commit", p.working, row.Collection))
		}
	}
}

// wrap puts the probe round a step of the saga under test.
func (p *probe) wrap(name string, s saga.Step) saga.Step {
	if name != p.c.Saga {
		return s
	}
	p.steps = append(p.steps, s.Name)
	if p.twice {
		s.Attempts = max(s.Attempts, 1) + 1
	}
	do, undo := s.Do, s.Undo
	s.Do = func(ctx context.Context, r *saga.Run) error { return p.do(ctx, r, s.Name, do) }
	if undo != nil {
		s.Undo = func(ctx context.Context, r *saga.Run) error {
			return p.work(ctx, r, s.Name, "undo of "+s.Name, undo)
		}
	}
	return s
}

// do is a forward step with the scenario's injection.
func (p *probe) do(ctx context.Context, r *saga.Run, name string, do func(context.Context, *saga.Run) error) error {
	inject := nothing
	if name == p.step && r.ID() == p.sagaID() {
		inject = p.inject
	}
	return p.work(ctx, r, name, name, func(ctx context.Context, r *saga.Run) error {
		switch inject {
		case before:
			return p.fire()
		case cancel:
			p.cancelSaga(ctx, r)
		}
		if err := do(ctx, r); err != nil || inject != after {
			return err
		}
		return p.fire()
	})
}

// work runs a Do or an Undo under watch; a dead controller only waits for its end.
// When everything is to be called twice, the first success is not believed.
func (p *probe) work(ctx context.Context, r *saga.Run, step, what string, f func(context.Context, *saga.Run) error) error {
	if r.ID() != p.sagaID() {
		return f(ctx, r)
	}
	if !p.enter(step) {
		<-ctx.Done()
		return ctx.Err()
	}
	defer p.leave()
	if err := f(ctx, r); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.twice && !p.called[what] {
		p.called[what] = true
		return fault.New(fault.Unavailable, "once more")
	}
	return nil
}

func (p *probe) sagaID() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.id
}

func (p *probe) enter(step string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.working = step
	}
	return !p.dead
}

func (p *probe) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.working = ""
}

// fire is the injected failure.
func (p *probe) fire() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fired = true
	return fault.New(fault.Internal, "an injected failure")
}

func (p *probe) cancelSaga(ctx context.Context, r *saga.Run) {
	err := p.db.Update(context.WithoutCancel(ctx), func(tx *state.Tx) error {
		return p.sagas.Cancel(tx, r.Saga().Resource)
	})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fired = p.fired || err == nil
}
