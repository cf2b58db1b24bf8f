package libvirt

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// imageFormats are the formats that images are kept in.
var imageFormats = [...]string{"qcow2", "raw"}

// imagePath is where an image is.
func (h *Hypervisor) imagePath(id, format string) string {
	return filepath.Join(h.cfg.Dir, "images", id+"."+format)
}

// HasImage reports whether the host holds the image.
func (h *Hypervisor) HasImage(_ context.Context, imageID string) (bool, error) {
	if !namePattern.MatchString(imageID) {
		return false, nil
	}
	for _, format := range imageFormats {
		switch _, err := os.Stat(h.imagePath(imageID, format)); {
		case err == nil:
			return true, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return false, nil
}

// PutImage stores an image. One that refers to other files is refused.
func (h *Hypervisor) PutImage(ctx context.Context, imageID, format string, content io.Reader) error {
	if !namePattern.MatchString(imageID) {
		return driver.Errorf(driver.Invalid, "image ID %q cannot be used", imageID)
	}
	if err := checkFormat(format); err != nil {
		return err
	}
	has, err := h.HasImage(ctx, imageID)
	if err != nil {
		return err
	}
	if has {
		_, err := io.Copy(io.Discard, content)
		return err
	}
	path := h.imagePath(imageID, format)
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, contextReader{ctx, content})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	info, err := inspect(ctx, f.Name(), format)
	if err != nil {
		return wrap(driver.Invalid, "the image is damaged", err)
	}
	if info.Backing != "" || info.Specific.Data.DataFile != "" {
		return driver.Errorf(driver.Invalid, "the image refers to another file")
	}
	// A link does not replace an image that another call has stored meanwhile.
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// ListImages names the images.
func (h *Hypervisor) ListImages(context.Context) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(h.cfg.Dir, "images"))
	if err != nil {
		return nil, err
	}
	ids := []string{}
	for _, e := range entries {
		id, format, ok := strings.Cut(e.Name(), ".")
		if ok && id != "" && checkFormat(format) == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// DropImage removes an image that no guest uses.
func (h *Hypervisor) DropImage(ctx context.Context, imageID string) error {
	if !namePattern.MatchString(imageID) {
		return nil
	}
	h.images.Lock()
	defer h.images.Unlock()
	all, err := h.domains(ctx)
	if err != nil {
		return err
	}
	for i := range all {
		r, err := h.record(ctx, &all[i])
		if errors.Is(err, driver.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if r.Spec.Root != nil && r.Spec.Root.ImageID == imageID {
			return driver.Errorf(driver.Conflict, "image %s is used by guest %s", imageID, all[i].id)
		}
	}
	for _, format := range imageFormats {
		if err := os.Remove(h.imagePath(imageID, format)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// contextReader ends with its context.
type contextReader struct {
	ctx context.Context
	io.Reader
}

// Read reads unless the context is done.
func (r contextReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.Reader.Read(b)
}
