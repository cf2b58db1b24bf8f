package scheduler

import (
	"fmt"
	"math"
	"slices"
)

// relaxed reports whether the items would fit if their requests were changed.
func (s *search) relaxed(f func(r *Request)) bool {
	items := slices.Clone(s.items)
	for i := range items {
		f(&items[i].Request)
	}
	return s.world.fits(s.ctx, items)
}

func (s *search) relaxTrait() (Change, bool) {
	var traits []string
	for _, item := range s.left {
		traits = append(traits, item.Request.Required...)
		traits = append(traits, item.Request.Forbidden...)
	}
	slices.Sort(traits)
	traits = slices.Compact(traits)
	for _, t := range traits[:min(len(traits), maxTried)] {
		without := func(list []string) []string {
			return slices.DeleteFunc(slices.Clone(list), func(other string) bool { return other == t })
		}
		if s.relaxed(func(r *Request) { r.Required, r.Forbidden = without(r.Required), without(r.Forbidden) }) {
			return Change{Kind: RelaxTrait, Trait: t, Reason: "do without the condition on trait " + t}, true
		}
	}
	return Change{}, false
}

func (s *search) relaxZone() (Change, bool) {
	wished := slices.ContainsFunc(s.left, func(i Item) bool { return i.Request.Zone != "" })
	if !wished || !s.relaxed(func(r *Request) { r.Zone = "" }) {
		return Change{}, false
	}
	return Change{Kind: RelaxZone, Reason: "let the servers go to any availability zone"}, true
}

func (s *search) relaxHost() (Change, bool) {
	wished := slices.ContainsFunc(s.left, func(i Item) bool { return i.Request.Host != "" })
	if !wished || !s.relaxed(func(r *Request) { r.Host = "" }) {
		return Change{}, false
	}
	return Change{Kind: RelaxHost, Reason: "let the servers go to any host"}, true
}

func (s *search) relaxPolicy() (Change, bool) {
	for _, p := range [][2]Policy{{Affinity, SoftAffinity}, {AntiAffinity, SoftAntiAffinity}} {
		hard, soft := p[0], p[1]
		wished := slices.ContainsFunc(s.left, func(i Item) bool { return i.Request.Policy == hard })
		if wished && s.relaxed(func(r *Request) {
			if r.Policy == hard {
				r.Policy = soft
			}
		}) {
			return Change{Kind: RelaxPolicy, Policy: hard, Reason: fmt.Sprintf("give the %s groups the policy %s", hard, soft)}, true
		}
	}
	return Change{}, false
}

// ratioLimits are how far overcommit is proposed: processors wait for each other,
// memory and disk run out.
var ratioLimits = map[string]float64{vcpu: 16, memory: 2, disk: 2}

// amounts name the resources of a host.
func (h *HostState) amounts() map[string]*Amount {
	return map[string]*Amount{vcpu: &h.VCPUs, memory: &h.Memory, disk: &h.Disk}
}

// raiseRatio looks for the smallest ratio of one resource that helps, in tenths.
func (s *search) raiseRatio() (Change, bool) {
	for _, resource := range []string{vcpu, memory, disk} {
		lowest := ratioLimits[resource]
		for i := range s.world.Hosts {
			if a := s.world.Hosts[i].amounts()[resource]; a.Total > 0 {
				lowest = min(lowest, a.Ratio)
			}
		}
		base := int(math.Floor(lowest * 10))
		c, ok := s.fewest(int(ratioLimits[resource]*10)-base, func(n int) (Change, bool) {
			ratio := float64(base+n) / 10
			c := Change{Kind: RaiseRatio, Resource: resource, Ratio: ratio}
			c.Reason = fmt.Sprintf("raise the allocation ratio of %s to %.1f", resource, ratio)
			return c, s.withHosts(s.overcommitted(resource, ratio))
		})
		if ok {
			return c, true
		}
	}
	return Change{}, false
}

// overcommitted returns the hosts with at least a ratio of a resource.
func (s *search) overcommitted(resource string, ratio float64) []HostState {
	hosts := slices.Clone(s.world.Hosts)
	for i := range hosts {
		a := hosts[i].amounts()[resource]
		if a.Total > 0 && ratio > a.Ratio {
			a.Ratio, a.Capacity = ratio, int(float64(a.Total-a.Reserved)*ratio)
		}
	}
	return hosts
}
