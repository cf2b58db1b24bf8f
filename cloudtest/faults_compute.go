package cloudtest

import (
	"context"
	"slices"
	"time"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/compute/driver"
)

// NoValidHost leaves the scheduler without a host that is up.
//
// In the field: the hosts are full, disabled or down, or the flavor asks for what none
// has.
//
// A client sees: the server goes to ERROR with the fault "No valid host was found".
//
// Welkin: the fault names each host and why it was refused; a port that the client made
// before stays the client's, unbound.
func NoValidHost() Fault {
	return onCall("NoValidHost", fails(driver.Errorf(driver.Unavailable, "The host does not answer.")), "hypervisor.Host")
}

// HostFull lets hosts refuse a guest for want of room after they were chosen, when the
// ports of the server have been made.
//
// In the field: the disk or the memory is taken by what the scheduler does not know of.
//
// A client sees: the server goes from BUILD to ERROR with a fault that says so.
//
// Welkin: undoes the boot: ports, volumes and claim are gone.
func HostFull() Fault {
	return onCall("HostFull", fails(driver.Errorf(driver.Exhausted, "The host has no room left.")), "hypervisor.Create")
}

// HostDown takes compute hosts down; guests on them go on.
//
// In the field: nova-compute or libvirtd is not running, or the management network is
// cut.
//
// A client sees: the compute service as down; what is asked of servers there fails after
// some attempts and leaves them in ERROR; new servers go to other hosts.
//
// Welkin: tries a few times, then says so; a server in ERROR can be deleted once the
// host is back.
func HostDown() Fault {
	return onCall("HostDown", fails(driver.Errorf(driver.Unavailable, "The compute host does not answer.")), "hypervisor.*")
}

// BootHangs lets guests never come to their first instruction for as long as it lasts.
//
// In the field: QEMU or the storage of the root disk hangs.
//
// A client sees: the server in BUILD, spawning.
//
// Welkin: waits; deleting the server ends the wait and leaves nothing behind.
func BootHangs() Fault { return onCall("BootHangs", hangs, "hypervisor.Start") }

// BootTakes lets each boot take a time on the cloud's clock.
//
// In the field: a large image is converted, a busy host starts guests slowly.
//
// A client sees: the server in BUILD so long, then ACTIVE.
//
// Welkin: goes on afterwards.
func BootTakes(d time.Duration) Fault { return onCall("BootTakes", takes(d), "hypervisor.Create") }

// BootFails lets hosts refuse to make guests.
//
// In the field: libvirt rejects the definition: a CPU model, a machine type, a device
// that the host does not have.
//
// A client sees: the server goes from BUILD to ERROR with a fault.
//
// Welkin: undoes the boot at once.
func BootFails() Fault {
	return onCall("BootFails", fails(driver.Errorf(driver.Invalid, "The host cannot run such a guest.")), "hypervisor.Create")
}

// BootFailsHalfway lets guests be made but not started.
//
// In the field: the guest is defined, its disk written and its port plugged in when QEMU
// exits.
//
// A client sees: the server goes from BUILD to ERROR with a fault.
//
// Welkin: undoes the boot: the guest, its disk, ports and claim are gone.
func BootFailsHalfway() Fault {
	return onCall("BootFailsHalfway", fails(driver.Errorf(driver.Conflict, "The guest exited when it was started.")), "hypervisor.Start")
}

// BootAnswerLost starts guests, but loses the answer once.
//
// In the field: the connection to the host breaks, or the message broker restarts, just
// when the guest runs.
//
// A client sees: BUILD a moment longer, then ACTIVE.
//
// Welkin: asks again; the guest runs already, and was started once.
func BootAnswerLost() Fault {
	return onCall("BootAnswerLost", fails(driver.Errorf(driver.Unavailable, "The answer was lost.")), "hypervisor.Start/after").Times(1)
}

// ImageTransferFails breaks off images on their way to hosts.
//
// In the field: the image service or the network between is overloaded.
//
// A client sees: BUILD longer; if it lasts, ERROR with a fault.
//
// Welkin: begins the transfer again a few times, then undoes the boot. Half an image is
// never used.
func ImageTransferFails() Fault {
	return onCall("ImageTransferFails", fails(driver.Errorf(driver.Unavailable, "The image did not arrive.")), "hypervisor.PutImage")
}

// SnapshotFails lets hosts not give the content of a guest's disk.
//
// In the field: the block job fails, or the host has no room for the copy.
//
// A client sees: the image that was queued or saving disappears; the server is ACTIVE as
// before, with a failed instance action.
//
// Welkin: deletes the image's record and content.
func SnapshotFails() Fault {
	return onCall("SnapshotFails", fails(driver.Errorf(driver.Conflict, "The disk cannot be copied.")), "hypervisor.Export")
}

// ResizeFails lets a host not change the size of a guest, once: it can be given its old
// size back.
//
// In the field: the disk cannot grow, the definition is refused.
//
// A client sees: RESIZE, then the server as it was, ACTIVE with the old flavor, and a
// failed instance action.
//
// Welkin: gives back what was claimed for the new size and starts the guest again.
func ResizeFails() Fault {
	return onCall("ResizeFails", fails(driver.Errorf(driver.Invalid, "The guest cannot be resized.")), "hypervisor.Resize").Times(1)
}

// patience is how long a guest is given to shut down.
const patience = time.Minute

// GuestIgnoresShutdown lets guests not obey when they are asked to shut down.
//
// In the field: no ACPI daemon in the image, or a service that does not end.
//
// A client sees: powering-off for a minute of the cloud's clock, then SHUTOFF.
//
// Welkin: cuts the power after that grace.
func GuestIgnoresShutdown() Fault {
	return onCall("GuestIgnoresShutdown", takes(patience), "hypervisor.Stop")
}

// GuestCrashes ends guests at once, as a panic does or the kernel for want of memory.
// Limit it with For or OnHost.
//
// In the field: QEMU is killed by the host's kernel, or the guest's kernel panics.
//
// A client sees: the server goes from ACTIVE to SHUTOFF, with a fault, without having
// been asked for it.
//
// Welkin: writes down what it finds; the server can be started again.
func GuestCrashes() Fault {
	return onGuests("GuestCrashes", func(h Host, s compute.Server) bool {
		return h.Hypervisor.SetPower(s.ID, driver.Crashed)
	})
}

// HostForgetsGuests loses guests. Limit it with For or OnHost.
//
// In the field: a host is set up anew, or somebody undefines a domain by hand.
//
// A client sees: the server in ERROR with a fault.
//
// Welkin: finds that the guest is missing; the server can be rebuilt or deleted, and
// nothing of it remains.
func HostForgetsGuests() Fault {
	return onGuests("HostForgetsGuests", func(h Host, s compute.Server) bool { return h.Hypervisor.Forget(s.ID) })
}

// onGuests makes a Fault that strikes guests once, when it is injected.
func onGuests(name string, strike func(Host, compute.Server) bool) Fault {
	return Fault{name: name, call: &callFault{ofHosts: true}, begin: func(in *Injection) (func(), error) {
		ctx := context.WithoutCancel(in.cloud.t.Context())
		for _, h := range in.cloud.Hosts {
			if len(in.fault.hosts) > 0 && !slices.Contains(in.fault.hosts, h.Name) {
				continue
			}
			for _, s := range in.cloud.Compute.ServersOn(ctx, h.Name) {
				if in.about(func(id string) bool { return id == s.ID }) && in.strikes() {
					strike(h, s)
				}
			}
		}
		return nil, nil
	}}
}
