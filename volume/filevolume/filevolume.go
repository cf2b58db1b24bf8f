// Package filevolume keeps volumes as raw sparse files in a directory.
//
// Copies share blocks where the file system can (reflink, as XFS and Btrfs do) and
// are sparse copies where it cannot. A snapshot of a volume that is connected to a
// host is taken only with reflink, which is instant: a copy that takes time would mix
// moments, so it is refused instead.
//
// Every file is written under a temporary name and renamed when it is whole.
package filevolume

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/welkin-cloud/cloud/internal/files"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Config of Open.
type Config struct {
	// Dir holds everything; it is made if it is absent, and belongs to one process.
	Dir string
	// Name of the backend; default "file".
	Name string
	// CapacityGiB is how much all volumes together may have; 0 means the size of
	// the file system. Files are sparse: what counts is the volumes' sizes.
	CapacityGiB int
}

// Backend is a driver.Backend over files.
type Backend struct {
	cfg Config
	mu  sync.Mutex // guards the sum of sizes while a volume is added or grows
}

var _ driver.Backend = (*Backend)(nil)

// Names below Config.Dir. A snapshot's file is named VOLUME_SNAPSHOT, a connection's
// marker VOLUME_HOST.
const (
	volumeDir   = "volumes"
	snapshotDir = "snapshots"
	connectDir  = "connected"
	tempDir     = "tmp"
)

// Open returns the backend in cfg.Dir. What an earlier process left unfinished is
// removed.
func Open(cfg Config) (*Backend, error) {
	if cfg.Name == "" {
		cfg.Name = "file"
	}
	if err := os.RemoveAll(filepath.Join(cfg.Dir, tempDir)); err != nil {
		return nil, err
	}
	for _, d := range []string{volumeDir, snapshotDir, connectDir, tempDir} {
		if err := os.MkdirAll(filepath.Join(cfg.Dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	return &Backend{cfg: cfg}, nil
}

// Close does nothing.
func (b *Backend) Close() error { return nil }

// Info describes the backend.
func (b *Backend) Info(context.Context) (driver.Info, error) {
	return driver.Info{Name: b.cfg.Name, Vendor: "Welkin", Protocol: "file", Version: "1"}, nil
}

// Capacity is the configured one, or the file system's, less the sizes of volumes.
func (b *Backend) Capacity(ctx context.Context) (driver.Capacity, error) {
	total := b.cfg.CapacityGiB
	if total == 0 {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(b.cfg.Dir, &fs); err != nil {
			return driver.Capacity{}, kind(err)
		}
		total = int(int64(fs.Blocks) * fs.Bsize / driver.GiB)
	}
	list, err := b.Volumes(ctx)
	if err != nil {
		return driver.Capacity{}, err
	}
	used := 0
	for _, v := range list {
		used += v.SizeGiB
	}
	return driver.Capacity{TotalGiB: total, FreeGiB: total - used}, nil
}

func (b *Backend) volume(id string) string { return filepath.Join(b.cfg.Dir, volumeDir, clean(id)) }

// clean keeps an id inside its directory.
func clean(id string) string { return strings.NewReplacer("/", "-", "_", "-", "\x00", "-").Replace(id) }

// snapshotFile finds the file of a snapshot, whatever its volume; "" if there is none.
func (b *Backend) snapshotFile(id string) (string, error) {
	m, err := filepath.Glob(filepath.Join(b.cfg.Dir, snapshotDir, "*_"+clean(id)))
	if err != nil || len(m) == 0 {
		return "", err
	}
	return m[0], nil
}

// add makes the file of a volume: fill writes its content into a temporary file, which
// is grown to the size, made durable and renamed.
func (b *Backend) add(ctx context.Context, id string, gib int, fill func(f *os.File) error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	size := int64(gib) * driver.GiB
	if info, err := os.Stat(b.volume(id)); err == nil {
		if info.Size() != size {
			return driver.Errorf(driver.Conflict, "volume %s exists with another size", id)
		}
		return nil
	}
	if err := b.room(ctx, gib); err != nil {
		return err
	}
	return b.write(b.volume(id), func(f *os.File) error {
		if fill != nil {
			if err := fill(f); err != nil {
				return err
			}
		}
		if info, err := f.Stat(); err != nil || info.Size() > size {
			return errors.Join(err, driver.Errorf(driver.Invalid, "the content does not fit into %d GiB", gib))
		}
		return f.Truncate(size)
	})
}

func (b *Backend) room(ctx context.Context, gib int) error {
	c, err := b.Capacity(ctx)
	if err == nil && c.FreeGiB < gib {
		err = driver.Errorf(driver.Exhausted, "backend %s has %d GiB left, not %d", b.cfg.Name, c.FreeGiB, gib)
	}
	return err
}

// write makes a file whole or not at all.
func (b *Backend) write(path string, fill func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Join(b.cfg.Dir, tempDir), "v-*")
	if err != nil {
		return kind(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if err := fill(f); err != nil {
		return kind(err)
	}
	if err := f.Sync(); err != nil {
		return kind(err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return kind(err)
	}
	return kind(files.SyncDir(filepath.Dir(path)))
}

// Create makes an empty volume.
func (b *Backend) Create(ctx context.Context, id string, gib int) error {
	return b.add(ctx, id, gib, nil)
}

// Clone copies a volume.
func (b *Backend) Clone(ctx context.Context, id string, gib int, sourceID string) error {
	return b.derive(ctx, id, gib, b.volume(sourceID))
}

// Restore copies a snapshot.
func (b *Backend) Restore(ctx context.Context, id string, gib int, snapshotID string) error {
	path, err := b.snapshotFile(snapshotID)
	if err != nil {
		return err
	}
	return b.derive(ctx, id, gib, path)
}

func (b *Backend) derive(ctx context.Context, id string, gib int, source string) error {
	src, err := os.Open(source)
	if err != nil {
		return kind(err)
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return kind(err)
	}
	if int64(gib)*driver.GiB < info.Size() {
		return driver.Errorf(driver.Invalid, "%d GiB are less than the source's %d", gib, info.Size()/driver.GiB)
	}
	return b.add(ctx, id, gib, func(f *os.File) error { return clone(ctx, f, src) })
}

// Extend grows a volume.
func (b *Backend) Extend(ctx context.Context, id string, gib int) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	info, err := os.Stat(b.volume(id))
	if err != nil {
		return kind(err)
	}
	old := int(info.Size() / driver.GiB)
	if gib < old {
		return driver.Errorf(driver.Invalid, "a volume cannot shrink")
	}
	if err := b.room(ctx, gib-old); err != nil {
		return err
	}
	return kind(os.Truncate(b.volume(id), int64(gib)*driver.GiB))
}

// Delete removes a volume.
func (b *Backend) Delete(_ context.Context, id string) error {
	m, err := filepath.Glob(filepath.Join(b.cfg.Dir, snapshotDir, clean(id)+"_*"))
	if err != nil {
		return err
	}
	if len(m) > 0 {
		return driver.Errorf(driver.Conflict, "volume %s has snapshots", id)
	}
	markers, err := filepath.Glob(filepath.Join(b.cfg.Dir, connectDir, clean(id)+"_*"))
	if err != nil {
		return err
	}
	for _, name := range append(markers, b.volume(id)) {
		if err := remove(name); err != nil {
			return err
		}
	}
	return kind(files.SyncDir(filepath.Join(b.cfg.Dir, volumeDir)))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return kind(err)
	}
	return nil
}

// Snapshot keeps the content of a volume.
func (b *Backend) Snapshot(ctx context.Context, volumeID, snapshotID string) error {
	path := filepath.Join(b.cfg.Dir, snapshotDir, clean(volumeID)+"_"+clean(snapshotID))
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	src, err := os.Open(b.volume(volumeID))
	if err != nil {
		return kind(err)
	}
	defer src.Close()
	connected, err := filepath.Glob(filepath.Join(b.cfg.Dir, connectDir, clean(volumeID)+"_*"))
	if err != nil {
		return err
	}
	return b.write(path, func(f *os.File) error {
		if err := reflink(f, src); err == nil {
			return nil
		}
		if len(connected) > 0 {
			return driver.Errorf(driver.Unsupported,
				"the file system of backend %s cannot take a snapshot of a volume in use", b.cfg.Name)
		}
		return sparseCopy(ctx, f, src)
	})
}

// DeleteSnapshot removes a snapshot.
func (b *Backend) DeleteSnapshot(_ context.Context, id string) error {
	path, err := b.snapshotFile(id)
	if err != nil || path == "" {
		return err
	}
	return remove(path)
}

// Connect notes that a host uses the volume and gives the path of its file.
func (b *Backend) Connect(_ context.Context, id, host string) (driver.Connection, error) {
	if _, err := os.Stat(b.volume(id)); err != nil {
		return driver.Connection{}, kind(err)
	}
	if err := os.WriteFile(b.marker(id, host), nil, 0o600); err != nil {
		return driver.Connection{}, kind(err)
	}
	path, err := filepath.Abs(b.volume(id))
	return driver.Connection{Type: "file", Path: path, Format: "raw"}, err
}

func (b *Backend) marker(id, host string) string {
	return filepath.Join(b.cfg.Dir, connectDir, clean(id)+"_"+clean(host))
}

// Disconnect ends the use of the volume on a host.
func (b *Backend) Disconnect(_ context.Context, id, host string) error {
	return remove(b.marker(id, host))
}

// Volumes lists the volumes.
func (b *Backend) Volumes(context.Context) ([]driver.Volume, error) {
	entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, volumeDir))
	if err != nil {
		return nil, kind(err)
	}
	var list []driver.Volume
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted since the directory was read
		}
		if err != nil {
			return nil, kind(err)
		}
		list = append(list, driver.Volume{ID: e.Name(), SizeGiB: int(info.Size() / driver.GiB)})
	}
	return list, nil
}

// Snapshots lists the snapshots.
func (b *Backend) Snapshots(context.Context) ([]driver.Snapshot, error) {
	entries, err := os.ReadDir(filepath.Join(b.cfg.Dir, snapshotDir))
	if err != nil {
		return nil, kind(err)
	}
	var list []driver.Snapshot
	for _, e := range entries {
		volumeID, id, _ := strings.Cut(e.Name(), "_")
		list = append(list, driver.Snapshot{ID: id, VolumeID: volumeID})
	}
	return list, nil
}

// kind gives errors of the file system the kinds that the contract asks for.
func kind(err error) error { return files.Kind(err, "the volume or snapshot", "the volume storage") }
