package cloud

import (
	"context"
	"errors"
	"io"
	"log/slog"

	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/fleet"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/statefile"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
)

// Save writes the whole state of this moment to w, as lines of JSON that Load reads. The
// cloud goes on meanwhile. What the drivers keep (disks, images, volumes) is not in it.
//
// It holds secrets: hashes of passwords, encrypted credentials, user data of servers,
// and with shared keys even those that tokens are made with. Write it to a file with
// mode 0600.
func (c *Cloud) Save(ctx context.Context, w io.Writer) error {
	return fault.Wrap("cloud.Save", statefile.Write(ctx, w, statefile.Header{
		Hosts: c.Compute.Hypervisors().Hosts(), NetworkHosts: c.Networks.Hosts().Hosts(),
		RouterHost: c.Networks.RouterHost(), Backends: c.Volumes.BackendNames(), Backups: c.Volumes.HasBackups(),
		ExternalNetwork: c.parts.networks.ExternalPhysical, SharedKeys: c.parts.identity.SharedKeys,
	}, c.core.DB.Snapshot()))
}

// LoadOptions of Load; nil means the defaults.
type LoadOptions struct {
	// Policies are as in Config: they are not saved.
	Policies map[string]map[string]string
	// Identity is as in Config: settings are not saved.
	Identity identity.Settings
	Log      *slog.Logger // nil for none
	Clock    Clock        // nil for the machine's
	// Seed is as in Config. With that of the saved cloud, or another, identifiers
	// differ from those that are there.
	Seed uint64
}

// Load returns a cloud with the state that Save has written, on drivers in memory that
// hold what is recorded: what Fork would have returned at that moment. Tokens of the
// saved cloud are void in it, and stored credentials cannot be read, unless its keys were
// in the state.
//
// fault kinds: Invalid if the file is not whole, or was altered; Conflict if it has
// documents that this program does not know.
func Load(ctx context.Context, r io.Reader, opts *LoadOptions) (*Cloud, error) {
	if opts == nil {
		opts = &LoadOptions{}
	}
	in, err := statefile.NewReader(r)
	if err != nil {
		return nil, fault.Wrap("cloud.Load", err)
	}
	c := &Cloud{seed: opts.Seed}
	if err := c.load(ctx, in, opts); err != nil {
		return nil, errors.Join(fault.Wrap("cloud.Load", err), c.Close())
	}
	return c, nil
}

func (c *Cloud) load(ctx context.Context, in *statefile.Reader, opts *LoadOptions) (err error) {
	if c.policy, err = policy.New(opts.Policies); err != nil {
		return err
	}
	h := in.Header
	if len(h.Backends) == 0 {
		return fault.New(fault.Invalid, "the saved state names no storage backend")
	}
	c.core, c.seed = loadCore(opts, h.Revision)
	c.parts.identity = identity.Config{
		Settings: opts.Identity, Services: catalog(), SharedKeys: h.SharedKeys,
	}
	c.parts.networks.RouterHost, c.parts.networks.ExternalPhysical = h.RouterHost, h.ExternalNetwork
	c.fakes = newFakes(c.core.Clock, &c.parts, world{
		fleet.Lazy[hypervisor.Hypervisor](h.Hosts, nil), fleet.Lazy[mechanism.Mechanism](h.NetworkHosts, nil),
		h.Backends, h.Backups,
	})
	if err := c.compose(); err != nil {
		return err
	}
	if err := c.core.DB.OpenFrom(ctx, h.Revision, in.Rows); err != nil {
		return err
	}
	return c.startFork(ctx)
}

// loadCore returns what the services of a loaded cloud stand on, and its seed.
func loadCore(opts *LoadOptions, revision uint64) (*core.Core, uint64) {
	k := &core.Core{Clock: opts.Clock, Log: opts.Log, IDs: ids.Random(), DB: state.New(nil, nil), Forked: true}
	if k.Clock == nil {
		k.Clock = clock.System{}
	}
	if k.Log == nil {
		k.Log = slog.New(slog.DiscardHandler)
	}
	seed := opts.Seed
	if seed != 0 {
		seed = forkedSeed(seed, revision)
		k.IDs = ids.Seeded(seed)
	}
	k.Quotas = quota.Define(k.DB)
	k.Sagas = saga.New(k.DB, k.Clock, k.IDs, k.Log, saga.Config{Controller: controller})
	return k, seed
}
