package libvirt

import (
	"context"
	"errors"
	"slices"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// detachEvery is after how long a guest is asked again to let go of a device: one
// that was still booting did not hear.
const detachEvery = 3 * time.Second

// change runs do with a guest whose devices may change and with its record.
func (h *Hypervisor) change(ctx context.Context, id string, do func(d *domain, r *record) error) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		if d.power == driver.Suspended {
			return conflict(id, d.power)
		}
		r, err := h.record(ctx, d)
		if err != nil {
			return err
		}
		return do(d, r)
	})
}

// AttachDisk adds a volume: to the running guest, then to the definition.
func (h *Hypervisor) AttachDisk(ctx context.Context, id string, disk driver.Disk) error {
	if err := checkDisk(&disk); err != nil {
		return err
	}
	return h.change(ctx, id, func(d *domain, r *record) error {
		if d.isActive() && d.live.disk(disk.ID) == nil {
			names := newDeviceNames(&r.Spec)
			for i := range d.live.Devices.Disks {
				names[d.live.Devices.Disks[i].Target.Dev] = true
			}
			if err := h.plugDisk(ctx, d, &disk, diskXML(&disk, names.take(disk.Device), false)); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(r.Spec.Disks, func(x driver.Disk) bool { return x.ID == disk.ID }) {
			return nil
		}
		r.Spec.Disks = append(r.Spec.Disks, disk)
		return h.save(ctx, r)
	})
}

// AttachNIC adds a network interface: to the running guest, then to the definition.
func (h *Hypervisor) AttachNIC(ctx context.Context, id string, nic driver.NIC) error {
	if err := checkNIC(&nic); err != nil {
		return err
	}
	return h.change(ctx, id, func(d *domain, r *record) error {
		if d.isActive() && d.live.nic(nic.PortID) == nil {
			if err := h.plug(ctx, d, nicXML(&nic)); err != nil {
				return err
			}
		}
		if slices.ContainsFunc(r.Spec.NICs, func(x driver.NIC) bool { return x.PortID == nic.PortID }) {
			return nil
		}
		r.Spec.NICs = append(r.Spec.NICs, nic)
		return h.save(ctx, r)
	})
}

// plug adds a device to a running guest.
func (h *Hypervisor) plug(ctx context.Context, d *domain, device any) error {
	text, err := marshal(device)
	if err != nil {
		return err
	}
	return h.rpc.call(ctx, func(l *link) error {
		return l.DomainAttachDeviceFlags(d.Domain, text, uint32(golibvirt.DomainDeviceModifyLive))
	})
}

// DetachDisk takes a volume from the guest and then from the definition.
func (h *Hypervisor) DetachDisk(ctx context.Context, id, diskID string) error {
	err := h.change(ctx, id, func(d *domain, r *record) error {
		present := func(x *xmlDomain) bool { return x.disk(diskID) != nil }
		if err := h.unplug(ctx, d, alias(diskKind, diskID).Name, present); err != nil {
			return err
		}
		n := len(r.Spec.Disks)
		r.Spec.Disks = slices.DeleteFunc(r.Spec.Disks, func(x driver.Disk) bool { return x.ID == diskID })
		if len(r.Spec.Disks) == n {
			return nil
		}
		return h.save(ctx, r)
	})
	return unless(driver.NotFound, err)
}

// DetachNIC takes a network interface from the guest and then from the definition.
func (h *Hypervisor) DetachNIC(ctx context.Context, id, portID string) error {
	err := h.change(ctx, id, func(d *domain, r *record) error {
		present := func(x *xmlDomain) bool { return x.nic(portID) != nil }
		if err := h.unplug(ctx, d, alias(nicKind, portID).Name, present); err != nil {
			return err
		}
		n := len(r.Spec.NICs)
		r.Spec.NICs = slices.DeleteFunc(r.Spec.NICs, func(x driver.NIC) bool { return x.PortID == portID })
		if len(r.Spec.NICs) == n {
			return nil
		}
		return h.save(ctx, r)
	})
	return unless(driver.NotFound, err)
}

// unplug takes a device from a guest that may be running and waits until the guest
// has let go of it.
func (h *Hypervisor) unplug(ctx context.Context, d *domain, name string, present func(*xmlDomain) bool) error {
	if !d.isActive() || !present(d.live) {
		return nil
	}
	var asked time.Time
	done, err := until(ctx, h.cfg.DetachTimeout, func() (bool, error) {
		if time.Since(asked) >= detachEvery {
			asked = time.Now()
			err := h.rpc.call(ctx, func(l *link) error {
				return l.DomainDetachDeviceAlias(d.Domain, name, uint32(golibvirt.DomainDeviceModifyLive))
			})
			if err != nil && !isPending(err) {
				return false, err
			}
		}
		now, err := h.find(ctx, d.id)
		if err != nil {
			return false, err
		}
		return !now.isActive() || !present(now.live), nil
	})
	if err == nil && !done {
		err = driver.Errorf(driver.Unavailable, "guest %s does not let go of the device", d.id)
	}
	return err
}

// isPending tells of an error that only says that the guest was asked already, or
// that the device or the guest is gone.
func isPending(err error) bool {
	if errors.Is(err, driver.Conflict) {
		return true
	}
	var e golibvirt.Error
	if !errors.As(err, &e) {
		return false
	}
	switch golibvirt.ErrorNumber(e.Code) {
	case golibvirt.ErrDeviceMissing, golibvirt.ErrOperationFailed, golibvirt.ErrInternalError:
		// QEMU: "Device … is already in the process of unplug".
		return true
	}
	return false
}

// ResizeDisk tells a running guest that a volume has grown.
func (h *Hypervisor) ResizeDisk(ctx context.Context, id, diskID string, size int64) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		disk := d.live.disk(diskID)
		if disk == nil {
			return driver.Errorf(driver.NotFound, "disk %s is not attached to guest %s", diskID, id)
		}
		if !d.isActive() {
			return nil
		}
		return h.rpc.call(ctx, func(l *link) error {
			return l.DomainBlockResize(d.Domain, disk.Target.Dev, uint64(size), golibvirt.DomainBlockResizeBytes)
		})
	})
}
