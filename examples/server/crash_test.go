package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/hypervisors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/stretchr/testify/require"
)

// seed makes the moments of the crashes the same each time.
const seed = 20261121

// town is a cloud whose server is killed again and again.
type town struct {
	*server
	rng  *rand.Rand
	opts servers.CreateOpts
}

// newTown makes what servers need. Guests find nothing to boot in their image:
// enough for everything but taking a disk from them.
func newTown(t *testing.T, drivers string) *town {
	w := &town{server: startServer(t, drivers), rng: rand.New(rand.NewPCG(seed, 0))}
	networkID, _ := w.newNetwork()
	w.opts = servers.CreateOpts{
		Name: "server", ImageRef: w.upload("empty", "raw", bytes.NewReader(make([]byte, 1<<20))),
		FlavorRef: w.newFlavor(64, 1), Networks: []servers.Network{{UUID: networkID}},
	}
	return w
}

// TestKilledAtAnyMoment kills the server with SIGKILL in the middle of boots,
// attachments and deletions, and starts it again: it goes on where it was.
func TestKilledAtAnyMoment(t *testing.T) {
	w := newTown(t, "memory")
	for range 20 {
		w.disturb(100*time.Millisecond, true)
	}
}

// TestKilledAtAnyMomentWithGuests does the same with real guests and networks.
func TestKilledAtAnyMomentWithGuests(t *testing.T) {
	w := newTown(t, "linux")
	for range 5 {
		w.disturb(2*time.Second, false)
		w.requireNothingOnHost()
	}
}

// disturb begins some work, kills the server within the time, starts it again, and
// looks whether all is well and can be deleted.
func (w *town) disturb(within time.Duration, detach bool) {
	w.t.Helper()
	keeper, victim := w.boot(w.opts, ""), w.boot(w.opts, "")
	volumeID := w.newVolume()

	var work sync.WaitGroup
	ctx, cancel := context.WithTimeout(w.ctx(), wait)
	defer cancel()
	// What the server no longer answers is lost; what it has acknowledged is not.
	var made []string
	work.Go(func() {
		for range 2 {
			if s, err := servers.Create(ctx, w.compute, w.opts, nil).Extract(); err == nil {
				made = append(made, s.ID)
			}
		}
	})
	work.Go(func() {
		_, _ = volumeattach.Create(ctx, w.compute, keeper, volumeattach.CreateOpts{VolumeID: volumeID}).Extract()
	})
	deleted := false
	work.Go(func() { deleted = servers.Delete(ctx, w.compute, victim).ExtractErr() == nil })
	<-time.After(time.Duration(w.rng.Int64N(int64(within)))) // any moment will do
	w.kill()
	work.Wait()
	w.start()

	w.requireSettled()
	there := map[string]servers.Server{}
	for _, s := range w.servers() {
		there[s.ID] = s
	}
	for _, id := range made {
		require.Equal(w.t, "ACTIVE", there[id].Status, "an acknowledged server: %+v", there[id].Fault)
	}
	require.Equal(w.t, "ACTIVE", there[keeper].Status, "%+v", there[keeper].Fault)
	if deleted {
		require.NotContains(w.t, there, victim)
	} else {
		require.Contains(w.t, []string{"ACTIVE", ""}, there[victim].Status)
	}
	w.clear(keeper, volumeID, detach)
}

// requireSettled waits until nothing is being done, and checks how things are then.
func (w *town) requireSettled() {
	w.t.Helper()
	var busy []string
	require.Eventually(w.t, func() bool {
		busy = busy[:0]
		for _, s := range w.servers() {
			if s.TaskState != "" || s.Status == "BUILD" {
				busy = append(busy, "server "+s.ID+" "+s.Status+" "+s.TaskState)
			}
		}
		for _, v := range w.volumes() {
			if v.Status != "available" && v.Status != "in-use" {
				busy = append(busy, "volume "+v.ID+" "+v.Status)
			}
		}
		return len(busy) == 0
	}, wait, 50*time.Millisecond, "under way: %v", &busy)
	for _, s := range w.servers() {
		if s.Status == "ERROR" {
			require.NotEmpty(w.t, s.Fault.Message, "why server %s is in error", s.ID)
		}
	}
}

// clear deletes everything and checks that the services have nothing left.
func (w *town) clear(keeper, volumeID string, detach bool) {
	w.t.Helper()
	if v, err := volumes.Get(w.ctx(), w.volume, volumeID).Extract(); detach && err == nil && v.Status == "in-use" {
		require.NoError(w.t, volumeattach.Delete(w.ctx(), w.compute, keeper, volumeID).ExtractErr())
		w.volumeBecomes(volumeID, "available")
	}
	var ids []string
	for _, s := range w.servers() {
		ids = append(ids, s.ID)
	}
	w.deleteServers(ids...)
	w.volumeBecomes(volumeID, "available")
	require.NoError(w.t, volumes.Delete(w.ctx(), w.volume, volumeID, nil).ExtractErr())
	require.Eventually(w.t, func() bool { return len(w.volumes()) == 0 }, wait, 50*time.Millisecond)
	require.Empty(w.t, w.ports(ports.ListOpts{DeviceOwner: "compute:nova"}))
	used, err := hypervisors.GetStatistics(w.ctx(), w.compute).Extract()
	require.NoError(w.t, err)
	require.Zero(w.t, used.VCPUsUsed)
	require.Zero(w.t, used.RunningVMs)
}

// requireNothingOnHost waits until the host has the network and the image of the town
// and nothing else.
func (w *town) requireNothingOnHost() {
	w.t.Helper()
	var left []string
	require.Eventually(w.t, func() bool {
		left = left[:0]
		for _, l := range w.left() {
			if !w.isKept(l) {
				left = append(left, l)
			}
		}
		return len(left) == 0
	}, wait, 300*time.Millisecond, "this is left: %v", &left)
}

// isKept tells whether that belongs to the network itself, which has a namespace, a
// bridge and the port of its service, or to the image.
func (w *town) isKept(left string) bool {
	images := filepath.Join(w.o.state, "guests/images")
	for _, prefix := range []string{"namespace " + w.host().tag + "-net-", "link wb", "link ws", "file " + images} {
		if strings.HasPrefix(left, prefix) {
			return true
		}
	}
	return false
}

// TestDaemonsAndGuestsKilled kills libvirtd and QEMU below a running server.
func TestDaemonsAndGuestsKilled(t *testing.T) {
	w := newTown(t, "linux")
	id := w.boot(w.opts, "")

	w.killProcess("libvirtd")
	second := w.boot(w.opts, "") // waits for the libvirtd that is started again
	w.deleteServers(second)
	w.becomes(id, "ACTIVE")

	w.killProcess("qemu")
	require.Equal(t, servers.PowerState(6), w.becomes(id, "SHUTOFF").PowerState, "crashed")
	log, err := os.ReadFile(w.logFile())
	require.NoError(t, err)
	require.Contains(t, string(log), "a guest crashed")
	require.NoError(t, servers.Start(t.Context(), w.compute, id).ExtractErr())
	w.becomes(id, "ACTIVE")
	require.NoError(t, servers.Reboot(t.Context(), w.compute, id, servers.RebootOpts{Type: servers.HardReboot}).ExtractErr())
	w.becomes(id, "ACTIVE")

	w.deleteServers(id)
	require.Error(t, servers.Get(t.Context(), w.compute, id).Err)
	w.requireNothingOnHost()
}
