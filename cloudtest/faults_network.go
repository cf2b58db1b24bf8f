package cloudtest

import (
	"context"

	"github.com/welkin-cloud/cloud/network/driver"
)

// PortBindingFails keeps ports from being plugged in on their host.
//
// In the field: the host's network agent is dead or does not serve the network:
// vif_type=binding_failed.
//
// A client sees: the server goes from BUILD to ERROR, with a fault that says that the
// binding of its port failed; an interface that was to be attached does not appear.
//
// Welkin: undoes the boot at once: its port is deleted, or given back if the client made
// it; the claim on the host is released.
func PortBindingFails() Fault {
	return onCall("PortBindingFails", func(_ context.Context, _ *Injection, at call) error {
		return driver.Errorf(driver.Conflict, "Binding failed for port %s on host %s.", at.id, at.host)
	}, "network.EnsurePort")
}

// PortBindingHangs lets ports wait to be plugged in for as long as it lasts.
//
// In the field: the agent does not report the port as up; a cloud without a timeout for
// it waits on.
//
// A client sees: the port and its server in BUILD.
//
// Welkin: waits; deleting the server ends the wait and deletes its port.
func PortBindingHangs() Fault { return onCall("PortBindingHangs", hangs, "network.EnsurePort") }

// NetworkAgentDown takes the network agents of hosts down.
//
// In the field: the agent has crashed, or has lost its message broker.
//
// A client sees: the agents as not alive; servers that boot there end in ERROR after some
// attempts; ports and floating IPs stay DOWN; what is plugged in goes on working.
//
// Welkin: keeps what was asked for and realises it when the agent answers again.
func NetworkAgentDown() Fault {
	return onCall("NetworkAgentDown", fails(driver.Errorf(driver.Unavailable, "The network agent does not answer.")), "network.*")
}

// DHCPUpdateFails keeps hosts from learning of new addresses in their networks.
//
// In the field: dnsmasq is not reloaded, or the DHCP agent lags behind.
//
// A client sees: a server that boots takes longer; if it lasts, it ends in ERROR. A guest
// that runs gets no address for a new port.
//
// Welkin: tries again until the host takes the network as it is recorded.
func DHCPUpdateFails() Fault {
	return onCall("DHCPUpdateFails", fails(driver.Errorf(driver.Unavailable, "The DHCP service was not updated.")), "network.EnsureNetwork")
}

// FloatingIPFails keeps routers from taking floating IPs, and all other changes.
//
// In the field: the L3 agent is down, or fails on its rules.
//
// A client sees: the association succeeds, but the floating IP stays DOWN, and packets do
// not pass.
//
// Welkin: tries again; the floating IP becomes ACTIVE when the router has it.
func FloatingIPFails() Fault {
	return onCall("FloatingIPFails", fails(driver.Errorf(driver.Unavailable, "The router was not updated.")), "network.EnsureRouter")
}

// MetadataDown takes the metadata service away from guests.
//
// In the field: the metadata proxy of a network is not running, or the service behind it
// is overloaded: cloud-init waits for minutes.
//
// A client sees: nothing in the API; a guest gets 503 from 169.254.169.254.
//
// Welkin: the record is not concerned; guests get their answers as soon as it is back.
func MetadataDown() Fault {
	return onCall("MetadataDown", fails(driver.Errorf(driver.Unavailable, "The metadata service is down.")), "network.Metadata")
}
