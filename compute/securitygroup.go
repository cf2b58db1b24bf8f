package compute

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
)

// AddSecurityGroup puts all ports of a server into a security group, by name or id.
func (s *Service) AddSecurityGroup(ctx context.Context, id, nameOrID string) error {
	return s.regroup(ctx, "compute.AddSecurityGroup", id, nameOrID, func(has bool) error {
		if has {
			return fault.New(fault.Conflict, "Security group %s is already associated with the instance %s", nameOrID, id)
		}
		return nil
	}, func(groups []string, g string) []string {
		if slices.Contains(groups, g) {
			return groups
		}
		return append(slices.Clone(groups), g)
	})
}

// RemoveSecurityGroup takes all ports of a server out of a security group.
func (s *Service) RemoveSecurityGroup(ctx context.Context, id, nameOrID string) error {
	return s.regroup(ctx, "compute.RemoveSecurityGroup", id, nameOrID, func(has bool) error {
		if !has {
			return fault.New(fault.NotFound, "Security group %s not associated with the instance %s", nameOrID, id)
		}
		return nil
	}, func(groups []string, g string) []string {
		return slices.DeleteFunc(slices.Clone(groups), func(other string) bool { return other == g })
	})
}

// regroup changes the security groups of all ports of a server.
func (s *Service) regroup(ctx context.Context, op, id, nameOrID string, check func(has bool) error, change func([]string, string) []string) error {
	server, err := s.GetServer(ctx, id)
	if err != nil {
		return fault.Wrap(op, err)
	}
	if err := checkLock(ctx, &server); err != nil {
		return fault.Wrap(op, err)
	}
	g, err := s.cfg.Networks.FindSecurityGroup(ctx, server.ProjectID, nameOrID)
	if err != nil {
		return fault.Wrap(op, fault.New(fault.NotFound, "Security group %s not found for project %s.", nameOrID, server.ProjectID).Because(err))
	}
	ports, err := s.cfg.Networks.PortsOf(ctx, id)
	if err != nil {
		return fault.Wrap(op, err)
	}
	has := slices.ContainsFunc(ports, func(p network.Port) bool { return slices.Contains(p.SecurityGroups, g.ID) })
	if err := check(has); err != nil {
		return fault.Wrap(op, err)
	}
	for _, p := range ports {
		groups := change(p.SecurityGroups, g.ID)
		if _, err := s.cfg.Networks.UpdatePort(ctx, p.ID, network.UpdatePortOptions{SecurityGroups: &groups}); err != nil {
			return fault.Wrap(op, err)
		}
	}
	_, err = s.update(ctx, op, id, func(_ *state.Tx, server *Server) error {
		ref := SecurityGroupRef{ID: g.ID, Name: g.Name}
		rest := slices.DeleteFunc(slices.Clone(server.SecurityGroups), func(r SecurityGroupRef) bool {
			return r.ID == g.ID || r.ID == "" && r.Name == g.Name
		})
		if !has {
			rest = append(rest, ref)
		}
		server.SecurityGroups = rest
		return nil
	})
	return err
}

// ServerPorts returns the ports of a server in order of creation.
func (s *Service) ServerPorts(ctx context.Context, id string) ([]network.Port, error) {
	if s.cfg.Networks == nil {
		return nil, nil
	}
	ports, err := s.cfg.Networks.PortsOf(ctx, id)
	return ports, fault.Wrap("compute.ServerPorts", err)
}
