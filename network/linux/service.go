package linux

import (
	"context"
	"net"
	"net/netip"
	"strings"
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

// service is what this process serves on one network, or on a router's leg in it.
type service struct {
	network string
	device  int    // the index of the device that it is bound to
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
	s := &service{network: n.ID, device: l.Attrs().Index, space: in.fd.UniqueId()}
	s.leases.Store(newLeases(n, m.cfg))
	running, err := m.start(n.ID, s, func(ctx context.Context) error {
		var dhcp net.PacketConn
		var web []net.Listener
		err := in.do(func() (err error) {
			if dhcp, err = listenDHCP(ctx, serviceLink); err != nil {
				return err
			}
			v6 := metadataIPv6.WithZone(serviceLink)
			web, err = listenMetadata(ctx, serviceLink, metadataIPv4, v6)
			return err
		})
		if dhcp != nil {
			s.stop = append(s.stop, func() { dhcp.Close() })
		}
		if err != nil {
			return err
		}
		s.wg.Go(func() { s.serveDHCP(dhcp, m.cfg.Log) })
		m.serveMetadata(s, web)
		return nil
	})
	if running != nil {
		running.leases.Store(s.leases.Load())
	}
	return err
}

// start opens a service under a key, unless one runs there already with sockets on
// the same device: then it returns that one.
func (m *Mechanism) start(key string, s *service, open func(ctx context.Context) error) (running *service, err error) {
	closed := driver.Errorf(driver.Unavailable, "the network mechanism is closed")
	m.mu.Lock()
	running, over := m.services[key], m.closed
	m.mu.Unlock()
	if over {
		return nil, closed
	}
	if running != nil && running.device == s.device && running.space == s.space && running.network == s.network {
		return running, nil
	}
	m.stopService(key)
	if err := open(m.life); err != nil {
		s.close()
		return nil, failed("listen on network "+s.network, err)
	}
	m.mu.Lock()
	if over = m.closed; !over {
		m.services[key] = s
	}
	m.mu.Unlock()
	if over {
		s.close()
		return nil, closed
	}
	return nil, nil
}

// stopService stops what runs under a key: the id of a network, or that of a
// router's leg.
func (m *Mechanism) stopService(key string) {
	m.mu.Lock()
	s := m.services[key]
	delete(m.services, key)
	m.mu.Unlock()
	if s != nil {
		s.close()
	}
}

// legKey is the key of the service on a router's leg.
func legKey(router, port string) string { return router + separator + port }

// serveLegs serves metadata on the inner legs of a router: for guests that send
// everything to their gateway, because they took no route from DHCP.
func (m *Mechanism) serveLegs(r driver.Router, legs []leg, in *space) error {
	lo, err := in.nl.LinkByName("lo")
	if err != nil {
		return failed("find the loopback device", err)
	}
	if err := in.nl.AddrReplace(lo, &netlink.Addr{IPNet: toIPNet(single(metadataIPv4))}); err != nil {
		return failed("add the metadata address", err)
	}
	wanted := make(map[string]bool)
	for _, l := range legs {
		if l.inner == gatewayLink {
			continue
		}
		inner, err := in.nl.LinkByName(l.inner)
		if err != nil {
			return failed("find link "+l.inner, err)
		}
		key := legKey(r.ID, l.PortID)
		wanted[key] = true
		s := &service{network: l.NetworkID, device: inner.Attrs().Index, space: in.fd.UniqueId()}
		_, err = m.start(key, s, func(ctx context.Context) error {
			var web []net.Listener
			err := in.do(func() (err error) {
				web, err = listenMetadata(ctx, l.inner, metadataIPv4)
				return err
			})
			if err == nil {
				m.serveMetadata(s, web)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	m.stopLegs(r.ID, wanted)
	return nil
}

// stopLegs stops the services on a router's legs but for the wanted ones.
func (m *Mechanism) stopLegs(router string, wanted map[string]bool) {
	m.mu.Lock()
	var gone []string
	for key := range m.services {
		if strings.HasPrefix(key, legKey(router, "")) && !wanted[key] {
			gone = append(gone, key)
		}
	}
	m.mu.Unlock()
	for _, key := range gone {
		m.stopService(key)
	}
}
