package cloud_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// lived is a cloud in which something has happened: servers "server-1" (off), "server-2"
// (paused), "server-3" (suspended), "server-4" (with a volume that has a snapshot),
// "server-5" and "server-6".
func lived(t testing.TB) (r *rig, servers []compute.Server) {
	r = newRig(t, 3)
	ctx := t.Context()
	for i := range 6 {
		servers = append(servers, boot(t, r.Cloud, r, fmt.Sprintf("server-%d", i+1)))
	}
	v, err := r.Volumes.CreateVolume(ctx, r.project, volume.CreateOptions{Name: "data", SizeGiB: 2})
	require.NoError(t, err)
	idle(t, r.Cloud)
	require.NoError(t, r.Compute.StopServer(ctx, servers[0].ID))
	require.NoError(t, r.Compute.PauseServer(ctx, servers[1].ID))
	require.NoError(t, r.Compute.SuspendServer(ctx, servers[2].ID))
	_, err = r.Compute.AttachVolume(ctx, servers[3].ID, compute.AttachVolumeOptions{VolumeID: v.ID})
	require.NoError(t, err)
	idle(t, r.Cloud)
	_, err = r.Volumes.CreateSnapshot(ctx, r.project, volume.CreateSnapshotOptions{VolumeID: v.ID, Name: "monday", Force: true})
	require.NoError(t, err)
	settle(t, r.Cloud)
	return r, servers
}

// deafen makes every call of the original's drivers an error of the test, but for what
// the original does by itself.
func (r *rig) deafen() {
	fault := func(ctx context.Context, op, id string) error {
		if ctx.Value(originals{}) == nil {
			r.t.Errorf("%s of %q was called on a driver of the original", op, id)
		}
		return nil
	}
	r.fault.Store(&fault)
}

func fork(t testing.TB, c *cloud.Cloud) *cloud.Cloud {
	t.Helper()
	f, err := c.Fork(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func TestForkIsAWholeCloudOfItsOwn(t *testing.T) {
	r, old := lived(t)
	ctx := t.Context()
	before := r.Compute.ListServers(ctx, "", nil)
	r.deafen()
	f := fork(t, r.Cloud)
	settle(t, f)
	require.Equal(t, before, f.Compute.ListServers(ctx, "", nil))

	// Old servers can be worked with.
	require.NoError(t, f.Compute.StartServer(ctx, old[0].ID))
	require.NoError(t, f.Compute.UnpauseServer(ctx, old[1].ID))
	require.NoError(t, f.Compute.ResumeServer(ctx, old[2].ID))
	v := f.Volumes.ListVolumes(ctx, "")[0]
	require.NoError(t, f.Compute.DetachVolume(ctx, old[3].ID, v.ID))
	require.NoError(t, f.Compute.ResizeServer(ctx, old[4].ID, r.large.ID))
	require.NoError(t, f.Compute.DeleteServer(ctx, old[5].ID))
	settle(t, f)
	for i, want := range []compute.VMState{compute.Active, compute.Active, compute.Active, compute.Active, compute.Resized} {
		s := server(t, f, old[i].ID)
		require.Equal(t, want, s.VMState, "%s: %+v", s.Name, s.Fault)
	}
	require.NoError(t, f.Volumes.ExtendVolume(ctx, v.ID, 5))
	require.NoError(t, f.Compute.ConfirmResize(ctx, old[4].ID))
	_, err := f.Compute.GetServer(ctx, old[5].ID)
	require.Error(t, err)
	settle(t, f)

	// New ones can be made, with all that belongs to them.
	s := boot(t, f, r, "new")
	settle(t, f)
	s = server(t, f, s.ID)
	require.Equal(t, compute.Active, s.VMState, s.Fault)
	ports, err := f.Networks.PortsOf(ctx, s.ID)
	require.NoError(t, err)
	require.Equal(t, network.Active, ports[0].Status)
	host, ok := f.Fakes().Hypervisor(s.Host)
	require.True(t, ok)
	_, err = host.Get(ctx, s.ID)
	require.NoError(t, err)

	// The original knows nothing of it.
	require.Equal(t, before, r.Compute.ListServers(ctx, "", nil))
	require.Equal(t, volume.InUse, r.Volumes.ListVolumes(ctx, "")[0].Status)
}

// TestForkInTheMiddleOfWork forks a cloud again and again while it works: in each fork
// the work goes on, to the same end.
func TestForkInTheMiddleOfWork(t *testing.T) {
	r, old := lived(t)
	ctx := t.Context()
	v, err := r.Volumes.CreateVolume(ctx, r.project, volume.CreateOptions{Name: "spare", SizeGiB: 1})
	require.NoError(t, err)
	idle(t, r.Cloud)
	data := r.Volumes.ListVolumes(ctx, "")[0]
	if data.ID == v.ID {
		data = r.Volumes.ListVolumes(ctx, "")[1]
	}
	var wanted []compute.Server
	// Every call of a driver takes its time, and the cloud is forked before and after.
	var forks []*cloud.Cloud
	next := make(chan struct{})
	slow := func(context.Context, string, string) error {
		next <- struct{}{}
		return nil
	}
	r.fault.Store(&slow)
	work := make(chan error, 1)
	go func() {
		for i := range 2 {
			s, err := r.Compute.CreateServer(ctx, r.project, compute.CreateServerOptions{
				Name: fmt.Sprintf("new-%d", i), FlavorID: r.small.ID, ImageID: r.image.ID,
				Networking: compute.NetworksGiven, Networks: []compute.NetworkRequest{{NetworkID: r.private.ID}},
			})
			if err != nil {
				work <- err
				return
			}
			wanted = append(wanted, s)
		}
		if _, err := r.Compute.AttachVolume(ctx, old[4].ID, compute.AttachVolumeOptions{VolumeID: v.ID}); err != nil {
			work <- err
			return
		}
		for _, err := range []error{
			r.Compute.DetachVolume(ctx, old[3].ID, data.ID), r.Compute.DeleteServer(ctx, old[5].ID),
			r.Compute.ResumeServer(ctx, old[2].ID), r.Compute.UnpauseServer(ctx, old[1].ID),
			r.Compute.ResizeServer(ctx, old[0].ID, r.large.ID),
		} {
			if err != nil {
				work <- err
				return
			}
		}
		work <- r.Idle(ctx)
	}()
	for done := false; !done; {
		select {
		case err := <-work:
			require.NoError(t, err)
			done = true
		case <-next:
			if len(forks) < 60 {
				forks = append(forks, fork(t, r.Cloud))
			}
		}
	}
	go func() { // what the original does by itself later
		for range next {
		}
	}()
	r.fault.Store(nil)
	require.Greater(t, len(forks), 20)
	for i, f := range forks {
		idle(t, f)
		for _, s := range f.Compute.ListServers(ctx, "", nil) {
			require.Nil(t, s.Fault, "fork %d: %s failed: %+v", i, s.Name, s.Fault)
			require.Empty(t, s.TaskState, "fork %d: %s", i, s.Name)
		}
		report, err := f.Check(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, report.Findings, "fork %d: %s", i, report.String())
	}
	settle(t, r.Cloud)
	require.Len(t, wanted, 2)
}
