package linux

import (
	"net"
	"net/netip"
	"slices"

	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// The ICMPv6 types that matter to neighbour discovery and multicast.
const (
	icmpListenerQuery    = 130
	icmpListenerReport   = 131
	icmpListenerDone     = 132
	icmpRouterSolicit    = 133
	icmpRouterAdvert     = 134
	icmpNeighbourSolicit = 135
	icmpNeighbourAdvert  = 136
	icmpRedirect         = 137
	icmpListenerReport2  = 143
	etherTypeRARP        = 0x8035
)

// sender is a source that a port may use.
type sender struct {
	mac    net.HardwareAddr
	prefix netip.Prefix
}

// senders lists the sources of a port: its addresses, its pairs, and the
// link-local address that belongs to each MAC.
func senders(p driver.Port) ([]sender, error) {
	mac, err := parseMAC(p.MAC)
	if err != nil {
		return nil, err
	}
	all := []sender{{mac, single(linkLocal(mac))}}
	for _, a := range p.Addresses {
		all = append(all, sender{mac, single(a)})
	}
	for _, pair := range p.Pairs {
		from := mac
		if pair.MAC != "" {
			if from, err = parseMAC(pair.MAC); err != nil {
				return nil, err
			}
		}
		all = append(all, sender{from, pair.Prefix.Masked()}, sender{from, single(linkLocal(from))})
	}
	return all, nil
}

// parseMAC reads an Ethernet address.
func parseMAC(s string) (net.HardwareAddr, error) {
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		return nil, driver.Errorf(driver.Invalid, "%q is not a MAC address", s)
	}
	return mac, nil
}

// linkLocal returns the IPv6 link-local address that a kernel makes of a MAC.
func linkLocal(mac net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{
		0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe, 13: mac[3], 14: mac[4], 15: mac[5],
	})
}

// spoofRules is the chain through which every frame of a guest goes: it says which
// source addresses the guest may use. A frame that gets through carries the port's
// mark to the rules of its security groups.
func spoofRules(p driver.Port) ([]expressions, error) {
	all, err := senders(p)
	if err != nil {
		return nil, err
	}
	pass := join(expressions{load(expr.MetaKeyIIF), store(expr.MetaKeyMARK)}, accept)
	rules := denyServers()
	seen := make(map[string]bool)
	for _, s := range all {
		key := s.mac.String() + s.prefix.String()
		if seen[key] {
			continue
		}
		seen[key] = true
		if s.prefix.Addr().Is4() {
			rules = append(rules,
				join(etherType(unix.ETH_P_ARP), etherSource(s.mac), arpFrom(s.mac, s.prefix), pass),
				join(etherType(unix.ETH_P_IP), etherSource(s.mac), source(s.prefix), pass))
			continue
		}
		rules = append(rules, ownNeighbours(s, pass)...)
	}
	for _, mac := range macs(all) {
		rules = append(rules, beforeAddress(mac, pass)...)
	}
	return append(rules, drop), nil
}

// denyServers keeps guests from playing DHCP server or router.
func denyServers() []expressions {
	return []expressions{
		join(etherType(unix.ETH_P_IP), transport(unix.IPPROTO_UDP), ports(67, 68), drop),
		join(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_UDP), ports(547, 546), drop),
		join(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_ICMPV6), transportByte(0, icmpRouterAdvert), drop),
		join(etherType(unix.ETH_P_IPV6), transport(unix.IPPROTO_ICMPV6), transportByte(0, icmpRedirect), drop),
	}
}

// arpFrom matches ARP for IPv4 over Ethernet whose sender is the one given.
func arpFrom(mac net.HardwareAddr, p netip.Prefix) expressions {
	format := []byte{0, 1, 8, 0, 6, 4}
	return join(
		expressions{payload(expr.PayloadBaseNetworkHeader, 0, uint32(len(format))), equal(format)},
		expressions{payload(expr.PayloadBaseNetworkHeader, offsetARPMAC, 6), equal(mac)},
		addressAt(offsetARPIP, p))
}

// ownNeighbours lets IPv6 of a source pass; neighbour advertisements only for it.
func ownNeighbours(s sender, pass expressions) []expressions {
	from := join(etherType(unix.ETH_P_IPV6), etherSource(s.mac))
	advert := join(transport(unix.IPPROTO_ICMPV6), transportByte(0, icmpNeighbourAdvert))
	about := expressions{payload(expr.PayloadBaseTransportHeader, 8, 16)}
	if !s.prefix.IsSingleIP() {
		about = append(about, &expr.Bitwise{
			SourceRegister: 1, DestRegister: 1, Len: 16,
			Mask: net.CIDRMask(s.prefix.Bits(), 128), Xor: make([]byte, 16),
		})
	}
	about = append(about, equal(s.prefix.Addr().AsSlice()))
	other := expressions{load(expr.MetaKeyL4PROTO), differs([]byte{unix.IPPROTO_ICMPV6})}
	not := expressions{payload(expr.PayloadBaseTransportHeader, 0, 1), differs([]byte{icmpNeighbourAdvert})}
	return []expressions{
		join(from, advert, about, pass),
		join(from, other, source(s.prefix), pass),
		join(from, transport(unix.IPPROTO_ICMPV6), not, source(s.prefix), pass),
	}
}

// beforeAddress lets pass what a guest says before it has an address: DHCP, ARP
// probes, duplicate address detection, and the announcement of a guest that moved.
func beforeAddress(mac net.HardwareAddr, pass expressions) []expressions {
	any4 := single(netip.IPv4Unspecified())
	any6 := single(netip.IPv6Unspecified())
	rules := []expressions{
		join(etherType(unix.ETH_P_IP), etherSource(mac), source(any4), transport(unix.IPPROTO_UDP), ports(68, 67), pass),
		join(etherType(unix.ETH_P_ARP), etherSource(mac), arpFrom(mac, any4), pass),
		join(etherType(etherTypeRARP), etherSource(mac), pass),
	}
	for _, kind := range []byte{icmpRouterSolicit, icmpNeighbourSolicit, icmpListenerReport, icmpListenerReport2} {
		rules = append(rules, join(etherType(unix.ETH_P_IPV6), etherSource(mac), source(any6),
			transport(unix.IPPROTO_ICMPV6), transportByte(0, kind), pass))
	}
	return rules
}

// macs lists the different MACs of the senders.
func macs(all []sender) []net.HardwareAddr {
	var out []net.HardwareAddr
	for _, s := range all {
		if !slices.ContainsFunc(out, func(m net.HardwareAddr) bool { return slices.Equal(m, s.mac) }) {
			out = append(out, s.mac)
		}
	}
	return out
}

// portRange matches a destination port in a range.
func portRange(low, high int) expressions {
	if low == high {
		return ports(-1, low)
	}
	return expressions{
		payload(expr.PayloadBaseTransportHeader, 2, 2),
		&expr.Cmp{Op: expr.CmpOpGte, Register: 1, Data: binaryutil.BigEndian.PutUint16(uint16(low))},
		&expr.Cmp{Op: expr.CmpOpLte, Register: 1, Data: binaryutil.BigEndian.PutUint16(uint16(high))},
	}
}
