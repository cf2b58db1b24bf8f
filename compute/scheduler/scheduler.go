// Package scheduler chooses the host of a server. It is a pure function from what
// the hosts have and what the server needs to a decision with its reasons; nothing
// here reads state or talks to anybody.
//
// Hosts are put to [Filters] in order, and what passes is ranked by [Weighers]. A
// [Decision] costs little where a host is found: its reasons are put into words only
// when [Decision.Explain] is asked for them.
//
// [World.Plan] places many servers one after the other, on paper: see there.
package scheduler

import (
	"cmp"
	"slices"
)

// Amount is how much of one resource a host has.
type Amount struct {
	Capacity int // after reservation and overcommit
	Used     int

	// Total is what there is, of which Reserved is the host's own; times Ratio, the
	// rest is the capacity. They are for explanations, and for plans that raise the
	// ratio.
	Total, Reserved int
	Ratio           float64

	// MinUnit and MaxUnit bound what one server may have, and StepSize divides it; 0
	// for no limit.
	MinUnit, MaxUnit, StepSize int
}

// Free is what is left.
func (a *Amount) Free() int { return a.Capacity - a.Used }

// HostState is a host as the scheduler sees it.
type HostState struct {
	Name     string
	Provider string // the resource provider's id
	Enabled  bool
	Up       bool
	Zone     string
	Traits   []string
	VCPUs    Amount
	Memory   Amount // MiB
	Disk     Amount // GiB
	// GroupMembers is how many servers of the request's group are on the host.
	GroupMembers int
	// Servers are the ids that SameHost and DifferentHost of the request name, as
	// far as they are on this host.
	Servers []string
}

// Give takes back what a server used of the host.
func (h *HostState) Give(vcpus, memoryMiB, diskGiB int) { h.use(-vcpus, -memoryMiB, -diskGiB) }

// use adds what a server uses of the host.
func (h *HostState) use(vcpus, memoryMiB, diskGiB int) {
	h.VCPUs.Used += vcpus
	h.Memory.Used += memoryMiB
	h.Disk.Used += diskGiB
}

// Policy of a server group.
type Policy string

// The policies of server groups, with Nova's names.
const (
	Affinity         Policy = "affinity"
	AntiAffinity     Policy = "anti-affinity"
	SoftAffinity     Policy = "soft-affinity"
	SoftAntiAffinity Policy = "soft-anti-affinity"
)

// Request is what a server needs.
type Request struct {
	VCPUs         int      `json:"vcpus"`
	MemoryMiB     int      `json:"memory_mib"`
	DiskGiB       int      `json:"disk_gib"`
	Zone          string   `json:"zone,omitempty"` // empty: any
	Host          string   `json:"host,omitempty"` // empty: any
	Required      []string `json:"required_traits,omitempty"`
	Forbidden     []string `json:"forbidden_traits,omitempty"`
	Policy        Policy   `json:"policy,omitempty"`       // of the server's group; empty without one
	MaxPerHost    int      `json:"max_per_host,omitempty"` // of an anti-affinity group; 0 means 1
	SameHost      []string `json:"same_host,omitempty"`
	DifferentHost []string `json:"different_host,omitempty"`
	Exclude       []string `json:"exclude,omitempty"` // hosts not to be used

	groupPlaced bool // the group has members on some host already
}

// Rejection says that a host will not do, and which filter found so.
type Rejection struct {
	Host   *HostState
	Filter *Filter
	stage  int // the filter's place
}

// Candidate is a host that will do, with its weight.
type Candidate struct {
	*HostState
	Weight float64
}

// Decision is the outcome: the hosts that will do, best first, and those that will
// not. It refers to the hosts that Schedule was given.
type Decision struct {
	Request    Request
	Hosts      []Candidate
	Rejections []Rejection // in the order of the hosts
}

// Schedule decides on which hosts the request fits, best first.
func Schedule(hosts []HostState, req Request) Decision {
	req.groupPlaced = placed(hosts)
	d := Decision{Request: req, Hosts: make([]Candidate, 0, len(hosts))}
	for i := range hosts {
		h := &hosts[i]
		if stage := refusedAt(h, &req); stage >= 0 {
			d.Rejections = append(d.Rejections, Rejection{h, filters[stage], stage})
			continue
		}
		d.Hosts = append(d.Hosts, Candidate{h, weigh(h, &req)})
	}
	slices.SortFunc(d.Hosts, bestFirst)
	return d
}

// bestFirst orders candidates by weight, and by name where that is the same.
func bestFirst(a, b Candidate) int {
	return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Name, b.Name))
}

// best is the first host of the decision that Schedule would make, and whether there
// is one; without the reasons, for plans that ask it thousands of times.
func best(hosts []HostState, req *Request) (*HostState, bool) {
	req.groupPlaced = placed(hosts)
	var chosen Candidate
	for i := range hosts {
		if refusedAt(&hosts[i], req) >= 0 {
			continue
		}
		c := Candidate{&hosts[i], weigh(&hosts[i], req)}
		if chosen.HostState == nil || bestFirst(c, chosen) < 0 {
			chosen = c
		}
	}
	return chosen.HostState, chosen.HostState != nil
}

func placed(hosts []HostState) bool {
	for i := range hosts {
		if hosts[i].GroupMembers > 0 {
			return true
		}
	}
	return false
}

// refusedAt returns the place of the first filter that the host does not pass, -1 if
// it passes all.
func refusedAt(h *HostState, req *Request) int {
	for i, f := range filters {
		if !f.Pass(h, req) {
			return i
		}
	}
	return -1
}
