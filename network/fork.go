package network

// In a fork the hosts hold what is recorded, but for what its origin had still to
// realise. So nothing is listed at the start, and what is known of a network's hosts is
// taken from the record when it is first needed.

// inherit takes over what has still to be realised. The caller holds mu.
func (r *reconciler) inherit() {
	s, snap := r.s, r.s.db.Snapshot()
	router := func(id string) {
		if s.cfg.RouterHost != "" {
			r.again(key{kindRouter, s.cfg.RouterHost, id}, snap.Revision())
		}
	}
	for p := range s.t.ports.Where(snap, s.t.portBy.pending) {
		if p.isLeg() {
			router(p.DeviceID)
			continue
		}
		r.again(key{kindNetwork, p.Host, p.NetworkID}, snap.Revision())
		r.again(key{kindPort, p.Host, p.ID}, snap.Revision())
	}
	for f := range s.t.floating.Where(snap, s.t.floatBy.pending) {
		router(f.RouterID)
	}
}

// inheritNetwork notes which hosts have a network, in a fork. The caller holds mu.
func (r *reconciler) inheritNetwork(id string) {
	if !r.s.forked || r.asked[id] {
		return
	}
	if r.asked == nil {
		r.asked = map[string]bool{}
	}
	r.asked[id] = true
	for _, host := range r.s.recordedHosts(r.s.db.Snapshot(), id) {
		r.get(key{kindNetwork, host, id})
	}
}
