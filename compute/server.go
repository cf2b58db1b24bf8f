package compute

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Server is the record of a virtual machine.
type Server struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Description string            `json:"description,omitempty"`
	Hostname    string            `json:"hostname"`
	ProjectID   string            `json:"project"`
	UserID      string            `json:"user"`
	Flavor      ServerFlavor      `json:"flavor"`
	ImageID     string            `json:"image,omitempty"` // empty when booted from a volume
	Image       map[string]string `json:"image_properties,omitempty"`
	KeyName     string            `json:"key,omitempty"`
	KeyType     string            `json:"key_type,omitempty"`
	PublicKey   string            `json:"public_key,omitempty"`
	Metadata    map[string]string `json:"metadata,omitempty"`
	Tags        []string          `json:"tags,omitempty"` // sorted
	UserData    string            `json:"user_data,omitempty"`
	ConfigDrive bool              `json:"config_drive,omitempty"`
	DiskConfig  string            `json:"disk_config"` // "AUTO" or "MANUAL"
	AccessIPv4  string            `json:"access4,omitempty"`
	AccessIPv6  string            `json:"access6,omitempty"`
	// RequestedZone is the availability zone that was asked for; Zone is that of
	// the host.
	RequestedZone string              `json:"requested_zone,omitempty"`
	Zone          string              `json:"zone,omitempty"`
	Host          string              `json:"host,omitempty"`
	GroupID       string              `json:"group,omitempty"`
	Hints         map[string][]string `json:"hints,omitempty"`
	ReservationID string              `json:"reservation"`
	LaunchIndex   int                 `json:"launch_index,omitempty"`
	// SecurityGroups are the names of the groups of its ports.
	SecurityGroups []SecurityGroupRef `json:"security_groups,omitempty"`
	NICs           []NIC              `json:"nics,omitempty"`    // in order
	Volumes        []AttachedVolume   `json:"volumes,omitempty"` // in order of attachment
	Files          []File             `json:"files,omitempty"`   // injected, up to 2.56

	VMState    VMState    `json:"vm_state"`
	TaskState  TaskState  `json:"task_state,omitempty"`
	PowerState PowerState `json:"power_state,omitempty"`
	Progress   int        `json:"progress,omitempty"`
	// Locked servers refuse their owner's actions.
	Locked       bool   `json:"locked,omitempty"`
	LockedReason string `json:"locked_reason,omitempty"`
	Fault        *Fault `json:"fault,omitempty"`
	// Resize is set from the request of a resize until it is confirmed or
	// reverted.
	Resize *Resize `json:"resize,omitempty"`
	// ShelvedImage holds the root disk while the server is shelved.
	ShelvedImage string `json:"shelved_image,omitempty"`

	CreatedAt    time.Time `json:"created"`
	UpdatedAt    time.Time `json:"updated"`
	LaunchedAt   time.Time `json:"launched,omitzero"`
	TerminatedAt time.Time `json:"terminated,omitzero"`
}

// ServerFlavor is the flavor as it was when the server was made or resized.
type ServerFlavor struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	VCPUs        int               `json:"vcpus"`
	MemoryMiB    int               `json:"ram"`
	DiskGiB      int               `json:"disk"`
	EphemeralGiB int               `json:"ephemeral,omitempty"`
	SwapMiB      int               `json:"swap,omitempty"`
	ExtraSpecs   map[string]string `json:"extra_specs,omitempty"`
}

// SecurityGroupRef names a security group of the network service.
type SecurityGroupRef struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// NIC is a network interface of a server. Its port's id is made before the port.
type NIC struct {
	PortID    string `json:"port"`
	NetworkID string `json:"network"`
	FixedIP   string `json:"fixed_ip,omitempty"` // asked for
	Owned     bool   `json:"owned,omitempty"`    // the port was made for the server and goes with it
	Tag       string `json:"tag,omitempty"`
}

// AttachedVolume is a volume of a server. The ids are made before the volume.
type AttachedVolume struct {
	AttachmentID string `json:"attachment"`
	VolumeID     string `json:"volume"`
	Device       string `json:"device"` // "/dev/vdb"
	Boot         bool   `json:"boot,omitempty"`
	Tag          string `json:"tag,omitempty"`
	// DeleteOnTermination is set if the volume goes with the server.
	DeleteOnTermination bool `json:"delete,omitempty"`
	// Create tells how to make the volume; nil if it was there before.
	Create *VolumeSource `json:"create,omitempty"`
}

// VolumeSource tells what a server's own volume is made of: one of the ids, or
// nothing for a blank one.
type VolumeSource struct {
	SizeGiB    int    `json:"size"`
	ImageID    string `json:"image,omitempty"`
	SnapshotID string `json:"snapshot,omitempty"`
	Type       string `json:"type,omitempty"`
}

// File is written into the guest through its config drive or the metadata service.
type File struct {
	Path    string `json:"path"`
	Content []byte `json:"content"`
}

// Fault is why a server is in error.
type Fault struct {
	Code    int       `json:"code"` // an HTTP status
	Message string    `json:"message"`
	Details string    `json:"details,omitempty"` // the whole cause, for admins
	Created time.Time `json:"created"`
}

// Resize is a change of flavor that is not confirmed yet.
type Resize struct {
	Old ServerFlavor `json:"old"`
	New ServerFlavor `json:"new"`
	// OldState is what a revert or a failure goes back to: Active or Stopped.
	OldState VMState `json:"old_state"`
	// Confirming is set once it is to last: it cannot be reverted any more.
	Confirming bool `json:"confirming,omitempty"`
	// Reverting is set once it is to be undone: it cannot be confirmed any more.
	Reverting bool `json:"reverting,omitempty"`
}

// turn sets the state of a server whose guest runs or is off. While a resize is
// undecided, because its end failed, the server waits for that to be tried again.
func (s *Server) turn(to VMState) {
	if s.Resize != nil && (to == Active || to == Stopped) {
		to = Resized
	}
	s.VMState = to
}

// Status is the status that users see.
func (s Server) Status() string { return Status(s.VMState, s.TaskState) }

// InstanceName is what hypervisors show: from the id, so that it needs no counter.
func (s *Server) InstanceName() string { return "instance-" + s.ID[:8] }

// resource is the name of the server's sagas.
func resource(serverID string) string { return "server/" + serverID }

// volume returns the index of a volume among those of the server, or -1.
func (s *Server) volume(id string) int {
	return slices.IndexFunc(s.Volumes, func(v AttachedVolume) bool { return v.VolumeID == id })
}

// nic returns the index of a port among the server's interfaces, or -1.
func (s *Server) nic(portID string) int {
	return slices.IndexFunc(s.NICs, func(n NIC) bool { return n.PortID == portID })
}

// bootVolume returns the volume that the server boots from, or nil.
func (s *Server) bootVolume() *AttachedVolume {
	for i := range s.Volumes {
		if s.Volumes[i].Boot {
			return &s.Volumes[i]
		}
	}
	return nil
}

// RootDevice is the name of the disk that the server boots from.
func (s *Server) RootDevice() string { return "/dev/vda" }

// powerState turns a driver's power state into Nova's number.
func powerState(p driver.Power) PowerState {
	switch p {
	case driver.Running:
		return PowerRunning
	case driver.Paused:
		return PowerPaused
	case driver.Shutdown:
		return PowerShutdown
	case driver.Crashed:
		return PowerCrashed
	case driver.Suspended:
		return PowerShutdown
	}
	return NoPower
}

// newestFirst orders documents by time, the youngest first, in an index.
func newestFirst(t time.Time) string {
	return fmt.Sprintf("%016x", uint64(math.MaxInt64-t.UnixNano()))
}

// serverIndexes are the orders in which servers are read.
type serverIndexes struct {
	all, project, host, group *state.Index[Server]
}

func newServerIndexes() serverIndexes {
	return serverIndexes{
		all: state.NewIndex("created", func(s *Server) []string {
			return []string{newestFirst(s.CreatedAt)}
		}),
		project: state.NewIndex("project", func(s *Server) []string {
			return []string{state.Key(s.ProjectID, newestFirst(s.CreatedAt))}
		}),
		host: state.NewIndex("host", func(s *Server) []string {
			if s.Host == "" {
				return nil
			}
			return []string{s.Host}
		}),
		group: state.NewIndex("group", func(s *Server) []string {
			if s.GroupID == "" {
				return nil
			}
			return []string{s.GroupID}
		}),
	}
}
