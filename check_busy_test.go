package cloud_test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// TestCheckOfABusyCloudFindsNothing checks, and mends, while clients make and delete
// everything.
func TestCheckOfABusyCloudFindsNothing(t *testing.T) {
	const clients, rounds = 4, 8
	c := cloudtest.New(t, cloudtest.Model{Hosts: 3, Unlimited: true})
	var work sync.WaitGroup
	done := make(chan struct{})
	for i := range clients {
		work.Go(func() {
			for j := range rounds {
				if err := lifeOfAServer(t, c, fmt.Sprintf("web-%d-%d", i, j)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	go func() { work.Wait(); close(done) }()
	checks := 0
	for under := true; under; checks++ {
		report, err := c.Check(t.Context(), &cloud.CheckOptions{Mend: true})
		require.NoError(t, err)
		require.Empty(t, report.Findings)
		select {
		case <-done:
			under = false
		default:
		}
	}
	t.Logf("%d checks beside %d servers", checks, clients*rounds)
}

func lifeOfAServer(t *testing.T, c *cloudtest.Cloud, name string) error {
	ctx, project := t.Context(), c.Projects[0].ID
	s, err := c.Compute.CreateServer(ctx, project, compute.CreateServerOptions{
		Name: name, FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	if err != nil {
		return err
	}
	v, err := c.Volumes.CreateVolume(ctx, project, volume.CreateOptions{Name: name, SizeGiB: 1})
	if err != nil {
		return err
	}
	if _, err = c.Compute.WaitServer(ctx, s.ID); err != nil {
		return err
	}
	if _, err = c.Volumes.WaitVolume(ctx, v.ID); err != nil {
		return err
	}
	steps := []func() error{
		func() error {
			_, err := c.Compute.AttachVolume(ctx, s.ID, compute.AttachVolumeOptions{VolumeID: v.ID})
			return err
		},
		func() error { return c.Compute.RebootServer(ctx, s.ID, true) },
		func() error { return c.Compute.ShelveServer(ctx, s.ID) },
		func() error { return c.Compute.UnshelveServer(ctx, s.ID, "") },
		func() error { return c.Compute.DetachVolume(ctx, s.ID, v.ID) },
		func() error { return c.Compute.DeleteServer(ctx, s.ID) },
		func() error { return c.Volumes.DeleteVolume(ctx, v.ID) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return fmt.Errorf("step %d of %s: %w", i, name, err)
		}
		if _, err := c.Compute.WaitServer(ctx, s.ID); err != nil && cloud.KindOf(err) != cloud.NotFound {
			return err
		}
	}
	return nil
}

// TestAServerThatMovesLeavesNothingOnItsOldHost shelves a server with a volume on one
// host, and brings it back on another.
func TestAServerThatMovesLeavesNothingOnItsOldHost(t *testing.T) {
	c := cloudtest.New(t, cloudtest.Model{Hosts: 2})
	ctx, project := t.Context(), c.Projects[0].ID
	s, err := c.Compute.CreateServer(ctx, project, compute.CreateServerOptions{
		Name: "nomad", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID,
	})
	require.NoError(t, err)
	v, err := c.Volumes.CreateVolume(ctx, project, volume.CreateOptions{Name: "tent", SizeGiB: 1})
	require.NoError(t, err)
	c.WaitIdle()
	_, err = c.Compute.AttachVolume(ctx, s.ID, compute.AttachVolumeOptions{VolumeID: v.ID})
	require.NoError(t, err)
	c.WaitIdle()
	s, err = c.Compute.GetServer(ctx, s.ID)
	require.NoError(t, err)
	require.NoError(t, c.Compute.ShelveServer(ctx, s.ID))
	c.WaitIdle()
	off := true
	_, err = c.Compute.UpdateHost(ctx, s.Host, compute.HostUpdate{Disabled: &off})
	require.NoError(t, err)
	require.NoError(t, c.Compute.UnshelveServer(ctx, s.ID, ""))
	c.WaitIdle()
	moved, err := c.Compute.GetServer(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, compute.Active, moved.VMState, moved.Fault)
	require.NotEqual(t, s.Host, moved.Host)
	require.Equal(t, []string{moved.Host}, c.VolumeBackend.Connected(v.ID))
	c.CheckClean()
}

// TestAForkHoldsAllInvariants checks a fork, and again after a change in it.
func TestAForkHoldsAllInvariants(t *testing.T) {
	w := newWorld(t)
	f, err := w.Cloud.Cloud.Fork(t.Context())
	require.NoError(t, err)
	defer f.Close()
	report, err := f.Check(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
	require.NoError(t, f.Compute.DeleteServer(t.Context(), w.server.ID))
	require.NoError(t, f.Idle(t.Context()))
	report, err = f.Check(t.Context(), nil)
	require.NoError(t, err)
	require.Empty(t, report.Findings)
}

// BenchmarkCheck checks a cloud of many servers.
func BenchmarkCheck(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := cloudtest.New(b, cloudtest.Model{Hosts: 20, HostVCPUs: 1 << 14, HostMemoryMiB: 1 << 24, HostDiskGiB: 1 << 24, Unlimited: true})
			wide, err := c.Networks.CreateNetwork(b.Context(), c.Projects[0].ID, network.CreateNetworkOptions{Name: "wide"})
			require.NoError(b, err)
			_, err = c.Networks.CreateSubnet(b.Context(), c.Projects[0].ID, network.CreateSubnetOptions{
				NetworkID: wide.ID, CIDR: netip.MustParsePrefix("10.64.0.0/14"),
			})
			require.NoError(b, err)
			for made := 0; made < n; made += 500 {
				_, err := c.Compute.CreateServers(b.Context(), c.Projects[0].ID, compute.CreateServerOptions{
					Name: "many", FlavorID: c.Flavors[0].ID, ImageID: c.PublicImages[0].ID, MinCount: 500, MaxCount: 500,
					Networking: compute.NetworksGiven, Networks: []compute.NetworkRequest{{NetworkID: wide.ID}},
				})
				require.NoError(b, err)
				c.WaitIdle()
			}
			b.ReportAllocs()
			for b.Loop() {
				report, err := c.Check(b.Context(), nil)
				require.NoError(b, err)
				require.Empty(b, report.Findings)
			}
		})
	}
}
