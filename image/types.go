package image

import (
	"strconv"
	"time"
)

// Status of an image.
type Status string

// The statuses of an image, with Glance's names.
const (
	Queued      Status = "queued"      // made, without content
	Saving      Status = "saving"      // content is coming in
	Active      Status = "active"      // whole and usable
	Deactivated Status = "deactivated" // whole, but only admins may read it
	Killed      Status = "killed"      // the upload failed
)

// Visibility says who besides the owner sees an image.
type Visibility string

// The visibilities of an image.
const (
	Private   Visibility = "private"
	Shared    Visibility = "shared"    // with the projects that are members
	Community Visibility = "community" // with all, but not in their lists
	Public    Visibility = "public"
)

// Image is the record of an image.
type Image struct {
	ID              string            `json:"id"`
	Name            string            `json:"name"`
	ProjectID       string            `json:"project"` // the owner
	Status          Status            `json:"status"`
	Visibility      Visibility        `json:"visibility"`
	Protected       bool              `json:"protected,omitempty"`
	Hidden          bool              `json:"hidden,omitempty"`
	DiskFormat      string            `json:"disk_format,omitempty"`
	ContainerFormat string            `json:"container_format,omitempty"`
	MinDiskGiB      int               `json:"min_disk,omitempty"`
	MinRAMMiB       int               `json:"min_ram,omitempty"`
	Size            int64             `json:"size"`                   // of the content in bytes, once active
	VirtualSize     int64             `json:"virtual_size,omitempty"` // of the disk in the content, in bytes
	MD5             string            `json:"md5,omitempty"`
	SHA512          string            `json:"sha512,omitempty"`
	Properties      map[string]string `json:"properties,omitempty"`
	Tags            []string          `json:"tags,omitempty"` // sorted
	CreatedAt       time.Time         `json:"created"`
	UpdatedAt       time.Time         `json:"updated"`
	// Upload names the upload under way; a later one gets its own, so that what a
	// crash left behind can be told apart.
	Upload string `json:"upload,omitempty"`
	// Session is the run of the controller that receives the upload.
	Session string `json:"session,omitempty"`
	// FailedUploads is how many uploads have failed. Each had a content of its own name
	// in the store: what may still happen to it does no harm to that of the next upload.
	FailedUploads int `json:"failed_uploads,omitempty"`
}

// content names what the store has, or is going to have, of the image.
func (i *Image) content() string {
	if i.FailedUploads == 0 {
		return i.ID
	}
	return i.ID + "-" + strconv.Itoa(i.FailedUploads)
}

// whole reports whether an image has content.
func (i *Image) whole() bool { return i.Status == Active || i.Status == Deactivated }

// CreateOptions of Service.CreateImage. Zero fields take Glance's defaults.
type CreateOptions struct {
	ID              string // makes the call repeatable; empty for a new one
	Name            string
	Visibility      Visibility // default Shared
	Protected       bool
	Hidden          bool
	DiskFormat      string
	ContainerFormat string
	MinDiskGiB      int
	MinRAMMiB       int
	Properties      map[string]string
	Tags            []string
}
