package libvirt

import (
	"context"
	"errors"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// pressEvery is after how long a guest that was asked to shut down is asked again:
// one that was still booting did not hear.
const pressEvery = 5 * time.Second

// withGuest runs do with the guest's domain while nothing else changes it.
func (h *Hypervisor) withGuest(ctx context.Context, id string, do func(d *domain) error) error {
	unlock, err := h.guests.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := h.find(ctx, id)
	if err != nil {
		return err
	}
	return do(d)
}

// Start powers the guest on, or lets it go on from where it was.
func (h *Hypervisor) Start(ctx context.Context, id string) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		switch d.power {
		case driver.Running:
			return nil
		case driver.Paused:
			return h.resume(ctx, d)
		}
		return h.boot(ctx, d)
	})
}

// boot starts the domain, from what was saved if it was suspended.
func (h *Hypervisor) boot(ctx context.Context, d *domain) error {
	return h.rpc.call(ctx, func(l *link) error {
		_, err := l.DomainCreateWithFlags(d.Domain, 0)
		return err
	})
}

// resume lets the guest's CPUs go on.
func (h *Hypervisor) resume(ctx context.Context, d *domain) error {
	return h.rpc.call(ctx, func(l *link) error { return l.DomainResume(d.Domain) })
}

// Stop asks the guest to shut down and cuts its power after grace. Others may
// destroy the guest while it takes its time.
func (h *Hypervisor) Stop(ctx context.Context, id string, grace time.Duration) error {
	d, err := h.find(ctx, id)
	if err != nil {
		return err
	}
	if d.power == driver.Running && grace > 0 {
		if _, err := h.shutDown(ctx, d, grace); err != nil {
			return err
		}
	}
	return h.withGuest(ctx, id, func(d *domain) error {
		if !d.isActive() {
			return nil
		}
		return h.cut(ctx, d)
	})
}

// shutDown presses the power button until the guest is off or the time is over.
func (h *Hypervisor) shutDown(ctx context.Context, d *domain, grace time.Duration) (bool, error) {
	var pressed time.Time
	return until(ctx, grace, func() (bool, error) {
		if time.Since(pressed) >= pressEvery {
			pressed = time.Now()
			err := h.rpc.call(ctx, func(l *link) error {
				return l.DomainShutdownFlags(d.Domain, golibvirt.DomainShutdownAcpiPowerBtn)
			})
			if err := unless(driver.Conflict, err); err != nil {
				return false, err
			}
		}
		now, err := h.find(ctx, d.id)
		if err != nil {
			return false, err
		}
		return !now.isActive(), nil
	})
}

// Reboot restarts the guest. One that is asked and does not do it in time is reset.
func (h *Hypervisor) Reboot(ctx context.Context, id string, hard bool) error {
	if !hard {
		done, err := h.softReboot(ctx, id)
		if done || err != nil {
			return err
		}
	}
	return h.withGuest(ctx, id, func(d *domain) error {
		r, err := h.record(ctx, d)
		if err != nil {
			return err
		}
		if d.isActive() {
			if err := h.cut(ctx, d); err != nil {
				return err
			}
		}
		if d.power == driver.Suspended {
			err := h.rpc.call(ctx, func(l *link) error { return l.DomainManagedSaveRemove(d.Domain, 0) })
			if err := unless(driver.Conflict, err); err != nil {
				return err
			}
		}
		if err := h.save(ctx, r); err != nil {
			return err
		}
		return h.boot(ctx, d)
	})
}

// softReboot asks the guest to reboot and tells whether it did.
func (h *Hypervisor) softReboot(ctx context.Context, id string) (bool, error) {
	d, err := h.find(ctx, id)
	if err != nil {
		return false, err
	}
	if d.power != driver.Running {
		return false, conflict(id, d.power)
	}
	rebooted, stop := h.reboots.next(id)
	defer stop()
	err = h.rpc.call(ctx, func(l *link) error { return l.DomainReboot(d.Domain, golibvirt.DomainRebootAcpiPowerBtn) })
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(h.cfg.RebootTimeout)
	defer timer.Stop()
	select {
	case <-rebooted:
		return true, nil
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// Pause stops the guest's CPUs.
func (h *Hypervisor) Pause(ctx context.Context, id string) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		switch d.power {
		case driver.Paused:
			return nil
		case driver.Running:
			return h.rpc.call(ctx, func(l *link) error { return l.DomainSuspend(d.Domain) })
		}
		return conflict(id, d.power)
	})
}

// Unpause goes on with them.
func (h *Hypervisor) Unpause(ctx context.Context, id string) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		switch d.power {
		case driver.Running:
			return nil
		case driver.Paused:
			return h.resume(ctx, d)
		}
		return conflict(id, d.power)
	})
}

// Suspend saves the guest's memory to disk.
func (h *Hypervisor) Suspend(ctx context.Context, id string) error {
	return h.withGuest(ctx, id, func(d *domain) error {
		switch {
		case d.power == driver.Suspended:
			return nil
		case !d.isActive():
			return conflict(id, d.power)
		}
		err := h.rpc.call(ctx, func(l *link) error {
			return l.DomainManagedSave(d.Domain, uint32(golibvirt.DomainSaveRunning))
		})
		if errors.Is(err, driver.Conflict) {
			// It may have ended while it was being saved.
			return conflict(id, d.power)
		}
		return err
	})
}
