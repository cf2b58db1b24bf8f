package network

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// PurgeProject removes all that a project has: for when the project is deleted.
// What others use of it (ports on its shared networks) stays, with what that needs,
// and is an error; the call may be repeated.
func (s *Service) PurgeProject(ctx context.Context, projectID string) error {
	if projectID == "" {
		return fault.Wrap("network.PurgeProject", fault.New(fault.Invalid, "a project is required"))
	}
	p := &purge{s: s, ctx: ctx, project: projectID}
	for _, step := range []func() error{p.floating, p.routers, p.ports, p.networks, p.groups, p.pools} {
		if err := step(); err != nil {
			return fault.Wrap("network.PurgeProject", err)
		}
	}
	return s.ResetQuotas(ctx, projectID)
}

type purge struct {
	s       *Service
	ctx     context.Context
	project string
}

// gone forgives that a thing is no longer there.
func gone(err error) error {
	if fault.Of(err) == fault.NotFound {
		return nil
	}
	return err
}

func (p *purge) floating() error {
	for f := range p.s.t.floating.Where(p.s.db.Snapshot(), p.s.t.floatBy.project, p.project) {
		if err := gone(p.s.DeleteFloatingIP(p.ctx, f.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (p *purge) routers() error {
	snap := p.s.db.Snapshot()
	for r := range p.s.t.routers.Where(snap, p.s.t.routerBy.project, p.project) {
		if _, err := p.s.UpdateRouter(p.ctx, r.ID, UpdateRouterOptions{Routes: &[]Route{}}); gone(err) != nil {
			return err
		}
		for _, leg := range p.s.interfaces(snap, r.ID) {
			if _, err := p.s.RemoveRouterInterface(p.ctx, r.ID, Interface{PortID: leg.ID}); gone(err) != nil {
				return err
			}
		}
		if err := gone(p.s.DeleteRouter(p.ctx, r.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (p *purge) ports() error {
	for port := range p.s.t.ports.Where(p.s.db.Snapshot(), p.s.t.portBy.project, p.project) {
		if port.DeviceOwner == OwnerDHCP {
			continue
		}
		if err := gone(p.s.DeletePort(p.ctx, port.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (p *purge) networks() error {
	snap := p.s.db.Snapshot()
	for n := range p.s.t.networks.Where(snap, p.s.t.networkBy.project, p.project) {
		if err := gone(p.s.DeleteNetwork(p.ctx, n.ID)); err != nil {
			return err
		}
	}
	for sub := range p.s.t.subnets.Where(snap, p.s.t.subnetBy.project, p.project) {
		if err := gone(p.s.DeleteSubnet(p.ctx, sub.ID)); err != nil {
			return err
		}
	}
	return nil
}

func (p *purge) groups() error {
	for g := range p.s.t.groups.Where(p.s.db.Snapshot(), p.s.t.groupBy.project, p.project) {
		if err := gone(p.s.DeleteSecurityGroup(p.ctx, g.ID, &DeleteSecurityGroupOptions{Default: true})); err != nil {
			return err
		}
	}
	return nil
}

func (p *purge) pools() error {
	snap := p.s.db.Snapshot()
	for pool := range p.s.t.pools.Where(snap, p.s.t.poolBy.project, p.project) {
		if err := gone(p.s.DeleteSubnetPool(p.ctx, pool.ID)); err != nil {
			return err
		}
	}
	for scope := range p.s.t.scopes.Where(snap, p.s.t.scopeBy.project, p.project) {
		if err := gone(p.s.DeleteAddressScope(p.ctx, scope.ID)); err != nil {
			return err
		}
	}
	return nil
}
