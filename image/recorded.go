package image

import (
	"github.com/welkin-cloud/cloud/internal/state"
)

// Recorded is what the store holds if it holds exactly what was recorded at one moment.
// It is safe for concurrent use and never changes.
type Recorded struct {
	s    *Service
	snap *state.Snapshot
}

// Recorded returns what is recorded now.
func (s *Service) Recorded() *Recorded { return &Recorded{s, s.core.DB.Snapshot()} }

// Image returns an image whose content is in the store.
func (w *Recorded) Image(id string) (Image, bool) {
	img, err := w.s.images.Get(w.snap, id)
	return img, err == nil && img.whole()
}

// Content returns the image whose content is in the store under a name.
func (w *Recorded) Content(name string) (Image, bool) {
	for img := range w.s.images.Where(w.snap, w.s.byContent, name) {
		if img.whole() {
			return img, true
		}
	}
	return Image{}, false
}

// Contents returns the names of what is in the store.
func (w *Recorded) Contents() []string {
	var names []string
	for _, status := range []Status{Active, Deactivated} {
		for img := range w.s.images.Where(w.snap, w.s.byState, string(status)) {
			names = append(names, img.content())
		}
	}
	return names
}
