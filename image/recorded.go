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
	return img, err == nil && (img.Status == Active || img.Status == Deactivated)
}

// Images returns the ids of the images whose content is in the store.
func (w *Recorded) Images() []string {
	var ids []string
	for _, status := range []Status{Active, Deactivated} {
		for img := range w.s.images.Where(w.snap, w.s.byState, string(status)) {
			ids = append(ids, img.ID)
		}
	}
	return ids
}
