package cloud_test

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	hypervisor "github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/network"
	mechanism "github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	backend "github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// rig is a cloud on fakes with what servers need.
type rig struct {
	*cloud.Cloud
	t       testing.TB
	project string
	small   compute.Flavor
	large   compute.Flavor
	image   image.Image
	public  network.Network
	private network.Network
	fault   atomic.Pointer[func(ctx context.Context, op, id string) error]
}

// originals marks the contexts of what an original does by itself.
type originals struct{}

// newRig returns a cloud with so many hosts that ends with the test.
func newRig(t testing.TB, hosts int) *rig {
	r := &rig{t: t, project: "project-1"}
	fault := func(ctx context.Context, op, id string) error {
		if f := r.fault.Load(); f != nil {
			return (*f)(ctx, op, id)
		}
		return nil
	}
	cfg := cloud.Config{
		AdminPassword: "secret", Identity: identity.Settings{BcryptCost: 4}, ExternalNetwork: "physnet1", Seed: 1,
		Networks: map[string]mechanism.Mechanism{},
		Images:   memstore.New(memstore.Config{Fault: fault}),
		Backups:  memstore.New(memstore.Config{Fault: fault}),
		Volumes:  []backend.Backend{memvolume.New(memvolume.Config{Fault: fault})},
	}
	for i := range hosts {
		name := "host-" + strconv.Itoa(i+1)
		cfg.Hypervisors = append(cfg.Hypervisors, hypervisor.Hypervisor(memhypervisor.New(memhypervisor.Config{Name: name, Fault: fault})))
		cfg.Networks[name] = memnetwork.New(memnetwork.Config{Name: name, Fault: fault})
	}
	var err error
	r.Cloud, err = cloud.New(context.WithValue(t.Context(), originals{}, true), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		r.fault.Store(nil)
		require.NoError(t, r.Close())
	})
	r.furnish()
	return r
}

// furnish makes what servers need: flavors, an image, and a network with a way out.
func (r *rig) furnish() {
	t, ctx := r.t, r.t.Context()
	var err error
	r.small, err = r.Compute.CreateFlavor(ctx, compute.Flavor{Name: "small", VCPUs: 1, MemoryMiB: 256, DiskGiB: 1, Public: true})
	require.NoError(t, err)
	r.large, err = r.Compute.CreateFlavor(ctx, compute.Flavor{Name: "large", VCPUs: 2, MemoryMiB: 512, DiskGiB: 2, Public: true})
	require.NoError(t, err)
	img, err := r.Images.CreateImage(ctx, r.project, image.CreateOptions{
		Name: "debian", Visibility: image.Public, DiskFormat: "raw", ContainerFormat: "bare",
	})
	require.NoError(t, err)
	r.image, err = r.Images.UploadImage(ctx, img.ID, strings.NewReader("a small disk"))
	require.NoError(t, err)
	r.public, err = r.Networks.CreateNetwork(ctx, r.project, network.CreateNetworkOptions{Name: "public", External: true})
	require.NoError(t, err)
	_, err = r.Networks.CreateSubnet(ctx, r.project, network.CreateSubnetOptions{
		NetworkID: r.public.ID, CIDR: netip.MustParsePrefix("203.0.113.0/24"),
	})
	require.NoError(t, err)
	r.private, err = r.Networks.CreateNetwork(ctx, r.project, network.CreateNetworkOptions{Name: "private"})
	require.NoError(t, err)
	sub, err := r.Networks.CreateSubnet(ctx, r.project, network.CreateSubnetOptions{
		NetworkID: r.private.ID, CIDR: netip.MustParsePrefix("10.0.0.0/8"),
	})
	require.NoError(t, err)
	router, err := r.Networks.CreateRouter(ctx, r.project, network.CreateRouterOptions{
		Name: "out", Gateway: &network.GatewayOptions{NetworkID: r.public.ID},
	})
	require.NoError(t, err)
	_, err = r.Networks.AddRouterInterface(ctx, router.ID, network.Interface{SubnetID: sub.ID})
	require.NoError(t, err)
	r.unlimited()
}

// unlimited lifts the quotas.
func (r *rig) unlimited() {
	ctx := r.t.Context()
	limits := map[string]int{}
	for name := range r.Compute.DefaultQuota(ctx) {
		limits[name] = -1
	}
	require.NoError(r.t, r.Compute.SetQuota(ctx, r.project, limits, true))
	require.NoError(r.t, r.Volumes.SetQuotas(ctx, r.project, map[string]int{"volumes": -1, "gigabytes": -1, "snapshots": -1}))
	_, err := r.Networks.SetQuotas(ctx, r.project, map[string]int{"port": -1})
	require.NoError(r.t, err)
}

// boot begins to make a server.
func boot(t testing.TB, c *cloud.Cloud, r *rig, name string) compute.Server {
	t.Helper()
	s, err := c.Compute.CreateServer(t.Context(), r.project, compute.CreateServerOptions{
		Name: name, FlavorID: r.small.ID, ImageID: r.image.ID,
		Networking: compute.NetworksGiven, Networks: []compute.NetworkRequest{{NetworkID: r.private.ID}},
	})
	require.NoError(t, err)
	return s
}

// idle waits for all work to end.
func idle(t testing.TB, c *cloud.Cloud) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, c.Idle(ctx))
}

// settle waits for all work to end, and wants no finding then.
func settle(t testing.TB, c *cloud.Cloud) {
	t.Helper()
	idle(t, c)
	report, err := c.Check(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings, report.String())
}

// server returns a server as it is.
func server(t testing.TB, c *cloud.Cloud, id string) compute.Server {
	t.Helper()
	s, err := c.Compute.GetServer(t.Context(), id)
	require.NoError(t, err)
	return s
}
