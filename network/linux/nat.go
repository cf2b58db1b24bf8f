package linux

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/google/nftables/userdata"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// routerTable is the name of the one table in a router's namespace.
const routerTable = aliasRoot

// outside is the mark of packets that came through the gateway leg.
const outside = 1

// mapping is one floating address with its target.
type mapping struct{ external, fixed netip.Addr }

// translate replaces the router's address translation in one transaction. It
// returns the mappings that were there and are no more: their connections outlive
// the rules.
func (s *space) translate(r driver.Router) (lost []mapping, err error) {
	c, err := s.nft()
	if err != nil {
		return nil, failed("open nftables", err)
	}
	table := &nftables.Table{Name: routerTable, Family: nftables.TableFamilyIPv4}
	before, err := mappings(c, table)
	if err != nil {
		return nil, err
	}
	c.AddTable(table)
	chain := func(name string, kind nftables.ChainType, hook *nftables.ChainHook, priority *nftables.ChainPriority) *nftables.Chain {
		return c.AddChain(&nftables.Chain{Name: name, Table: table, Type: kind, Hooknum: hook, Priority: priority})
	}
	mark := chain("mark", nftables.ChainTypeFilter, nftables.ChainHookPrerouting, nftables.ChainPriorityMangle)
	in := chain("destination", nftables.ChainTypeNAT, nftables.ChainHookPrerouting, nftables.ChainPriorityNATDest)
	out := chain("source", nftables.ChainTypeNAT, nftables.ChainHookPostrouting, nftables.ChainPriorityNATSource)
	fill(c, mark, []expressions{{
		load(expr.MetaKeyIIFNAME), equal(device(gatewayLink)), constant(host32(outside)), store(expr.MetaKeyMARK),
	}})
	c.FlushChain(in)
	for _, f := range r.Floating {
		c.AddRule(&nftables.Rule{
			Table: table, Chain: in, Exprs: join(target(single(f.External)), toDestination(f.Fixed)),
			UserData: userdata.AppendString(nil, userdata.NFTNL_UDATA_SET_KEYBYTEORDER, f.External.String()+separator+f.Fixed.String()),
		})
	}
	fill(c, out, sourceRules(r))
	if err := c.Flush(); err != nil {
		return nil, failed("translate addresses", err)
	}
	for _, old := range before {
		if !hasMapping(r.Floating, old) {
			lost = append(lost, old)
		}
	}
	return lost, nil
}

// sourceRules says under which address guests appear. A guest with a floating
// address leaves under it; so does one that asks for another floating address of
// this router, or the answer would not come back through it.
func sourceRules(r driver.Router) []expressions {
	if r.Gateway == nil {
		return nil
	}
	leaving := expressions{load(expr.MetaKeyOIFNAME), equal(device(gatewayLink))}
	turning := expressions{
		load(expr.MetaKeyMARK), differs(host32(outside)),
		&expr.Ct{Key: expr.CtKeySTATUS, Register: 1},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 4, Mask: host32(statusDestination), Xor: host32(0)},
		differs(host32(0)),
	}
	var rules []expressions
	for _, f := range r.Floating {
		for _, way := range []expressions{leaving, turning} {
			rules = append(rules, join(source(single(f.Fixed)), way, toSource(f.External)))
		}
	}
	own, ok := firstIPv4(r.Gateway.Addresses)
	if !ok {
		return rules
	}
	if r.Gateway.SNAT {
		rules = append(rules, join(leaving, toSource(own)))
	}
	return append(rules, join(turning, toSource(own)))
}

// statusDestination is the bit of a connection whose destination was translated.
const statusDestination = 1 << 5

func toDestination(a netip.Addr) expressions { return translation(expr.NATTypeDestNAT, a) }
func toSource(a netip.Addr) expressions      { return translation(expr.NATTypeSourceNAT, a) }

func translation(kind expr.NATType, a netip.Addr) expressions {
	return expressions{constant(a.AsSlice()), &expr.NAT{Type: kind, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}}
}

func firstIPv4(all []netip.Prefix) (netip.Addr, bool) {
	for _, p := range all {
		if p.Addr().Is4() {
			return p.Addr(), true
		}
	}
	return netip.Addr{}, false
}

// mappings reads the floating addresses that the kernel has, from the notes on
// their rules.
func mappings(c *nftables.Conn, table *nftables.Table) ([]mapping, error) {
	rules, err := c.GetRules(table, &nftables.Chain{Name: "destination", Table: table})
	if errors.Is(err, unix.ENOENT) {
		return nil, nil
	}
	if err != nil {
		return nil, failed("read the translations", err)
	}
	var all []mapping
	for _, r := range rules {
		note, _ := userdata.GetString(r.UserData, userdata.NFTNL_UDATA_SET_KEYBYTEORDER)
		external, fixed, _ := strings.Cut(note, separator)
		e, err1 := netip.ParseAddr(external)
		f, err2 := netip.ParseAddr(fixed)
		if err1 == nil && err2 == nil {
			all = append(all, mapping{e, f})
		}
	}
	return all, nil
}

func hasMapping(all []driver.Floating, m mapping) bool {
	for _, f := range all {
		if f.External == m.external && f.Fixed == m.fixed {
			return true
		}
	}
	return false
}

// floatingFlows matches the connections through any of the mappings.
type floatingFlows []mapping

var _ netlink.CustomConntrackFilter = floatingFlows{}

// MatchConntrackFlow reports whether the connection goes through a mapping.
func (f floatingFlows) MatchConntrackFlow(flow *netlink.ConntrackFlow) bool {
	asked, answers := toAddr(flow.Forward.DstIP), toAddr(flow.Reverse.DstIP)
	for _, m := range f {
		if asked == m.external || answers == m.external {
			return true
		}
	}
	return false
}
