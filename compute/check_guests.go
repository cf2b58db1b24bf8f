package compute

import (
	"context"
	"fmt"
	"slices"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

// guestChecks are about what the hypervisors have, and what ports say of servers.
func (s *Service) guestChecks() []check.Check {
	return []check.Check{
		{
			Name: "compute.guest", Run: s.checkGuests,
			Doc: "Each host has a guest for every server there that is not in error, and no others.",
		},
		{
			Name: "compute.power", Run: s.eachGuest(s.checkPower),
			Doc: "The power of a guest is as the state of its server says.",
		},
		{
			Name: "compute.devices", Run: s.eachGuest(s.checkDevices),
			Doc: "A guest has the interfaces and volumes of its server, and no others.",
		},
		{
			Name: "compute.ports", Run: s.checkPorts,
			Doc: "The ports of a server with a guest exist, are the server's and are plugged on its host.",
		},
	}
}

// guests lists the guests of all hosts that answer.
func (s *Service) guests(ctx context.Context, l *check.Look, f func(host string, hv driver.Hypervisor, guests []driver.Guest)) {
	for host, hv := range s.hypervisors.All() {
		guests, err := hv.List(ctx)
		if err != nil {
			l.Unanswered("host/"+host, err)
			continue
		}
		f(host, hv, guests)
	}
}

func (s *Service) checkGuests(ctx context.Context, l *check.Look) error {
	s.guests(ctx, l, func(host string, hv driver.Hypervisor, guests []driver.Guest) {
		there := make(map[string]bool, len(guests))
		for _, g := range guests {
			there[g.ID] = true
			server, err := s.servers.Get(l.State(), g.ID)
			if err == nil && server.Host == host || l.Busy("server", g.ID) {
				continue
			}
			l.FoundMendable("guest/"+g.ID, fmt.Sprintf("is on host %s, but no server is recorded there for it.", host),
				fmt.Sprintf("Destroy it on host %s.", host),
				func(ctx context.Context) error { return s.dropGuest(ctx, host, hv, g.ID) })
		}
		for server := range s.servers.Where(l.State(), s.serverBy.host, host) {
			if there[server.ID] || !hasGuest(server.VMState) || l.Busy("server", server.ID) {
				continue
			}
			l.FoundMendable("server/"+server.ID, fmt.Sprintf("is %s on host %s, but has no guest there.", server.VMState, host),
				"Delete the server: its guest is lost. Mending shows it in error.",
				func(ctx context.Context) error { s.lost(ctx, l.State(), host, hv, &server); return nil })
		}
	})
	return nil
}

// dropGuest destroys a guest unless a server owns it: a server is always recorded
// before its guest is made.
func (s *Service) dropGuest(ctx context.Context, host string, hv driver.Hypervisor, id string) error {
	if err := s.core.DB.Sync(ctx); err != nil || s.owns(host, id) {
		return err
	}
	return hv.Destroy(ctx, id)
}

// eachGuest calls f for the guests of servers that nothing is being done with. What is
// missing is told by compute.guest.
func (s *Service) eachGuest(f func(ctx context.Context, l *check.Look, host string, hv driver.Hypervisor, server *Server, g driver.Guest)) func(context.Context, *check.Look) error {
	return func(ctx context.Context, l *check.Look) error {
		for host, hv := range s.hypervisors.All() {
			guests, err := hv.List(ctx)
			if err != nil {
				continue
			}
			for _, g := range guests {
				server, err := s.servers.Get(l.State(), g.ID)
				if err == nil && server.Host == host && hasGuest(server.VMState) && !l.Busy("server", g.ID) {
					f(ctx, l, host, hv, &server, g)
				}
			}
		}
		return nil
	}
}

func (s *Service) checkPower(ctx context.Context, l *check.Look, host string, hv driver.Hypervisor, server *Server, g driver.Guest) {
	if !differs(server, host, g.Power) {
		return
	}
	// What a guest does by itself is recorded a moment later.
	s.heardAll(ctx, host)
	if now, err := s.servers.Get(s.core.DB.Snapshot(), g.ID); err != nil || !differs(&now, host, g.Power) {
		return
	}
	l.FoundMendable("server/"+server.ID, fmt.Sprintf("is %s, but its guest is %s.", server.VMState, g.Power),
		"It is recorded at the next look at the host.", func(ctx context.Context) error {
			s.observe(ctx, host, hv, server.ID, g.Power)
			return nil
		})
}

func (s *Service) checkDevices(_ context.Context, l *check.Look, host string, _ driver.Hypervisor, server *Server, g driver.Guest) {
	var ports, volumes []string
	for _, n := range server.NICs {
		ports = append(ports, n.PortID)
	}
	for _, v := range server.Volumes {
		volumes = append(volumes, v.VolumeID)
	}
	compareDevices(l, host, server.ID, "interface", ports, g.NICs)
	compareDevices(l, host, server.ID, "volume", volumes, g.Disks)
}

func compareDevices(l *check.Look, host, server, what string, want, have []string) {
	for _, id := range want {
		if !slices.Contains(have, id) {
			l.Found("server/"+server, fmt.Sprintf("has the %s %s, but its guest on host %s does not.", what, id, host),
				fmt.Sprintf("Detach the %s from the server, and attach it again.", what))
		}
	}
	for _, id := range have {
		if !slices.Contains(want, id) {
			l.Found("server/"+server, fmt.Sprintf("does not have the %s %s, but its guest on host %s does.", what, id, host),
				fmt.Sprintf("Attach the %s to the server, and detach it.", what))
		}
	}
}

func (s *Service) checkPorts(ctx context.Context, l *check.Look) error {
	if s.cfg.Networks == nil {
		return nil
	}
	for server := range s.servers.All(l.State()) {
		if !hasGuest(server.VMState) || l.Busy("server", server.ID) {
			continue
		}
		for _, n := range server.NICs {
			if err := s.checkPort(ctx, l, &server, n); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Service) checkPort(ctx context.Context, l *check.Look, server *Server, n NIC) error {
	p, err := s.cfg.Networks.GetPort(ctx, n.PortID)
	switch {
	case fault.Of(err) == fault.NotFound:
		l.Found("server/"+server.ID, fmt.Sprintf("has the port %s, which does not exist.", n.PortID), "Detach the interface from the server.")
	case err != nil:
		return err
	case p.DeviceID != server.ID || !p.Plugged || p.Host != server.Host:
		l.FoundMendable("server/"+server.ID, fmt.Sprintf("has the port %s, which is not plugged for it on host %s.", p.ID, server.Host),
			"Stop the server, and start it.", func(ctx context.Context) error { return s.plugAgain(ctx, server.ID, n) })
	}
	return nil
}

// plugAgain binds a port to the server that has it.
func (s *Service) plugAgain(ctx context.Context, id string, n NIC) error {
	r := s.core.DB.Snapshot()
	server, err := s.servers.Get(r, id)
	if err != nil || !hasGuest(server.VMState) || server.nic(n.PortID) < 0 || len(s.core.Sagas.Active(r, resource(id))) > 0 {
		return nil
	}
	_, err = s.cfg.Networks.BindPort(ctx, n.PortID, network.Binding{
		Host: server.Host, DeviceID: id, DeviceOwner: deviceOwner, Hostname: server.Hostname,
	})
	return err
}
