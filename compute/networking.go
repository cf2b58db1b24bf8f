package compute

import (
	"context"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

// networksOf resolves the interfaces and security groups of the servers that are to
// be made.
func (s *Service) networksOf(ctx context.Context, t *Server, o *CreateServerOptions) error {
	if s.cfg.Networks == nil || o.Networking == NetworksNone {
		if o.Networking == NetworksGiven && len(o.Networks) > 0 {
			return fault.New(fault.Unsupported, "this cloud has no network service")
		}
		return nil
	}
	var err error
	if o.Networking == NetworksGiven {
		t.NICs, err = s.givenNICs(ctx, t.ProjectID, o)
	} else {
		t.NICs, err = s.defaultNICs(ctx, t.ProjectID, o.Networking)
	}
	if err != nil {
		return err
	}
	t.SecurityGroups, err = s.securityGroups(ctx, t, o.SecurityGroups)
	return err
}

// defaultNICs is an interface on the project's only network.
func (s *Service) defaultNICs(ctx context.Context, projectID string, how NetworkMode) ([]NIC, error) {
	networks, err := s.cfg.Networks.VisibleNetworks(ctx, projectID)
	switch {
	case err != nil:
		return nil, err
	case len(networks) == 0 && how == NetworksAuto:
		return nil, fault.New(fault.Invalid, "Unable to automatically allocate a network for project %s", projectID)
	case len(networks) == 0:
		return nil, nil
	case len(networks) > 1:
		return nil, fault.New(fault.Conflict, "Multiple possible networks found, use a Network ID to be more specific.")
	}
	return []NIC{{NetworkID: networks[0].ID, Owned: true}}, nil
}

func (s *Service) givenNICs(ctx context.Context, projectID string, o *CreateServerOptions) ([]NIC, error) {
	visible, err := s.cfg.Networks.VisibleNetworks(ctx, projectID)
	if err != nil {
		return nil, err
	}
	nics := make([]NIC, 0, len(o.Networks))
	for _, n := range o.Networks {
		if n.PortID != "" {
			if o.MaxCount > 1 {
				return nil, fault.New(fault.Invalid, "Unable to launch multiple instances with a single configured port ID. Please launch your instance one by one with different ports.")
			}
			nic, err := s.portNIC(ctx, projectID, n)
			if err != nil {
				return nil, err
			}
			nics = append(nics, nic)
			continue
		}
		nic, err := s.networkNIC(visible, n, o.MaxCount)
		if err != nil {
			return nil, err
		}
		nics = append(nics, nic)
	}
	return nics, nil
}

// networkNIC is an interface whose port is yet to be made.
func (s *Service) networkNIC(visible []network.Network, n NetworkRequest, count int) (NIC, error) {
	if !slices.ContainsFunc(visible, func(v network.Network) bool { return v.ID == n.NetworkID }) {
		return NIC{}, fault.New(fault.Invalid, "Network %s could not be found.", n.NetworkID)
	}
	if n.FixedIP != "" {
		if _, err := netip.ParseAddr(n.FixedIP); err != nil {
			return NIC{}, fault.New(fault.Invalid, "Invalid fixed IP address (%s)", n.FixedIP)
		}
		if count > 1 {
			return NIC{}, fault.New(fault.Invalid, "max_count cannot be greater than 1 if an fixed_ip is specified.")
		}
	}
	return NIC{NetworkID: n.NetworkID, FixedIP: n.FixedIP, Owned: true, Tag: n.Tag}, nil
}

// portNIC is an interface with a port of the user's.
func (s *Service) portNIC(ctx context.Context, projectID string, n NetworkRequest) (NIC, error) {
	port, err := s.cfg.Networks.GetPort(ctx, n.PortID)
	if err != nil || port.ProjectID != projectID {
		return NIC{}, fault.New(fault.Invalid, "Port id %s could not be found.", n.PortID)
	}
	if port.DeviceID != "" {
		return NIC{}, fault.New(fault.Conflict, "Port %s is still in use.", n.PortID)
	}
	return NIC{PortID: port.ID, NetworkID: port.NetworkID, Tag: n.Tag}, nil
}

// securityGroups resolves the groups of the ports that will be made.
func (s *Service) securityGroups(ctx context.Context, t *Server, names []string) ([]SecurityGroupRef, error) {
	if len(t.NICs) == 0 {
		return nil, nil
	}
	if len(names) == 0 {
		names = []string{"default"}
	}
	var groups []SecurityGroupRef
	for _, name := range names {
		g, err := s.cfg.Networks.FindSecurityGroup(ctx, t.ProjectID, name)
		switch {
		case fault.Of(err) == fault.NotFound && name == "default":
			// The network service makes it with the project's first port.
			groups = append(groups, SecurityGroupRef{Name: name})
		case err != nil:
			return nil, fault.New(fault.Invalid, "Unable to find security_group with name or id '%s'", name).Because(err)
		case !slices.Contains(groups, SecurityGroupRef{ID: g.ID, Name: g.Name}):
			groups = append(groups, SecurityGroupRef{ID: g.ID, Name: g.Name})
		}
	}
	return groups, nil
}

// portOptions describe the port of an interface that the server owns.
func (s *Server) portOptions(n NIC) network.CreatePortOptions {
	opts := network.CreatePortOptions{
		ID: n.PortID, NetworkID: n.NetworkID, DeviceID: s.ID, DeviceOwner: deviceOwner, Host: s.Host,
	}
	for _, g := range s.SecurityGroups {
		if g.ID != "" {
			opts.SecurityGroups = append(opts.SecurityGroups, g.ID)
		}
	}
	if addr, err := netip.ParseAddr(n.FixedIP); err == nil {
		opts.FixedIPs = []network.FixedIP{{Address: addr}}
	}
	return opts
}

// deviceOwner is what ports of servers say of their owner.
const deviceOwner = "compute:nova"
