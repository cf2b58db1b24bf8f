package cloudtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
)

// Whoever deletes the port of a server takes the interface from the guest.
func TestADeletedPortLeavesItsServer(t *testing.T) {
	c := cloudtest.New(t)
	s := boot(t, c, "web")
	require.Len(t, s.NICs, 1)
	require.NoError(t, c.Networks.DeletePort(t.Context(), s.NICs[0].PortID))
	c.WaitIdle()
	s, err := c.Compute.GetServer(t.Context(), s.ID)
	require.NoError(t, err)
	require.Empty(t, s.NICs)
	require.Equal(t, "ACTIVE", s.Status())
	require.Empty(t, c.Hosts[0].Hypervisor.Guests()[0].NICs)
	c.CheckClean()
}

// What a suspended guest has cannot be taken from it.
func TestAPortOfASuspendedServerStays(t *testing.T) {
	c := cloudtest.New(t)
	s := boot(t, c, "web")
	require.NoError(t, c.Compute.SuspendServer(t.Context(), s.ID))
	require.ErrorIs(t, c.Networks.DeletePort(t.Context(), s.NICs[0].PortID), cloud.Conflict)
	c.WaitIdle()
	require.ErrorIs(t, c.Networks.DeletePort(t.Context(), s.NICs[0].PortID), cloud.Conflict)
	c.CheckClean()
}
