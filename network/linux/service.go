package linux

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"

	"github.com/welkin-cloud/cloud/network/driver"
)

// The addresses at which guests find the metadata service.
var (
	metadataIPv4 = netip.MustParseAddr("169.254.169.254")
	metadataIPv6 = netip.MustParseAddr("fe80::a9fe:a9fe")
)

// service is what this process serves on one network.
type service struct {
	network string
	device  int    // the index of the service port: sockets die with it
	space   string // the identity of the namespace that the sockets are in
	leases  atomic.Pointer[leases]
	stop    []func()
	wg      sync.WaitGroup
}

// close stops the servers and waits for them.
func (s *service) close() {
	for _, stop := range s.stop {
		stop()
	}
	s.wg.Wait()
}

// ensureService makes the service port so and serves from it, or removes it.
func (m *Mechanism) ensureService(n driver.Network, in *space, bridge netlink.Link) error {
	if n.Service.PortID == "" {
		m.stopService(n.ID)
		return m.host.removeLink(serviceName(n.ID))
	}
	err := in.sysctls(map[string]string{
		"ipv6/conf/all/accept_ra": "0", "ipv6/conf/default/accept_ra": "0",
		"ipv6/conf/default/accept_dad": "0", "ipv4/ip_forward": "0",
		"ipv4/conf/all/rp_filter": "0", "ipv4/conf/default/rp_filter": "0",
	})
	if err != nil {
		return err
	}
	mac, err := net.ParseMAC(n.Service.MAC)
	if err != nil {
		return driver.Errorf(driver.Invalid, "the MAC of the service port is not valid")
	}
	inner, err := m.ensurePair(pair{
		outer: serviceName(n.ID), inner: serviceLink, alias: m.alias(kindService, n.ID),
		mac: mac, mtu: n.MTU, bridge: bridge, into: in,
	})
	if err != nil {
		return err
	}
	if err := in.setServiceAddresses(n, inner); err != nil {
		return err
	}
	return m.serve(n, in, inner)
}

// setServiceAddresses gives the service port its addresses and a way to every
// subnet of the network.
func (s *space) setServiceAddresses(n driver.Network, l netlink.Link) error {
	want := []netip.Prefix{single(metadataIPv4), netip.PrefixFrom(metadataIPv6, 64)}
	covered := make(map[netip.Prefix]bool)
	for _, a := range n.Service.Addresses {
		p := single(a)
		for _, sub := range n.Subnets {
			if sub.CIDR.Contains(a) {
				p = netip.PrefixFrom(a, sub.CIDR.Bits())
				covered[sub.CIDR.Masked()] = true
			}
		}
		want = append(want, p)
	}
	if _, err := s.setAddresses(l, want); err != nil {
		return err
	}
	for _, sub := range n.Subnets {
		if covered[sub.CIDR.Masked()] {
			continue
		}
		err := s.nl.RouteReplace(&netlink.Route{
			LinkIndex: l.Attrs().Index, Dst: toIPNet(sub.CIDR.Masked()), Scope: netlink.SCOPE_LINK,
		})
		if err != nil {
			return failed("route to subnet "+sub.CIDR.String(), err)
		}
	}
	return nil
}

// serve starts the servers of a network or gives those that run what is new.
func (m *Mechanism) serve(n driver.Network, in *space, l netlink.Link) error {
	table := newLeases(n, m.cfg)
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return driver.Errorf(driver.Unavailable, "the network mechanism is closed")
	}
	running := m.services[n.ID]
	m.mu.Unlock()
	if running != nil && running.device == l.Attrs().Index && running.space == in.fd.UniqueId() {
		running.leases.Store(table)
		return nil
	}
	m.stopService(n.ID)
	s := &service{network: n.ID, device: l.Attrs().Index, space: in.fd.UniqueId()}
	s.leases.Store(table)
	if err := m.startService(s, in); err != nil {
		s.close()
		return err
	}
	m.mu.Lock()
	closed := m.closed
	if !closed {
		m.services[n.ID] = s
	}
	m.mu.Unlock()
	if closed {
		s.close()
		return driver.Errorf(driver.Unavailable, "the network mechanism is closed")
	}
	return nil
}

// startService opens the sockets in the namespace and starts the servers.
func (m *Mechanism) startService(s *service, in *space) error {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = append(s.stop, cancel)
	var dhcp net.PacketConn
	var web []net.Listener
	err := in.do(func() (err error) {
		if dhcp, err = listenDHCP(ctx, serviceLink); err != nil {
			return err
		}
		web, err = listenMetadata(ctx, serviceLink)
		return err
	})
	if dhcp != nil {
		s.stop = append(s.stop, func() { dhcp.Close() })
	}
	if err != nil {
		return failed("listen on network "+s.network, err)
	}
	s.wg.Go(func() { s.serveDHCP(dhcp, m.cfg.Log) })
	m.serveMetadata(s, web)
	return nil
}

// stopService stops what is served on a network.
func (m *Mechanism) stopService(network string) {
	m.mu.Lock()
	s := m.services[network]
	delete(m.services, network)
	m.mu.Unlock()
	if s != nil {
		s.close()
	}
}
