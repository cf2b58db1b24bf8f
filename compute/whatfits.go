package compute

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/welkin-cloud/cloud/compute/scheduler"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxPlanned bounds the servers of one plan.
const maxPlanned = 1000

// WhatFitsOptions ask whether servers would find a host.
type WhatFitsOptions struct {
	// Servers are new ones; there may be none where Drain is given.
	Servers []WantedServers `json:"servers,omitempty"`
	// Drain names hosts whose servers are to go elsewhere, and which get none.
	Drain []string `json:"drain,omitempty"`
}

// WantedServers are new servers that are alike.
type WantedServers struct {
	FlavorID string `json:"flavor"`
	Count    int    `json:"count,omitempty"` // 0 means 1
	Zone     string `json:"availability_zone,omitempty"`
	Host     string `json:"host,omitempty"` // empty: the scheduler chooses
	// BootVolume says that the root disk is a volume and takes no room on the host.
	BootVolume bool `json:"boot_from_volume,omitempty"`
	// GroupID is that of a server group. Policy is that of a group that is yet to be
	// made, of these servers alone; MaxPerHost is its rule if it is anti-affinity.
	GroupID    string           `json:"group,omitempty"`
	Policy     scheduler.Policy `json:"policy,omitempty"`
	MaxPerHost int              `json:"max_server_per_host,omitempty"`
	// Required and Forbidden traits are those beside the flavor's.
	Required  []string `json:"required_traits,omitempty"`
	Forbidden []string `json:"forbidden_traits,omitempty"`
}

// FitPlan is the answer to WhatFits.
type FitPlan struct {
	// Revision is that of the state that was looked at.
	Revision uint64 `json:"revision"`
	Fits     bool   `json:"fits"`   // every server has a host
	Reason   string `json:"reason"` // the answer in a sentence
	// Servers are in the order in which they were placed: the largest first.
	Servers []PlannedServer `json:"servers"`
	// Changes would each make all servers fit, the cheapest first; none if they do.
	Changes []scheduler.Change `json:"changes,omitempty"`
}

// PlannedServer is a server of a plan.
type PlannedServer struct {
	ServerID string `json:"id,omitempty"` // empty for a new one
	Name     string `json:"name"`         // of a new one: its flavor and number
	From     string `json:"from,omitempty"`
	Host     string `json:"host,omitempty"` // where it would go; empty: nowhere
	// Reason says in words why no host will do, and Why in figures: for the first few
	// servers of which that is so.
	Reason string                 `json:"reason,omitempty"`
	Why    *scheduler.Explanation `json:"why,omitempty"`
}

// WhatFits plans where new servers would go now, and those of hosts that are to be
// drained, and says what would make room if they do not fit. It changes nothing and
// looks at hosts only: not at quotas, networks or images.
//
// The plan places one server after the other by the very scheduler, the largest first;
// what it says fits does fit, if the servers are made in that order and nobody else
// makes any. See [scheduler.World.Plan] for what such a plan cannot know.
func (s *Service) WhatFits(ctx context.Context, opts WhatFitsOptions) (*FitPlan, error) {
	const op = "compute.WhatFits"
	up := s.upHosts(ctx)
	w := &fitWorld{Service: s, r: s.core.DB.Snapshot(), up: up, opts: &opts}
	if err := w.gather(); err != nil {
		return nil, fault.Wrap(op, err)
	}
	plan, err := w.world.Plan(ctx, w.items)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	changes, err := w.world.Changes(ctx, w.items)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	return newFitPlan(w.r.Revision(), plan, changes), nil
}

func newFitPlan(revision uint64, plan *scheduler.Plan, changes []scheduler.Change) *FitPlan {
	p := &FitPlan{Revision: revision, Fits: plan.Fits(), Servers: make([]PlannedServer, 0, len(plan.Placed)), Changes: changes}
	left := 0
	for _, q := range plan.Placed {
		server := PlannedServer{ServerID: q.Item.ID, Name: q.Item.Name, From: q.Item.From, Host: q.Host, Why: q.Why}
		if q.Why != nil {
			server.Reason = q.Why.Refusal()
		}
		if q.Host == "" {
			left++
		}
		p.Servers = append(p.Servers, server)
	}
	switch {
	case p.Fits:
		p.Reason = fmt.Sprintf("All %d servers fit.", len(p.Servers))
	case len(changes) == 0:
		p.Reason = fmt.Sprintf("%d of %d servers do not fit, and no single change that was tried helps.", left, len(p.Servers))
	default:
		p.Reason = fmt.Sprintf("%d of %d servers do not fit. To make them fit: %s.", left, len(p.Servers), changes[0].Reason)
	}
	return p
}

// String is the plan in words, a line for each server and each change.
func (p *FitPlan) String() string {
	var b strings.Builder
	b.WriteString(p.Reason)
	for _, q := range p.Servers {
		from := ""
		if q.From != "" {
			from = q.From + " "
		}
		fmt.Fprintf(&b, "\n%s: %s-> %s", q.Name, from, cmp.Or(q.Host, "nowhere"))
		if q.Reason != "" {
			fmt.Fprintf(&b, ". %s", q.Reason)
		}
	}
	for i, c := range p.Changes {
		either := "or"
		if i == 0 {
			either = "either"
		}
		fmt.Fprintf(&b, "\n%s %s", either, c.Reason)
	}
	return b.String()
}
