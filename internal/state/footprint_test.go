package state_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// look is something to compute from a state.
type look func(c *cloud, r state.Reader) string

// looks are all ways to read a collection.
func looks() map[string]look {
	all := map[string]look{
		"all":   func(c *cloud, r state.Reader) string { return fmt.Sprint(slices.Collect(c.servers.All(r))) },
		"count": func(c *cloud, r state.Reader) string { return fmt.Sprint(c.servers.Count(r, nil)) },
		"where": func(c *cloud, r state.Reader) string {
			return fmt.Sprint(slices.Collect(c.servers.Where(r, c.byProject)))
		},
		"first of all": func(c *cloud, r state.Reader) string { return firstOf(c, r, "") },
		"tag x": func(c *cloud, r state.Reader) string {
			return fmt.Sprint(slices.Collect(c.servers.Where(r, c.byTag, "x")))
		},
		"all after a": func(c *cloud, r state.Reader) string {
			return fmt.Sprint(slices.Collect(c.servers.After(r, "a")))
		},
		"tag x after a": func(c *cloud, r state.Reader) string {
			return fmt.Sprint(slices.Collect(c.servers.WhereAfter(r, c.byTag, "a", "x")))
		},
		"nothing": func(*cloud, state.Reader) string { return "" },
	}
	for _, id := range []string{"a", "b"} {
		all["get "+id] = func(c *cloud, r state.Reader) string { s, _ := c.servers.Get(r, id); return fmt.Sprint(s) }
		all["has "+id] = func(c *cloud, r state.Reader) string { return fmt.Sprint(c.servers.Has(r, id)) }
	}
	for _, p := range []string{"p", "q"} {
		all["first of "+p] = func(c *cloud, r state.Reader) string { return firstOf(c, r, p) }
		all["count "+p] = func(c *cloud, r state.Reader) string { return fmt.Sprint(c.servers.Count(r, c.byProject, p)) }
		for _, n := range []string{"m", "n"} {
			all["find "+p+n] = func(c *cloud, r state.Reader) string { s, _ := c.servers.Find(r, c.byName, p, n); return fmt.Sprint(s) }
			all["where "+p+n] = func(c *cloud, r state.Reader) string {
				return fmt.Sprint(slices.Collect(c.servers.Where(r, c.byProject, p, n)))
			}
		}
	}
	return all
}

// firstOf stops a walk early.
func firstOf(c *cloud, r state.Reader, project string) string {
	for s := range c.servers.Where(r, c.byProject, project) {
		return fmt.Sprint(s)
	}
	return ""
}

// kept is a result with what it rests on.
type kept struct {
	*state.Footprint
	result string
}

func keep(c *cloud, f look) kept {
	trace := c.Trace(c.Snapshot())
	result := f(c, trace)
	return kept{trace.Footprint(), result}
}

func TestAFootprintHoldsUntilItIsTouched(t *testing.T) {
	for name, touching := range map[string][]string{
		"get a":    {"size of a", "a goes"},
		"get b":    {"b comes"},
		"all":      {"size of a", "a goes", "b comes", "c comes"},
		"count":    {"size of a", "a goes", "b comes", "c comes"},
		"count p":  {"size of a", "a goes", "b comes"},
		"find pm":  {"size of a", "a goes"},
		"where pn": {"b comes"},
		"where qm": {},
		"tag x":    {"c comes"},
		// A walk that begins later is taken for one over all.
		"all after a":   {"size of a", "a goes", "b comes", "c comes"},
		"tag x after a": {"c comes"},
		"nothing":       {},
	} {
		for change, do := range map[string]func(c *cloud, tx *state.Tx) error{
			"size of a": func(c *cloud, tx *state.Tx) error {
				return c.servers.Change(tx, "a", func(s *server) error { s.Size++; return nil })
			},
			"a goes": func(c *cloud, tx *state.Tx) error { return c.servers.Delete(tx, "a") },
			"b comes": func(c *cloud, tx *state.Tx) error {
				return c.servers.Insert(tx, server{ID: "b", Project: "p", Name: "n"})
			},
			"c comes": func(c *cloud, tx *state.Tx) error {
				return c.servers.Insert(tx, server{ID: "c", Project: "pm", Tags: []string{"x"}})
			},
			"nothing": func(_ *cloud, tx *state.Tx) error { tx.Emit(state.Event{Type: "x"}); return nil },
		} {
			t.Run(name+", "+change, func(t *testing.T) {
				c := open(t, nil, nil)
				c.insert(t, server{ID: "a", Project: "p", Name: "m"})
				k := keep(c, looks()[name])
				require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { return do(c, tx) }))
				require.Equal(t, !slices.Contains(touching, change), c.Holds(k.Footprint, c.Snapshot()))
			})
		}
	}
}

// TestAFootprintNeverHoldsWrongly keeps results over random commits, more than the
// history remembers, on a DB that follows another one.
func TestAFootprintNeverHoldsWrongly(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			store := memengine.NewStore(memengine.Options{Shared: true})
			a := open(t, on(t, store), &state.Options{History: 8})
			b := open(t, on(t, store), &state.Options{History: 8})
			results := map[string]kept{}
			for range rapid.IntRange(1, 60).Draw(rt, "steps") {
				c := rapid.SampledFrom([]*cloud{a, b}).Draw(rt, "writer")
				_ = c.Update(t.Context(), func(tx *state.Tx) error {
					current := model{}
					for s := range c.servers.All(tx) {
						current[s.ID] = s
					}
					current.apply(rt, c, tx)
					return nil
				})
				synctest.Wait()
				if rapid.IntRange(0, 2).Draw(rt, "look") == 0 {
					continue
				}
				for name, f := range looks() {
					now := keep(b, f)
					if k, ok := results[name]; ok && b.Holds(k.Footprint, b.Snapshot()) {
						require.Equal(t, now.result, k.result, name)
						continue
					}
					results[name] = now
				}
			}
		})
	})
}

func TestFootprintsUnderWrites(t *testing.T) {
	c := open(t, nil, &state.Options{History: 16})
	c.insert(t, server{ID: "a"})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			var k kept
			for c.Snapshot().Revision() < 500 {
				s := c.Snapshot()
				if k.Footprint == nil || !c.Holds(k.Footprint, s) {
					trace := c.Trace(s)
					k = kept{result: looks()["get a"](c, trace)}
					k.Footprint = trace.Footprint()
				}
				if c.Snapshot() == s && k.result != looks()["get a"](c, s) {
					t.Errorf("%s is taken for %s", k.result, looks()["get a"](c, s))
				}
			}
		})
	}
	for i := range 500 {
		require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
			return c.servers.Change(tx, "a", func(s *server) error { s.Size = i; return nil })
		}))
	}
	wg.Wait()
}
