// Package driver is for implementers of hypervisors. Application code uses package
// compute.
//
// A [Hypervisor] is one compute host. Every method takes a context and plain
// values that JSON can carry, so a driver may be put on another host behind a proxy
// driver. Every method that changes something is idempotent: the cloud repeats
// calls after crashes and lost answers. Errors carry a kind of this package
// ([NotFound], …); an error without one is taken as internal. Methods are called
// concurrently, also for the same guest.
//
// Optional abilities are further interfaces, found by type assertion:
//   - [Suspender] saves guests to disk and restores them.
//   - [Watcher] tells of guests that changed by themselves.
//
// Package drivertest holds the conformance suite; every sentence with "must" is
// tested there.
package driver

import (
	"context"
	"io"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The kinds of error that a driver may return.
const (
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict    // the guest's power state forbids it
	Invalid     = fault.Invalid     // the spec cannot be realised by any host of this kind
	Exhausted   = fault.Exhausted   // the host has no room
	Unsupported = fault.Unsupported // this driver cannot do it
	Unavailable = fault.Unavailable // the host does not answer now
)

// Errorf returns an error of the kind whose message API users may read.
func Errorf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Power is the power state of a guest, with Nova's names.
type Power string

// The power states.
const (
	Running   Power = "running"
	Paused    Power = "paused"
	Shutdown  Power = "shutdown"
	Crashed   Power = "crashed"
	Suspended Power = "suspended" // saved to disk
)

// Host is what a hypervisor says of itself.
type Host struct {
	Name       string // unique in the cloud, stable across restarts
	Type       string // "QEMU", "fake"
	Version    int    // Nova's number: major*1000000 + minor*1000 + micro
	VirtType   string // "kvm", "qemu", "fake": what guests really run on
	Arch       string // "x86_64"
	VCPUs      int
	MemoryMiB  int
	DiskGiB    int
	CPUInfo    map[string]string
	Traits     []string // Placement traits beside the arch's, "COMPUTE_…", "HW_…"
	Capability []string // names of optional abilities, for people
}

// Disk is a block device of a guest.
type Disk struct {
	ID       string // of the volume, or "root", "config": stable; also the device's serial for volumes (first 20 characters)
	Path     string // file on the host
	Format   string // "raw", "qcow2": always given, never probed
	Bus      string // "virtio", "ide" (cdrom)
	Device   string // "vda", "vdb": as the API shows it; order of attachment
	CDROM    bool
	Boot     bool
	ReadOnly bool
}

// NIC is a network interface of a guest. The network driver has made the tap.
type NIC struct {
	PortID string
	MAC    string
	Tap    string // name of the tap device on the host
	MTU    int
	Model  string // "virtio"
}

// Root says what the guest's root disk is made of, when it is not a volume.
type Root struct {
	ImageID string // an image that PutImage gave to this host
	Format  string // of the image: "qcow2", "raw"
	SizeGiB int    // the disk grows to this; 0 means the image's virtual size
}

// Spec is a guest as it shall be.
type Spec struct {
	ID        string // of the server
	Name      string // for people, may repeat
	VCPUs     int
	MemoryMiB int
	Root      *Root  // nil when booted from a volume
	Disks     []Disk // volumes, in order
	NICs      []NIC
	// ConfigDrive is the ISO 9660 image attached as a CD-ROM; empty for none.
	ConfigDrive []byte
	ExtraSpecs  map[string]string // the flavor's
	Properties  map[string]string // the image's hw_… properties
	ProjectID   string
	UserID      string
}

// Guest is a guest as it is.
type Guest struct {
	ID    string
	Power Power
	Disks []string // IDs of the attached volumes
	NICs  []string // port IDs
}

// Hypervisor runs guests on one host.
type Hypervisor interface {
	// Host describes the host; it must answer from a cache in microseconds once
	// it has answered once, and its numbers must not depend on running guests.
	Host(ctx context.Context) (Host, error)

	// HasImage reports whether the host holds the image.
	HasImage(ctx context.Context, imageID string) (bool, error)
	// PutImage stores an image on the host for later roots; format is its disk
	// format. The content is read to its end. A host that has it already must
	// not be changed. A reader that fails must leave nothing behind.
	PutImage(ctx context.Context, imageID, format string, content io.Reader) error
	// ListImages names the images that the host holds.
	ListImages(ctx context.Context) ([]string, error)
	// DropImage removes an image that no guest uses any more: Conflict if one
	// does; nil if the host does not have it.
	DropImage(ctx context.Context, imageID string) error

	// Create makes the guest with its disks and defines it without starting it.
	// A guest of that ID that exists already must be brought to the spec if it
	// is shut down, and left as it is in any other state. A failure must leave
	// nothing new. NotFound if the image is not on the host; Invalid if the root
	// would be smaller than the image.
	Create(ctx context.Context, spec Spec) error
	// Destroy ends the guest at once and removes it with its own disks (volumes
	// are only detached). Must return nil if there is no such guest.
	Destroy(ctx context.Context, id string) error

	// Start powers the guest on; nil if it runs already. A suspended guest resumes
	// where it was, a paused one goes on.
	Start(ctx context.Context, id string) error
	// Stop asks the guest to shut down and cuts its power after grace; 0 cuts at
	// once. nil if it is off already; a suspended guest stays suspended.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Reboot restarts a running guest: soft asks the guest, and resets one that
	// does not obey in the driver's time; hard resets it at once and
	// also starts one that is off, paused or suspended (what it had in memory is
	// lost), with disks and NICs of its definition. Soft gives Conflict unless the
	// guest runs.
	Reboot(ctx context.Context, id string, hard bool) error
	// Pause and Unpause stop and go on with the guest's CPUs. nil if it is so
	// already; Conflict if it is off.
	Pause(ctx context.Context, id string) error
	Unpause(ctx context.Context, id string) error

	// Get returns one guest: NotFound if there is none.
	Get(ctx context.Context, id string) (Guest, error)
	// List returns all guests of this cloud on the host, in any order.
	List(ctx context.Context) ([]Guest, error)

	// AttachDisk adds a volume to the guest, running or not; nil if a disk of that
	// ID is there already. Conflict if the guest is suspended, as for all changes
	// of devices.
	AttachDisk(ctx context.Context, id string, disk Disk) error
	// DetachDisk returns when the guest has let go of the volume; nil if it is
	// not attached or the guest is gone. Unavailable if the guest does not let go.
	DetachDisk(ctx context.Context, id, diskID string) error
	// ResizeDisk tells the guest that an attached volume has grown to size bytes:
	// NotFound if it is not attached.
	ResizeDisk(ctx context.Context, id, diskID string, size int64) error
	// AttachNIC and DetachNIC do the same for network interfaces.
	AttachNIC(ctx context.Context, id string, nic NIC) error
	DetachNIC(ctx context.Context, id, portID string) error

	// Console returns the last max bytes of what the guest wrote to its first
	// serial port, across restarts of the guest; empty if it wrote nothing yet.
	Console(ctx context.Context, id string, max int) ([]byte, error)
	// Export reads the content of the root disk as one image without backing
	// file, in format "qcow2" or "raw". A running guest goes on; the copy is of
	// one moment (crash consistent). The caller closes the reader. Invalid if the
	// guest has no root of its own.
	Export(ctx context.Context, id, format string) (io.ReadCloser, error)
	// Resize changes vCPUs, memory and root size of a guest that is off: Conflict
	// if it is not. The root must not shrink: Invalid. rootGiB 0 leaves it.
	Resize(ctx context.Context, id string, vcpus, memoryMiB, rootGiB int) error

	// Close releases the driver. Guests go on running.
	Close() error
}

// Suspender is a Hypervisor that can save guests.
type Suspender interface {
	// Suspend saves a running guest to disk and powers it off; nil if it is
	// suspended already. Start brings it back.
	Suspend(ctx context.Context, id string) error
}

// Event is a change of a guest that the cloud did not ask for, or did.
type Event struct {
	ID    string // of the guest; empty means "list again": events were lost
	Power Power
}

// Watcher is a Hypervisor that tells of changes.
type Watcher interface {
	// Watch sends events until ctx is done, then closes the channel. It never
	// blocks the driver: a slow reader gets an Event without ID.
	Watch(ctx context.Context) <-chan Event
}
