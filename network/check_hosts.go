package network

import (
	"context"
	"fmt"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network/driver"
)

// mechanismChecks are about what is on the hosts. What the reconciler has still to
// bring there is left out, unless it has failed to.
func (s *Service) mechanismChecks() []check.Check {
	return []check.Check{
		{
			Name: "network.on-hosts", Run: s.checkHosts,
			Doc: "The mechanism of each host has the ports that are plugged there, their networks and, on the router host, the routers; and nothing else.",
		},
		{
			Name: "network.status", Run: s.checkStatus,
			Doc: "The status of ports and floating IPs says whether they are realised.",
		},
	}
}

func (s *Service) checkHosts(ctx context.Context, l *check.Look) error {
	if err := s.rec.catchUp(ctx, l.State().Revision()); err != nil {
		return err
	}
	for host, m := range s.cfg.Hosts.All() {
		have, err := m.Inventory(ctx)
		if err != nil {
			l.Unanswered("network-host/"+host, err)
			continue
		}
		s.checkHost(l, host, have)
	}
	s.rec.hurry()
	return nil
}

// checkHost compares one host with the record.
func (s *Service) checkHost(l *check.Look, host string, have driver.Inventory) {
	ports, networks, routers := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for p := range s.t.ports.Where(l.State(), s.t.portBy.host, host) {
		ports[p.ID], networks[p.NetworkID] = true, true
	}
	if host == s.cfg.RouterHost {
		for p := range s.t.ports.Where(l.State(), s.t.portBy.leg) {
			networks[p.NetworkID] = true
		}
		for r := range s.t.routers.All(l.State()) {
			routers[r.ID] = true
		}
	}
	s.compare(l, kindPort, host, ports, have.Ports)
	s.compare(l, kindNetwork, host, networks, have.Networks)
	s.compare(l, kindRouter, host, routers, have.Routers)
}

// compare tells what is missing on a host and what is too much there.
func (s *Service) compare(l *check.Look, kind kind, host string, want map[string]bool, have []string) {
	there := make(map[string]bool, len(have))
	for _, id := range have {
		there[id] = true
		if !want[id] {
			s.differs(l, key{kind, host, id}, fmt.Sprintf("is on host %s, but shall not be.", host),
				fmt.Sprintf("Remove it from host %s.", host))
		}
	}
	for id := range want {
		if !there[id] {
			s.differs(l, key{kind, host, id}, fmt.Sprintf("shall be on host %s, but is not.", host),
				"It is tried again and again; see the log for why it fails.")
		}
	}
}

// differs tells of a thing that is not as recorded, unless it is going to be.
func (s *Service) differs(l *check.Look, k key, problem, remedy string) {
	if s.rec.unsettled(k) {
		return
	}
	if err := s.rec.trouble(k); err != nil {
		remedy = fmt.Sprintf("The last try ended in: %v. %s", err, remedy)
	}
	l.FoundMendable(string(k.kind)+"/"+k.id, problem, remedy, func(ctx context.Context) error { return s.redone(ctx, k) })
}

// redone has a thing realised once more, and waits for it.
func (s *Service) redone(ctx context.Context, k key) error {
	s.rec.redo(k)
	_, err := s.rec.await(ctx, k, s.db.Snapshot().Revision())
	return err
}

func (s *Service) checkStatus(_ context.Context, l *check.Look) error {
	for p := range s.t.ports.All(l.State()) {
		want := s.portStatus(&p)
		k := key{kindPort, p.Host, p.ID}
		if want == "" || p.Status == want || p.Plugged && (s.rec.unsettled(k) || s.rec.trouble(k) != nil) {
			continue
		}
		l.FoundMendable("port/"+p.ID, fmt.Sprintf("has the status %s, but should have %s.", p.Status, want),
			"Realise the port once more.", func(ctx context.Context) error { return s.mendStatus(ctx, p.ID) })
	}
	if s.cfg.RouterHost == "" {
		return nil
	}
	for f := range s.t.floating.All(l.State()) {
		k := key{kindRouter, s.cfg.RouterHost, f.RouterID}
		if f.RouterID == "" || f.Status == Active || s.rec.unsettled(k) || s.rec.trouble(k) != nil {
			continue
		}
		l.FoundMendable("floatingip/"+f.ID, fmt.Sprintf("has the status %s, but its router is realised.", f.Status),
			"Realise the router once more.", func(ctx context.Context) error { return s.redone(ctx, k) })
	}
	return nil
}

// portStatus is what the status of a port should be; empty if that is not known from
// its record.
func (s *Service) portStatus(p *Port) string {
	switch {
	case p.DeviceOwner == OwnerFloatingIP:
		return NotApplicable
	case isServiceOwner(p.DeviceOwner):
		return ""
	case p.Plugged:
		return p.settled()
	}
	return Down
}

func (s *Service) mendStatus(ctx context.Context, id string) error {
	p, err := s.t.ports.Get(s.db.Snapshot(), id)
	if err != nil {
		return nil
	}
	if p.Plugged {
		return s.redone(ctx, key{kindPort, p.Host, id})
	}
	return s.update(ctx, "Check", func(tx *state.Tx) error {
		p, err := s.t.ports.Get(tx, id)
		if fault.Of(err) == fault.NotFound || p.Plugged || p.Status == s.portStatus(&p) {
			return nil
		}
		p.Status = s.portStatus(&p)
		return s.putPort(ctx, tx, &p)
	})
}
