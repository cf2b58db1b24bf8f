package linux

import (
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// up brings a link up.
func (s *space) up(name string) error {
	l, err := s.nl.LinkByName(name)
	if err != nil {
		return failed("find link "+name, err)
	}
	return s.setUp(l, true)
}

// setUp brings a link up or down unless it is so.
func (s *space) setUp(l netlink.Link, up bool) error {
	if isUp := l.Attrs().Flags&net.FlagUp != 0; isUp == up {
		return nil
	}
	if up {
		return failed("bring up "+l.Attrs().Name, s.nl.LinkSetUp(l))
	}
	return failed("bring down "+l.Attrs().Name, s.nl.LinkSetDown(l))
}

// setMTU sets a link's MTU unless it is so.
func (s *space) setMTU(l netlink.Link, mtu int) error {
	if mtu == 0 || l.Attrs().MTU == mtu {
		return nil
	}
	return failed("set the MTU of "+l.Attrs().Name, s.nl.LinkSetMTU(l, mtu))
}

// setMaster puts a link into a bridge unless it is there.
func (s *space) setMaster(l, bridge netlink.Link) error {
	if l.Attrs().MasterIndex == bridge.Attrs().Index {
		return nil
	}
	return failed("attach "+l.Attrs().Name, s.nl.LinkSetMaster(l, bridge))
}

// mute keeps the host itself from speaking IPv6 on a link: guests must not reach
// the host by its link-local address.
func (s *space) mute(name string) error {
	return s.sysctl("ipv6/conf/"+name+"/disable_ipv6", "1")
}

// removeLink removes a link, if it is there.
func (s *space) removeLink(name string) error {
	l, err := s.nl.LinkByName(name)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return failed("find link "+name, err)
	}
	return failed("remove link "+name, s.nl.LinkDel(l))
}

// owned finds a link and checks that it has the alias: nil if it is absent,
// Conflict if it belongs to something else. An unmarked link is taken over: its
// maker died before marking it.
func (s *space) owned(name, alias string) (netlink.Link, error) {
	l, err := s.nl.LinkByName(name)
	switch {
	case isMissing(err):
		return nil, nil
	case err != nil:
		return nil, failed("find link "+name, err)
	case l.Attrs().Alias == alias:
		return l, nil
	case l.Attrs().Alias != "":
		return nil, driver.Errorf(driver.Conflict, "device %s belongs to something else", name)
	}
	return l, s.mark(l, alias)
}

// mark writes who owns a link. The kernel takes no alias when it makes a link.
func (s *space) mark(l netlink.Link, alias string) error {
	return failed("mark "+l.Attrs().Name, s.nl.LinkSetAlias(l, alias))
}

// made finds a link that was just made, and marks it.
func (s *space) made(name, alias string) (netlink.Link, error) {
	l, err := s.nl.LinkByName(name)
	if err != nil {
		return nil, failed("find link "+name, err)
	}
	return l, s.mark(l, alias)
}

// ensureBridge makes a bridge of the host so.
func (m *Mechanism) ensureBridge(name, alias string, mtu int) (netlink.Link, error) {
	l, err := m.host.owned(name, alias)
	if err != nil {
		return nil, err
	}
	if l == nil {
		snooping := false // nobody asks for multicast members on a tenant network
		b := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs(), MulticastSnooping: &snooping}
		b.Name = name
		if err := m.host.nl.LinkAdd(b); err != nil {
			return nil, failed("make bridge "+name, err)
		}
		if l, err = m.host.made(name, alias); err != nil {
			return nil, err
		}
	}
	if err := m.host.mute(name); err != nil {
		return nil, err
	}
	if err := m.host.setMTU(l, mtu); err != nil {
		return nil, err
	}
	return l, m.host.setUp(l, true)
}

// pair describes a veth pair between a bridge of the host and a namespace.
type pair struct {
	outer, inner string
	alias        string
	mac          net.HardwareAddr
	mtu          int
	bridge       netlink.Link
	into         *space
}

// ensurePair makes a veth pair so and returns its inner end.
func (m *Mechanism) ensurePair(p pair) (netlink.Link, error) {
	outer, err := m.host.owned(p.outer, p.alias)
	if err != nil {
		return nil, err
	}
	inner, err := p.into.nl.LinkByName(p.inner)
	if err != nil && !isMissing(err) {
		return nil, failed("find link "+p.inner, err)
	}
	if outer == nil || inner == nil {
		if outer, inner, err = m.makePair(p); err != nil {
			return nil, err
		}
	}
	if inner.Attrs().HardwareAddr.String() != p.mac.String() {
		if err := p.into.nl.LinkSetHardwareAddr(inner, p.mac); err != nil {
			return nil, failed("set the MAC of "+p.inner, err)
		}
	}
	if err := m.host.mute(p.outer); err != nil {
		return nil, err
	}
	if err := m.host.setMTU(outer, p.mtu); err != nil {
		return nil, err
	}
	if err := p.into.setMTU(inner, p.mtu); err != nil {
		return nil, err
	}
	if err := m.host.setMaster(outer, p.bridge); err != nil {
		return nil, err
	}
	if err := m.host.setUp(outer, true); err != nil {
		return nil, err
	}
	return inner, p.into.setUp(inner, true)
}

// makePair makes both ends anew.
func (m *Mechanism) makePair(p pair) (outer, inner netlink.Link, err error) {
	if err := m.host.removeLink(p.outer); err != nil {
		return nil, nil, err
	}
	if err := p.into.removeLink(p.inner); err != nil {
		return nil, nil, err
	}
	v := &netlink.Veth{
		LinkAttrs: netlink.NewLinkAttrs(), PeerName: p.inner,
		PeerHardwareAddr: p.mac, PeerNamespace: netlink.NsFd(p.into.fd),
	}
	v.Name = p.outer
	if err := m.host.nl.LinkAdd(v); err != nil {
		return nil, nil, failed("make link "+p.outer, err)
	}
	if outer, err = m.host.made(p.outer, p.alias); err != nil {
		return nil, nil, err
	}
	inner, err = p.into.nl.LinkByName(p.inner)
	return outer, inner, failed("find link "+p.inner, err)
}

// setAddresses gives a link exactly the addresses, and returns those that were
// added. The link-local address that the kernel made stays.
func (s *space) setAddresses(l netlink.Link, want []netip.Prefix) (added []netip.Prefix, err error) {
	have, err := s.nl.AddrList(l, netlink.FAMILY_ALL)
	if err != nil {
		return nil, failed("list addresses of "+l.Attrs().Name, err)
	}
	var present []netip.Prefix
	for _, a := range have {
		p, ok := toPrefix(a.IPNet)
		if !ok {
			continue
		}
		present = append(present, p)
		if slices.Contains(want, p) || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast() {
			continue
		}
		if err := s.nl.AddrDel(l, &a); err != nil {
			return nil, failed("remove an address of "+l.Attrs().Name, err)
		}
	}
	for _, p := range want {
		if slices.Contains(present, p) {
			continue
		}
		a := &netlink.Addr{IPNet: toIPNet(p)}
		if p.Addr().Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := s.nl.AddrReplace(l, a); err != nil {
			return nil, failed("add an address to "+l.Attrs().Name, err)
		}
		added = append(added, p)
	}
	return added, nil
}

// toIPNet converts a prefix, whose host bits are kept.
func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// toPrefix converts an address with its mask.
func toPrefix(n *net.IPNet) (netip.Prefix, bool) {
	if n == nil {
		return netip.Prefix{}, false
	}
	addr, ok := netip.AddrFromSlice(n.IP)
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(addr.Unmap(), bits), ok
}

// single returns the prefix of one address.
func single(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
