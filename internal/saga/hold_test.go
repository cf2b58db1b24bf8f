package saga_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/hold"
	"github.com/welkin-cloud/cloud/internal/saga"
)

func TestIdleDoesNotWaitForWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		s := r.step("a")
		do := s.Do
		holds := make(chan *hold.Hold, 1)
		s.Do = func(ctx context.Context, run *saga.Run) error {
			h := hold.Begin(ctx)
			holds <- h
			if err := h.Wait(ctx); err != nil {
				return err
			}
			return do(ctx, run)
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{s}}))
		r.open()
		first := r.start("test.make", "x", nil)
		require.NoError(t, r.Idle(t.Context()))
		require.Equal(t, saga.Running, r.get(first).Status)
		(<-holds).End()
		require.NoError(t, r.Idle(t.Context()), "it goes on as soon as End returns")
		require.Equal(t, saga.Finished, r.get(first).Status)

		second := r.start("test.make", "y", nil)
		require.NoError(t, r.Idle(t.Context()))
		r.cancel("y")
		require.NoError(t, r.Idle(t.Context()), "a saga that was cancelled is not held")
		require.Equal(t, saga.Failed, r.get(second).Status)
		require.ErrorIs(t, r.Wait(t.Context(), second), fault.Cancelled)
	})
}
