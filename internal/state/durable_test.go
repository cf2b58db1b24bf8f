package state_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// on opens an engine on the store.
func on(t testing.TB, store *memengine.Store) state.Engine {
	t.Helper()
	e, err := store.Open()
	require.NoError(t, err)
	return e
}

// gate lets engine commits through one at a time, with a verdict.
type gate struct {
	commits atomic.Int64
	verdict chan error
}

func (g *gate) before(method string) error {
	if method != "Commit" {
		return nil
	}
	g.commits.Add(1)
	return <-g.verdict
}

func gated(t *testing.T) (*cloud, *gate) {
	g := &gate{verdict: make(chan error)}
	return open(t, on(t, memengine.NewStore(memengine.Options{Before: g.before})), nil), g
}

// update starts an Update and returns where its error will be.
func (c *cloud) update(t *testing.T, f func(tx *state.Tx) error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- c.Update(t.Context(), f) }()
	synctest.Wait()
	return done
}

func (c *cloud) inserting(s server) func(tx *state.Tx) error {
	return func(tx *state.Tx) error { return c.servers.Insert(tx, s) }
}

func TestDurableBeforeAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := gated(t)
		hooked := false
		first := c.update(t, func(tx *state.Tx) error {
			tx.AfterCommit(func() { hooked = true })
			return c.servers.Insert(tx, server{ID: "a"})
		})
		// A reader of what is not durable yet waits with it, whether it fails or not.
		reader := c.update(t, func(tx *state.Tx) error {
			require.True(t, c.servers.Has(tx, "a"))
			return nil
		})
		refused := c.update(t, c.inserting(server{ID: "a"}))
		var followers []<-chan error
		for i := range 10 {
			followers = append(followers, c.update(t, c.inserting(server{ID: fmt.Sprint(i)})))
		}
		watched := make(chan uint64, 20)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(watched)
			for commit := range c.Watch(ctx, 0) {
				watched <- commit.Revision
			}
		}()
		synctest.Wait()
		require.Empty(t, first)
		require.Empty(t, reader)
		require.Empty(t, refused)
		require.Empty(t, watched)
		require.False(t, hooked)
		require.Zero(t, c.Snapshot().Revision())

		g.verdict <- nil
		synctest.Wait()
		require.NoError(t, <-first)
		require.NoError(t, <-reader)
		require.ErrorIs(t, <-refused, fault.AlreadyExists)
		require.True(t, hooked)
		require.EqualValues(t, 1, c.Snapshot().Revision())
		require.EqualValues(t, 1, <-watched)
		require.Empty(t, watched)

		g.verdict <- nil
		synctest.Wait()
		for _, f := range followers {
			require.NoError(t, <-f)
		}
		require.EqualValues(t, 2, g.commits.Load(), "ten commits shared one call")
		require.EqualValues(t, 11, c.Snapshot().Revision())
		require.Len(t, watched, 10)
		cancel()
	})
}

func TestEngineFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := gated(t)
		kept := c.update(t, c.inserting(server{ID: "kept"}))
		g.verdict <- nil
		require.NoError(t, <-kept)

		disk := errors.New("disk on fire")
		lost := []<-chan error{
			c.update(t, c.inserting(server{ID: "a", Project: "p", Name: "n"})),
			c.update(t, c.inserting(server{ID: "b"})), // waits behind the first
			c.update(t, func(tx *state.Tx) error { tx.Emit(state.Event{Type: "x"}); return nil }),
		}
		runs := 0
		reader := c.update(t, func(tx *state.Tx) error {
			runs++
			require.Equal(t, runs == 1, c.servers.Has(tx, "a"))
			return nil
		})
		taken := c.update(t, func(tx *state.Tx) error {
			if c.servers.Has(tx, "a") {
				return fault.New(fault.Conflict, "there is one")
			}
			return nil
		})
		g.verdict <- disk
		synctest.Wait()
		for _, l := range lost {
			err := <-l
			require.ErrorIs(t, err, fault.Unavailable)
			require.ErrorIs(t, err, disk)
			require.NotContains(t, fault.Public(err), "fire")
		}
		require.NoError(t, <-reader)
		require.Equal(t, 2, runs, "what it had read was void")
		require.NoError(t, <-taken, "an error that came from void state does not count")
		require.EqualValues(t, 1, c.Snapshot().Revision())
		require.EqualValues(t, 2, g.commits.Load(), "the rest was not even tried")

		again := c.update(t, c.inserting(server{ID: "c", Project: "p", Name: "n"}))
		g.verdict <- nil
		require.NoError(t, <-again)
		require.EqualValues(t, 2, c.Snapshot().Revision())
		require.False(t, c.servers.Has(c.Snapshot(), "a"))
		commits := take(t, c, 0, 2)
		require.Equal(t, "c", commits[1].Changes[0].Key, "watchers never see what was lost")
	})
}

// A transaction that began before a failure must not commit on what it read.
func TestFailureDuringATransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := gated(t)
		lost := c.update(t, c.inserting(server{ID: "a"}))
		runs, hold := 0, make(chan struct{})
		during := c.update(t, func(tx *state.Tx) error {
			if runs++; runs == 1 {
				require.True(t, c.servers.Has(tx, "a"))
				<-hold
			}
			if c.servers.Has(tx, "a") {
				return c.servers.Insert(tx, server{ID: "a's friend"})
			}
			return c.servers.Insert(tx, server{ID: "alone"})
		})
		g.verdict <- errors.New("no")
		require.Error(t, <-lost)
		// Another commit takes the number of the lost one.
		other := c.update(t, c.inserting(server{ID: "b"}))
		g.verdict <- nil
		require.NoError(t, <-other)
		close(hold)
		g.verdict <- nil
		require.NoError(t, <-during)
		require.Equal(t, 2, runs)
		require.True(t, c.servers.Has(c.Snapshot(), "alone"))
	})
}

func TestCloseWaitsForCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, g := gated(t)
		first := c.update(t, c.inserting(server{ID: "a"}))
		second := c.update(t, c.inserting(server{ID: "b"}))
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		synctest.Wait()
		require.Empty(t, closed)
		require.ErrorIs(t, <-c.update(t, func(tx *state.Tx) error { tx.Emit(state.Event{}); return nil }), fault.Unavailable)
		g.verdict <- nil
		g.verdict <- nil
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.NoError(t, <-closed)
		require.EqualValues(t, 2, c.Snapshot().Revision(), "it can still be read")
	})
}

func TestReopen(t *testing.T) {
	store := memengine.NewStore(memengine.Options{})
	c := open(t, on(t, store), nil)
	for i := range 600 { // more than one decoding chunk
		c.insert(t, server{ID: fmt.Sprint(i), Project: fmt.Sprint(i % 7), Name: fmt.Sprint(i), Tags: []string{"y", "x"}})
	}
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error { return c.servers.Delete(tx, "5") }))
	require.NoError(t, c.Close())

	again := open(t, on(t, store), nil)
	require.Equal(t, c.Snapshot().Revision(), again.Snapshot().Revision())
	require.Equal(t, 599, again.servers.Count(again.Snapshot(), nil))
	checkIndexes(t, again, again.Snapshot())
	again.insert(t, server{ID: "5"})
	require.EqualValues(t, 602, take(t, again, 601, 1)[0].Revision)
	for _, err := range again.Watch(t.Context(), 600) {
		require.ErrorIs(t, err, state.ErrCompacted, "what was before Open cannot be watched")
	}
	require.ErrorIs(t, again.Update(t.Context(), again.inserting(server{ID: "z", Project: "1", Name: "1"})), fault.AlreadyExists)
}

// The answer of one commit is lost; it is stored all the same.
func TestACommitWhoseAnswerIsLost(t *testing.T) {
	lose := true
	store := memengine.NewStore(memengine.Options{After: func(method string) error {
		if method == "Commit" && lose {
			lose = false
			return errors.New("the line is dead")
		}
		return nil
	}})
	c := open(t, on(t, store), nil)
	err := c.Update(t.Context(), c.inserting(server{ID: "a"}))
	require.ErrorIs(t, err, fault.Unavailable)
	require.Zero(t, c.Snapshot().Revision())
	runs := 0
	require.NoError(t, c.Update(t.Context(), func(tx *state.Tx) error {
		runs++
		return c.servers.Put(tx, server{ID: "b"})
	}))
	require.Equal(t, 2, runs, "the first try finds the stored revision")
	require.True(t, c.servers.Has(c.Snapshot(), "a"))
	require.EqualValues(t, 2, c.Snapshot().Revision())
}

func TestTwoControllers(t *testing.T) {
	for name, retained := range map[string]int{"following": 1000, "reloading": 1} {
		t.Run(name, func(t *testing.T) {
			store := memengine.NewStore(memengine.Options{Shared: true, Retained: retained})
			controllers := []*cloud{open(t, on(t, store), nil), open(t, on(t, store), nil)}
			controllers[0].insert(t, server{ID: "counter", Project: "p"}, server{ID: "gone"})
			controllers[1].insert(t, server{ID: "other"})
			var group sync.WaitGroup
			for _, c := range controllers {
				for range 4 {
					group.Go(func() {
						for range 25 {
							err := c.Update(t.Context(), func(tx *state.Tx) error {
								tx.Emit(state.Event{Type: "counted"})
								return c.servers.Change(tx, "counter", func(s *server) error { s.Size++; return nil })
							})
							if err != nil {
								t.Error(err)
							}
						}
					})
				}
			}
			group.Wait()
			require.NoError(t, controllers[0].Update(t.Context(), func(tx *state.Tx) error { return controllers[0].servers.Delete(tx, "gone") }))
			controllers[1].insert(t, server{ID: "last"}) // brings it up to date
			s := controllers[1].Snapshot()
			require.EqualValues(t, 204, s.Revision())
			counter, err := controllers[1].servers.Get(s, "counter")
			require.NoError(t, err)
			require.Equal(t, 200, counter.Size)
			require.False(t, controllers[1].servers.Has(s, "gone"))
			checkIndexes(t, controllers[1], s)
			if name == "following" {
				commits := take(t, controllers[1], 0, 204)
				require.Equal(t, "gone", commits[202].Changes[0].Key)
				require.Equal(t, &server{ID: "gone"}, commits[202].Changes[0].Old)
				require.Equal(t, "counted", commits[100].Events[0].Type)
			}
		})
	}
}

// host is a server's form two versions later.
type host struct{ Key, Title string }

func hosts(db *state.DB, version int) *state.Collection[host] {
	return state.Define(db, state.Spec[host]{
		Name: "compute.servers", Noun: "server", Version: version,
		Key: func(h *host) string { return h.Key },
		Upgrade: func(version int, doc []byte) (host, error) {
			if version != 1 {
				return host{}, fmt.Errorf("what is version %d?", version)
			}
			var old server
			err := json.Unmarshal(doc, &old)
			return host{Key: old.ID, Title: old.Name}, err
		},
	})
}

func TestVersions(t *testing.T) {
	store := memengine.NewStore(memengine.Options{})
	c := open(t, on(t, store), nil)
	c.insert(t, server{ID: "a", Name: "n"})
	require.NoError(t, c.Close())

	db := state.New(on(t, store), nil)
	docs := hosts(db, 3)
	require.NoError(t, db.Open(t.Context()))
	got, err := docs.Get(db.Snapshot(), "a")
	require.NoError(t, err)
	require.Equal(t, host{"a", "n"}, got)
	require.NoError(t, db.Update(t.Context(), func(tx *state.Tx) error { return docs.Put(tx, host{"a", "new"}) }))
	require.NoError(t, db.Close())

	for version, want := range map[int]string{2: "it has version 3, this program knows 2", 4: "what is version 3?"} {
		db = state.New(on(t, store), nil)
		hosts(db, version)
		err := db.Open(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, `compute.servers "a"`)
		require.NoError(t, db.Close())
	}

	db = state.New(on(t, store), nil)
	docs = hosts(db, 3)
	require.NoError(t, db.Open(t.Context()))
	got, err = docs.Get(db.Snapshot(), "a")
	require.NoError(t, err)
	require.Equal(t, host{"a", "new"}, got)
	require.NoError(t, db.Close())
}

func TestUnknownCollectionsAreLeftAlone(t *testing.T) {
	store := memengine.NewStore(memengine.Options{})
	c := open(t, on(t, store), nil)
	c.insert(t, server{ID: "a"})
	require.NoError(t, c.Close())
	db := state.New(on(t, store), nil)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, db.Close())
	c = open(t, on(t, store), nil)
	require.True(t, c.servers.Has(c.Snapshot(), "a"))
}

func TestOpenFails(t *testing.T) {
	broken := errors.New("broken")
	store := memengine.NewStore(memengine.Options{Before: func(method string) error {
		if method == "Load" {
			return broken
		}
		return nil
	}})
	c := define(state.New(on(t, store), nil))
	require.ErrorIs(t, c.Open(t.Context()), broken)
	require.NoError(t, c.Close())

	store = memengine.NewStore(memengine.Options{})
	e := on(t, store)
	require.NoError(t, e.Commit(t.Context(), 0, []state.ChangeSet{{Revision: 1, Rows: []state.Row{
		{Collection: "compute.servers", Key: "a", Version: 1, Revision: 1, Doc: []byte(`{"ID":`)},
	}}}))
	require.NoError(t, e.Close())
	c = define(state.New(on(t, store), nil))
	require.ErrorContains(t, c.Open(t.Context()), `stored document compute.servers "a"`)
	require.NoError(t, c.Close())
}

// unstorable cannot be JSON.
type unstorable struct {
	ID string
	F  func()
}

func TestWhatCannotBeStoredIsRefused(t *testing.T) {
	db := state.New(on(t, memengine.NewStore(memengine.Options{})), nil)
	docs := state.Define(db, state.Spec[unstorable]{Name: "bad", Noun: "bad", Key: func(u *unstorable) string { return u.ID }})
	require.NoError(t, db.Open(t.Context()))
	err := db.Update(t.Context(), func(tx *state.Tx) error { return docs.Put(tx, unstorable{ID: "a", F: func() {}}) })
	require.ErrorIs(t, err, fault.Internal)
	require.Zero(t, db.Snapshot().Revision())
	require.NoError(t, db.Close())
}
