package network

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network/driver"
)

// networkSpec is a network as a mechanism shall make it, but for what differs from
// host to host.
type networkSpec struct {
	revision uint64 // of the snapshot that it was made from
	network  driver.Network
	hosts    []string // that have ports of it
}

// specs keeps the newest spec of each network that is on a host. Making one costs a
// walk over all ports of the network, so runs for several hosts and ports share it:
// whoever needs a revision takes any spec that is at least as new.
type specs struct {
	build func(id string) (networkSpec, error)
	mu    sync.Mutex
	kept  map[string]*keptSpec
}

type keptSpec struct {
	mu   sync.Mutex // held while it is made
	spec networkSpec
}

func (c *specs) get(id string, revision uint64) (networkSpec, error) {
	c.mu.Lock()
	if c.kept == nil {
		c.kept = map[string]*keptSpec{}
	}
	k := c.kept[id]
	if k == nil {
		k = &keptSpec{}
		c.kept[id] = k
	}
	c.mu.Unlock()
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.spec.network.ID != "" && k.spec.revision >= revision {
		return k.spec, nil
	}
	spec, err := c.build(id)
	if err == nil {
		k.spec = spec
	}
	return spec, err
}

func (c *specs) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.kept, id)
}

// networkSpec makes the spec of a network from the newest snapshot.
func (s *Service) networkSpec(id string) (networkSpec, error) {
	return s.networkSpecIn(s.db.Snapshot(), id)
}

func (s *Service) networkSpecIn(snap *state.Snapshot, id string) (networkSpec, error) {
	n, err := s.getNetwork(snap, id)
	if err != nil {
		return networkSpec{}, err
	}
	spec := networkSpec{revision: snap.Revision(), network: driver.Network{
		ID: n.ID, Segment: n.Segment, MTU: n.MTU, Physical: n.Physical,
	}}
	dhcp := map[string]bool{}
	for _, sub := range s.subnetsOf(snap, id) {
		spec.network.Subnets = append(spec.network.Subnets, subnetSpec(&sub))
		dhcp[sub.ID] = sub.EnableDHCP
	}
	for p := range s.t.ports.Where(snap, s.t.portBy.network, id) {
		spec.addPort(&p, dhcp)
	}
	if p, ok := s.dhcpPort(snap, id); ok {
		spec.network.Service = driver.ServicePort{PortID: p.ID, MAC: p.MAC, Addresses: addresses(&p)}
	}
	return spec, nil
}

// addPort notes a port's host and leases. The ports of one host come together.
func (spec *networkSpec) addPort(p *Port, dhcp map[string]bool) {
	if p.Host != "" && (len(spec.hosts) == 0 || spec.hosts[len(spec.hosts)-1] != p.Host) {
		spec.hosts = append(spec.hosts, p.Host)
	}
	if isServiceOwner(p.DeviceOwner) {
		return
	}
	for _, f := range p.FixedIPs {
		if dhcp[f.SubnetID] {
			spec.network.Leases = append(spec.network.Leases, driver.Lease{
				PortID: p.ID, MAC: p.MAC, Address: f.Address, SubnetID: f.SubnetID, Hostname: p.hostname(),
			})
		}
	}
}

// hostname is what DHCP calls the guest.
func (p *Port) hostname() string {
	if p.DNSName != "" {
		return p.DNSName
	}
	return p.Hostname
}

func subnetSpec(sub *Subnet) driver.Subnet {
	d := driver.Subnet{
		ID: sub.ID, CIDR: sub.CIDR, Gateway: sub.Gateway, DHCP: sub.EnableDHCP, DNS: sub.DNS, RAMode: sub.RAMode,
	}
	for _, route := range sub.Routes {
		d.Routes = append(d.Routes, driver.Route(route))
	}
	return d
}

func addresses(p *Port) []netip.Addr {
	all := make([]netip.Addr, len(p.FixedIPs))
	for i, f := range p.FixedIPs {
		all[i] = f.Address
	}
	return all
}

// portSpec makes the spec of a port.
func (r *reconciler) portSpec(snap *state.Snapshot, p *Port) driver.Port {
	d := driver.Port{
		ID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC, Addresses: addresses(p),
		Up: p.AdminStateUp, Security: p.PortSecurity,
	}
	for _, pair := range p.Pairs {
		mac := pair.MAC
		if mac == "" {
			mac = p.MAC
		}
		d.Pairs = append(d.Pairs, driver.AddressPair{MAC: mac, Prefix: pair.Address})
	}
	if !p.PortSecurity {
		return d
	}
	for _, g := range p.SecurityGroups {
		for rule := range r.s.t.rules.Where(snap, r.s.t.ruleBy.group, g) {
			if spec, any := r.ruleSpec(snap, &rule); any {
				d.Rules = append(d.Rules, spec)
			}
		}
	}
	return d
}

// ruleSpec makes the spec of a rule; false if it lets nothing pass, because its
// remote group is empty.
func (r *reconciler) ruleSpec(snap *state.Snapshot, rule *SecurityGroupRule) (driver.Rule, bool) {
	d := driver.Rule{
		Ingress: rule.Direction == Ingress, IPv6: rule.EtherType == IPv6,
		Protocol: driverProtocol(rule), PortMin: orAny(rule.PortMin), PortMax: orAny(rule.PortMax),
	}
	switch {
	case rule.RemotePrefix.IsValid() && rule.RemotePrefix.Bits() > 0:
		d.Remotes = []netip.Prefix{rule.RemotePrefix}
	case rule.RemoteGroupID != "":
		d.Remotes = r.remotes.of(r.s, snap, rule.RemoteGroupID, d.IPv6)
		return d, len(d.Remotes) > 0
	}
	return d, true
}

func orAny(n *int) int {
	if n == nil {
		return -1
	}
	return *n
}

// driverProtocol reduces the names that users may give to those of drivers.
func driverProtocol(rule *SecurityGroupRule) string {
	number, err := protocolNumber(rule.Protocol)
	switch {
	case err != nil || number < 0:
		return ""
	case number == protoTCP:
		return "tcp"
	case number == protoUDP:
		return "udp"
	case number == protoICMPv6, number == protoICMP && rule.EtherType == IPv6:
		return "icmpv6"
	case number == protoICMP:
		return "icmp"
	}
	return strconv.Itoa(number)
}

// routerSpec is a router as a mechanism shall make it.
type routerSpec struct{ driver.Router }

// networks gives the networks that the router needs on its host.
func (r *routerSpec) networks() []string {
	var ids []string
	for _, p := range r.Ports {
		ids = append(ids, p.NetworkID)
	}
	if r.Gateway != nil {
		ids = append(ids, r.Gateway.NetworkID)
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (s *Service) routerSpec(r state.Reader, router *Router) routerSpec {
	d := driver.Router{ID: router.ID, Up: router.AdminStateUp}
	for _, p := range s.portsOf(r, router.ID) {
		leg := driver.RouterPort{PortID: p.ID, NetworkID: p.NetworkID, MAC: p.MAC}
		var hops []netip.Addr
		for _, f := range p.FixedIPs {
			sub, err := s.t.subnets.Get(r, f.SubnetID)
			if err != nil {
				continue
			}
			leg.Addresses = append(leg.Addresses, netip.PrefixFrom(f.Address, sub.CIDR.Bits()))
			if sub.Gateway.IsValid() {
				hops = append(hops, sub.Gateway)
			}
		}
		switch {
		case p.DeviceOwner == OwnerRouterInterface:
			d.Ports = append(d.Ports, leg)
		case router.Gateway != nil && router.Gateway.PortID == p.ID:
			d.Gateway = &driver.Gateway{RouterPort: leg, NextHops: hops, SNAT: router.Gateway.SNAT}
		}
	}
	for f := range s.t.floating.Where(r, s.t.floatBy.router, router.ID) {
		d.Floating = append(d.Floating, driver.Floating{ID: f.ID, External: f.Address, Fixed: f.Fixed})
	}
	for _, route := range router.Routes {
		d.Routes = append(d.Routes, driver.Route(route))
	}
	return routerSpec{d}
}
