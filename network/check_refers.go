package network

import (
	"context"
	"fmt"
	"math/big"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// referenceChecks are about what one record says of another.
func (s *Service) referenceChecks() []check.Check {
	return []check.Check{
		{
			Name: "network.refers", Run: s.checkRefers,
			Doc: "The networks, subnets, pools, scopes and security groups that records of the network service name exist.",
		},
		{
			Name: "network.port-owner", Run: s.checkOwners,
			Doc: "The ports of routers, floating IPs and DHCP belong to one that exists and names them.",
		},
		{
			Name: "network.dhcp", Run: s.checkDHCP,
			Doc: "A network with DHCP has a port from which it is served, unless there is no address for one.",
		},
		{
			Name: "network.router", Run: s.checkRouters,
			Doc: "The gateway of a router is a port of an external network, with the addresses that the router shows.",
		},
		{
			Name: "network.floating", Run: s.checkFloating,
			Doc: "A floating IP has the port that holds its address; one that is associated names a port with the fixed address, and a router that leads there.",
		},
	}
}

func (s *Service) checkRefers(_ context.Context, l *check.Look) error {
	r, t := l.State(), &s.t
	needs := func(resource, noun, id string, there bool) {
		if !there {
			l.Found(resource, fmt.Sprintf("names the %s %s, which does not exist.", noun, id), "Delete the "+before(resource)+".")
		}
	}
	for sub := range t.subnets.All(r) {
		needs("subnet/"+sub.ID, "network", sub.NetworkID, t.networks.Has(r, sub.NetworkID))
		needs("subnet/"+sub.ID, "subnet pool", sub.SubnetPoolID, sub.SubnetPoolID == "" || t.pools.Has(r, sub.SubnetPoolID))
	}
	for p := range t.ports.All(r) {
		needs("port/"+p.ID, "network", p.NetworkID, t.networks.Has(r, p.NetworkID))
		for _, f := range p.FixedIPs {
			needs("port/"+p.ID, "subnet", f.SubnetID, t.subnets.Has(r, f.SubnetID))
		}
		for _, g := range p.SecurityGroups {
			needs("port/"+p.ID, "security group", g, t.groups.Has(r, g))
		}
	}
	for rule := range t.rules.All(r) {
		needs("security-group-rule/"+rule.ID, "security group", rule.GroupID, t.groups.Has(r, rule.GroupID))
		needs("security-group-rule/"+rule.ID, "security group", rule.RemoteGroupID,
			rule.RemoteGroupID == "" || t.groups.Has(r, rule.RemoteGroupID))
	}
	for p := range t.pools.All(r) {
		needs("subnet-pool/"+p.ID, "address scope", p.AddressScopeID, p.AddressScopeID == "" || t.scopes.Has(r, p.AddressScopeID))
	}
	return nil
}

// before is the kind of a resource, "port" of "port/UUID".
func before(resource string) string {
	for i, c := range resource {
		if c == '/' {
			return resource[:i]
		}
	}
	return resource
}

func (s *Service) checkOwners(_ context.Context, l *check.Look) error {
	for p := range s.t.ports.All(l.State()) {
		if why := s.orphaned(l.State(), &p); why != "" {
			l.FoundMendable("port/"+p.ID, why, "Delete the port.", s.mendOrphan(p.ID))
		}
	}
	return nil
}

// orphaned says why a port of the service itself belongs to nothing; empty if it does.
func (s *Service) orphaned(r state.Reader, p *Port) string {
	switch p.DeviceOwner {
	case OwnerRouterGateway:
		router, err := s.t.routers.Get(r, p.DeviceID)
		if err != nil || router.Gateway == nil || router.Gateway.PortID != p.ID {
			return fmt.Sprintf("is the gateway of router %s, which does not have it.", p.DeviceID)
		}
	case OwnerRouterInterface:
		if !s.t.routers.Has(r, p.DeviceID) {
			return fmt.Sprintf("is an interface of router %s, which does not exist.", p.DeviceID)
		}
	case OwnerFloatingIP:
		if f, err := s.t.floating.Get(r, p.DeviceID); err != nil || f.HolderID != p.ID {
			return fmt.Sprintf("holds the address of floating IP %s, which does not have it.", p.DeviceID)
		}
	case OwnerDHCP:
		if first, ok := s.dhcpPort(r, p.NetworkID); !ok || first.ID != p.ID || !s.hasDHCP(r, p.NetworkID) {
			return fmt.Sprintf("serves DHCP for %s, which has another port for it, or no subnet with DHCP.", p.NetworkID)
		}
	}
	return ""
}

// hasDHCP reports whether a subnet of a network has DHCP.
func (s *Service) hasDHCP(r state.Reader, networkID string) bool {
	for sub := range s.t.subnets.Where(r, s.t.subnetBy.network, networkID) {
		if sub.EnableDHCP {
			return true
		}
	}
	return false
}

func (s *Service) mendOrphan(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.update(ctx, "Check", func(tx *state.Tx) error {
			p, err := s.t.ports.Get(tx, id)
			if err != nil || s.orphaned(tx, &p) == "" {
				return nil
			}
			return s.dropPort(ctx, tx, &p)
		})
	}
}

func (s *Service) checkDHCP(_ context.Context, l *check.Look) error {
	for n := range s.t.networks.All(l.State()) {
		if _, served := s.dhcpPort(l.State(), n.ID); served || !s.hasRoomForDHCP(l.State(), n.ID) {
			continue
		}
		l.FoundMendable("network/"+n.ID, "has a subnet with DHCP, but no port that serves it.",
			"Disable DHCP on the subnet, and enable it again.", func(ctx context.Context) error {
				return s.update(ctx, "Check", func(tx *state.Tx) error {
					n, err := s.t.networks.Get(tx, n.ID)
					if err != nil {
						return nil
					}
					return s.serveDHCP(ctx, tx, &n)
				})
			})
	}
	return nil
}

// hasRoomForDHCP reports whether a subnet of a network has DHCP and an address left.
func (s *Service) hasRoomForDHCP(r state.Reader, networkID string) bool {
	for sub := range s.t.subnets.Where(r, s.t.subnetBy.network, networkID) {
		if !sub.EnableDHCP {
			continue
		}
		room := big.NewInt(int64(-s.t.ports.Count(r, s.t.portBy.address, sub.ID)))
		for _, p := range sub.Pools {
			room.Add(room, p.size())
		}
		if room.Sign() > 0 {
			return true
		}
	}
	return false
}

func (s *Service) checkRouters(_ context.Context, l *check.Look) error {
	for router := range s.t.routers.All(l.State()) {
		gw := router.Gateway
		if gw == nil {
			continue
		}
		problem := ""
		n, err := s.t.networks.Get(l.State(), gw.NetworkID)
		p, noPort := s.t.ports.Get(l.State(), gw.PortID)
		switch {
		case err != nil || !n.External:
			problem = fmt.Sprintf("has its gateway in network %s, which is no external network.", gw.NetworkID)
		case noPort != nil || p.DeviceID != router.ID || p.NetworkID != gw.NetworkID:
			problem = fmt.Sprintf("has the gateway port %s, which is none.", gw.PortID)
		case !sameAddresses(gw.FixedIPs, p.FixedIPs):
			problem = fmt.Sprintf("shows other addresses of its gateway than port %s has.", p.ID)
		}
		if problem != "" {
			l.Found("router/"+router.ID, problem, "Clear the gateway of the router, and set it again.")
		}
	}
	return nil
}

func sameAddresses(a, b []FixedIP) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func (s *Service) checkFloating(_ context.Context, l *check.Look) error {
	for f := range s.t.floating.All(l.State()) {
		holder, err := s.t.ports.Get(l.State(), f.HolderID)
		if err != nil || holder.DeviceID != f.ID || !holder.hasAddress(f.Address) {
			l.Found("floatingip/"+f.ID, fmt.Sprintf("has the address %s, which port %s does not hold for it.", f.Address, f.HolderID),
				"Delete the floating IP, and make it anew.")
		}
		if why := s.misassociated(l.State(), &f); why != "" {
			l.FoundMendable("floatingip/"+f.ID, why, "Disassociate it, and associate it again.", s.mendFloating(f.ID))
		}
	}
	return nil
}

// misassociated says why a floating IP cannot stand for what it is recorded to stand
// for; empty if it can, or stands for nothing.
func (s *Service) misassociated(r state.Reader, f *FloatingIP) string {
	if f.PortID == "" {
		if f.Fixed.IsValid() || f.RouterID != "" || f.Status == Active {
			return "is not associated, but shows a fixed address, a router or the status ACTIVE."
		}
		return ""
	}
	p, err := s.t.ports.Get(r, f.PortID)
	if err != nil || !p.hasAddress(f.Fixed) {
		return fmt.Sprintf("stands for %s of port %s, which does not have it.", f.Fixed, f.PortID)
	}
	router, err := s.t.routers.Get(r, f.RouterID)
	if err != nil || router.Gateway == nil || router.Gateway.NetworkID != f.NetworkID {
		return fmt.Sprintf("goes through router %s, which does not lead to network %s.", f.RouterID, f.NetworkID)
	}
	return ""
}

func (s *Service) mendFloating(id string) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.update(ctx, "Check", func(tx *state.Tx) error {
			f, err := s.t.floating.Get(tx, id)
			if err != nil || s.misassociated(tx, &f) == "" {
				return nil
			}
			f.release()
			return s.putFloating(ctx, tx, &f)
		})
	}
}
