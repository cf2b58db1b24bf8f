package scheduler

import "slices"

// Weigher rates a host that will do: more is better. A host's weight is the sum of
// what its weighers say.
type Weigher struct {
	Name string // as explanations give it
	Doc  string // what it prefers, in a sentence
	// Weigh gives 0 where it has no preference.
	Weigh func(h *HostState, req *Request) float64
}

// weighers spread servers over the hosts; soft group policies outweigh that, since
// they count whole members and what stays free is at most one.
var weighers = []*Weigher{
	{
		Name: "free_share", Doc: "What stays free of the scarcer of processors and memory, as a part of what there is.",
		Weigh: func(h *HostState, req *Request) float64 {
			return min(h.VCPUs.share(req.VCPUs), h.Memory.share(req.MemoryMiB))
		},
	},
	{
		Name: "soft_affinity", Doc: "How many members of a soft-affinity group the host runs.",
		Weigh: func(h *HostState, req *Request) float64 {
			if req.Policy != SoftAffinity {
				return 0
			}
			return float64(h.GroupMembers)
		},
	},
	{
		Name: "soft_anti_affinity", Doc: "How many members of a soft-anti-affinity group the host runs, each counting against it.",
		Weigh: func(h *HostState, req *Request) float64 {
			if req.Policy != SoftAntiAffinity {
				return 0
			}
			return -float64(h.GroupMembers)
		},
	},
}

// Weighers returns what rates the hosts that will do.
func Weighers() []*Weigher { return slices.Clone(weighers) }

// weigh is the weight of a host that will do.
func weigh(h *HostState, req *Request) float64 {
	sum := 0.0
	for _, w := range weighers {
		sum += w.Weigh(h, req)
	}
	return sum
}

// share is the part that stays free when n more are used.
func (a *Amount) share(n int) float64 {
	if a.Capacity <= 0 {
		return 0
	}
	return float64(a.Free()-n) / float64(a.Capacity)
}
