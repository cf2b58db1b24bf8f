// Package drivertest is the conformance suite of network mechanisms.
//
// A mechanism's own test calls [Run]. The structural cases need the mechanism
// alone; the traffic cases need a [Probe] that puts machines on its networks.
package drivertest

import (
	"net/netip"
	"testing"

	"github.com/welkin-cloud/cloud/network/driver"
)

// Harness is what a case works with. Each case gets a fresh one.
type Harness struct {
	// Mechanism is the mechanism under test, with nothing on it.
	Mechanism driver.Mechanism
	// Physical is the name of a provider network that the mechanism reaches.
	Physical string
	// Reopen closes the mechanism, as the end of its process would, and opens
	// another one on the same host.
	Reopen func() driver.Mechanism
	// Left lists what the cloud still has on the host, in the host's words. Nil if
	// only Inventory can tell.
	Left func() []string
	// Probe is nil for mechanisms that move no packets.
	Probe Probe
}

// Probe puts machines on networks.
type Probe interface {
	// Plug starts a guest on a port's tap, with a device of the MAC and no address.
	Plug(t *testing.T, at driver.Attachment, mac string) Guest
	// Outside starts a machine on the provider network Physical.
	Outside(t *testing.T) Guest
}

// Guest is a machine with one network device.
type Guest interface {
	// Configure gives the device exactly the addresses, and a default route if the
	// gateway is valid.
	Configure(gateway netip.Addr, addresses ...netip.Prefix) error
	// SetMAC changes the device's MAC.
	SetMAC(mac string) error
	// Device is the device's name inside the machine.
	Device() string
	// Do runs f on a thread whose sockets are the machine's.
	Do(f func() error) error
}

// Run runs every case that the harness has the means for.
func Run(t *testing.T, start func(t *testing.T) Harness) {
	t.Run("Structure", func(t *testing.T) { runCases(t, start, structural()) })
	if start(t).Probe != nil {
		t.Run("Traffic", func(t *testing.T) { runCases(t, start, traffic()) })
	}
}

// testCase is one sentence of the contract.
type testCase struct {
	name string
	run  func(t *testing.T, h Harness)
}

func runCases(t *testing.T, start func(t *testing.T) Harness, cases []testCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel() // most of the time is spent waiting for silence
			c.run(t, start(t))
		})
	}
}
