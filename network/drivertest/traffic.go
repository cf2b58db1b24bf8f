package drivertest

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
)

// traffic lists the cases that send packets.
func traffic() []testCase {
	return slices.Concat([]testCase{
		{"GuestsOfANetworkTalk", guestsTalk},
		{"PortDownIsSilent", portDown},
		{"OverlappingTenantsAreIsolated", overlappingTenants},
		{"ReopenKeepsConnections", reopenKeepsConnections},
	}, serviceCases(), spoofCases(), securityCases(), routerCases(), ipv6Cases())
}

func guestsTalk(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	a := s.plug(p)
	s.plug(q)
	reaches(t, a, q.Addresses[0])
}

func portDown(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	a := s.plug(p)
	s.plug(q)
	reaches(t, a, q.Addresses[0])
	q.Up = false
	s.ensurePort(q)
	silent(t, a, q.Addresses[0])
	q.Up = true
	s.ensurePort(q)
	reaches(t, a, q.Addresses[0])
}

// overlappingTenants gives two tenants the same addresses; the rules of one must
// not open the other, and connections must not be shared.
func overlappingTenants(t *testing.T, h Harness) {
	one, two := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.1.0.0/24")
	pa, pb := one.port(open()...), one.port(open()...)
	qa, qb := two.port(open()...), two.port(allowAll(false))
	require.Equal(t, pa.Addresses, qa.Addresses)
	require.Equal(t, pb.Addresses, qb.Addresses)
	a, b := one.plug(pa), one.plug(pb)
	c, d := two.plug(qa), two.plug(qb)
	echo(t, b, 80)
	echo(t, d, 80)
	conn, err := connect(a, pb.Addresses[0], 80, patience)
	require.NoError(t, err)
	defer conn.Close()
	_, err = talk(conn, patience)
	require.NoError(t, err)
	refused(t, c, qb.Addresses[0], 80)
	silent(t, c, qb.Addresses[0])

	ua, ub, uc, ud := datagrams(t, a, 7), datagrams(t, b, 7), datagrams(t, c, 7), datagrams(t, d, 7)
	require.True(t, delivers(t, ua, ub, pb.Addresses[0], 7))
	require.True(t, delivers(t, ub, ua, pa.Addresses[0], 7))
	require.True(t, delivers(t, ua, ub, pb.Addresses[0], 7))
	require.False(t, delivers(t, uc, ud, qb.Addresses[0], 7), "another tenant's connection must not count")
	_, err = talk(conn, patience)
	require.NoError(t, err)
	require.NoError(t, h.Mechanism.RemovePort(t.Context(), pb.ID))
	silent(t, a, pb.Addresses[0])
}

// reopenKeepsConnections ends the mechanism while guests talk, and has another one
// take over.
func reopenKeepsConnections(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(allowAll(false)), s.port(tcpIn(80))
	s.lease(p, "first")
	a, b := s.plug(p), s.plug(q)
	echo(t, b, 80)
	conn, err := connect(a, q.Addresses[0], 80, patience)
	require.NoError(t, err)
	defer conn.Close()
	_, err = talk(conn, patience)
	require.NoError(t, err)

	s.h.Mechanism = h.Reopen()
	_, err = talk(conn, patience)
	require.NoError(t, err)
	s.h.Mechanism.Serve(whoAsks{})
	s.ensure()
	s.ensurePort(p)
	s.ensurePort(q)
	_, err = talk(conn, patience)
	require.NoError(t, err)
	lease, err := dhcp(t.Context(), a, patience)
	require.NoError(t, err)
	require.True(t, lease.ACK.YourIPAddr.Equal(p.Addresses[0].AsSlice()))
	require.NoError(t, a.Configure(s.Service.Addresses[0], netip.PrefixFrom(p.Addresses[0], 24)))
	_, body, err := get(a, "/x")
	require.NoError(t, err)
	require.Contains(t, body, p.Addresses[0].String())
}

func routerCases() []testCase {
	return []testCase{
		{"RouterJoinsSubnets", routerJoins},
		{"RouterDownStopsForwarding", routerDown},
		{"GuestsLeaveUnderTheGatewayAddress", sourceNAT},
		{"FloatingAddressWorksBothWays", floating},
		{"FloatingAddressIsAnnounced", announced},
		{"FloatingToFloatingBehindOneRouter", hairpin},
		{"StaticRoutes", staticRoutes},
	}
}

func routerJoins(t *testing.T, h Harness) {
	s, u := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.2.0.0/24")
	p, q := s.port(open()...), u.port(open()...)
	a, b := s.plug(p), u.plug(q)
	silent(t, a, q.Addresses[0])
	r := router(t, h, nil, s, u)
	reaches(t, a, q.Addresses[0])
	echo(t, b, 80)
	require.Equal(t, p.Addresses[0], seenAs(t, a, q.Addresses[0], 80))
	r.Ports = r.Ports[:1]
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	silent(t, a, q.Addresses[0])
}

func routerDown(t *testing.T, h Harness) {
	s, u := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.2.0.0/24")
	p, q := s.port(open()...), u.port(open()...)
	a := s.plug(p)
	u.plug(q)
	r := router(t, h, nil, s, u)
	reaches(t, a, q.Addresses[0])
	r.Up = false
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	silent(t, a, q.Addresses[0])
	r.Up = true
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	reaches(t, a, q.Addresses[0])
}

// world starts a machine at the gateway address of an external network.
func world(t *testing.T, s *site) Guest {
	t.Helper()
	g := s.h.Probe.Outside(t)
	require.NoError(t, g.Configure(netip.Addr{}, netip.PrefixFrom(s.gateway(), s.subnet().CIDR.Bits())))
	return g
}

func sourceNAT(t *testing.T, h Harness) {
	s, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	p := s.port(open()...)
	a, w := s.plug(p), world(t, ext)
	echo(t, w, 80)
	exit := ext.exit(true)
	r := router(t, h, exit, s)
	require.Equal(t, exit.Addresses[0].Addr(), seenAs(t, a, ext.gateway(), 80))
	silent(t, w, p.Addresses[0])
	r.Gateway.SNAT = false
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	refused(t, a, ext.gateway(), 80) // the world has no way back
}

func floating(t *testing.T, h Harness) {
	s, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	p := s.port(open()...)
	a, w := s.plug(p), world(t, ext)
	echo(t, a, 80)
	echo(t, w, 80)
	r := router(t, h, ext.exit(true), s)
	f := driver.Floating{ID: uuid.NewString(), External: ext.address().Addr(), Fixed: p.Addresses[0]}
	r.Floating = []driver.Floating{f}
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	require.Equal(t, ext.gateway(), seenAs(t, w, f.External, 80))
	require.Equal(t, f.External, seenAs(t, a, ext.gateway(), 80))

	conn, err := connect(w, f.External, 80, patience)
	require.NoError(t, err)
	defer conn.Close()
	_, err = talk(conn, patience)
	require.NoError(t, err)
	r.Floating = nil
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	_, err = talk(conn, silence)
	require.Error(t, err, "a connection must not outlive its floating address")
	refused(t, w, f.External, 80)
	require.Equal(t, r.Gateway.Addresses[0].Addr(), seenAs(t, a, ext.gateway(), 80))
}

// announced has the world hear of a floating address without asking.
func announced(t *testing.T, h Harness) {
	s, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	w := world(t, ext)
	r := router(t, h, ext.exit(true), s)
	f := driver.Floating{ID: uuid.NewString(), External: ext.address().Addr(), Fixed: s.address().Addr()}
	mac := hardware(t, r.Gateway.MAC)
	heard := hears(t, w, func(frame []byte) bool {
		return len(frame) >= 42 && slices.Equal(frame[6:12], mac) && frame[12] == 8 && frame[13] == 6 &&
			slices.Equal(frame[22:32], append(slices.Clone(mac), f.External.AsSlice()...))
	}, func() {
		r.Floating = []driver.Floating{f}
		require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	})
	require.True(t, heard)
}

func hairpin(t *testing.T, h Harness) {
	s, ext := newSite(t, h, "10.1.0.0/24"), newOutside(t, h, "198.51.100.0/24")
	p, q, plain := s.port(open()...), s.port(open()...), s.port(open()...)
	a, b, c := s.plug(p), s.plug(q), s.plug(plain)
	echo(t, b, 80)
	exit := ext.exit(true)
	r := router(t, h, exit, s)
	fp := driver.Floating{ID: uuid.NewString(), External: ext.address().Addr(), Fixed: p.Addresses[0]}
	fq := driver.Floating{ID: uuid.NewString(), External: ext.address().Addr(), Fixed: q.Addresses[0]}
	r.Floating = []driver.Floating{fp, fq}
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	require.Equal(t, fp.External, seenAs(t, a, fq.External, 80))
	require.Equal(t, exit.Addresses[0].Addr(), seenAs(t, c, fq.External, 80))
	require.Equal(t, p.Addresses[0], seenAs(t, a, q.Addresses[0], 80))
}

func staticRoutes(t *testing.T, h Harness) {
	s, u := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.2.0.0/24")
	p, q := s.port(open()...), u.port(open()...)
	far := netip.MustParsePrefix("10.99.0.1/32")
	q.Pairs = []driver.AddressPair{{Prefix: far}}
	a, b := s.plug(p), u.plug(q)
	require.NoError(t, b.Configure(u.gateway(), netip.PrefixFrom(q.Addresses[0], 24), far))
	r := router(t, h, nil, s, u)
	silent(t, a, far.Addr())
	r.Routes = []driver.Route{{Destination: far, NextHop: q.Addresses[0]}}
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	reaches(t, a, far.Addr())
	r.Routes = nil
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	silent(t, a, far.Addr())
}
