package linux

import (
	"net"
	"net/netip"
	"reflect"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// rulebook is what a port was guarded with last.
type rulebook struct {
	security bool
	rules    []driver.Rule
}

// keepRules remembers the rules of a port. It reports whether connections that the
// port has may have lost their permission: the rules changed, or they are not
// known from before.
func (m *Mechanism) keepRules(p driver.Port) bool {
	next := &rulebook{security: p.Security, rules: p.Rules}
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.rules[p.ID]
	m.rules[p.ID] = next
	return last == nil || !reflect.DeepEqual(last, next)
}

// revoked matches the tracked connections of a port that its rules do not allow.
type revoked struct {
	port driver.Port
	zone uint16
}

var _ netlink.CustomConntrackFilter = revoked{}

// MatchConntrackFlow reports whether the connection must end.
func (r revoked) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	if flow.Zone != r.zone {
		return false
	}
	from, to := toAddr(flow.Forward.SrcIP), toAddr(flow.Forward.DstIP)
	own := addressesOf(r.port)
	switch {
	case own[from]:
		return !r.allows(flow, false, to)
	case own[to]:
		return !r.allows(flow, true, from)
	}
	return false
}

// allows reports whether some rule allows the connection.
func (r revoked) allows(flow *netlink.ConntrackFlow, ingress bool, remote netip.Addr) bool {
	if flow.Forward.Protocol == unix.IPPROTO_UDP && isDHCP(flow) {
		return true
	}
	for _, rule := range r.port.Rules {
		if rule.Ingress == ingress && rule.IPv6 == remote.Is6() && allowsFlow(rule, flow) && allowsRemote(rule, remote) {
			return true
		}
	}
	return false
}

func isDHCP(flow *netlink.ConntrackFlow) bool {
	a, b := flow.Forward.SrcPort, flow.Forward.DstPort
	return a == 68 && b == 67 || a == 67 && b == 68 || a == 546 && b == 547 || a == 547 && b == 546
}

// allowsFlow compares protocol and ports.
func allowsFlow(rule driver.Rule, flow *netlink.ConntrackFlow) bool {
	proto, any, err := protocolNumber(rule)
	if err != nil {
		return false
	}
	if any {
		return true
	}
	if proto != flow.Forward.Protocol {
		return false
	}
	switch proto {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP:
		low, high := portBounds(rule)
		port := int(flow.Forward.DstPort)
		return low <= port && port <= high
	}
	return true // the types of ICMP are not compared: an echo lives for seconds
}

func allowsRemote(rule driver.Rule, remote netip.Addr) bool {
	if len(rule.Remotes) == 0 {
		return true
	}
	for _, p := range rule.Remotes {
		if p.Contains(remote) {
			return true
		}
	}
	return false
}

func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
