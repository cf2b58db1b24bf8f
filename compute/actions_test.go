package compute_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// What was done with a server can be read for as long as the server is there, and for a
// day after it is gone.
func TestActionsStayWithTheirServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		s := r.boot()
		actions := func() (names []string) {
			for _, a := range r.Actions(r.ctx(), s.ID) {
				names = append(names, a.Action)
			}
			return names
		}
		time.Sleep(50 * time.Hour)
		synctest.Wait()
		require.Equal(t, []string{"create"}, actions())
		require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
		_, err := r.WaitServer(r.ctx(), s.ID)
		require.Equal(t, fault.NotFound, fault.Of(err))
		time.Sleep(23 * time.Hour)
		require.Equal(t, []string{"create", "delete"}, actions())
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		require.Empty(t, actions())
	})
}
