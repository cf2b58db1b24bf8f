package compute_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/volume"
)

// deaf is a fault: calls of these methods hang for half a minute, as those to a guest
// that does not listen, and then say so.
func deaf(ops ...string) func(ctx context.Context, op, id string) error {
	return func(ctx context.Context, op, _ string) error {
		if !slices.Contains(ops, op) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(30 * time.Second):
			return fault.New(fault.Unavailable, "the guest does not listen")
		}
	}
}

// hang is a verb that hangs in one of the methods ops, which do nothing any more.
type hang struct {
	name    string
	ops     []string
	prepare func(r *rig, id string) error
	start   func(r *rig, id string) error // nil: the boot hangs
}

func hangs() []hang {
	vol := func(r *rig, _ string) error {
		_, err := r.volumes.CreateVolume(r.ctx(), project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
		return err
	}
	attach := func(r *rig, id string) error {
		_, err := r.AttachVolume(r.ctx(), id, compute.AttachVolumeOptions{VolumeID: "vol"})
		return err
	}
	attached := func(r *rig, id string) error {
		if err := vol(r, id); err != nil {
			return err
		}
		return attach(r, id)
	}
	big := func(r *rig, _ string) error {
		_, err := r.CreateFlavor(r.ctx(), compute.Flavor{ID: "big", Name: "big", VCPUs: 2, MemoryMiB: 1024, DiskGiB: 1, Public: true})
		return err
	}
	resize := func(r *rig, id string) error { return r.ResizeServer(r.ctx(), id, "big") }
	shelve := func(r *rig, id string) error { return r.ShelveServer(r.ctx(), id) }
	// The guest lets go of nothing, so that what failed by itself is not undone either.
	refused := func(r *rig, id string) error {
		r.host.SetFault(func(ctx context.Context, op, id string) error {
			if op == "AttachDisk" {
				return fault.New(fault.Internal, "no slot is free")
			}
			return deaf("DetachDisk")(ctx, op, id)
		})
		return attach(r, id)
	}
	devices := []string{"AttachDisk", "DetachDisk", "AttachNIC", "DetachNIC", "Stop"}
	return []hang{
		{name: "create", ops: []string{"Create"}},
		{name: "create, booting", ops: []string{"Start", "Stop"}},
		{name: "create, image", ops: []string{"PutImage"}},
		{name: "attach_volume", ops: devices, prepare: vol, start: attach},
		{name: "detach_volume", ops: devices, prepare: attached, start: func(r *rig, id string) error { return r.DetachVolume(r.ctx(), id, "vol") }},
		{name: "attach_volume, undone", prepare: vol, start: refused},
		{name: "attach_interface", ops: devices, start: func(r *rig, id string) error {
			_, err := r.AttachInterface(r.ctx(), id, compute.NetworkRequest{NetworkID: "net"})
			return err
		}},
		{name: "detach_interface", ops: devices, start: func(r *rig, id string) error {
			s, err := r.GetServer(r.ctx(), id)
			if err != nil {
				return err
			}
			return r.DetachInterface(r.ctx(), id, s.NICs[0].PortID)
		}},
		{name: "stop", ops: []string{"Stop"}, start: func(r *rig, id string) error { return r.StopServer(r.ctx(), id) }},
		{name: "reboot", ops: []string{"Reboot", "Stop"}, start: func(r *rig, id string) error { return r.RebootServer(r.ctx(), id, false) }},
		{name: "resize, stopping", ops: []string{"Stop", "Start"}, prepare: big, start: resize},
		{name: "resize", ops: []string{"Resize", "Start"}, prepare: big, start: resize},
		{name: "resize, starting", ops: []string{"Start", "Stop", "Resize"}, prepare: big, start: func(r *rig, id string) error {
			r.host.SetFault(deaf("Start"))
			if err := resize(r, id); err != nil {
				return err
			}
			synctest.Wait()
			r.host.SetFault(deaf("Start", "Stop", "Resize"))
			return nil
		}},
		{name: "shelve", ops: []string{"Export", "Start", "Create"}, start: shelve},
		{name: "unshelve", ops: []string{"Create"}, prepare: shelve, start: func(r *rig, id string) error { return r.UnshelveServer(r.ctx(), id, "") }},
		{name: "rebuild", ops: []string{"Create"}, start: func(r *rig, id string) error {
			_, err := r.RebuildServer(r.ctx(), id, compute.RebuildOptions{ImageID: "cirros"})
			return err
		}},
		{name: "snapshot", ops: []string{"Export"}, start: func(r *rig, id string) error {
			_, err := r.CreateImage(r.ctx(), id, "snap", nil)
			return err
		}},
	}
}

// begin boots a server and starts the verb, which hangs then.
func (h *hang) begin(t *testing.T, r *rig) (id string) {
	if h.start == nil {
		r.host.SetFault(deaf(h.ops...))
		s, err := r.CreateServer(r.ctx(), project, r.options())
		require.NoError(t, err)
		return s.ID
	}
	id = r.boot().ID
	if h.prepare != nil {
		require.NoError(t, h.prepare(r, id))
		r.wait(id)
	}
	if h.ops != nil {
		r.host.SetFault(deaf(h.ops...))
	}
	require.NoError(t, h.start(r, id))
	return id
}

// A server is deleted at once, whatever is being done with it, and however little its
// guest listens: while a call hangs, while it hangs again, and between two attempts.
func TestDeleteIsNotHeldUp(t *testing.T) {
	for _, h := range hangs() {
		for _, later := range []time.Duration{time.Second, 30*time.Second + time.Millisecond, 45 * time.Second} {
			t.Run(h.name+" "+later.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					defer r.close()
					id := h.begin(t, r)
					time.Sleep(later)
					deleted := time.Now()
					require.NoError(t, r.DeleteServer(r.ctx(), id))
					_, err := r.WaitServer(r.ctx(), id)
					require.Equal(t, fault.NotFound, fault.Of(err))
					require.Less(t, time.Since(deleted), time.Second)
					r.requireNothingLeft()
					require.Zero(t, r.networks.count())
					if r.volumes.status("vol") != "" {
						require.Equal(t, volume.Available, r.volumes.status("vol"))
					}
				})
			})
		}
	}
}

// A second detach, while the first still asks the guest, joins it or is refused, and
// the volume is released once.
func TestASecondDetachDoesNoHarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.close()
		s := r.boot()
		_, err := r.volumes.CreateVolume(r.ctx(), project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
		require.NoError(t, err)
		_, err = r.AttachVolume(r.ctx(), s.ID, compute.AttachVolumeOptions{VolumeID: "vol"})
		require.NoError(t, err)
		r.wait(s.ID)
		r.host.SetFault(deaf("DetachDisk", "DetachNIC"))
		require.NoError(t, r.DetachVolume(r.ctx(), s.ID, "vol"))
		synctest.Wait()
		err = r.DetachVolume(r.ctx(), s.ID, "vol")
		require.Equal(t, fault.Invalid, fault.Of(err))
		require.Equal(t, "Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be 'attached' to detach.", fault.Public(err))
		require.Equal(t, volume.Detaching, r.volumes.status("vol"), "the first goes on")
		r.host.SetFault(nil)
		require.Empty(t, r.wait(s.ID).Volumes)
		require.Equal(t, volume.Available, r.volumes.status("vol"))

		port := s.NICs[0].PortID
		r.host.SetFault(deaf("DetachNIC"))
		require.NoError(t, r.DetachInterface(r.ctx(), s.ID, port))
		synctest.Wait()
		require.NoError(t, r.DetachInterface(r.ctx(), s.ID, port), "it waits for the first and finds nothing to do")
		r.host.SetFault(nil)
		s = r.wait(s.ID)
		require.Empty(t, s.NICs)
		require.Nil(t, s.Fault)
		require.Zero(t, r.networks.count())
	})
}
