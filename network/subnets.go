package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	maxDNS    = 5
	maxRoutes = 20
)

// CreateSubnetOptions describe a subnet.
type CreateSubnetOptions struct {
	ID          string // empty: a new one
	NetworkID   string // required
	Name        string
	Description string
	Tags        []string
	// CIDR is the range. With SubnetPoolID it may be missing: then a range of
	// PrefixLength (0: the pool's default) is cut from the pool.
	CIDR         netip.Prefix
	SubnetPoolID string
	PrefixLength int
	// Gateway is the router's address: nil means the first address, or for a
	// range from a pool that of the range; the zero Addr means none.
	Gateway      *netip.Addr
	EnableDHCP   *bool  // nil: true
	Pools        []Pool // nil: all addresses but the gateway
	DNS          []netip.Addr
	Routes       []Route
	RAMode       string
	AddressMode  string
	ServiceTypes []string
}

// CreateSubnet makes a subnet.
func (s *Service) CreateSubnet(ctx context.Context, projectID string, opts CreateSubnetOptions) (Subnet, error) {
	meta, err := s.fresh(opts.ID, projectID, opts.Name, opts.Description, opts.Tags)
	if err != nil {
		return Subnet{}, fault.Wrap("network.CreateSubnet", err)
	}
	var sub Subnet
	err = s.update(ctx, "CreateSubnet", func(tx *state.Tx) error {
		n, err := s.getNetwork(tx, opts.NetworkID)
		if err != nil {
			return err
		}
		if err := s.checkQuota(tx, projectID, quotaSubnet); err != nil {
			return err
		}
		if sub, err = s.newSubnet(tx, meta, opts); err != nil {
			return err
		}
		if err := s.checkOverlap(tx, &sub); err != nil {
			return err
		}
		if err := s.t.subnets.Insert(tx, sub); err != nil {
			return err
		}
		s.emit(ctx, tx, "subnet.create.end", "subnet", &sub.Meta)
		if sub.autoAddressed() {
			if err := s.joinPorts(ctx, tx, &sub); err != nil {
				return err
			}
		}
		return s.serveDHCP(ctx, tx, &n)
	})
	return sub, err
}

func (s *Service) newSubnet(tx *state.Tx, meta Meta, o CreateSubnetOptions) (Subnet, error) {
	sub := Subnet{
		Meta: meta, NetworkID: o.NetworkID, CIDR: o.CIDR.Masked(), EnableDHCP: orTrue(o.EnableDHCP),
		Pools: o.Pools, DNS: o.DNS, Routes: o.Routes, RAMode: o.RAMode, AddressMode: o.AddressMode,
		SubnetPoolID: o.SubnetPoolID, ServiceTypes: o.ServiceTypes,
	}
	if o.SubnetPoolID != "" {
		var err error
		if sub.CIDR, err = s.cut(tx, meta.ProjectID, o); err != nil {
			return sub, err
		}
	}
	if !sub.CIDR.IsValid() {
		return sub, invalid("Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
	}
	switch {
	case o.Gateway != nil:
		sub.Gateway = *o.Gateway
	case sub.CIDR.Addr().BitLen()-sub.CIDR.Bits() > 1:
		sub.Gateway = sub.CIDR.Addr().Next()
	}
	if sub.Pools == nil {
		sub.Pools = defaultPools(sub.CIDR, sub.Gateway)
	}
	return sub, sub.check()
}

// check reports what is wrong with a subnet by itself.
func (sub *Subnet) check() error {
	if err := sub.checkModes(); err != nil {
		return err
	}
	if g := sub.Gateway; g.IsValid() {
		if g.Is4() != sub.CIDR.Addr().Is4() {
			return invalid("Invalid input for operation: gateway_ip '%s' does not match the ip_version '%d'.", g, sub.IPVersion())
		}
		if sub.CIDR.Contains(g) && g.Is4() && !isHost(sub.CIDR, g) {
			return invalid("Invalid input for operation: Gateway is not valid on subnet.")
		}
	}
	if len(sub.DNS) > maxDNS {
		return refused(fault.Invalid, "DNSNameServersExhausted",
			"Unable to complete operation for %s. The number of DNS nameservers exceeds the limit %d.", sub.ID, maxDNS)
	}
	if len(sub.Routes) > maxRoutes {
		return refused(fault.Invalid, "HostRoutesExhausted",
			"Unable to complete operation for %s. The number of host routes exceeds the limit %d.", sub.ID, maxRoutes)
	}
	for _, r := range sub.Routes {
		if r.Destination.Addr().Is4() != sub.CIDR.Addr().Is4() || r.NextHop.Is4() != sub.CIDR.Addr().Is4() {
			return invalid("Invalid input for host_routes. Reason: a route is not of ip_version %d.", sub.IPVersion())
		}
	}
	if err := checkPools(sub.CIDR, sub.Pools); err != nil {
		return err
	}
	for _, p := range sub.Pools {
		if sub.Gateway.IsValid() && p.contains(sub.Gateway) {
			return refused(fault.Conflict, "GatewayConflictWithAllocationPools",
				"Gateway ip %s conflicts with allocation pool %s-%s.", sub.Gateway, p.Start, p.End)
		}
	}
	return nil
}

func (sub *Subnet) checkModes() error {
	known := []string{"", ModeSLAAC, ModeStateful, ModeStateless}
	if !slices.Contains(known, sub.RAMode) || !slices.Contains(known, sub.AddressMode) {
		return invalid("Invalid input for ipv6_ra_mode or ipv6_address_mode. Reason: it is not in ['dhcpv6-stateful', 'dhcpv6-stateless', 'slaac'].")
	}
	if sub.RAMode == "" && sub.AddressMode == "" {
		return nil
	}
	switch {
	case sub.CIDR.Addr().Is4():
		return invalid("Invalid input for operation: ipv6_ra_mode and ipv6_address_mode are for ip_version 6 only.")
	case !sub.EnableDHCP:
		return invalid("Invalid input for operation: ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")
	case sub.RAMode != "" && sub.AddressMode != "" && sub.RAMode != sub.AddressMode:
		return invalid("Invalid input for operation: ipv6_ra_mode set to '%s' with ipv6_address_mode set to '%s' is not valid. If both attributes are set, they must be the same value.",
			sub.RAMode, sub.AddressMode)
	case sub.CIDR.Bits() != 64 && (sub.autoAddressed() || sub.RAMode == ModeSLAAC || sub.RAMode == ModeStateless):
		return invalid("Invalid input for operation: Invalid CIDR %s for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the prefix to be /64.", sub.CIDR)
	}
	return nil
}

// serves reports whether ports of that owner may get addresses of the subnet.
func (sub *Subnet) serves(owner string) bool {
	return len(sub.ServiceTypes) == 0 || slices.Contains(sub.ServiceTypes, owner)
}

// checkOverlap refuses a subnet that shares addresses with another of its network.
func (s *Service) checkOverlap(tx *state.Tx, sub *Subnet) error {
	for _, other := range s.subnetsOf(tx, sub.NetworkID) {
		if other.ID != sub.ID && other.CIDR.Overlaps(sub.CIDR) {
			return invalid("Invalid input for operation: Requested subnet with cidr: %s for network: %s overlaps with another subnet.",
				sub.CIDR, sub.NetworkID)
		}
	}
	return nil
}

// GetSubnet returns one subnet.
func (s *Service) GetSubnet(_ context.Context, id string) (Subnet, error) {
	return s.getSubnet(s.db.Snapshot(), id)
}

func (s *Service) getSubnet(r state.Reader, id string) (Subnet, error) {
	sub, err := s.t.subnets.Get(r, id)
	return sub, missing(err, "SubnetNotFound", "Subnet %s could not be found.", id)
}

// ListSubnets returns all subnets.
func (s *Service) ListSubnets(context.Context) ([]Subnet, error) {
	return list(s.t.subnets.All(s.db.Snapshot())), nil
}

// UpdateSubnetOptions change a subnet; nil leaves a value as it is.
type UpdateSubnetOptions struct {
	Labels
	Gateway      *netip.Addr // the zero Addr: none
	EnableDHCP   *bool
	Pools        *[]Pool
	DNS          *[]netip.Addr
	Routes       *[]Route
	ServiceTypes *[]string
}

// UpdateSubnet changes a subnet.
func (s *Service) UpdateSubnet(ctx context.Context, id string, opts UpdateSubnetOptions) (Subnet, error) {
	var sub Subnet
	err := s.update(ctx, "UpdateSubnet", func(tx *state.Tx) (err error) {
		if sub, err = s.getSubnet(tx, id); err != nil {
			return err
		}
		if err := s.mayMoveGateway(tx, &sub, opts.Gateway); err != nil {
			return err
		}
		set(&sub.Gateway, opts.Gateway)
		set(&sub.EnableDHCP, opts.EnableDHCP)
		set(&sub.Pools, opts.Pools)
		set(&sub.DNS, opts.DNS)
		set(&sub.Routes, opts.Routes)
		set(&sub.ServiceTypes, opts.ServiceTypes)
		if err := opts.apply(&sub.Meta); err != nil {
			return err
		}
		if err := sub.check(); err != nil {
			return err
		}
		s.touch(&sub.Meta)
		s.emit(ctx, tx, "subnet.update.end", "subnet", &sub.Meta)
		if err := s.t.subnets.Put(tx, sub); err != nil {
			return err
		}
		n, err := s.getNetwork(tx, sub.NetworkID)
		if err != nil {
			return err
		}
		return s.serveDHCP(ctx, tx, &n)
	})
	return sub, err
}

// mayMoveGateway refuses to move a gateway address that a router has.
func (s *Service) mayMoveGateway(tx *state.Tx, sub *Subnet, to *netip.Addr) error {
	if to == nil || *to == sub.Gateway || !sub.Gateway.IsValid() {
		return nil
	}
	p, taken := s.t.ports.Find(tx, s.t.portBy.address, sub.ID, addressKey(sub.Gateway))
	if taken && p.DeviceOwner == OwnerRouterInterface {
		return refused(fault.Conflict, "GatewayIpInUse",
			"Current gateway ip %s already in use by port %s. Unable to update.", sub.Gateway, p.ID)
	}
	return nil
}

// DeleteSubnet removes a subnet. Conflict while ports have addresses of it, other
// than those that serve DHCP and those that computed their own.
func (s *Service) DeleteSubnet(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteSubnet", func(tx *state.Tx) error {
		sub, err := s.getSubnet(tx, id)
		if err != nil {
			return err
		}
		for p := range s.t.ports.Where(tx, s.t.portBy.address, id) {
			if p.DeviceOwner != OwnerDHCP && (!sub.autoAddressed() || p.DeviceOwner == OwnerRouterInterface) {
				return refused(fault.Conflict, "SubnetInUse",
					"Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", id)
			}
		}
		for p := range s.t.ports.Where(tx, s.t.portBy.address, id) {
			if err := s.leaveSubnet(ctx, tx, &p, id); err != nil {
				return err
			}
		}
		return s.dropSubnet(ctx, tx, &sub)
	})
}

// leaveSubnet takes a port's addresses of a subnet away; a DHCP port with none left
// goes.
func (s *Service) leaveSubnet(ctx context.Context, tx *state.Tx, p *Port, subnetID string) error {
	p.FixedIPs = slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool { return f.SubnetID == subnetID })
	if len(p.FixedIPs) == 0 && p.DeviceOwner == OwnerDHCP {
		return s.dropPort(ctx, tx, p)
	}
	return s.putPort(ctx, tx, p)
}

func (s *Service) dropSubnet(ctx context.Context, tx *state.Tx, sub *Subnet) error {
	tx.AfterCommit(func() { s.cursors.forget(sub.ID) })
	s.emit(ctx, tx, "subnet.delete.end", "subnet", &sub.Meta)
	return s.t.subnets.Delete(tx, sub.ID)
}

// joinPorts gives the ports of the network the addresses that their guests compute
// for themselves in a new subnet.
func (s *Service) joinPorts(ctx context.Context, tx *state.Tx, sub *Subnet) error {
	for p := range s.t.ports.Where(tx, s.t.portBy.network, sub.NetworkID) {
		if isServiceOwner(p.DeviceOwner) {
			continue
		}
		a, err := interfaceAddr(sub.CIDR, p.MAC)
		if err != nil {
			return err
		}
		p.FixedIPs = append(slices.Clone(p.FixedIPs), FixedIP{sub.ID, a})
		if err := s.putPort(ctx, tx, &p); err != nil {
			return err
		}
	}
	return nil
}

func refusedPool(code, format string, args ...any) error {
	return refused(fault.Invalid, code, format, args...)
}

func refusedOverlap(a, b Pool, cidr netip.Prefix) error {
	return refused(fault.Conflict, "OverlappingAllocationPools",
		"Found overlapping allocation pools: %s-%s, %s-%s for subnet %s.", a.Start, a.End, b.Start, b.End, cidr)
}
