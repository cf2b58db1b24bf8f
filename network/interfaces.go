package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Interface names a router's leg in a network: by its subnet, whose gateway address
// the router takes or has, or by its port.
type Interface struct {
	SubnetID string
	PortID   string
}

// RouterInterface is a router's leg in a network.
type RouterInterface struct {
	RouterID  string
	ProjectID string // of the router
	PortID    string
	NetworkID string
	SubnetIDs []string
}

// AddRouterInterface joins a network to a router, by a subnet or by a port that
// nothing uses.
func (s *Service) AddRouterInterface(ctx context.Context, routerID string, i Interface) (RouterInterface, error) {
	var p Port
	var r Router
	err := s.update(ctx, "AddRouterInterface", func(tx *state.Tx) (err error) {
		if r, err = s.getRouter(tx, routerID); err != nil {
			return err
		}
		switch {
		case (i.SubnetID == "") == (i.PortID == ""):
			return refused(fault.Invalid, "BadRequest",
				"Bad router request: Either subnet_id or port_id must be specified, not both.")
		case i.SubnetID != "":
			p, err = s.joinBySubnet(ctx, tx, &r, i.SubnetID)
		default:
			p, err = s.joinByPort(ctx, tx, &r, i.PortID)
		}
		if err != nil {
			return err
		}
		s.emit(ctx, tx, "router.interface.create", "router", &r.Meta)
		return nil
	})
	return interfaceOf(&r, &p), err
}

func interfaceOf(r *Router, p *Port) RouterInterface {
	i := RouterInterface{RouterID: r.ID, ProjectID: r.ProjectID, PortID: p.ID, NetworkID: p.NetworkID}
	for _, f := range p.FixedIPs {
		i.SubnetIDs = append(i.SubnetIDs, f.SubnetID)
	}
	return i
}

func (s *Service) joinBySubnet(ctx context.Context, tx *state.Tx, r *Router, subnetID string) (Port, error) {
	sub, err := s.getSubnet(tx, subnetID)
	if err != nil {
		return Port{}, err
	}
	if !sub.Gateway.IsValid() {
		return Port{}, refused(fault.Invalid, "BadRequest", "Bad router request: Subnet for router interface must have a gateway IP.")
	}
	if err := s.mayJoin(tx, r, &sub); err != nil {
		return Port{}, err
	}
	return s.insertPort(ctx, tx, r.ProjectID, CreatePortOptions{
		NetworkID: sub.NetworkID, DeviceOwner: OwnerRouterInterface, DeviceID: r.ID,
		FixedIPs: []FixedIP{{sub.ID, sub.Gateway}}, SecurityGroups: []string{}, Host: s.cfg.RouterHost,
	})
}

func (s *Service) joinByPort(ctx context.Context, tx *state.Tx, r *Router, portID string) (Port, error) {
	p, err := s.getPort(tx, portID)
	if err != nil {
		return p, err
	}
	if p.DeviceID != "" {
		return p, portInUse(&p)
	}
	if len(p.FixedIPs) == 0 {
		return p, refused(fault.Invalid, "BadRequest", "Bad router request: Router port must have at least one fixed IP.")
	}
	v4 := 0
	for _, f := range p.FixedIPs {
		sub, err := s.getSubnet(tx, f.SubnetID)
		if err != nil {
			return p, err
		}
		if err := s.mayJoin(tx, r, &sub); err != nil {
			return p, err
		}
		if f.Address.Is4() {
			v4++
		}
	}
	if v4 > 1 {
		return p, refused(fault.Invalid, "BadRequest", "Bad router request: Cannot have multiple IPv4 subnets on router port.")
	}
	p.DeviceID, p.DeviceOwner, p.Host = r.ID, OwnerRouterInterface, s.cfg.RouterHost
	p.SecurityGroups, p.Pairs, p.PortSecurity = nil, nil, false
	return p, s.putPort(ctx, tx, &p)
}

func portInUse(p *Port) error {
	return refused(fault.Conflict, "PortInUse",
		"Unable to complete operation on port %s for network %s. Port already has an attached device %s.", p.ID, p.NetworkID, p.DeviceID)
}

// RemoveRouterInterface takes a network from a router. Its port is removed.
// Conflict while floating IPs or routes of the router need it.
func (s *Service) RemoveRouterInterface(ctx context.Context, routerID string, i Interface) (RouterInterface, error) {
	var p Port
	var r Router
	err := s.update(ctx, "RemoveRouterInterface", func(tx *state.Tx) (err error) {
		if r, err = s.getRouter(tx, routerID); err != nil {
			return err
		}
		if p, err = s.findInterface(tx, &r, i); err != nil {
			return err
		}
		if err := s.mayLeave(tx, &r, &p); err != nil {
			return err
		}
		s.emit(ctx, tx, "router.interface.delete", "router", &r.Meta)
		return s.dropPort(ctx, tx, &p)
	})
	return interfaceOf(&r, &p), err
}

func (s *Service) findInterface(tx *state.Tx, r *Router, i Interface) (Port, error) {
	if i.SubnetID == "" && i.PortID == "" {
		return Port{}, refused(fault.Invalid, "BadRequest", "Bad router request: Either subnet_id or port_id must be specified.")
	}
	for _, p := range s.interfaces(tx, r.ID) {
		on := func(f FixedIP) bool { return f.SubnetID == i.SubnetID }
		if (i.PortID == "" || i.PortID == p.ID) && (i.SubnetID == "" || slices.ContainsFunc(p.FixedIPs, on)) {
			return p, nil
		}
	}
	if i.PortID != "" {
		return Port{}, refused(fault.NotFound, "RouterInterfaceNotFound",
			"Router %s does not have an interface with id %s", r.ID, i.PortID)
	}
	return Port{}, refused(fault.NotFound, "RouterInterfaceNotFoundForSubnet",
		"Router %s has no interface on subnet %s", r.ID, i.SubnetID)
}

func (s *Service) mayLeave(tx *state.Tx, r *Router, p *Port) error {
	for _, f := range p.FixedIPs {
		sub, err := s.getSubnet(tx, f.SubnetID)
		if err != nil {
			return err
		}
		for fip := range s.t.floating.Where(tx, s.t.floatBy.router, r.ID) {
			if sub.CIDR.Contains(fip.Fixed) {
				return refused(fault.Conflict, "RouterInterfaceInUseByFloatingIP",
					"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more floating IPs.", sub.ID, r.ID)
			}
		}
		for _, route := range r.Routes {
			if sub.CIDR.Contains(route.NextHop) {
				return refused(fault.Conflict, "RouterInterfaceInUseByRoute",
					"Router interface for subnet %s on router %s cannot be deleted, as it is required by one or more routes.", sub.ID, r.ID)
			}
		}
	}
	return nil
}
