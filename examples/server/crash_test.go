package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/stretchr/testify/require"
)

// town is a cloud with what servers need. Guests find nothing to boot in their image:
// enough for everything but taking a disk from them.
type town struct {
	*server
	opts servers.CreateOpts
}

func newTown(t *testing.T, drivers string) *town { return townOf(startServer(t, drivers)) }

func townOf(s *server) *town {
	w := &town{server: s}
	networkID, _ := w.newNetwork()
	w.opts = servers.CreateOpts{
		Name: "server", ImageRef: w.upload("empty", "raw", bytes.NewReader(make([]byte, 1<<20))),
		FlavorRef: w.newFlavor(64, 1), Networks: []servers.Network{{UUID: networkID}},
	}
	return w
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

	require.True(t, w.killProcess("libvirtd"))
	second := w.boot(w.opts, "") // waits for the libvirtd that is started again
	w.deleteServers(second)
	w.becomes(id, "ACTIVE")

	require.True(t, w.killProcess("qemu"))
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
