package network

import (
	"net/netip"
	"slices"
	"sync"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// probes is how many addresses are tried, one after the other, before the used
// addresses of the subnet are walked to find a gap.
const probes = 128

// cursors remember for each subnet which address was given out last. They make
// concurrent allocations try different addresses, and give an address that was
// freed as late as possible to somebody else. They are hints: what is free is
// decided by the unique index of ports by subnet and address.
type cursors struct {
	mu sync.Mutex
	at map[string]netip.Addr
}

// next moves the subnet's cursor to the following address of its pools.
func (c *cursors) next(s *Subnet) netip.Addr {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := following(s.Pools, c.at[s.ID])
	c.put(s.ID, a)
	return a
}

func (c *cursors) set(subnetID string, a netip.Addr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(subnetID, a)
}

func (c *cursors) put(subnetID string, a netip.Addr) {
	if c.at == nil {
		c.at = map[string]netip.Addr{}
	}
	c.at[subnetID] = a
}

func (c *cursors) forget(subnetID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.at, subnetID)
}

// following is the address after a in the pools; after the last it begins again.
func following(pools []Pool, a netip.Addr) netip.Addr {
	for i, p := range pools {
		if a.IsValid() && p.contains(a) {
			if a != p.End {
				return a.Next()
			}
			return pools[(i+1)%len(pools)].Start
		}
	}
	return pools[0].Start
}

// pick finds a free address in the subnet's pools. Candidates come from a snapshot
// and only the one that is taken enters what the transaction has read, so that
// allocations that run at once do not conflict.
func (s *Service) pick(tx *state.Tx, sub *Subnet) (netip.Addr, error) {
	if len(sub.Pools) == 0 {
		return netip.Addr{}, exhausted(sub)
	}
	now := s.db.Snapshot()
	for range probes {
		a := s.cursors.next(sub)
		if !s.used(now, sub.ID, a) && !s.used(tx, sub.ID, a) {
			return a, nil
		}
	}
	return s.gap(tx, now, sub)
}

// gap walks the used addresses of a crowded subnet in order and takes the first
// that is missing.
func (s *Service) gap(tx *state.Tx, now *state.Snapshot, sub *Subnet) (netip.Addr, error) {
	used := make(map[netip.Addr]bool)
	for p := range s.t.ports.Where(now, s.t.portBy.address, sub.ID) {
		for _, f := range p.FixedIPs {
			if f.SubnetID == sub.ID {
				used[f.Address] = true
			}
		}
	}
	for _, pool := range sub.Pools {
		for a := pool.Start; pool.contains(a); a = a.Next() {
			if !used[a] && !s.used(tx, sub.ID, a) {
				s.cursors.set(sub.ID, a)
				return a, nil
			}
		}
	}
	return netip.Addr{}, exhausted(sub)
}

func (s *Service) used(r state.Reader, subnetID string, a netip.Addr) bool {
	_, taken := s.t.ports.Find(r, s.t.portBy.address, subnetID, addressKey(a))
	return taken
}

func exhausted(sub *Subnet) error {
	return refused(fault.Exhausted, "IpAddressGenerationFailure",
		"No more IP addresses available on network %s.", sub.NetworkID)
}

// addressing works out the addresses of one port.
type addressing struct {
	s       *Service
	tx      *state.Tx
	port    *Port // its network, MAC and owner are set
	subnets []Subnet
}

// assign gives the port the addresses that are wanted: nil means one of each IP
// version. Those that the port has already in the state stay its own.
func (a *addressing) assign(want []FixedIP) ([]FixedIP, error) {
	if want == nil {
		return a.automatic()
	}
	got := make([]FixedIP, 0, len(want))
	for _, w := range want {
		f, err := a.requested(w, got)
		if err != nil {
			return nil, err
		}
		got = append(got, f)
	}
	return got, nil
}

// automatic takes one IPv4 address, one managed IPv6 address, and an address in
// each subnet where hosts make their own.
func (a *addressing) automatic() ([]FixedIP, error) {
	var got []FixedIP
	for _, version := range []int{4, 6} {
		f, err := a.any(version)
		if err != nil {
			return nil, err
		}
		if f.Address.IsValid() {
			got = append(got, f)
		}
	}
	for _, sub := range a.subnets {
		if !sub.autoAddressed() {
			continue
		}
		addr, err := interfaceAddr(sub.CIDR, a.port.MAC)
		if err != nil {
			return nil, err
		}
		got = append(got, FixedIP{sub.ID, addr})
	}
	return got, nil
}

// any takes an address of the IP version from the first managed subnet that has
// one left; the zero FixedIP if there is no such subnet.
func (a *addressing) any(version int) (FixedIP, error) {
	var last error
	for _, sub := range a.subnets {
		if sub.IPVersion() != version || sub.autoAddressed() || !sub.serves(a.port.DeviceOwner) {
			continue
		}
		addr, err := a.s.pick(a.tx, &sub)
		if err == nil {
			return FixedIP{sub.ID, addr}, nil
		}
		last = err
	}
	return FixedIP{}, last
}

// requested completes one entry of a request.
func (a *addressing) requested(w FixedIP, got []FixedIP) (FixedIP, error) {
	sub, err := a.subnetFor(w)
	if err != nil {
		return FixedIP{}, err
	}
	if !w.Address.IsValid() {
		return a.inSubnet(sub, got)
	}
	f := FixedIP{sub.ID, w.Address}
	if !isHost(sub.CIDR, w.Address) && w.Address != sub.Gateway {
		return f, refused(fault.Invalid, "InvalidIpForSubnet",
			"IP address %s is not a valid IP for the specified subnet.", w.Address)
	}
	if own, err := interfaceAddr(sub.CIDR, a.port.MAC); err == nil && sub.autoAddressed() &&
		w.Address != own && !isServiceOwner(a.port.DeviceOwner) {
		return f, refused(fault.Invalid, "AllocationOnAutoAddressSubnet",
			"IPv6 address %s cannot be directly assigned to a port on subnet %s as the subnet is configured for automatic addresses",
			w.Address, sub.ID)
	}
	if slices.Contains(got, f) {
		return f, invalid("Duplicate IP address '%s' is not allowed.", w.Address)
	}
	holder, taken := a.s.t.ports.Find(a.tx, a.s.t.portBy.address, sub.ID, addressKey(w.Address))
	if taken && holder.ID != a.port.ID {
		return f, addressInUse(a.port.NetworkID, w.Address)
	}
	return f, nil
}

// inSubnet takes an address of one subnet. A port that has one there keeps it.
func (a *addressing) inSubnet(sub *Subnet, got []FixedIP) (FixedIP, error) {
	if sub.autoAddressed() {
		addr, err := interfaceAddr(sub.CIDR, a.port.MAC)
		return FixedIP{sub.ID, addr}, err
	}
	for _, f := range a.port.FixedIPs {
		if f.SubnetID == sub.ID && !slices.Contains(got, f) {
			return f, nil
		}
	}
	addr, err := a.s.pick(a.tx, sub)
	return FixedIP{sub.ID, addr}, err
}

// subnetFor finds the subnet that an entry of a request means.
func (a *addressing) subnetFor(w FixedIP) (*Subnet, error) {
	for i := range a.subnets {
		sub := &a.subnets[i]
		if w.SubnetID == sub.ID || w.SubnetID == "" && w.Address.IsValid() && sub.CIDR.Contains(w.Address) {
			return sub, nil
		}
	}
	switch {
	case w.SubnetID != "":
		return nil, invalid("Failed to create port on network %s, because fixed_ips included invalid subnet %s.",
			a.port.NetworkID, w.SubnetID)
	case w.Address.IsValid():
		return nil, refused(fault.Invalid, "InvalidIpForNetwork",
			"IP address %s is not a valid IP for any of the subnets on the specified network.", w.Address)
	}
	return nil, invalid("Invalid input for fixed_ips. Reason: an entry needs a subnet or an address.")
}

func addressInUse(networkID string, a netip.Addr) error {
	return refused(fault.Conflict, "IpAddressInUse",
		"Unable to complete operation for network %s. The IP address %s is in use.", networkID, a)
}
