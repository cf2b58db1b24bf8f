package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// exportTimeout bounds the copy of a root.
const exportTimeout = 2 * time.Hour

// Export copies the root into a file without a name and returns it. QEMU itself
// copies the root of a running guest, as it was at the beginning: what the guest
// writes meanwhile does not change the copy, and nothing of the guest's own disk is
// touched, so nothing has to be mended when this is cut off.
func (h *Hypervisor) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	if err := checkFormat(format); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Join(h.cfg.Dir, "exports"), "e-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	copied := filepath.Join(dir, "root.qcow2")
	if err := h.copyRoot(ctx, id, copied); err != nil {
		return nil, err
	}
	if format != "qcow2" {
		other := filepath.Join(dir, "root."+format)
		if err := convert(ctx, copied, other, format); err != nil {
			return nil, err
		}
		copied = other
	}
	return os.Open(copied)
}

// copyRoot copies the root into one qcow2. A guest that is off stays off meanwhile;
// a running one is only held while the copy begins.
func (h *Hypervisor) copyRoot(ctx context.Context, id, to string) error {
	running := false
	err := h.withGuest(ctx, id, func(d *domain) error {
		r, err := h.record(ctx, d)
		switch {
		case err != nil:
			return err
		case r.Spec.Root == nil:
			return driver.Errorf(driver.Invalid, "guest %s has no root disk of its own", id)
		case !d.isActive():
			return convert(ctx, filepath.Join(h.guestDir(id), rootFile), to, "qcow2")
		}
		running = true
		return h.beginBackup(ctx, d, to)
	})
	if err != nil || !running {
		return err
	}
	return h.awaitBackup(ctx, id)
}

// beginBackup starts QEMU's backup of the root alone.
func (h *Hypervisor) beginBackup(ctx context.Context, d *domain, to string) error {
	text := "<domainbackup mode='push'><disks>"
	for i := range d.live.Devices.Disks {
		disk := &d.live.Devices.Disks[i]
		if disk.Device != "disk" {
			continue
		}
		if id, _ := aliased(disk.Alias, diskKind); id == "root" {
			text += fmt.Sprintf("<disk name='%s' backup='yes' type='file'><driver type='qcow2'/><target file='%s'/></disk>",
				disk.Target.Dev, escape(to))
		} else {
			text += fmt.Sprintf("<disk name='%s' backup='no'/>", disk.Target.Dev)
		}
	}
	text += "</disks></domainbackup>"
	return h.rpc.call(ctx, func(l *link) error { return l.DomainBackupBegin(d.Domain, text, nil, 0) })
}

// awaitBackup waits until the backup has ended and tells whether it is whole. A
// caller that goes away ends it.
func (h *Hypervisor) awaitBackup(ctx context.Context, id string) error {
	done, err := until(ctx, exportTimeout, func() (bool, error) {
		d, err := h.find(ctx, id)
		if err != nil {
			return false, err
		}
		running, err := h.hasJob(ctx, d)
		if err != nil || running {
			return false, err
		}
		return true, h.backupWorked(ctx, d)
	})
	if err == nil && !done {
		err = driver.Errorf(driver.Unavailable, "the copy of guest %s's disk takes too long", id)
	}
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.cfg.CallTimeout)
		defer cancel()
		if d, findErr := h.find(clean, id); findErr == nil {
			err = errors.Join(err, h.abortBackup(clean, d))
		}
	}
	return err
}

// hasJob tells whether a long job of the domain runs.
func (h *Hypervisor) hasJob(ctx context.Context, d *domain) (bool, error) {
	var kind int32
	err := h.rpc.call(ctx, func(l *link) error {
		got, _, err := l.DomainGetJobStats(d.Domain, 0)
		kind = got
		return err
	})
	if errors.Is(err, driver.Conflict) {
		return false, nil
	}
	return err == nil && golibvirt.DomainJobType(kind) != golibvirt.DomainJobNone, err
}

// backupWorked looks at how the last job ended.
func (h *Hypervisor) backupWorked(ctx context.Context, d *domain) error {
	var kind int32
	err := h.rpc.call(ctx, func(l *link) error {
		got, _, err := l.DomainGetJobStats(d.Domain, golibvirt.DomainJobStatsCompleted)
		kind = got
		return err
	})
	if err == nil && golibvirt.DomainJobType(kind) != golibvirt.DomainJobCompleted {
		err = driver.Errorf(driver.Unavailable, "the copy of guest %s's disk was interrupted", d.id)
	}
	return err
}

// abortBackup ends a running job, and waits for a moment until it is gone: libvirt answers
// before that.
func (h *Hypervisor) abortBackup(ctx context.Context, d *domain) error {
	if running, err := h.hasJob(ctx, d); err != nil || !running {
		return err
	}
	err := h.rpc.call(ctx, func(l *link) error { return l.DomainAbortJob(d.Domain) })
	if err := unless(driver.Conflict, err); err != nil {
		return err
	}
	_, err = until(ctx, h.cfg.CallTimeout, func() (bool, error) {
		running, err := h.hasJob(ctx, d)
		return !running, err
	})
	return err
}
