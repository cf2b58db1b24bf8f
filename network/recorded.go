package network

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network/driver"
)

// Recorded is what the mechanisms hold if they hold exactly what was recorded at one
// moment. It is safe for concurrent use and never changes.
type Recorded struct {
	s    *Service
	snap *state.Snapshot
	r    *reconciler // makes specs; it has no other use here
}

// Recorded returns what is recorded now.
func (s *Service) Recorded() *Recorded {
	return &Recorded{s: s, snap: s.db.Snapshot(), r: &reconciler{s: s}}
}

// Network returns a network of a host.
func (w *Recorded) Network(host, id string) (driver.Network, bool) {
	if !w.r.wanted(w.snap, key{kindNetwork, host, id}) {
		return driver.Network{}, false
	}
	spec, err := w.s.networkSpecIn(w.snap, id)
	return spec.network, err == nil
}

// Port returns a port that is plugged on a host.
func (w *Recorded) Port(host, id string) (driver.Port, bool) {
	p, err := w.s.t.ports.Get(w.snap, id)
	if err != nil || !p.Plugged || p.Host != host || p.Status == Build {
		return driver.Port{}, false
	}
	return w.r.portSpec(w.snap, &p), true
}

// Interface returns the address of a port's interface and its MTU; nothing if there is no
// such port.
func (w *Recorded) Interface(portID string) (mac string, mtu int) {
	p, err := w.s.t.ports.Get(w.snap, portID)
	if err != nil {
		return "", 0
	}
	n, _ := w.s.t.networks.Get(w.snap, p.NetworkID) // a port's network is there
	return p.MAC, n.MTU
}

// Router returns a router of a host.
func (w *Recorded) Router(host, id string) (driver.Router, bool) {
	router, err := w.s.t.routers.Get(w.snap, id)
	if err != nil || host != w.s.cfg.RouterHost {
		return driver.Router{}, false
	}
	return w.s.routerSpec(w.snap, &router).Router, true
}

// Networks returns the ids of the networks of a host.
func (w *Recorded) Networks(host string) []string {
	seen := map[string]bool{}
	for p := range w.s.t.ports.Where(w.snap, w.s.t.portBy.host, host) {
		seen[p.NetworkID] = true
	}
	if host == w.s.cfg.RouterHost {
		for p := range w.s.t.ports.Where(w.snap, w.s.t.portBy.leg) {
			seen[p.NetworkID] = true
		}
	}
	return slices.Collect(keys(seen))
}

// Ports returns the ids of the ports that are plugged on a host.
func (w *Recorded) Ports(host string) []string {
	var ids []string
	for p := range w.s.t.ports.Where(w.snap, w.s.t.portBy.host, host) {
		ids = append(ids, p.ID)
	}
	return ids
}

// Routers returns the ids of the routers of a host.
func (w *Recorded) Routers(host string) []string {
	var ids []string
	if host != w.s.cfg.RouterHost {
		return nil
	}
	for r := range w.s.t.routers.All(w.snap) {
		ids = append(ids, r.ID)
	}
	return ids
}

// recordedHosts lists the hosts that shall have a network.
func (s *Service) recordedHosts(r state.Reader, id string) []string {
	var hosts []string
	for p := range s.t.ports.Where(r, s.t.portBy.network, id) { // those of one host come together
		if p.Plugged && (len(hosts) == 0 || hosts[len(hosts)-1] != p.Host) {
			hosts = append(hosts, p.Host)
		}
	}
	for range s.t.ports.Where(r, s.t.portBy.leg, id) {
		if s.cfg.RouterHost != "" && !slices.Contains(hosts, s.cfg.RouterHost) {
			hosts = append(hosts, s.cfg.RouterHost)
		}
		break
	}
	return hosts
}
