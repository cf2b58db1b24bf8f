package compute

import (
	"context"
	"io"

	"github.com/welkin-cloud/cloud/image"
	imagedriver "github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
	volumedriver "github.com/welkin-cloud/cloud/volume/driver"
)

// Networks is what compute needs of networking. *network.Service satisfies it.
// Every call may be repeated: what was done stays done.
type Networks interface {
	// CreatePort makes a port. With opts.ID set, a port of that id that exists
	// already is returned as it is.
	CreatePort(ctx context.Context, projectID string, opts network.CreatePortOptions) (network.Port, error)
	GetPort(ctx context.Context, id string) (network.Port, error)
	// ListPorts gives the ports of a device (a server), in order of creation.
	PortsOf(ctx context.Context, deviceID string) ([]network.Port, error)
	// BindPort gives the port to a server on a host, plugs it there and returns
	// when it is ACTIVE. Conflict if another device has it.
	BindPort(ctx context.Context, id string, b network.Binding) (network.Attachment, error)
	// UnbindPort takes the port from the device and unplugs it: nil if the port
	// is gone or is not the device's (any more).
	UnbindPort(ctx context.Context, id, deviceID string) error
	// UpdatePort changes a port: compute changes its security groups with it.
	UpdatePort(ctx context.Context, id string, opts network.UpdatePortOptions) (network.Port, error)
	// DeletePort removes the port: NotFound if it is gone.
	DeletePort(ctx context.Context, id string) error
	GetNetwork(ctx context.Context, id string) (network.Network, error)
	GetSubnet(ctx context.Context, id string) (network.Subnet, error)
	// VisibleNetworks gives the networks on which a server of the project may be
	// booted: its own and the shared ones, without external ones.
	VisibleNetworks(ctx context.Context, projectID string) ([]network.Network, error)
	// FindSecurityGroup resolves a name or an id in a project.
	FindSecurityGroup(ctx context.Context, projectID, nameOrID string) (network.SecurityGroup, error)
	// Addresses gives the addresses of devices, floating ones included, in order
	// of port creation, from one snapshot.
	Addresses(ctx context.Context, deviceIDs ...string) (map[string][]network.Address, error)
	// DeviceAt tells which port has an address on a network: for metadata.
	PortAt(ctx context.Context, networkID, address string) (network.Port, error)
}

// Images is what compute needs of the image service. *image.Service satisfies it.
type Images interface {
	GetImage(ctx context.Context, id string) (image.Image, error)
	// CanSee reports whether a project may use an image.
	CanSee(ctx context.Context, i image.Image, projectID string) bool
	// OpenImage opens the content of an active image.
	OpenImage(ctx context.Context, id string) (imagedriver.Content, error)
	// CreateImage makes an image without content (queued); with opts.ID set, one
	// that exists already is returned as it is.
	CreateImage(ctx context.Context, projectID string, opts image.CreateOptions) (image.Image, error)
	// CreateImageIn does it in the transaction that starts to fill the image.
	CreateImageIn(ctx context.Context, tx *state.Tx, projectID string, opts image.CreateOptions) (image.Image, error)
	// UploadImage stores the content of a queued image and makes it active.
	UploadImage(ctx context.Context, id string, content io.Reader) (image.Image, error)
	DeleteImage(ctx context.Context, id string) error
}

// Volumes is what compute needs of block storage. *volume.Service satisfies it.
// Every call may be repeated: what was done stays done.
type Volumes interface {
	GetVolume(ctx context.Context, id string) (volume.Volume, error)
	GetSnapshot(ctx context.Context, id string) (volume.Snapshot, error)
	// CreateVolume starts to make a volume; with opts.ID set, one that exists
	// already is returned as it is. WaitVolume returns when it is no longer being
	// made: its state, or the error that it ended in.
	CreateVolume(ctx context.Context, projectID string, opts volume.CreateOptions) (volume.Volume, error)
	WaitVolume(ctx context.Context, id string) (volume.Volume, error)
	DeleteVolume(ctx context.Context, id string) error
	// Reserve begins an attachment under a given id: available becomes attaching.
	// ReserveIn does it in the transaction that starts to attach.
	Reserve(ctx context.Context, opts volume.ReserveOptions) (volume.Attachment, error)
	ReserveIn(ctx context.Context, tx *state.Tx, opts volume.ReserveOptions) (volume.Attachment, error)
	// Connect readies the volume on the host and returns how to reach it.
	Connect(ctx context.Context, attachmentID, host string) (volumedriver.Connection, error)
	// Complete ends an attachment: attaching becomes in-use.
	Complete(ctx context.Context, attachmentID, device string) error
	// BeginDetachIn shows the volume as detaching, in the transaction that starts to
	// detach it.
	BeginDetachIn(ctx context.Context, tx *state.Tx, attachmentID string) error
	// Release ends an attachment in whatever state: nil if it is gone.
	Release(ctx context.Context, attachmentID string) error
	// CreateSnapshotAs makes a snapshot of an attached or free volume, for images of volume-backed servers.
	CreateSnapshot(ctx context.Context, projectID string, opts volume.CreateSnapshotOptions) (volume.Snapshot, error)
}
