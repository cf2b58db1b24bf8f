package state_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// take reads n commits after from.
func take(t testing.TB, c *cloud, from uint64, n int) (commits []state.Commit) {
	t.Helper()
	for commit, err := range c.Watch(t.Context(), from) {
		require.NoError(t, err)
		if commits = append(commits, commit); len(commits) == n {
			break
		}
	}
	return commits
}

func TestWatch(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "a", Size: 1})
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		tx.Emit(state.Event{Type: "resized", Resource: "server", ID: "a"})
		tx.Emit(state.Event{Type: "inserted", Resource: "server", ID: "b"})
		require.NoError(t, c.servers.Change(tx, "a", func(s *server) error { s.Size = 2; return nil }))
		return c.servers.Insert(tx, server{ID: "b"})
	}))
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { return c.servers.Delete(tx, "a") }))
	want := []state.Commit{
		{Revision: 1, Changes: []state.Change{{Collection: "compute.servers", Key: "a", New: &server{ID: "a", Size: 1}}}},
		{Revision: 2, Changes: []state.Change{
			{Collection: "compute.servers", Key: "a", Old: &server{ID: "a", Size: 1}, New: &server{ID: "a", Size: 2}},
			{Collection: "compute.servers", Key: "b", New: &server{ID: "b"}},
		}, Events: []state.Event{
			{Type: "resized", Resource: "server", ID: "a", Revision: 2},
			{Type: "inserted", Resource: "server", ID: "b", Revision: 2},
		}},
		{Revision: 3, Changes: []state.Change{{Collection: "compute.servers", Key: "a", Old: &server{ID: "a", Size: 2}}}},
	}
	require.Equal(t, want, take(t, c, 0, 3))
	require.Equal(t, want[1:], take(t, c, 1, 2), "a watch resumes")
}

func TestWatchWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, nil, nil)
		got := make(chan uint64, 10)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for commit, err := range c.Watch(ctx, 0) {
				if err != nil {
					t.Error(err)
					return
				}
				got <- commit.Revision
			}
		}()
		synctest.Wait() // the watcher is asleep
		for i := range 3 {
			c.insert(t, server{ID: fmt.Sprint(i)})
			synctest.Wait()
			require.EqualValues(t, i+1, <-got)
		}
		cancel()
		<-ended
		require.Empty(t, got)
	})
}

func TestWatchIsCompacted(t *testing.T) {
	c := open(t, nil, &state.Options{History: 5})
	for i := range 20 {
		c.insert(t, server{ID: fmt.Sprint(i)})
	}
	require.Len(t, take(t, c, 15, 5), 5)
	for from := range uint64(15) {
		for _, err := range c.Watch(t.Context(), from) {
			require.ErrorIs(t, err, state.ErrCompacted)
		}
	}
	// A consumer that is too slow finds out.
	n := 0
	for _, err := range c.Watch(t.Context(), 19) {
		if n++; n == 2 {
			require.ErrorIs(t, err, state.ErrCompacted)
			break
		}
		require.NoError(t, err)
		for i := range 6 {
			c.insert(t, server{ID: fmt.Sprint("more", i)})
		}
	}
	require.Equal(t, 2, n)
}

func TestCloseEndsWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := define(state.New(nil, nil))
		require.NoError(t, c.Open(t.Context()))
		c.insert(t, server{ID: "a"})
		var got []error
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			for _, err := range c.Watch(t.Context(), 0) {
				got = append(got, err)
			}
		}()
		synctest.Wait()
		require.NoError(t, c.Close())
		<-ended
		require.Len(t, got, 2)
		require.NoError(t, got[0])
		require.ErrorIs(t, got[1], fault.Unavailable)
	})
}

func TestFork(t *testing.T) {
	c := open(t, nil, nil)
	for i := range 1000 {
		c.insert(t, server{ID: fmt.Sprintf("%04d", i), Project: "p", Name: fmt.Sprint(i)})
	}
	f := &cloud{c.Fork(), c.servers, c.byProject, c.byName, c.byTag}
	g := &cloud{f.Fork(), c.servers, c.byProject, c.byName, c.byTag}
	require.EqualValues(t, 1000, f.Snapshot().Revision())
	done := make(chan struct{})
	go func() { // both sides at once, for the race detector
		defer close(done)
		for i := range 500 {
			f.change(t, fmt.Sprintf("%04d", i), 1)
		}
	}()
	for i := range 500 {
		c.change(t, fmt.Sprintf("%04d", i+500), 2)
	}
	<-done
	f.insert(t, server{ID: "fork"})
	sizes := func(c *cloud) (sizes [3]int) {
		for s := range c.servers.All(c.Snapshot()) {
			sizes[s.Size]++
		}
		checkIndexes(t, c, c.Snapshot())
		return sizes
	}
	require.Equal(t, [3]int{500, 0, 500}, sizes(c))
	require.Equal(t, [3]int{501, 500, 0}, sizes(f))
	require.Equal(t, [3]int{1000, 0, 0}, sizes(g))
	require.EqualValues(t, 1001, take(t, f, 1000, 1)[0].Revision, "a fork is watched from its beginning")
	require.NoError(t, c.Fork().Close())
	require.NoError(t, f.Close())
	c.insert(t, server{ID: "still open"})
}

func (c *cloud) change(t testing.TB, id string, size int) {
	err := c.Update(t.Context(), func(tx *state.Tx) error {
		return c.servers.Change(tx, id, func(s *server) error { s.Size = size; return nil })
	})
	if err != nil {
		t.Error(err)
	}
}
