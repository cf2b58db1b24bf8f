// Package memhypervisor is a hypervisor in memory: the fake for tests and
// simulations.
//
// A [Hypervisor] passes the suite of compute/drivertest. Guests are records, so a
// hundred thousand of them fit in a test; image content is read and counted but not
// kept. Faults and delays are programmable, and the same calls give the same
// results. Guests live as long as the value, so a test may give one Hypervisor to
// one cloud after another, as real guests outlive their controller.
package memhypervisor

import (
	"context"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/inject"
)

// Config describes a host. The zero value is a host "mem" of a good size without
// delays.
type Config struct {
	Name      string // "mem" if empty
	VCPUs     int    // 64 if 0
	MemoryMiB int    // 256 GiB if 0
	DiskGiB   int    // 10,000 if 0
	Traits    []string

	Clock clock.Clock // the machine's if nil

	// Fault is asked at each call with the method's name and the id of the guest
	// or image: before the effect as "Start", after it as "Start/after". The call
	// ends with the error that it returns. It may block until ctx ends.
	Fault func(ctx context.Context, op, id string) error
	// Delay says how long a call takes on Clock.
	Delay func(op, id string) time.Duration
}

// Hypervisor is the fake. It is a driver.Hypervisor, Suspender and Watcher.
type Hypervisor struct {
	host   driver.Host
	points *inject.Points
	events driver.Broadcaster

	mu     sync.RWMutex
	images map[string]*storedImage
	guests map[string]*guest
}

var (
	_ driver.Hypervisor = (*Hypervisor)(nil)
	_ driver.Suspender  = (*Hypervisor)(nil)
	_ driver.Watcher    = (*Hypervisor)(nil)
)

// New returns an empty host.
func New(cfg Config) *Hypervisor {
	h := &Hypervisor{
		points: inject.New(cfg.Clock, cfg.Fault, cfg.Delay),
		images: map[string]*storedImage{},
		guests: map[string]*guest{},
	}
	h.host = driver.Host{
		Name: cfg.Name, Type: "fake", Version: 1_000_000, VirtType: "fake", Arch: "x86_64",
		VCPUs: cfg.VCPUs, MemoryMiB: cfg.MemoryMiB, DiskGiB: cfg.DiskGiB,
		CPUInfo:    map[string]string{"arch": "x86_64", "model": "fake", "vendor": "fake"},
		Traits:     append([]string{"COMPUTE_IMAGE_TYPE_QCOW2", "COMPUTE_IMAGE_TYPE_RAW", "COMPUTE_NET_ATTACH_INTERFACE", "COMPUTE_VOLUME_EXTEND"}, cfg.Traits...),
		Capability: []string{"suspend", "watch"},
	}
	if h.host.Name == "" {
		h.host.Name = "mem"
	}
	if h.host.VCPUs == 0 {
		h.host.VCPUs = 64
	}
	if h.host.MemoryMiB == 0 {
		h.host.MemoryMiB = 256 << 10
	}
	if h.host.DiskGiB == 0 {
		h.host.DiskGiB = 10_000
	}
	return h
}

// SetFault replaces Config.Fault; nil ends all faults.
func (h *Hypervisor) SetFault(f func(ctx context.Context, op, id string) error) { h.points.SetFault(f) }

// SetDelay replaces Config.Delay; nil ends all delays.
func (h *Hypervisor) SetDelay(f func(op, id string) time.Duration) { h.points.SetDelay(f) }

// Host describes the host.
func (h *Hypervisor) Host(ctx context.Context) (driver.Host, error) {
	if err := h.points.Before(ctx, "Host", ""); err != nil {
		return driver.Host{}, err
	}
	return h.host, nil
}

// Watch tells of every change of power.
func (h *Hypervisor) Watch(ctx context.Context) <-chan driver.Event { return h.events.Watch(ctx) }

// Close ends the watches. Guests stay, and the Hypervisor may be used again.
func (h *Hypervisor) Close() error {
	h.events.Close()
	return nil
}

// change is a call that changes guests or images.
func (h *Hypervisor) change(ctx context.Context, op, id string, do func() error) error {
	return h.points.Call(ctx, op, id, &h.mu, do)
}
