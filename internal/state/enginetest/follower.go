package enginetest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// heard is what an Await returned.
type heard struct {
	newest uint64
	err    error
}

func await(ctx context.Context, f state.Follower, revision uint64) <-chan heard {
	done := make(chan heard, 1)
	go func() {
		newest, err := f.Await(ctx, revision)
		done <- heard{newest, err}
	}()
	return done
}

func testAwait(t *testing.T, h Harness) {
	if !h.Shared {
		return
	}
	e, other := h.open(t), h.open(t)
	f, follows := other.(state.Follower)
	require.True(t, follows, "a shared engine is a state.Follower")

	first, second := await(t.Context(), f, 0), await(t.Context(), f, 1)
	commit(t, e, put(1, "a", `1`))
	require.Equal(t, heard{newest: 1}, <-first)
	require.Empty(t, second)
	commit(t, other, put(2, "a", `2`), put(3, "a", `3`))
	require.Equal(t, heard{newest: 3}, <-second, "its own commits are told as well")
	newest, err := f.Await(t.Context(), 1)
	require.NoError(t, err)
	require.EqualValues(t, 3, newest)

	ctx, cancel := context.WithCancel(t.Context())
	cancelled, closed := await(ctx, f, 3), await(t.Context(), f, 3)
	cancel()
	require.ErrorIs(t, (<-cancelled).err, fault.Cancelled)
	require.NoError(t, other.Close())
	require.ErrorIs(t, (<-closed).err, fault.Unavailable)
	_, err = f.Await(t.Context(), 0)
	require.ErrorIs(t, err, fault.Unavailable)
}

// testFollowingDB lets one controller write and another only follow and sync.
func testFollowingDB(t *testing.T, h Harness) {
	if !h.Shared {
		return
	}
	const moves = 50
	writer, reader := openBank(t, h), openBank(t, h)
	deposit := func() error {
		return writer.Update(t.Context(), func(tx *state.Tx) error {
			a, _ := writer.accounts.Get(tx, "a")
			return writer.accounts.Put(tx, account{ID: "a", Balance: a.Balance + 1})
		})
	}
	written := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < moves && err == nil; i++ {
			err = deposit()
		}
		written <- err
	}()
	seen := 0
	for c, err := range reader.Watch(t.Context(), 0) {
		require.NoError(t, err)
		require.Len(t, c.Changes, 1)
		if old, ok := c.Changes[0].Old.(*account); seen > 0 {
			require.True(t, ok)
			require.Equal(t, seen, old.Balance)
		}
		seen++
		require.Equal(t, seen, c.Changes[0].New.(*account).Balance)
		if seen == moves {
			break
		}
	}
	require.NoError(t, <-written)
	for range moves {
		require.NoError(t, deposit())
		require.NoError(t, reader.Sync(t.Context()))
		require.Equal(t, writer.Snapshot().Revision(), reader.Snapshot().Revision())
	}
	require.NoError(t, reader.Close())
	require.NoError(t, writer.Close())
}
