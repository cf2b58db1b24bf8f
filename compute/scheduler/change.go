package scheduler

import (
	"context"
	"slices"
	"strings"
)

// ChangeKind is a way to make room.
type ChangeKind string

// The kinds of change, from what costs the least to what costs the most: settings of
// hosts, wishes of the servers, overcommit, and more iron.
const (
	EnableHosts  ChangeKind = "enable_hosts"  // let disabled hosts take servers
	RestoreHosts ChangeKind = "restore_hosts" // bring hosts back that are down
	RelaxTrait   ChangeKind = "relax_trait"   // no longer require, or forbid, a trait
	RelaxZone    ChangeKind = "relax_zone"    // let the servers go to any availability zone
	RelaxHost    ChangeKind = "relax_host"    // let the servers go to any host
	RelaxPolicy  ChangeKind = "relax_policy"  // make the policy of a server group a soft one
	RaiseRatio   ChangeKind = "raise_ratio"   // overcommit a resource more
	GrowHost     ChangeKind = "grow_host"     // give a host more resources
	AddHosts     ChangeKind = "add_hosts"     // add hosts
)

// Change is one change after which all items of a plan fit.
type Change struct {
	Kind   ChangeKind `json:"kind"`
	Reason string     `json:"reason"` // what to do, in words
	// Hosts are those to enable, to restore, or to grow.
	Hosts []string `json:"hosts,omitempty"`
	Trait string   `json:"trait,omitempty"`
	// Policy is the policy of groups that becomes a soft one.
	Policy Policy `json:"policy,omitempty"`
	// Resource is overcommitted by Ratio, on all hosts that have a lower one.
	Resource string  `json:"resource,omitempty"`
	Ratio    float64 `json:"ratio,omitempty"`
	// Count hosts are to be added, each of the capacity Size: like the host Like, or
	// with Traits in Zone. For GrowHost, Size is what the host itself lacks; its
	// capacity is that, overcommitted.
	Count  int      `json:"count,omitempty"`
	Like   string   `json:"like,omitempty"`
	Size   *Size    `json:"size,omitempty"`
	Traits []string `json:"traits,omitempty"`
	Zone   string   `json:"zone,omitempty"`
}

// The search for changes is bounded by these.
const (
	maxTried = 20 // hosts, traits or sizes of each kind
	maxAdded = 1000
)

// Changes returns what would make all items fit: of each kind of change the smallest
// that was found, the cheapest kind first; none if they fit already. Each has been
// tried: with it, Plan places every item. Changes of two kinds at once are not tried.
func (w *World) Changes(ctx context.Context, items []Item) ([]Change, error) {
	plan, err := w.Plan(ctx, items)
	if err != nil || plan.Fits() {
		return nil, err
	}
	s := &search{ctx: ctx, world: w, items: items, plan: plan, left: plan.unplaced()}
	var found []Change
	for _, try := range []func() (Change, bool){
		s.enable, s.restore, s.relaxTrait, s.relaxZone, s.relaxHost, s.relaxPolicy, s.raiseRatio, s.growHost, s.addHosts,
	} {
		if c, ok := try(); ok {
			found = append(found, c)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// search is a search for changes.
type search struct {
	ctx   context.Context
	world *World
	items []Item
	plan  *Plan  // of the items as things are
	left  []Item // those that it left out
}

// withHosts reports whether the items would fit with other hosts.
func (s *search) withHosts(hosts []HostState) bool {
	w := World{Hosts: hosts, Groups: s.world.Groups, Servers: s.world.Servers}
	return w.fits(s.ctx, s.items)
}

// changed returns the hosts with f applied to those of the indices.
func (s *search) changed(indices []int, f func(h *HostState)) []HostState {
	hosts := slices.Clone(s.world.Hosts)
	for _, i := range indices {
		f(&hosts[i])
	}
	return hosts
}

func (s *search) enable() (Change, bool) {
	return s.turnOn(EnableHosts, "enable", func(h *HostState) *bool { return &h.Enabled })
}

func (s *search) restore() (Change, bool) {
	return s.turnOn(RestoreHosts, "bring back", func(h *HostState) *bool { return &h.Up })
}

// turnOn looks for one host that helps if it is on, or else whether all do.
func (s *search) turnOn(kind ChangeKind, verb string, state func(h *HostState) *bool) (Change, bool) {
	var off []int
	for i := range s.world.Hosts {
		if !*state(&s.world.Hosts[i]) {
			off = append(off, i)
		}
	}
	try := func(indices ...int) (Change, bool) {
		if len(indices) == 0 || !s.withHosts(s.changed(indices, func(h *HostState) { *state(h) = true })) {
			return Change{}, false
		}
		c := Change{Kind: kind}
		for _, i := range indices {
			c.Hosts = append(c.Hosts, s.world.Hosts[i].Name)
		}
		c.Reason = verb + " " + strings.Join(c.Hosts, ", ")
		return c, true
	}
	for _, i := range off[:min(len(off), maxTried)] {
		if c, ok := try(i); ok {
			return c, true
		}
	}
	return s.fewest(len(off), func(n int) (Change, bool) { return try(off[:n]...) })
}

// fewest finds the smallest n, up to most, with which try succeeds, taken that more
// never does worse.
func (s *search) fewest(most int, try func(n int) (Change, bool)) (Change, bool) {
	found, ok := Change{}, false
	low, high := 1, most
	for low <= high && s.ctx.Err() == nil {
		// It is asked of small numbers first, since those cost less to try.
		n := min(low*2-1, (low+high)/2)
		if c, fits := try(n); fits {
			found, ok, high = c, true, n-1
		} else {
			low = n + 1
		}
	}
	return found, ok
}
