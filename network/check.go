package network

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of networks, and of what the mechanisms have of them.
func (s *Service) Checks() []check.Check {
	return slices.Concat(s.uniqueChecks(), s.referenceChecks(), s.mechanismChecks())
}

// uniqueChecks are about what may be used once only. Indexes hold this in every
// transaction; the rows themselves are looked at here.
func (s *Service) uniqueChecks() []check.Check {
	return []check.Check{
		{
			Name: "network.address-once", Run: s.checkAddresses,
			Doc: "No address is used twice on a network.",
		},
		{
			Name: "network.mac-once", Run: s.checkMACs,
			Doc: "No MAC address is used twice on a network.",
		},
		{
			Name: "network.segment-once", Run: s.checkSegments,
			Doc: "No segment (VNI) is used by two networks.",
		},
		{
			Name: "network.subnet", Run: s.checkSubnets,
			Doc: "Subnets of a network do not overlap, and the pools of each lie within it and apart.",
		},
		{
			Name: "network.address-fits", Run: s.checkFits,
			Doc: "Every address of a port lies in its subnet, and the subnet is of the port's network.",
		},
	}
}

// once tells of each port that has what another has.
type once map[string]string

// taken notes that a resource has a key, and reports who has it already.
func (o once) taken(key, resource string) (by string, yes bool) {
	if by, yes = o[key]; !yes {
		o[key] = resource
	}
	return by, yes
}

func (s *Service) checkAddresses(_ context.Context, l *check.Look) error {
	seen := once{}
	for p := range s.t.ports.All(l.State()) {
		for _, f := range p.FixedIPs {
			if by, twice := seen.taken(state.Key(p.NetworkID, addressKey(f.Address)), p.ID); twice && by != p.ID {
				l.Found("port/"+p.ID, fmt.Sprintf("has the address %s on network %s, as port %s has.", f.Address, p.NetworkID, by),
					"Give one of the two ports another address.")
			}
		}
	}
	return nil
}

func (s *Service) checkMACs(_ context.Context, l *check.Look) error {
	seen := once{}
	for p := range s.t.ports.All(l.State()) {
		if by, twice := seen.taken(state.Key(p.NetworkID, p.MAC), p.ID); twice {
			l.Found("port/"+p.ID, fmt.Sprintf("has the MAC address %s on network %s, as port %s has.", p.MAC, p.NetworkID, by),
				"Give one of the two ports another MAC address.")
		}
	}
	return nil
}

func (s *Service) checkSegments(_ context.Context, l *check.Look) error {
	seen := once{}
	for n := range s.t.networks.All(l.State()) {
		if by, twice := seen.taken(segmentKey(n.Segment), n.ID); twice {
			l.Found("network/"+n.ID, fmt.Sprintf("has the segment %d, as network %s has.", n.Segment, by),
				"Delete one of the two networks, and make it anew.")
		}
	}
	return nil
}

func (s *Service) checkSubnets(_ context.Context, l *check.Look) error {
	var before []Subnet // of the same network
	for sub := range s.t.subnets.Where(l.State(), s.t.subnetBy.network) {
		if len(before) > 0 && before[0].NetworkID != sub.NetworkID {
			before = before[:0]
		}
		for _, other := range before {
			if other.CIDR.Overlaps(sub.CIDR) {
				l.Found("subnet/"+sub.ID, fmt.Sprintf("has the range %s, which overlaps with %s of subnet %s.", sub.CIDR, other.CIDR, other.ID),
					"Delete one of the two subnets.")
			}
		}
		before = append(before, sub)
		if err := sub.check(); err != nil {
			l.Found("subnet/"+sub.ID, fmt.Sprintf("is recorded as it must not be: %v.", err), "Update the subnet with what it shall be.")
		}
	}
	return nil
}

func (s *Service) checkFits(_ context.Context, l *check.Look) error {
	for p := range s.t.ports.All(l.State()) {
		for _, f := range p.FixedIPs {
			sub, err := s.t.subnets.Get(l.State(), f.SubnetID)
			switch {
			case err != nil: // network.port-refers tells
			case sub.NetworkID != p.NetworkID:
				l.Found("port/"+p.ID, fmt.Sprintf("has an address of subnet %s, which is of network %s and not of the port's.", sub.ID, sub.NetworkID),
					"Give the port other addresses.")
			case !sub.CIDR.Contains(f.Address):
				l.Found("port/"+p.ID, fmt.Sprintf("has the address %s, which is not in %s of its subnet %s.", f.Address, sub.CIDR, sub.ID),
					"Give the port another address.")
			}
		}
	}
	return nil
}

// hasAddress reports whether a port has an address.
func (p *Port) hasAddress(a netip.Addr) bool {
	return slices.ContainsFunc(p.FixedIPs, func(f FixedIP) bool { return f.Address == a })
}
