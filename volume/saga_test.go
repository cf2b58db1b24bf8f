package volume_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/saga/sagatest"
	"github.com/welkin-cloud/cloud/volume"
	"github.com/welkin-cloud/cloud/volume/driver"
	"github.com/welkin-cloud/cloud/volume/memvolume"
)

// brief is a backend whose volumes read as their first 64 bytes: copying GiBs of zeros
// proves nothing.
type brief struct{ *memvolume.Backend }

func (b brief) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	r, err := b.Backend.Export(ctx, id, format)
	if err != nil || format != "raw" {
		return r, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.LimitReader(r, 64), r}, nil
}

// shelter is what outlives a crash of the controller.
type shelter struct {
	backend brief
	images  *memstore.Store
	backups *memstore.Store
}

func newShelter() *shelter {
	return &shelter{
		backend: brief{memvolume.New(memvolume.Config{})},
		images:  memstore.New(memstore.Config{}), backups: memstore.New(memstore.Config{}),
	}
}

// scene is a shelter with the services of one controller.
type scene struct {
	*volume.Service
	*shelter
	pictures *image.Service
}

// ids of what the sagas work on, the same in each run.
const (
	volID   = "00000000-0000-4000-8000-000000000001"
	srcID   = "00000000-0000-4000-8000-000000000002"
	snapID  = "00000000-0000-4000-8000-000000000003"
	imageID = "00000000-0000-4000-8000-000000000004"
)

// try is a saga test: the world is a scene, and the functions are those of
// sagatest.Controller.
func try(t *testing.T, name string, forward bool, prepare, start, built, clean func(ctx context.Context, s *scene) error) {
	t.Helper()
	t.Parallel()
	sagatest.Run(t, sagatest.Case{Saga: name, Forward: forward, New: func(*testing.T) sagatest.World {
		shelter := newShelter()
		return func(c *core.Core) (sagatest.Controller, error) {
			pictures, err := image.New(c, image.Config{Store: shelter.images})
			if err != nil {
				return sagatest.Controller{}, err
			}
			svc, err := volume.New(c, volume.Config{Backends: []driver.Backend{shelter.backend}, Images: pictures, Backups: shelter.backups})
			s := &scene{svc, shelter, pictures}
			with := func(f func(context.Context, *scene) error) func(context.Context) error {
				if f == nil {
					return nil
				}
				return func(ctx context.Context) error { return f(ctx, s) }
			}
			return sagatest.Controller{
				Open:    func(ctx context.Context) error { return errors.Join(pictures.Start(ctx), svc.Start(ctx)) },
				Prepare: with(prepare), Start: with(start), Built: with(built), Clean: with(clean),
			}, err
		}
	}})
}

// source makes a volume with content and waits for it.
func (s *scene) source(ctx context.Context) error {
	if _, err := s.CreateVolume(ctx, project, volume.CreateOptions{ID: srcID, SizeGiB: 1}); err != nil {
		return err
	}
	if _, err := s.WaitVolume(ctx, srcID); err != nil {
		return err
	}
	return s.backend.Overwrite(ctx, srcID, bytes.NewReader([]byte("hello")))
}

// snapped is source with a snapshot of it; then the volume changes.
func (s *scene) snapped(ctx context.Context) error {
	if err := s.source(ctx); err != nil {
		return err
	}
	if _, err := s.CreateSnapshot(ctx, project, volume.CreateSnapshotOptions{ID: snapID, VolumeID: srcID}); err != nil {
		return err
	}
	if _, err := s.WaitVolume(ctx, srcID); err != nil {
		return err
	}
	return s.backend.Overwrite(ctx, srcID, bytes.NewReader([]byte("other")))
}

// backedUp is source with a backup of it; then the volume changes.
func (s *scene) backedUp(ctx context.Context) error {
	if err := s.source(ctx); err != nil {
		return err
	}
	if _, err := s.CreateBackup(ctx, project, volume.CreateBackupOptions{VolumeID: srcID}); err != nil {
		return err
	}
	if _, err := s.WaitVolume(ctx, srcID); err != nil {
		return err
	}
	return s.backend.Overwrite(ctx, srcID, bytes.NewReader([]byte("other")))
}

// backup is the one backup there is.
func (s *scene) backup(ctx context.Context) (volume.Backup, error) {
	all := s.ListBackups(ctx, "")
	if len(all) != 1 {
		return volume.Backup{}, fmt.Errorf("there are %d backups", len(all))
	}
	return all[0], nil
}

// has checks a volume's status and what it reads.
func (s *scene) has(ctx context.Context, id string, status volume.Status, gib int, content string) error {
	v, err := s.GetVolume(ctx, id)
	if err != nil {
		return err
	}
	if v.Status != status || v.SizeGiB != gib {
		return fmt.Errorf("volume %s is %s with %d GiB: %s", id, v.Status, v.SizeGiB, v.Fault)
	}
	r, err := s.backend.Export(ctx, id, "raw")
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err == nil && string(bytes.TrimRight(got, "\x00")) != content {
		err = fmt.Errorf("volume %s reads %q", id, bytes.TrimRight(got, "\x00"))
	}
	return err
}

// stored checks how many volumes, snapshots and backups are kept.
func (s *scene) stored(ctx context.Context, volumes, snapshots, backups int) error {
	v, err := s.backend.Volumes(ctx)
	if err != nil {
		return err
	}
	snaps, err := s.backend.Snapshots(ctx)
	if err != nil {
		return err
	}
	b, err := s.backups.List(ctx)
	if err == nil && (len(v) != volumes || len(snaps) != snapshots || len(b) != backups) {
		err = fmt.Errorf("kept are %d volumes, %d snapshots, %d backups", len(v), len(snaps), len(b))
	}
	return err
}

// failed checks that a volume says why it was not made, and that nothing is kept of it.
func (s *scene) failed(ctx context.Context, volumes, snapshots, backups int) error {
	v, err := s.GetVolume(ctx, volID)
	if err == nil && v.Status != volume.Error {
		err = fmt.Errorf("volume is %s", v.Status)
	}
	return errors.Join(err, s.stored(ctx, volumes, snapshots, backups))
}

func TestSagaCreate(t *testing.T) {
	create := func(opts volume.CreateOptions) func(context.Context, *scene) error {
		return func(ctx context.Context, s *scene) error {
			o := opts
			o.ID = volID
			if o.BackupID != "" {
				b, err := s.backup(ctx)
				if err != nil {
					return err
				}
				o.BackupID = b.ID
			}
			_, err := s.CreateVolume(ctx, project, o)
			return err
		}
	}
	for name, c := range map[string]struct {
		prepare   func(*scene, context.Context) error
		opts      volume.CreateOptions
		content   string
		volumes   int // there are before
		snapshots int
		backups   int
	}{
		"empty":    {opts: volume.CreateOptions{SizeGiB: 2}},
		"volume":   {(*scene).source, volume.CreateOptions{SizeGiB: 2, SourceID: srcID}, "hello", 1, 0, 0},
		"snapshot": {(*scene).snapped, volume.CreateOptions{SizeGiB: 2, SnapshotID: snapID}, "hello", 1, 1, 0},
		"backup":   {(*scene).backedUp, volume.CreateOptions{SizeGiB: 2, BackupID: "the one"}, "hello", 1, 0, 1},
		"image":    {(*scene).pictured, volume.CreateOptions{SizeGiB: 2, ImageID: imageID}, "picture", 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var prepare func(context.Context, *scene) error
			if c.prepare != nil {
				prepare = func(ctx context.Context, s *scene) error { return c.prepare(s, ctx) }
			}
			try(t, "volume.create", false, prepare, create(c.opts),
				func(ctx context.Context, s *scene) error {
					return errors.Join(s.has(ctx, volID, volume.Available, 2, c.content), s.stored(ctx, c.volumes+1, c.snapshots, c.backups))
				},
				func(ctx context.Context, s *scene) error { return s.failed(ctx, c.volumes, c.snapshots, c.backups) })
		})
	}
}

// pictured makes an image.
func (s *scene) pictured(ctx context.Context) error {
	_, err := s.pictures.CreateImage(ctx, project, image.CreateOptions{ID: imageID, DiskFormat: "raw", ContainerFormat: "bare"})
	if err == nil {
		_, err = s.pictures.UploadImage(ctx, imageID, bytes.NewReader([]byte("picture")))
	}
	return err
}

func TestSagaDelete(t *testing.T) {
	try(t, "volume.delete", true, func(ctx context.Context, s *scene) error { return s.source(ctx) },
		func(ctx context.Context, s *scene) error { return s.DeleteVolume(ctx, srcID) },
		func(ctx context.Context, s *scene) error {
			if _, err := s.GetVolume(ctx, srcID); err == nil {
				return errors.New("the volume is still there")
			}
			return s.stored(ctx, 0, 0, 0)
		}, nil)
}

func TestSagaExtend(t *testing.T) {
	try(t, "volume.extend", true, func(ctx context.Context, s *scene) error { return s.source(ctx) },
		func(ctx context.Context, s *scene) error { return s.ExtendVolume(ctx, srcID, 5) },
		func(ctx context.Context, s *scene) error { return s.has(ctx, srcID, volume.Available, 5, "hello") }, nil)
}

func TestSagaSnapshot(t *testing.T) {
	has := func(ctx context.Context, s *scene, status volume.Status) error {
		snap, err := s.GetSnapshot(ctx, snapID)
		if err == nil && snap.Status != status {
			err = fmt.Errorf("the snapshot is %s", snap.Status)
		}
		return err
	}
	try(t, "volume.snapshot", false, func(ctx context.Context, s *scene) error { return s.source(ctx) },
		func(ctx context.Context, s *scene) error {
			_, err := s.CreateSnapshot(ctx, project, volume.CreateSnapshotOptions{ID: snapID, VolumeID: srcID})
			return err
		},
		func(ctx context.Context, s *scene) error {
			return errors.Join(has(ctx, s, volume.Available), s.stored(ctx, 1, 1, 0))
		},
		func(ctx context.Context, s *scene) error {
			return errors.Join(has(ctx, s, volume.Error), s.stored(ctx, 1, 0, 0))
		})
}

func TestSagaBackup(t *testing.T) {
	for name, c := range map[string]struct {
		prepare   func(*scene, context.Context) error
		snapshot  string
		content   string // of the volume
		snapshots int
	}{
		"volume":   {(*scene).source, "", "hello", 0},
		"snapshot": {(*scene).snapped, snapID, "other", 1},
	} {
		has := func(ctx context.Context, s *scene, status volume.Status, kept int) error {
			b, err := s.backup(ctx)
			if err == nil && b.Status != status {
				err = fmt.Errorf("the backup is %s", b.Status)
			}
			return errors.Join(err, s.has(ctx, srcID, volume.Available, 1, c.content), s.stored(ctx, 1, c.snapshots, kept))
		}
		t.Run(name, func(t *testing.T) {
			try(t, "volume.backup", false, func(ctx context.Context, s *scene) error { return c.prepare(s, ctx) },
				func(ctx context.Context, s *scene) error {
					_, err := s.CreateBackup(ctx, project, volume.CreateBackupOptions{VolumeID: srcID, SnapshotID: c.snapshot})
					return err
				},
				func(ctx context.Context, s *scene) error { return has(ctx, s, volume.Available, 1) },
				func(ctx context.Context, s *scene) error { return has(ctx, s, volume.Error, 0) })
		})
	}
}

func TestSagaRestore(t *testing.T) {
	try(t, "volume.backup_restore", true, func(ctx context.Context, s *scene) error { return s.backedUp(ctx) },
		func(ctx context.Context, s *scene) error {
			b, err := s.backup(ctx)
			if err == nil {
				_, err = s.RestoreBackup(ctx, b.ID, srcID, "")
			}
			return err
		},
		func(ctx context.Context, s *scene) error { return s.has(ctx, srcID, volume.Available, 1, "hello") }, nil)
}

func TestSagaRevert(t *testing.T) {
	try(t, "volume.revert", true, func(ctx context.Context, s *scene) error { return s.snapped(ctx) },
		func(ctx context.Context, s *scene) error { return s.RevertVolume(ctx, srcID, snapID) },
		func(ctx context.Context, s *scene) error {
			return errors.Join(s.has(ctx, srcID, volume.Available, 1, "hello"), s.stored(ctx, 1, 1, 0))
		}, nil)
}

func TestSagaUpload(t *testing.T) {
	images := func(ctx context.Context, s *scene, want int) error {
		all := s.pictures.ListImages(ctx, image.Filter{})
		kept, err := s.images.List(ctx)
		if err == nil && (len(all) != want || len(kept) != want || want == 1 && all[0].Status != image.Active) {
			err = fmt.Errorf("there are %d images, %d kept", len(all), len(kept))
		}
		return errors.Join(err, s.has(ctx, srcID, volume.Available, 1, "hello"))
	}
	try(t, "volume.upload", false, func(ctx context.Context, s *scene) error { return s.source(ctx) },
		func(ctx context.Context, s *scene) error {
			_, err := s.UploadToImage(ctx, srcID, project, volume.UploadOptions{Name: "copy"})
			return err
		},
		func(ctx context.Context, s *scene) error { return images(ctx, s, 1) },
		func(ctx context.Context, s *scene) error { return images(ctx, s, 0) })
}

func TestBackupOfASnapshot(t *testing.T) {
	w := newWorld(t)
	v := w.create(volume.CreateOptions{SizeGiB: 1})
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("hello"))))
	snap, err := w.CreateSnapshot(t.Context(), project, volume.CreateSnapshotOptions{VolumeID: v.ID})
	require.NoError(t, err)
	w.settle()
	require.NoError(t, w.backend.Overwrite(t.Context(), v.ID, bytes.NewReader([]byte("other"))))
	b, err := w.CreateBackup(t.Context(), project, volume.CreateBackupOptions{VolumeID: v.ID, SnapshotID: snap.ID})
	require.NoError(t, err)
	w.settle()
	from := w.create(volume.CreateOptions{BackupID: b.ID})
	require.Equal(t, "hello", w.content(from.ID, 5))
	require.Len(t, w.stored(), 2)
}
