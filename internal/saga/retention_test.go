package saga_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// What is there keeps its newest sagas for ever; what is gone keeps them for KeepFor.
func TestSagasOfWhatExistsAreRetained(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, saga.Config{Keep: 3, KeepFor: 24 * time.Hour})
		r.Define(saga.Definition{Name: "test.make", Steps: []saga.Step{r.step("a")}})
		r.Retain(func(rd state.Reader, resource string) bool { return r.things.Has(rd, resource[len("thing/"):]) })
		r.open()
		for i := range 5 {
			for _, id := range []string{"x", "y"} {
				require.NoError(t, r.Wait(t.Context(), r.start("test.make", id, i)))
			}
		}
		history := func(id string) (numbers []string) {
			for _, s := range r.History(r.db.Snapshot(), "thing/"+id) {
				numbers = append(numbers, string(s.Params))
			}
			return numbers
		}
		newest := []string{"2", "3", "4"}
		require.Equal(t, newest, history("x"))
		require.Equal(t, newest, history("y"))
		time.Sleep(50 * time.Hour)
		synctest.Wait()
		require.Equal(t, newest, history("x"), "its steps have marked thing x")
		require.Empty(t, history("y"), "there is no thing y")

		require.NoError(t, r.db.Update(t.Context(), func(tx *state.Tx) error { return r.things.Delete(tx, "x") }))
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		require.Empty(t, history("x"), "it was deleted, and its last saga ended long ago")
	})
}
