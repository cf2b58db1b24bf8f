package linux

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network/driver"
)

// leg is one port of a router as the kernel shall have it.
type leg struct {
	driver.RouterPort
	inner   string // the name in the router's namespace
	segment segment
}

// EnsureRouter makes the router's namespace, its legs, routes and translations.
func (m *Mechanism) EnsureRouter(ctx context.Context, r driver.Router) error {
	if err := errors.Join(ctx.Err(), checkRouter(r)); err != nil {
		return err
	}
	legs, err := m.legs(r)
	if err != nil {
		return err
	}
	in, err := ensureSpace(m.spaceName(kindRouter, r.ID))
	if err != nil {
		return err
	}
	defer in.close()
	if err := in.setNote(m.alias(kindRouter, r.ID)); err != nil {
		return err
	}
	if err := in.sysctls(routerParameters(r.Up)); err != nil {
		return err
	}
	if err := m.removeOtherLegs(r.ID, legs); err != nil {
		return err
	}
	lost, err := in.translate(r)
	if err != nil {
		return err
	}
	for _, l := range legs {
		if err := m.ensureLeg(r, l, in); err != nil {
			return err
		}
	}
	if err := in.setRoutes(r); err != nil {
		return err
	}
	if len(lost) > 0 {
		if err := cutConnections(in.nl, floatingFlows(lost)); err != nil {
			return err
		}
	}
	if err := m.serveLegs(r, legs, in); err != nil {
		return err
	}
	return m.advertise(r, legs, in)
}

// checkRouter refuses what cannot be realised.
func checkRouter(r driver.Router) error {
	if err := checkID("router", r.ID); err != nil {
		return err
	}
	all := slices.Clone(r.Ports)
	if r.Gateway != nil {
		all = append(all, r.Gateway.RouterPort)
	}
	for _, p := range all {
		if err := checkID("router port", p.PortID); err != nil {
			return err
		}
		if _, err := parseMAC(p.MAC); err != nil {
			return err
		}
	}
	for _, f := range r.Floating {
		if !f.External.Is4() || !f.Fixed.Is4() {
			return driver.Errorf(driver.Invalid, "floating address %s must be IPv4, and so its target", f.External)
		}
	}
	if len(r.Floating) > 0 && r.Gateway == nil {
		return driver.Errorf(driver.Invalid, "router %s has floating addresses but no gateway", r.ID)
	}
	return nil
}

// legs finds the networks of all legs.
func (m *Mechanism) legs(r driver.Router) ([]leg, error) {
	var all []leg
	for _, p := range r.Ports {
		seg, err := m.findSegment(p.NetworkID)
		if err != nil {
			return nil, err
		}
		all = append(all, leg{RouterPort: p, inner: innerLegName(p.PortID), segment: seg})
	}
	if r.Gateway != nil {
		seg, err := m.findSegment(r.Gateway.NetworkID)
		if err != nil {
			return nil, err
		}
		all = append(all, leg{RouterPort: r.Gateway.RouterPort, inner: gatewayLink, segment: seg})
	}
	return all, nil
}

// routerParameters are the kernel parameters of a router's namespace.
func routerParameters(up bool) map[string]string {
	forward := "0"
	if up {
		forward = "1"
	}
	return map[string]string{
		"ipv4/ip_forward": forward, "ipv6/conf/all/forwarding": forward,
		"ipv6/conf/all/accept_ra": "0", "ipv6/conf/default/accept_ra": "0",
		"ipv6/conf/default/accept_dad": "0",
		// Legs must not speak for each other's addresses.
		"ipv4/conf/all/arp_ignore": "1", "ipv4/conf/all/arp_announce": "2",
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
		"ipv4/conf/all/send_redirects": "0", "ipv4/conf/default/send_redirects": "0",
	}
}

// ensureLeg makes one leg so, and announces addresses that are new on it.
func (m *Mechanism) ensureLeg(r driver.Router, l leg, in *space) error {
	bridge, err := m.host.nl.LinkByName(l.segment.bridge)
	if err != nil {
		return failed("find bridge "+l.segment.bridge, err)
	}
	mac, err := parseMAC(l.MAC)
	if err != nil {
		return err
	}
	inner, err := m.ensurePair(pair{
		outer: legName(l.PortID), inner: l.inner, alias: m.alias(kindLeg, r.ID, l.NetworkID),
		mac: mac, mtu: l.segment.mtu, bridge: bridge, into: in,
	})
	if err != nil {
		return err
	}
	want := slices.Clone(l.Addresses)
	if l.inner == gatewayLink {
		for _, f := range r.Floating {
			want = append(want, single(f.External))
		}
	}
	added, err := in.setAddresses(inner, want)
	if err != nil {
		return err
	}
	return in.announce(inner, added)
}

// removeOtherLegs removes the legs that the router has no more.
func (m *Mechanism) removeOtherLegs(router string, legs []leg) error {
	tagged, err := m.tagged()
	if err != nil {
		return err
	}
	for _, t := range tagged {
		if t.kind != kindLeg || t.id != router {
			continue
		}
		kept := slices.ContainsFunc(legs, func(l leg) bool {
			return legName(l.PortID) == t.link && len(t.args) > 0 && t.args[0] == l.NetworkID
		})
		if kept {
			continue
		}
		if err := m.host.removeLink(t.link); err != nil {
			return err
		}
	}
	return nil
}

// setRoutes gives the namespace exactly the router's routes, besides those that
// the addresses bring.
func (s *space) setRoutes(r driver.Router) error {
	want, err := s.routes(r)
	if err != nil {
		return err
	}
	filter := &netlink.Route{Table: unix.RT_TABLE_MAIN, Protocol: unix.RTPROT_STATIC}
	have, err := s.nl.RouteListFiltered(netlink.FAMILY_ALL, filter, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	if err != nil {
		return failed("list routes", err)
	}
	for _, w := range want {
		if err := s.nl.RouteReplace(&w); err != nil {
			return fault.New(driver.Invalid, "the route to %s via %s is not possible", w.Dst, w.Gw).Because(err)
		}
	}
	for _, h := range have {
		kept := slices.ContainsFunc(want, func(w netlink.Route) bool { return w.Dst.String() == destinationOf(h) })
		if kept {
			continue
		}
		if err := s.nl.RouteDel(&h); err != nil && !errors.Is(err, unix.ESRCH) {
			return failed("remove a route", err)
		}
	}
	return nil
}

// destinationOf writes a listed route's destination, which is nil for the default.
func destinationOf(r netlink.Route) string {
	switch {
	case r.Dst != nil:
		return r.Dst.String()
	case r.Family == unix.AF_INET6:
		return "::/0"
	}
	return "0.0.0.0/0"
}

// routes lists what the router shall have: default routes to the next hops of the
// gateway, and its own.
func (s *space) routes(r driver.Router) ([]netlink.Route, error) {
	var all []netlink.Route
	if r.Gateway != nil {
		gw, err := s.nl.LinkByName(gatewayLink)
		if err != nil {
			return nil, failed("find the gateway leg", err)
		}
		for _, hop := range r.Gateway.NextHops {
			if !hop.IsValid() {
				continue
			}
			everything := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
			if hop.Is6() {
				everything = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
			}
			all = append(all, netlink.Route{
				LinkIndex: gw.Attrs().Index, Dst: toIPNet(everything), Gw: hop.AsSlice(),
				Protocol: unix.RTPROT_STATIC, Flags: int(netlink.FLAG_ONLINK),
			})
		}
	}
	for _, route := range r.Routes {
		own := netlink.Route{Dst: toIPNet(route.Destination.Masked()), Gw: route.NextHop.AsSlice(), Protocol: unix.RTPROT_STATIC}
		all = slices.DeleteFunc(all, func(o netlink.Route) bool { return o.Dst.String() == own.Dst.String() })
		all = append(all, own)
	}
	return all, nil
}

// RemoveRouter removes everything of the router.
func (m *Mechanism) RemoveRouter(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if checkID("router", id) != nil {
		return nil // such a router was never made
	}
	m.stopAdvertising(id)
	m.stopLegs(id, nil)
	if err := m.removeOtherLegs(id, nil); err != nil {
		return err
	}
	return removeSpace(m.spaceName(kindRouter, id))
}
