package saga_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// What the transaction that starts a saga has done is undone, although no step of the
// saga ever ran.
func TestWhatTheStartDidIsUndoneWithoutAStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		r.Define(saga.Definition{Name: "test.hold", Steps: []saga.Step{
			r.waiting("a", func(ctx context.Context) error { return ctx.Err() }),
		}})
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("b"), r.step("c")}}))
		r.open()
		r.start("test.hold", "x", nil)
		id := r.start("test.make", "x", nil)
		synctest.Wait()
		r.cancel("x")
		require.ErrorIs(t, r.Wait(t.Context(), id), fault.Cancelled)
		require.Equal(t, saga.Failed, r.get(id).Status)
		require.Equal(t, []string{"una", "unb", "failed: make was cancelled"}, r.thing("x").Marks)
	})
}
