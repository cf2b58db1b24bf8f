package network

import (
	"context"
	"maps"
	"net/netip"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network/driver"
)

// realise brings one thing on one host to what is recorded, at least as of the
// wanted revision.
func (r *reconciler) realise(ctx context.Context, k key, want uint64) (result, error) {
	if k.kind == kindGroup {
		return r.realiseGroup(k.id), nil
	}
	m, ok := r.s.cfg.Hosts.Get(k.host)
	if !ok {
		return result{seen: want}, nil // the host is no longer ours
	}
	switch k.kind {
	case kindHost:
		return r.realiseHost(ctx, m, k.host)
	case kindNetwork:
		return r.realiseNetwork(ctx, m, k, want)
	case kindPort:
		return r.realisePort(ctx, m, k)
	}
	return r.realiseRouter(ctx, m, k)
}

// realiseHost asks what is on a host, and has all that looked at which is there or
// shall be: so orphans go and losses are made good.
func (r *reconciler) realiseHost(ctx context.Context, m driver.Mechanism, host string) (result, error) {
	about, err := m.Host(ctx)
	if err != nil {
		return result{}, err
	}
	found, err := m.Inventory(ctx)
	if err != nil {
		return result{}, err
	}
	r.mu.Lock()
	r.hosts[host] = about
	r.mu.Unlock()
	snap := r.s.db.Snapshot()
	look := map[key]bool{}
	add := func(kind kind, ids ...string) {
		for _, id := range ids {
			look[key{kind, host, id}] = true
		}
	}
	add(kindNetwork, found.Networks...)
	add(kindPort, found.Ports...)
	add(kindRouter, found.Routers...)
	for p := range r.s.t.ports.Where(snap, r.s.t.portBy.host, host) {
		add(kindNetwork, p.NetworkID)
		add(kindPort, p.ID)
	}
	if host == r.s.cfg.RouterHost {
		for p := range r.s.t.ports.Where(snap, r.s.t.portBy.leg) {
			add(kindNetwork, p.NetworkID)
		}
		for router := range r.s.t.routers.All(snap) {
			add(kindRouter, router.ID)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(look), key.compare) {
		r.redo(k)
	}
	return result{seen: snap.Revision(), present: true}, nil
}

func (r *reconciler) realiseNetwork(ctx context.Context, m driver.Mechanism, k key, want uint64) (result, error) {
	snap, on, err := r.find(ctx, func(snap *state.Snapshot) bool { return r.wanted(snap, k) })
	if err != nil {
		return result{}, err
	}
	if !on {
		return result{seen: snap.Revision()}, m.RemoveNetwork(ctx, k.id)
	}
	spec, err := r.specs.get(k.id, want)
	if err != nil {
		return result{}, err
	}
	n := spec.network
	n.Peers = r.underlays(spec.hosts, k.host)
	if err := m.EnsureNetwork(ctx, n); err != nil {
		return result{}, err
	}
	if p, ok := r.s.dhcpPort(snap, k.id); ok && p.Status != Active {
		err = r.s.settle(ctx, func(tx *state.Tx) error { return r.s.settlePort(ctx, tx, p.ID, k.host, true) })
	}
	return result{seen: min(snap.Revision(), spec.revision), present: true}, err
}

// find returns a snapshot to realise a thing by, and whether the thing shall be. That
// it shall not is believed only of the newest snapshot: another controller may have
// made it a moment ago, and it would be taken from a guest.
func (r *reconciler) find(ctx context.Context, shall func(snap *state.Snapshot) bool) (*state.Snapshot, bool, error) {
	if snap := r.s.db.Snapshot(); shall(snap) {
		return snap, true, nil
	}
	if err := r.s.db.Sync(ctx); err != nil {
		return nil, false, err
	}
	snap := r.s.db.Snapshot()
	return snap, shall(snap), nil
}

// wanted reports whether a network shall be on a host: ports are plugged there, or
// a router leads there.
func (r *reconciler) wanted(snap *state.Snapshot, k key) bool {
	if !r.s.t.networks.Has(snap, k.id) {
		return false
	}
	for range r.s.t.ports.Where(snap, r.s.t.portBy.host, k.host, k.id) {
		return true
	}
	if k.host == r.s.cfg.RouterHost {
		for range r.s.t.ports.Where(snap, r.s.t.portBy.leg, k.id) {
			return true
		}
	}
	return false
}

// underlays gives the underlay addresses of the hosts, but for one.
func (r *reconciler) underlays(hosts []string, but string) []netip.Addr {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []netip.Addr
	for _, h := range hosts {
		if a := r.hosts[h].Underlay; h != but && a.IsValid() {
			all = append(all, a)
		}
	}
	return all
}

func (r *reconciler) realisePort(ctx context.Context, m driver.Mechanism, k key) (result, error) {
	var p Port
	snap, on, err := r.find(ctx, func(snap *state.Snapshot) bool {
		var err error
		p, err = r.s.t.ports.Get(snap, k.id)
		return err == nil && p.Plugged && p.Host == k.host
	})
	if err != nil {
		return result{}, err
	}
	if !on {
		return result{seen: snap.Revision()}, m.RemovePort(ctx, k.id)
	}
	plug, err := m.EnsurePort(ctx, r.portSpec(snap, &p))
	if err != nil {
		if fault.Of(err) == fault.NotFound {
			r.redo(key{kindNetwork, k.host, p.NetworkID})
			err = fault.New(fault.Unavailable, "the network is not on the host yet").Because(err)
		}
		return result{}, err
	}
	if p.Status != p.settled() {
		err = r.s.settle(ctx, func(tx *state.Tx) error { return r.s.settlePort(ctx, tx, p.ID, k.host, p.AdminStateUp) })
	}
	return result{seen: snap.Revision(), present: true, plug: plug}, err
}

// settled is the status of a port that is plugged.
func (p *Port) settled() string {
	if p.AdminStateUp {
		return Active
	}
	return Down
}

func (r *reconciler) realiseRouter(ctx context.Context, m driver.Mechanism, k key) (result, error) {
	var router Router
	snap, on, err := r.find(ctx, func(snap *state.Snapshot) bool {
		var err error
		router, err = r.s.t.routers.Get(snap, k.id)
		return err == nil && k.host == r.s.cfg.RouterHost
	})
	if err != nil {
		return result{}, err
	}
	if !on {
		return result{seen: snap.Revision()}, m.RemoveRouter(ctx, k.id)
	}
	spec := r.s.routerSpec(snap, &router)
	for _, id := range spec.networks() {
		if _, err := r.await(ctx, key{kindNetwork, k.host, id}, snap.Revision()); err != nil {
			return result{}, err
		}
	}
	if err := m.EnsureRouter(ctx, spec.Router); err != nil {
		return result{}, err
	}
	return result{seen: snap.Revision(), present: true}, r.s.settleRouter(ctx, snap, &router)
}

// settle records what has been realised.
func (s *Service) settle(ctx context.Context, f func(tx *state.Tx) error) error {
	return s.update(ctx, "settle", f)
}

// settlePort records that a port is realised, unless it has changed meanwhile.
func (s *Service) settlePort(ctx context.Context, tx *state.Tx, id, host string, up bool) error {
	p, err := s.t.ports.Get(tx, id)
	if err != nil || p.AdminStateUp != up || p.Status == p.settled() || p.Plugged && p.Host != host {
		return nil
	}
	if !p.Plugged && !isServiceOwner(p.DeviceOwner) {
		return nil
	}
	p.Status = p.settled()
	return s.putPort(ctx, tx, &p)
}

// settleRouter records that a router's ports and floating IPs are realised.
func (s *Service) settleRouter(ctx context.Context, snap *state.Snapshot, r *Router) error {
	ports := slices.DeleteFunc(s.portsOf(snap, r.ID), func(p Port) bool { return p.Status == p.settled() })
	var ips []FloatingIP
	for f := range s.t.floating.Where(snap, s.t.floatBy.router, r.ID) {
		if f.Status != Active {
			ips = append(ips, f)
		}
	}
	if len(ports) == 0 && len(ips) == 0 {
		return nil
	}
	return s.settle(ctx, func(tx *state.Tx) error {
		for _, p := range ports {
			if err := s.settlePort(ctx, tx, p.ID, p.Host, p.AdminStateUp); err != nil {
				return err
			}
		}
		for _, seen := range ips {
			f, err := s.t.floating.Get(tx, seen.ID)
			if err != nil || f.RouterID != seen.RouterID || f.Fixed != seen.Fixed || f.PortID != seen.PortID {
				continue
			}
			f.Status = Active
			if err := s.putFloating(ctx, tx, &f); err != nil {
				return err
			}
		}
		return nil
	})
}
