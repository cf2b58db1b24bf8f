package memhypervisor

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// AttachDisk adds a volume.
func (h *Hypervisor) AttachDisk(ctx context.Context, id string, disk driver.Disk) error {
	return h.withGuest(ctx, "AttachDisk", id, func(g *guest) error {
		if g.disk(disk.ID) >= 0 {
			return nil
		}
		if g.power == driver.Suspended {
			return conflict(g)
		}
		g.spec.Disks = append(g.spec.Disks, disk)
		return nil
	})
}

// DetachDisk takes a volume away.
func (h *Hypervisor) DetachDisk(ctx context.Context, id, diskID string) error {
	return h.change(ctx, "DetachDisk", id, func() error {
		g := h.guest(id)
		if g == nil || g.disk(diskID) < 0 {
			return nil
		}
		if g.power == driver.Suspended {
			return conflict(g)
		}
		i := g.disk(diskID)
		g.spec.Disks = slices.Delete(g.spec.Disks, i, i+1)
		return nil
	})
}

// ResizeDisk only checks that the volume is there.
func (h *Hypervisor) ResizeDisk(ctx context.Context, id, diskID string, _ int64) error {
	return h.withGuest(ctx, "ResizeDisk", id, func(g *guest) error {
		if g.disk(diskID) < 0 {
			return driver.Errorf(driver.NotFound, "disk %s is not attached to guest %s", diskID, id)
		}
		return nil
	})
}

// AttachNIC adds a network interface.
func (h *Hypervisor) AttachNIC(ctx context.Context, id string, nic driver.NIC) error {
	return h.withGuest(ctx, "AttachNIC", id, func(g *guest) error {
		if g.nic(nic.PortID) >= 0 {
			return nil
		}
		if g.power == driver.Suspended {
			return conflict(g)
		}
		g.spec.NICs = append(g.spec.NICs, nic)
		return nil
	})
}

// DetachNIC takes a network interface away.
func (h *Hypervisor) DetachNIC(ctx context.Context, id, portID string) error {
	return h.change(ctx, "DetachNIC", id, func() error {
		g := h.guest(id)
		if g == nil || g.nic(portID) < 0 {
			return nil
		}
		if g.power == driver.Suspended {
			return conflict(g)
		}
		i := g.nic(portID)
		g.spec.NICs = slices.Delete(g.spec.NICs, i, i+1)
		return nil
	})
}

// Resize changes a guest that is off.
func (h *Hypervisor) Resize(ctx context.Context, id string, vcpus, memoryMiB, rootGiB int) error {
	return h.withGuest(ctx, "Resize", id, func(g *guest) error {
		if g.power != driver.Shutdown && g.power != driver.Crashed {
			return conflict(g)
		}
		if vcpus < 1 || memoryMiB < 1 {
			return driver.Errorf(driver.Invalid, "a guest needs a vCPU and memory")
		}
		if g.spec.Root != nil && rootGiB > 0 {
			if rootGiB < g.spec.Root.SizeGiB {
				return driver.Errorf(driver.Invalid, "the root disk of %d GiB cannot shrink to %d GiB", g.spec.Root.SizeGiB, rootGiB)
			}
			// The spec that Create was given is the caller's: a new one replaces it.
			root := *g.spec.Root
			root.SizeGiB = rootGiB
			g.spec.Root = &root
		}
		g.spec.VCPUs, g.spec.MemoryMiB = vcpus, memoryMiB
		return nil
	})
}

// disk returns the place of a volume, or -1.
func (g *guest) disk(id string) int {
	return slices.IndexFunc(g.spec.Disks, func(d driver.Disk) bool { return d.ID == id })
}

// nic returns the place of a network interface, or -1.
func (g *guest) nic(portID string) int {
	return slices.IndexFunc(g.spec.NICs, func(n driver.NIC) bool { return n.PortID == portID })
}
