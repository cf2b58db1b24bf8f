package network

import (
	"context"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// CreateFloatingIPOptions describe a floating IP.
type CreateFloatingIPOptions struct {
	ID          string     // empty: a new one
	NetworkID   string     // an external network; required
	SubnetID    string     // empty: any of its IPv4 subnets
	Address     netip.Addr // the zero Addr: any
	Description string
	Tags        []string
	PortID      string     // associates it at once
	Fixed       netip.Addr // the port's address; the zero Addr: its only one
}

// CreateFloatingIP takes an address of an external network.
func (s *Service) CreateFloatingIP(ctx context.Context, projectID string, opts CreateFloatingIPOptions) (FloatingIP, error) {
	meta, err := s.fresh(opts.ID, projectID, "", opts.Description, opts.Tags)
	if err != nil {
		return FloatingIP{}, fault.Wrap("network.CreateFloatingIP", err)
	}
	var f FloatingIP
	err = s.update(ctx, "CreateFloatingIP", func(tx *state.Tx) error {
		f = FloatingIP{Meta: meta, NetworkID: opts.NetworkID, Status: Down}
		if err := s.checkQuota(tx, projectID, quotaFloating); err != nil {
			return err
		}
		if err := s.holdAddress(ctx, tx, &f, opts); err != nil {
			return err
		}
		if opts.PortID != "" {
			if err := s.associate(tx, &f, opts.PortID, opts.Fixed); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, "floatingip.create.end", "floatingip", &f.Meta)
		return s.t.floating.Insert(tx, f)
	})
	return f, err
}

// holdAddress makes the port that holds the floating IP's address.
func (s *Service) holdAddress(ctx context.Context, tx *state.Tx, f *FloatingIP, o CreateFloatingIPOptions) error {
	n, err := s.getNetwork(tx, o.NetworkID)
	if err != nil {
		return err
	}
	if !n.External {
		return refused(fault.Invalid, "BadRequest",
			"Bad floatingip request: Network %s is not a valid external network.", n.ID)
	}
	want, err := s.wantedHold(tx, o)
	if err != nil {
		return err
	}
	p, err := s.insertPort(ctx, tx, "", CreatePortOptions{
		NetworkID: n.ID, DeviceOwner: OwnerFloatingIP, DeviceID: f.ID,
		FixedIPs: want, SecurityGroups: []string{},
	})
	if err != nil {
		return err
	}
	p.Status = NotApplicable
	f.HolderID, f.SubnetID, f.Address = p.ID, p.FixedIPs[0].SubnetID, p.FixedIPs[0].Address
	return s.t.ports.Put(tx, p)
}

// wantedHold says which address the holder shall ask for: the wanted one, or one of
// the first IPv4 subnet that has one left.
func (s *Service) wantedHold(tx *state.Tx, o CreateFloatingIPOptions) ([]FixedIP, error) {
	if o.SubnetID != "" || o.Address.IsValid() {
		return []FixedIP{{o.SubnetID, o.Address}}, nil
	}
	last := refused(fault.Invalid, "BadRequest",
		"Bad floatingip request: Network %s does not contain any IPv4 subnet.", o.NetworkID)
	for _, sub := range s.subnetsOf(tx, o.NetworkID) {
		if sub.IPVersion() != 4 || !sub.serves(OwnerFloatingIP) {
			continue
		}
		a, err := s.pick(tx, &sub)
		if err == nil {
			return []FixedIP{{sub.ID, a}}, nil
		}
		last = err
	}
	return nil, last
}

// associate makes the floating IP stand for an address of a port.
func (s *Service) associate(tx *state.Tx, f *FloatingIP, portID string, fixed netip.Addr) error {
	p, err := s.getPort(tx, portID)
	if err != nil {
		return err
	}
	at, err := fixedFor(&p, fixed)
	if err != nil {
		return err
	}
	if other, taken := s.t.floating.Find(tx, s.t.floatBy.fixed, p.ID, addressKey(at.Address)); taken && other.ID != f.ID {
		return refused(fault.Conflict, "FloatingIPPortAlreadyAssociated",
			"Cannot associate floating IP %s (%s) with port %s using fixed IP %s, as that fixed IP already has a floating IP on external network %s.",
			f.Address, f.ID, p.ID, at.Address, other.NetworkID)
	}
	router, err := s.routerBetween(tx, at.SubnetID, f.NetworkID)
	if err != nil {
		return refused(fault.NotFound, "ExternalGatewayForFloatingIPNotFound",
			"External network %s is not reachable from subnet %s. Therefore, cannot associate Port %s with a Floating IP.",
			f.NetworkID, at.SubnetID, p.ID)
	}
	if f.PortID != p.ID || f.Fixed != at.Address || f.RouterID != router {
		f.Status = Down // until the router has it
	}
	f.PortID, f.Fixed, f.RouterID = p.ID, at.Address, router
	return nil
}

// fixedFor picks the address of a port that a floating IP shall stand for.
func fixedFor(p *Port, want netip.Addr) (FixedIP, error) {
	v4 := slices.DeleteFunc(slices.Clone(p.FixedIPs), func(f FixedIP) bool {
		return !f.Address.Is4() || want.IsValid() && f.Address != want
	})
	switch {
	case len(v4) == 1:
		return v4[0], nil
	case want.IsValid():
		return FixedIP{}, refused(fault.Invalid, "BadRequest",
			"Bad floatingip request: Port %s does not have fixed ip %s.", p.ID, want)
	case len(v4) == 0:
		return FixedIP{}, refused(fault.Invalid, "BadRequest",
			"Bad floatingip request: Cannot add floating IP to port %s that has no fixed IPv4 addresses.", p.ID)
	}
	return FixedIP{}, refused(fault.Invalid, "BadRequest",
		"Bad floatingip request: Port %s has multiple fixed IPv4 addresses.  Must provide a specific IPv4 address when assigning a floating IP.", p.ID)
}

// routerBetween finds the router that leads from a subnet to an external network.
func (s *Service) routerBetween(r state.Reader, subnetID, externalID string) (string, error) {
	for p := range s.t.ports.Where(r, s.t.portBy.leg, s.networkOf(r, subnetID)) {
		if p.DeviceOwner != OwnerRouterInterface {
			continue
		}
		on := func(f FixedIP) bool { return f.SubnetID == subnetID }
		router, err := s.t.routers.Get(r, p.DeviceID)
		if err == nil && slices.ContainsFunc(p.FixedIPs, on) && router.Gateway != nil && router.Gateway.NetworkID == externalID {
			return router.ID, nil
		}
	}
	return "", fault.NotFound
}

func (s *Service) networkOf(r state.Reader, subnetID string) string {
	sub, _ := s.t.subnets.Get(r, subnetID)
	return sub.NetworkID
}

// GetFloatingIP returns one floating IP.
func (s *Service) GetFloatingIP(_ context.Context, id string) (FloatingIP, error) {
	return s.getFloatingIP(s.db.Snapshot(), id)
}

func (s *Service) getFloatingIP(r state.Reader, id string) (FloatingIP, error) {
	f, err := s.t.floating.Get(r, id)
	return f, missing(err, "FloatingIPNotFound", "Floating IP %s could not be found", id)
}

// ListFloatingIPs returns all floating IPs.
func (s *Service) ListFloatingIPs(context.Context) ([]FloatingIP, error) {
	return list(s.t.floating.All(s.db.Snapshot())), nil
}

// UpdateFloatingIPOptions change a floating IP; nil leaves a value as it is.
type UpdateFloatingIPOptions struct {
	Description *string
	PortID      *string    // "" disassociates it
	Fixed       netip.Addr // with PortID: the zero Addr means its only one
}

// UpdateFloatingIP changes what a floating IP stands for.
func (s *Service) UpdateFloatingIP(ctx context.Context, id string, opts UpdateFloatingIPOptions) (FloatingIP, error) {
	var f FloatingIP
	err := s.update(ctx, "UpdateFloatingIP", func(tx *state.Tx) (err error) {
		if f, err = s.getFloatingIP(tx, id); err != nil {
			return err
		}
		if err := (Labels{Description: opts.Description}).apply(&f.Meta); err != nil {
			return err
		}
		if opts.PortID != nil {
			if *opts.PortID == "" {
				f.release()
			} else if err := s.associate(tx, &f, *opts.PortID, opts.Fixed); err != nil {
				return err
			}
		}
		return s.putFloating(ctx, tx, &f)
	})
	return f, err
}

func (f *FloatingIP) release() {
	f.PortID, f.Fixed, f.RouterID, f.Status = "", netip.Addr{}, "", Down
}

func (s *Service) putFloating(ctx context.Context, tx *state.Tx, f *FloatingIP) error {
	s.touch(&f.Meta)
	s.emit(ctx, tx, "floatingip.update.end", "floatingip", &f.Meta)
	return s.t.floating.Put(tx, *f)
}

// looseFloating takes the floating IPs from a port that stand for addresses which
// it is not going to keep.
func (s *Service) looseFloating(ctx context.Context, tx *state.Tx, p *Port, keep []FixedIP) error {
	for f := range s.t.floating.Where(tx, s.t.floatBy.fixed, p.ID) {
		kept := func(k FixedIP) bool { return k.Address == f.Fixed }
		if slices.ContainsFunc(keep, kept) {
			continue
		}
		f.release()
		if err := s.putFloating(ctx, tx, &f); err != nil {
			return err
		}
	}
	return nil
}

// DeleteFloatingIP gives the address back.
func (s *Service) DeleteFloatingIP(ctx context.Context, id string) error {
	return s.update(ctx, "DeleteFloatingIP", func(tx *state.Tx) error {
		f, err := s.getFloatingIP(tx, id)
		if err != nil {
			return err
		}
		if holder, err := s.t.ports.Get(tx, f.HolderID); err == nil {
			if err := s.dropPort(ctx, tx, &holder); err != nil {
				return err
			}
		}
		s.emit(ctx, tx, "floatingip.delete.end", "floatingip", &f.Meta)
		return s.t.floating.Delete(tx, id)
	})
}
