package compute_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/volume"
)

func TestCreateAndDeleteServer(t *testing.T) {
	r := newRig(t)
	s, err := r.CreateServer(r.ctx(), project, r.options())
	require.NoError(t, err)
	require.Equal(t, "BUILD", s.Status())

	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)
	require.Equal(t, compute.PowerRunning, s.PowerState)
	require.Equal(t, "host-1", s.Host)
	require.Equal(t, "nova", s.Zone)
	require.Len(t, r.host.Guests(), 1)
	require.Equal(t, 1, r.networks.plugged())
	used := r.ListHosts(r.ctx())[0]
	require.Equal(t, []int{1, 512, 1, 1}, []int{used.UsedVCPUs, used.UsedMemoryMiB, used.UsedDiskGiB, used.Servers})
	require.Equal(t, compute.QuotaDetail{Limit: -1, InUse: 1}, r.Quota(r.ctx(), project)[compute.Instances])

	require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
	_, err = r.WaitServer(r.ctx(), s.ID)
	require.Equal(t, fault.NotFound, fault.Of(err))
	r.requireNothingLeft()
	require.Zero(t, r.networks.count())
	require.Zero(t, r.Quota(r.ctx(), project)[compute.Instances].InUse)

	actions := r.Actions(r.ctx(), s.ID)
	require.Len(t, actions, 2)
	require.Equal(t, "create", actions[0].Action)
	require.Equal(t, saga.Finished, actions[0].Status)
	require.Equal(t, "req-1", actions[0].RequestID)
}

func TestAddressesAreShownInTheirShortestForm(t *testing.T) {
	r := newRig(t)
	s := r.boot(func(o *compute.CreateServerOptions) { o.AccessIPv6 = "0000:0000:0000:0000:0000:babe:220.12.22.2" })
	require.Equal(t, "::babe:dc0c:1602", s.AccessIPv6)
}

func TestCreateManyServersAtOnce(t *testing.T) {
	r := newRig(t)
	o := r.options()
	o.MinCount, o.MaxCount = 2, 5
	servers, err := r.CreateServers(r.ctx(), project, o)
	require.NoError(t, err)
	require.Len(t, servers, 5)
	for i, s := range servers {
		s = r.wait(s.ID)
		require.Equal(t, "ACTIVE", s.Status())
		require.Equal(t, "web-"+string(rune('1'+i)), s.Name)
	}
	require.Len(t, r.ListServers(r.ctx(), project, nil), 5)
	require.Equal(t, "web-5", r.ListServers(r.ctx(), project, nil)[0].Name[:5])
}

func TestQuotaBoundsServers(t *testing.T) {
	w := newWorld()
	w.cfg.Quotas = map[string]int{compute.Cores: 3}
	r := w.open(t)
	o := r.options()
	o.MinCount, o.MaxCount = 1, 5
	servers, err := r.CreateServers(r.ctx(), project, o)
	require.NoError(t, err)
	require.Len(t, servers, 3, "as many as the quota allows")
	_, err = r.CreateServer(r.ctx(), project, r.options())
	require.Equal(t, fault.QuotaExceeded, fault.Of(err))
	require.Contains(t, fault.Public(err), "Quota exceeded for cores: Requested 1, but already used 3 of 3 cores")
}

func TestNoValidHostSaysWhy(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: "huge", Name: "huge", VCPUs: 1000, MemoryMiB: 1, Public: true})
	require.NoError(t, err)
	s := r.boot(func(o *compute.CreateServerOptions) { o.FlavorID = "huge" })
	require.Equal(t, "ERROR", s.Status())
	require.Equal(t, "No valid host was found. host-1: needs 1000 VCPU, 256 of 256 free", s.Fault.Message)
	require.Equal(t, 500, s.Fault.Code)
	r.requireNothingLeft()
	require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
	_, err = r.WaitServer(r.ctx(), s.ID)
	require.Equal(t, fault.NotFound, fault.Of(err))
}

func TestFailedBootLeavesNothing(t *testing.T) {
	broken := fault.New(fault.Internal, "broken")
	for _, op := range []string{
		"CreatePort", "CreatePort/after", "BindPort", "BindPort/after", "CreateVolume", "CreateVolume/after",
		"Reserve", "Reserve/after", "Connect", "Connect/after", "Complete", "Complete/after",
		"PutImage", "Create", "Create/after", "Start", "Start/after",
	} {
		t.Run(op, func(t *testing.T) {
			r := newRig(t)
			fail := func(_ context.Context, name, _ string) error {
				if name == op {
					return broken
				}
				return nil
			}
			r.host.SetFault(fail)
			r.networks.set(fail)
			r.volumes.set(fail)
			s := r.boot(withBlankVolume)
			require.Equal(t, "ERROR", s.Status())
			require.Equal(t, "broken", s.Fault.Message)
			require.Empty(t, s.Host)
			r.requireNothingLeft()
			require.Zero(t, r.networks.count())
			volumes, _ := r.volumes.counts()
			require.Zero(t, volumes)
		})
	}
}

func withBlankVolume(o *compute.CreateServerOptions) {
	o.BlockDevices = []compute.BlockDevice{{Source: "blank", Destination: "volume", SizeGiB: 1, DeleteOnTermination: true}}
}

// A server may be deleted while each step of its boot is under way.
func TestDeleteDuringBoot(t *testing.T) {
	for _, op := range []string{"CreatePort", "BindPort", "CreateVolume", "Reserve", "Connect", "Complete", "PutImage", "Create", "Start", "Start/after"} {
		t.Run(op, func(t *testing.T) {
			r := newRig(t)
			reached, deleted := make(chan struct{}), make(chan struct{})
			once := make(chan struct{}, 1)
			block := func(_ context.Context, name, _ string) error {
				if name == op {
					select {
					case once <- struct{}{}:
						close(reached)
						<-deleted
					default:
					}
				}
				return nil
			}
			r.host.SetFault(block)
			r.networks.set(block)
			r.volumes.set(block)
			o := r.options()
			withBlankVolume(&o)
			s, err := r.CreateServer(r.ctx(), project, o)
			require.NoError(t, err)
			<-reached
			require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
			require.NoError(t, r.DeleteServer(r.ctx(), s.ID), "twice is once")
			close(deleted)
			_, err = r.WaitServer(r.ctx(), s.ID)
			require.Equal(t, fault.NotFound, fault.Of(err))
			r.requireNothingLeft()
			require.Zero(t, r.networks.count())
			volumes, _ := r.volumes.counts()
			require.Zero(t, volumes)
		})
	}
}

func TestPowerVerbs(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	for _, step := range []struct {
		name   string
		do     func(ctx context.Context, id string) error
		status string
		power  compute.PowerState
	}{
		{"stop", r.StopServer, "SHUTOFF", compute.PowerShutdown},
		{"start", r.StartServer, "ACTIVE", compute.PowerRunning},
		{"pause", r.PauseServer, "PAUSED", compute.PowerPaused},
		{"unpause", r.UnpauseServer, "ACTIVE", compute.PowerRunning},
		{"suspend", r.SuspendServer, "SUSPENDED", compute.PowerShutdown},
		{"resume", r.ResumeServer, "ACTIVE", compute.PowerRunning},
		{"soft", func(ctx context.Context, id string) error { return r.RebootServer(ctx, id, false) }, "ACTIVE", compute.PowerRunning},
		{"hard", func(ctx context.Context, id string) error { return r.RebootServer(ctx, id, true) }, "ACTIVE", compute.PowerRunning},
	} {
		require.NoError(t, step.do(r.ctx(), s.ID), step.name)
		got := r.wait(s.ID)
		require.Equal(t, step.status, got.Status(), step.name)
		require.Equal(t, step.power, got.PowerState, step.name)
	}
	err := r.StartServer(r.ctx(), s.ID)
	require.Equal(t, fault.Conflict, fault.Of(err))
	require.Equal(t, "Cannot 'start' instance "+s.ID+" while it is in vm_state active", fault.Public(err))
}

func TestLockHoldsBackAllButAdmins(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	require.NoError(t, r.LockServer(r.ctx(), s.ID, "mine"))
	require.Equal(t, fault.Conflict, fault.Of(r.StopServer(r.ctx(), s.ID)))
	require.Equal(t, fault.Conflict, fault.Of(r.DeleteServer(r.ctx(), s.ID)))
	require.NoError(t, r.StopServer(compute.AsAdmin(r.ctx()), s.ID))
	r.wait(s.ID)
	require.NoError(t, r.UnlockServer(r.ctx(), s.ID))
	require.NoError(t, r.StartServer(r.ctx(), s.ID))
	require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
}

func TestVolumes(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	v, err := r.volumes.CreateVolume(r.ctx(), project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
	require.NoError(t, err)
	a, err := r.AttachVolume(r.ctx(), s.ID, compute.AttachVolumeOptions{VolumeID: v.ID})
	require.NoError(t, err)
	require.Equal(t, "/dev/vdb", a.Device)
	s = r.wait(s.ID)
	require.Len(t, s.Volumes, 1)
	require.Equal(t, volume.InUse, r.volumes.status("vol"))
	require.Equal(t, []string{"vol"}, r.host.Guests()[0].Disks)

	_, err = r.AttachVolume(r.ctx(), s.ID, compute.AttachVolumeOptions{VolumeID: v.ID})
	require.Equal(t, fault.Invalid, fault.Of(err))

	require.NoError(t, r.DetachVolume(r.ctx(), s.ID, "vol"))
	require.Empty(t, r.wait(s.ID).Volumes)
	require.Equal(t, volume.Available, r.volumes.status("vol"))
	require.Equal(t, fault.NotFound, fault.Of(r.DetachVolume(r.ctx(), s.ID, "vol")))
}

func TestAGuestThatKeepsItsVolume(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	_, err := r.volumes.CreateVolume(r.ctx(), project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
	require.NoError(t, err)
	_, err = r.AttachVolume(r.ctx(), s.ID, compute.AttachVolumeOptions{VolumeID: "vol"})
	require.NoError(t, err)
	r.wait(s.ID)
	r.host.SetFault(func(_ context.Context, op, _ string) error {
		if op == "DetachDisk" {
			return fault.New(fault.Internal, "it holds on")
		}
		return nil
	})
	require.NoError(t, r.DetachVolume(r.ctx(), s.ID, "vol"))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status())
	require.Len(t, s.Volumes, 1)
	require.Equal(t, volume.InUse, r.volumes.status("vol"))
}

func TestInterfaces(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	n, err := r.AttachInterface(r.ctx(), s.ID, compute.NetworkRequest{NetworkID: "net"})
	require.NoError(t, err)
	require.Len(t, r.wait(s.ID).NICs, 2)
	require.Equal(t, 2, r.networks.plugged())
	require.NoError(t, r.DetachInterface(r.ctx(), s.ID, n.PortID))
	require.Len(t, r.wait(s.ID).NICs, 1)
	require.Equal(t, 1, r.networks.count())
}

func TestResize(t *testing.T) {
	r := newRig(t)
	big, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: "big", Name: "big", VCPUs: 2, MemoryMiB: 1024, DiskGiB: 2, Public: true})
	require.NoError(t, err)
	s := r.boot()
	require.Equal(t, fault.Invalid, fault.Of(r.ResizeServer(r.ctx(), s.ID, s.Flavor.ID)))
	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, big.ID))
	s = r.wait(s.ID)
	require.Equal(t, "VERIFY_RESIZE", s.Status(), "%+v", s.Fault)
	require.Equal(t, "big", s.Flavor.Name)
	require.Equal(t, 2, r.ListHosts(r.ctx())[0].UsedVCPUs)

	require.NoError(t, r.RevertResize(r.ctx(), s.ID))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status())
	require.Equal(t, "m1.small", s.Flavor.Name)
	require.Equal(t, 1, r.ListHosts(r.ctx())[0].UsedVCPUs)

	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, big.ID))
	r.wait(s.ID)
	require.NoError(t, r.ConfirmResize(r.ctx(), s.ID))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status())
	require.Equal(t, "big", s.Flavor.Name)
	require.Equal(t, 2, r.Quota(r.ctx(), project)[compute.Cores].InUse)
}

// A revert that fails leaves the server in error. Once its guest does something again,
// the revert can be tried again; that it is confirmed instead is refused.
func TestRevertFails(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: "big", Name: "big", VCPUs: 2, MemoryMiB: 1024, DiskGiB: 2, Public: true})
	require.NoError(t, err)
	s := r.boot()
	require.NoError(t, r.ResizeServer(r.ctx(), s.ID, "big"))
	r.wait(s.ID)
	r.host.SetFault(func(_ context.Context, op, _ string) error {
		if op == "Resize" {
			return fault.New(fault.Invalid, "the host refuses")
		}
		return nil
	})
	require.NoError(t, r.RevertResize(r.ctx(), s.ID))
	require.Equal(t, "ERROR", r.wait(s.ID).Status())
	r.host.SetFault(nil)

	require.NoError(t, r.StopServer(r.ctx(), s.ID))
	require.Equal(t, "VERIFY_RESIZE", r.wait(s.ID).Status())
	require.Equal(t, fault.Conflict, fault.Of(r.ConfirmResize(r.ctx(), s.ID)))
	require.NoError(t, r.RevertResize(r.ctx(), s.ID))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)
	require.Equal(t, "m1.small", s.Flavor.Name)
	require.Equal(t, 1, r.ListHosts(r.ctx())[0].UsedVCPUs)
}

func TestCreateImageRebuildShelve(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	id, err := r.CreateImage(r.ctx(), s.ID, "snap", map[string]string{"a": "b"})
	require.NoError(t, err)
	require.Equal(t, "ACTIVE", r.wait(s.ID).Status())
	img, err := r.images.GetImage(r.ctx(), id)
	require.NoError(t, err)
	require.Equal(t, "active", string(img.Status))
	require.Equal(t, "snapshot", img.Properties["image_type"])
	require.Equal(t, "b", img.Properties["a"])

	name := "again"
	_, err = r.RebuildServer(r.ctx(), s.ID, compute.RebuildOptions{ImageID: id, Name: &name})
	require.NoError(t, err)
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)
	require.Equal(t, []string{id, "again"}, []string{s.ImageID, s.Name})

	require.NoError(t, r.ShelveServer(r.ctx(), s.ID))
	s = r.wait(s.ID)
	require.Equal(t, "SHELVED_OFFLOADED", s.Status(), "%+v", s.Fault)
	require.Empty(t, s.Host)
	require.Empty(t, r.host.Guests())
	require.Equal(t, 1, r.networks.count(), "its port stays")
	require.Equal(t, 3, r.images.count())
	require.NoError(t, r.UnshelveServer(r.ctx(), s.ID, ""))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status(), "%+v", s.Fault)
	require.Len(t, r.host.Guests(), 1)
	require.Equal(t, 2, r.images.count())
}
