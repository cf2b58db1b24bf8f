package linux

import (
	"context"
	"errors"
	"net/netip"

	"github.com/google/nftables"
	"github.com/vishvananda/netlink"

	"github.com/welkin-cloud/cloud/network/driver"
)

// EnsurePort makes the tap of a port, guards it and puts it into its network's
// bridge. The guard is there before the first frame can pass.
func (m *Mechanism) EnsurePort(ctx context.Context, p driver.Port) (driver.Attachment, error) {
	if err := errors.Join(ctx.Err(), checkPort(p)); err != nil {
		return driver.Attachment{}, err
	}
	seg, err := m.findSegment(p.NetworkID)
	if err != nil {
		return driver.Attachment{}, err
	}
	bridge, err := m.host.nl.LinkByName(seg.bridge)
	if err != nil {
		return driver.Attachment{}, failed("find bridge "+seg.bridge, err)
	}
	tap, err := m.ensureTap(p)
	if err != nil {
		return driver.Attachment{}, err
	}
	if err := m.host.mute(tap.Attrs().Name); err != nil {
		return driver.Attachment{}, err
	}
	if err := m.host.setMTU(tap, seg.mtu); err != nil {
		return driver.Attachment{}, err
	}
	if !p.Up {
		if err := m.host.setUp(tap, false); err != nil {
			return driver.Attachment{}, err
		}
	}
	if err := m.guardPort(p, seg, tap); err != nil {
		return driver.Attachment{}, err
	}
	if err := m.host.setMaster(tap, bridge); err != nil {
		return driver.Attachment{}, err
	}
	if err := m.host.setUp(tap, p.Up); err != nil {
		return driver.Attachment{}, err
	}
	return driver.Attachment{Tap: tap.Attrs().Name, MTU: seg.mtu}, nil
}

// checkPort refuses what cannot be realised.
func checkPort(p driver.Port) error {
	if err := checkID("port", p.ID); err != nil {
		return err
	}
	if _, err := senders(p); err != nil {
		return err
	}
	for _, a := range p.Addresses {
		if !a.IsValid() {
			return driver.Errorf(driver.Invalid, "an address of port %s is not valid", p.ID)
		}
	}
	for _, pair := range p.Pairs {
		if !pair.Prefix.IsValid() {
			return driver.Errorf(driver.Invalid, "an address pair of port %s is not valid", p.ID)
		}
	}
	for _, r := range p.Rules {
		if _, _, err := protocolNumber(r); err != nil {
			return err
		}
	}
	return nil
}

// ensureTap makes the port's tap so. A hypervisor opens it by name: it has one
// queue and virtio headers, as libvirt expects of a device that it does not manage.
func (m *Mechanism) ensureTap(p driver.Port) (netlink.Link, error) {
	name, alias := tapName(p.ID), m.alias(kindPort, p.ID, p.NetworkID)
	l, err := m.host.nl.LinkByName(name)
	if err != nil && !isMissing(err) {
		return nil, failed("find link "+name, err)
	}
	if err != nil {
		err = m.host.do(func() error {
			tap := &netlink.Tuntap{
				LinkAttrs: netlink.NewLinkAttrs(), Mode: netlink.TUNTAP_MODE_TAP,
				Flags: netlink.TUNTAP_NO_PI | netlink.TUNTAP_VNET_HDR,
			}
			tap.Name = name
			return netlink.LinkAdd(tap)
		})
		if err != nil {
			return nil, failed("make tap "+name, err)
		}
		if l, err = m.host.nl.LinkByName(name); err != nil {
			return nil, failed("find link "+name, err)
		}
	}
	return l, m.claimTap(l, p.ID, alias)
}

// claimTap marks the tap. It may have been on another network, but not another
// port's.
func (m *Mechanism) claimTap(l netlink.Link, port, alias string) error {
	switch {
	case l.Attrs().Alias == alias:
		return nil
	case m.foreign(l, port):
		return driver.Errorf(driver.Conflict, "device %s belongs to something else", l.Attrs().Name)
	}
	return m.host.mark(l, alias)
}

// foreign reports whether a device with the name of a port's tap is not that tap. A
// tap without a mark is: its maker died before marking it.
func (m *Mechanism) foreign(l netlink.Link, port string) bool {
	if _, isTap := l.(*netlink.Tuntap); !isTap {
		return true
	}
	t, ours := m.parseAlias(l.Attrs().Alias)
	return l.Attrs().Alias != "" && (!ours || t.kind != kindPort || t.id != port)
}

// guardPort replaces the port's part of the firewall in one transaction, then ends
// the connections that are no longer allowed.
func (m *Mechanism) guardPort(p driver.Port, seg segment, tap netlink.Link) error {
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t, name, mark := m.tables(), device(tap.Attrs().Name), host32(uint32(tap.Attrs().Index))
	if err := m.isolate(c, t, seg.tenant, name); err != nil {
		return err
	}
	if !p.Security {
		if err := m.unguard(c, t, p.ID, name); err != nil {
			return err
		}
		m.keepRules(p)
		return failed("open port "+p.ID, c.Flush())
	}
	if err := addGuard(c, t, p); err != nil {
		return err
	}
	err = errors.Join(
		discard(c, t.egress, mark, p.ID, mark),
		discard(c, t.ingress, mark, p.ID, mark),
		c.SetAddElements(t.guests, []nftables.SetElement{{Key: name}}),
		c.SetAddElements(t.spoof, []nftables.SetElement{jump(name, chainSpoof+p.ID, p.ID)}),
		c.SetAddElements(t.egress, []nftables.SetElement{jump(mark, chainEgress+p.ID, p.ID)}),
		c.SetAddElements(t.ingress, []nftables.SetElement{jump(mark, chainIngress+p.ID, p.ID)}),
		c.Flush())
	if err != nil {
		return failed("guard port "+p.ID, err)
	}
	if !m.keepRules(p) {
		return nil
	}
	zone, err := m.zoneOf(c, seg.bridge)
	if err != nil {
		return err
	}
	return cutConnections(m.host.nl, revoked{port: p, zone: zone})
}

// addGuard writes the three chains of a port.
func addGuard(c *nftables.Conn, t *tables, p driver.Port) error {
	nextID := uint32(firstSetID)
	spoof := c.AddChain(&nftables.Chain{Name: chainSpoof + p.ID, Table: t.bridge})
	out := c.AddChain(&nftables.Chain{Name: chainEgress + p.ID, Table: t.inet})
	in := c.AddChain(&nftables.Chain{Name: chainIngress + p.ID, Table: t.inet})
	rules, err := spoofRules(p)
	if err != nil {
		return err
	}
	fill(c, spoof, rules)
	if rules, err = securityChain(c, t.inet, p, false, &nextID); err != nil {
		return err
	}
	fill(c, out, rules)
	if rules, err = securityChain(c, t.inet, p, true, &nextID); err != nil {
		return err
	}
	fill(c, in, rules)
	return nil
}

// isolate keeps the guests of tenant networks from the host itself.
func (m *Mechanism) isolate(c *nftables.Conn, t *tables, tenant bool, name []byte) error {
	if !tenant {
		return discard(c, t.isolated, name, "", nil)
	}
	return failed("isolate a port", c.SetAddElements(t.isolated, []nftables.SetElement{{Key: name}}))
}

// unguard removes the port's part of the firewall.
func (m *Mechanism) unguard(c *nftables.Conn, t *tables, id string, name []byte) error {
	err := errors.Join(
		discard(c, t.guests, name, "", nil),
		discard(c, t.spoof, name, id, nil),
		discard(c, t.egress, nil, id, nil),
		discard(c, t.ingress, nil, id, nil))
	if err != nil {
		return err
	}
	removeChains(c, t.bridge, chainSpoof+id)
	removeChains(c, t.inet, chainEgress+id, chainIngress+id)
	return nil
}

// RemovePort removes the tap and the port's part of the firewall.
func (m *Mechanism) RemovePort(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if checkID("port", id) != nil {
		return nil // such a port was never made
	}
	name := tapName(id)
	l, err := m.host.nl.LinkByName(name)
	if err != nil && !isMissing(err) {
		return failed("find link "+name, err)
	}
	if err == nil {
		if m.foreign(l, id) {
			return nil
		}
		if err := m.host.removeLink(name); err != nil {
			return err
		}
	}
	m.firewall.Lock()
	defer m.firewall.Unlock()
	c, err := m.host.nft()
	if err != nil {
		return failed("open nftables", err)
	}
	t := m.tables()
	if err := discard(c, t.isolated, device(name), "", nil); err != nil {
		return err
	}
	if err := m.unguard(c, t, id, device(name)); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.rules, id)
	m.mu.Unlock()
	return failed("forget port "+id, c.Flush())
}

// addressesOf lists what a flow's ends are compared with.
func addressesOf(p driver.Port) map[netip.Addr]bool {
	own := make(map[netip.Addr]bool)
	for _, a := range p.Addresses {
		own[a.Unmap()] = true
	}
	return own
}
