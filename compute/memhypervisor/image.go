package memhypervisor

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"io"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/compute/driver"
)

// storedImage is what the host remembers of an image.
type storedImage struct {
	Image
	users int // guests whose root is made of it
}

// Image is an image on the host, for tests to look at.
type Image struct {
	ID          string
	Format      string
	Size        int64  // bytes of the file
	VirtualSize int64  // bytes of the disk in it
	SHA256      string // hexadecimal
}

// HasImage reports whether the host holds the image.
func (h *Hypervisor) HasImage(ctx context.Context, imageID string) (bool, error) {
	if err := h.points.Before(ctx, "HasImage", imageID); err != nil {
		return false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.image(imageID) != nil, nil
}

// PutImage reads the image to its end and remembers its size and hash.
func (h *Hypervisor) PutImage(ctx context.Context, imageID, format string, content io.Reader) error {
	if format != "qcow2" && format != "raw" {
		return driver.Errorf(driver.Unsupported, "disk format %q is not supported by this hypervisor", format)
	}
	if err := h.points.Before(ctx, "PutImage", imageID); err != nil {
		return err
	}
	img := Image{ID: imageID, Format: format}
	sum, head := sha256.New(), &prefix{}
	size, err := io.Copy(io.MultiWriter(sum, head), content)
	if err != nil {
		return err
	}
	img.Size, img.VirtualSize, img.SHA256 = size, size, hex.EncodeToString(sum.Sum(nil))
	if format == "qcow2" && head.n == len(head.buf) {
		img.VirtualSize = int64(binary.BigEndian.Uint64(head.buf[24:]) &^ (1 << 63))
	}
	return h.points.Effect(ctx, "PutImage", imageID, &h.mu, func() error {
		if h.image(imageID) == nil {
			h.images.Set(imageID, &storedImage{Image: img})
		}
		return nil
	})
}

// ListImages names the images, sorted.
func (h *Hypervisor) ListImages(ctx context.Context) ([]string, error) {
	if err := h.points.Before(ctx, "ListImages", ""); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests.Len() // guests of the base bring their images
	return h.images.Keys(), nil
}

// DropImage forgets an image that no guest uses.
func (h *Hypervisor) DropImage(ctx context.Context, imageID string) error {
	return h.change(ctx, "DropImage", imageID, func() error {
		h.guests.Len() // as ListImages does
		if img := h.image(imageID); img != nil && img.users > 0 {
			return driver.Errorf(driver.Conflict, "image %s is used by %d guests", imageID, img.users)
		}
		h.images.Delete(imageID)
		return nil
	})
}

// Images returns the images, sorted by ID.
func (h *Hypervisor) Images() []Image {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.guests.Len()
	all := make([]Image, 0, h.images.Len())
	for _, img := range h.images.All() {
		all = append(all, img.Image)
	}
	slices.SortFunc(all, func(a, b Image) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// prefix keeps the first bytes that are written to it: a qcow2 header up to the
// virtual size.
type prefix struct {
	buf [32]byte
	n   int
}

// Write keeps what there is room for.
func (p *prefix) Write(b []byte) (int, error) {
	p.n += copy(p.buf[p.n:], b)
	return len(b), nil
}
