package scheduler

import (
	"fmt"
	"slices"
	"strings"
)

// filters are asked in order; the first that gives a reason rejects the host.
var filters = []func(h HostState, req Request) string{
	available, named, zone, traits, resources, group, neighbours,
}

func available(h HostState, _ Request) string {
	switch {
	case !h.Enabled:
		return "is disabled"
	case !h.Up:
		return "is down"
	}
	return ""
}

func named(h HostState, req Request) string {
	switch {
	case req.Host != "" && h.Name != req.Host:
		return "is not the requested host " + req.Host
	case slices.Contains(req.Exclude, h.Name):
		return "is excluded"
	}
	return ""
}

func zone(h HostState, req Request) string {
	if req.Zone != "" && h.Zone != req.Zone {
		return fmt.Sprintf("is in availability zone %s, not %s", h.Zone, req.Zone)
	}
	return ""
}

func traits(h HostState, req Request) string {
	for _, t := range req.Required {
		if !h.Traits[t] {
			return "lacks trait " + t
		}
	}
	for _, t := range req.Forbidden {
		if h.Traits[t] {
			return "has forbidden trait " + t
		}
	}
	return ""
}

func resources(h HostState, req Request) string {
	var short []string
	for _, r := range []struct {
		a    Amount
		n    int
		unit string
	}{
		{h.VCPUs, req.VCPUs, "VCPU"},
		{h.Memory, req.MemoryMiB, "MiB of memory"},
		{h.Disk, req.DiskGiB, "GiB of disk"},
	} {
		switch {
		case r.n > 0 && r.n > r.a.Free():
			short = append(short, fmt.Sprintf("needs %d %s, %d of %d free", r.n, r.unit, max(r.a.Free(), 0), r.a.Capacity))
		case r.a.MaxUnit > 0 && r.n > r.a.MaxUnit:
			short = append(short, fmt.Sprintf("needs %d %s, has %d in all", r.n, r.unit, r.a.MaxUnit))
		}
	}
	return strings.Join(short, ", ")
}

func group(h HostState, req Request) string {
	switch {
	case req.Policy == Affinity && req.groupPlaced && h.GroupMembers == 0:
		return "has no member of the affinity group"
	case req.Policy == AntiAffinity && h.GroupMembers >= max(req.MaxPerHost, 1):
		return fmt.Sprintf("has %d of the anti-affinity group already", h.GroupMembers)
	}
	return ""
}

func neighbours(h HostState, req Request) string {
	if len(req.SameHost) > 0 && !slices.ContainsFunc(req.SameHost, func(id string) bool { return slices.Contains(h.Servers, id) }) {
		return "runs none of " + strings.Join(req.SameHost, ", ")
	}
	for _, id := range req.DifferentHost {
		if slices.Contains(h.Servers, id) {
			return "runs server " + id
		}
	}
	return ""
}
