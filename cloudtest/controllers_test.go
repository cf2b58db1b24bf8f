package cloudtest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	"github.com/welkin-cloud/cloud/volume"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// world is the hosts and the shared state of a cloud that several controllers run.
type world struct {
	t       *testing.T
	store   *memengine.Store
	hosts   []*memhypervisor.Hypervisor
	nets    []*memnetwork.Mechanism
	volumes *memvolume.Backend
	images  *memstore.Store

	project string
	flavor  string
	image   string
	network string
}

// newWorld has two hosts and nothing in the state.
func newWorld(t *testing.T) *world {
	w := &world{t: t, store: memengine.NewStore(memengine.Options{Shared: true})}
	for _, name := range []string{"host-1", "host-2"} {
		w.hosts = append(w.hosts, memhypervisor.New(memhypervisor.Config{Name: name}))
		w.nets = append(w.nets, memnetwork.New(memnetwork.Config{Name: name, Physical: []string{"physnet1"}}))
	}
	w.volumes, w.images = memvolume.New(memvolume.Config{}), memstore.New(memstore.Config{})
	return w
}

// keptHost and keptNetwork stay when a controller closes its way to them.
type keptHost struct{ *memhypervisor.Hypervisor }

func (keptHost) Close() error { return nil }

type keptNetwork struct{ *memnetwork.Mechanism }

func (keptNetwork) Close() error { return nil }

// controller is one of the world's, with its line to the state.
type controller struct {
	*cloud.Cloud
	name string
	line *line
}

// ownerKey finds in a context the name of the controller that a call comes from.
type ownerKey struct{}

// line is a connection to the shared state that can be cut.
type line struct {
	state.Follower
	cut atomic.Bool
}

var errCut = errors.New("the line is cut")

func (l *line) Commit(ctx context.Context, base uint64, sets []state.ChangeSet) error {
	if l.cut.Load() {
		return errCut
	}
	return l.Follower.Commit(ctx, base, sets)
}

func (l *line) Since(ctx context.Context, revision uint64) ([]state.ChangeSet, error) {
	if l.cut.Load() {
		return nil, errCut
	}
	return l.Follower.Since(ctx, revision)
}

// boot starts a controller that ends with the test.
func (w *world) boot(name string) *controller {
	w.t.Helper()
	engine, err := w.store.Open()
	require.NoError(w.t, err)
	c := &controller{name: name, line: &line{Follower: engine.(state.Follower)}}
	cfg := cloud.Config{
		Engine: c.line, Controller: name, Networks: map[string]mechanism.Mechanism{},
		Images: w.images, Volumes: []backend.Backend{w.volumes},
		AdminPassword: "secret", Identity: identity.Settings{BcryptCost: 4}, ExternalNetwork: "physnet1",
	}
	for i, h := range w.hosts {
		cfg.Hypervisors = append(cfg.Hypervisors, hypervisor.Hypervisor(keptHost{h}))
		cfg.Networks[fmt.Sprintf("host-%d", i+1)] = keptNetwork{w.nets[i]}
	}
	c.Cloud, err = cloud.New(context.WithValue(w.t.Context(), ownerKey{}, name), cfg)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, c.Close()) })
	return c
}

// bootAll starts controllers at the same time.
func (w *world) bootAll(names ...string) []*controller {
	all := make([]*controller, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { all[i] = w.boot(name) })
	}
	group.Wait()
	return all
}

// populate makes what a server needs.
func (w *world) populate(c *controller) {
	ctx := w.t.Context()
	p, err := c.Identity.FindProject(ctx, "default", "admin")
	require.NoError(w.t, err)
	f, err := c.Compute.CreateFlavor(ctx, compute.Flavor{Name: "small", VCPUs: 1, MemoryMiB: 128, DiskGiB: 1, Public: true})
	require.NoError(w.t, err)
	i, err := c.Images.CreateImage(ctx, p.ID, image.CreateOptions{Name: "image", Visibility: image.Public, DiskFormat: "raw", ContainerFormat: "bare"})
	require.NoError(w.t, err)
	_, err = c.Images.UploadImage(ctx, i.ID, strings.NewReader("a disk"))
	require.NoError(w.t, err)
	n, err := c.Networks.CreateNetwork(ctx, p.ID, network.CreateNetworkOptions{Name: "network"})
	require.NoError(w.t, err)
	_, err = c.Networks.CreateSubnet(ctx, p.ID, network.CreateSubnetOptions{
		NetworkID: n.ID, CIDR: netip.MustParsePrefix("10.0.0.0/24"),
	})
	require.NoError(w.t, err)
	w.project, w.flavor, w.image, w.network = p.ID, f.ID, i.ID, n.ID
}

// create asks a controller for a server.
func (w *world) create(c *controller, name string) (compute.Server, error) {
	return c.Compute.CreateServer(w.t.Context(), w.project, compute.CreateServerOptions{
		Name: name, FlavorID: w.flavor, ImageID: w.image,
	})
}

// clean checks that all controllers know the same, and that nothing is wrong.
func (w *world) clean(all ...*controller) {
	w.t.Helper()
	for _, c := range all {
		require.NoError(w.t, c.Idle(w.t.Context()), c.name)
	}
	for _, c := range all {
		report, err := c.Check(w.t.Context(), nil)
		require.NoError(w.t, err)
		require.Empty(w.t, report.Findings, "%s: %s", c.name, report)
	}
}

func (w *world) guests() (n int) {
	for _, h := range w.hosts {
		n += len(h.Guests())
	}
	return n
}

func TestControllersWorkSideBySide(t *testing.T) {
	w := newWorld(t)
	all := w.bootAll("a", "b", "c")
	w.populate(all[0])
	for _, c := range all {
		require.NoError(t, c.Sync(t.Context()))
		users, err := c.Identity.ListUsers(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, users, 1, "they have made one administrator")
	}
	var group sync.WaitGroup
	for i := range 9 {
		group.Go(func() {
			mine, next := all[i%3], all[(i+1)%3]
			if err := w.life(mine, next, fmt.Sprintf("server-%d", i)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	w.clean(all...)
	require.Zero(t, w.guests())
}

// life has a server made by one controller, and used and deleted by another.
func (w *world) life(mine, next *controller, name string) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	s, err := w.create(mine, name)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	v, err := mine.Volumes.CreateVolume(ctx, w.project, volume.CreateOptions{Name: name, SizeGiB: 1})
	if err != nil {
		return fmt.Errorf("create volume: %w", err)
	}
	if s, err = mine.Compute.WaitServer(ctx, s.ID); err != nil || s.Status() != "ACTIVE" {
		return fmt.Errorf("create: %s %v %w", s.Status(), s.Fault, err)
	}
	if v, err = mine.Volumes.WaitVolume(ctx, v.ID); err != nil {
		return err
	}
	if err := next.Sync(ctx); err != nil {
		return err
	}
	if _, err := next.Compute.AttachVolume(ctx, s.ID, compute.AttachVolumeOptions{VolumeID: v.ID}); err != nil {
		return fmt.Errorf("attach: %w", err)
	}
	if s, err = next.Compute.WaitServer(ctx, s.ID); err != nil || len(s.Volumes) != 1 {
		return fmt.Errorf("attach: %v %w", s.Volumes, err)
	}
	if err := mine.Sync(ctx); err != nil {
		return err
	}
	if err := mine.Compute.DeleteServer(ctx, s.ID); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	if _, err := mine.Compute.WaitServer(ctx, s.ID); !errors.Is(err, cloud.NotFound) {
		return fmt.Errorf("delete: %w", err)
	}
	if err := mine.Volumes.DeleteVolume(ctx, v.ID); err != nil {
		return fmt.Errorf("delete volume: %w", err)
	}
	return nil
}

// holding is a fault that stops the first call of op by a controller until it is let
// go; what it meets is done late, whoever has given up meanwhile.
type holding struct {
	op, by  string
	once    sync.Once
	reached chan struct{}
	release chan struct{}
}

func newHolding(op, by string) *holding {
	return &holding{op: op, by: by, reached: make(chan struct{}), release: make(chan struct{})}
}

func (h *holding) fault(ctx context.Context, op, _ string) error {
	if op != h.op || ctx.Value(ownerKey{}) != h.by {
		return nil
	}
	first := false
	h.once.Do(func() { first = true })
	if first {
		close(h.reached)
		<-h.release
	}
	return nil
}

// on has the call of a driver stopped, whichever driver has such a call.
func (w *world) on(h *holding) {
	for i := range w.hosts {
		w.hosts[i].SetFault(h.fault)
		w.nets[i].SetFault(h.fault)
	}
	w.volumes.SetFault(h.fault)
	w.images.SetFault(h.fault)
}

// A controller dies in any call of a driver, and its call arrives late: another one
// finishes what was begun, and what comes late does no harm.
func TestAnotherControllerGoesOn(t *testing.T) {
	for _, op := range []string{
		"PutImage", "PutImage/after", "EnsureNetwork", "EnsurePort", "EnsurePort/after",
		"Create", "Create/after", "Start", "Start/after", "Connect", "Connect/after",
	} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				a := w.boot("a")
				w.populate(a)
				b := w.boot("b")
				v, err := a.Volumes.CreateVolume(t.Context(), w.project, volume.CreateOptions{Name: "v", SizeGiB: 1})
				require.NoError(t, err)
				_, err = a.Volumes.WaitVolume(t.Context(), v.ID)
				require.NoError(t, err)
				h := newHolding(op, "a")
				w.on(h)
				s, err := a.Compute.CreateServer(t.Context(), w.project, compute.CreateServerOptions{
					Name: "s", FlavorID: w.flavor, ImageID: w.image,
					BlockDevices: []compute.BlockDevice{
						{Source: "image", ID: w.image, Destination: "local", Boot: true},
						{Source: "volume", ID: v.ID, Destination: "volume"},
					},
				})
				require.NoError(t, err)
				<-h.reached
				a.line.cut.Store(true)
				require.NoError(t, b.Sync(t.Context()))
				s, err = b.Compute.WaitServer(t.Context(), s.ID)
				require.NoError(t, err)
				require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)

				close(h.release) // now the late call arrives, and a comes back
				synctest.Wait()
				a.line.cut.Store(false)
				time.Sleep(2 * time.Minute)
				s, err = a.Compute.GetServer(t.Context(), s.ID)
				require.NoError(t, err)
				require.Equal(t, "ACTIVE", s.Status())
				w.clean(a, b)
				require.NoError(t, a.Compute.DeleteServer(t.Context(), s.ID))
				w.clean(a, b)
				require.Zero(t, w.guests())
			})
		})
	}
}

// The leader alone destroys what has no server; when it is gone, the next one does.
func TestOnlyTheLeaderDestroysOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.boot("a")
		w.populate(a)
		b := w.boot("b")
		destroyed := atomic.Int64{}
		w.hosts[0].SetFault(func(_ context.Context, op, _ string) error {
			if op == "Destroy" {
				destroyed.Add(1)
			}
			return nil
		})
		orphan := func(id string) {
			require.NoError(t, w.hosts[0].PutImage(t.Context(), w.image, "raw", strings.NewReader("a disk")))
			require.NoError(t, w.hosts[0].Create(t.Context(), hypervisor.Spec{
				ID: id, Name: id, VCPUs: 1, MemoryMiB: 1, Root: &hypervisor.Root{ImageID: w.image, Format: "raw", SizeGiB: 1},
			}))
		}
		orphan("orphan-1")
		time.Sleep(5 * time.Minute)
		require.Zero(t, w.guests())
		require.EqualValues(t, 1, destroyed.Load(), "one of them")
		a.line.cut.Store(true)
		orphan("orphan-2")
		time.Sleep(5 * time.Minute)
		require.Zero(t, w.guests())
		require.EqualValues(t, 2, destroyed.Load())
		a.line.cut.Store(false)
		time.Sleep(time.Minute)
		w.clean(a, b)
	})
}

// A guest that another controller has just made is no orphan, even to one that does
// not hear the news in time.
func TestGuestsOfOthersAreNoOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.boot("a") // leads
		w.populate(a)
		b := w.boot("b")
		s, err := w.create(b, "s")
		require.NoError(t, err)
		_, err = b.Compute.WaitServer(t.Context(), s.ID)
		require.NoError(t, err)
		time.Sleep(5 * time.Minute)
		require.Equal(t, 1, w.guests())
		w.clean(a, b)
		require.NoError(t, b.Compute.DeleteServer(t.Context(), s.ID))
		w.clean(a, b)
	})
}

// An upload that one controller receives is not touched when another one starts; when
// the one that receives it dies, the image is queued again.
func TestUploadsOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.boot("a")
		w.populate(a)
		upload := func(c *controller) (img image.Image, send *io.PipeWriter, done chan error) {
			img, err := c.Images.CreateImage(t.Context(), w.project, image.CreateOptions{Name: "i", DiskFormat: "raw", ContainerFormat: "bare"})
			require.NoError(t, err)
			receive, send := io.Pipe()
			done = make(chan error, 1)
			go func() {
				_, err := c.Images.UploadImage(t.Context(), img.ID, receive)
				done <- err
			}()
			_, err = send.Write([]byte("begin"))
			require.NoError(t, err)
			return img, send, done
		}
		img, send, done := upload(a)
		b := w.boot("b")
		time.Sleep(5 * time.Minute)
		require.NoError(t, send.Close())
		require.NoError(t, <-done)
		require.NoError(t, b.Sync(t.Context()))
		img, err := b.Images.GetImage(t.Context(), img.ID)
		require.NoError(t, err)
		require.Equal(t, image.Active, img.Status)

		img, send, done = upload(a)
		a.line.cut.Store(true)
		time.Sleep(time.Minute)
		again, err := b.Images.GetImage(t.Context(), img.ID)
		require.NoError(t, err)
		require.Equal(t, image.Queued, again.Status)
		_, err = b.Images.UploadImage(t.Context(), img.ID, strings.NewReader("anew"))
		require.NoError(t, err)
		a.line.cut.Store(false)
		require.NoError(t, send.Close())
		require.ErrorIs(t, <-done, cloud.Conflict, "who was given up has lost it")
		time.Sleep(time.Minute)
		again, err = a.Images.GetImage(t.Context(), img.ID)
		require.NoError(t, err)
		require.EqualValues(t, len("anew"), again.Size)
		w.clean(a, b)
	})
}

// Limits hold over all controllers together.
func TestQuotasHoldOverControllers(t *testing.T) {
	w := newWorld(t)
	all := w.bootAll("a", "b", "c")
	w.populate(all[0])
	require.NoError(t, all[0].Compute.SetQuota(t.Context(), w.project, map[string]int{"instances": 4}, true))
	for _, c := range all {
		require.NoError(t, c.Sync(t.Context()))
	}
	var made atomic.Int64
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			switch _, err := w.create(all[i%3], fmt.Sprint(i)); {
			case err == nil:
				made.Add(1)
			case !errors.Is(err, cloud.QuotaExceeded):
				t.Error(err)
			}
		})
	}
	group.Wait()
	require.EqualValues(t, 4, made.Load())
	for _, c := range all {
		require.NoError(t, c.Sync(t.Context()))
	}
	w.clean(all...)
	require.Equal(t, 4, w.guests())
}

// Clients of different controllers want the same thing at once: one of them gets it.
func TestRacesOverControllers(t *testing.T) {
	w := newWorld(t)
	all := w.bootAll("a", "b", "c")
	w.populate(all[0])
	by := func(i int) *controller { return all[i%len(all)] }
	sync := func() {
		for _, c := range all {
			require.NoError(t, c.Sync(t.Context()))
		}
	}
	sync()
	subnets, err := all[0].Networks.ListSubnets(t.Context())
	require.NoError(t, err)
	t.Run("fixed IP", func(t *testing.T) {
		winners(t, 1, race(racers, func(i int) error {
			_, err := by(i).Networks.CreatePort(t.Context(), w.project, network.CreatePortOptions{
				NetworkID: w.network,
				FixedIPs:  []network.FixedIP{{SubnetID: subnets[0].ID, Address: netip.MustParseAddr("10.0.0.77")}},
			})
			return err
		}), cloud.Conflict)
	})
	t.Run("name of a project", func(t *testing.T) {
		winners(t, 1, race(racers, func(i int) error {
			_, err := by(i).Identity.CreateProject(t.Context(), identity.CreateProjectOptions{Name: "one"})
			return err
		}), cloud.AlreadyExists, cloud.Conflict)
	})
	t.Run("volume", func(t *testing.T) {
		v, err := all[0].Volumes.CreateVolume(t.Context(), w.project, volume.CreateOptions{SizeGiB: 1})
		require.NoError(t, err)
		_, err = all[0].Volumes.WaitVolume(t.Context(), v.ID)
		require.NoError(t, err)
		var servers []string
		for i := range 3 {
			s, err := w.create(by(i), fmt.Sprint(i))
			require.NoError(t, err)
			_, err = by(i).Compute.WaitServer(t.Context(), s.ID)
			require.NoError(t, err)
			servers = append(servers, s.ID)
		}
		sync()
		winners(t, 1, race(3, func(i int) error {
			_, err := by(i).Compute.AttachVolume(t.Context(), servers[i], compute.AttachVolumeOptions{VolumeID: v.ID})
			return err
		}), cloud.Conflict, cloud.Invalid)
		sync()
		w.clean(all...)
		for _, id := range servers {
			some(t, race(racers, func(i int) error { return by(i).Compute.DeleteServer(t.Context(), id) }), cloud.NotFound, cloud.Conflict)
		}
		sync()
		w.clean(all...)
		require.Zero(t, w.guests())
	})
}
