package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// serveDHCP gives the network the port from which DHCP and metadata are served: it
// has one address in each DHCP subnet, and is there while there is such a subnet. A
// subnet without a free address stays unserved.
func (s *Service) serveDHCP(ctx context.Context, tx *state.Tx, n *Network) error {
	subnets := s.subnetsOf(tx, n.ID)
	served := slices.DeleteFunc(slices.Clone(subnets), func(sub Subnet) bool { return !sub.EnableDHCP })
	p, found := s.dhcpPort(tx, n.ID)
	switch {
	case len(served) == 0 && found:
		return s.dropPort(ctx, tx, &p)
	case len(served) == 0:
		return nil
	}
	var want []FixedIP
	for _, sub := range served {
		want = append(want, FixedIP{SubnetID: sub.ID})
	}
	if !found {
		opts := CreatePortOptions{
			NetworkID: n.ID, DeviceOwner: OwnerDHCP, DeviceID: dhcpDevice(n.ID),
			FixedIPs: want, SecurityGroups: []string{},
		}
		_, err := s.insertPort(ctx, tx, n.ProjectID, opts)
		return unlessExhausted(err)
	}
	a := addressing{s: s, tx: tx, port: &p, subnets: subnets}
	got, err := a.assign(want)
	if err != nil || slices.Equal(got, p.FixedIPs) {
		return unlessExhausted(err)
	}
	p.FixedIPs = got
	return s.putPort(ctx, tx, &p)
}

func unlessExhausted(err error) error {
	if fault.Of(err) == fault.Exhausted {
		return nil
	}
	return err
}

// dhcpDevice is the device that the DHCP port of a network has.
func dhcpDevice(networkID string) string { return "dhcp-" + networkID }

func (s *Service) dhcpPort(r state.Reader, networkID string) (Port, bool) {
	for p := range s.t.ports.Where(r, s.t.portBy.device, dhcpDevice(networkID)) {
		if p.DeviceOwner == OwnerDHCP {
			return p, true
		}
	}
	return Port{}, false
}
