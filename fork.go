package cloud

import (
	"context"
	"errors"

	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
)

// Fork returns a copy of the cloud to try things on: a whole cloud with the state of
// now, on drivers in memory that hold what is recorded. What is done in it changes
// neither the original's state nor its drivers, and the other way round. It takes a
// fraction of a millisecond and a few hundred kilobytes, however many servers there are:
// memory is shared, and what the drivers hold is worked out when it is touched. Close it.
//
// A fork is what a controller would find that is started at this moment:
//
//   - Work under way goes on in the fork too, from what its journal says, against the
//     drivers in memory. Starting it again costs time for each piece of such work.
//
//   - An upload under way is cut off: its image is queued again.
//
//   - Guests are as recorded. What differs on the original's drivers (a guest that has
//     crashed a moment ago, a leak that Check would find) is not known to the fork.
//
//   - Directories of users are not asked: their users are as last seen, and cannot log in
//     with a password.
//
// What is in memory differs from real drivers: every host answers; every image is on
// every host, and reads as zeros of the right length, as volumes and backups do; storage
// has no end. Tokens of the original are good in the fork. Its identifiers are random,
// or, if the original has a Seed, follow from that and the revision; its clock is the
// original's.
func (c *Cloud) Fork(ctx context.Context) (*Cloud, error) {
	f := &Cloud{policy: c.policy, session: c.session, parts: c.parts}
	f.core, f.seed = c.forkCore()
	f.parts.identity.AdminPassword = ""
	f.parts.identity.Directories, f.parts.identity.OpenDirectory = nil, nil
	if !f.parts.identity.SharedKeys {
		f.parts.identity.Keys = c.Identity.CopyKeys()
	}
	f.parts.networks.RouterHost = c.Networks.RouterHost()
	f.fakes = newFakes(f.core.Clock, &f.parts, worldOf(c))
	err := f.compose()
	if err == nil {
		err = f.startFork(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// forkCore returns what the services of a fork stand on, and its seed.
func (c *Cloud) forkCore() (*core.Core, uint64) {
	k := *c.core
	k.Forked = true
	k.DB = c.core.DB.Fork()
	k.Log = c.core.Log.With("fork", true)
	k.IDs = ids.Random()
	seed := c.seed
	if seed != 0 {
		seed = forkedSeed(seed, k.DB.Snapshot().Revision())
		k.IDs = ids.Seeded(seed)
	}
	k.Quotas = quota.Define(k.DB)
	k.Sagas = saga.New(k.DB, k.Clock, k.IDs, k.Log, saga.Config{Controller: controller})
	return &k, seed
}

// forkedSeed begins another sequence than the original's, whose identifiers are there
// already.
func forkedSeed(seed, revision uint64) uint64 {
	const odd = 0x9e3779b97f4a7c15 // spreads revisions over all bits
	return max(seed^(revision+1)*odd, 1)
}

// startFork starts a cloud on fakes, whose state is open.
func (c *Cloud) startFork(ctx context.Context) error {
	c.closers = append(c.closers, c.core.DB.Close)
	if err := c.core.Sagas.Inherit(ctx); err != nil {
		return err
	}
	c.fakes.record(c)
	return c.startServices(ctx)
}

// Fakes are the drivers of a fork, to look into and to make faulty; nil if the cloud is
// no fork.
func (c *Cloud) Fakes() *Fakes { return c.fakes }
