package compute_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

const (
	project = "project-1"
	user    = "user-1"
)

// rig is a compute service on fakes.
type rig struct {
	*compute.Service
	t        testing.TB
	core     *core.Core
	host     *memhypervisor.Hypervisor
	networks *fakeNetworks
	images   *fakeImages
	volumes  *fakeVolumes
	flavor   compute.Flavor
	closed   bool
}

// world is what outlives a controller.
type world struct {
	engine   state.Engine
	host     *memhypervisor.Hypervisor
	more     []driver.Hypervisor
	networks *fakeNetworks
	images   *fakeImages
	volumes  *fakeVolumes
	cfg      compute.Config
}

func newWorld() *world {
	return &world{
		host:     memhypervisor.New(memhypervisor.Config{Name: "host-1"}),
		networks: newFakeNetworks(), images: newFakeImages(), volumes: newFakeVolumes(),
		cfg: compute.Config{Quotas: map[string]int{
			compute.Instances: -1, compute.Cores: -1, compute.RAM: -1, compute.ServerGroupMembers: -1,
		}},
	}
}

// open starts a controller over the world.
func (w *world) open(t testing.TB) *rig {
	db := state.New(w.engine, nil)
	log := slog.New(slog.DiscardHandler)
	source := ids.Random()
	engine := saga.New(db, clock.System{}, source, log, saga.Config{})
	c := &core.Core{DB: db, Sagas: engine, Clock: clock.System{}, IDs: source, Quotas: quota.Define(db), Log: log}
	cfg := w.cfg
	cfg.Hypervisors = append([]driver.Hypervisor{w.host}, w.more...)
	cfg.Networks, cfg.Images, cfg.Volumes = w.networks, w.images, w.volumes
	s, err := compute.New(c, cfg)
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, s.Start(t.Context()))
	require.NoError(t, engine.Open(t.Context()))
	r := &rig{Service: s, t: t, core: c, host: w.host, networks: w.networks, images: w.images, volumes: w.volumes}
	t.Cleanup(r.close)
	if f, err := s.GetFlavor(t.Context(), "small"); err == nil {
		r.flavor = f
		return r
	}
	r.flavor, err = s.CreateFlavor(r.ctx(), compute.Flavor{ID: "small", Name: "m1.small", VCPUs: 1, MemoryMiB: 512, DiskGiB: 1, Public: true})
	require.NoError(t, err)
	return r
}

func newRig(t testing.TB) *rig { return newWorld().open(t) }

func (r *rig) close() {
	if r.closed {
		return
	}
	r.closed = true
	require.NoError(r.t, r.core.Sagas.Close())
	require.NoError(r.t, r.Service.Close())
	require.NoError(r.t, r.core.DB.Close())
}

func (r *rig) ctx() context.Context {
	return caller.With(context.Background(), caller.Info{RequestID: "req-1", UserID: user, ProjectID: project})
}

// options are those of an ordinary server.
func (r *rig) options() compute.CreateServerOptions {
	return compute.CreateServerOptions{
		Name: "web", FlavorID: r.flavor.ID, ImageID: "cirros",
		Networking: compute.NetworksGiven, Networks: []compute.NetworkRequest{{NetworkID: "net"}},
	}
}

// boot makes a server and waits for it.
func (r *rig) boot(change ...func(o *compute.CreateServerOptions)) compute.Server {
	r.t.Helper()
	o := r.options()
	for _, f := range change {
		f(&o)
	}
	s, err := r.CreateServer(r.ctx(), project, o)
	require.NoError(r.t, err)
	return r.wait(s.ID)
}

// wait waits until nothing is done with the server.
func (r *rig) wait(id string) compute.Server {
	r.t.Helper()
	s, err := r.WaitServer(r.ctx(), id)
	require.NoError(r.t, err)
	return s
}

// requireNothingLeft checks that a project without servers holds nothing.
func (r *rig) requireNothingLeft() {
	r.t.Helper()
	require.Empty(r.t, r.host.Guests())
	require.Zero(r.t, r.networks.plugged(), "plugged ports")
	_, attachments := r.volumes.counts()
	require.Zero(r.t, attachments, "attachments")
	for _, h := range r.ListHosts(r.ctx()) {
		require.Zero(r.t, h.UsedVCPUs, "claimed vCPUs")
		require.Zero(r.t, h.UsedMemoryMiB, "claimed memory")
	}
}

// eventually waits until a condition holds: it is looked at after each commit.
func (r *rig) eventually(ok func() bool) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx(), 20*time.Second)
	defer cancel()
	from := r.core.DB.Snapshot().Revision()
	if ok() {
		return
	}
	for range r.core.DB.Watch(ctx, from) {
		if ok() {
			return
		}
	}
	require.Fail(r.t, "it did not come to pass")
}
