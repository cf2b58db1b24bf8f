package compute

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// place chooses a host for the server and claims what its flavor needs there, in
// the transaction that journals the step of r. It runs against the newest state, and a
// claim that came between makes the transaction run again, so hosts are never
// overcommitted. up are the hosts that answer, from upHosts.
func (s *Service) place(tx *state.Tx, r *saga.Run, server *Server, up map[string]bool) error {
	req := s.request(tx, server, server.Flavor)
	decision := scheduler.Schedule(s.hostStates(tx, req, server, up), req)
	if err := s.decided(tx, r, decision); err != nil {
		return err
	}
	host := decision.Hosts[0]
	err := s.Placement.Claim(tx, placement.Consumer{
		ID: server.ID, ProjectID: server.ProjectID, UserID: server.UserID, Type: "INSTANCE",
		Allocations: map[string]map[string]int{host.Provider: claimOf(server, server.Flavor)},
	})
	if err != nil {
		return err
	}
	server.Host, server.Zone = host.Name, host.Zone
	return nil
}

// stay decides whether a server may have a flavor on the host that it is on, which may
// be disabled: only what the flavor needs counts.
func (s *Service) stay(tx *state.Tx, r *saga.Run, server *Server, f ServerFlavor) error {
	h, err := s.hosts.Get(tx, server.Host)
	if err != nil {
		return err
	}
	all := s.request(tx, server, f)
	req := scheduler.Request{
		VCPUs: all.VCPUs, MemoryMiB: all.MemoryMiB, DiskGiB: all.DiskGiB, Host: server.Host,
		Required: all.Required, Forbidden: all.Forbidden,
	}
	host, ok := s.hostState(tx, h)
	if !ok {
		return fault.New(fault.Exhausted, "No valid host was found. %s has no resource provider.", server.Host)
	}
	host.Enabled, host.Up = true, true
	if own, err := s.Placement.Consumer(tx, server.ID); err == nil {
		host.Give(own.Allocations[h.ID][placement.VCPU], own.Allocations[h.ID][placement.MemoryMB], own.Allocations[h.ID][placement.DiskGB])
	}
	return s.decided(tx, r, scheduler.Schedule([]scheduler.HostState{host}, req))
}

// claimOf is what a server of a flavor uses of its host.
func claimOf(server *Server, f ServerFlavor) map[string]int {
	claim := map[string]int{placement.VCPU: f.VCPUs, placement.MemoryMB: f.MemoryMiB}
	if disk := diskOf(server, f); disk > 0 {
		claim[placement.DiskGB] = disk
	}
	return claim
}

// diskOf is the space in GiB that a server uses on its host: none for a root disk
// that is a volume.
func diskOf(server *Server, f ServerFlavor) int {
	disk := f.EphemeralGiB + (f.SwapMiB+1023)/1024
	if server.bootVolume() == nil {
		disk += f.DiskGiB
	}
	return disk
}

// request is what the scheduler shall look for.
func (s *Service) request(r state.Reader, server *Server, f ServerFlavor) scheduler.Request {
	req := scheduler.Request{
		VCPUs: f.VCPUs, MemoryMiB: f.MemoryMiB, DiskGiB: diskOf(server, f), Zone: server.RequestedZone,
		SameHost: server.Hints["same_host"], DifferentHost: server.Hints["different_host"],
	}
	if hosts := server.Hints[hintHost]; len(hosts) == 1 {
		req.Host = hosts[0]
	}
	for key, value := range f.ExtraSpecs {
		if t, ok := strings.CutPrefix(key, "trait:"); ok {
			switch value {
			case "required":
				req.Required = append(req.Required, t)
			case "forbidden":
				req.Forbidden = append(req.Forbidden, t)
			}
		}
	}
	arch := server.Image["hw_architecture"]
	if arch == "" {
		arch = server.Image["architecture"]
	}
	if t, ok := archTraits[arch]; ok {
		req.Required = append(req.Required, t)
	}
	slices.Sort(req.Required)
	slices.Sort(req.Forbidden)
	if g, err := s.groups.Get(r, server.GroupID); err == nil {
		req.Policy, req.MaxPerHost = g.Policy, g.MaxPerHost
	}
	return req
}

// upHosts asks the hypervisors which hosts answer.
func (s *Service) upHosts(ctx context.Context) map[string]bool {
	up := make(map[string]bool, s.hypervisors.Len())
	for _, name := range s.hypervisors.Hosts() {
		up[name] = s.answers(ctx, name)
	}
	return up
}

// hintHost is the hint under which a server keeps the host that an admin chose.
const hintHost = "welkin:host"

// hostStates gives the scheduler its view of all hosts, for one request.
func (s *Service) hostStates(r state.Reader, req scheduler.Request, server *Server, up map[string]bool) []scheduler.HostState {
	zones := s.zones(r)
	members := s.groupMembers(r, req, server)
	list := make([]scheduler.HostState, 0, s.hosts.Count(r, nil))
	for h := range s.hosts.All(r) {
		hs, ok := s.hostState(r, h)
		if !ok {
			continue
		}
		hs.Up, hs.Zone, hs.GroupMembers = up[h.Name] && !h.ForcedDown, s.zone(zones, h.Name), members[h.Name]
		for _, id := range slices.Concat(req.SameHost, req.DifferentHost) {
			if other, err := s.servers.Get(r, id); err == nil && other.Host == h.Name {
				hs.Servers = append(hs.Servers, id)
			}
		}
		list = append(list, hs)
	}
	return list
}

// hostState is what the scheduler sees of a host itself, and whether it has a resource
// provider.
func (s *Service) hostState(r state.Reader, h Host) (scheduler.HostState, bool) {
	p, err := s.Placement.Get(r, h.ID)
	if err != nil {
		return scheduler.HostState{}, false
	}
	used := s.Placement.Used(r, h.ID)
	return scheduler.HostState{
		Name: h.Name, Provider: h.ID, Enabled: !h.Disabled, Traits: p.Traits,
		VCPUs:  amount(&p, used, placement.VCPU),
		Memory: amount(&p, used, placement.MemoryMB),
		Disk:   amount(&p, used, placement.DiskGB),
	}, true
}

// groupMembers counts the other servers of the server's group on each host.
func (s *Service) groupMembers(r state.Reader, req scheduler.Request, server *Server) map[string]int {
	if req.Policy == "" {
		return nil
	}
	members := map[string]int{}
	for other := range s.servers.Where(r, s.serverBy.group, server.GroupID) {
		if other.Host != "" && other.ID != server.ID {
			members[other.Host]++
		}
	}
	return members
}

func amount(p *placement.Provider, used map[string]int, class string) scheduler.Amount {
	i := p.Inventories[class]
	return scheduler.Amount{
		Capacity: i.Capacity(), Used: used[class], Total: i.Total, Reserved: i.Reserved, Ratio: i.AllocationRatio,
		MinUnit: i.MinUnit, MaxUnit: i.MaxUnit, StepSize: i.StepSize,
	}
}
