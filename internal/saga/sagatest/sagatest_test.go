package sagatest_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/saga/sagatest"
	"github.com/welkin-cloud/cloud/internal/state"
)

// house is the row of the sample saga, which builds a house from parts.
type house struct {
	ID     string
	Status string
	Rooms  int
}

// yard is the world: the parts that have been put up. It outlives controllers.
type yard struct {
	mu    sync.Mutex
	parts map[string]string // by id: which house it belongs to
}

func (y *yard) put(id, house string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.parts[id] = house
}

func (y *yard) remove(id string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	delete(y.parts, id)
}

func (y *yard) ids() []string {
	y.mu.Lock()
	defer y.mu.Unlock()
	return slices.Sorted(maps.Keys(y.parts))
}

// builder is the sample service.
type builder struct {
	c      *core.Core
	yard   *yard
	houses *state.Collection[house]
}

func newBuilder(c *core.Core, y *yard, change func(b *builder, d *saga.Definition)) *builder {
	b := &builder{c: c, yard: y}
	b.houses = state.Define(c.DB, state.Spec[house]{Name: "house.houses", Noun: "house", Key: func(h *house) string { return h.ID }})
	d := saga.Definition{
		Name: "house.build",
		Steps: []saga.Step{
			{Name: "ids", Do: b.makeIDs},
			{Name: "walls", Do: b.putWalls, Undo: b.removeWalls},
			{Name: "paint", Do: b.paint, Skip: func(*saga.Run) bool { return true }},
			{Name: "rooms", Do: b.countRooms},
			{Name: "roof", Do: b.putRoof, Undo: b.removeRoof, Attempts: 2},
		},
		Finished: func(tx *state.Tx, r *saga.Run) error { return b.end(tx, "built") },
		Failed:   func(tx *state.Tx, r *saga.Run, cause error) error { return b.houses.Delete(tx, "h") },
	}
	if change != nil {
		change(b, &d)
	}
	c.Sagas.Define(d)
	return b
}

func (b *builder) end(tx *state.Tx, status string) error {
	return b.houses.Change(tx, "h", func(h *house) error { h.Status = status; return nil })
}

func (b *builder) makeIDs(_ context.Context, r *saga.Run) error {
	r.Set("walls", b.c.IDs.UUID())
	return nil
}

func (b *builder) putWalls(ctx context.Context, r *saga.Run) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var id string
	r.Load("walls", &id)
	b.yard.put(id, "h")
	return nil
}

func (b *builder) removeWalls(_ context.Context, r *saga.Run) error {
	var id string
	r.Load("walls", &id)
	b.yard.remove(id)
	return nil
}

func (b *builder) paint(context.Context, *saga.Run) error { return errors.New("no paint") }

func (b *builder) countRooms(_ context.Context, r *saga.Run) error {
	r.Commit(func(tx *state.Tx) error {
		return b.houses.Change(tx, "h", func(h *house) error { h.Rooms++; return nil })
	})
	return nil
}

func (b *builder) putRoof(context.Context, *saga.Run) error    { b.yard.put("roof", "h"); return nil }
func (b *builder) removeRoof(context.Context, *saga.Run) error { b.yard.remove("roof"); return nil }

func (b *builder) start(ctx context.Context) error {
	return b.c.DB.Update(ctx, func(tx *state.Tx) error {
		if err := b.houses.Insert(tx, house{ID: "h", Status: "building"}); err != nil {
			return err
		}
		_, err := b.c.Sagas.Start(tx, saga.Start{Name: "house.build", Resource: "house/h"})
		return err
	})
}

func (b *builder) built(context.Context) error {
	h, err := b.houses.Get(b.c.DB.Snapshot(), "h")
	if err != nil {
		return err
	}
	if h.Status != "built" || h.Rooms != 1 || len(b.yard.ids()) != 2 {
		return fmt.Errorf("%+v %v", h, b.yard.ids())
	}
	return nil
}

func (b *builder) clean(context.Context) error {
	if n := b.houses.Count(b.c.DB.Snapshot(), nil); n > 0 || len(b.yard.ids()) > 0 {
		return fmt.Errorf("%d houses and %v are left", n, b.yard.ids())
	}
	return nil
}

func sample(change func(b *builder, d *saga.Definition)) sagatest.Case {
	return sagatest.Case{
		Saga: "house.build",
		New: func(t *testing.T) sagatest.World {
			y := &yard{parts: map[string]string{}}
			return func(c *core.Core) (sagatest.Controller, error) {
				b := newBuilder(c, y, change)
				return sagatest.Controller{Start: b.start, Built: b.built, Clean: b.clean}, nil
			}
		},
	}
}

func TestSound(t *testing.T) {
	sagatest.Run(t, sample(nil))
}

// TestCatches gives sagatest sagas with one fault each.
func TestCatches(t *testing.T) {
	tests := map[string]struct {
		change func(b *builder, d *saga.Definition)
		want   []string
	}{
		"a forgotten undo": {
			func(b *builder, d *saga.Definition) { d.Steps[4].Undo = nil },
			[]string{"step roof failed after its effect: not as if the saga had never run", "[roof]"},
		},
		"a do that is not idempotent": {
			func(b *builder, d *saga.Definition) {
				d.Steps[1].Do = func(context.Context, *saga.Run) error { b.yard.put(b.c.IDs.UUID(), "h"); return nil }
				d.Steps[1].Undo = func(context.Context, *saga.Run) error {
					for _, id := range b.yard.ids() {
						b.yard.remove(id)
					}
					return nil
				}
			},
			[]string{"no fault, everything called twice: not as if the saga had run once", "no fault, crash before commit"},
		},
		"an undo that is not idempotent": {
			func(b *builder, d *saga.Definition) {
				d.Steps[4].Undo = func(context.Context, *saga.Run) error {
					if !slices.Contains(b.yard.ids(), "roof") {
						return fault.Missing("roof", "")
					}
					b.yard.remove("roof")
					return nil
				}
			},
			[]string{"step roof failed before its effect: the saga is stuck: step roof: roof: not found"},
		},
		"a change outside the journal": {
			func(b *builder, d *saga.Definition) {
				d.Steps[3].Do = func(ctx context.Context, _ *saga.Run) error {
					return b.c.DB.Update(ctx, func(tx *state.Tx) error {
						return b.houses.Change(tx, "h", func(h *house) error { h.Rooms = 1; return nil })
					})
				}
			},
			[]string{"step rooms changes house.houses outside Run.Commit"},
		},
		"an identifier that is not kept": {
			func(b *builder, d *saga.Definition) {
				var id string
				d.Steps[0].Do = func(context.Context, *saga.Run) error { id = b.c.IDs.UUID(); return nil }
				d.Steps[1].Do = func(context.Context, *saga.Run) error { b.yard.put(id, "h"); return nil }
				d.Steps[1].Undo = func(context.Context, *saga.Run) error { b.yard.remove(id); return nil }
			},
			[]string{"crash"},
		},
		"a saga that fails": {
			func(b *builder, d *saga.Definition) {
				d.Steps[3].Do = func(context.Context, *saga.Run) error { return errors.New("oops") }
			},
			[]string{"the saga failed by itself: step rooms: oops"},
		},
		"another saga": {
			func(b *builder, d *saga.Definition) { d.Name = "house.other" },
			[]string{"did not start"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := sagatest.Check(t, sample(test.change))
			require.Error(t, err)
			for _, want := range test.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// TestForward is of a saga that cannot be undone.
func TestForward(t *testing.T) {
	c := sample(func(b *builder, d *saga.Definition) {
		for i := range d.Steps {
			d.Steps[i].Undo = nil
		}
	})
	c.Forward = true
	sagatest.Run(t, c)
}

// TestOutside allows a change beside the journal.
func TestOutside(t *testing.T) {
	c := sample(func(b *builder, d *saga.Definition) {
		d.Steps[3].Do = func(ctx context.Context, _ *saga.Run) error {
			return b.c.DB.Update(context.WithoutCancel(ctx), func(tx *state.Tx) error {
				return b.houses.Change(tx, "h", func(h *house) error { h.Rooms = 1; return nil })
			})
		}
	})
	c.Outside = []string{"house.houses"}
	sagatest.Run(t, c)
}
