package saga_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
)

func TestAnInsistingStepIsTriedAgainWhateverTheError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{})
		tries := 0
		s := r.step("a")
		do := s.Do
		s.Attempts, s.Insist = 5, true
		s.Do = func(ctx context.Context, run *saga.Run) error {
			if tries++; tries < 4 {
				return fault.New(fault.Internal, "broken")
			}
			return do(ctx, run)
		}
		r.Define(r.ends(saga.Definition{Name: "test.make", Steps: []saga.Step{s}}))
		r.open()
		require.NoError(t, r.Wait(t.Context(), r.start("test.make", "x", nil)))
		require.Equal(t, []string{"a", "finished"}, r.thing("x").Marks)
	})
}
