package libvirt

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// Create makes the guest's files and defines its domain.
func (h *Hypervisor) Create(ctx context.Context, spec driver.Spec) error {
	if err := check(&spec); err != nil {
		return err
	}
	unlock, err := h.guests.lock(ctx, spec.ID)
	if err != nil {
		return err
	}
	defer unlock()
	h.images.RLock()
	defer h.images.RUnlock()
	size, err := h.rootSize(ctx, spec.Root)
	if err != nil {
		return err
	}
	d, err := h.find(ctx, spec.ID)
	switch {
	case errors.Is(err, driver.NotFound):
		return h.create(ctx, spec, size)
	case err != nil:
		return err
	case !d.isOff():
		return nil
	}
	return h.recreate(ctx, d, spec, size)
}

// rootSize returns the size in bytes that the root shall have.
func (h *Hypervisor) rootSize(ctx context.Context, root *driver.Root) (int64, error) {
	if root == nil {
		return 0, nil
	}
	path := h.imagePath(root.ImageID, root.Format)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return 0, driver.Errorf(driver.NotFound, "image %s is not on this host", root.ImageID)
	}
	info, err := inspect(ctx, path, root.Format)
	if err != nil {
		return 0, err
	}
	size := int64(root.SizeGiB) << 30
	if size == 0 {
		size = info.VirtualSize
	}
	if size < info.VirtualSize {
		return 0, driver.Errorf(driver.Invalid, "the image needs a root disk of more than %d GiB", root.SizeGiB)
	}
	return size, nil
}

// create makes a guest that is not there. Its folder appears when it is complete;
// a folder without a domain is left of a call that was cut off.
func (h *Hypervisor) create(ctx context.Context, spec driver.Spec, size int64) (err error) {
	dir := h.guestDir(spec.ID)
	fresh := dir + ".new"
	defer func() {
		if err != nil {
			err = errors.Join(err, h.discard(ctx, spec.ID), os.RemoveAll(fresh), os.RemoveAll(dir))
		}
	}()
	if err := errors.Join(os.RemoveAll(fresh), os.RemoveAll(dir), os.Mkdir(fresh, 0o711)); err != nil {
		return err
	}
	if err := h.makeFiles(ctx, fresh, &spec, size); err != nil {
		return err
	}
	if err := os.Rename(fresh, dir); err != nil {
		return err
	}
	return h.save(ctx, toRecord(spec))
}

// discard removes a domain that may have been defined though the call failed.
func (h *Hypervisor) discard(ctx context.Context, id string) error {
	clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.cfg.CallTimeout)
	defer cancel()
	d, err := h.find(clean, id)
	if err == nil {
		err = h.undefine(clean, d)
	}
	return unless(driver.NotFound, err)
}

// makeFiles makes the guest's own disks in a folder.
func (h *Hypervisor) makeFiles(ctx context.Context, dir string, spec *driver.Spec, size int64) error {
	if root := spec.Root; root != nil {
		err := createOverlay(ctx, filepath.Join(dir, rootFile), h.imagePath(root.ImageID, root.Format), root.Format, size)
		if err != nil {
			return err
		}
	}
	return writeConfig(dir, spec.ConfigDrive)
}

// recreate brings a guest that is off to the specification. A root of the same
// image keeps its content.
func (h *Hypervisor) recreate(ctx context.Context, d *domain, spec driver.Spec, size int64) error {
	old, err := h.record(ctx, d)
	if err != nil {
		return err
	}
	dir := h.guestDir(spec.ID)
	if err := os.MkdirAll(dir, 0o711); err != nil {
		return err
	}
	path := filepath.Join(dir, rootFile)
	_, statErr := os.Stat(path)
	same := spec.Root != nil && old.Spec.Root != nil && statErr == nil &&
		spec.Root.ImageID == old.Spec.Root.ImageID && spec.Root.Format == old.Spec.Root.Format
	switch {
	case same:
		err = growTo(ctx, path, size)
	case spec.Root != nil:
		fresh := path + ".new"
		err = createOverlay(ctx, fresh, h.imagePath(spec.Root.ImageID, spec.Root.Format), spec.Root.Format, size)
		if err == nil {
			err = os.Rename(fresh, path)
		}
	}
	if err != nil {
		return err
	}
	if err := writeConfig(dir, spec.ConfigDrive); err != nil {
		return err
	}
	return h.save(ctx, toRecord(spec))
}

// growTo makes a root at least as large as size, and refuses to shrink it.
func growTo(ctx context.Context, path string, size int64) error {
	info, err := inspect(ctx, path, "qcow2")
	switch {
	case err != nil:
		return err
	case size < info.VirtualSize:
		return driver.Errorf(driver.Invalid, "the root disk of %d bytes cannot shrink to %d", info.VirtualSize, size)
	case size == info.VirtualSize:
		return nil
	}
	return grow(ctx, path, size)
}

// writeConfig replaces the config drive.
func writeConfig(dir string, content []byte) error {
	path := filepath.Join(dir, configFile)
	if len(content) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.WriteFile(path+".new", content, 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// toRecord returns what the definition keeps of a specification.
func toRecord(spec driver.Spec) *record {
	r := &record{Spec: spec, Config: len(spec.ConfigDrive) > 0}
	r.Spec.ConfigDrive = nil
	return r
}

// Destroy ends the guest and removes its domain and its files.
func (h *Hypervisor) Destroy(ctx context.Context, id string) error {
	if !idPattern.MatchString(id) {
		return nil
	}
	unlock, err := h.guests.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := h.find(ctx, id)
	if err == nil {
		err = h.undefine(ctx, d)
	}
	if err := unless(driver.NotFound, err); err != nil {
		return err
	}
	dir := h.guestDir(id)
	return errors.Join(os.RemoveAll(dir), os.RemoveAll(dir+".new"))
}

// undefine ends the domain and removes its definition.
func (h *Hypervisor) undefine(ctx context.Context, d *domain) error {
	if d.isActive() {
		if err := h.cut(ctx, d); err != nil {
			return err
		}
	}
	return h.rpc.call(ctx, func(l *link) error {
		return l.DomainUndefineFlags(d.Domain, golibvirt.DomainUndefineManagedSave|golibvirt.DomainUndefineNvram|
			golibvirt.DomainUndefineSnapshotsMetadata|golibvirt.DomainUndefineCheckpointsMetadata)
	})
}

// cut ends the guest's QEMU: nil if it has none.
func (h *Hypervisor) cut(ctx context.Context, d *domain) error {
	err := h.rpc.call(ctx, func(l *link) error { return l.DomainDestroyFlags(d.Domain, golibvirt.DomainDestroyDefault) })
	return unless(driver.Conflict, err)
}

// Get returns one guest.
func (h *Hypervisor) Get(ctx context.Context, id string) (driver.Guest, error) {
	d, err := h.find(ctx, id)
	if err != nil {
		return driver.Guest{}, err
	}
	return d.guest(), nil
}

// List returns all guests.
func (h *Hypervisor) List(ctx context.Context) ([]driver.Guest, error) {
	all, err := h.domains(ctx)
	if err != nil {
		return nil, err
	}
	guests := make([]driver.Guest, 0, len(all))
	err = h.rpc.call(ctx, func(l *link) error {
		found := make([]driver.Guest, 0, len(all))
		for _, d := range all {
			text, err := l.DomainGetXMLDesc(d.Domain, 0)
			if golibvirt.IsNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			if d.live, err = parse(text); err != nil {
				return err
			}
			found = append(found, d.guest())
		}
		guests = found
		return nil
	})
	if err != nil {
		return nil, err
	}
	return guests, nil
}

// Resize changes a guest that is off.
func (h *Hypervisor) Resize(ctx context.Context, id string, vcpus, memoryMiB, rootGiB int) error {
	unlock, err := h.guests.lock(ctx, id)
	if err != nil {
		return err
	}
	defer unlock()
	d, err := h.find(ctx, id)
	if err != nil {
		return err
	}
	if !d.isOff() {
		return conflict(id, d.power)
	}
	if vcpus < 1 || memoryMiB < 1 {
		return driver.Errorf(driver.Invalid, "a guest needs a vCPU and memory")
	}
	r, err := h.record(ctx, d)
	if err != nil {
		return err
	}
	if r.Spec.Root != nil && rootGiB > 0 {
		if err := growTo(ctx, filepath.Join(h.guestDir(id), rootFile), int64(rootGiB)<<30); err != nil {
			return err
		}
		r.Spec.Root.SizeGiB = rootGiB
	}
	r.Spec.VCPUs, r.Spec.MemoryMiB = vcpus, memoryMiB
	return h.save(ctx, r)
}

// until asks done again and again until it says so, fails, or the time is over; it
// tells whether it was done.
func until(ctx context.Context, limit time.Duration, done func() (bool, error)) (bool, error) {
	const every = 100 * time.Millisecond
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return ok, err
		}
		again := time.NewTimer(every)
		select {
		case <-again.C:
		case <-end.C:
			again.Stop()
			return false, nil
		case <-ctx.Done():
			again.Stop()
			return false, ctx.Err()
		}
	}
}
