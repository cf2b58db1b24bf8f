package state_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/internal/state"
)

func put(t require.TestingT, c *cloud, id string, size int) {
	require.NoError(t, c.Update(context.Background(), func(tx *state.Tx) error {
		return c.servers.Put(tx, server{ID: id, Project: "p", Name: id, Size: size})
	}))
}

// forkOf returns a fork with collections of its own.
func forkOf(c *cloud) *cloud { return define(c.Fork()) }

func newest(c *cloud) state.Moment { return state.Moment{DB: c.DB, Snapshot: c.Snapshot()} }

func origin(c *cloud) state.Moment { return state.Moment{DB: c.DB, Snapshot: c.Origin()} }

// sizes is what a snapshot holds.
func sizes(c *cloud, s *state.Snapshot) map[string]int {
	all := map[string]int{}
	for doc := range c.servers.All(s) {
		all[doc.ID] = doc.Size
	}
	return all
}

func TestCollectionsOfAForkAreDefinedAnew(t *testing.T) {
	c := define(state.New(nil, nil))
	require.NoError(t, c.Open(t.Context()))
	put(t, c, "a", 1)
	f := forkOf(c)
	require.Equal(t, []string{"compute.servers"}, f.Collections())
	put(t, f, "b", 2)
	s, ok := f.servers.Find(f.Snapshot(), f.byName, "p", "a")
	require.True(t, ok, "an index of the new definition reads what is there")
	require.Equal(t, 1, s.Size)
	require.Equal(t, map[string]int{"a": 1, "b": 2}, sizes(c, f.Snapshot()), "so does the old definition")
	require.Equal(t, map[string]int{"a": 1}, sizes(c, c.Snapshot()))
	require.Nil(t, c.Origin())
	require.PanicsWithValue(t, "state: collection other is not defined on the original of a fork", func() {
		state.Define(f.DB, state.Spec[server]{Name: "other", Key: func(s *server) string { return s.ID }})
	})
	require.PanicsWithValue(t, "state: collection compute.servers is another one on the original of a fork", func() {
		state.Define(f.DB, state.Spec[server]{Name: "compute.servers", Key: func(s *server) string { return s.ID }})
	})
}

// TestDiffAgreesWithTheDocuments compares Diff of random moments of random forks with
// what the documents say, with histories that are long enough and too short.
func TestDiffAgreesWithTheDocuments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := define(state.New(nil, &state.Options{History: rapid.SampledFrom([]int{2, 100}).Draw(t, "history")}))
		require.NoError(t, c.Open(context.Background()))
		clouds := []*cloud{c}
		moments := []state.Moment{newest(c)}
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			on := rapid.SampledFrom(clouds).Draw(t, "on")
			switch rapid.SampledFrom([]string{"put", "put", "delete", "fork"}).Draw(t, "verb") {
			case "put":
				put(t, on, strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "id")), rapid.IntRange(0, 3).Draw(t, "size"))
			case "delete":
				id := strconv.Itoa(rapid.IntRange(0, 5).Draw(t, "id"))
				_ = on.Update(context.Background(), func(tx *state.Tx) error { return on.servers.Delete(tx, id) })
			case "fork":
				f := forkOf(on)
				clouds = append(clouds, f)
				moments = append(moments, origin(f))
			}
			moments = append(moments, newest(on))
		}
		a, b := rapid.SampledFrom(moments).Draw(t, "a"), rapid.SampledFrom(moments).Draw(t, "b")
		before, after := sizes(c, a.Snapshot), sizes(c, b.Snapshot)
		applied := sizes(c, a.Snapshot)
		last := ""
		for _, change := range state.Diff(a, b) {
			require.Less(t, last, change.Key, "in order, each once")
			last = change.Key
			if change.New == nil {
				delete(applied, change.Key)
			} else {
				applied[change.Key] = change.New.(*server).Size
			}
			if change.Old == nil {
				require.NotContains(t, before, change.Key)
			} else {
				require.Equal(t, before[change.Key], change.Old.(*server).Size)
			}
		}
		require.Equal(t, after, applied)
	})
}

func TestExportAndOpenFrom(t *testing.T) {
	c := define(state.New(nil, nil))
	require.NoError(t, c.Open(t.Context()))
	for i := range 1000 {
		put(t, c, fmt.Sprintf("id-%04d", i), i)
	}
	d := define(state.New(nil, nil))
	require.NoError(t, d.OpenFrom(t.Context(), c.Snapshot().Revision(), c.Snapshot().Export))
	require.Equal(t, sizes(c, c.Snapshot()), sizes(d, d.Snapshot()))
	require.Equal(t, c.Snapshot().Revision(), d.Snapshot().Revision())
	require.Len(t, state.Diff(newest(c), newest(d)), 1000, "their documents are others")
	put(t, d, "more", 1)
	require.NoError(t, d.Close())

	e := state.New(nil, nil)
	err := e.OpenFrom(t.Context(), 1, c.Snapshot().Export)
	require.ErrorContains(t, err, `does not know the collection "compute.servers"`)
}

// BenchmarkDiff is ten changes among a hundred thousand documents.
func BenchmarkDiff(b *testing.B) {
	c := define(state.New(nil, nil))
	require.NoError(b, c.Open(b.Context()))
	for i := range 100_000 {
		put(b, c, strconv.Itoa(i), i)
	}
	f := forkOf(c)
	for i := range 10 {
		put(b, f, strconv.Itoa(i*7), -1)
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := len(state.Diff(origin(f), newest(f))); n != 10 {
			b.Fatal(n)
		}
	}
}
