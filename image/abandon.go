package image

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// abandonPause is how long the service waits until it tries again to undo an upload.
const abandonPause = 2 * time.Second

// giveUp undoes an upload: at once, or as soon as the state can be changed. Then it calls
// end.
func (s *Service) giveUp(ctx context.Context, img Image, end func()) {
	err := s.abandon(ctx, img)
	if err == nil || s.life == nil {
		end()
		return
	}
	s.core.Log.WarnContext(ctx, "image: an upload cannot be undone now and will be later", "image", img.ID, "error", err)
	s.core.Clock.AfterFunc(abandonPause, func() {
		if s.enter() { // otherwise the next start does it
			defer s.work.Done()
			s.giveUp(s.life, img, end)
		}
	})
}

// enter reports whether the service is not closed; then the caller must call s.work.Done.
func (s *Service) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.work.Add(1)
	return true
}

// abandon undoes an upload of an image, as it was during it.
func (s *Service) abandon(ctx context.Context, img Image) error {
	if err := s.core.DB.Sync(ctx); err != nil {
		return err
	}
	return s.core.DB.Update(ctx, func(tx *state.Tx) error { return s.abandonIn(ctx, tx, img) })
}

// abandonIn makes the image queued again, unless it is not this upload any more that
// fills it, and has removed what the upload stored. The store may answer late, or the
// upload go on unnoticed, so the next one gets a content of another name.
func (s *Service) abandonIn(ctx context.Context, tx *state.Tx, img Image) error {
	cur, err := s.images.Get(tx, img.ID)
	switch {
	case fault.Of(err) == fault.NotFound: // its content may have come after its purge
		return s.purgeLater(tx, img)
	case err != nil:
		return err
	case cur.Upload != img.Upload && cur.content() == img.content():
		return nil // the upload has made it whole after all, or never began
	case cur.Upload == img.Upload:
		cur.Status, cur.Upload, cur.Session = Queued, "", ""
		cur.FailedUploads++
		cur.UpdatedAt = s.core.Clock.Now()
		if err := s.images.Put(tx, cur); err != nil {
			return err
		}
		s.emit(ctx, tx, "update", cur)
	}
	return s.purgeLater(tx, img)
}

// sweepSaga removes what a controller that is gone may have left in the store, of images
// that were deleted while it received them.
const sweepSaga = "image.sweep"

// sweep removes from the store what no image owns.
func (s *Service) sweep(ctx context.Context) error {
	stored, err := s.cfg.Store.List(ctx)
	if err == nil {
		err = s.core.DB.Sync(ctx)
	}
	if err != nil {
		return err
	}
	r := s.core.DB.Snapshot() // newer than the list: it has whatever got content
	for _, id := range stored {
		if s.owned(r, id) {
			continue
		}
		s.core.Log.WarnContext(ctx, "image: removing content that no image owns", "image", id)
		if err := s.cfg.Store.Delete(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

// controllerGone has the uploads undone that a run of a controller left unfinished, and
// looks for what else it left.
func (s *Service) controllerGone(tx *state.Tx, gone saga.Gone) error {
	var left []Image
	for img := range s.images.Where(tx, s.byState, string(Saving)) {
		if img.Session == gone.Session {
			left = append(left, img)
		}
	}
	for _, img := range left {
		if err := s.abandonIn(s.life, tx, img); err != nil {
			return err
		}
	}
	return s.startSweep(tx)
}

func (s *Service) startSweep(tx *state.Tx) error {
	_, err := s.core.Sagas.Start(tx, saga.Start{Name: sweepSaga, Resource: "image-store/" + s.cfg.Store.Name()})
	return err
}
