package compute

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of servers, of what they claim and of their guests.
func (s *Service) Checks() []check.Check {
	return slices.Concat(s.stateChecks(), s.claimChecks(), s.Placement.Checks(), s.guestChecks())
}

func (s *Service) stateChecks() []check.Check {
	return []check.Check{
		{
			Name: "compute.task", Run: s.checkTasks,
			Doc: "A server has a task, or is being built, only while a saga works on it.",
		},
		{
			Name: "compute.state", Run: s.checkStates,
			Doc: "A server is on a host, keeps a shelved disk and has a resize to confirm if and only if its state says so.",
		},
		{
			Name: "compute.stuck", Run: s.checkStuck,
			Doc: "A server whose saga got stuck is in error, or says why.",
		},
		{
			Name: "compute.hosts", Run: s.checkHosts,
			Doc: "Every host has its resource provider; servers and aggregates are on hosts that exist.",
		},
		{
			Name: "compute.group", Run: s.checkGroups,
			Doc: "The servers of a group with a hard policy are on one host, or apart, as it says.",
		},
	}
}

func (s *Service) checkTasks(_ context.Context, l *check.Look) error {
	for server := range s.servers.All(l.State()) {
		if server.TaskState == Idle && server.VMState != Building || l.Busy("server", server.ID) {
			continue
		}
		l.FoundMendable("server/"+server.ID,
			fmt.Sprintf("is %s with the task %q, but nothing is being done with it.", server.VMState, server.TaskState),
			"Reset the state of the server.", func(ctx context.Context) error { return s.dropTask(ctx, server.ID) })
	}
	return nil
}

// dropTask makes a server idle that nothing is being done with; one that was being
// built is in error.
func (s *Service) dropTask(ctx context.Context, id string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if len(s.core.Sagas.Active(tx, resource(id))) > 0 {
			return nil
		}
		return s.change(tx, id, func(server *Server) {
			server.TaskState = Idle
			if server.VMState == Building {
				server.VMState = Error
				server.Fault = s.faultOf(fault.New(fault.Internal, "The server was not finished."))
			}
		})
	})
}

func (s *Service) checkStates(_ context.Context, l *check.Look) error {
	for server := range s.servers.All(l.State()) {
		if l.Busy("server", server.ID) || server.VMState == Error {
			continue
		}
		tell := func(problem, remedy string) {
			l.Found("server/"+server.ID, fmt.Sprintf("is %s, but %s.", server.VMState, problem), remedy)
		}
		shelved := server.VMState == Shelved || server.VMState == ShelvedOffloaded
		switch {
		case hasGuest(server.VMState) && server.Host == "":
			tell("on no host", "Delete the server.")
		case server.VMState == ShelvedOffloaded && server.Host != "":
			tell("claims host "+server.Host, "Unshelve the server, and shelve it again.")
		case shelved && server.bootVolume() == nil && server.ShelvedImage == "":
			tell("no image keeps its disk", "Delete the server: its disk is lost.")
		case !shelved && server.ShelvedImage != "":
			tell("keeps image "+server.ShelvedImage+" of when it was shelved", "Shelve the server, and unshelve it.")
		case (server.VMState == Resized) != (server.Resize != nil):
			tell("what it was resized from is not as its state says", "Reset the state of the server to error, and rebuild it.")
		}
	}
	return nil
}

func (s *Service) checkStuck(_ context.Context, l *check.Look) error {
	for server := range s.servers.All(l.State()) {
		if server.VMState == Error || server.Fault != nil || !s.core.Sagas.IsStuck(l.State(), resource(server.ID)) {
			continue
		}
		l.Found("server/"+server.ID, fmt.Sprintf("is %s, but its last work could neither be done nor undone.", server.VMState),
			"Reset the state of the server to error, and look at it.")
	}
	return nil
}

func (s *Service) checkHosts(_ context.Context, l *check.Look) error {
	r := l.State()
	for h := range s.hosts.All(r) {
		if p, err := s.Placement.Get(r, h.ID); err != nil || p.Name != h.Name {
			l.Found("host/"+h.Name, fmt.Sprintf("has no resource provider %s of its name.", h.ID), "Remove the host, and start the cloud again with it.")
		}
	}
	for server := range s.servers.All(r) {
		if server.Host != "" && !s.hosts.Has(r, server.Host) {
			l.Found("server/"+server.ID, fmt.Sprintf("is on host %s, which does not exist.", server.Host), "Start the cloud with that host, or delete the server.")
		}
	}
	for a := range s.aggregates.All(r) {
		for _, host := range a.Hosts {
			if !s.hosts.Has(r, host) {
				l.Found(fmt.Sprintf("aggregate/%d", a.ID), fmt.Sprintf("has the host %s, which does not exist.", host), "Remove the host from the aggregate.")
			}
		}
	}
	return nil
}

func (s *Service) checkGroups(_ context.Context, l *check.Look) error {
	for g := range s.groups.All(l.State()) {
		if g.Policy != scheduler.Affinity && g.Policy != scheduler.AntiAffinity {
			continue
		}
		members := map[string]int{}
		for server := range s.servers.Where(l.State(), s.serverBy.group, g.ID) {
			if server.Host != "" && len(server.Hints[hintHost]) == 0 {
				members[server.Host]++
			}
		}
		if g.Policy == scheduler.Affinity && len(members) > 1 {
			l.Found("server-group/"+g.ID, fmt.Sprintf("has the policy %s, but servers on %d hosts.", g.Policy, len(members)),
				"Shelve and unshelve the servers that are not with the others.")
		}
		for _, host := range slices.Sorted(maps.Keys(members)) {
			if n := members[host]; g.Policy == scheduler.AntiAffinity && n > max(g.MaxPerHost, 1) {
				l.Found("server-group/"+g.ID, fmt.Sprintf("has the policy %s, but %d servers on host %s.", g.Policy, n, host),
					"Shelve and unshelve all but one of them.")
			}
		}
	}
	return nil
}

func (s *Service) claimChecks() []check.Check {
	return []check.Check{
		{
			Name: "compute.claim", Run: s.checkClaims,
			Doc: "A server claims what its flavor needs, on its host and on no other; nobody claims for a server that does not exist.",
		},
		{
			Name: "compute.usage", Run: s.checkUsage,
			Doc: "What a project uses of its quota is the sum over its servers.",
		},
	}
}

func (s *Service) checkClaims(_ context.Context, l *check.Look) error {
	providers := map[string]string{} // of hosts, by name
	for h := range s.hosts.All(l.State()) {
		providers[h.Name] = h.ID
		for c := range s.Placement.ConsumersOf(l.State(), h.ID) {
			if c.Type == "INSTANCE" && !s.servers.Has(l.State(), c.ID) {
				l.FoundMendable("consumer/"+c.ID, fmt.Sprintf("claims resources of host %s for a server that does not exist.", h.Name),
					"Release the claim.", func(ctx context.Context) error { return s.dropClaim(ctx, c.ID) })
			}
		}
	}
	for server := range s.servers.All(l.State()) {
		if l.Busy("server", server.ID) {
			continue
		}
		want := s.claimed(&server, providers)
		c, _ := s.Placement.Consumer(l.State(), server.ID)
		if !maps.EqualFunc(c.Allocations, want, maps.Equal) {
			l.FoundMendable("server/"+server.ID, fmt.Sprintf("claims %v of hosts, but needs %v.", c.Allocations, want),
				"Claim what it needs.", func(ctx context.Context) error { return s.reclaimServer(ctx, server.ID) })
		}
	}
	return nil
}

// claimed is what a server should claim, by provider.
func (s *Service) claimed(server *Server, providers map[string]string) map[string]map[string]int {
	if server.Host == "" {
		return nil
	}
	f := server.Flavor
	if server.Resize != nil {
		f = greater(server.Resize.Old, server.Resize.New)
	}
	return map[string]map[string]int{providers[server.Host]: claimOf(server, f)}
}

// dropClaim releases the claim of a server that does not exist.
func (s *Service) dropClaim(ctx context.Context, id string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		if s.servers.Has(tx, id) {
			return nil
		}
		return s.Placement.Release(tx, id)
	})
}

// reclaimServer makes a server's claim what it should be. It fails if the host has not
// so much left.
func (s *Service) reclaimServer(ctx context.Context, id string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		server, err := s.servers.Get(tx, id)
		if err != nil || len(s.core.Sagas.Active(tx, resource(id))) > 0 {
			return nil
		}
		if server.Host == "" {
			return s.Placement.Release(tx, id)
		}
		h, err := s.hosts.Get(tx, server.Host)
		if err != nil {
			return err
		}
		return s.Placement.Claim(tx, placement.Consumer{
			ID: id, ProjectID: server.ProjectID, UserID: server.UserID, Type: "INSTANCE",
			Allocations: s.claimed(&server, map[string]string{h.Name: h.ID}),
		})
	})
}

func (s *Service) checkUsage(_ context.Context, l *check.Look) error {
	sums := map[string]Usage{}
	for u := range s.usages.All(l.State()) {
		sums[u.ProjectID] = Usage{ProjectID: u.ProjectID}
	}
	for server := range s.servers.All(l.State()) {
		sums[server.ProjectID] = sums[server.ProjectID].plus(usageOf(&server))
	}
	for project, sum := range sums {
		if u := s.usage(l.State(), project); u != sum {
			l.FoundMendable("project/"+project, fmt.Sprintf("uses %s on record, but its servers are %s.", u.amounts(), sum.amounts()),
				"Count the servers again.", func(ctx context.Context) error { return s.recount(ctx, project) })
		}
	}
	return nil
}

func (u Usage) plus(more Usage) Usage {
	return Usage{more.ProjectID, u.Instances + more.Instances, u.Cores + more.Cores, u.RAM + more.RAM}
}

func (u Usage) amounts() string {
	return fmt.Sprintf("%d instances, %d cores and %d MiB", u.Instances, u.Cores, u.RAM)
}

// recount makes the usage of a project the sum over its servers.
func (s *Service) recount(ctx context.Context, project string) error {
	return s.core.DB.Update(ctx, func(tx *state.Tx) error {
		sum := Usage{ProjectID: project}
		for server := range s.servers.Where(tx, s.serverBy.project, project) {
			sum = sum.plus(usageOf(&server))
		}
		return s.usages.Put(tx, sum)
	})
}
