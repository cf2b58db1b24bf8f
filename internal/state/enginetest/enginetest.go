// Package enginetest is the conformance suite of state.Engine: every engine must
// pass it, and what passes it can stand below a state.DB.
package enginetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Harness is one store, empty at first, and how to open engines on it.
type Harness struct {
	// Open opens an engine on the store. What an engine that was closed before has
	// committed must be there.
	Open func() (state.Engine, error)
	// Shared says that several engines may be open at once: each is a state.Follower.
	Shared bool
	// Retained is how many revisions Since promises to go back.
	Retained int
	// Break, if set, makes the next commits fail in the store itself (no space,
	// no permission) until mend is called. It is called after the first Open.
	Break func() (mend func())
}

// Run checks an engine. open makes a fresh store for each part of the suite.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"an empty store has nothing at revision 0", testEmpty},
		{"rows come back as they were committed", testRoundTrip},
		{"later rows win and deleted ones are gone", testOverwrite},
		{"one call may commit many sets", testManySets},
		{"a commit on another revision is stale and leaves nothing", testStale},
		{"a failed commit leaves nothing and later ones work", testFailure},
		{"a cancelled commit is all or nothing", testCancelled},
		{"an error of the caller ends a load", testLoadError},
		{"Since gives what was committed, without gaps", testSince},
		{"Since refuses what is compacted", testCompacted},
		{"Since works while others commit", testSinceMeanwhile},
		{"an engine is alone on its store, or all see the same", testSecond},
		{"a shared engine tells of others' commits", testAwait},
		{"a closed engine is unavailable", testClosed},
		{"keys and text may hold any characters", testCharacters},
		{"large documents and large commits are kept", testLarge},
		{"a DB on the engine finds its state again", testDB},
		{"a DB on a shared engine follows others", testFollowingDB},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

func (h Harness) open(t *testing.T) state.Engine {
	t.Helper()
	e, err := h.Open()
	require.NoError(t, err)
	t.Cleanup(func() { _ = e.Close() }) // a test may have closed it already
	return e
}

func (h Harness) reopen(t *testing.T, e state.Engine) state.Engine {
	t.Helper()
	require.NoError(t, e.Close())
	return h.open(t)
}

type place struct{ Collection, Key string }

func load(t *testing.T, e state.Engine) (map[place]state.Row, uint64) {
	t.Helper()
	rows := map[place]state.Row{}
	revision, err := e.Load(t.Context(), func(r state.Row) error {
		at := place{r.Collection, r.Key}
		_, twice := rows[at]
		require.False(t, twice, "a document came twice")
		rows[at] = r
		return nil
	})
	require.NoError(t, err)
	return rows, revision
}

// put is a change set of one document.
func put(revision uint64, key, doc string) state.ChangeSet {
	return state.ChangeSet{Revision: revision, Rows: []state.Row{row(revision, key, doc)}}
}

func row(revision uint64, key, doc string) state.Row {
	r := state.Row{Collection: "c", Key: key, Version: 1, Revision: revision}
	if doc != "" {
		r.Doc = []byte(doc)
	}
	return r
}

func commit(t *testing.T, e state.Engine, sets ...state.ChangeSet) {
	t.Helper()
	require.NoError(t, e.Commit(t.Context(), sets[0].Revision-1, sets))
}

func testEmpty(t *testing.T, h Harness) {
	e := h.open(t)
	rows, revision := load(t, e)
	require.Empty(t, rows)
	require.Zero(t, revision)
	sets, err := e.Since(t.Context(), 0)
	require.NoError(t, err)
	require.Empty(t, sets)
	rows, revision = load(t, h.reopen(t, e))
	require.Empty(t, rows)
	require.Zero(t, revision)
}

func testRoundTrip(t *testing.T, h Harness) {
	e := h.open(t)
	a := state.Row{Collection: "compute.servers", Key: "a", Version: 3, Revision: 1, Doc: []byte(`{"name":"é","n":1.5}`)}
	b := state.Row{Collection: "network.ports", Key: "a", Version: 1, Revision: 1, Doc: []byte(`[]`)}
	commit(t, e, state.ChangeSet{Revision: 1, Rows: []state.Row{a, b}})
	want := map[place]state.Row{{"compute.servers", "a"}: a, {"network.ports", "a"}: b}
	for range 2 {
		rows, revision := load(t, e)
		require.Equal(t, want, rows)
		require.EqualValues(t, 1, revision)
		e = h.reopen(t, e)
	}
}

func testOverwrite(t *testing.T, h Harness) {
	e := h.open(t)
	commit(t, e, put(1, "a", `1`), put(2, "b", `1`), put(3, "c", `1`))
	commit(t, e, put(4, "a", `2`), put(5, "b", ``))
	commit(t, e, put(6, "x", ``), put(7, "c", ``), put(8, "c", `3`), put(9, "d", `1`), put(10, "d", ``))
	rows, revision := load(t, h.reopen(t, e))
	require.Equal(t, map[place]state.Row{{"c", "a"}: row(4, "a", `2`), {"c", "c"}: row(8, "c", `3`)}, rows)
	require.EqualValues(t, 10, revision)
}

func testManySets(t *testing.T, h Harness) {
	e := h.open(t)
	var sets []state.ChangeSet
	want := map[place]state.Row{}
	for i := uint64(1); i <= 100; i++ {
		set := state.ChangeSet{Revision: i}
		for j := range i % 4 { // some are empty
			r := row(i, fmt.Sprintf("%d-%d", i%50, j), fmt.Sprint(i))
			set.Rows = append(set.Rows, r)
			want[place{"c", r.Key}] = r
		}
		sets = append(sets, set)
	}
	commit(t, e, sets...)
	rows, revision := load(t, h.reopen(t, e))
	require.Equal(t, want, rows)
	require.EqualValues(t, 100, revision)
}

func testStale(t *testing.T, h Harness) {
	e := h.open(t)
	commit(t, e, put(1, "a", `1`), put(2, "a", `2`))
	for _, base := range []uint64{0, 1, 3, 100} {
		err := e.Commit(t.Context(), base, []state.ChangeSet{put(base+1, "a", `9`)})
		require.ErrorIs(t, err, state.ErrStale)
	}
	rows, revision := load(t, e)
	require.Equal(t, `2`, string(rows[place{"c", "a"}].Doc))
	require.EqualValues(t, 2, revision)
	sets, err := e.Since(t.Context(), 0)
	require.NoError(t, err)
	require.Len(t, sets, 2)
	commit(t, e, put(3, "a", `3`))
}

func testFailure(t *testing.T, h Harness) {
	if h.Break == nil {
		h.Break = func() func() { return func() {} }
	}
	e := h.open(t)
	commit(t, e, put(1, "a", `1`))
	mend := h.Break()
	big := fmt.Sprintf("%q", make([]byte, 1<<20))
	err := e.Commit(t.Context(), 1, []state.ChangeSet{put(2, "a", `2`), put(3, "big", big)})
	if err == nil { // the harness cannot break its store
		mend()
		return
	}
	require.False(t, errors.Is(err, state.ErrStale))
	rows, revision := load(t, e)
	require.Equal(t, map[place]state.Row{{"c", "a"}: row(1, "a", `1`)}, rows)
	require.EqualValues(t, 1, revision)
	mend()
	commit(t, e, put(2, "a", `2`), put(3, "big", big))
	rows, revision = load(t, h.reopen(t, e))
	require.Len(t, rows, 2)
	require.EqualValues(t, 3, revision)
}

func testCancelled(t *testing.T, h Harness) {
	e := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := e.Commit(ctx, 0, []state.ChangeSet{put(1, "a", `1`)})
	rows, revision := load(t, e)
	if err == nil {
		require.EqualValues(t, 1, revision)
		return
	}
	require.Empty(t, rows)
	require.Zero(t, revision)
	commit(t, e, put(1, "a", `1`))
}

func testLoadError(t *testing.T, h Harness) {
	e := h.open(t)
	commit(t, e, put(1, "a", `1`), put(2, "b", `1`))
	enough := errors.New("enough")
	calls := 0
	_, err := e.Load(t.Context(), func(state.Row) error { calls++; return enough })
	require.ErrorIs(t, err, enough)
	require.Equal(t, 1, calls)
	commit(t, e, put(3, "c", `1`))
}

func testSince(t *testing.T, h Harness) {
	e := h.open(t)
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	sets := []state.ChangeSet{
		{Revision: 1, Rows: []state.Row{row(1, "b", `1`), row(1, "a", `1`)}},
		{Revision: 2, Events: []state.Event{
			{Type: "server.create", Resource: "server", ID: "1", ProjectID: "p", UserID: "u", RequestID: "r", Time: at, Traits: map[string]string{"host": "h"}, Revision: 2},
			{Type: "server.end", Resource: "server", ID: "1", Time: at, Revision: 2},
		}},
		{Revision: 3},
		{Revision: 4, Rows: []state.Row{row(4, "a", ``)}},
	}
	commit(t, e, sets[:2]...)
	commit(t, e, sets[2:]...)
	for range 2 {
		for from := range sets {
			got, err := e.Since(t.Context(), uint64(from))
			require.NoError(t, err)
			require.Equal(t, sets[from:], got)
		}
		got, err := e.Since(t.Context(), 4)
		require.NoError(t, err)
		require.Empty(t, got)
		e = h.reopen(t, e)
	}
}

func testCompacted(t *testing.T, h Harness) {
	e := h.open(t)
	last := uint64(0)
	for range 4 {
		var sets []state.ChangeSet
		for range h.Retained/2 + 1 {
			last++
			sets = append(sets, put(last, "a", fmt.Sprint(last)))
		}
		commit(t, e, sets...)
	}
	for range 2 {
		_, err := e.Since(t.Context(), 0)
		require.ErrorIs(t, err, state.ErrCompacted)
		sets, err := e.Since(t.Context(), last-uint64(h.Retained))
		require.NoError(t, err)
		require.Len(t, sets, h.Retained)
		require.Equal(t, put(last, "a", fmt.Sprint(last)), sets[len(sets)-1])
		e = h.reopen(t, e)
	}
}

func testSinceMeanwhile(t *testing.T, h Harness) {
	e := h.open(t)
	committed := make(chan error, 1)
	go func() {
		for r := uint64(1); r <= 100; r++ {
			if err := e.Commit(t.Context(), r-1, []state.ChangeSet{put(r, "a", fmt.Sprint(r))}); err != nil {
				committed <- err
				return
			}
		}
		committed <- nil
	}()
	seen := uint64(0)
	for seen < 100 {
		sets, err := e.Since(t.Context(), seen)
		require.NoError(t, err)
		for _, set := range sets {
			seen++
			require.Equal(t, put(seen, "a", fmt.Sprint(seen)), set)
		}
		if len(sets) == 0 && len(committed) > 0 && seen < 100 {
			sets, err = e.Since(t.Context(), seen)
			require.NoError(t, err)
			require.NotEmpty(t, sets, "the commits ended early")
		}
	}
	require.NoError(t, <-committed)
}

func testSecond(t *testing.T, h Harness) {
	e := h.open(t)
	second, err := h.Open()
	if !h.Shared {
		require.ErrorIs(t, err, fault.Conflict)
		require.NotEmpty(t, fault.Public(err))
		commit(t, e, put(1, "a", `1`))
		rows, _ := load(t, h.reopen(t, e))
		require.Len(t, rows, 1)
		return
	}
	require.NoError(t, err)
	commit(t, e, put(1, "a", `1`))
	require.ErrorIs(t, second.Commit(t.Context(), 0, []state.ChangeSet{put(1, "b", `1`)}), state.ErrStale)
	sets, err := second.Since(t.Context(), 0)
	require.NoError(t, err)
	require.Equal(t, []state.ChangeSet{put(1, "a", `1`)}, sets)
	commit(t, second, put(2, "b", `1`))
	require.NoError(t, second.Close())
	rows, revision := load(t, e)
	require.Len(t, rows, 2)
	require.EqualValues(t, 2, revision)
}

func testClosed(t *testing.T, h Harness) {
	e := h.open(t)
	commit(t, e, put(1, "a", `1`))
	require.NoError(t, e.Close())
	_, err := e.Load(t.Context(), func(state.Row) error { return nil })
	require.ErrorIs(t, err, fault.Unavailable)
	require.ErrorIs(t, e.Commit(t.Context(), 1, []state.ChangeSet{put(2, "a", `2`)}), fault.Unavailable)
	_, err = e.Since(t.Context(), 0)
	require.ErrorIs(t, err, fault.Unavailable)
	require.ErrorIs(t, e.Close(), fault.Unavailable)
}

func testCharacters(t *testing.T, h Harness) {
	e := h.open(t)
	keys := []string{"a", "A", "á", "a\x00", "a\x00b", "\x00", "'", `"; DROP TABLE documents;--`, "%", "\xff\xfe", " a", "a ", "日本"}
	want := map[place]state.Row{}
	for i, key := range keys {
		r := state.Row{Collection: key, Key: key, Version: 1, Revision: uint64(i + 1), Doc: []byte(`"\u0000é日"`)}
		want[place{key, key}] = r
		commit(t, e, state.ChangeSet{Revision: uint64(i + 1), Rows: []state.Row{r}})
	}
	rows, _ := load(t, h.reopen(t, e))
	require.Equal(t, want, rows)
}

func testLarge(t *testing.T, h Harness) {
	e := h.open(t)
	set := state.ChangeSet{Revision: 1}
	for i := range 5000 {
		set.Rows = append(set.Rows, row(1, fmt.Sprint(i), `{"some":"document"}`))
	}
	set.Rows = append(set.Rows, row(1, "large", fmt.Sprintf("%q", make([]byte, 1<<20))))
	commit(t, e, set)
	rows, _ := load(t, h.reopen(t, e))
	require.Len(t, rows, len(set.Rows))
	require.Equal(t, set.Rows[5000], rows[place{"c", "large"}])
}
