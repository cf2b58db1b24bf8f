package drivertest

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

func spoofCases() []testCase {
	return []testCase{
		{"ForeignMACIsDropped", foreignMAC},
		{"ForeignAddressIsDropped", foreignAddress},
		{"ForeignFramesAreDropped", foreignFrames},
		{"AddressPairsMaySend", addressPairs},
		{"WithoutSecurityAllPasses", withoutSecurity},
	}
}

func foreignMAC(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	a := s.plug(p)
	s.plug(q)
	reaches(t, a, q.Addresses[0])
	require.NoError(t, a.SetMAC(newMAC()))
	silent(t, a, q.Addresses[0])
	require.NoError(t, a.SetMAC(p.MAC))
	reaches(t, a, q.Addresses[0])
}

func foreignAddress(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	a := s.plug(p)
	s.plug(q)
	reaches(t, a, q.Addresses[0])
	require.NoError(t, a.Configure(netip.Addr{}, s.address()))
	silent(t, a, q.Addresses[0])
}

// foreignFrames sends what a guest may and may not say, one frame each.
func foreignFrames(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	a, b := s.plug(p), s.plug(q)
	mac, other := hardware(t, p.MAC), hardware(t, newMAC())
	own, foreign, all := p.Addresses[0], q.Addresses[0], netip.MustParseAddr("255.255.255.255")
	nobody := netip.IPv4Unspecified()
	for _, c := range []struct {
		name  string
		frame []byte
		pass  bool
	}{
		{"own ARP", arpClaim(mac, mac, own), true},
		{"ARP probe", arpClaim(mac, mac, nobody), true},
		{"ARP for another's address", arpClaim(mac, mac, foreign), false},
		{"ARP with another's MAC inside", arpClaim(mac, other, own), false},
		{"ARP from another's MAC", arpClaim(other, other, own), false},
		{"own IP", udp4(mac, own, all, 5000, 5000), true},
		{"another's IP", udp4(mac, foreign, all, 5000, 5000), false},
		{"DHCP client", udp4(mac, nobody, all, 68, 67), true},
		{"no address, not DHCP", udp4(mac, nobody, all, 5000, 67), false},
		{"DHCP server", udp4(mac, own, all, 67, 68), false},
		{"VLAN tag", frame(broadcast, mac, unix.ETH_P_8021Q, arpClaim(mac, mac, own)[12:]), false},
		{"announcement of a move", frame(broadcast, mac, 0x8035, make([]byte, 46)), true},
	} {
		require.Equal(t, c.pass, arrives(t, a, b, c.frame), c.name)
	}
}

func addressPairs(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port(open()...)
	virtual, mac := s.address(), newMAC()
	a := s.plug(p)
	s.plug(q)
	require.NoError(t, a.Configure(netip.Addr{}, virtual))
	silent(t, a, q.Addresses[0])
	p.Pairs = []driver.AddressPair{{Prefix: netip.PrefixFrom(virtual.Addr(), 32)}}
	s.ensurePort(p)
	reaches(t, a, q.Addresses[0])
	require.NoError(t, a.SetMAC(mac))
	silent(t, a, q.Addresses[0])
	p.Pairs = append(p.Pairs, driver.AddressPair{MAC: mac, Prefix: s.subnet().CIDR})
	s.ensurePort(p)
	reaches(t, a, q.Addresses[0])
}

func withoutSecurity(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(), s.port()
	a := s.plug(p)
	s.plug(q)
	silent(t, a, q.Addresses[0])
	p.Security, q.Security = false, false
	s.ensurePort(p)
	s.ensurePort(q)
	reaches(t, a, q.Addresses[0])
	require.NoError(t, a.SetMAC(newMAC()))
	require.NoError(t, a.Configure(netip.Addr{}, s.address()))
	reaches(t, a, q.Addresses[0])
	p.Security = true
	s.ensurePort(p)
	silent(t, a, q.Addresses[0])
}

func securityCases() []testCase {
	return []testCase{
		{"NoRuleNoTraffic", noRules},
		{"RulesAreStateful", stateful},
		{"PortRanges", portRanges},
		{"RemoteGroups", remoteGroups},
		{"ICMPTypes", icmpTypes},
		{"RuleUpdateKeepsConnections", updateKeeps},
		{"RevokedRuleEndsConnections", revokedEnds},
		{"RulesHoldBehindTheRouter", rulesBehindRouter},
		{"ManyRules", manyRules},
	}
}

func noRules(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(open()...), s.port()
	a, b := s.plug(p), s.plug(q)
	silent(t, a, q.Addresses[0])
	silent(t, b, p.Addresses[0])
	q.Rules = []driver.Rule{allowAll(true)}
	s.ensurePort(q)
	reaches(t, a, q.Addresses[0])
	silent(t, b, p.Addresses[0])
}

// stateful allows a connection one way only; its answers pass.
func stateful(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(allowAll(false)), s.port(tcpIn(80))
	a, b := s.plug(p), s.plug(q)
	for _, port := range []uint16{80, 81} {
		echo(t, b, port)
		echo(t, a, port)
	}
	require.Equal(t, p.Addresses[0], seenAs(t, a, q.Addresses[0], 80))
	refused(t, a, q.Addresses[0], 81)
	refused(t, b, p.Addresses[0], 80)
	silent(t, a, q.Addresses[0])
}

func portRanges(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	rule := driver.Rule{Ingress: true, Protocol: "6", PortMin: 100, PortMax: 102}
	p, q := s.port(driver.Rule{Protocol: "tcp", PortMin: 101, PortMax: 103}), s.port(rule)
	a, b := s.plug(p), s.plug(q)
	for port := uint16(99); port <= 104; port++ {
		echo(t, b, port)
		if port == 101 || port == 102 {
			seenAs(t, a, q.Addresses[0], port)
		} else {
			refused(t, a, q.Addresses[0], port)
		}
	}
}

// remoteGroups allows the members of a group, whose number changes.
func remoteGroups(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, o := s.port(allowAll(false)), s.port(allowAll(false))
	one := func(p driver.Port) netip.Prefix { return netip.PrefixFrom(p.Addresses[0], 32) }
	v6 := netip.MustParsePrefix("2001:db8::/64")
	q := s.port(tcpIn(80, v6))
	a, c, b := s.plug(p), s.plug(o), s.plug(q)
	echo(t, b, 80)
	refused(t, a, q.Addresses[0], 80)
	q.Rules = []driver.Rule{tcpIn(80, one(p), v6)}
	s.ensurePort(q)
	seenAs(t, a, q.Addresses[0], 80)
	refused(t, c, q.Addresses[0], 80)
	q.Rules = []driver.Rule{tcpIn(80, one(o), netip.MustParsePrefix("10.1.0.0/29"), netip.MustParsePrefix("10.1.0.4/32"), one(p))}
	s.ensurePort(q)
	seenAs(t, a, q.Addresses[0], 80)
	seenAs(t, c, q.Addresses[0], 80)
	halves := []netip.Prefix{netip.MustParsePrefix("128.0.0.0/1"), netip.MustParsePrefix("255.255.255.255/32"), netip.MustParsePrefix("0.0.0.0/1")}
	all6 := driver.Rule{Ingress: true, IPv6: true, PortMin: -1, PortMax: -1, Remotes: []netip.Prefix{
		netip.MustParsePrefix("8000::/1"), netip.MustParsePrefix("::/1"), netip.MustParsePrefix("ffff::/16"),
	}}
	q.Rules = []driver.Rule{tcpIn(80, halves...), all6}
	s.ensurePort(q)
	seenAs(t, a, q.Addresses[0], 80)
	q.Rules = []driver.Rule{tcpIn(80, one(o))}
	s.ensurePort(q)
	refused(t, a, q.Addresses[0], 80)
	seenAs(t, c, q.Addresses[0], 80)
}

func icmpTypes(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	rule := driver.Rule{Ingress: true, Protocol: "icmp", PortMin: 13, PortMax: 0}
	p, q := s.port(open()...), s.port(rule)
	a, b := s.plug(p), s.plug(q)
	echo(t, b, 80)
	silent(t, a, q.Addresses[0])
	q.Rules[0].PortMin = 8
	s.ensurePort(q)
	reaches(t, a, q.Addresses[0])
	refused(t, a, q.Addresses[0], 80)
}

func updateKeeps(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(allowAll(false)), s.port(tcpIn(80))
	a, b := s.plug(p), s.plug(q)
	echo(t, b, 80)
	conn, err := connect(a, q.Addresses[0], 80, patience)
	require.NoError(t, err)
	defer conn.Close()
	for i := range 20 {
		q.Rules = []driver.Rule{tcpIn(80), tcpIn(1000 + i)}
		at := s.ensurePort(q)
		require.NotEmpty(t, at.Tap)
		_, err = talk(conn, patience)
		require.NoError(t, err)
	}
}

func revokedEnds(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(allowAll(false)), s.port(tcpIn(80), tcpIn(81))
	a, b := s.plug(p), s.plug(q)
	echo(t, b, 80)
	echo(t, b, 81)
	kept, err := connect(a, q.Addresses[0], 80, patience)
	require.NoError(t, err)
	defer kept.Close()
	lost, err := connect(a, q.Addresses[0], 81, patience)
	require.NoError(t, err)
	defer lost.Close()
	q.Rules = []driver.Rule{tcpIn(80)}
	s.ensurePort(q)
	_, err = talk(kept, patience)
	require.NoError(t, err)
	_, err = talk(lost, silence)
	require.Error(t, err)
}

func rulesBehindRouter(t *testing.T, h Harness) {
	s, u := newSite(t, h, "10.1.0.0/24"), newSite(t, h, "10.2.0.0/24")
	p := s.port(allowAll(false))
	q := u.port(tcpIn(80, netip.PrefixFrom(p.Addresses[0], 32)))
	a, b := s.plug(p), u.plug(q)
	router(t, h, nil, s, u)
	echo(t, b, 80)
	echo(t, b, 81)
	seenAs(t, a, q.Addresses[0], 80)
	refused(t, a, q.Addresses[0], 81)
}

// manyRules needs more than a netlink socket's default buffer.
func manyRules(t *testing.T, h Harness) {
	s := newSite(t, h, "10.1.0.0/24")
	p, q := s.port(allowAll(false)), s.port()
	for i := range 1000 {
		remotes := []netip.Prefix{
			netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i >> 8), byte(i)}), 32),
			netip.MustParsePrefix("192.0.2.0/24"),
		}
		q.Rules = append(q.Rules, tcpIn(i+1000, remotes...))
	}
	q.Rules = append(q.Rules, tcpIn(80))
	a, b := s.plug(p), s.plug(q)
	echo(t, b, 80)
	echo(t, b, 1500)
	seenAs(t, a, q.Addresses[0], 80)
	refused(t, a, q.Addresses[0], 1500)
}
