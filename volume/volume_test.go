package volume_test

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/core/coretest"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/volume"
	"github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

const project = "p1"

// world is block storage with images, in memory.
type world struct {
	*volume.Service
	t       *testing.T
	core    *core.Core
	backend *memvolume.Backend
	images  *image.Service
	backups *memstore.Store
}

func newWorld(t *testing.T) *world {
	c := coretest.New(t)
	images, err := image.New(c, image.Config{Store: memstore.New(memstore.Config{})})
	require.NoError(t, err)
	w := &world{t: t, core: c, images: images, backend: memvolume.New(memvolume.Config{}), backups: memstore.New(memstore.Config{})}
	w.Service, err = volume.New(c, volume.Config{Backends: []driver.Backend{w.backend}, Images: images, Backups: w.backups})
	require.NoError(t, err)
	coretest.Open(t, c)
	require.NoError(t, images.Start(t.Context()))
	require.NoError(t, w.Start(t.Context()))
	return w
}

// settle waits until all sagas are done.
func (w *world) settle() {
	w.t.Helper()
	require.NoError(w.t, w.core.Sagas.Idle(w.t.Context()))
}

// create makes a volume and waits for it.
func (w *world) create(opts volume.CreateOptions) volume.Volume {
	w.t.Helper()
	v, err := w.CreateVolume(w.t.Context(), project, opts)
	require.NoError(w.t, err)
	require.Equal(w.t, volume.Creating, v.Status)
	v, err = w.WaitVolume(w.t.Context(), v.ID)
	require.NoError(w.t, err)
	require.Equal(w.t, volume.Available, v.Status)
	return v
}

func (w *world) status(id string) volume.Status {
	w.t.Helper()
	v, err := w.GetVolume(w.t.Context(), id)
	require.NoError(w.t, err)
	return v.Status
}

// content reads the first n bytes of what the backend has.
func (w *world) content(id string, n int) string {
	w.t.Helper()
	r, err := w.backend.Export(w.t.Context(), id, "raw")
	require.NoError(w.t, err)
	p := make([]byte, n)
	_, err = io.ReadFull(r, p)
	require.NoError(w.t, err)
	return string(p)
}

func (w *world) stored() []driver.Volume {
	l, err := w.backend.Volumes(w.t.Context())
	require.NoError(w.t, err)
	return l
}

func TestVolumeLife(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{Name: "data", SizeGiB: 2})
	require.Equal(t, []driver.Volume{{ID: v.ID, SizeGiB: 2}}, w.stored())

	require.NoError(t, w.ExtendVolume(t.Context(), v.ID, 3))
	w.settle()
	v, err := w.GetVolume(t.Context(), v.ID)
	require.NoError(t, err)
	require.Equal(t, 3, v.SizeGiB)
	require.Equal(t, volume.Available, v.Status)

	require.NoError(t, w.DeleteVolume(t.Context(), v.ID))
	w.settle()
	_, err = w.GetVolume(t.Context(), v.ID)
	require.ErrorIs(t, err, fault.NotFound)
	require.Empty(t, w.stored())
}

func TestBadVolumesAreRefused(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		opts volume.CreateOptions
		kind fault.Kind
	}{
		"no size":       {volume.CreateOptions{}, fault.Invalid},
		"negative":      {volume.CreateOptions{SizeGiB: -1}, fault.Invalid},
		"too large":     {volume.CreateOptions{SizeGiB: 1 << 30}, fault.Invalid},
		"zone":          {volume.CreateOptions{SizeGiB: 1, Zone: "mars"}, fault.Invalid},
		"type":          {volume.CreateOptions{SizeGiB: 1, Type: "none"}, fault.NotFound},
		"snapshot":      {volume.CreateOptions{SizeGiB: 1, SnapshotID: "none"}, fault.NotFound},
		"source":        {volume.CreateOptions{SizeGiB: 1, SourceID: "none"}, fault.NotFound},
		"image":         {volume.CreateOptions{SizeGiB: 1, ImageID: "none"}, fault.Invalid},
		"two sources":   {volume.CreateOptions{SizeGiB: 1, SnapshotID: "a", SourceID: "b"}, fault.Invalid},
		"id":            {volume.CreateOptions{ID: "x", SizeGiB: 1}, fault.Invalid},
		"metadata":      {volume.CreateOptions{SizeGiB: 1, Metadata: map[string]string{"": "x"}}, fault.Invalid},
		"name too long": {volume.CreateOptions{SizeGiB: 1, Name: string(make([]byte, 300))}, fault.Invalid},
		"quota":         {volume.CreateOptions{SizeGiB: 1001}, fault.QuotaExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.CreateVolume(t.Context(), project, c.opts)
			require.ErrorIs(t, err, c.kind)
		})
	}
	require.Empty(t, w.ListVolumes(t.Context(), ""))
	require.Empty(t, w.stored())
}

func TestAFailingBackendGivesAnErrorThatCanBeRead(t *testing.T) {
	w := newWorld(t)
	w.backend.SetFault(func(_ context.Context, op, _ string) error {
		if op == "Create" {
			return driver.Errorf(driver.Exhausted, "the pool is full")
		}
		return nil
	})
	v, err := w.CreateVolume(t.Context(), project, volume.CreateOptions{SizeGiB: 1})
	require.NoError(t, err)
	_, err = w.WaitVolume(t.Context(), v.ID)
	require.ErrorContains(t, err, "the pool is full")
	require.Equal(t, volume.Error, w.status(v.ID))
	require.Empty(t, w.stored())
	require.NoError(t, w.DeleteVolume(t.Context(), v.ID))
	w.settle()
	require.Empty(t, w.ListVolumes(t.Context(), project))
}

func TestSnapshotsAndVolumesOfThem(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("first"))))
	snap, err := w.CreateSnapshot(t.Context(), project, volume.CreateSnapshotOptions{VolumeID: v.ID})
	require.NoError(t, err)
	w.settle()
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("later"))))

	copied := w.create(volume.CreateOptions{SnapshotID: snap.ID})
	require.Equal(t, 1, copied.SizeGiB)
	require.Equal(t, "first", w.content(copied.ID, 5))

	require.ErrorIs(t, w.DeleteVolume(t.Context(), v.ID), fault.Invalid, "it has a snapshot")
	require.NoError(t, w.DeleteVolumeCascade(t.Context(), v.ID))
	w.settle()
	require.Len(t, w.stored(), 1)
	_, err = w.GetSnapshot(t.Context(), snap.ID)
	require.ErrorIs(t, err, fault.NotFound)
}

func TestVolumeOfAnImageAndImageOfAVolume(t *testing.T) {
	w := newWorld(t)
	img, err := w.images.CreateImage(t.Context(), project, image.CreateOptions{Name: "os", DiskFormat: "raw", ContainerFormat: "bare", Properties: map[string]string{"os": "x"}})
	require.NoError(t, err)
	_, err = w.images.UploadImage(t.Context(), img.ID, bytes.NewReader([]byte("boot me")))
	require.NoError(t, err)

	v := w.create(volume.CreateOptions{SizeGiB: 1, ImageID: img.ID})
	require.True(t, v.Bootable)
	require.Equal(t, "boot me", w.content(v.ID, 7))
	require.Equal(t, "x", v.ImageMetadata["os"])

	id, err := w.UploadToImage(t.Context(), v.ID, project, volume.UploadOptions{Name: "copy", DiskFormat: "qcow2"})
	require.NoError(t, err)
	require.Equal(t, volume.Uploading, w.status(v.ID))
	w.settle()
	require.Equal(t, volume.Available, w.status(v.ID))
	copied, err := w.images.GetImage(t.Context(), id)
	require.NoError(t, err)
	require.Equal(t, image.Active, copied.Status)
	require.Equal(t, driver.GiB, copied.VirtualSize)
	require.Equal(t, map[string]string{"os": "x"}, copied.Properties)
}

func TestBackupAndRestore(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("precious"))))
	b, err := w.CreateBackup(t.Context(), project, volume.CreateBackupOptions{VolumeID: v.ID, Name: "b"})
	require.NoError(t, err)
	w.settle()
	require.Equal(t, volume.Available, w.status(v.ID))
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("spoiled!"))))

	_, err = w.RestoreBackup(t.Context(), b.ID, v.ID, "")
	require.NoError(t, err)
	w.settle()
	require.Equal(t, volume.Available, w.status(v.ID))
	require.Equal(t, "precious", w.content(v.ID, 8))

	fresh, err := w.RestoreBackup(t.Context(), b.ID, "", "new")
	require.NoError(t, err)
	_, err = w.WaitVolume(t.Context(), fresh.ID)
	require.NoError(t, err)
	require.Equal(t, "precious", w.content(fresh.ID, 8))

	require.NoError(t, w.DeleteBackup(t.Context(), b.ID))
	w.settle()
	_, err = w.GetBackup(t.Context(), b.ID)
	require.ErrorIs(t, err, fault.NotFound)
	left, err := w.backups.List(t.Context())
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestABackupIsNeverDeletedByItsMaking: of two controllers that make the same backup, one
// may have stood still; what it does late must not harm what the other one has done.
func TestABackupIsNeverDeletedByItsMaking(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	var mu sync.Mutex
	var calls []string
	w.backups.SetFault(func(_ context.Context, op, _ string) error {
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, op)
		if op == "Put/after" {
			return driver.Errorf(driver.Unavailable, "the answer is lost")
		}
		return nil
	})
	b, err := w.CreateBackup(t.Context(), project, volume.CreateBackupOptions{VolumeID: v.ID})
	require.NoError(t, err)
	_, err = w.WaitVolume(t.Context(), v.ID)
	require.NoError(t, err)
	b, err = w.GetBackup(t.Context(), b.ID)
	require.NoError(t, err)
	require.Equal(t, volume.Available, b.Status)
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, []string{"Open", "Put", "Put/after", "Open"}, calls, "what was put is taken as it is")
}

func TestAttachmentLife(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	a, err := w.Reserve(t.Context(), volume.ReserveOptions{VolumeID: v.ID, ServerID: "srv"})
	require.NoError(t, err)
	require.Equal(t, volume.Attaching, w.status(v.ID))
	_, err = w.Reserve(t.Context(), volume.ReserveOptions{VolumeID: v.ID, ServerID: "other"})
	require.ErrorIs(t, err, fault.Invalid)

	for range 2 { // every call may be repeated
		c, err := w.Connect(t.Context(), a.ID, "host-1")
		require.NoError(t, err)
		require.NotEmpty(t, c.Path)
		require.NoError(t, w.Complete(t.Context(), a.ID, "/dev/vdb"))
	}
	require.Equal(t, volume.InUse, w.status(v.ID))
	require.Equal(t, []string{"host-1"}, w.backend.Connected(v.ID))
	require.ErrorIs(t, w.DeleteVolume(t.Context(), v.ID), fault.Invalid)

	require.NoError(t, w.BeginDetach(t.Context(), a.ID))
	require.Equal(t, volume.Detaching, w.status(v.ID))
	require.NoError(t, w.RollDetach(t.Context(), a.ID))
	require.Equal(t, volume.InUse, w.status(v.ID))

	require.NoError(t, w.Release(t.Context(), a.ID))
	require.NoError(t, w.Release(t.Context(), a.ID))
	require.Equal(t, volume.Available, w.status(v.ID))
	require.Empty(t, w.backend.Connected(v.ID))
	require.Empty(t, w.ListAttachments(t.Context(), volume.AttachmentFilter{}))
}

// TestAConnectionThatComesTooLateGoesAgain: while a controller stands still in Connect,
// another one gives the attachment up. Nobody but the late one knows of the connection,
// so an error does not keep it from taking it away.
func TestAConnectionThatComesTooLateGoesAgain(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	a, err := w.Reserve(t.Context(), volume.ReserveOptions{VolumeID: v.ID, ServerID: "srv"})
	require.NoError(t, err)
	failures := 2
	w.backend.SetFault(func(ctx context.Context, op, _ string) error {
		if op != "Connect" {
			return nil
		}
		w.backend.SetFault(nil)
		err := w.Release(ctx, a.ID)
		w.backend.SetFault(func(_ context.Context, op, _ string) error {
			if op != "Disconnect" || failures == 0 {
				return nil
			}
			failures--
			return driver.Errorf(driver.Unavailable, "not now")
		})
		return err
	})
	_, err = w.Connect(t.Context(), a.ID, "host-1")
	require.ErrorIs(t, err, fault.Conflict)
	require.Zero(t, failures)
	require.Empty(t, w.backend.Connected(v.ID))
}

func TestOfManyServersOneGetsTheVolume(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	var wg sync.WaitGroup
	errs := make([]error, 16)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.Reserve(t.Context(), volume.ReserveOptions{VolumeID: v.ID, ServerID: "s"})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			require.ErrorIs(t, err, fault.Invalid)
		}
	}
	require.Equal(t, 1, won)
}

func TestQuotaHoldsUnderConcurrency(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, w.SetQuotas(t.Context(), project, map[string]int{"volumes": 3}))
	var wg sync.WaitGroup
	errs := make([]error, 12)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = w.CreateVolume(t.Context(), project, volume.CreateOptions{SizeGiB: 1})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			require.ErrorIs(t, err, fault.QuotaExceeded)
		}
	}
	require.Equal(t, 3, won)
}

func TestTransfer(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	tr, key, err := w.CreateTransfer(t.Context(), v.ID, volume.CreateTransferOptions{Name: "gift"})
	require.NoError(t, err)
	require.Equal(t, volume.AwaitTransfer, w.status(v.ID))
	require.ErrorIs(t, w.DeleteVolume(t.Context(), v.ID), fault.Invalid)
	_, err = w.AcceptTransfer(t.Context(), tr.ID, "wrong", "p2")
	require.ErrorIs(t, err, fault.Invalid)
	_, err = w.AcceptTransfer(t.Context(), tr.ID, key, "p2")
	require.NoError(t, err)
	got, err := w.GetVolume(t.Context(), v.ID)
	require.NoError(t, err)
	require.Equal(t, "p2", got.ProjectID)
	require.Equal(t, volume.Available, got.Status)
}
