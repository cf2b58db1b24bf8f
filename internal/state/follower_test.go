package state_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
)

// line is one controller's connection to a shared store: hooks of its own, and a
// count of its reads.
type line struct {
	state.Follower
	commit func(commit func() error) error // nil: commits pass
	since  func() error                    // before a read; nil: reads pass
	reads  atomic.Int64
}

func (l *line) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	send := func() error { return l.Follower.Commit(ctx, base, sets) }
	if l.commit != nil {
		return l.commit(send)
	}
	return send()
}

func (l *line) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	l.reads.Add(1)
	if l.since != nil {
		if err := l.since(); err != nil {
			return nil, err
		}
	}
	return l.Follower.Since(ctx, revision)
}

// share opens a controller on a shared store.
func share(t *testing.T, store *memengine.Store) (*cloud, *line) {
	l := &line{Follower: on(t, store).(state.Follower)}
	return open(t, l, nil), l
}

func sharedStore(retained int) *memengine.Store {
	return memengine.NewStore(memengine.Options{Shared: true, Retained: retained})
}

func TestFollowsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, aLine := share(t, store)
		b, bLine := share(t, store)
		a.insert(t, server{ID: "x", Project: "p", Size: 1})
		synctest.Wait()
		require.EqualValues(t, 1, b.Snapshot().Revision())
		a.change(t, "x", 2)
		require.NoError(t, a.Update(t.Context(), func(tx *state.Tx) error {
			tx.Emit(state.Event{Type: "gone", ID: "x"})
			return a.servers.Delete(tx, "x")
		}))
		want := []state.Commit{
			{Revision: 1, Changes: []state.Change{{Collection: "compute.servers", Key: "x", New: &server{ID: "x", Project: "p", Size: 1}}}},
			{Revision: 2, Changes: []state.Change{{Collection: "compute.servers", Key: "x", Old: &server{ID: "x", Project: "p", Size: 1}, New: &server{ID: "x", Project: "p", Size: 2}}}},
			{Revision: 3, Changes: []state.Change{{Collection: "compute.servers", Key: "x", Old: &server{ID: "x", Project: "p", Size: 2}}}, Events: []state.Event{{Type: "gone", ID: "x", Revision: 3}}},
		}
		require.Equal(t, want, take(t, b, 0, 3), "a watcher sees what others do")
		checkIndexes(t, b, b.Snapshot())
		require.Zero(t, aLine.reads.Load(), "nobody else has committed")
		require.Positive(t, bLine.reads.Load())
	})
}

// A transaction of one controller meets the commits of another at every moment.
func TestFollowsWithCommitsOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, _ := share(t, store)
		b, bLine := share(t, store)
		a.insert(t, server{ID: "x"})
		synctest.Wait()

		// While b reads what a has done, b's own transaction is enqueued.
		read := make(chan error)
		bLine.since = func() error { return <-read }
		a.change(t, "x", 1)
		synctest.Wait()
		runs := 0
		mine := b.update(t, func(tx *state.Tx) error {
			runs++
			return b.servers.Change(tx, "x", func(s *server) error { s.Size += 10; return nil })
		})
		read <- nil
		require.NoError(t, <-mine)
		require.Equal(t, 2, runs)
		got, err := b.servers.Get(b.Snapshot(), "x")
		require.NoError(t, err)
		require.Equal(t, 11, got.Size)

		// While b's commit is on its way, a commits: it is refused and runs again.
		bLine.since = nil
		sent := make(chan struct{})
		bLine.commit = func(commit func() error) error { <-sent; return commit() }
		mine = b.update(t, func(tx *state.Tx) error {
			return b.servers.Change(tx, "x", func(s *server) error { s.Size += 10; return nil })
		})
		a.change(t, "x", 50)
		close(sent)
		require.NoError(t, <-mine)
		synctest.Wait()
		for _, c := range []*cloud{a, b} {
			got, err = c.servers.Get(c.Snapshot(), "x")
			require.NoError(t, err)
			require.Equal(t, 60, got.Size)
			checkIndexes(t, c, c.Snapshot())
		}
		require.Equal(t, take(t, a, 0, 5), take(t, b, 0, 5), "all see one history")
	})
}

// A commit that is stored although its answer was lost is found at once, without
// another one.
func TestALostAnswerIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, aLine := share(t, store)
		aLine.commit = func(commit func() error) error { return errors.Join(commit(), errors.New("the line is dead")) }
		err := a.Update(t.Context(), a.inserting(server{ID: "a"}))
		require.ErrorIs(t, err, fault.Unavailable)
		require.True(t, a.servers.Has(a.Snapshot(), "a"), "it is there when the caller hears of the failure")
		require.Len(t, take(t, a, 0, 1), 1)

		// One that was not stored is not.
		aLine.commit = func(func() error) error { return errors.New("the line is dead") }
		require.ErrorIs(t, a.Update(t.Context(), a.inserting(server{ID: "b"})), fault.Unavailable)
		require.False(t, a.servers.Has(a.Snapshot(), "b"))
		aLine.commit = nil
		a.insert(t, server{ID: "b"})
		require.EqualValues(t, 2, a.Snapshot().Revision())
	})
}

func TestFollowsWhatIsCompacted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(2)
		a, _ := share(t, store)
		b, bLine := share(t, store)
		a.insert(t, server{ID: "first"})
		synctest.Wait()
		read := make(chan error)
		bLine.since = func() error { return <-read }
		var ends []error
		go func() {
			for _, err := range b.Watch(t.Context(), 1) {
				ends = append(ends, err)
			}
		}()
		for i := range 5 {
			a.insert(t, server{ID: fmt.Sprint(i), Project: "p", Name: fmt.Sprint(i)})
		}
		mine := b.update(t, b.inserting(server{ID: "mine", Project: "p", Name: "3"}))
		read <- nil // compacted: it reads all anew
		read <- nil // the error of the transaction is about the newest state
		require.ErrorIs(t, <-mine, fault.AlreadyExists, "it ran again on what was read anew")
		synctest.Wait()
		require.Len(t, ends, 1)
		require.ErrorIs(t, ends[0], state.ErrCompacted)
		require.EqualValues(t, 6, b.Snapshot().Revision())
		checkIndexes(t, b, b.Snapshot())
		bLine.since = nil
		b.insert(t, server{ID: "mine"})
		require.Equal(t, "mine", take(t, b, 6, 1)[0].Changes[0].Key)
	})
}

func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, _ := share(t, store)
		b, bLine := share(t, store)
		read := make(chan error)
		bLine.since = func() error { return <-read }
		a.insert(t, server{ID: "x"})
		synctest.Wait() // b has heard of it, and reads

		sync := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() { done <- b.Sync(ctx) }()
			synctest.Wait()
			return done
		}
		first, second := sync(t.Context()), sync(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		impatient := sync(ctx)
		cancel()
		require.ErrorIs(t, <-impatient, fault.Cancelled)
		read <- errors.New("no") // the read that was under way; those who came later need another
		synctest.Wait()
		require.Empty(t, first)
		require.False(t, b.servers.Has(b.Snapshot(), "x"))
		read <- nil
		require.NoError(t, <-first)
		require.NoError(t, <-second)
		require.True(t, b.servers.Has(b.Snapshot(), "x"))
		require.EqualValues(t, 2, bLine.reads.Load(), "they share one read")

		failed := sync(t.Context())
		read <- errors.New("the line is dead")
		require.ErrorIs(t, <-failed, fault.Unavailable)

		// A commit that is accepted proves that the DB is current.
		sent := make(chan struct{})
		bLine.commit = func(commit func() error) error { <-sent; return commit() }
		ahead, behind := b.update(t, b.inserting(server{ID: "1"})), b.update(t, b.inserting(server{ID: "2"}))
		before := bLine.reads.Load()
		current := sync(t.Context())
		close(sent)
		require.NoError(t, <-current)
		require.NoError(t, <-ahead)
		require.NoError(t, <-behind)
		require.Equal(t, before, bLine.reads.Load())

		waiting := sync(t.Context())
		closed := make(chan error, 1)
		go func() { closed <- b.Close() }()
		synctest.Wait()
		require.ErrorIs(t, b.Sync(t.Context()), fault.Unavailable)
		read <- nil
		require.NoError(t, <-waiting)
		require.NoError(t, <-closed)
	})
}

// What another controller has done counts for a transaction that fails, too.
func TestErrorsAreAboutTheNewestState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, _ := share(t, store)
		b, bLine := share(t, store)
		var deaf atomic.Bool // b does not hear of what a does until it asks
		deaf.Store(true)
		bLine.since = func() error {
			if deaf.Load() {
				return errors.New("no")
			}
			return nil
		}
		a.insert(t, server{ID: "x", Project: "p", Name: "n"})
		remove := func(tx *state.Tx) error { return b.servers.Delete(tx, "x") }
		require.ErrorIs(t, b.Update(t.Context(), remove), fault.Unavailable, "that it is missing is not known for sure")
		deaf.Store(false)
		require.NoError(t, b.Update(t.Context(), remove))
		synctest.Wait()
		deaf.Store(true)
		a.insert(t, server{ID: "y", Project: "p", Name: "n"})
		synctest.Wait()
		deaf.Store(false)
		count := 0
		require.NoError(t, b.Update(t.Context(), func(tx *state.Tx) error {
			count = b.servers.Count(tx, b.byProject, "p")
			return nil
		}))
		require.Equal(t, 1, count, "and for one that only reads")
		require.ErrorIs(t, b.Update(t.Context(), b.inserting(server{ID: "z", Project: "p", Name: "n"})), fault.AlreadyExists)
	})
}

func TestSyncAlone(t *testing.T) {
	for name, engine := range map[string]state.Engine{"memory": nil, "alone": on(t, memengine.NewStore(memengine.Options{}))} {
		t.Run(name, func(t *testing.T) {
			c := open(t, engine, nil)
			c.insert(t, server{ID: "a"})
			require.NoError(t, c.Sync(t.Context()))
		})
	}
}

// What is kept under a collection's revision is void whoever has changed it.
func TestCollectionRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := sharedStore(0)
		a, _ := share(t, store)
		b, _ := share(t, store)
		seen := func() [2]uint64 {
			synctest.Wait()
			return [2]uint64{a.servers.Revision(a.Snapshot()), b.servers.Revision(b.Snapshot())}
		}
		require.Equal(t, [2]uint64{0, 0}, seen())
		a.insert(t, server{ID: "x"})
		require.Equal(t, [2]uint64{1, 1}, seen())
		require.NoError(t, b.Update(t.Context(), func(tx *state.Tx) error { tx.Emit(state.Event{Type: "nothing"}); return nil }))
		require.Equal(t, [2]uint64{1, 1}, seen(), "a commit that changes none of it")
		b.change(t, "x", 3)
		require.Equal(t, [2]uint64{3, 3}, seen())
		require.Error(t, a.Update(t.Context(), func(tx *state.Tx) error {
			require.NoError(t, a.servers.Put(tx, server{ID: "y"}))
			return errors.New("no")
		}))
		require.Equal(t, [2]uint64{3, 3}, seen())
		c, _ := share(t, store)
		require.EqualValues(t, 3, c.servers.Revision(c.Snapshot()), "one that begins later reads all")
	})
}
