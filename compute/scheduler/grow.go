package scheduler

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// growHost looks for the host that lacks the least to take what was left out: as a
// part of what it has.
func (s *search) growHost() (Change, bool) {
	var need, largest Size
	for _, item := range s.left {
		need = need.plus(item.Request.size())
		largest = largest.plus(item.Request.size().beyond(largest))
	}
	type option struct {
		index   int
		missing Size
		part    float64
	}
	var options []option
	for i := range s.plan.Hosts {
		h := &s.plan.Hosts[i]
		if !s.wouldTake(h) {
			continue
		}
		missing := h.missing(need, largest)
		options = append(options, option{i, missing, missing.partOf(Size{h.VCPUs.Capacity, h.Memory.Capacity, h.Disk.Capacity})})
	}
	slices.SortStableFunc(options, func(a, b option) int { return cmp.Compare(a.part, b.part) })
	for _, o := range options[:min(len(options), maxTried)] {
		grown := func(by Size) bool {
			return s.withHosts(s.changed([]int{o.index}, func(h *HostState) { h.grow(by) }))
		}
		if !grown(o.missing) {
			continue
		}
		name, missing := s.world.Hosts[o.index].Name, s.smallest(o.missing, grown)
		return Change{
			Kind: GrowHost, Hosts: []string{name}, Size: &missing,
			Reason: fmt.Sprintf("add %s to %s", missing, name),
		}, true
	}
	return Change{}, false
}

// smallest makes each part of a size that is enough as small as it can be.
func (s *search) smallest(size Size, enough func(Size) bool) Size {
	for _, part := range []func(a *Size) *int{
		func(a *Size) *int { return &a.VCPUs }, func(a *Size) *int { return &a.MemoryMiB }, func(a *Size) *int { return &a.DiskGiB },
	} {
		s.fewest(*part(&size), func(n int) (Change, bool) {
			less := size
			*part(&less) = n - 1
			if !enough(less) {
				return Change{}, false
			}
			size = less
			return Change{}, true
		})
	}
	return size
}

// wouldTake reports whether nothing but resources keeps a host from taking all that was
// left out.
func (s *search) wouldTake(h *HostState) bool {
	for i := range s.left {
		stage := refusedAt(h, &s.left[i].Request)
		if stage >= 0 && filters[stage].Name != resources {
			return false
		}
	}
	return true
}

// missing is what the host itself would have to have more, so that need is free, and one
// server may have largest.
func (h *HostState) missing(need, largest Size) Size {
	return Size{
		h.VCPUs.missing(need.VCPUs, largest.VCPUs),
		h.Memory.missing(need.MemoryMiB, largest.MemoryMiB),
		h.Disk.missing(need.DiskGiB, largest.DiskGiB),
	}
}

func (a *Amount) missing(need, largest int) int {
	n := int(math.Ceil(float64(max(need-a.Free(), 0)) / cmp.Or(a.Ratio, 1)))
	if a.MaxUnit > 0 {
		n = max(n, largest-a.MaxUnit)
	}
	return n
}

// grow gives the host more of what it has, of which one server may have all.
func (h *HostState) grow(by Size) {
	h.VCPUs.grow(by.VCPUs)
	h.Memory.grow(by.MemoryMiB)
	h.Disk.grow(by.DiskGiB)
}

func (a *Amount) grow(n int) {
	if a.MaxUnit > 0 {
		a.MaxUnit += n
	}
	if a.Total == 0 {
		a.Capacity += n
		return
	}
	a.Total += n
	a.Capacity = int(float64(a.Total-a.Reserved) * a.Ratio)
}

// addHosts looks for the fewest further hosts like one that is there, and the smallest
// such; if no number of them helps, for the size of one that does.
func (s *search) addHosts() (Change, bool) {
	var least Change
	for _, model := range s.models() {
		most := min(len(s.items), maxAdded)
		if least.Count > 0 {
			most = min(most, least.Count)
		}
		c, ok := s.fewest(most, func(n int) (Change, bool) { return s.added(model, n) })
		if ok && (least.Count == 0 || c.Count < least.Count || c.Size.partOf(*least.Size) < 1) {
			least = c
		}
	}
	if least.Count > 0 {
		return least, true
	}
	return s.addOne()
}

// models are hosts as there are: emptied, switched on, and one of each sort.
func (s *search) models() []HostState {
	var models []HostState
	seen := map[string]bool{}
	for _, h := range s.world.Hosts {
		sort := fmt.Sprint(h.Zone, h.Traits, h.VCPUs.Capacity, h.Memory.Capacity, h.Disk.Capacity)
		if seen[sort] || len(models) == maxTried {
			continue
		}
		seen[sort] = true
		h.VCPUs.Used, h.Memory.Used, h.Disk.Used = 0, 0, 0
		h.Enabled, h.Up = true, true
		models = append(models, h)
	}
	return models
}

// added reports whether n more hosts like the model help.
func (s *search) added(model HostState, n int) (Change, bool) {
	hosts := slices.Clone(s.world.Hosts)
	for i := range n {
		h := model
		h.Name = fmt.Sprintf("new host %d like %s", i+1, model.Name)
		hosts = append(hosts, h)
	}
	size := Size{model.VCPUs.Capacity, model.Memory.Capacity, model.Disk.Capacity}
	hostsLike := "one more host"
	if n > 1 {
		hostsLike = fmt.Sprintf("%d more hosts", n)
	}
	return Change{
		Kind: AddHosts, Count: n, Like: model.Name, Size: &size,
		Reason: fmt.Sprintf("add %s like %s, with a capacity of %s", hostsLike, model.Name, size),
	}, s.withHosts(hosts)
}

// addOne looks whether one host with just what was left out would help: where it is
// that hosts are all too small, or none has the traits.
func (s *search) addOne() (Change, bool) {
	h := HostState{Name: "new host", Enabled: true, Up: true}
	var need Size
	for _, item := range s.left {
		need = need.plus(item.Request.size())
		h.Traits = append(h.Traits, item.Request.Required...)
		h.Zone = cmp.Or(h.Zone, item.Request.Zone)
	}
	slices.Sort(h.Traits)
	h.Traits = slices.Compact(h.Traits)
	h.grow(need)
	c := Change{
		Kind: AddHosts, Count: 1, Size: &need, Traits: h.Traits, Zone: h.Zone,
		Reason: fmt.Sprintf("add one host with a capacity of %s", need),
	}
	if len(h.Traits) > 0 {
		c.Reason += " and the traits " + strings.Join(h.Traits, ", ")
	}
	if h.Zone != "" {
		c.Reason += " in availability zone " + h.Zone
	}
	return c, s.withHosts(append(slices.Clone(s.world.Hosts), h))
}
