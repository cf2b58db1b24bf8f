package linux

import (
	"net/netip"
	"strconv"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// securityChain builds the chain of a port for one direction: what belongs to a
// known connection passes, then what the rules allow, and nothing else. Sets of
// remote addresses are added to c.
func securityChain(c *nftables.Conn, table *nftables.Table, p driver.Port, ingress bool, nextID *uint32) ([]expressions, error) {
	rules := []expressions{
		join(connection(expr.CtStateBitESTABLISHED|expr.CtStateBitRELATED), accept),
		join(connection(expr.CtStateBitINVALID), drop),
	}
	rules = append(rules, alwaysAllowed(ingress)...)
	for _, r := range p.Rules {
		if r.Ingress != ingress {
			continue
		}
		match, possible, err := ruleMatch(r)
		if err != nil {
			return nil, err
		}
		remote, some, err := remoteMatch(c, table, r, nextID)
		if err != nil {
			return nil, err
		}
		if possible && some {
			rules = append(rules, join(match, remote, accept))
		}
	}
	return append(rules, drop), nil
}

// alwaysAllowed is what a guest needs to get and keep its addresses.
func alwaysAllowed(ingress bool) []expressions {
	from4, to4, from6, to6 := 68, 67, 546, 547
	kinds := []byte{icmpListenerQuery, icmpListenerReport, icmpListenerDone, icmpNeighbourSolicit, icmpNeighbourAdvert}
	if ingress {
		from4, to4, from6, to6 = to4, from4, to6, from6
		kinds = append(kinds, icmpRouterAdvert)
	} else {
		kinds = append(kinds, icmpRouterSolicit, icmpListenerReport2)
	}
	rules := []expressions{
		join(family(false), transport(unix.IPPROTO_UDP), ports(from4, to4), accept),
		join(family(true), transport(unix.IPPROTO_UDP), ports(from6, to6), accept),
	}
	for _, k := range kinds {
		rules = append(rules, join(family(true), transport(unix.IPPROTO_ICMPV6), transportByte(0, k), accept))
	}
	return rules
}

// ruleMatch matches family, protocol and ports of a rule.
func ruleMatch(r driver.Rule) (match expressions, possible bool, err error) {
	proto, any, err := protocolNumber(r)
	if err != nil {
		return nil, false, err
	}
	match = family(r.IPv6)
	if any {
		return match, true, nil
	}
	match = join(match, transport(proto))
	switch proto {
	case unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		if r.PortMin >= 0 {
			match = join(match, transportByte(0, byte(r.PortMin)))
		}
		if r.PortMin >= 0 && r.PortMax >= 0 {
			match = join(match, transportByte(1, byte(r.PortMax)))
		}
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_DCCP, unix.IPPROTO_UDPLITE:
		low, high := portBounds(r)
		if low > high {
			return nil, false, nil
		}
		if low > 0 || high < 65535 {
			match = join(match, portRange(low, high))
		}
	}
	return match, true, nil
}

// portBounds returns the range of a rule, whose ends may be left out.
func portBounds(r driver.Rule) (low, high int) {
	low, high = r.PortMin, r.PortMax
	if low < 0 {
		low = 0
	}
	if high < 0 {
		high = 65535
	}
	return low, min(high, 65535)
}

// protocolNumber reads the protocol of a rule.
func protocolNumber(r driver.Rule) (proto byte, any bool, err error) {
	switch r.Protocol {
	case "":
		return 0, true, nil
	case "tcp":
		return unix.IPPROTO_TCP, false, nil
	case "udp":
		return unix.IPPROTO_UDP, false, nil
	case "icmp", "icmpv6", "ipv6-icmp":
		if r.IPv6 {
			return unix.IPPROTO_ICMPV6, false, nil
		}
		return unix.IPPROTO_ICMP, false, nil
	}
	n, err := strconv.ParseUint(r.Protocol, 10, 8)
	if err != nil {
		return 0, false, driver.Errorf(driver.Invalid, "protocol %q is not known", r.Protocol)
	}
	return byte(n), false, nil
}

// remoteMatch matches the other side of a rule. It reports whether there is any:
// remotes of the wrong family only leave none.
func remoteMatch(c *nftables.Conn, table *nftables.Table, r driver.Rule, nextID *uint32) (expressions, bool, error) {
	if len(r.Remotes) == 0 {
		return nil, true, nil
	}
	var own []netip.Prefix
	for _, p := range r.Remotes {
		if p.Addr().Is6() != r.IPv6 {
			continue
		}
		if p.Bits() == 0 {
			return nil, true, nil
		}
		own = append(own, p)
	}
	switch {
	case len(own) == 0:
		return nil, false, nil
	case len(own) == 1 && r.Ingress:
		return source(own[0]), true, nil
	case len(own) == 1:
		return target(own[0]), true, nil
	}
	kind, length := nftables.TypeIPAddr, uint32(4)
	if r.IPv6 {
		kind, length = nftables.TypeIP6Addr, 16
	}
	set := &nftables.Set{
		Table: table, ID: *nextID, Name: "__set%d", Anonymous: true, Constant: true, Interval: true, KeyType: kind,
	}
	*nextID++
	if err := c.AddSet(set, ranges(own)); err != nil {
		return nil, false, failed("describe remote addresses", err)
	}
	return expressions{
		payload(expr.PayloadBaseNetworkHeader, addressOffset(r), length),
		&expr.Lookup{SourceRegister: 1, SetName: set.Name, SetID: set.ID},
	}, true, nil
}

// addressOffset says where the other side of a rule stands in the IP header.
func addressOffset(r driver.Rule) uint32 {
	switch {
	case r.IPv6 && r.Ingress:
		return offsetSource6
	case r.IPv6:
		return offsetTarget6
	case r.Ingress:
		return offsetSource4
	}
	return offsetTarget4
}
