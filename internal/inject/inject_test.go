package inject_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/inject"
)

func TestFaultsComeBeforeAndAfterTheEffect(t *testing.T) {
	var at string
	p := inject.New(nil, func(_ context.Context, op, _ string) error {
		if op == at {
			return fault.Unavailable
		}
		return nil
	}, nil)
	var mu sync.Mutex
	done := 0
	call := func() error { return p.Call(t.Context(), "Start", "a", &mu, func() error { done++; return nil }) }
	require.NoError(t, call())
	at = "Start"
	require.ErrorIs(t, call(), fault.Unavailable)
	require.Equal(t, 1, done, "a fault before the effect keeps it from being done")
	at = "Start/after"
	require.ErrorIs(t, call(), fault.Unavailable)
	require.Equal(t, 2, done, "a fault after it only loses the answer")
	p.SetFault(nil)
	require.NoError(t, call())
	require.ErrorIs(t, p.Effect(t.Context(), "Start", "a", &mu, func() error { return fault.Conflict }), fault.Conflict)
}

func TestADelayEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := inject.New(nil, nil, func(string, string) time.Duration { return time.Minute })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, p.Before(ctx, "Start", "a"), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		p.SetDelay(nil)
		require.Error(t, p.Before(ctx, "Start", "a"), "a call whose context is done does nothing")
		require.NoError(t, p.Before(t.Context(), "Start", "a"))
	})
}
