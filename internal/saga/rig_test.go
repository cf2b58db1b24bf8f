package saga_test

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// thing is the row that the tests' sagas work on.
type thing struct {
	ID     string
	Status string
	Marks  []string
}

// rig is a state with an engine over it.
type rig struct {
	t      testing.TB
	db     *state.DB
	things *state.Collection[thing]
	*saga.Engine
	log *syncBuffer
}

// newRig makes a closed rig: define sagas on it, then open it.
func newRig(t testing.TB, engine state.Engine, cfg saga.Config) *rig {
	r := &rig{t: t, db: state.New(engine, nil), log: &syncBuffer{}}
	r.things = state.Define(r.db, state.Spec[thing]{Name: "test.things", Noun: "thing", Key: func(d *thing) string { return d.ID }})
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.Engine = saga.New(r.db, clock.System{}, ids.Random(), log, cfg)
	return r
}

func (r *rig) open() *rig {
	require.NoError(r.t, r.db.Open(r.t.Context()))
	require.NoError(r.t, r.Engine.Open(r.t.Context()))
	r.t.Cleanup(r.close)
	return r
}

func (r *rig) close() {
	require.NoError(r.t, r.Engine.Close())
	require.NoError(r.t, r.db.Close())
}

// start starts a saga on thing/ID.
func (r *rig) start(name, thingID string, params any) string {
	var id string
	err := r.db.Update(r.t.Context(), func(tx *state.Tx) (err error) {
		id, err = r.Start(tx, saga.Start{Name: name, Action: "make", Resource: "thing/" + thingID, RequestID: "req-1", Params: params})
		return err
	})
	require.NoError(r.t, err)
	return id
}

func (r *rig) cancel(thingID string) {
	require.NoError(r.t, r.db.Update(r.t.Context(), func(tx *state.Tx) error { return r.Cancel(tx, "thing/"+thingID) }))
}

func (r *rig) get(id string) saga.Saga {
	s, err := r.Get(r.db.Snapshot(), id)
	require.NoError(r.t, err)
	return s
}

func (r *rig) thing(id string) thing {
	d, err := r.things.Get(r.db.Snapshot(), id)
	require.NoError(r.t, err)
	return d
}

// mark appends to the marks of a thing.
func (r *rig) mark(tx *state.Tx, id, mark string) error {
	d, err := r.things.Get(tx, id)
	if err != nil {
		d = thing{ID: id}
	}
	d.Marks = append(d.Marks[:len(d.Marks):len(d.Marks)], mark)
	return r.things.Put(tx, d)
}

// ends returns definitions' hooks that keep how the saga ended in thing "x".
func (r *rig) ends(d saga.Definition) saga.Definition {
	d.Finished = func(tx *state.Tx, run *saga.Run) error { return r.mark(tx, "x", "finished") }
	d.Failed = func(tx *state.Tx, run *saga.Run, cause error) error {
		return r.mark(tx, "x", "failed: "+cause.Error())
	}
	d.Stuck = func(tx *state.Tx, run *saga.Run, cause error) error {
		return r.mark(tx, "x", "stuck: "+cause.Error())
	}
	return d
}

// step returns a step that keeps its do and its undo in the marks of thing "x".
func (r *rig) step(name string) saga.Step {
	note := func(mark string) func(context.Context, *saga.Run) error {
		return func(ctx context.Context, run *saga.Run) error {
			run.Commit(func(tx *state.Tx) error { return r.mark(tx, "x", mark) })
			return nil
		}
	}
	return saga.Step{Name: name, Do: note(name), Undo: note("un" + name)}
}

// failing returns a step that fails with err, and can be undone.
func (r *rig) failing(name string, err error) saga.Step {
	s := r.step(name)
	s.Do = func(context.Context, *saga.Run) error { return err }
	return s
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// list is strings in the order in which they were added.
type list struct {
	mu sync.Mutex
	s  []string
}

func (l *list) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s = append(l.s, s)
}

func (l *list) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.s)
}
