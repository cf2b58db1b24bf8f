package state_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// interleave runs one transaction in the middle of another's first run and returns
// how often the outer one ran.
func interleave(t *testing.T, c *cloud, outer, inner func(tx *state.Tx) error) (runs int) {
	t.Helper()
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		runs++
		if err := outer(tx); err != nil {
			return err
		}
		if runs == 1 {
			require.NoError(t, c.Update(t.Context(), inner))
		}
		return nil
	}))
	return runs
}

func TestConflicts(t *testing.T) {
	type body func(t *testing.T, c *cloud, tx *state.Tx) error
	read := func(key string) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error { c.servers.Has(tx, key); return nil }
	}
	put := func(s server) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error { return c.servers.Put(tx, s) }
	}
	remove := func(key string) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error { return c.servers.Delete(tx, key) }
	}
	where := func(parts ...string) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error {
			for range c.servers.Where(tx, c.byProject, parts...) {
			}
			return nil
		}
	}
	firstOf := func(parts ...string) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error {
			for range c.servers.Where(tx, c.byProject, parts...) {
				break
			}
			return nil
		}
	}
	all := func(_ *testing.T, c *cloud, tx *state.Tx) error { _ = slices.Collect(c.servers.All(tx)); return nil }
	count := func(_ *testing.T, c *cloud, tx *state.Tx) error { c.servers.Count(tx, nil); return nil }
	find := func(parts ...string) body {
		return func(_ *testing.T, c *cloud, tx *state.Tx) error {
			c.servers.Find(tx, c.byProject, parts...)
			return nil
		}
	}
	taken := func(s server) body {
		return func(t *testing.T, c *cloud, tx *state.Tx) error {
			// Whether it fails or not, the transaction goes on.
			if err := c.servers.Insert(tx, s); err != nil {
				require.ErrorIs(t, err, fault.AlreadyExists)
			}
			return nil
		}
	}
	for _, test := range []struct {
		name         string
		outer, inner body
		conflict     bool
	}{
		{"read and changed", read("a"), put(server{ID: "a", Project: "p", Name: "a", Size: 1}), true},
		{"read and deleted", read("a"), remove("a"), true},
		{"read another", read("a"), remove("b"), false},
		{"absent and inserted", read("x"), put(server{ID: "x"}), true},
		{"listed and inserted", where("p"), put(server{ID: "x", Project: "p"}), true},
		{"listed and deleted", where("p"), remove("a"), true},
		{"listed and changed", where("p"), put(server{ID: "a", Project: "p", Name: "a", Size: 1}), true},
		{"listed and moved out", where("p"), put(server{ID: "a", Project: "q", Name: "z"}), true},
		{"listed and moved in", where("q"), put(server{ID: "a", Project: "q", Name: "z"}), true},
		{"listed an empty range", where("empty"), put(server{ID: "x", Project: "empty"}), true},
		{"listed another project", where("q"), put(server{ID: "x", Project: "p"}), false},
		{"listed a project whose name begins alike", where("p"), put(server{ID: "x", Project: "pp"}), false},
		{"listed the whole index", where(), put(server{ID: "x", Project: "r"}), true},
		{"listed in part, changed before", firstOf("p"), remove("a"), true},
		{"listed in part, changed behind", firstOf("p"), remove("b"), false},
		{"listed all", all, put(server{ID: "x"}), true},
		{"counted all", count, put(server{ID: "x"}), true},
		{"found and changed", find("p", "a"), remove("a"), true},
		{"not found and inserted", find("p", "x"), put(server{ID: "x", Project: "p", Name: "x"}), true},
		{"found another", find("p", "a"), remove("b"), false},
		{"blind write of the same key", put(server{ID: "a", Project: "p", Name: "a", Size: 2}), put(server{ID: "a", Project: "p", Name: "a", Size: 1}), false},
		{"blind write of another's unique key", put(server{ID: "x", Project: "r", Name: "n"}), put(server{ID: "y", Project: "q", Name: "y"}), false},
		{"refused by a unique key that is then free", taken(server{ID: "x", Project: "p", Name: "a"}), remove("a"), true},
		{"deleted by both", func(_ *testing.T, c *cloud, tx *state.Tx) error {
			if c.servers.Has(tx, "a") {
				return c.servers.Delete(tx, "a")
			}
			return nil
		}, remove("a"), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, nil, nil)
			c.insert(t, server{ID: "a", Project: "p", Name: "a"}, server{ID: "b", Project: "p", Name: "b"}, server{ID: "c", Project: "q", Name: "c"})
			runs := interleave(t, c, func(tx *state.Tx) error {
				tx.Emit(state.Event{Type: "outer"}) // so that it must commit
				return test.outer(t, c, tx)
			}, func(tx *state.Tx) error { return test.inner(t, c, tx) })
			if test.conflict {
				require.Equal(t, 2, runs)
			} else {
				require.Equal(t, 1, runs)
			}
			checkIndexes(t, c, c.Snapshot())
		})
	}
}

// checkIndexes compares every index with what the documents say.
func checkIndexes(t require.TestingT, c *cloud, r state.Reader) {
	all := slices.Collect(c.servers.All(r))
	require.Equal(t, len(all), c.servers.Count(r, nil))
	byProject, byTag, named := []string{}, []string{}, 0
	slices.SortFunc(all, func(a, b server) int { return cmpStrings(a.Project, b.Project, a.Name, b.Name, a.ID, b.ID) })
	for _, s := range all {
		byProject = append(byProject, s.ID)
		if s.Name != "" {
			named++
		}
		for _, tag := range s.Tags {
			byTag = append(byTag, tag+"/"+s.ID)
		}
	}
	slices.Sort(byTag)
	require.Equal(t, byProject, idsOf(slices.Collect(c.servers.Where(r, c.byProject))))
	require.Equal(t, named, c.servers.Count(r, c.byName))
	require.Equal(t, len(byTag), c.servers.Count(r, c.byTag))
	got := []string{}
	for _, tag := range []string{"x", "y", "z"} {
		for s := range c.servers.Where(r, c.byTag, tag) {
			got = append(got, tag+"/"+s.ID)
		}
	}
	require.Equal(t, byTag, got)
}

// cmpStrings compares pairs until one differs.
func cmpStrings(pairs ...string) int {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != pairs[i+1] {
			if pairs[i] < pairs[i+1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func TestIsolation(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "a", Size: 1})
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		require.NoError(t, c.servers.Change(tx, "a", func(s *server) error { s.Size = 2; return nil }))
		outside, err := c.servers.Get(c.Snapshot(), "a")
		require.NoError(t, err)
		require.Equal(t, 1, outside.Size, "others do not see what is not committed")
		return nil
	}))
	// A transaction reads one snapshot, whatever is committed meanwhile.
	first := true
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		before, err := c.servers.Get(tx, "a")
		require.NoError(t, err)
		if first {
			first = false
			require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { return c.servers.Put(tx, server{ID: "a", Size: 3}) }))
		}
		again, err := c.servers.Get(tx, "a")
		require.NoError(t, err)
		require.Equal(t, before, again)
		return nil
	}))
}

func TestWriteSkewIsRefused(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "a", Project: "on"}, server{ID: "b", Project: "on"})
	// Each turns one off if the other is on: both must never be off.
	off := func(id string) func(tx *state.Tx) error {
		return func(tx *state.Tx) error {
			if c.servers.Count(tx, c.byProject, "on") < 2 {
				return nil
			}
			return c.servers.Change(tx, id, func(s *server) error { s.Project = "off"; return nil })
		}
	}
	require.Equal(t, 2, interleave(t, c, off("a"), off("b")))
	require.Equal(t, 1, c.servers.Count(c.Snapshot(), c.byProject, "on"))
}

func TestUnique(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "a", Project: "p", Name: "n"}, server{ID: "b", Project: "p", Name: "m"})
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		err := c.servers.Insert(tx, server{ID: "x", Project: "p", Name: "n"})
		require.ErrorIs(t, err, fault.AlreadyExists)
		require.Equal(t, "a server with this name already exists", fault.Public(err))
		require.ErrorIs(t, c.servers.Put(tx, server{ID: "b", Project: "p", Name: "n"}), fault.AlreadyExists)
		require.NoError(t, c.servers.Put(tx, server{ID: "a", Project: "p", Name: "n", Size: 1}), "it may keep its own")
		require.NoError(t, c.servers.Insert(tx, server{ID: "x", Project: "q", Name: "n"}))
		require.ErrorIs(t, c.servers.Insert(tx, server{ID: "y", Project: "q", Name: "n"}), fault.AlreadyExists, "own writes count")
		return nil
	}))
	// Swapping names needs a step between, in the transaction and on another head.
	swap := func(tx *state.Tx) error {
		for _, s := range []server{{ID: "a", Project: "p"}, {ID: "b", Project: "p", Name: "n"}, {ID: "a", Project: "p", Name: "m"}} {
			if err := c.servers.Put(tx, s); err != nil {
				return err
			}
		}
		return nil
	}
	runs := interleave(t, c, swap, func(tx *state.Tx) error { return c.servers.Insert(tx, server{ID: "z"}) })
	require.Equal(t, 1, runs)
	s, ok := c.servers.Find(c.Snapshot(), c.byName, "p", "m")
	require.True(t, ok)
	require.Equal(t, "a", s.ID)
	checkIndexes(t, c, c.Snapshot())
}

func TestUniqueAmongMany(t *testing.T) {
	c := open(t, nil, nil)
	var group sync.WaitGroup
	won := make(chan string, 64)
	for i := range 16 {
		group.Go(func() {
			for n := range 4 {
				id := fmt.Sprintf("%d-%d", i, n)
				err := c.Update(t.Context(), func(tx *state.Tx) error {
					return c.servers.Put(tx, server{ID: id, Project: "p", Name: fmt.Sprint(n)})
				})
				if err == nil {
					won <- id
				} else if fault.Of(err) != fault.AlreadyExists {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	require.Len(t, won, 4)
	require.Equal(t, 4, c.servers.Count(c.Snapshot(), nil))
}

func TestProgressUnderContention(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "counter"})
	const writers, each = 8, 100
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				err := c.Update(t.Context(), func(tx *state.Tx) error {
					_ = slices.Collect(c.servers.All(tx)) // as broad a dependency as there is
					return c.servers.Change(tx, "counter", func(s *server) error { s.Size++; return nil })
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	s, err := c.servers.Get(c.Snapshot(), "counter")
	require.NoError(t, err)
	require.Equal(t, writers*each, s.Size)
}

// A transaction that always loses runs alone in the end.
func TestALosingTransactionRunsAlone(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "a"})
	bump := func(tx *state.Tx) error {
		return c.servers.Change(tx, "a", func(s *server) error { s.Size++; return nil })
	}
	runs := 0
	rival := make(chan error, 100)
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		runs++
		require.NoError(t, bump(tx))
		started := make(chan struct{})
		go func() {
			rival <- c.Update(t.Context(), func(tx *state.Tx) error {
				select {
				case <-started:
				default:
					close(started)
				}
				return bump(tx)
			})
		}()
		<-started
		if runs <= 3 {
			require.NoError(t, <-rival)
		}
		return nil
	}))
	require.Equal(t, 4, runs)
	require.NoError(t, <-rival, "the rival waits and then commits")
	s, err := c.servers.Get(c.Snapshot(), "a")
	require.NoError(t, err)
	require.Equal(t, 5, s.Size)
}

func TestWritingDuringAWalk(t *testing.T) {
	c := open(t, nil, nil)
	for i := range 300 {
		c.insert(t, server{ID: fmt.Sprintf("%03d", i), Project: "p"})
	}
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		require.NoError(t, c.servers.Insert(tx, server{ID: "new", Project: "p"}))
		seen := 0
		for s := range c.servers.Where(tx, c.byProject, "p") {
			seen++
			require.NoError(t, c.servers.Delete(tx, s.ID))
			require.NoError(t, c.servers.Put(tx, server{ID: "x" + s.ID, Project: "p"}))
		}
		require.Equal(t, 301, seen)
		return nil
	}))
	require.Equal(t, 301, c.servers.Count(c.Snapshot(), c.byProject, "p"))
	require.False(t, c.servers.Has(c.Snapshot(), "000"))
	checkIndexes(t, c, c.Snapshot())
}

func TestATransactionEndsWithItsFunction(t *testing.T) {
	c := open(t, nil, nil)
	var kept *state.Tx
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { kept = tx; return c.servers.Put(tx, server{ID: "a"}) }))
	require.Panics(t, func() { c.servers.Has(kept, "a") })
	require.Panics(t, func() { _ = c.servers.Put(kept, server{ID: "b"}) })
	require.Panics(t, func() { kept.Emit(state.Event{}) })
}

func TestAPanicLeavesTheDBUsable(t *testing.T) {
	c := open(t, nil, nil)
	require.Panics(t, func() {
		_ = c.Update(t.Context(), func(tx *state.Tx) error { _ = c.servers.Put(tx, server{ID: "a"}); panic("oh") })
	})
	c.insert(t, server{ID: "a"})
}

func TestWhatChangesNothingIsNoCommit(t *testing.T) {
	c := open(t, nil, nil)
	hooks := 0
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		tx.AfterCommit(func() { hooks++ })
		require.NoError(t, c.servers.Insert(tx, server{ID: "a"}))
		return c.servers.Delete(tx, "a")
	}))
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { c.servers.Has(tx, "a"); return nil }))
	require.Zero(t, c.Snapshot().Revision())
	require.Equal(t, 1, hooks)
	require.Empty(t, slices.Collect(c.servers.All(c.Snapshot())))
}

func TestDefineRefusesMistakes(t *testing.T) {
	db := state.New(nil, nil)
	c := define(db)
	require.Panics(t, func() { define(db) }, "twice")
	require.NoError(t, db.Open(t.Context()))
	require.Panics(t, func() {
		state.Define(db, state.Spec[server]{Name: "late", Key: func(s *server) string { return s.ID }})
	})
	other := state.NewIndex("other", func(*server) []string { return nil })
	require.Panics(t, func() { c.servers.Where(db.Snapshot(), other) })
	require.NoError(t, db.Close())
	require.NoError(t, db.Close())
	err := db.Update(t.Context(), func(tx *state.Tx) error { return c.servers.Put(tx, server{ID: "a"}) })
	require.ErrorIs(t, err, fault.Unavailable)
}
