package network

import (
	"net/netip"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/state"
)

// Delays before a change of who is in a group is brought to the ports that let the
// group in: a burst of servers is one change, and the larger a group is, the more
// rarely it is gone through.
const (
	remoteDelay    = 50 * time.Millisecond
	remoteDelayFor = 200 * time.Microsecond // each port to go through
)

// remotes keeps the addresses of the security groups that rules refer to. Many
// ports share them. They may be a moment old: whenever a group changes, all ports
// that let it in are realised again.
type remotes struct {
	mu     sync.Mutex
	groups map[string]*remote
}

// remote is the addresses of one group, as of a revision.
type remote struct {
	changed uint64 // the revision that changed the group last
	built   uint64 // the revision that the addresses are from
	v4, v6  []netip.Prefix
	users   int // how many ports let the group in, the last time
}

func (c *remotes) entry(id string) *remote {
	if c.groups == nil {
		c.groups = map[string]*remote{}
	}
	g := c.groups[id]
	if g == nil {
		g = &remote{}
		c.groups[id] = g
	}
	return g
}

// of returns the addresses of a group. The slice is shared: read only.
func (c *remotes) of(s *Service, snap *state.Snapshot, id string, ipv6 bool) []netip.Prefix {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.entry(id)
	if g.built == 0 || g.built < g.changed {
		g.v4, g.v6 = members(s, snap, id)
		g.built = max(snap.Revision(), 1)
	}
	if ipv6 {
		return g.v6
	}
	return g.v4
}

func members(s *Service, snap *state.Snapshot, id string) (v4, v6 []netip.Prefix) {
	for p := range s.t.ports.Where(snap, s.t.portBy.group, id) {
		for _, f := range p.FixedIPs {
			prefix := netip.PrefixFrom(f.Address, f.Address.BitLen())
			if f.Address.Is4() {
				v4 = append(v4, prefix)
			} else {
				v6 = append(v6, prefix)
			}
		}
		for _, pair := range p.Pairs {
			if pair.Address.Addr().Is4() {
				v4 = append(v4, pair.Address)
			} else {
				v6 = append(v6, pair.Address)
			}
		}
	}
	return v4, v6
}

// change notes that a group's addresses are others since a revision, and has the
// ports that let it in realised again after a while.
func (c *remotes) change(r *reconciler, id string, revision uint64) {
	c.mu.Lock()
	g := c.entry(id)
	g.changed = max(g.changed, revision)
	delay := remoteDelay + time.Duration(g.users)*remoteDelayFor
	c.mu.Unlock()
	r.needLater(key{kindGroup, "", id}, revision, delay)
}

// realiseGroup has the ports realised again whose rules let the group in.
func (r *reconciler) realiseGroup(id string) result {
	snap, users := r.s.db.Snapshot(), 0
	for rule := range r.s.t.rules.Where(snap, r.s.t.ruleBy.remote, id) {
		for p := range r.s.t.ports.Where(snap, r.s.t.portBy.group, rule.GroupID) {
			if p.Plugged && p.PortSecurity {
				r.redo(key{kindPort, p.Host, p.ID})
				users++
			}
		}
	}
	r.remotes.mu.Lock()
	defer r.remotes.mu.Unlock()
	r.remotes.entry(id).users = users
	if !r.s.t.groups.Has(snap, id) {
		delete(r.remotes.groups, id)
	}
	return result{seen: snap.Revision()}
}
