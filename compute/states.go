package compute

import (
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// VMState is what a server is when nothing is being done with it.
type VMState string

// The stable states of a server, with Nova's names.
const (
	Building         VMState = "building"
	Active           VMState = "active"
	Stopped          VMState = "stopped"
	Paused           VMState = "paused"
	Suspended        VMState = "suspended"
	Resized          VMState = "resized"
	Rescued          VMState = "rescued"
	Shelved          VMState = "shelved"
	ShelvedOffloaded VMState = "shelved_offloaded"
	Error            VMState = "error"
)

// TaskState is what is being done with a server; empty when it is idle.
type TaskState string

// The task states, with Nova's names.
const (
	Idle              TaskState = ""
	Scheduling        TaskState = "scheduling"
	BlockDeviceMap    TaskState = "block_device_mapping"
	Networking        TaskState = "networking"
	Spawning          TaskState = "spawning"
	PoweringOn        TaskState = "powering-on"
	PoweringOff       TaskState = "powering-off"
	Rebooting         TaskState = "rebooting"
	RebootingHard     TaskState = "rebooting_hard"
	Pausing           TaskState = "pausing"
	Unpausing         TaskState = "unpausing"
	Suspending        TaskState = "suspending"
	Resuming          TaskState = "resuming"
	Rebuilding        TaskState = "rebuilding"
	RebuildSpawning   TaskState = "rebuild_spawning"
	ResizePrep        TaskState = "resize_prep"
	ResizeMigrating   TaskState = "resize_migrating"
	ResizeFinish      TaskState = "resize_finish"
	ResizeReverting   TaskState = "resize_reverting"
	ImageSnapshot     TaskState = "image_snapshot"
	ImagePending      TaskState = "image_snapshot_pending"
	ImageUploading    TaskState = "image_uploading"
	ShelvingTask      TaskState = "shelving"
	ShelvingUploading TaskState = "shelving_image_uploading"
	ShelvingOffload   TaskState = "shelving_offloading"
	UnshelvingTask    TaskState = "unshelving"
	Rescuing          TaskState = "rescuing"
	Unrescuing        TaskState = "unrescuing"
	Deleting          TaskState = "deleting"
)

// PowerState is Nova's number for what a hypervisor says of a guest.
type PowerState int

// The power states.
const (
	NoPower       PowerState = 0
	PowerRunning  PowerState = 1
	PowerPaused   PowerState = 3
	PowerShutdown PowerState = 4
	PowerCrashed  PowerState = 6
	PowerSaved    PowerState = 7
)

// statuses gives the status that users see: by VM state, and within it by task
// state, where Idle stands for all tasks that are not listed.
var statuses = map[VMState]map[TaskState]string{
	Building: {Idle: "BUILD"},
	Active: {
		Idle: "ACTIVE", Rebooting: "REBOOT", RebootingHard: "HARD_REBOOT",
		Rebuilding: "REBUILD", RebuildSpawning: "REBUILD",
		ResizePrep: "RESIZE", ResizeMigrating: "RESIZE", ResizeFinish: "RESIZE",
	},
	Stopped: {
		Idle: "SHUTOFF", Rebuilding: "REBUILD", RebuildSpawning: "REBUILD",
		ResizePrep: "RESIZE", ResizeMigrating: "RESIZE", ResizeFinish: "RESIZE",
	},
	Resized:          {Idle: "VERIFY_RESIZE", ResizeReverting: "REVERT_RESIZE"},
	Paused:           {Idle: "PAUSED"},
	Suspended:        {Idle: "SUSPENDED"},
	Rescued:          {Idle: "RESCUE"},
	Error:            {Idle: "ERROR", Rebuilding: "REBUILD", RebuildSpawning: "REBUILD"},
	Shelved:          {Idle: "SHELVED"},
	ShelvedOffloaded: {Idle: "SHELVED_OFFLOADED"},
}

// Status is the status that users see.
func Status(vm VMState, task TaskState) string {
	if s, ok := statuses[vm][task]; ok {
		return s
	}
	if s, ok := statuses[vm][Idle]; ok {
		return s
	}
	return "UNKNOWN"
}

// KnownStatus reports whether servers can have the status.
func KnownStatus(status string) bool {
	for _, tasks := range statuses {
		for _, s := range tasks {
			if s == status {
				return true
			}
		}
	}
	return slices.Contains([]string{"DELETED", "SOFT_DELETED", "MIGRATING", "PASSWORD", "UNKNOWN"}, status)
}

// Verb is what users ask of a server, as error messages name it.
type Verb string

// The verbs that depend on the server's state.
const (
	VerbStart           Verb = "start"
	VerbStop            Verb = "stop"
	VerbReboot          Verb = "reboot"
	VerbHardReboot      Verb = "reboot (hard)"
	VerbPause           Verb = "pause"
	VerbUnpause         Verb = "unpause"
	VerbSuspend         Verb = "suspend"
	VerbResume          Verb = "resume"
	VerbRescue          Verb = "rescue"
	VerbUnrescue        Verb = "unrescue"
	VerbRebuild         Verb = "rebuild"
	VerbResize          Verb = "resize"
	VerbConfirmResize   Verb = "confirmResize"
	VerbRevertResize    Verb = "revertResize"
	VerbShelve          Verb = "shelve"
	VerbShelveOffload   Verb = "shelveOffload"
	VerbUnshelve        Verb = "unshelve"
	VerbCreateImage     Verb = "createImage"
	VerbAttachVolume    Verb = "attach_volume"
	VerbDetachVolume    Verb = "detach_volume"
	VerbAttachInterface Verb = "attach_interface"
	VerbDetachInterface Verb = "detach_interface"
	VerbUpdateMetadata  Verb = "update metadata"
	VerbDiagnostics     Verb = "get_diagnostics"
)

// precondition is what a verb needs of a server.
type precondition struct {
	states []VMState
	// tasks are the task states in which the verb is allowed, beside Idle.
	tasks []TaskState
	// anyTask is set for verbs that do not mind what is being done.
	anyTask bool
	// shown is the verb as messages name it, where it is not the Verb itself.
	shown string
}

// preconditions of all verbs.
var preconditions = map[Verb]precondition{
	VerbStart: {states: []VMState{Stopped}},
	VerbStop:  {states: []VMState{Active, Error}},
	VerbReboot: {
		states: []VMState{Active},
	},
	VerbHardReboot: {
		states: []VMState{Active, Stopped, Paused, Suspended, Error},
		tasks:  []TaskState{Rebooting, RebootingHard, Resuming, Pausing, Unpausing, Suspending},
		shown:  "reboot",
	},
	VerbPause:         {states: []VMState{Active}},
	VerbUnpause:       {states: []VMState{Paused}},
	VerbSuspend:       {states: []VMState{Active}},
	VerbResume:        {states: []VMState{Suspended}},
	VerbRescue:        {states: []VMState{Active, Stopped, Error}},
	VerbUnrescue:      {states: []VMState{Rescued}},
	VerbRebuild:       {states: []VMState{Active, Stopped, Error}},
	VerbResize:        {states: []VMState{Active, Stopped}},
	VerbConfirmResize: {states: []VMState{Resized}},
	VerbRevertResize:  {states: []VMState{Resized}},
	VerbShelve:        {states: []VMState{Active, Stopped, Paused, Suspended}},
	VerbShelveOffload: {states: []VMState{Shelved}},
	VerbUnshelve:      {states: []VMState{Shelved, ShelvedOffloaded}},
	VerbCreateImage:   {states: []VMState{Active, Stopped, Paused, Suspended}},
	VerbAttachVolume: {
		states: []VMState{Active, Paused, Stopped, Resized},
	},
	VerbDetachVolume: {
		states: []VMState{Active, Paused, Stopped, Suspended, Resized},
	},
	VerbAttachInterface: {states: []VMState{Active, Paused, Stopped}},
	VerbDetachInterface: {states: []VMState{Active, Paused, Stopped}},
	VerbUpdateMetadata: {
		states: []VMState{Active, Paused, Suspended, Stopped}, anyTask: true,
	},
	VerbDiagnostics: {states: []VMState{Active, Paused, Rescued, Resized, Suspended}, anyTask: true},
}

// allows reports whether the server's state lets the verb be done now:
// fault.Conflict, in Nova's words, if not.
func (v Verb) allows(s *Server) error {
	p := preconditions[v]
	shown := string(v)
	if p.shown != "" {
		shown = p.shown
	}
	if !slices.Contains(p.states, s.VMState) {
		return fault.New(fault.Conflict, "Cannot '%s' instance %s while it is in vm_state %s", shown, s.ID, s.VMState)
	}
	if !p.anyTask && s.TaskState != Idle && !slices.Contains(p.tasks, s.TaskState) {
		return fault.New(fault.Conflict, "Cannot '%s' instance %s while it is in task_state %s", shown, s.ID, s.TaskState)
	}
	return nil
}
