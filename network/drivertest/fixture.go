package drivertest

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/network/driver"
)

// site is one network with one subnet in the making.
type site struct {
	driver.Network
	h    Harness
	t    *testing.T
	next atomic.Uint32
}

// newMAC returns a MAC that is unique in the process.
func newMAC() string {
	id := uuid.New()
	return fmt.Sprintf("fa:16:3e:%02x:%02x:%02x", id[0], id[1], id[2])
}

// newSite makes a network with a DHCP subnet in cidr; its gateway is the first
// address, the service port the second.
func newSite(t *testing.T, h Harness, cidr string) *site {
	t.Helper()
	p := netip.MustParsePrefix(cidr)
	gateway := p.Addr().Next()
	s := &site{h: h, t: t, Network: driver.Network{
		ID: uuid.NewString(), Segment: 100, MTU: 1450,
		Subnets: []driver.Subnet{{
			ID: uuid.NewString(), CIDR: p, Gateway: gateway, DHCP: true,
			DNS: []netip.Addr{netip.MustParseAddr("9.9.9.9")},
		}},
		Service: driver.ServicePort{PortID: uuid.NewString(), MAC: newMAC(), Addresses: []netip.Addr{gateway.Next()}},
	}}
	s.next.Store(9)
	s.ensure()
	return s
}

// newOutside makes an external network on the provider network, without services.
func newOutside(t *testing.T, h Harness, cidr string) *site {
	t.Helper()
	p := netip.MustParsePrefix(cidr)
	s := &site{h: h, t: t, Network: driver.Network{
		ID: uuid.NewString(), MTU: 1500, Physical: h.Physical,
		Subnets: []driver.Subnet{{ID: uuid.NewString(), CIDR: p, Gateway: p.Addr().Next()}},
	}}
	s.next.Store(99)
	s.ensure()
	return s
}

func (s *site) ensure() {
	s.t.Helper()
	require.NoError(s.t, s.h.Mechanism.EnsureNetwork(s.t.Context(), s.Network))
}

func (s *site) subnet() *driver.Subnet { return &s.Subnets[0] }

// gateway returns the subnet's gateway.
func (s *site) gateway() netip.Addr { return s.subnet().Gateway }

// address returns the next free address with the subnet's length.
func (s *site) address() netip.Prefix {
	a := s.subnet().CIDR.Addr()
	for range s.next.Add(1) {
		a = a.Next()
	}
	return netip.PrefixFrom(a, s.subnet().CIDR.Bits())
}

// port describes a port with the next address and no rules.
func (s *site) port(rules ...driver.Rule) driver.Port {
	return driver.Port{
		ID: uuid.NewString(), NetworkID: s.ID, MAC: newMAC(), Addresses: []netip.Addr{s.address().Addr()},
		Up: true, Security: true, Rules: rules,
	}
}

// lease adds the port's reservation and tells the mechanism.
func (s *site) lease(p driver.Port, hostname string) {
	s.t.Helper()
	s.Leases = append(s.Leases, driver.Lease{
		PortID: p.ID, MAC: p.MAC, Address: p.Addresses[0], SubnetID: s.subnet().ID, Hostname: hostname,
	})
	s.ensure()
}

// plug makes the port and a guest on it, configured with the port's address.
func (s *site) plug(p driver.Port) Guest {
	s.t.Helper()
	at := s.ensurePort(p)
	g := s.h.Probe.Plug(s.t, at, p.MAC)
	require.NoError(s.t, g.Configure(s.gateway(), netip.PrefixFrom(p.Addresses[0], s.subnet().CIDR.Bits())))
	return g
}

func (s *site) ensurePort(p driver.Port) driver.Attachment {
	s.t.Helper()
	at, err := s.h.Mechanism.EnsurePort(s.t.Context(), p)
	require.NoError(s.t, err)
	return at
}

// leg describes a router's port at the gateway address.
func (s *site) leg() driver.RouterPort {
	return driver.RouterPort{
		PortID: uuid.NewString(), NetworkID: s.ID, MAC: newMAC(),
		Addresses: []netip.Prefix{netip.PrefixFrom(s.gateway(), s.subnet().CIDR.Bits())},
	}
}

// exit describes a router's leg in an external network.
func (s *site) exit(snat bool) *driver.Gateway {
	return &driver.Gateway{
		RouterPort: driver.RouterPort{PortID: uuid.NewString(), NetworkID: s.ID, MAC: newMAC(), Addresses: []netip.Prefix{s.address()}},
		NextHops:   []netip.Addr{s.gateway()}, SNAT: snat,
	}
}

// router makes a router with a leg in each site.
func router(t *testing.T, h Harness, gateway *driver.Gateway, sites ...*site) driver.Router {
	t.Helper()
	r := driver.Router{ID: uuid.NewString(), Up: true, Gateway: gateway}
	for _, s := range sites {
		r.Ports = append(r.Ports, s.leg())
	}
	require.NoError(t, h.Mechanism.EnsureRouter(t.Context(), r))
	return r
}

// allowAll is a rule for everything of IPv4 in one direction.
func allowAll(ingress bool) driver.Rule {
	return driver.Rule{Ingress: ingress, PortMin: -1, PortMax: -1}
}

// open are the rules that let all IPv4 pass.
func open() []driver.Rule { return []driver.Rule{allowAll(true), allowAll(false)} }

// tcpIn allows TCP to a port.
func tcpIn(port int, remotes ...netip.Prefix) driver.Rule {
	return driver.Rule{Ingress: true, Protocol: "tcp", PortMin: port, PortMax: port, Remotes: remotes}
}
