package memhypervisor

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// guest is one guest of the host.
type guest struct {
	spec  driver.Spec // without the config drive
	power driver.Power
	boots int
	drive int    // size of the config drive
	text  string // what WriteConsole added since the last boot
}

// Guest is a guest as it is, for tests to look at.
type Guest struct {
	driver.Guest
	Spec        driver.Spec // ConfigDrive is not kept
	ConfigDrive int         // its size
	Boots       int         // how often it was started or reset
}

// Create makes the guest, off.
func (h *Hypervisor) Create(ctx context.Context, spec driver.Spec) error {
	return h.change(ctx, "Create", spec.ID, func() error {
		if spec.ID == "" || spec.VCPUs < 1 || spec.MemoryMiB < 1 {
			return driver.Errorf(driver.Invalid, "a guest needs an ID, a vCPU and memory")
		}
		old := h.guest(spec.ID)
		if old != nil && old.power != driver.Shutdown && old.power != driver.Crashed {
			return nil
		}
		g := &guest{spec: spec, power: driver.Shutdown, drive: len(spec.ConfigDrive)}
		g.spec.ConfigDrive = nil
		g.spec.Disks, g.spec.NICs = slices.Clone(spec.Disks), slices.Clone(spec.NICs)
		if spec.Root != nil {
			img := h.image(spec.Root.ImageID)
			if img == nil {
				return driver.Errorf(driver.NotFound, "image %s is not on this host", spec.Root.ImageID)
			}
			root := *spec.Root
			if root.SizeGiB > 0 && int64(root.SizeGiB)<<30 < img.VirtualSize {
				return driver.Errorf(driver.Invalid, "the image needs a root disk of more than %d GiB", root.SizeGiB)
			}
			g.spec.Root = &root
			img.users++
		}
		if old != nil {
			g.boots = old.boots
			h.release(old)
		}
		h.guests.Set(spec.ID, g)
		return nil
	})
}

// Destroy removes the guest.
func (h *Hypervisor) Destroy(ctx context.Context, id string) error {
	return h.change(ctx, "Destroy", id, func() error {
		g := h.guest(id)
		if g == nil {
			return nil
		}
		h.setPower(g, driver.Shutdown)
		h.release(g)
		h.guests.Delete(id)
		return nil
	})
}

// release lets go of the image of the guest's root.
func (h *Hypervisor) release(g *guest) {
	if g.spec.Root != nil {
		if img := h.image(g.spec.Root.ImageID); img != nil {
			img.users--
		}
	}
}

// withGuest is change for a guest that must exist.
func (h *Hypervisor) withGuest(ctx context.Context, op, id string, do func(g *guest) error) error {
	return h.change(ctx, op, id, func() error {
		g := h.guest(id)
		if g == nil {
			return missing(id)
		}
		return do(g)
	})
}

// setPower changes the power state and tells the watchers.
func (h *Hypervisor) setPower(g *guest, p driver.Power) {
	if g.power == p {
		return
	}
	g.power = p
	h.events.Send(driver.Event{ID: g.spec.ID, Power: p})
}

// boot starts the guest afresh.
func (h *Hypervisor) boot(g *guest) {
	g.boots++
	g.text = ""
	h.setPower(g, driver.Running)
}

// Start powers the guest on.
func (h *Hypervisor) Start(ctx context.Context, id string) error {
	return h.withGuest(ctx, "Start", id, func(g *guest) error {
		switch g.power {
		case driver.Shutdown, driver.Crashed:
			h.boot(g)
		default:
			h.setPower(g, driver.Running)
		}
		return nil
	})
}

// Stop powers the guest off; guests in memory obey at once.
func (h *Hypervisor) Stop(ctx context.Context, id string, _ time.Duration) error {
	return h.withGuest(ctx, "Stop", id, func(g *guest) error {
		if g.power != driver.Suspended {
			h.setPower(g, driver.Shutdown)
		}
		return nil
	})
}

// Reboot restarts the guest.
func (h *Hypervisor) Reboot(ctx context.Context, id string, hard bool) error {
	return h.withGuest(ctx, "Reboot", id, func(g *guest) error {
		if !hard && g.power != driver.Running {
			return conflict(g)
		}
		h.boot(g)
		return nil
	})
}

// Pause stops the guest's CPUs.
func (h *Hypervisor) Pause(ctx context.Context, id string) error {
	return h.turn(ctx, "Pause", id, driver.Paused, driver.Running)
}

// Unpause goes on with them.
func (h *Hypervisor) Unpause(ctx context.Context, id string) error {
	return h.turn(ctx, "Unpause", id, driver.Running, driver.Paused)
}

// Suspend saves the guest.
func (h *Hypervisor) Suspend(ctx context.Context, id string) error {
	return h.turn(ctx, "Suspend", id, driver.Suspended, driver.Running, driver.Paused)
}

// turn brings the guest to a power state from one of others.
func (h *Hypervisor) turn(ctx context.Context, op, id string, to driver.Power, from ...driver.Power) error {
	return h.withGuest(ctx, op, id, func(g *guest) error {
		if g.power != to && !slices.Contains(from, g.power) {
			return conflict(g)
		}
		h.setPower(g, to)
		return nil
	})
}

// Get returns one guest.
func (h *Hypervisor) Get(ctx context.Context, id string) (driver.Guest, error) {
	if err := h.points.Before(ctx, "Get", id); err != nil {
		return driver.Guest{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	if g == nil {
		return driver.Guest{}, missing(id)
	}
	return g.public(), nil
}

// List returns all guests.
func (h *Hypervisor) List(ctx context.Context) ([]driver.Guest, error) {
	if err := h.points.Before(ctx, "List", ""); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]driver.Guest, 0, h.guests.Len())
	for _, g := range h.guests.All() {
		all = append(all, g.public())
	}
	return all, nil
}

// Guests returns all guests with their specs, sorted by ID.
func (h *Hypervisor) Guests() []Guest {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := make([]Guest, 0, h.guests.Len())
	for _, g := range h.guests.All() {
		spec := g.spec
		spec.Disks, spec.NICs = slices.Clone(spec.Disks), slices.Clone(spec.NICs)
		all = append(all, Guest{Guest: g.public(), Spec: spec, ConfigDrive: g.drive, Boots: g.boots})
	}
	slices.SortFunc(all, func(a, b Guest) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// SetPower changes a guest as if it had done so by itself: a crash, a shutdown from
// within. It reports whether there is such a guest.
func (h *Hypervisor) SetPower(id string, p driver.Power) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	if g == nil {
		return false
	}
	h.setPower(g, p)
	return true
}

// Forget loses a guest as a host does that was set up anew: nothing tells which one.
// It reports whether there was such a guest.
func (h *Hypervisor) Forget(id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	g := h.guest(id)
	if g == nil {
		return false
	}
	h.release(g)
	h.guests.Delete(id)
	h.events.Send(driver.Event{})
	return true
}

// public returns what the contract shows of the guest.
func (g *guest) public() driver.Guest {
	out := driver.Guest{ID: g.spec.ID, Power: g.power}
	if len(g.spec.Disks) > 0 {
		out.Disks = make([]string, len(g.spec.Disks))
		for i, d := range g.spec.Disks {
			out.Disks[i] = d.ID
		}
	}
	if len(g.spec.NICs) > 0 {
		out.NICs = make([]string, len(g.spec.NICs))
		for i, n := range g.spec.NICs {
			out.NICs[i] = n.PortID
		}
	}
	return out
}

func missing(id string) error {
	return driver.Errorf(driver.NotFound, "guest %s is not on this host", id)
}

func conflict(g *guest) error {
	return driver.Errorf(driver.Conflict, "guest %s is %s", g.spec.ID, g.power)
}
