package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/welkin-cloud/cloud/compute/scheduler"
)

// items are n alike.
func items(n int, req scheduler.Request) []scheduler.Item {
	list := make([]scheduler.Item, n)
	for i := range list {
		list[i] = scheduler.Item{Name: fmt.Sprint(i), Request: req}
	}
	return list
}

func plan(t require.TestingT, w scheduler.World, list []scheduler.Item) *scheduler.Plan {
	p, err := w.Plan(context.Background(), list)
	require.NoError(t, err)
	return p
}

// changes gives the changes by kind.
func changes(t require.TestingT, w scheduler.World, list []scheduler.Item) map[scheduler.ChangeKind]scheduler.Change {
	found, err := w.Changes(context.Background(), list)
	require.NoError(t, err)
	kinds := map[scheduler.ChangeKind]scheduler.Change{}
	for _, c := range found {
		require.NotContains(t, kinds, c.Kind)
		require.NotEmpty(t, c.Reason)
		kinds[c.Kind] = c
	}
	return kinds
}

// real is a host with processors that are overcommitted, and enough of all else.
func real(name string, vcpus int, ratio float64) scheduler.HostState {
	h := host(name, 100)
	capacity := int(float64(vcpus) * ratio)
	h.VCPUs = scheduler.Amount{Total: vcpus, Ratio: ratio, Capacity: capacity, MinUnit: 1, MaxUnit: vcpus, StepSize: 1}
	return h
}

func TestPlanPlacesTheLargestFirst(t *testing.T) {
	w := scheduler.World{Hosts: []scheduler.HostState{host("a", 6), host("b", 4)}}
	list := []scheduler.Item{
		{Name: "small", Request: scheduler.Request{VCPUs: 4}}, {Name: "large", Request: scheduler.Request{VCPUs: 6}},
	}
	p := plan(t, w, list)
	require.True(t, p.Fits())
	require.Equal(t, []string{"large", "a", "small", "b"},
		[]string{p.Placed[0].Item.Name, p.Placed[0].Host, p.Placed[1].Item.Name, p.Placed[1].Host})
	require.Equal(t, 94, w.Hosts[0].VCPUs.Used, "the world is as before")
	require.Equal(t, 100, p.Hosts[0].VCPUs.Used)
}

func TestPlanExplainsWhatIsLeftOut(t *testing.T) {
	w := scheduler.World{Hosts: []scheduler.HostState{host("a", 3)}}
	p := plan(t, w, items(2, scheduler.Request{VCPUs: 2}))
	require.False(t, p.Fits())
	require.Equal(t, "a", p.Placed[0].Host)
	require.Empty(t, p.Placed[1].Host)
	require.Equal(t, "needs 2 VCPU, 1 of 100 free", p.Placed[1].Why.Rejected[0].Reason)
}

func TestPlanKeepsGroupsTogetherOrApart(t *testing.T) {
	w := scheduler.World{
		Hosts:  []scheduler.HostState{host("a", 50), host("b", 40), host("c", 30)},
		Groups: map[string]map[string]int{"apart": {"a": 1}},
	}
	list := items(3, scheduler.Request{VCPUs: 1, Policy: scheduler.AntiAffinity})
	for i := range list {
		list[i].Group = "apart"
	}
	p := plan(t, w, list)
	require.Equal(t, []string{"b", "c", ""}, []string{p.Placed[0].Host, p.Placed[1].Host, p.Placed[2].Host})
	require.Contains(t, changes(t, w, list), scheduler.RelaxPolicy)
	require.Equal(t, 1, changes(t, w, list)[scheduler.AddHosts].Count)

	for i := range list {
		list[i].Group, list[i].Request.Policy = "together", scheduler.Affinity
	}
	p = plan(t, w, list)
	require.Equal(t, []string{"a", "a", "a"}, []string{p.Placed[0].Host, p.Placed[1].Host, p.Placed[2].Host})
}

func TestPlanHeedsTheNeighboursOfServersThatMove(t *testing.T) {
	w := scheduler.World{Hosts: []scheduler.HostState{host("a", 50), host("b", 60)}, Servers: map[string]string{"old": "a"}}
	list := []scheduler.Item{
		{ID: "moved", Request: scheduler.Request{VCPUs: 3, DifferentHost: []string{"old"}}},
		{Request: scheduler.Request{VCPUs: 2, SameHost: []string{"moved"}}},
		{Request: scheduler.Request{VCPUs: 1, SameHost: []string{"old"}}},
	}
	p := plan(t, w, list)
	require.Equal(t, []string{"b", "b", "a"}, []string{p.Placed[0].Host, p.Placed[1].Host, p.Placed[2].Host})
}

func TestChanges(t *testing.T) {
	two := scheduler.Request{VCPUs: 2}
	with := func(h scheduler.HostState, f func(h *scheduler.HostState)) scheduler.HostState { f(&h); return h }
	off := func(h *scheduler.HostState) { h.Enabled = false }
	down := func(h *scheduler.HostState) { h.Up = false }
	far := func(h *scheduler.HostState) { h.Zone = "far" }
	for name, c := range map[string]struct {
		hosts []scheduler.HostState
		items []scheduler.Item
		want  scheduler.Change // without its reason
		why   string
	}{
		"enable one": {
			[]scheduler.HostState{host("a", 1), with(host("b", 1), off), with(host("c", 9), off)}, items(1, two),
			scheduler.Change{Kind: scheduler.EnableHosts, Hosts: []string{"c"}}, "enable c",
		},
		"enable two": {
			[]scheduler.HostState{with(host("b", 2), off), with(host("c", 2), off), with(host("d", 2), off)}, items(2, two),
			scheduler.Change{Kind: scheduler.EnableHosts, Hosts: []string{"b", "c"}}, "enable b, c",
		},
		"restore": {
			[]scheduler.HostState{with(host("b", 2), down)}, items(1, two),
			scheduler.Change{Kind: scheduler.RestoreHosts, Hosts: []string{"b"}}, "bring back b",
		},
		"trait": {
			[]scheduler.HostState{host("a", 9)}, items(1, scheduler.Request{VCPUs: 2, Required: []string{"X"}}),
			scheduler.Change{Kind: scheduler.RelaxTrait, Trait: "X"}, "do without the condition on trait X",
		},
		"zone": {
			[]scheduler.HostState{with(host("a", 9), far)}, items(1, scheduler.Request{VCPUs: 2, Zone: "near"}),
			scheduler.Change{Kind: scheduler.RelaxZone}, "let the servers go to any availability zone",
		},
		"host": {
			[]scheduler.HostState{host("a", 1), host("b", 9)}, items(1, scheduler.Request{VCPUs: 2, Host: "a"}),
			scheduler.Change{Kind: scheduler.RelaxHost}, "let the servers go to any host",
		},
		"ratio": {
			[]scheduler.HostState{real("a", 4, 1), real("b", 4, 1)}, items(6, two),
			scheduler.Change{Kind: scheduler.RaiseRatio, Resource: "VCPU", Ratio: 1.5}, "raise the allocation ratio of VCPU to 1.5",
		},
		"grow": {
			[]scheduler.HostState{host("a", 0), host("b", 3)}, items(2, two),
			scheduler.Change{Kind: scheduler.GrowHost, Hosts: []string{"b"}, Size: &scheduler.Size{VCPUs: 1}},
			"add 1 VCPU to b",
		},
		"grow for one server": {
			[]scheduler.HostState{real("a", 4, 2)}, items(1, scheduler.Request{VCPUs: 6}),
			scheduler.Change{Kind: scheduler.GrowHost, Hosts: []string{"a"}, Size: &scheduler.Size{VCPUs: 2}}, "add 2 VCPU to a",
		},
		"grow overcommitted": {
			[]scheduler.HostState{real("a", 4, 2)}, items(11, scheduler.Request{VCPUs: 1}),
			scheduler.Change{Kind: scheduler.GrowHost, Hosts: []string{"a"}, Size: &scheduler.Size{VCPUs: 2}}, "add 2 VCPU to a",
		},
		"add like another": {
			[]scheduler.HostState{real("a", 4, 1)}, items(6, two),
			scheduler.Change{Kind: scheduler.AddHosts, Count: 2, Like: "a", Size: &scheduler.Size{VCPUs: 4, MemoryMiB: 100, DiskGiB: 100}},
			"add 2 more hosts like a, with a capacity of 4 VCPU, 100 MiB of memory, 100 GiB of disk",
		},
		"add a larger one": {
			[]scheduler.HostState{real("a", 4, 1)}, items(1, scheduler.Request{VCPUs: 8, Required: []string{"X"}}),
			scheduler.Change{Kind: scheduler.AddHosts, Count: 1, Size: &scheduler.Size{VCPUs: 8}, Traits: []string{"X"}},
			"add one host with a capacity of 8 VCPU and the traits X",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := scheduler.World{Hosts: c.hosts}
			require.False(t, plan(t, w, c.items).Fits())
			got, ok := changes(t, w, c.items)[c.want.Kind]
			require.True(t, ok)
			require.Equal(t, c.why, got.Reason)
			got.Reason = ""
			require.Equal(t, c.want, got)
		})
	}
}

func TestNoChangeIsNeededOrKnown(t *testing.T) {
	w := scheduler.World{Hosts: []scheduler.HostState{host("a", 9)}}
	require.Empty(t, changes(t, w, items(2, scheduler.Request{VCPUs: 2})))
	require.Empty(t, changes(t, w, items(1, scheduler.Request{VCPUs: 2, Host: "b", Zone: "far"})))
}

func TestPlansEndWithTheirContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := scheduler.World{Hosts: []scheduler.HostState{host("a", 9)}}
	_, err := w.Plan(ctx, items(1, scheduler.Request{}))
	require.ErrorIs(t, err, context.Canceled)
	_, err = w.Changes(ctx, items(1, scheduler.Request{}))
	require.ErrorIs(t, err, context.Canceled)
}

// drawWorld is any small world, and items for it.
func drawWorld(t *rapid.T) (scheduler.World, []scheduler.Item) {
	w := scheduler.World{Hosts: make([]scheduler.HostState, rapid.IntRange(0, 4).Draw(t, "hosts"))}
	trait := rapid.SampledFrom([][]string{nil, {"X"}})
	for i := range w.Hosts {
		vcpus := rapid.IntRange(1, 8).Draw(t, "vcpus")
		h := real(fmt.Sprint("host-", i), vcpus, rapid.SampledFrom([]float64{1, 1.5, 4}).Draw(t, "ratio"))
		h.VCPUs.Used = rapid.IntRange(0, h.VCPUs.Capacity).Draw(t, "used")
		h.Enabled, h.Up = rapid.Bool().Draw(t, "enabled"), rapid.IntRange(0, 4).Draw(t, "up") > 0
		h.Zone = rapid.SampledFrom([]string{"near", "far"}).Draw(t, "zone")
		h.Traits = trait.Draw(t, "traits")
		w.Hosts[i] = h
	}
	list := make([]scheduler.Item, rapid.IntRange(0, 6).Draw(t, "items"))
	for i := range list {
		group := rapid.SampledFrom([]string{"", "apart", "together", "rather"}).Draw(t, "group")
		list[i] = scheduler.Item{Name: fmt.Sprint(i), Group: group, Request: scheduler.Request{
			VCPUs: rapid.IntRange(1, 6).Draw(t, "v"), MemoryMiB: rapid.IntRange(0, 60).Draw(t, "m"),
			Zone: rapid.SampledFrom([]string{"", "", "near", "far"}).Draw(t, "in"), Required: trait.Draw(t, "required"),
			Policy: map[string]scheduler.Policy{"apart": scheduler.AntiAffinity, "together": scheduler.Affinity, "rather": scheduler.SoftAffinity}[group],
		}}
	}
	return w, list
}

// Whatever is asked for: a plan is what the scheduler would do step by step, and never
// overcommits.
func TestPlanIsWhatTheSchedulerDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, list := drawWorld(t)
		p := plan(t, w, list)
		require.Len(t, p.Placed, len(list))
		members := map[string]map[string]int{}
		hosts := append([]scheduler.HostState(nil), w.Hosts...)
		for _, q := range p.Placed {
			for i := range hosts {
				hosts[i].GroupMembers = members[q.Item.Group][hosts[i].Name]
			}
			d := scheduler.Schedule(hosts, q.Item.Request)
			if d.Err() != nil {
				require.Empty(t, q.Host)
				require.Equal(t, d.Explain(10), *q.Why)
				continue
			}
			require.Equal(t, d.Hosts[0].Name, q.Host)
			chosen := d.Hosts[0].HostState
			chosen.VCPUs.Used += q.Item.Request.VCPUs
			chosen.Memory.Used += q.Item.Request.MemoryMiB
			require.GreaterOrEqual(t, min(chosen.VCPUs.Free(), chosen.Memory.Free()), 0)
			if q.Item.Group != "" {
				if members[q.Item.Group] == nil {
					members[q.Item.Group] = map[string]int{}
				}
				members[q.Item.Group][q.Host]++
			}
		}
	})
}

// Every change that is proposed helps, when it is made by hand.
func TestChangesHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, list := drawWorld(t)
		if plan(t, w, list).Fits() {
			require.Empty(t, changes(t, w, list))
			return
		}
		for _, c := range changes(t, w, list) {
			hosts := append([]scheduler.HostState(nil), w.Hosts...)
			requests := append([]scheduler.Item(nil), list...)
			apply(c, &hosts, requests)
			require.True(t, plan(t, scheduler.World{Hosts: hosts}, requests).Fits(), "%+v", c)
		}
	})
}

// apply makes a change by hand.
func apply(c scheduler.Change, hosts *[]scheduler.HostState, list []scheduler.Item) {
	for i := range *hosts {
		h := &(*hosts)[i]
		if c.Kind == scheduler.RaiseRatio && h.VCPUs.Ratio < c.Ratio {
			h.VCPUs.Capacity = int(float64(h.VCPUs.Total) * c.Ratio)
		}
		for _, name := range c.Hosts {
			if name != h.Name {
				continue
			}
			h.Enabled, h.Up = h.Enabled || c.Kind == scheduler.EnableHosts, h.Up || c.Kind == scheduler.RestoreHosts
			if c.Kind == scheduler.GrowHost {
				h.VCPUs.Total += c.Size.VCPUs
				h.VCPUs.MaxUnit += c.Size.VCPUs
				h.VCPUs.Capacity = int(float64(h.VCPUs.Total) * h.VCPUs.Ratio)
				h.Memory.Capacity += c.Size.MemoryMiB
			}
		}
		if c.Kind == scheduler.AddHosts && c.Like == h.Name {
			for n := range c.Count {
				more := *h
				more.Name, more.Enabled, more.Up = fmt.Sprint("new", n), true, true
				more.VCPUs.Used, more.Memory.Used = 0, 0
				*hosts = append(*hosts, more)
			}
		}
	}
	if c.Kind == scheduler.AddHosts && c.Like == "" {
		*hosts = append(*hosts, scheduler.HostState{
			Name: "new", Enabled: true, Up: true, Zone: c.Zone, Traits: c.Traits,
			VCPUs: scheduler.Amount{Capacity: c.Size.VCPUs}, Memory: scheduler.Amount{Capacity: c.Size.MemoryMiB},
		})
	}
	for i := range list {
		r := &list[i].Request
		switch c.Kind {
		case scheduler.RelaxTrait:
			r.Required = nil
		case scheduler.RelaxZone:
			r.Zone = ""
		case scheduler.RelaxPolicy:
			if r.Policy == c.Policy {
				r.Policy = "soft-" + c.Policy
			}
		}
	}
}

func BenchmarkPlan(b *testing.B) {
	w := scheduler.World{Hosts: fleet(1000)}
	list := items(1000, scheduler.Request{VCPUs: 2})
	for b.Loop() {
		if _, err := w.Plan(context.Background(), list); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkChanges(b *testing.B) {
	w := scheduler.World{Hosts: fleet(1000)}
	list := items(1000, scheduler.Request{VCPUs: 60})
	for b.Loop() {
		if _, err := w.Changes(context.Background(), list); err != nil {
			b.Fatal(err)
		}
	}
}
