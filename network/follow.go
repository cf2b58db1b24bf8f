package network

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// follow watches the state's commits and says of each which keys it concerns. A
// reconciler that fell behind looks at everything again.
func (r *reconciler) follow(ctx context.Context, from uint64) {
	for ctx.Err() == nil {
		for c, err := range r.s.db.Watch(ctx, from) {
			if err != nil {
				from = r.s.db.Snapshot().Revision()
				r.lookAgain()
				r.followed(from)
				break
			}
			for _, change := range c.Changes {
				r.mark(change, c.Revision)
			}
			from = c.Revision
			r.clear(from)
			r.followed(from)
		}
	}
}

// lookAgain has everything on all hosts looked at.
func (r *reconciler) lookAgain() {
	for _, host := range r.s.cfg.Hosts.Hosts() {
		r.redo(key{kindHost, host, host})
	}
}

// controllerGone looks again at what another controller, which is no more, may have
// done at the last by an old record: it cannot make that good itself.
func (r *reconciler) controllerGone(tx *state.Tx, gone saga.Gone) error {
	if !gone.Own {
		tx.AfterCommit(r.lookAgain)
	}
	return nil
}

func (r *reconciler) mark(c state.Change, rev uint64) {
	switch c.Collection {
	case "network.ports":
		before, after := sides[Port](c)
		r.markPort(before, after, rev)
	case "network.networks":
		r.markNetwork(c.Key, rev)
	case "network.subnets":
		before, after := sides[Subnet](c)
		r.markSubnet(&before, &after, rev)
	case "network.routers":
		r.markRouter(c.Key, rev)
	case "network.floatingips":
		before, after := sides[FloatingIP](c)
		if before.RouterID != after.RouterID || before.PortID != after.PortID || before.Fixed != after.Fixed {
			r.markRouter(before.RouterID, rev)
			r.markRouter(after.RouterID, rev)
		}
	case "network.security_group_rules":
		before, after := sides[SecurityGroupRule](c)
		r.markMembers(before.GroupID+after.GroupID, rev, c.Old == nil || c.New == nil)
	}
}

// sides gives both versions of a changed document; a missing one is zero.
func sides[T any](c state.Change) (before, after T) {
	if old, ok := c.Old.(*T); ok && old != nil {
		before = *old
	}
	if now, ok := c.New.(*T); ok && now != nil {
		after = *now
	}
	return before, after
}

func (r *reconciler) markPort(before, after Port, rev uint64) {
	moved := before.Plugged != after.Plugged || before.Host != after.Host
	addressed := before.MAC != after.MAC || !slices.Equal(before.FixedIPs, after.FixedIPs)
	for _, p := range []*Port{&before, &after} {
		if p.Plugged && (moved || addressed || guarded(&before) != guarded(&after) || !sameGuard(&before, &after)) {
			r.need(key{kindPort, p.Host, p.ID}, rev)
		}
		if p.Plugged && moved {
			r.need(key{kindNetwork, p.Host, p.NetworkID}, rev)
		}
		if p.isLeg() && (addressed || before.DeviceID != after.DeviceID) && r.s.cfg.RouterHost != "" {
			r.need(key{kindNetwork, r.s.cfg.RouterHost, p.NetworkID}, rev)
			r.markRouter(p.DeviceID, rev)
		}
	}
	if addressed || moved || before.Hostname != after.Hostname || before.DNSName != after.DNSName {
		for _, host := range r.hostsOf(before.networkOr(&after)) {
			r.needLater(key{kindNetwork, host, before.networkOr(&after)}, rev, leaseDelay)
		}
	}
	if addressed || !slices.Equal(before.SecurityGroups, after.SecurityGroups) {
		for _, g := range slices.Concat(before.SecurityGroups, after.SecurityGroups) {
			r.remotes.change(r, g, rev)
		}
	}
}

// networkOr is the port's network, or the other's if this one is no port.
func (p *Port) networkOr(other *Port) string {
	if p.NetworkID != "" {
		return p.NetworkID
	}
	return other.NetworkID
}

// guard is the part of what a port lets pass that can be compared.
type guard struct{ up, secure bool }

func guarded(p *Port) guard { return guard{p.AdminStateUp, p.PortSecurity} }

func sameGuard(a, b *Port) bool {
	return slices.Equal(a.Pairs, b.Pairs) && slices.Equal(a.SecurityGroups, b.SecurityGroups)
}

func (r *reconciler) markNetwork(id string, rev uint64) {
	for _, host := range r.hostsOf(id) {
		r.need(key{kindNetwork, host, id}, rev)
	}
}

func (r *reconciler) markSubnet(before, after *Subnet, rev uint64) {
	id := after.NetworkID
	if id == "" {
		id = before.NetworkID
	}
	r.markNetwork(id, rev)
	for p := range r.s.t.ports.Where(r.s.db.Snapshot(), r.s.t.portBy.leg, id) {
		r.markRouter(p.DeviceID, rev)
	}
}

func (r *reconciler) markRouter(id string, rev uint64) {
	if id != "" && r.s.cfg.RouterHost != "" {
		r.need(key{kindRouter, r.s.cfg.RouterHost, id}, rev)
	}
}

// markMembers says that what the ports of a security group let pass has changed.
func (r *reconciler) markMembers(groupID string, rev uint64, really bool) {
	if !really {
		return
	}
	for p := range r.s.t.ports.Where(r.s.db.Snapshot(), r.s.t.portBy.group, groupID) {
		if p.Plugged {
			r.need(key{kindPort, p.Host, p.ID}, rev)
		}
	}
}
