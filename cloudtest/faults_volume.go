package cloudtest

import (
	"github.com/welkin-cloud/cloud/volume/driver"
)

// making are the calls that make a volume's content.
var making = []string{"volume.Create", "volume.Clone", "volume.Restore", "volume.Import"}

// VolumeCreateFails lets the backend not make volumes.
//
// In the field: the storage refuses, or an image cannot be converted.
//
// A client sees: the volume goes from creating to error.
//
// Welkin: nothing of it stays on the backend; the volume can be deleted.
func VolumeCreateFails() Fault {
	return onCall("VolumeCreateFails", fails(driver.Errorf(driver.Invalid, "The storage does not make this volume.")), making...)
}

// VolumeBackendFull lets the backend have no room for what is made or grown.
//
// In the field: a thin pool has run full, though its capacity was reported as free.
//
// A client sees: a new volume in error, one that was to grow in error_extending.
//
// Welkin: nothing of a new volume stays on the backend; one that did not grow is as it
// was.
func VolumeBackendFull() Fault {
	return onCall("VolumeBackendFull", fails(driver.Errorf(driver.Exhausted, "The storage has no room left.")),
		append([]string{"volume.Extend", "volume.Snapshot", "volume.Overwrite"}, making...)...)
}

// VolumeBackendDown takes the backend down.
//
// In the field: the storage, its network or cinder-volume is not running.
//
// A client sees: the volume service as down; new volumes in error; what is asked of
// others fails after some attempts.
//
// Welkin: tries a few times, then leaves an error state from which deleting leads out
// when the backend is back.
func VolumeBackendDown() Fault {
	return onCall("VolumeBackendDown", fails(driver.Errorf(driver.Unavailable, "The storage does not answer.")), "volume.*")
}

// VolumeAttachFails lets the backend not connect volumes to hosts.
//
// In the field: an iSCSI log-in fails, multipath finds no path.
//
// A client sees: the volume goes from attaching back to available, the server keeps
// running, with a failed instance action.
//
// Welkin: ends the attachment on the host and in the record.
func VolumeAttachFails() Fault {
	return onCall("VolumeAttachFails", fails(driver.Errorf(driver.Conflict, "The volume cannot be connected to the host.")), "volume.Connect")
}

// VolumeAttachHangs lets guests take volumes only when it ends.
//
// In the field: the host hangs on the device, hot plug waits for the guest.
//
// A client sees: the volume in attaching.
//
// Welkin: waits; deleting the server ends the wait and makes the volume available.
func VolumeAttachHangs() Fault { return onCall("VolumeAttachHangs", hangs, "hypervisor.AttachDisk") }

// VolumeDetachFails lets guests not let go of volumes. Limited by Times(1) it fails
// once.
//
// In the field: the file system is mounted, and the guest does not answer the request.
//
// A client sees: detaching for some attempts, then in-use again. Once only: detaching a
// little longer, then available.
//
// Welkin: asks again, then gives up, with the volume attached as before.
func VolumeDetachFails() Fault {
	return onCall("VolumeDetachFails", fails(driver.Errorf(driver.Unavailable, "The guest does not let go of the volume.")), "hypervisor.DetachDisk")
}

// VolumeDetachHangs lets detaching wait for as long as it lasts.
//
// In the field: the device is busy in the guest, a flush does not end.
//
// A client sees: the volume in detaching.
//
// Welkin: waits; deleting the server ends the wait and makes the volume available.
func VolumeDetachHangs() Fault { return onCall("VolumeDetachHangs", hangs, "hypervisor.DetachDisk") }

// VolumeDeleteFails lets the backend not delete volumes.
//
// In the field: a connection that nobody closed keeps the volume busy.
//
// A client sees: the volume goes from deleting to error_deleting.
//
// Welkin: keeps the volume and its quota, and can delete it later.
func VolumeDeleteFails() Fault {
	return onCall("VolumeDeleteFails", fails(driver.Errorf(driver.Invalid, "The volume is busy on the storage.")), "volume.Delete")
}

// VolumeSnapshotFails lets the backend not take snapshots.
//
// In the field: the pool has no room for copy on write.
//
// A client sees: the snapshot goes from creating to error.
//
// Welkin: nothing of it stays on the backend; the snapshot can be deleted.
func VolumeSnapshotFails() Fault {
	return onCall("VolumeSnapshotFails", fails(driver.Errorf(driver.Invalid, "The storage takes no snapshot.")), "volume.Snapshot")
}
