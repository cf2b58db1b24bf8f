package memnetwork_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
)

func TestBaseIsThereWithoutBeingMade(t *testing.T) {
	ctx := t.Context()
	m := memnetwork.New(memnetwork.Config{Base: memnetwork.Base{
		Network: func(id string) (driver.Network, bool) {
			return driver.Network{ID: id, MTU: 1400, Service: driver.ServicePort{PortID: "dhcp"}}, id == "net"
		},
		Port:     func(id string) (driver.Port, bool) { return driver.Port{ID: id, NetworkID: "net"}, id == "old" },
		Router:   func(id string) (driver.Router, bool) { return driver.Router{ID: id}, id == "out" },
		Networks: func() []string { return []string{"net"} },
		Ports:    func() []string { return []string{"old"} },
		Routers:  func() []string { return []string{"out"} },
	}})
	at, err := m.EnsurePort(ctx, driver.Port{ID: "new", NetworkID: "net"})
	require.NoError(t, err)
	require.Equal(t, 1400, at.MTU)
	m.Serve(handler{})
	answer, err := m.Get("net", netip.MustParseAddr("10.0.0.9"), "/")
	require.NoError(t, err, "it has metadata without another EnsureNetwork")
	require.NoError(t, answer.Body.Close())
	require.ErrorIs(t, m.RemoveNetwork(ctx, "net"), driver.Conflict)
	require.NoError(t, m.RemovePort(ctx, "new"))
	require.ErrorIs(t, m.RemoveNetwork(ctx, "net"), driver.Conflict, "the old port is on it")
	require.NoError(t, m.RemovePort(ctx, "old"))
	require.NoError(t, m.RemoveNetwork(ctx, "net"))
	require.NoError(t, m.EnsureNetwork(ctx, driver.Network{ID: "far", Physical: "physnet9"}))
	all, err := m.Inventory(ctx)
	require.NoError(t, err)
	require.Equal(t, driver.Inventory{Networks: []string{"far"}, Routers: []string{"out"}}, all)
}
