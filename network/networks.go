package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// The types of networks.
const (
	TypeVXLAN = "vxlan"
	TypeFlat  = "flat"
)

const (
	minMTU     = 68
	maxMTU     = 9000
	maxSegment = 1<<24 - 1
)

// CreateNetworkOptions describe a network.
type CreateNetworkOptions struct {
	ID           string // empty: a new one
	Name         string
	Description  string
	Tags         []string
	AdminStateUp *bool // nil: true
	Shared       bool
	External     bool
	IsDefault    bool
	MTU          int // 0: Config.MTU
	// Type is TypeVXLAN or TypeFlat; empty means flat where Physical is set.
	Type         string
	Physical     string
	Segment      uint32 // 0: a free one
	PortSecurity *bool  // nil: true
	DNSDomain    string
	ZoneHints    []string
}

// CreateNetwork makes a network.
func (s *Service) CreateNetwork(ctx context.Context, projectID string, opts CreateNetworkOptions) (Network, error) {
	n, err := s.newNetwork(projectID, opts)
	if err != nil {
		return Network{}, fault.Wrap("network.CreateNetwork", err)
	}
	err = s.update(ctx, "CreateNetwork", func(tx *state.Tx) error {
		if err := s.checkQuota(tx, projectID, quotaNetwork); err != nil {
			return err
		}
		if err := s.takeSegment(tx, &n, opts.Segment); err != nil {
			return err
		}
		if _, err := s.ensureDefaultGroup(ctx, tx, projectID); err != nil {
			return err
		}
		s.emit(ctx, tx, "network.create.end", "network", &n.Meta)
		return s.t.networks.Insert(tx, n)
	})
	return n, err
}

func (s *Service) newNetwork(projectID string, o CreateNetworkOptions) (Network, error) {
	meta, err := s.fresh(o.ID, projectID, o.Name, o.Description, o.Tags)
	if err != nil {
		return Network{}, err
	}
	n := Network{
		Meta: meta, AdminStateUp: orTrue(o.AdminStateUp), Shared: o.Shared, External: o.External,
		IsDefault: o.IsDefault, MTU: o.MTU, Type: o.Type, Physical: o.Physical,
		PortSecurity: orTrue(o.PortSecurity), DNSDomain: o.DNSDomain, ZoneHints: o.ZoneHints,
	}
	if n.MTU == 0 {
		n.MTU = s.cfg.MTU
	}
	if n.External && n.Physical == "" && n.Type == "" {
		n.Physical = s.cfg.ExternalPhysical
	}
	if n.Type == "" {
		n.Type = TypeVXLAN
		if n.Physical != "" {
			n.Type = TypeFlat
		}
	}
	return n, s.checkNetwork(&n, o.Segment)
}

func (s *Service) checkNetwork(n *Network, segment uint32) error {
	switch {
	case n.MTU < minMTU || n.MTU > maxMTU:
		return invalid("Invalid input for mtu. Reason: '%d' is not between %d and %d.", n.MTU, minMTU, maxMTU)
	case n.Type != TypeVXLAN && n.Type != TypeFlat:
		return invalid("Invalid input for operation: provider:network_type %s is not supported.", n.Type)
	case n.Type == TypeFlat && n.Physical == "":
		return invalid("Invalid input for operation: physical_network required for flat provider network.")
	case n.Type == TypeFlat && segment != 0:
		return invalid("Invalid input for operation: segmentation_id prohibited for flat provider network.")
	case n.Type == TypeVXLAN && n.Physical != "":
		return invalid("Invalid input for operation: physical_network prohibited for vxlan provider network.")
	case segment > maxSegment:
		return invalid("Invalid input for operation: segmentation_id %d is not between 1 and %d.", segment, maxSegment)
	}
	for _, z := range n.ZoneHints {
		if z != s.cfg.Zone {
			return refused(fault.NotFound, "AvailabilityZoneNotFound", "AvailabilityZone %s could not be found.", z)
		}
	}
	return nil
}

// takeSegment gives the network a VNI: the wanted one, or a random free one, so
// that networks made at once do not contend for the same.
func (s *Service) takeSegment(tx *state.Tx, n *Network, want uint32) error {
	if want != 0 {
		if _, taken := s.t.networks.Find(tx, s.t.networkBy.segment, segmentKey(want)); taken {
			return refused(fault.Conflict, "TunnelIdInUse", "Unable to create the network. The tunnel ID %d is in use.", want)
		}
		n.Segment = want
		return nil
	}
	for range probes {
		n.Segment = uint32(1 + s.ids.Int64N(maxSegment))
		if _, taken := s.t.networks.Find(tx, s.t.networkBy.segment, segmentKey(n.Segment)); !taken {
			return nil
		}
	}
	return refused(fault.Exhausted, "NoNetworkAvailable", "Unable to create the network. No tenant network is available for allocation.")
}

// GetNetwork returns one network.
func (s *Service) GetNetwork(_ context.Context, id string) (Network, error) {
	return s.getNetwork(s.db.Snapshot(), id)
}

func (s *Service) getNetwork(r state.Reader, id string) (Network, error) {
	n, err := s.t.networks.Get(r, id)
	return n, missing(err, "NetworkNotFound", "Network %s could not be found.", id)
}

// ListNetworks returns all networks.
func (s *Service) ListNetworks(context.Context) ([]Network, error) {
	return list(s.t.networks.All(s.db.Snapshot())), nil
}

// VisibleNetworks returns the networks on which a server of the project may be
// booted: its own and the shared ones, without external ones, oldest first.
func (s *Service) VisibleNetworks(_ context.Context, projectID string) ([]Network, error) {
	snap := s.db.Snapshot()
	nets := list(s.t.networks.Where(snap, s.t.networkBy.project, projectID))
	for n := range s.t.networks.Where(snap, s.t.networkBy.shared) {
		if n.ProjectID != projectID {
			nets = append(nets, n)
		}
	}
	nets = slices.DeleteFunc(nets, func(n Network) bool { return n.External })
	slices.SortFunc(nets, func(a, b Network) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return nets, nil
}

// UpdateNetworkOptions change a network; nil leaves a value as it is.
type UpdateNetworkOptions struct {
	Labels
	AdminStateUp *bool
	Shared       *bool
	External     *bool
	IsDefault    *bool
	MTU          *int
	PortSecurity *bool
	DNSDomain    *string
}

// UpdateNetwork changes a network.
func (s *Service) UpdateNetwork(ctx context.Context, id string, opts UpdateNetworkOptions) (Network, error) {
	var n Network
	err := s.update(ctx, "UpdateNetwork", func(tx *state.Tx) (err error) {
		if n, err = s.getNetwork(tx, id); err != nil {
			return err
		}
		if err := s.mayUnshare(tx, &n, opts); err != nil {
			return err
		}
		set(&n.AdminStateUp, opts.AdminStateUp)
		set(&n.Shared, opts.Shared)
		set(&n.External, opts.External)
		set(&n.IsDefault, opts.IsDefault)
		set(&n.MTU, opts.MTU)
		set(&n.PortSecurity, opts.PortSecurity)
		set(&n.DNSDomain, opts.DNSDomain)
		if err := opts.apply(&n.Meta); err != nil {
			return err
		}
		if err := s.checkNetwork(&n, 0); err != nil {
			return err
		}
		s.touch(&n.Meta)
		s.emit(ctx, tx, "network.update.end", "network", &n.Meta)
		return s.t.networks.Put(tx, n)
	})
	return n, err
}

// mayUnshare refuses to take a network away from those who use it.
func (s *Service) mayUnshare(tx *state.Tx, n *Network, opts UpdateNetworkOptions) error {
	unshare := n.Shared && opts.Shared != nil && !*opts.Shared
	seal := n.External && opts.External != nil && !*opts.External
	if !unshare && !seal {
		return nil
	}
	for p := range s.t.ports.Where(tx, s.t.portBy.network, n.ID) {
		outside := p.DeviceOwner == OwnerRouterGateway || p.DeviceOwner == OwnerFloatingIP
		if seal && outside {
			return refused(fault.Conflict, "ExternalNetworkInUse",
				"External network %s cannot be updated to be made non-external, since it has existing gateway ports.", n.ID)
		}
		if unshare && !outside && p.ProjectID != n.ProjectID {
			return refused(fault.Conflict, "InvalidSharedSetting",
				"Unable to reconfigure sharing settings for network %s. Multiple tenants are using it.", n.ID)
		}
	}
	return nil
}

// DeleteNetwork removes a network with its subnets. Conflict while it has ports
// other than those that serve DHCP.
func (s *Service) DeleteNetwork(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteNetwork", func(tx *state.Tx) error {
		n, err := s.getNetwork(tx, id)
		if err != nil {
			return err
		}
		for p := range s.t.ports.Where(tx, s.t.portBy.network, id) {
			if p.DeviceOwner != OwnerDHCP {
				return refused(fault.Conflict, "NetworkInUse",
					"Unable to complete operation on network %s. There are one or more ports still in use on the network.", id)
			}
		}
		for p := range s.t.ports.Where(tx, s.t.portBy.network, id) {
			if err := s.dropPort(ctx, tx, &p); err != nil {
				return err
			}
		}
		for sub := range s.t.subnets.Where(tx, s.t.subnetBy.network, id) {
			if err := s.dropSubnet(ctx, tx, &sub); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, "network.delete.end", "network", &n.Meta)
		return s.t.networks.Delete(tx, id)
	})
}

// SubnetsOf returns the subnets of a network, oldest first.
func (s *Service) SubnetsOf(_ context.Context, networkID string) ([]Subnet, error) {
	return s.subnetsOf(s.db.Snapshot(), networkID), nil
}

func (s *Service) subnetsOf(r state.Reader, networkID string) []Subnet {
	return list(s.t.subnets.Where(r, s.t.subnetBy.network, networkID))
}

// missing words the NotFound error of a resource as Neutron does; other errors
// stay as they are.
func missing(err error, code, format string, args ...any) error {
	if fault.Of(err) != fault.NotFound {
		return err
	}
	return refused(fault.NotFound, code, format, args...)
}
