package state

import "context"

// Gate is an Engine of a simulation. Transactions that run side by side pass it one by
// one: at the start of each run, between what they read and their commit, and when the
// outcome is known but not told yet. So what lets them through decides their order, and
// nothing else does.
type Gate interface {
	Engine
	// Pass blocks until the transaction may go on. ctx is Update's.
	Pass(ctx context.Context)
}

// pass waits at the gate, if there is one.
func (db *DB) pass(ctx context.Context) {
	if g, gated := db.engine.(Gate); gated {
		g.Pass(ctx)
	}
}
