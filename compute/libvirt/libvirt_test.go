package libvirt_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/drivertest"
	"github.com/welkin-cloud/cloud/compute/libvirt"
	"github.com/welkin-cloud/cloud/compute/libvirt/hostbox"
	"github.com/welkin-cloud/cloud/internal/guestimage"
)

// bench is a private libvirtd with a driver.
type bench struct {
	box   *hostbox.Box
	dir   string
	vnc   string // folder of the VNC sockets
	hv    *libvirt.Hypervisor
	image []byte
	taps  atomic.Int64
}

// newBench starts a libvirtd that ends with the test.
func newBench(t *testing.T) *bench {
	image, err := os.ReadFile(guestimage.Path(t))
	require.NoError(t, err)
	b := &bench{dir: t.TempDir(), image: image}
	// The test's own folder may be too long for sockets.
	b.vnc, err = os.MkdirTemp("", "wkvnc-*")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(b.vnc)) })
	b.box, err = hostbox.Start(t.Context(), hostbox.Config{
		Dir: filepath.Join(b.dir, "box"), Namespace: "wklv" + uuid.NewString()[:8],
		// What libvirtd learns of QEMU takes it seconds and holds for all boxes.
		Cache: filepath.Join(os.TempDir(), "welkin-libvirt-cache"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.box.Teardown(context.WithoutCancel(t.Context()))) })
	b.hv = b.open(t)
	return b
}

// open returns a driver for the bench's libvirtd.
func (b *bench) open(t *testing.T) *libvirt.Hypervisor {
	hv, err := libvirt.New(t.Context(), libvirt.Config{
		Socket: b.box.Socket(), Dir: filepath.Join(b.dir, "hv"), HostName: "host-1", VirtType: "qemu", VNCDir: b.vnc,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, hv.Close()) })
	return hv
}

// waitFor waits until the guest has printed a text n times.
func (b *bench) waitFor(t *testing.T, id, text string, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		log, err := b.hv.Console(t.Context(), id, 1<<20)
		return err == nil && bytes.Count(log, []byte(text)) >= n
	}, 2*time.Minute, 100*time.Millisecond, text)
}

// harness returns what the conformance suite needs.
func (b *bench) harness() drivertest.Harness {
	return drivertest.Harness{
		Hypervisor: b.hv, Image: b.image, ImageFormat: guestimage.Format,
		Booted:   func(t *testing.T, id string) { b.waitFor(t, id, guestimage.Ready, 1) },
		Disk:     b.disk,
		NIC:      b.nic,
		PowerOff: func(t *testing.T, id string) { b.virsh(t, "destroy", "welkin-"+id) },
		Again:    func(t *testing.T) driver.Hypervisor { return b.open(t) },
	}
}

// disk makes a volume.
func (b *bench) disk(t *testing.T, size int64) driver.Disk {
	id := uuid.NewString()
	path := filepath.Join(b.dir, id)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Truncate(path, size))
	return driver.Disk{ID: id, Path: path, Format: "raw", Bus: "virtio"}
}

// nic makes a tap in the box's namespace.
func (b *bench) nic(t *testing.T) driver.NIC {
	n := b.taps.Add(1)
	tap := fmt.Sprintf("tap%d", n)
	b.ip(t, "tuntap", "add", tap, "mode", "tap")
	b.ip(t, "link", "set", tap, "up")
	return driver.NIC{PortID: uuid.NewString(), MAC: fmt.Sprintf("fa:16:3e:00:00:%02x", n), Tap: tap, MTU: 1400, Model: "virtio"}
}

// ip runs ip in the box's namespace.
func (b *bench) ip(t *testing.T, args ...string) {
	out, err := exec.Command("ip", append([]string{"-n", b.box.Namespace()}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// virsh goes past the driver.
func (b *bench) virsh(t *testing.T, args ...string) string {
	out, err := exec.Command("virsh", append([]string{"-c", "qemu:///system?socket=" + b.box.Socket()}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

func TestConformance(t *testing.T) {
	b := newBench(t)
	drivertest.Run(t, func(*testing.T) drivertest.Harness { return b.harness() })
}
