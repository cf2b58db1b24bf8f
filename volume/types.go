package volume

import (
	"time"

	"github.com/welkin-cloud/cloud/volume/driver"
)

// Status of a volume, snapshot or backup, with Cinder's names.
type Status string

// The statuses. Volumes pass through all of them, snapshots and backups through
// some.
const (
	Creating       Status = "creating"
	Available      Status = "available"
	Reserved       Status = "reserved"
	Attaching      Status = "attaching"
	InUse          Status = "in-use"
	Detaching      Status = "detaching"
	Extending      Status = "extending"
	Deleting       Status = "deleting"
	Downloading    Status = "downloading" // from an image
	Uploading      Status = "uploading"   // to an image
	BackingUp      Status = "backing-up"
	Restoring      Status = "restoring"
	RestoringBack  Status = "restoring-backup"
	AwaitTransfer  Status = "awaiting-transfer"
	Error          Status = "error"
	ErrorDeleting  Status = "error_deleting"
	ErrorExtending Status = "error_extending"
	ErrorRestoring Status = "error_restoring"
	Reverting      Status = "reverting"
)

// Volume is the record of a volume.
type Volume struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	ProjectID   string            `json:"project"`
	UserID      string            `json:"user"`
	SizeGiB     int               `json:"size"`
	Status      Status            `json:"status"`
	Type        string            `json:"type"` // id of the volume type
	Zone        string            `json:"zone"`
	Backend     string            `json:"backend,omitempty"` // name of the backend that holds it
	Bootable    bool              `json:"bootable,omitempty"`
	ReadOnly    *bool             `json:"readonly,omitempty"` // nil until somebody has said
	MultiAttach bool              `json:"multiattach,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	// ImageMetadata is what the image said that the volume was made from.
	ImageMetadata map[string]string `json:"image_metadata,omitempty"`
	SnapshotID    string            `json:"snapshot,omitempty"` // made from
	SourceID      string            `json:"source,omitempty"`   // made from, a volume
	ImageID       string            `json:"image,omitempty"`    // made from
	Fault         string            `json:"fault,omitempty"`    // why it is in error: for its owner
	CreatedAt     time.Time         `json:"created"`
	UpdatedAt     time.Time         `json:"updated"`
}

// IsReadOnly reports whether the volume may be attached for reading only.
func (v Volume) IsReadOnly() bool { return v.ReadOnly != nil && *v.ReadOnly }

// CreateOptions of Service.CreateVolume. At most one source may be set.
type CreateOptions struct {
	ID          string // makes the call repeatable; empty for a new one
	Name        string
	Description string
	SizeGiB     int // 0: the source's size
	Type        string
	Zone        string
	SnapshotID  string
	SourceID    string
	ImageID     string
	BackupID    string
	MultiAttach bool
	Metadata    map[string]string
}

// Snapshot is the record of a snapshot.
type Snapshot struct {
	ID          string            `json:"id"`
	VolumeID    string            `json:"volume"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	ProjectID   string            `json:"project"`
	UserID      string            `json:"user"`
	SizeGiB     int               `json:"size"` // of the volume when it was taken
	Status      Status            `json:"status"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Fault       string            `json:"fault,omitempty"`
	CreatedAt   time.Time         `json:"created"`
	UpdatedAt   time.Time         `json:"updated"`
}

// CreateSnapshotOptions of Service.CreateSnapshot.
type CreateSnapshotOptions struct {
	ID          string // makes the call repeatable; empty for a new one
	VolumeID    string
	Name        string
	Description string
	Force       bool // also of a volume in use
	Metadata    map[string]string
}

// Attachment is the use of a volume by a server.
type Attachment struct {
	ID       string `json:"id"`
	VolumeID string `json:"volume"`
	ServerID string `json:"server"`
	// Host is where the backend has connected the volume; HostName is for users, where
	// it is used by a host instead of a server.
	Host     string `json:"host,omitempty"`
	HostName string `json:"host_name,omitempty"`
	Device   string `json:"device,omitempty"`
	Status   Status `json:"status"` // Reserved, Attaching, InUse or Detaching
	ReadOnly bool   `json:"readonly,omitempty"`
	// External attachments are those of clients that attach volumes themselves, not
	// of the compute service.
	External bool `json:"external,omitempty"`
	// Connection is how the volume is reached on Host.
	Connection driver.Connection `json:"connection,omitzero"`
	AttachedAt time.Time         `json:"attached,omitzero"`
	DetachedAt time.Time         `json:"detached,omitzero"`
}

// ReserveOptions of Service.Reserve.
type ReserveOptions struct {
	ID       string // of the attachment to make
	VolumeID string
	ServerID string
	Device   string // "/dev/vdb", or empty to let compute choose
	ReadOnly bool
	External bool // the client attaches it itself: see Attachment
}
