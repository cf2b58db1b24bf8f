package cloudtest

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/volume"
)

// call is one call of a driver.
type call struct {
	op   string // "hypervisor.Start"; after its effect "hypervisor.Start/after"
	host string // empty for volumes and images
	id   string // of the guest, port, network, router, volume, snapshot or image
}

// callFault strikes in calls of drivers.
type callFault struct {
	ops     []string // "hypervisor.Start"; "hypervisor.*" is all of the driver's
	ofHosts bool
	do      func(ctx context.Context, in *Injection, at call) error
}

// onCall makes a Fault of calls.
func onCall(name string, do func(context.Context, *Injection, call) error, ops ...string) Fault {
	ofHosts := !slices.ContainsFunc(ops, func(op string) bool {
		return !strings.HasPrefix(op, "hypervisor.") && !strings.HasPrefix(op, "network.")
	})
	return Fault{name: name, call: &callFault{ops, ofHosts, do}}
}

// fails ends the call with an error.
func fails(err error) func(context.Context, *Injection, call) error {
	return func(context.Context, *Injection, call) error { return err }
}

// hangs holds the call until the fault ends, or the cloud gives the call up.
func hangs(ctx context.Context, in *Injection, _ call) error { return in.hang(ctx) }

// takes lets the call take so long on the cloud's clock.
func takes(d time.Duration) func(context.Context, *Injection, call) error {
	return func(ctx context.Context, in *Injection, _ call) error { return in.pause(ctx, d) }
}

// CallFails lets calls of a driver fail: for what has no function of its own here. The
// op is "hypervisor.Start": one of hypervisor, network, volume, image (the store) or
// backup, and the method. With "/after" behind it the call has had its effect, and only
// the answer is lost. err is an error or a kind such as cloud.Unavailable, which the
// cloud takes for passing and tries again.
//
// In the field: anything that a driver cannot do.
//
// A client sees: the resource in an error state with a fault, or an error of its call.
//
// Welkin: undoes what was done so far; after cloud.Unavailable tries again first.
func CallFails(op string, err error) Fault { return onCall("CallFails "+op, fails(err), op) }

// CallHangs lets calls of a driver wait until the fault ends; op is as in CallFails.
//
// In the field: a device, an agent or a storage that neither answers nor refuses.
//
// A client sees: the resource in its transitional state for as long as it lasts.
//
// Welkin: waits; deleting the resource gives the call up and undoes what was done.
func CallHangs(op string) Fault { return onCall("CallHangs "+op, hangs, op) }

// CallTakes lets calls of a driver take a time on the cloud's clock; op is as in
// CallFails.
//
// In the field: everything takes its time; fakes do not.
//
// A client sees: the resource in its transitional state so long.
//
// Welkin: goes on afterwards.
func CallTakes(op string, d time.Duration) Fault { return onCall("CallTakes "+op, takes(d), op) }

// asked gives the function that a fake asks at each call.
func (c *Cloud) asked(driver, host string) func(ctx context.Context, op, id string) error {
	return func(ctx context.Context, op, id string) error {
		at := call{driver + "." + op, host, id}
		for _, in := range c.injections.all() {
			if in.fault.call == nil || !in.matches(ctx, at) || !in.strikes() {
				continue
			}
			if err := in.fault.call.do(ctx, in, at); err != nil {
				return err
			}
		}
		return c.transitions.call(ctx, at)
	}
}

// matches reports whether the fault could strike at a call.
func (in *Injection) matches(ctx context.Context, at call) bool {
	f := &in.fault
	named := func(op string) bool {
		driver, all := strings.CutSuffix(op, "*")
		return op == at.op || all && strings.HasPrefix(at.op, driver) && !strings.HasSuffix(at.op, "/after")
	}
	if !slices.ContainsFunc(f.call.ops, named) || len(f.hosts) > 0 && !slices.Contains(f.hosts, at.host) {
		return false
	}
	return in.about(func(id string) bool { return in.cloud.concerns(ctx, at.id, id) })
}

// concerns reports whether what a driver is called about belongs to a resource: it is
// that resource, a port or network or volume of the server, or the server that has the
// volume.
func (c *Cloud) concerns(ctx context.Context, called, id string) bool {
	live := c.live.Load()
	if called == id || strings.HasPrefix(called, id+"-") { // an image's later upload
		return true
	}
	if live == nil {
		return false
	}
	if p, err := live.Networks.GetPort(ctx, called); err == nil {
		return p.DeviceID == id || p.NetworkID == id
	}
	for _, a := range live.Volumes.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: called}) {
		if a.ServerID == id {
			return true
		}
	}
	for _, a := range live.Volumes.ListAttachments(ctx, volume.AttachmentFilter{VolumeID: id}) {
		if a.ServerID == called {
			return true
		}
	}
	ports, err := live.Networks.PortsOf(ctx, id)
	return err == nil && slices.ContainsFunc(ports, func(p network.Port) bool { return p.NetworkID == called })
}
