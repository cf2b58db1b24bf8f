package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// Filter is a test that a host must pass.
type Filter struct {
	Name string // as explanations give it
	Doc  string // what it tests, in a sentence
	// Pass reports whether the host will do.
	Pass func(h *HostState, req *Request) bool
	// Why says what is wrong with a host that does not pass: "is disabled".
	Why func(h *HostState, req *Request) string
}

// resources is the name of the filter whose refusals have figures.
const resources = "resources"

// filters are asked in order; the first that a host does not pass refuses it. They go
// from what is wrong with the host to what the request is particular about, so that
// the hosts that come furthest are the nearest to being of use.
var filters = []*Filter{
	{
		Name: "enabled", Doc: "The host takes new servers.",
		Pass: func(h *HostState, _ *Request) bool { return h.Enabled },
		Why:  func(*HostState, *Request) string { return "is disabled" },
	},
	{
		Name: "up", Doc: "The host answers.",
		Pass: func(h *HostState, _ *Request) bool { return h.Up },
		Why:  func(*HostState, *Request) string { return "is down" },
	},
	{
		Name: "host", Doc: "The host is the one that was asked for, if one was.",
		Pass: func(h *HostState, req *Request) bool { return req.Host == "" || h.Name == req.Host },
		Why:  func(_ *HostState, req *Request) string { return "is not the requested host " + req.Host },
	},
	{
		Name: "excluded", Doc: "The host is none of those that are not to be used.",
		Pass: func(h *HostState, req *Request) bool { return !slices.Contains(req.Exclude, h.Name) },
		Why:  func(*HostState, *Request) string { return "is excluded" },
	},
	{
		Name: "zone", Doc: "The host is in the availability zone that was asked for, if one was.",
		Pass: func(h *HostState, req *Request) bool { return req.Zone == "" || h.Zone == req.Zone },
		Why: func(h *HostState, req *Request) string {
			return fmt.Sprintf("is in availability zone %s, not %s", h.Zone, req.Zone)
		},
	},
	{
		Name: "required_traits", Doc: "The host has every required trait.",
		Pass: func(h *HostState, req *Request) bool { return h.lacking(req) == "" },
		Why:  func(h *HostState, req *Request) string { return "lacks trait " + h.lacking(req) },
	},
	{
		Name: "forbidden_traits", Doc: "The host has no forbidden trait.",
		Pass: func(h *HostState, req *Request) bool { return h.forbidden(req) == "" },
		Why:  func(h *HostState, req *Request) string { return "has forbidden trait " + h.forbidden(req) },
	},
	{
		Name: "affinity", Doc: "The host runs a member of the affinity group, if any host does.",
		Pass: func(h *HostState, req *Request) bool {
			return req.Policy != Affinity || !req.groupPlaced || h.GroupMembers > 0
		},
		Why: func(*HostState, *Request) string { return "has no member of the affinity group" },
	},
	{
		Name: "anti_affinity", Doc: "The host runs no member of the anti-affinity group, or fewer than the group allows.",
		Pass: func(h *HostState, req *Request) bool {
			return req.Policy != AntiAffinity || h.GroupMembers < max(req.MaxPerHost, 1)
		},
		Why: func(h *HostState, _ *Request) string {
			return fmt.Sprintf("has %d of the anti-affinity group already", h.GroupMembers)
		},
	},
	{
		Name: "same_host", Doc: "The host runs one of the servers that the hint same_host names.",
		Pass: func(h *HostState, req *Request) bool { return len(req.SameHost) == 0 || h.runs(req.SameHost) != "" },
		Why:  func(_ *HostState, req *Request) string { return "runs none of " + strings.Join(req.SameHost, ", ") },
	},
	{
		Name: "different_host", Doc: "The host runs none of the servers that the hint different_host names.",
		Pass: func(h *HostState, req *Request) bool { return h.runs(req.DifferentHost) == "" },
		Why:  func(h *HostState, req *Request) string { return "runs server " + h.runs(req.DifferentHost) },
	},
	{
		Name: resources, Doc: "The host has as much processor, memory and disk left as the server needs.",
		Pass: func(h *HostState, req *Request) bool {
			return h.VCPUs.holds(req.VCPUs) && h.Memory.holds(req.MemoryMiB) && h.Disk.holds(req.DiskGiB)
		},
		Why: func(h *HostState, req *Request) string {
			var short []string
			for _, f := range h.shortages(req) {
				short = append(short, f.String())
			}
			return strings.Join(short, ", ")
		},
	},
}

// Filters returns the tests that hosts must pass, in the order in which they are put
// to them.
func Filters() []*Filter { return slices.Clone(filters) }

// lacking returns the first required trait that the host has not.
func (h *HostState) lacking(req *Request) string {
	for _, t := range req.Required {
		if !slices.Contains(h.Traits, t) {
			return t
		}
	}
	return ""
}

// forbidden returns the first forbidden trait that the host has.
func (h *HostState) forbidden(req *Request) string {
	for _, t := range req.Forbidden {
		if slices.Contains(h.Traits, t) {
			return t
		}
	}
	return ""
}

// runs returns the first of the servers that is on the host.
func (h *HostState) runs(servers []string) string {
	for _, id := range servers {
		if slices.Contains(h.Servers, id) {
			return id
		}
	}
	return ""
}

// holds reports whether n more can be used, by one server.
func (a *Amount) holds(n int) bool {
	return n <= 0 || n <= a.Free() && a.suits(n)
}

// suits reports whether one server may have n: placement refuses anything else.
func (a *Amount) suits(n int) bool {
	return n >= a.MinUnit && (a.MaxUnit == 0 || n <= a.MaxUnit) && (a.StepSize == 0 || n%a.StepSize == 0)
}

// Figure is what was needed of one resource and what there was of it.
type Figure struct {
	Resource string  `json:"resource"` // "VCPU", "MEMORY_MB", "DISK_GB"
	Needed   int     `json:"needed"`
	Free     int     `json:"free"`
	Capacity int     `json:"capacity"`          // after reservation and overcommit
	Total    int     `json:"total,omitempty"`   // what the host has
	Ratio    float64 `json:"ratio,omitempty"`   // of overcommit
	Problem  string  `json:"problem,omitempty"` // other than too little: the amount is none that one server may have
}

// String is the figure in words: "needs 4 VCPU, 2 of 16 free".
func (f Figure) String() string {
	unit := units[f.Resource]
	if f.Problem != "" {
		return fmt.Sprintf("needs %d %s, %s", f.Needed, unit, f.Problem)
	}
	return fmt.Sprintf("needs %d %s, %d of %d free", f.Needed, unit, max(f.Free, 0), f.Capacity)
}

// The resources, with Placement's names.
const (
	vcpu   = "VCPU"
	memory = "MEMORY_MB"
	disk   = "DISK_GB"
)

// units are the resources as sentences name them.
var units = map[string]string{vcpu: "VCPU", memory: "MiB of memory", disk: "GiB of disk"}

// shortages gives the figures of what the host has not enough of.
func (h *HostState) shortages(req *Request) []Figure {
	var short []Figure
	for _, r := range []struct {
		name string
		a    *Amount
		n    int
	}{{vcpu, &h.VCPUs, req.VCPUs}, {memory, &h.Memory, req.MemoryMiB}, {disk, &h.Disk, req.DiskGiB}} {
		if !r.a.holds(r.n) {
			short = append(short, Figure{
				Resource: r.name, Needed: r.n, Free: r.a.Free(), Capacity: r.a.Capacity, Total: r.a.Total, Ratio: r.a.Ratio,
				Problem: r.a.problem(r.n),
			})
		}
	}
	return short
}

// problem says why one server may not have n, though so much is free.
func (a *Amount) problem(n int) string {
	switch {
	case n > a.Free():
		return ""
	case a.MaxUnit > 0 && n > a.MaxUnit:
		return fmt.Sprintf("has %d in all", a.MaxUnit)
	case n < a.MinUnit:
		return fmt.Sprintf("gives at least %d", a.MinUnit)
	case a.StepSize > 0 && n%a.StepSize != 0:
		return fmt.Sprintf("gives multiples of %d", a.StepSize)
	}
	return ""
}
