// Package memvolume keeps volumes in memory: the fake of the volume backends. It
// passes the same conformance suite as real ones; faults can be set.
//
// Content is kept only where somebody wrote some, so thousands of empty volumes cost
// little.
package memvolume

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/internal/blockio"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/inject"
	"github.com/welkin-cloud/cloud/internal/inspect"
	"github.com/welkin-cloud/cloud/internal/overlay"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Config of New.
type Config struct {
	Name        string // default "memory"
	CapacityGiB int    // of all volumes together; default 1,000,000
	// Fault is asked at each operation with the method's name and the id that it is
	// about: before the effect as "Create", after it as "Create/after". The operation
	// ends with the error that it returns. It may block until ctx ends.
	Fault func(ctx context.Context, op, id string) error
	// Delay says how long an operation takes on Clock.
	Delay func(op, id string) time.Duration
	Clock clock.Clock // the machine's if nil

	// Base is what the backend keeps already; nothing if it is zero.
	Base Base
}

// Backend is a driver.Backend in memory.
type Backend struct {
	cfg    Config
	points *inject.Points

	mu        sync.Mutex
	volumes   *overlay.Map[*disk]
	snapshots *overlay.Map[*snapshot]
	taken     int // GiB of the volumes, but for those of the base
}

// disk is the content of a volume: what was written from its start; the rest is zeros.
type disk struct {
	gib   int
	data  []byte          // never changed in place: clones share it
	hosts map[string]bool // that it is connected to
	free  bool            // of the base: its size does not count
}

type snapshot struct {
	disk
	volumeID string
}

var _ driver.Backend = (*Backend)(nil)

// New returns an empty backend.
func New(cfg Config) *Backend {
	if cfg.Name == "" {
		cfg.Name = "memory"
	}
	if cfg.CapacityGiB == 0 {
		cfg.CapacityGiB = 1_000_000
	}
	return &Backend{
		cfg: cfg, points: inject.New(cfg.Clock, cfg.Fault, cfg.Delay),
		volumes: overlay.New(cfg.Base.volumes()), snapshots: overlay.New(cfg.Base.snapshots()),
	}
}

// SetFault replaces Config.Fault; nil ends all faults.
func (b *Backend) SetFault(f func(ctx context.Context, op, id string) error) { b.points.SetFault(f) }

// SetDelay replaces Config.Delay; nil ends all delays.
func (b *Backend) SetDelay(f func(op, id string) time.Duration) { b.points.SetDelay(f) }

// Connected lists the hosts that a volume is connected to, sorted.
func (b *Backend) Connected(id string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.volumes.Get(id)
	if !ok {
		return nil
	}
	return slices.Sorted(maps.Keys(d.hosts))
}

// change is an operation that changes what is stored.
func (b *Backend) change(ctx context.Context, op, id string, do func() error) error {
	return b.points.Call(ctx, op, id, &b.mu, do)
}

// Info describes the backend.
func (b *Backend) Info(context.Context) (driver.Info, error) {
	return driver.Info{Name: b.cfg.Name, Vendor: "Welkin", Protocol: "memory", Version: "1"}, nil
}

// Close does nothing.
func (b *Backend) Close() error { return nil }

// Capacity is the configured one less what volumes take.
func (b *Backend) Capacity(ctx context.Context) (driver.Capacity, error) {
	if err := b.points.Before(ctx, "Capacity", ""); err != nil {
		return driver.Capacity{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return driver.Capacity{TotalGiB: b.cfg.CapacityGiB, FreeGiB: b.cfg.CapacityGiB - b.taken}, nil
}

// add makes a volume with content, under the lock.
func (b *Backend) add(id string, gib int, data []byte) error {
	if old, ok := b.volumes.Get(id); ok {
		if old.gib != gib {
			return driver.Errorf(driver.Conflict, "volume %s exists with another size", id)
		}
		return nil
	}
	if b.taken+gib > b.cfg.CapacityGiB {
		return driver.Errorf(driver.Exhausted, "backend %s has no room for %d GiB", b.cfg.Name, gib)
	}
	b.taken += gib
	b.volumes.Set(id, &disk{gib: gib, data: data})
	return nil
}

// Create makes an empty volume.
func (b *Backend) Create(ctx context.Context, id string, gib int) error {
	return b.change(ctx, "Create", id, func() error {
		return b.add(id, gib, nil)
	})
}

// Clone copies a volume.
func (b *Backend) Clone(ctx context.Context, id string, gib int, sourceID string) error {
	return b.change(ctx, "Clone", id, func() error {
		src, ok := b.volumes.Get(sourceID)
		if !ok {
			return driver.Errorf(driver.NotFound, "volume %s is not stored", sourceID)
		}
		return b.derive(id, gib, src)
	})
}

// Restore copies a snapshot.
func (b *Backend) Restore(ctx context.Context, id string, gib int, snapshotID string) error {
	return b.change(ctx, "Restore", id, func() error {
		src, ok := b.snapshots.Get(snapshotID)
		if !ok {
			return driver.Errorf(driver.NotFound, "snapshot %s is not stored", snapshotID)
		}
		return b.derive(id, gib, &src.disk)
	})
}

func (b *Backend) derive(id string, gib int, src *disk) error {
	if gib < src.gib {
		return driver.Errorf(driver.Invalid, "%d GiB are less than the source's %d", gib, src.gib)
	}
	return b.add(id, gib, src.data)
}

// Import makes a volume from an image. Of a qcow2 only the size is understood: its
// content reads back as zeros.
func (b *Backend) Import(ctx context.Context, id string, gib int, format string, content io.Reader) error {
	data, n, err := readAll(ctx, content, int64(gib)*driver.GiB)
	if err != nil {
		return err
	}
	info, err := inspect.Image(format, padded(data), n)
	if err != nil {
		return err
	}
	if info.VirtualSize > int64(gib)*driver.GiB {
		return driver.Errorf(driver.Invalid, "the image's disk does not fit into %d GiB", gib)
	}
	if format != "raw" {
		data = nil
	}
	return b.change(ctx, "Import", id, func() error { return b.add(id, gib, data) })
}

// readAll reads content up to limit bytes. It returns how long it was, and the data
// without the zeros at its end, which need not be kept.
func readAll(ctx context.Context, content io.Reader, limit int64) (data []byte, n int64, err error) {
	err = blockio.Each(ctx, content, func(at int64, p []byte) error {
		n = at + int64(len(p))
		if n > limit {
			return driver.Errorf(driver.Invalid, "the content is larger than the volume")
		}
		if p = bytes.TrimRight(p, "\x00"); len(p) > 0 {
			data = append(data, make([]byte, at-int64(len(data)))...)
			data = append(data, p...)
		}
		return nil
	})
	return data, n, err
}

// Export reads a volume: raw, or as an empty qcow2 of its size.
func (b *Backend) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	if err := b.points.Before(ctx, "Export", id); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	d, ok := b.volumes.Get(id)
	if !ok {
		return nil, driver.Errorf(driver.NotFound, "volume %s is not stored", id)
	}
	size := int64(d.gib) * driver.GiB
	switch format {
	case "raw":
		tail := io.LimitReader(zeros{}, size-int64(len(d.data)))
		return io.NopCloser(io.MultiReader(bytes.NewReader(d.data), tail)), nil
	case "qcow2":
		return io.NopCloser(bytes.NewReader(emptyQcow2(size))), nil
	}
	return nil, driver.Errorf(driver.Unsupported, "format %s cannot be exported", format)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// emptyQcow2 is a valid image of a disk of zeros: a header, a refcount table with one
// block, and an L1 table without entries.
func emptyQcow2(size int64) []byte {
	const cluster = 64 << 10
	be := binary.BigEndian
	entries := (size + 512<<20 - 1) / (512 << 20)
	b := make([]byte, 4*cluster)
	copy(b, "QFI\xfb")
	be.PutUint32(b[4:], 3)
	be.PutUint32(b[20:], 16)
	be.PutUint64(b[24:], uint64(size))
	be.PutUint32(b[36:], uint32(entries))
	be.PutUint64(b[40:], 3*cluster)
	be.PutUint64(b[48:], cluster)
	be.PutUint32(b[56:], 1)
	be.PutUint32(b[96:], 4)
	be.PutUint32(b[100:], 104)
	be.PutUint64(b[cluster:], 2*cluster)
	for i := range 4 {
		be.PutUint16(b[2*cluster+2*i:], 1)
	}
	return b
}

// Overwrite replaces content from the start.
func (b *Backend) Overwrite(ctx context.Context, id string, content io.Reader) error {
	if err := b.points.Before(ctx, "Overwrite", id); err != nil {
		return err
	}
	b.mu.Lock()
	d, ok := b.volumes.Get(id)
	b.mu.Unlock()
	if !ok {
		return driver.Errorf(driver.NotFound, "volume %s is not stored", id)
	}
	data, n, err := readAll(ctx, content, int64(d.gib)*driver.GiB)
	if err != nil {
		return err
	}
	return b.points.Effect(ctx, "Overwrite", id, &b.mu, func() error {
		if int64(len(d.data)) > n {
			data = append(data, make([]byte, n-int64(len(data)))...)
			data = append(data, d.data[n:]...)
		}
		d.data = data
		return nil
	})
}

// padded reads as data followed by zeros.
type padded []byte

func (d padded) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(d)) {
		copy(p, d[at:])
	}
	return len(p), nil
}

// Extend grows a volume.
func (b *Backend) Extend(ctx context.Context, id string, gib int) error {
	return b.change(ctx, "Extend", id, func() error {
		d, ok := b.volumes.Get(id)
		switch {
		case !ok:
			return driver.Errorf(driver.NotFound, "volume %s is not stored", id)
		case gib < d.gib:
			return driver.Errorf(driver.Invalid, "a volume cannot shrink")
		case !d.free && b.taken+gib-d.gib > b.cfg.CapacityGiB:
			return driver.Errorf(driver.Exhausted, "backend %s has no room for %d GiB", b.cfg.Name, gib)
		}
		if !d.free {
			b.taken += gib - d.gib
		}
		d.gib = gib
		return nil
	})
}

// Delete removes a volume.
func (b *Backend) Delete(ctx context.Context, id string) error {
	return b.change(ctx, "Delete", id, func() error {
		for _, s := range b.snapshots.All() {
			if s.volumeID == id {
				return driver.Errorf(driver.Conflict, "volume %s has snapshots", id)
			}
		}
		if d, ok := b.volumes.Get(id); ok && !d.free {
			b.taken -= d.gib
		}
		b.volumes.Delete(id)
		return nil
	})
}

// Snapshot keeps the content of a volume.
func (b *Backend) Snapshot(ctx context.Context, volumeID, snapshotID string) error {
	return b.change(ctx, "Snapshot", snapshotID, func() error {
		d, ok := b.volumes.Get(volumeID)
		if !ok {
			return driver.Errorf(driver.NotFound, "volume %s is not stored", volumeID)
		}
		if _, ok := b.snapshots.Get(snapshotID); !ok {
			b.snapshots.Set(snapshotID, &snapshot{disk{gib: d.gib, data: d.data}, volumeID})
		}
		return nil
	})
}

// DeleteSnapshot removes a snapshot.
func (b *Backend) DeleteSnapshot(ctx context.Context, id string) error {
	return b.change(ctx, "DeleteSnapshot", id, func() error {
		b.snapshots.Delete(id)
		return nil
	})
}

// Connect readies a volume for a host.
func (b *Backend) Connect(ctx context.Context, id, host string) (driver.Connection, error) {
	err := b.change(ctx, "Connect", id, func() error {
		d, ok := b.volumes.Get(id)
		if !ok {
			return driver.Errorf(driver.NotFound, "volume %s is not stored", id)
		}
		if d.hosts == nil {
			d.hosts = map[string]bool{}
		}
		d.hosts[host] = true
		return nil
	})
	if err != nil {
		return driver.Connection{}, err
	}
	return driver.Connection{Type: "file", Path: "/memory/" + id, Format: "raw"}, nil
}

// Disconnect ends the use of a volume on a host.
func (b *Backend) Disconnect(ctx context.Context, id, host string) error {
	return b.change(ctx, "Disconnect", id, func() error {
		if d, ok := b.volumes.Get(id); ok {
			delete(d.hosts, host)
		}
		return nil
	})
}

// Volumes lists the volumes by id.
func (b *Backend) Volumes(context.Context) ([]driver.Volume, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]driver.Volume, 0, b.volumes.Len())
	for _, id := range b.volumes.Keys() {
		d, _ := b.volumes.Get(id)
		list = append(list, driver.Volume{ID: id, SizeGiB: d.gib})
	}
	return list, nil
}

// Snapshots lists the snapshots by id.
func (b *Backend) Snapshots(context.Context) ([]driver.Snapshot, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]driver.Snapshot, 0, b.snapshots.Len())
	for _, id := range b.snapshots.Keys() {
		s, _ := b.snapshots.Get(id)
		list = append(list, driver.Snapshot{ID: id, VolumeID: s.volumeID})
	}
	return list, nil
}
