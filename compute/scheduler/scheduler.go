// Package scheduler chooses the host of a server. It is a pure function from what
// the hosts have and what the server needs to a decision with its reasons; nothing
// here reads state or talks to anybody.
package scheduler

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// Amount is how much of one resource a host has.
type Amount struct {
	Capacity int // after reservation and overcommit
	Used     int
	MaxUnit  int // the most that one server may have; 0 for no limit
}

// Free is what is left.
func (a Amount) Free() int { return a.Capacity - a.Used }

// HostState is a host as the scheduler sees it.
type HostState struct {
	Name     string
	Provider string // the resource provider's id
	Enabled  bool
	Up       bool
	Zone     string
	Traits   map[string]bool
	VCPUs    Amount
	Memory   Amount // MiB
	Disk     Amount // GiB
	// GroupMembers is how many servers of the request's group are on the host.
	GroupMembers int
	// Servers are the ids that SameHost and DifferentHost of the request name, as
	// far as they are on this host.
	Servers []string
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
	VCPUs, MemoryMiB, DiskGiB int
	Zone                      string // empty: any
	Host                      string // empty: any
	Required, Forbidden       []string
	Policy                    Policy // of the server's group; empty without one
	MaxPerHost                int    // of an anti-affinity group; 0 means 1
	SameHost, DifferentHost   []string
	Exclude                   []string // hosts not to be used

	groupPlaced bool // the group has members on some host already
}

// Rejection says why a host will not do.
type Rejection struct {
	Host   string
	Reason string
}

// Decision is the outcome: the hosts that will do, best first, and why the others
// will not.
type Decision struct {
	Hosts      []HostState
	Rejections []Rejection
}

// Err is nil if there is a host, or else a fault.Exhausted that says which host
// failed which test.
func (d Decision) Err() error {
	if len(d.Hosts) > 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("No valid host was found.")
	if len(d.Rejections) == 0 {
		b.WriteString(" There are no hosts.")
	}
	for i, r := range d.Rejections {
		if i == maxNamed {
			fmt.Fprintf(&b, " and %d more", len(d.Rejections)-i)
			break
		}
		fmt.Fprintf(&b, "%s %s: %s", separator(i), r.Host, r.Reason)
	}
	return fault.New(fault.Exhausted, "%s", b.String()).WithCode("NoValidHost")
}

// maxNamed bounds the hosts that a message names.
const maxNamed = 10

func separator(i int) string {
	if i == 0 {
		return ""
	}
	return ";"
}

// Schedule decides on which hosts the request fits, best first.
func Schedule(hosts []HostState, req Request) Decision {
	var d Decision
	req.groupPlaced = slices.ContainsFunc(hosts, func(h HostState) bool { return h.GroupMembers > 0 })
	for _, h := range hosts {
		if why := reject(h, req); why != "" {
			d.Rejections = append(d.Rejections, Rejection{h.Name, why})
			continue
		}
		d.Hosts = append(d.Hosts, h)
	}
	slices.SortStableFunc(d.Hosts, func(a, b HostState) int {
		return cmp.Or(
			-cmp.Compare(weigh(a, req), weigh(b, req)),
			cmp.Compare(a.Name, b.Name),
		)
	})
	return d
}

func reject(h HostState, req Request) string {
	for _, f := range filters {
		if why := f(h, req); why != "" {
			return why
		}
	}
	return ""
}
