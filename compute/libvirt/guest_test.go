package libvirt_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kdomanski/iso9660"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/compute/libvirt"
	"github.com/welkin-cloud/cloud/compute/libvirt/hostbox"
	"github.com/welkin-cloud/cloud/internal/guestimage"
	"github.com/welkin-cloud/cloud/internal/unixsock"
)

// guest makes a guest whose user data is a script.
func (b *bench) guest(t *testing.T, script string) driver.Spec {
	ctx := t.Context()
	image := uuid.NewString()
	require.NoError(t, b.hv.PutImage(ctx, image, guestimage.Format, bytes.NewReader(b.image)))
	spec := driver.Spec{ID: uuid.NewString(), Name: "a guest", VCPUs: 1, MemoryMiB: 128,
		Root: &driver.Root{ImageID: image, Format: guestimage.Format}}
	spec.ConfigDrive = configDrive(t, `{"uuid": "`+spec.ID+`", "hostname": "a-guest"}`, script)
	require.NoError(t, b.hv.Create(ctx, spec))
	t.Cleanup(func() { require.NoError(t, b.hv.Destroy(context.WithoutCancel(ctx), spec.ID)) })
	return spec
}

// configDrive returns a config drive with the two documents.
func configDrive(t *testing.T, metadata, userData string) []byte {
	w, err := iso9660.NewWriter()
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Cleanup()) }()
	require.NoError(t, w.AddFile(strings.NewReader(metadata), "openstack/latest/meta_data.json"))
	require.NoError(t, w.AddFile(strings.NewReader(userData), "openstack/latest/user_data"))
	var out bytes.Buffer
	require.NoError(t, w.WriteTo(&out, "config-2"))
	return out.Bytes()
}

// said prefixes what a script of user data prints.
const said = "welkin-guest: user data: "

func TestGuests(t *testing.T) {
	b := newBench(t)
	t.Run("SeesItsDevices", func(t *testing.T) { testDevices(t, b) })
	t.Run("ExportHasWhatTheGuestWrote", func(t *testing.T) { testExported(t, b) })
	t.Run("ThatDoesNotListen", func(t *testing.T) { testDeaf(t, b) })
	t.Run("BackupThatWasLeftIsEnded", func(t *testing.T) { testLeftBackup(t, b) })
	t.Run("HalfAttachedDiskIsReplaced", func(t *testing.T) { testHalfAttached(t, b) })
	t.Run("OutliveLibvirtd", func(t *testing.T) { testLibvirtdDies(t, b) })
}

// testDevices watches a guest that gets a volume while it runs, loses it and
// reboots.
func testDevices(t *testing.T, b *bench) {
	ctx := t.Context()
	spec := b.guest(t, `#!/bin/sh
cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/product_uuid
echo listening
until [ -b /dev/vdb ]; do usleep 200000; done
echo serial $(cat /sys/block/vdb/serial) size $(cat /sys/block/vdb/size)
echo from the guest | dd of=/dev/vdb conv=fsync 2>/dev/null
echo written
while [ $(cat /sys/block/vdb/size) = 8192 ]; do usleep 200000; done
echo grown to $(cat /sys/block/vdb/size)
while [ -b /dev/vdb ]; do usleep 200000; done
echo gone
`)
	id := spec.ID
	require.NoError(t, b.hv.Start(ctx, id))
	b.waitFor(t, id, said+"OpenStack Foundation", 1)
	b.waitFor(t, id, said+"OpenStack Nova", 1)
	b.waitFor(t, id, said+id, 1)
	b.waitFor(t, id, said+"listening", 1)
	screen, err := unixsock.Dial(ctx, filepath.Join(b.vnc, id+".vnc"))
	require.NoError(t, err)
	defer screen.Close()
	greeting := make([]byte, 12)
	_, err = io.ReadFull(screen, greeting)
	require.NoError(t, err)
	require.Equal(t, "RFB 003.008\n", string(greeting))

	disk := b.disk(t, 4<<20)
	disk.Device = "vdb"
	require.NoError(t, b.hv.AttachDisk(ctx, id, disk))
	b.waitFor(t, id, said+"serial "+disk.ID[:20]+" size 8192", 1)
	b.waitFor(t, id, said+"written", 1)
	content, err := os.ReadFile(disk.Path)
	require.NoError(t, err)
	require.Equal(t, "from the guest", string(content[:14]))

	require.NoError(t, os.Truncate(disk.Path, 8<<20))
	require.NoError(t, b.hv.ResizeDisk(ctx, id, disk.ID, 8<<20))
	b.waitFor(t, id, said+"grown to 16384", 1)
	require.NoError(t, b.hv.DetachDisk(ctx, id, disk.ID))
	b.waitFor(t, id, said+"gone", 1)

	b.waitFor(t, id, guestimage.Ready, 1)
	require.NoError(t, b.hv.Reboot(ctx, id, false))
	b.waitFor(t, id, "welkin-guest: power button", 1)
	b.waitFor(t, id, guestimage.Ready, 2)
	b.waitFor(t, id, said+"was run at an earlier boot", 1)
}

// testExported boots a copy of the root of a running guest.
func testExported(t *testing.T, b *bench) {
	ctx := t.Context()
	spec := b.guest(t, "#!/bin/sh\necho precious > /marker\nsync\necho kept\n")
	require.NoError(t, b.hv.Start(ctx, spec.ID))
	b.waitFor(t, spec.ID, said+"kept", 1)
	r, err := b.hv.Export(ctx, spec.ID, "qcow2")
	require.NoError(t, err)
	defer r.Close()
	image := uuid.NewString()
	require.NoError(t, b.hv.PutImage(ctx, image, "qcow2", r))
	left, err := os.ReadDir(filepath.Join(b.dir, "hv", "exports"))
	require.NoError(t, err)
	require.Empty(t, left)

	second := spec
	second.ID, second.Root = uuid.NewString(), &driver.Root{ImageID: image, Format: "qcow2"}
	second.ConfigDrive = configDrive(t, `{"uuid": "`+second.ID+`", "hostname": "copy"}`, "#!/bin/sh\necho found $(cat /marker)\n")
	require.NoError(t, b.hv.Create(ctx, second))
	t.Cleanup(func() { require.NoError(t, b.hv.Destroy(context.WithoutCancel(ctx), second.ID)) })
	require.NoError(t, b.hv.Start(ctx, second.ID))
	b.waitFor(t, second.ID, said+"found precious", 1)
}

// testDeaf has a guest without an operating system.
func testDeaf(t *testing.T, b *bench) {
	ctx := t.Context()
	hv, err := libvirt.New(ctx, libvirt.Config{
		Socket: b.box.Socket(), Dir: filepath.Join(b.dir, "hv"), HostName: "host-1", VirtType: "qemu",
		DetachTimeout: time.Second, RebootTimeout: time.Second,
	})
	require.NoError(t, err)
	defer func() { require.NoError(t, hv.Close()) }()
	image := uuid.NewString()
	require.NoError(t, hv.PutImage(ctx, image, "raw", bytes.NewReader(make([]byte, 1<<20))))
	disk := b.disk(t, 1<<20)
	spec := driver.Spec{ID: uuid.NewString(), Name: "deaf", VCPUs: 1, MemoryMiB: 64,
		Root: &driver.Root{ImageID: image, Format: "raw"}, Disks: []driver.Disk{disk}}
	require.NoError(t, hv.Create(ctx, spec))
	require.NoError(t, hv.Start(ctx, spec.ID))
	require.ErrorIs(t, hv.DetachDisk(ctx, spec.ID, disk.ID), driver.Unavailable)
	g, err := hv.Get(ctx, spec.ID)
	require.NoError(t, err)
	require.Equal(t, []string{disk.ID}, g.Disks, "it keeps the disk")
	require.NoError(t, hv.Reboot(ctx, spec.ID, false), "it is reset in the end")
	require.NoError(t, hv.Stop(ctx, spec.ID, time.Second), "it is cut off in the end")
	require.NoError(t, hv.DetachDisk(ctx, spec.ID, disk.ID))
	require.NoError(t, hv.Destroy(ctx, spec.ID))
	require.NoError(t, hv.DropImage(ctx, image))
}

// testLeftBackup has a copy of a root that a controller, which is gone, began: a
// pull backup runs until it is ended.
func testLeftBackup(t *testing.T, b *bench) {
	ctx := t.Context()
	spec := b.guest(t, "#!/bin/sh\n")
	require.NoError(t, b.hv.Start(ctx, spec.ID))
	text := filepath.Join(t.TempDir(), "backup.xml")
	require.NoError(t, os.WriteFile(text, []byte(`<domainbackup mode='pull'><server transport='unix' socket='`+
		filepath.Join(b.dir, "nbd")+`'/></domainbackup>`), 0o600))
	b.virsh(t, "backup-begin", "welkin-"+spec.ID, text)
	left := filepath.Join(b.dir, "hv", "exports", "left")
	require.NoError(t, os.Mkdir(left, 0o700))

	require.NoError(t, b.open(t).Close())
	require.NoDirExists(t, left)
	require.Contains(t, b.virsh(t, "domjobinfo", "welkin-"+spec.ID), "None")
	r, err := b.hv.Export(ctx, spec.ID, "qcow2")
	require.NoError(t, err)
	require.NoError(t, r.Close())
}

// testLibvirtdDies kills libvirtd below a running guest.
func testLibvirtdDies(t *testing.T, b *bench) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	spec := b.guest(t, "#!/bin/sh\n")
	require.NoError(t, b.hv.Start(ctx, spec.ID))
	events := b.hv.Watch(ctx)
	text, err := os.ReadFile(filepath.Join(b.dir, "box", "run", "libvirtd.pid"))
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	select {
	case e := <-events:
		require.Equal(t, driver.Event{}, e, "it must be listed again")
	case <-time.After(time.Minute):
		require.Fail(t, "no event")
	}
	g, err := b.hv.Get(ctx, spec.ID)
	require.NoError(t, err)
	require.Equal(t, driver.Running, g.Power)
	b.waitFor(t, spec.ID, guestimage.Ready, 1)
	require.NoError(t, b.hv.Stop(ctx, spec.ID, time.Minute))
}

func TestImagesThatReferToOtherFilesAreRefused(t *testing.T) {
	b := newBench(t)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, make([]byte, 1<<20), 0o600))
	for name, args := range map[string][]string{
		"backing file": {"-b", secret, "-F", "raw"},
		"data file":    {"-o", "data_file=" + filepath.Join(t.TempDir(), "data"), "EVIL", "1M"},
	} {
		evil := filepath.Join(t.TempDir(), "evil.qcow2")
		all := append([]string{"create", "-q", "-f", "qcow2"}, args...)
		if all[len(all)-2] == "EVIL" {
			all[len(all)-2] = evil
		} else {
			all = append(all, evil)
		}
		out, err := exec.Command("qemu-img", all...).CombinedOutput()
		require.NoError(t, err, string(out))
		f, err := os.Open(evil)
		require.NoError(t, err)
		id := uuid.NewString()
		require.ErrorIs(t, b.hv.PutImage(t.Context(), id, "qcow2", f), driver.Invalid, name)
		require.NoError(t, f.Close())
		has, err := b.hv.HasImage(t.Context(), id)
		require.NoError(t, err)
		require.False(t, has, name)
	}
	require.ErrorIs(t, b.hv.PutImage(t.Context(), "x", "qcow2", io.LimitReader(strings.NewReader("no qcow2"), 8)), driver.Invalid)
	require.ErrorIs(t, b.hv.PutImage(t.Context(), "../x", "raw", strings.NewReader("")), driver.Invalid)
}

func TestVirtTypeIsFoundOutOnce(t *testing.T) {
	b := newBench(t)
	cfg := libvirt.Config{Socket: b.box.Socket(), Dir: filepath.Join(b.dir, "auto"), HostName: "h"}
	virt := ""
	for range 2 {
		hv, err := libvirt.New(t.Context(), cfg)
		require.NoError(t, err)
		host, err := hv.Host(t.Context())
		require.NoError(t, err)
		require.Contains(t, []string{"kvm", "qemu"}, host.VirtType)
		require.True(t, virt == "" || virt == host.VirtType)
		virt = host.VirtType
		require.NoError(t, hv.Close())
	}
	text, err := os.ReadFile(filepath.Join(cfg.Dir, "virt.json"))
	require.NoError(t, err)
	require.Contains(t, string(text), virt)
}

func TestLongFolders(t *testing.T) {
	image, err := os.ReadFile(guestimage.Path(t))
	require.NoError(t, err)
	dir := filepath.Join(t.TempDir(), strings.Repeat("long-", 30))
	b := &bench{dir: dir, image: image}
	b.box, err = hostbox.Start(t.Context(), hostbox.Config{
		Dir: filepath.Join(dir, "box"), Namespace: "wkll" + uuid.NewString()[:8],
		Cache: filepath.Join(os.TempDir(), "welkin-libvirt-cache"),
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.box.Teardown(context.WithoutCancel(t.Context()))) })
	b.hv = b.open(t)
	id := b.guest(t, "#!/bin/sh\n").ID
	require.NoError(t, b.hv.Start(t.Context(), id))
	b.waitFor(t, id, guestimage.Ready, 1)
	require.NoError(t, b.hv.Suspend(t.Context(), id))
	require.NoError(t, b.hv.Start(t.Context(), id))
	require.NoError(t, b.hv.Destroy(t.Context(), id))
}

func TestBadConfig(t *testing.T) {
	for name, cfg := range map[string]libvirt.Config{
		"no socket":    {Dir: "/x", HostName: "h"},
		"relative":     {Socket: "/s", Dir: "x", HostName: "h"},
		"no host name": {Socket: "/s", Dir: "/x"},
		"prefix":       {Socket: "/s", Dir: "/x", HostName: "h", Prefix: "A-B"},
		"virt type":    {Socket: "/s", Dir: t.TempDir(), HostName: "h", VirtType: "xen"},
	} {
		_, err := libvirt.New(t.Context(), cfg)
		require.Error(t, err, name)
	}
}
