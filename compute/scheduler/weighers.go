package scheduler

// weigh rates a host that will do: more is better. It spreads servers over the
// hosts by what stays free of the scarcest of processors and memory; soft group
// policies outweigh that.
func weigh(h HostState, req Request) float64 {
	w := min(share(h.VCPUs, req.VCPUs), share(h.Memory, req.MemoryMiB))
	switch req.Policy {
	case SoftAffinity:
		w += float64(h.GroupMembers)
	case SoftAntiAffinity:
		w -= float64(h.GroupMembers)
	}
	return w
}

// share is the part that stays free when n more are used.
func share(a Amount, n int) float64 {
	if a.Capacity <= 0 {
		return 0
	}
	return float64(a.Free()-n) / float64(a.Capacity)
}
