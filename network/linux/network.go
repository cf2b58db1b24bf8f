package linux

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/network/driver"
)

// vxlanPort is the port that IANA gave to VXLAN.
const vxlanPort = 4789

// segment is what the kernel remembers of a network: it is written on the loopback
// device of the network's namespace.
type segment struct {
	bridge string
	mtu    int
	tenant bool // the bridge is the network's own
}

// EnsureNetwork makes the network's bridge, its tunnels to other hosts and its
// service namespace, and serves DHCP and metadata there.
func (m *Mechanism) EnsureNetwork(ctx context.Context, n driver.Network) error {
	if err := errors.Join(ctx.Err(), m.checkNetwork(n)); err != nil {
		return err
	}
	// Somebody may have flushed the host's firewall.
	if err := m.prepareFirewall(); err != nil {
		return err
	}
	in, err := ensureSpace(m.spaceName(kindNetwork, n.ID))
	if err != nil {
		return err
	}
	defer in.close()
	seg, bridge, err := m.ensureSegment(n)
	if err != nil {
		return err
	}
	note := m.alias(kindNetwork, n.ID, seg.bridge, strconv.Itoa(seg.mtu))
	if err := in.setNote(note); err != nil {
		return err
	}
	if seg.tenant {
		if err := m.ensureZone(seg.bridge); err != nil {
			return err
		}
		if err := m.ensureTunnel(n, bridge); err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.subnets[n.ID] = n.Subnets
	m.mu.Unlock()
	return m.ensureService(n, in, bridge)
}

// checkNetwork refuses what cannot be realised here.
func (m *Mechanism) checkNetwork(n driver.Network) error {
	if err := checkID("network", n.ID); err != nil {
		return err
	}
	if n.MTU < 576 || n.MTU > 65535 {
		return driver.Errorf(driver.Invalid, "an MTU of %d is not possible", n.MTU)
	}
	if n.Physical != "" && m.cfg.Physical[n.Physical] == "" {
		return driver.Errorf(driver.Unsupported, "this host does not reach provider network %s", n.Physical)
	}
	if n.Service.PortID == "" {
		return nil
	}
	if _, err := net.ParseMAC(n.Service.MAC); err != nil {
		return driver.Errorf(driver.Invalid, "the MAC of the service port is not valid")
	}
	for _, l := range n.Leases {
		if _, err := net.ParseMAC(l.MAC); err != nil {
			return driver.Errorf(driver.Invalid, "the MAC of the lease of %s is not valid", l.Address)
		}
	}
	return nil
}

// ensureSegment makes the network's bridge, or finds that of its provider network.
func (m *Mechanism) ensureSegment(n driver.Network) (segment, netlink.Link, error) {
	if n.Physical != "" {
		name := m.cfg.Physical[n.Physical]
		if err := m.ensurePhysical(name); err != nil {
			return segment{}, nil, err
		}
		l, err := m.host.nl.LinkByName(name)
		if err != nil {
			return segment{}, nil, failed("find bridge "+name, err)
		}
		return segment{bridge: name, mtu: n.MTU}, l, m.host.setUp(l, true)
	}
	name := bridgeName(n.ID)
	l, err := m.ensureBridge(name, m.alias(kindBridge, n.ID), n.MTU)
	return segment{bridge: name, mtu: n.MTU, tenant: true}, l, err
}

// findSegment reads what EnsureNetwork wrote: NotFound if it did not.
func (m *Mechanism) findSegment(id string) (segment, error) {
	missing := driver.Errorf(driver.NotFound, "network %s is not on this host", id)
	if checkID("network", id) != nil {
		return segment{}, missing
	}
	s, err := openSpace(m.spaceName(kindNetwork, id))
	if errors.Is(err, os.ErrNotExist) {
		return segment{}, missing
	}
	if err != nil {
		return segment{}, failed("open the namespace of network "+id, err)
	}
	defer s.close()
	note, err := s.note()
	if err != nil {
		return segment{}, err
	}
	t, ok := m.parseAlias(note)
	if !ok || len(t.args) != 2 {
		return segment{}, missing
	}
	mtu, err := strconv.Atoi(t.args[1])
	if err != nil {
		return segment{}, missing
	}
	return segment{bridge: t.args[0], mtu: mtu, tenant: t.args[0] == bridgeName(id)}, nil
}

// ensureTunnel makes the VXLAN device that joins the network's bridges on all
// hosts. What the bridge does not know, and all broadcasts, go to every peer; the
// device learns from what comes back.
func (m *Mechanism) ensureTunnel(n driver.Network, bridge netlink.Link) error {
	name := tunnelName(n.ID)
	if !m.cfg.Underlay.IsValid() {
		return m.host.removeLink(name)
	}
	alias := m.alias(kindTunnel, n.ID)
	l, err := m.host.owned(name, alias)
	if err != nil {
		return err
	}
	if v, ok := l.(*netlink.Vxlan); ok && v.VxlanId != int(n.Segment) {
		if err := m.host.removeLink(name); err != nil {
			return err
		}
		l = nil
	}
	if l == nil {
		if l, err = m.makeTunnel(name, alias, n.Segment); err != nil {
			return err
		}
	}
	if err := m.host.mute(name); err != nil {
		return err
	}
	if err := m.host.setMTU(l, n.MTU); err != nil {
		return err
	}
	if err := m.guardTunnel(n, name); err != nil {
		return err
	}
	if err := m.host.setMaster(l, bridge); err != nil {
		return err
	}
	if err := m.setPeers(l, n.Peers); err != nil {
		return err
	}
	return m.host.setUp(l, true)
}

func (m *Mechanism) makeTunnel(name, alias string, vni uint32) (netlink.Link, error) {
	v := &netlink.Vxlan{
		LinkAttrs: netlink.NewLinkAttrs(), VxlanId: int(vni), Port: vxlanPort, Learning: true,
		SrcAddr: m.cfg.Underlay.AsSlice(),
	}
	v.Name = name
	if m.cfg.UnderlayDevice != "" {
		dev, err := m.host.nl.LinkByName(m.cfg.UnderlayDevice)
		if err != nil {
			return nil, failed("find underlay device "+m.cfg.UnderlayDevice, err)
		}
		v.VtepDevIndex = dev.Attrs().Index
	}
	if err := m.host.nl.LinkAdd(v); err != nil {
		return nil, failed("make tunnel "+name, err)
	}
	return m.host.made(name, alias)
}

// setPeers makes the tunnel flood to exactly the peers.
func (m *Mechanism) setPeers(l netlink.Link, peers []netip.Addr) error {
	entries, err := m.host.nl.NeighList(l.Attrs().Index, unix.AF_BRIDGE)
	if err != nil {
		return failed("list the peers of "+l.Attrs().Name, err)
	}
	want := make(map[netip.Addr]bool)
	for _, p := range peers {
		if p != m.cfg.Underlay {
			want[p] = true
		}
	}
	for _, e := range entries {
		peer, ok := netip.AddrFromSlice(e.IP)
		if peer = peer.Unmap(); !ok || want[peer] && isFlood(e.HardwareAddr) {
			delete(want, peer)
			continue
		}
		if isFlood(e.HardwareAddr) || !slices.Contains(peers, peer) {
			if err := m.host.nl.NeighDel(&e); err != nil && !errors.Is(err, unix.ENOENT) {
				return failed("remove a peer of "+l.Attrs().Name, err)
			}
		}
	}
	for peer := range want {
		err := m.host.nl.NeighAppend(&netlink.Neigh{
			LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF,
			State: netlink.NUD_PERMANENT | netlink.NUD_NOARP,
			IP:    peer.AsSlice(), HardwareAddr: make(net.HardwareAddr, 6),
		})
		if err != nil && !errors.Is(err, unix.EEXIST) {
			return failed("add a peer to "+l.Attrs().Name, err)
		}
	}
	return nil
}

// isFlood reports whether a forwarding entry is for all unknown destinations.
func isFlood(mac net.HardwareAddr) bool {
	return mac.String() == "00:00:00:00:00:00"
}

// RemoveNetwork removes everything of the network.
func (m *Mechanism) RemoveNetwork(ctx context.Context, id string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if checkID("network", id) != nil {
		return nil // such a network was never made
	}
	tagged, err := m.tagged()
	if err != nil {
		return err
	}
	for _, t := range tagged {
		if (t.kind == kindPort || t.kind == kindLeg) && len(t.args) > 0 && t.args[0] == id {
			return driver.Errorf(driver.Conflict, "network %s still has ports on this host", id)
		}
	}
	m.stopService(id)
	m.mu.Lock()
	delete(m.subnets, id)
	m.mu.Unlock()
	for name, kind := range map[string]string{
		serviceName(id): kindService, tunnelName(id): kindTunnel, bridgeName(id): kindBridge,
	} {
		if err := m.removeOwned(name, m.alias(kind, id)); err != nil {
			return err
		}
	}
	if err := m.forgetNetwork(id); err != nil {
		return err
	}
	return removeSpace(m.spaceName(kindNetwork, id))
}

// removeOwned removes a link unless it belongs to something else.
func (m *Mechanism) removeOwned(name, alias string) error {
	if _, err := m.host.owned(name, alias); errors.Is(err, driver.Conflict) {
		return nil
	}
	return m.host.removeLink(name)
}
