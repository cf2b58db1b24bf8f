package state_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// server is the document of most tests.
type server struct {
	ID, Name, Project string
	Tags              []string `json:",omitempty"`
	Size              int
}

// cloud is a DB with one collection.
type cloud struct {
	*state.DB
	servers   *state.Collection[server]
	byProject *state.Index[server]
	byName    *state.Index[server] // unique in a project
	byTag     *state.Index[server]
}

func define(db *state.DB) *cloud {
	c := &cloud{
		DB:        db,
		byProject: state.NewIndex("project", func(s *server) []string { return []string{state.Key(s.Project, s.Name)} }),
		byTag:     state.NewIndex("tag", func(s *server) []string { return s.Tags }),
		byName: state.NewUnique("name", func(s *server) []string {
			if s.Name == "" {
				return nil
			}
			return []string{state.Key(s.Project, s.Name)}
		}),
	}
	c.servers = state.Define(db, state.Spec[server]{
		Name: "compute.servers", Noun: "server",
		Key:     func(s *server) string { return s.ID },
		Indexes: []*state.Index[server]{c.byProject, c.byName, c.byTag},
	})
	return c
}

// open returns an open DB over engine, nil for memory, closed with the test.
func open(t testing.TB, engine state.Engine, opts *state.Options) *cloud {
	t.Helper()
	c := define(state.New(engine, opts))
	require.NoError(t, c.Open(t.Context()))
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (c *cloud) insert(t testing.TB, servers ...server) {
	t.Helper()
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		for _, s := range servers {
			if err := c.servers.Insert(tx, s); err != nil {
				return err
			}
		}
		return nil
	}))
}

func idsOf(servers []server) []string {
	ids := []string{}
	for _, s := range servers {
		ids = append(ids, s.ID)
	}
	return ids
}

func TestVerbs(t *testing.T) {
	c := open(t, nil, nil)
	c.insert(t, server{ID: "b", Name: "two", Project: "p"}, server{ID: "a", Name: "one", Project: "p"}, server{ID: "c", Name: "one", Project: "q"})
	s := c.Snapshot()
	require.EqualValues(t, 1, s.Revision())

	got, err := c.servers.Get(s, "b")
	require.NoError(t, err)
	require.Equal(t, server{ID: "b", Name: "two", Project: "p"}, got)
	_, err = c.servers.Get(s, "x")
	require.ErrorIs(t, err, fault.NotFound)
	require.Equal(t, "server x: not found", fault.Public(err))
	require.True(t, c.servers.Has(s, "a"))
	require.False(t, c.servers.Has(s, "x"))

	require.Equal(t, []string{"a", "b", "c"}, idsOf(slices.Collect(c.servers.All(s))))
	require.Equal(t, []string{"a", "b"}, idsOf(slices.Collect(c.servers.Where(s, c.byProject, "p"))))
	require.Equal(t, []string{"b"}, idsOf(slices.Collect(c.servers.Where(s, c.byProject, "p", "two"))))
	require.Equal(t, []string{"a", "b", "c"}, idsOf(slices.Collect(c.servers.Where(s, c.byProject))))
	require.Equal(t, 2, c.servers.Count(s, c.byProject, "p"))
	require.Equal(t, 3, c.servers.Count(s, nil))
	found, ok := c.servers.Find(s, c.byName, "q", "one")
	require.True(t, ok)
	require.Equal(t, "c", found.ID)
	_, ok = c.servers.Find(s, c.byName, "q")
	require.False(t, ok, "a prefix is not the key")

	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		require.NoError(t, c.servers.Change(tx, "a", func(s *server) error { s.Name = "uno"; return nil }))
		require.NoError(t, c.servers.Put(tx, server{ID: "d", Project: "p"}))
		require.NoError(t, c.servers.Delete(tx, "b"))
		require.ErrorIs(t, c.servers.Delete(tx, "b"), fault.NotFound)
		require.ErrorIs(t, c.servers.Insert(tx, server{ID: "a"}), fault.AlreadyExists)
		require.ErrorIs(t, c.servers.Change(tx, "a", func(s *server) error { s.ID = "z"; return nil }), fault.Internal)
		require.ErrorIs(t, c.servers.Put(tx, server{}), fault.Internal)
		require.Equal(t, []string{"d", "a"}, idsOf(slices.Collect(c.servers.Where(tx, c.byProject, "p"))), "a transaction sees its own writes")
		return nil
	}))
	require.Equal(t, []string{"a", "b", "c"}, idsOf(slices.Collect(c.servers.All(s))), "a snapshot never changes")
	require.Equal(t, []string{"a", "c", "d"}, idsOf(slices.Collect(c.servers.All(c.Snapshot()))))
}

func TestAnErrorChangesNothing(t *testing.T) {
	c := open(t, nil, nil)
	broken := errors.New("broken")
	err := c.Update(t.Context(), func(tx *state.Tx) error {
		require.NoError(t, c.servers.Insert(tx, server{ID: "a"}))
		tx.Emit(state.Event{Type: "x"})
		tx.AfterCommit(func() { t.Error("not committed") })
		return broken
	})
	require.Equal(t, broken, err)
	require.EqualValues(t, 0, c.Snapshot().Revision())
	require.Zero(t, c.servers.Count(c.Snapshot(), nil))
}

func TestADoneContextStopsUpdate(t *testing.T) {
	c := open(t, nil, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := c.Update(ctx, func(*state.Tx) error { t.Error("must not run"); return nil })
	require.ErrorIs(t, err, fault.Cancelled)
	require.ErrorIs(t, err, context.Canceled)
}
