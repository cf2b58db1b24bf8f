package compute_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/memhypervisor"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state/memengine"
	"github.com/welkin-cloud/cloud/volume"
)

// reopen ends the controller, lets the host change, and starts another one.
func reopen(t *testing.T, w *world, store *memengine.Store, r *rig, change func()) *rig {
	r.close()
	change()
	return openOn(t, w, store)
}

func openOn(t *testing.T, w *world, store *memengine.Store) *rig {
	engine, err := store.Open()
	require.NoError(t, err)
	w.engine = engine
	return w.open(t)
}

func TestGuestsThatTheHostLostAreMadeAgain(t *testing.T) {
	w, store := newWorld(), memengine.NewStore(memengine.Options{})
	w.cfg.ResumeGuests = true
	r := openOn(t, w, store)
	running, stopped, paused := r.boot(), r.boot(), r.boot()
	_, err := r.volumes.CreateVolume(r.ctx(), project, volume.CreateOptions{ID: "vol", SizeGiB: 1})
	require.NoError(t, err)
	_, err = r.AttachVolume(r.ctx(), running.ID, compute.AttachVolumeOptions{VolumeID: "vol"})
	require.NoError(t, err)
	r.wait(running.ID)
	require.NoError(t, r.StopServer(r.ctx(), stopped.ID))
	require.NoError(t, r.PauseServer(r.ctx(), paused.ID))
	r.wait(stopped.ID)
	r.wait(paused.ID)

	r = reopen(t, w, store, r, func() { w.host = memhypervisor.New(memhypervisor.Config{Name: "host-1"}) })
	guests := map[string]memhypervisor.Guest{}
	for _, g := range r.host.Guests() {
		guests[g.ID] = g
	}
	require.Len(t, guests, 3)
	require.Equal(t, driver.Running, guests[running.ID].Power)
	require.Equal(t, []string{"vol"}, guests[running.ID].Disks)
	require.Len(t, guests[running.ID].NICs, 1)
	require.Equal(t, driver.Shutdown, guests[stopped.ID].Power)
	require.Equal(t, driver.Paused, guests[paused.ID].Power)
	for id, status := range map[string]string{running.ID: "ACTIVE", stopped.ID: "SHUTOFF", paused.ID: "PAUSED"} {
		s := r.wait(id)
		require.Equal(t, status, s.Status())
		require.Nil(t, s.Fault)
	}
}

func TestAGuestThatCannotBeMadeAgainIsLost(t *testing.T) {
	w, store := newWorld(), memengine.NewStore(memengine.Options{})
	w.cfg.ResumeGuests = true
	r := openOn(t, w, store)
	s := r.boot()
	r = reopen(t, w, store, r, func() {
		w.host = memhypervisor.New(memhypervisor.Config{Name: "host-1"})
		w.host.SetFault(func(_ context.Context, op, _ string) error {
			if op == "Create" {
				return fault.New(fault.Exhausted, "no room")
			}
			return nil
		})
	})
	require.Eventually(t, func() bool { return r.wait(s.ID).Status() == "ERROR" }, 10*time.Second, time.Millisecond)
	require.Contains(t, r.wait(s.ID).Fault.Message, "The guest is gone from host host-1")
}

func TestDeletedImagesLeaveTheHosts(t *testing.T) {
	w, store := newWorld(), memengine.NewStore(memengine.Options{})
	r := openOn(t, w, store)
	s := r.boot()
	require.NoError(t, r.images.DeleteImage(r.ctx(), "cirros"))

	// It stays while a guest uses it.
	r = reopen(t, w, store, r, func() {})
	require.NoError(t, r.DeleteServer(r.ctx(), s.ID))
	_, err := r.WaitServer(r.ctx(), s.ID)
	require.Equal(t, fault.NotFound, fault.Of(err))
	require.Len(t, r.host.Images(), 1)

	r = reopen(t, w, store, r, func() {})
	require.Eventually(t, func() bool { return len(r.host.Images()) == 0 }, 10*time.Second, time.Millisecond)
}

func TestAGuestThatCrashes(t *testing.T) {
	r := newRig(t)
	s := r.boot()
	r.host.SetPower(s.ID, driver.Crashed)
	require.Eventually(t, func() bool { return r.wait(s.ID).Status() == "SHUTOFF" }, 10*time.Second, time.Millisecond)
	s = r.wait(s.ID)
	require.Equal(t, compute.PowerCrashed, s.PowerState)
	require.Contains(t, s.Fault.Message, "crashed on host host-1")
	require.NoError(t, r.StartServer(r.ctx(), s.ID))
	s = r.wait(s.ID)
	require.Equal(t, "ACTIVE", s.Status())
	require.Nil(t, s.Fault)
}
