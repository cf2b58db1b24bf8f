package compute_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// smallHosts is a world of hosts with so many processors each that are not
// overcommitted.
func smallHosts(vcpus ...int) *world {
	w := newWorld()
	w.cfg.CPURatio = 1
	w.host = memhypervisor.New(memhypervisor.Config{Name: "host-1", VCPUs: vcpus[0]})
	for i, n := range vcpus[1:] {
		w.more = append(w.more, memhypervisor.New(memhypervisor.Config{Name: fmt.Sprintf("host-%d", i+2), VCPUs: n}))
	}
	return w
}

// flavors makes flavors "1" to "n" of so many processors.
func (r *rig) flavors(n int) {
	for i := range n {
		id := fmt.Sprint(i + 1)
		_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: id, Name: id, VCPUs: i + 1, MemoryMiB: 64, DiskGiB: 1, Public: true})
		require.NoError(r.t, err)
	}
}

// bootFlavor makes a server of a flavor, whose Status may be any.
func (r *rig) bootFlavor(flavor string, change ...func(o *compute.CreateServerOptions)) compute.Server {
	return r.boot(append(change, func(o *compute.CreateServerOptions) { o.FlavorID, o.Name = flavor, "server-"+flavor })...)
}

func (r *rig) whatFits(opts compute.WhatFitsOptions) *compute.FitPlan {
	r.t.Helper()
	p, err := r.WhatFits(r.ctx(), opts)
	require.NoError(r.t, err)
	return p
}

func TestWhatFitsNow(t *testing.T) {
	r := smallHosts(4, 2).open(t)
	r.flavors(4)
	before := r.core.DB.Snapshot().Revision()
	p := r.whatFits(compute.WhatFitsOptions{Servers: []compute.WantedServers{{FlavorID: "1", Count: 2}, {FlavorID: "4"}}})
	require.True(t, p.Fits)
	require.Equal(t, before, p.Revision)
	require.Equal(t, "All 3 servers fit.\n4: -> host-1\n1 1: -> host-2\n1 2: -> host-2", p.String())

	p = r.whatFits(compute.WhatFitsOptions{Servers: []compute.WantedServers{{FlavorID: "2", Count: 4}}})
	require.False(t, p.Fits)
	require.Equal(t, "1 of 4 servers do not fit. To make them fit: raise the allocation ratio of VCPU to 1.5.", p.Reason)
	last := p.Servers[3]
	require.Empty(t, last.Host)
	require.Equal(t, "No valid host was found. host-1: needs 2 VCPU, 0 of 4 free; host-2: needs 2 VCPU, 0 of 2 free", last.Reason)
	require.Equal(t, []scheduler.ChangeKind{scheduler.RaiseRatio, scheduler.GrowHost, scheduler.AddHosts},
		[]scheduler.ChangeKind{p.Changes[0].Kind, p.Changes[1].Kind, p.Changes[2].Kind})
	require.Equal(t, before, r.core.DB.Snapshot().Revision(), "nothing has changed")
}

func TestWhatFitsHeedsEverythingThatTheSchedulerDoes(t *testing.T) {
	r := smallHosts(4, 4).open(t)
	r.flavors(4)
	a, err := r.CreateAggregate(r.ctx(), "far", "far")
	require.NoError(t, err)
	_, err = r.AddHost(r.ctx(), a.ID, "host-2")
	require.NoError(t, err)
	group, err := r.CreateServerGroup(r.ctx(), project, "apart", scheduler.AntiAffinity, 0)
	require.NoError(t, err)
	there := r.bootFlavor("1", func(o *compute.CreateServerOptions) { o.GroupID, o.Host = group.ID, "host-1" })
	require.Equal(t, "ACTIVE", there.Status())

	one := compute.WantedServers{FlavorID: "1"}
	with := func(f func(o *compute.WantedServers)) compute.WantedServers { o := one; f(&o); return o }
	for name, c := range map[string]struct {
		o     compute.WantedServers
		hosts []string
		kind  scheduler.ChangeKind // the cheapest change
	}{
		"zone":         {with(func(o *compute.WantedServers) { o.Zone = "far" }), []string{"host-2"}, ""},
		"host":         {with(func(o *compute.WantedServers) { o.Host = "host-1" }), []string{"host-1"}, ""},
		"group":        {with(func(o *compute.WantedServers) { o.GroupID, o.Count = group.ID, 2 }), []string{"host-2", ""}, scheduler.RelaxPolicy},
		"policy":       {with(func(o *compute.WantedServers) { o.Policy, o.Count = scheduler.AntiAffinity, 3 }), []string{"host-2", "host-1", ""}, scheduler.RelaxPolicy},
		"two per host": {with(func(o *compute.WantedServers) { o.Policy, o.Count, o.MaxPerHost = scheduler.AntiAffinity, 3, 2 }), []string{"host-2", "host-1", "host-2"}, ""},
		"affinity":     {with(func(o *compute.WantedServers) { o.Policy, o.Count = scheduler.Affinity, 3 }), []string{"host-2", "host-2", "host-2"}, ""},
		"trait":        {with(func(o *compute.WantedServers) { o.Required = []string{"HW_ARCH_AARCH64"} }), []string{""}, scheduler.RelaxTrait},
		"forbidden":    {with(func(o *compute.WantedServers) { o.Forbidden = []string{"HW_ARCH_X86_64"} }), []string{""}, scheduler.RelaxTrait},
		"both":         {with(func(o *compute.WantedServers) { o.Zone, o.Count = "far", 5 }), []string{"host-2", "host-2", "host-2", "host-2", ""}, scheduler.RelaxZone},
	} {
		p := r.whatFits(compute.WhatFitsOptions{Servers: []compute.WantedServers{c.o}})
		var hosts []string
		for _, q := range p.Servers {
			hosts = append(hosts, q.Host)
		}
		require.Equal(t, c.hosts, hosts, name)
		require.Equal(t, c.kind == "", p.Fits, name)
		if c.kind != "" {
			require.Equal(t, c.kind, p.Changes[0].Kind, name)
		}
	}
}

func TestDrainingSaysWhichServersGoWhere(t *testing.T) {
	r := smallHosts(8, 4).open(t)
	r.flavors(4)
	for _, flavor := range []string{"2", "3"} {
		require.Equal(t, "host-1", r.bootFlavor(flavor).Host)
	}
	p := r.whatFits(compute.WhatFitsOptions{Drain: []string{"host-1"}})
	require.Equal(t, "1 of 2 servers do not fit. To make them fit: raise the allocation ratio of VCPU to 1.3.\n"+
		"server-3: host-1 -> host-2\n"+
		"server-2: host-1 -> nowhere. No valid host was found. host-2: needs 2 VCPU, 1 of 4 free; host-1: is excluded\n"+
		"either raise the allocation ratio of VCPU to 1.3\n"+
		"or add 1 VCPU to host-2\n"+
		"or add one more host like host-1, with a capacity of 8 VCPU, 262144 MiB of memory, 10000 GiB of disk", p.String())
}

// Where an admin put a server is where it stays: a drain must say so.
func TestDrainingTellsOfServersThatArePinned(t *testing.T) {
	r := smallHosts(4, 4).open(t)
	r.flavors(4)
	r.bootFlavor("2", func(o *compute.CreateServerOptions) { o.Host = "host-2" })
	p := r.whatFits(compute.WhatFitsOptions{Drain: []string{"host-2"}})
	require.Equal(t, "No valid host was found. host-2: is excluded; host-1: is not the requested host host-2", p.Servers[0].Reason)
	require.Equal(t, scheduler.RelaxHost, p.Changes[0].Kind)
}

// A host is drained by shelving its servers and bringing them back in the order of the
// plan: each goes where the plan says, and no host has more than it can take.
func TestDrainingByPlan(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := smallHosts(drawHosts(rt)...).open(t)
		defer r.close()
		r.flavors(4)
		for range rapid.IntRange(1, 8).Draw(rt, "servers") {
			r.bootFlavor(fmt.Sprint(rapid.IntRange(1, 4).Draw(rt, "flavor")))
		}
		p := r.whatFits(compute.WhatFitsOptions{Drain: []string{"host-1"}})
		require.Len(rt, p.Servers, len(r.ServersOn(r.ctx(), "host-1")))
		_, err := r.UpdateHost(r.ctx(), "host-1", compute.HostUpdate{Disabled: ptr(true)})
		require.NoError(rt, err)
		for _, q := range p.Servers {
			require.NoError(rt, r.ShelveServer(r.ctx(), q.ServerID))
			r.wait(q.ServerID)
		}
		for _, q := range p.Servers {
			require.NoError(rt, r.UnshelveServer(r.ctx(), q.ServerID, ""))
			require.Equal(rt, q.Host, r.wait(q.ServerID).Host, p.String())
		}
		for _, h := range r.ListHosts(r.ctx()) {
			require.LessOrEqual(rt, h.UsedVCPUs, h.Info.VCPUs)
			require.True(rt, h.Name != "host-1" || h.Servers == 0 && h.UsedVCPUs == 0)
		}
	})
}

// WhatFits says that servers fit if and only if they become ACTIVE when they are made
// one after the other, and each where it says.
func TestWhatFitsIsWhatHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := smallHosts(drawHosts(rt)...).open(t)
		defer r.close()
		r.flavors(4)
		for range rapid.IntRange(0, 4).Draw(rt, "servers") {
			r.bootFlavor(fmt.Sprint(rapid.IntRange(1, 4).Draw(rt, "flavor")))
		}
		if rapid.Bool().Draw(rt, "disabled") {
			_, err := r.UpdateHost(r.ctx(), "host-1", compute.HostUpdate{Disabled: ptr(true)})
			require.NoError(rt, err)
		}
		wanted := map[string]string{} // flavor to group
		var opts compute.WhatFitsOptions
		for _, flavor := range []string{"1", "2", "3", "4"} {
			o := compute.WantedServers{FlavorID: flavor, Count: rapid.IntRange(0, 3).Draw(rt, "count")}
			if o.Count == 0 {
				continue
			}
			if rapid.Bool().Draw(rt, "grouped") {
				policy := rapid.SampledFrom([]scheduler.Policy{scheduler.Affinity, scheduler.AntiAffinity, scheduler.SoftAffinity}).Draw(rt, "policy")
				g, err := r.CreateServerGroup(r.ctx(), project, "g", policy, 0)
				require.NoError(rt, err)
				o.GroupID, wanted[flavor] = g.ID, g.ID
			}
			opts.Servers = append(opts.Servers, o)
		}
		if len(opts.Servers) == 0 {
			return
		}
		p := r.whatFits(opts)
		all := true
		for _, q := range p.Servers {
			flavor := q.Name[:1]
			s := r.bootFlavor(flavor, func(o *compute.CreateServerOptions) { o.GroupID = wanted[flavor] })
			require.Equal(rt, q.Host, s.Host, p.String())
			require.Equal(rt, q.Host != "", s.Status() == "ACTIVE")
			all = all && s.Status() == "ACTIVE"
		}
		require.Equal(rt, p.Fits, all)
	})
}

func drawHosts(t *rapid.T) []int {
	return rapid.SliceOfN(rapid.IntRange(1, 8), 1, 4).Draw(t, "hosts")
}

func TestWhatFitsHeedsTheSizeOfResizesAndItsContext(t *testing.T) {
	r := smallHosts(4, 3).open(t)
	r.flavors(4)
	s := r.bootFlavor("2")
	require.Equal(t, "host-1", s.Host)
	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, "4"))
	require.Equal(t, "VERIFY_RESIZE", r.wait(s.ID).Status())
	p := r.whatFits(compute.WhatFitsOptions{Drain: []string{"host-1"}})
	require.False(t, p.Fits, "it may be reverted or confirmed: 4 processors are claimed")
	require.Equal(t, scheduler.Figure{Resource: "VCPU", Needed: 4, Free: 3, Capacity: 3, Total: 3, Ratio: 1}, p.Servers[0].Why.Rejected[0].Figures[0])

	ctx, cancel := context.WithCancel(r.ctx())
	cancel()
	_, err := r.WhatFits(ctx, compute.WhatFitsOptions{Servers: []compute.WantedServers{{FlavorID: "1"}}})
	require.Equal(t, fault.Cancelled, fault.Of(err))
}
