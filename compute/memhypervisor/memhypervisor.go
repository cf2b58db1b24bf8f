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
	"github.com/welkin-cloud/cloud/internal/overlay"
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

	// Base is what is on the host already; nothing if it is zero.
	Base Base
}

// Base is what a host holds before its first call. Its functions may be nil; they are
// asked for a guest or an image when it is first touched, and must give the same answers
// always.
type Base struct {
	// Host, if not nil, is what Host returns; the sizes and traits of Config do not
	// count then.
	Host *driver.Host
	// Guest returns a guest and its power; Guests the ids of all.
	Guest  func(id string) (driver.Spec, driver.Power, bool)
	Guests func() []string
	// Image returns an image that the host holds. Those that nobody has touched and no
	// guest uses are not listed.
	Image func(id string) (Image, bool)
}

// Hypervisor is the fake. It is a driver.Hypervisor, Suspender and Watcher.
type Hypervisor struct {
	host   driver.Host
	points *inject.Points
	events driver.Broadcaster

	mu     sync.Mutex
	images *overlay.Map[*storedImage]
	guests *overlay.Map[*guest]
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
		images: overlay.New(cfg.Base.images()),
	}
	h.guests = overlay.New(h.guestsOf(cfg.Base))
	if cfg.Base.Host != nil {
		h.host = *cfg.Base.Host
		return h
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
