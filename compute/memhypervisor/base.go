package memhypervisor

import (
	"slices"

	"github.com/welkin-cloud/cloud/compute/driver"
	"github.com/welkin-cloud/cloud/internal/overlay"
)

// images is the base as the host keeps it. Its images are not listed before they are
// touched.
func (b Base) images() overlay.Base[*storedImage] {
	if b.Image == nil {
		return overlay.Base[*storedImage]{}
	}
	return overlay.Base[*storedImage]{Get: func(id string) (*storedImage, bool) {
		img, ok := b.Image(id)
		return &storedImage{Image: img}, ok
	}}
}

func (h *Hypervisor) guestsOf(b Base) overlay.Base[*guest] {
	if b.Guest == nil {
		return overlay.Base[*guest]{}
	}
	return overlay.Base[*guest]{Keys: b.Guests, Get: func(id string) (*guest, bool) {
		spec, power, ok := b.Guest(id)
		if !ok {
			return nil, false
		}
		return h.found(spec, power), true
	}}
}

// found is a guest of the base, which was booted once. The image of its root is on the
// host, whatever has become of it elsewhere.
func (h *Hypervisor) found(spec driver.Spec, power driver.Power) *guest {
	g := &guest{spec: spec, power: power, boots: 1, drive: len(spec.ConfigDrive)}
	g.spec.ConfigDrive = nil
	g.spec.Disks, g.spec.NICs = slices.Clone(spec.Disks), slices.Clone(spec.NICs)
	if spec.Root == nil {
		return g
	}
	root := *spec.Root
	g.spec.Root = &root
	img := h.image(root.ImageID)
	if img == nil {
		img = &storedImage{Image: Image{ID: root.ImageID, Format: root.Format}}
		h.images.Set(root.ImageID, img)
	}
	img.users++
	return g
}

// guest returns a guest, or nil. The caller holds mu.
func (h *Hypervisor) guest(id string) *guest {
	g, _ := h.guests.Get(id)
	return g
}

// image returns an image, or nil. The caller holds mu.
func (h *Hypervisor) image(id string) *storedImage {
	img, ok := h.images.Get(id)
	if !ok {
		return nil
	}
	return img
}
