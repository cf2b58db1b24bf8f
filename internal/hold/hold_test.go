package hold_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/hold"
)

// watched returns a ctx and how many calls under it are held.
func watched(ctx context.Context) (context.Context, *int) {
	n := new(int)
	return hold.Watch(ctx, func() func() {
		*n++
		return func() { *n-- }
	}), n
}

func TestWatchersKnowWhatIsHeld(t *testing.T) {
	outer, all := watched(t.Context())
	inner, some := watched(outer)
	h, other := hold.Begin(inner), hold.Begin(outer)
	require.Equal(t, []int{2, 1}, []int{*all, *some})
	h.End()
	h.End()
	require.Equal(t, []int{1, 0}, []int{*all, *some}, "once, and before Wait returns")
	require.NoError(t, h.Wait(inner))
	ended, cancel := context.WithCancel(outer)
	cancel()
	require.ErrorIs(t, other.Wait(ended), context.Canceled)
	require.Zero(t, *all, "a call whose context ends is not held any more")
	require.NoError(t, func() error { h := hold.Begin(t.Context()); h.End(); return h.Wait(t.Context()) }(), "nobody watches")
}

func TestSleepIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, n := watched(t.Context())
		start, done := time.Now(), make(chan error)
		go func() { done <- hold.Sleep(ctx, clock.System{}, time.Minute) }()
		synctest.Wait()
		require.Equal(t, 1, *n)
		require.NoError(t, <-done)
		require.Equal(t, time.Minute, time.Since(start))
		require.Zero(t, *n)
		require.NoError(t, hold.Sleep(ctx, clock.System{}, 0))
	})
}
