// Package driver is for implementers of volume storage. Application code uses
// package volume.
//
// A [Backend] keeps volumes and their snapshots. Every method is idempotent: the
// cloud repeats calls after crashes. What is removed twice is a success. All values
// are plain. Methods are called concurrently, though never two at once for the same
// volume. Package drivertest holds the conformance suite; every sentence with
// "must" is tested there.
package driver

import (
	"context"
	"io"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The kinds of error that a driver may return.
const (
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict
	Invalid     = fault.Invalid
	Exhausted   = fault.Exhausted
	Unsupported = fault.Unsupported
	Unavailable = fault.Unavailable
)

// Errorf returns an error of the kind whose message API users may read.
func Errorf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// GiB is the unit of volume sizes.
const GiB = int64(1) << 30

// Capacity of a backend, in GiB.
type Capacity struct {
	TotalGiB, FreeGiB int
}

// Info describes a backend.
type Info struct {
	Name     string // "host@backend" without the pool
	Vendor   string
	Protocol string // "file", "iscsi"
	Version  string
}

// Connection tells a hypervisor how to reach a volume.
type Connection struct {
	Type   string // "file"
	Path   string
	Format string // "raw", "qcow2"
}

// Volume is one stored volume as it is.
type Volume struct {
	ID      string
	SizeGiB int
}

// Snapshot is one stored snapshot as it is.
type Snapshot struct {
	ID       string
	VolumeID string
}

// Backend keeps volumes.
type Backend interface {
	Info(ctx context.Context) (Info, error)
	Capacity(ctx context.Context) (Capacity, error)

	// Create makes an empty volume that reads as zeros. One that exists with that
	// size is a success; with another size, Conflict. Exhausted if there is no room.
	Create(ctx context.Context, id string, sizeGiB int) error
	// Clone makes a volume with the content of another volume as it is now;
	// sizeGiB must not be smaller than the source's: Invalid.
	Clone(ctx context.Context, id string, sizeGiB int, sourceID string) error
	// Restore makes a volume with the content of a snapshot.
	Restore(ctx context.Context, id string, sizeGiB int, snapshotID string) error
	// Import makes a volume from a disk image ("raw" or "qcow2", not probed; a
	// qcow2 with a backing or data file must be refused: Invalid). Invalid if the image's virtual
	// size exceeds the volume's. A reader that fails must leave nothing behind.
	Import(ctx context.Context, id string, sizeGiB int, format string, content io.Reader) error
	// Export reads the volume as an image of the format.
	Export(ctx context.Context, id, format string) (io.ReadCloser, error)
	// Overwrite replaces the raw content from the start, up to the volume's size:
	// the way in which a backup is restored.
	Overwrite(ctx context.Context, id string, content io.Reader) error
	// Extend grows a volume, also an attached one; smaller is Invalid.
	Extend(ctx context.Context, id string, sizeGiB int) error
	// Delete removes a volume: nil if it is not there. Its snapshots must have gone
	// before: Conflict.
	Delete(ctx context.Context, id string) error

	// Snapshot keeps the content of the volume as it is now, also while attached.
	Snapshot(ctx context.Context, volumeID, snapshotID string) error
	// DeleteSnapshot removes it; volumes restored from it must stay whole.
	DeleteSnapshot(ctx context.Context, snapshotID string) error

	// Connect readies the volume for use on a host and tells how.
	Connect(ctx context.Context, id, host string) (Connection, error)
	// Disconnect ends the use on a host.
	Disconnect(ctx context.Context, id, host string) error

	// Volumes and Snapshots list what is stored, for finding orphans.
	Volumes(ctx context.Context) ([]Volume, error)
	Snapshots(ctx context.Context) ([]Snapshot, error)

	Close() error
}

// Connected is one volume that is readied for use on a host.
type Connected struct {
	VolumeID, Host string
}

// ConnectionLister is a Backend that knows what is connected where: an optional
// ability, found by type assertion.
type ConnectionLister interface {
	// Connections lists what Connect has made and Disconnect has not ended, for finding
	// orphans.
	Connections(ctx context.Context) ([]Connected, error)
}
