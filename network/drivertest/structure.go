package drivertest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
)

// structural lists the cases that need no packets.
func structural() []testCase {
	return []testCase{
		{"HostSaysWhatItReaches", hostSays},
		{"CallsAreIdempotent", callsAreIdempotent},
		{"RemovingWhatIsAbsentSucceeds", removingAbsent},
		{"NetworkMustBeThere", networkMustBeThere},
		{"NetworkWithPortsStays", networkWithPortsStays},
		{"InventoryListsAll", inventoryListsAll},
		{"RemoveLeavesNothing", removeLeavesNothing},
		{"ReopenFindsAll", reopenFindsAll},
		{"CloseTwice", closeTwice},
	}
}

func hostSays(t *testing.T, h Harness) {
	host, err := h.Mechanism.Host(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, host.Name)
	require.NotEmpty(t, host.Type)
	require.Contains(t, host.Physical, h.Physical)
}

func callsAreIdempotent(t *testing.T, h Harness) {
	s, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	p := s.port(open()...)
	first := s.ensurePort(p)
	r := router(t, h, ext.exit(true), s)
	r.Floating = []driver.Floating{{ID: uuid.NewString(), External: ext.address().Addr(), Fixed: p.Addresses[0]}}
	for range 2 {
		s.ensure()
		require.Equal(t, first, s.ensurePort(p))
		require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	}
	require.NotEmpty(t, first.Tap)
	require.LessOrEqual(t, len(first.Tap), 15)
	require.Equal(t, s.MTU, first.MTU)
}

func removingAbsent(t *testing.T, h Harness) {
	for range 2 {
		require.NoError(t, h.Mechanism.RemovePort(t.Context(), uuid.NewString()))
		require.NoError(t, h.Mechanism.RemoveRouter(t.Context(), uuid.NewString()))
		require.NoError(t, h.Mechanism.RemoveNetwork(t.Context(), uuid.NewString()))
	}
}

func networkMustBeThere(t *testing.T, h Harness) {
	p := driver.Port{ID: uuid.NewString(), NetworkID: uuid.NewString(), MAC: newMAC(), Up: true}
	_, err := h.Mechanism.EnsurePort(t.Context(), p)
	require.ErrorIs(t, err, driver.NotFound)
	err = h.Mechanism.EnsureRouter(t.Context(), driver.Router{
		ID: uuid.NewString(), Up: true,
		Ports: []driver.RouterPort{{PortID: uuid.NewString(), NetworkID: uuid.NewString(), MAC: newMAC()}},
	})
	require.ErrorIs(t, err, driver.NotFound)
	inv, err := h.Mechanism.Inventory(t.Context())
	require.NoError(t, err)
	require.Empty(t, inv.Ports)
	require.Empty(t, inv.Routers)
}

func networkWithPortsStays(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p := s.port()
	s.ensurePort(p)
	require.ErrorIs(t, h.Mechanism.RemoveNetwork(t.Context(), s.ID), driver.Conflict)
	require.NoError(t, h.Mechanism.RemovePort(t.Context(), p.ID))
	r := router(t, h, nil, s)
	require.ErrorIs(t, h.Mechanism.RemoveNetwork(t.Context(), s.ID), driver.Conflict)
	require.NoError(t, h.Mechanism.RemoveRouter(t.Context(), r.ID))
	require.NoError(t, h.Mechanism.RemoveNetwork(t.Context(), s.ID))
}

func inventoryListsAll(t *testing.T, h Harness) {
	a, b := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.1.0.0/24")
	ext := newOutside(t, h, "198.51.100.0/24")
	p, q := a.port(), b.port()
	a.ensurePort(p)
	b.ensurePort(q)
	r := router(t, h, ext.exit(true), a)
	inv, err := h.Mechanism.Inventory(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{a.ID, b.ID, ext.ID}, inv.Networks)
	require.ElementsMatch(t, []string{p.ID, q.ID}, inv.Ports)
	require.Equal(t, []string{r.ID}, inv.Routers)
}

func removeLeavesNothing(t *testing.T, h Harness) {
	var before []string
	if h.Left != nil {
		before = h.Left()
	}
	a, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	p := a.port(open()...)
	a.lease(p, "guest")
	a.ensurePort(p)
	r := router(t, h, ext.exit(true), a)
	for range 2 {
		require.NoError(t, h.Mechanism.RemoveRouter(t.Context(), r.ID))
		require.NoError(t, h.Mechanism.RemovePort(t.Context(), p.ID))
		require.NoError(t, h.Mechanism.RemoveNetwork(t.Context(), a.ID))
		require.NoError(t, h.Mechanism.RemoveNetwork(t.Context(), ext.ID))
	}
	inv, err := h.Mechanism.Inventory(t.Context())
	require.NoError(t, err)
	require.Equal(t, driver.Inventory{}, inv)
	if h.Left != nil {
		require.ElementsMatch(t, before, h.Left())
	}
}

func reopenFindsAll(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p := s.port(open()...)
	first := s.ensurePort(p)
	r := router(t, h, nil, s)
	m := h.Reopen()
	inv, err := m.Inventory(t.Context())
	require.NoError(t, err)
	require.Equal(t, driver.Inventory{Networks: []string{s.ID}, Ports: []string{p.ID}, Routers: []string{r.ID}}, inv)
	again, err := m.EnsurePort(t.Context(), p)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NoError(t, m.EnsureNetwork(t.Context(), s.Network))
	require.NoError(t, m.EnsureRouter(t.Context(), r))
}

func closeTwice(t *testing.T, h Harness) {
	newSite(t, h, "10.1.0.0/24")
	require.NoError(t, h.Mechanism.Close())
	require.NoError(t, h.Mechanism.Close())
}
