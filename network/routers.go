package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

const maxExtraRoutes = 30

// GatewayOptions describe a router's way out.
type GatewayOptions struct {
	NetworkID string // an external network; empty means no gateway
	SNAT      *bool  // nil: true, or what the gateway has
	// FixedIPs are the router's addresses on it; nil means one of each IP version.
	FixedIPs []FixedIP
}

// CreateRouterOptions describe a router.
type CreateRouterOptions struct {
	ID           string // empty: a new one
	Name         string
	Description  string
	Tags         []string
	AdminStateUp *bool // nil: true
	Gateway      *GatewayOptions
	ZoneHints    []string
}

// CreateRouter makes a router.
func (s *Service) CreateRouter(ctx context.Context, projectID string, opts CreateRouterOptions) (Router, error) {
	meta, err := s.fresh(opts.ID, projectID, opts.Name, opts.Description, opts.Tags)
	if err != nil {
		return Router{}, fault.Wrap("network.CreateRouter", err)
	}
	var r Router
	err = s.update(ctx, "CreateRouter", func(tx *state.Tx) error {
		if err := s.checkQuota(tx, projectID, quotaRouter); err != nil {
			return err
		}
		r = Router{Meta: meta, AdminStateUp: orTrue(opts.AdminStateUp), Status: Active, ZoneHints: opts.ZoneHints}
		if opts.Gateway != nil {
			if err := s.setGateway(ctx, tx, &r, *opts.Gateway); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, "router.create.end", "router", &r.Meta)
		return s.t.routers.Insert(tx, r)
	})
	return r, err
}

// GetRouter returns one router.
func (s *Service) GetRouter(_ context.Context, id string) (Router, error) {
	return s.getRouter(s.db.Snapshot(), id)
}

func (s *Service) getRouter(r state.Reader, id string) (Router, error) {
	router, err := s.t.routers.Get(r, id)
	return router, missing(err, "RouterNotFound", "Router %s could not be found", id)
}

// ListRouters returns all routers.
func (s *Service) ListRouters(context.Context) ([]Router, error) {
	return list(s.t.routers.All(s.db.Snapshot())), nil
}

// UpdateRouterOptions change a router; nil leaves a value as it is.
type UpdateRouterOptions struct {
	Labels
	AdminStateUp *bool
	Gateway      *GatewayOptions
	Routes       *[]Route
}

// UpdateRouter changes a router.
func (s *Service) UpdateRouter(ctx context.Context, id string, opts UpdateRouterOptions) (Router, error) {
	return s.changeRouter(ctx, "UpdateRouter", id, func(tx *state.Tx, r *Router) error {
		set(&r.AdminStateUp, opts.AdminStateUp)
		if err := opts.apply(&r.Meta); err != nil {
			return err
		}
		if opts.Gateway != nil {
			if err := s.setGateway(ctx, tx, r, *opts.Gateway); err != nil {
				return err
			}
		}
		if opts.Routes == nil {
			return nil
		}
		return s.setRoutes(tx, r, *opts.Routes)
	})
}

// AddRoutes adds routes to a router; those that it has already stay.
func (s *Service) AddRoutes(ctx context.Context, id string, routes []Route) (Router, error) {
	return s.changeRouter(ctx, "AddRoutes", id, func(tx *state.Tx, r *Router) error {
		all := slices.Clone(r.Routes)
		for _, route := range routes {
			if !slices.Contains(all, route) {
				all = append(all, route)
			}
		}
		return s.setRoutes(tx, r, all)
	})
}

// RemoveRoutes takes routes from a router; those that it has not are ignored.
func (s *Service) RemoveRoutes(ctx context.Context, id string, routes []Route) (Router, error) {
	return s.changeRouter(ctx, "RemoveRoutes", id, func(tx *state.Tx, r *Router) error {
		rest := slices.DeleteFunc(slices.Clone(r.Routes), func(have Route) bool { return slices.Contains(routes, have) })
		return s.setRoutes(tx, r, rest)
	})
}

func (s *Service) changeRouter(ctx context.Context, op, id string, f func(tx *state.Tx, r *Router) error) (Router, error) {
	var r Router
	err := s.update(ctx, op, func(tx *state.Tx) (err error) {
		if r, err = s.getRouter(tx, id); err != nil {
			return err
		}
		if err := f(tx, &r); err != nil {
			return err
		}
		s.touch(&r.Meta)
		s.emit(ctx, tx, "router.update.end", "router", &r.Meta)
		return s.t.routers.Put(tx, r)
	})
	return r, err
}

// DeleteRouter removes a router. Conflict while it has interfaces.
func (s *Service) DeleteRouter(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteRouter", func(tx *state.Tx) error {
		r, err := s.getRouter(tx, id)
		if err != nil {
			return err
		}
		if len(s.interfaces(tx, id)) > 0 {
			return refused(fault.Conflict, "RouterInUse", "Router %s still has ports", id)
		}
		if err := s.setGateway(ctx, tx, &r, GatewayOptions{}); err != nil {
			return err
		}
		s.emit(ctx, tx, "router.delete.end", "router", &r.Meta)
		return s.t.routers.Delete(tx, id)
	})
}

// setGateway gives the router another way out, or none.
func (s *Service) setGateway(ctx context.Context, tx *state.Tx, r *Router, o GatewayOptions) error {
	if old := r.Gateway; old != nil {
		if old.NetworkID == o.NetworkID && o.FixedIPs == nil {
			gw := *old
			set(&gw.SNAT, o.SNAT)
			r.Gateway = &gw
			return nil
		}
		if err := s.dropGateway(ctx, tx, r, o.NetworkID); err != nil {
			return err
		}
	}
	if o.NetworkID == "" {
		return nil
	}
	n, err := s.getNetwork(tx, o.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		return refused(fault.Invalid, "BadRequest", "Bad router request: Network %s is not an external network.", n.ID)
	}
	for _, sub := range s.subnetsOf(tx, n.ID) {
		if err := s.mayJoin(tx, r, &sub); err != nil {
			return err
		}
	}
	p, err := s.insertPort(ctx, tx, "", CreatePortOptions{
		NetworkID: n.ID, DeviceOwner: OwnerRouterGateway, DeviceID: r.ID,
		FixedIPs: o.FixedIPs, SecurityGroups: []string{}, Host: s.cfg.RouterHost,
	})
	if err != nil {
		return err
	}
	r.Gateway = &Gateway{NetworkID: n.ID, PortID: p.ID, FixedIPs: p.FixedIPs, SNAT: orTrue(o.SNAT)}
	return nil
}

// dropGateway takes the way out from the router, which may get one to the network
// next instead. Conflict while floating IPs need it.
func (s *Service) dropGateway(ctx context.Context, tx *state.Tx, r *Router, next string) error {
	for range s.t.floating.Where(tx, s.t.floatBy.router, r.ID) {
		if next != r.Gateway.NetworkID {
			return refused(fault.Conflict, "RouterExternalGatewayInUseByFloatingIp",
				"Gateway cannot be updated for router %s, since a gateway to external network %s is required by one or more floating IPs.",
				r.ID, r.Gateway.NetworkID)
		}
	}
	p, err := s.t.ports.Get(tx, r.Gateway.PortID)
	if err == nil {
		err = s.dropPort(ctx, tx, &p)
	}
	r.Gateway = nil
	return err
}

// mayJoin refuses a subnet that overlaps with another of the router.
func (s *Service) mayJoin(tx *state.Tx, r *Router, sub *Subnet) error {
	for _, other := range s.joined(tx, r) {
		if other.ID == sub.ID {
			return refused(fault.Invalid, "BadRequest", "Bad router request: Router already has a port on subnet %s.", sub.ID)
		}
		if other.CIDR.Overlaps(sub.CIDR) {
			return refused(fault.Invalid, "BadRequest",
				"Bad router request: Cidr %s of subnet %s overlaps with cidr %s of subnet %s.", sub.CIDR, sub.ID, other.CIDR, other.ID)
		}
	}
	return nil
}

// joined gives the subnets of the router's interfaces and of its gateway.
func (s *Service) joined(r state.Reader, router *Router) []Subnet {
	var subnets []Subnet
	for _, p := range s.portsOf(r, router.ID) {
		for _, f := range p.FixedIPs {
			if sub, err := s.t.subnets.Get(r, f.SubnetID); err == nil {
				subnets = append(subnets, sub)
			}
		}
	}
	return subnets
}

// interfaces gives the router's ports other than its gateway.
func (s *Service) interfaces(r state.Reader, routerID string) []Port {
	return slices.DeleteFunc(s.portsOf(r, routerID), func(p Port) bool { return p.DeviceOwner != OwnerRouterInterface })
}

// setRoutes replaces the router's routes: each next hop must be on a subnet that
// the router is on, and not be the router itself.
func (s *Service) setRoutes(tx *state.Tx, r *Router, routes []Route) error {
	if len(routes) > maxExtraRoutes {
		return refused(fault.Invalid, "RoutesExhausted",
			"Unable to complete operation for %s. The number of routes exceeds the maximum %d.", r.ID, maxExtraRoutes)
	}
	subnets := s.joined(tx, r)
	for _, route := range routes {
		reachable := slices.ContainsFunc(subnets, func(sub Subnet) bool { return sub.CIDR.Contains(route.NextHop) })
		if !reachable {
			return badRoute(route, "the nexthop is not connected with router")
		}
		if s.isOwn(tx, r, route.NextHop) {
			return badRoute(route, "the nexthop is used by router")
		}
	}
	r.Routes = routes
	return nil
}

func (s *Service) isOwn(tx *state.Tx, r *Router, a netip.Addr) bool {
	for _, p := range s.portsOf(tx, r.ID) {
		for _, f := range p.FixedIPs {
			if f.Address == a {
				return true
			}
		}
	}
	return false
}

func badRoute(r Route, why string) error {
	return refused(fault.Invalid, "InvalidRoutes", "Invalid format for routes: %s via %s, %s.", r.Destination, r.NextHop, why)
}
