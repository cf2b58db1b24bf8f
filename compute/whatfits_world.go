package compute

import (
	"fmt"
	"slices"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// fitWorld gathers what WhatFits plans with, from one snapshot.
type fitWorld struct {
	*Service
	r    *state.Snapshot
	up   map[string]bool
	opts *WhatFitsOptions

	world  scheduler.World
	items  []scheduler.Item
	moving map[string]bool // servers of the hosts that are drained
}

func (w *fitWorld) gather() error {
	w.moving = map[string]bool{}
	for _, host := range w.opts.Drain {
		if err := w.drain(host); err != nil {
			return err
		}
	}
	for i := range w.opts.Servers {
		if err := w.want(i, &w.opts.Servers[i]); err != nil {
			return err
		}
	}
	switch n := len(w.items); {
	case n > maxPlanned:
		return fault.New(fault.Invalid, "a plan has at most %d servers, not %d", maxPlanned, n)
	case n == 0 && len(w.opts.Drain) == 0:
		return fault.New(fault.Invalid, "name servers to be planned, or hosts to be drained")
	}
	w.addHosts()
	w.addNeighbours()
	return nil
}

// drain makes items of the servers of a host.
func (w *fitWorld) drain(name string) error {
	host, err := w.Service.hosts.Get(w.r, name)
	if err != nil {
		return fault.New(fault.Invalid, "Compute host %s could not be found.", name)
	}
	for server := range w.servers.Where(w.r, w.serverBy.host, name) {
		if w.moving[server.ID] || server.TaskState == Deleting {
			continue
		}
		w.moving[server.ID] = true
		item := scheduler.Item{
			ID: server.ID, Name: server.Name, From: name, Group: server.GroupID,
			Request: w.request(w.r, &server, server.Flavor),
		}
		// What it claims now counts: while a resize is not confirmed, that is more.
		if own, err := w.Placement.Consumer(w.r, server.ID); err == nil {
			used := own.Allocations[host.ID]
			item.Request.VCPUs, item.Request.MemoryMiB, item.Request.DiskGiB = used[placement.VCPU], used[placement.MemoryMB], used[placement.DiskGB]
		}
		w.add(item)
	}
	return nil
}

func (w *fitWorld) add(item scheduler.Item) {
	item.Request.Exclude = w.opts.Drain
	w.items = append(w.items, item)
}

// want makes items of the i-th kind of new servers.
func (w *fitWorld) want(i int, o *WantedServers) error {
	count := max(o.Count, 1)
	if len(w.items)+count > maxPlanned {
		return fault.New(fault.Invalid, "a plan has at most %d servers", maxPlanned)
	}
	flavor, err := w.flavors.Get(w.r, o.FlavorID)
	if err != nil {
		return fault.New(fault.Invalid, "Flavor %s could not be found.", o.FlavorID)
	}
	server := Server{Flavor: flavor.forServer(), RequestedZone: o.Zone, GroupID: o.GroupID}
	if o.BootVolume {
		server.Volumes = []AttachedVolume{{Boot: true}}
	}
	if err := w.checkWanted(o); err != nil {
		return err
	}
	item := scheduler.Item{Group: o.GroupID, Request: w.request(w.r, &server, server.Flavor)}
	item.Request.Host = o.Host
	item.Request.Required = slices.Concat(item.Request.Required, o.Required)
	item.Request.Forbidden = slices.Concat(item.Request.Forbidden, o.Forbidden)
	if o.Policy != "" {
		item.Group = fmt.Sprint("new group ", i)
		item.Request.Policy, item.Request.MaxPerHost = o.Policy, o.MaxPerHost
	}
	for n := range count {
		item.Name = flavor.Name
		if count > 1 {
			item.Name = fmt.Sprintf("%s %d", flavor.Name, n+1)
		}
		w.add(item)
	}
	return nil
}

// checkWanted refuses what would be refused of a new server.
func (w *fitWorld) checkWanted(o *WantedServers) error {
	switch {
	case o.Zone != "" && !w.zoneExists(w.r, o.Zone):
		return fault.New(fault.Invalid, "The requested availability zone is not available")
	case o.Host != "" && !w.Service.hosts.Has(w.r, o.Host):
		return fault.New(fault.Invalid, "Compute host %s could not be found.", o.Host)
	case o.GroupID != "" && o.Policy != "":
		return fault.New(fault.Invalid, "a server group has its own policy: give one or the other")
	case o.GroupID != "" && !w.groups.Has(w.r, o.GroupID):
		return fault.New(fault.Invalid, "Instance group %s could not be found.", o.GroupID)
	}
	for _, t := range slices.Concat(o.Required, o.Forbidden) {
		if !w.Placement.HasTrait(w.r, t) {
			return fault.New(fault.Invalid, "No such trait(s): %s.", t)
		}
	}
	if o.Policy != "" {
		g := ServerGroup{Name: "planned", Policy: o.Policy, MaxPerHost: o.MaxPerHost}
		return g.check()
	}
	return nil
}

// addHosts gives the world its hosts, without the servers that move.
func (w *fitWorld) addHosts() {
	zones := w.zones(w.r)
	for h := range w.Service.hosts.All(w.r) {
		host, ok := w.hostState(w.r, h)
		if !ok {
			continue
		}
		host.Up, host.Zone = w.up[h.Name] && !h.ForcedDown, w.zone(zones, h.Name)
		for _, item := range w.items {
			if item.From == h.Name {
				host.Give(item.Request.VCPUs, item.Request.MemoryMiB, item.Request.DiskGiB)
			}
		}
		w.world.Hosts = append(w.world.Hosts, host)
	}
}

// addNeighbours tells the world of the servers that items mind, but for those that move.
func (w *fitWorld) addNeighbours() {
	w.world.Groups, w.world.Servers = map[string]map[string]int{}, map[string]string{}
	for _, item := range w.items {
		for _, id := range slices.Concat(item.Request.SameHost, item.Request.DifferentHost) {
			if other, err := w.servers.Get(w.r, id); err == nil && !w.moving[id] {
				w.world.Servers[id] = other.Host
			}
		}
		if item.Group == "" || w.world.Groups[item.Group] != nil {
			continue
		}
		members := map[string]int{}
		for other := range w.servers.Where(w.r, w.serverBy.group, item.Group) {
			if other.Host != "" && !w.moving[other.ID] {
				members[other.Host]++
			}
		}
		w.world.Groups[item.Group] = members
	}
}
