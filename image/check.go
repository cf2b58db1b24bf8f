package image

import (
	"context"
	"fmt"
	"sync"

	"github.com/welkin-cloud/cloud/internal/check"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Checks are the invariants of the images and of their store.
func (s *Service) Checks() []check.Check {
	return []check.Check{
		{
			Name: "image.content", Run: s.checkContent,
			Doc: "The content of every active or deactivated image is in the store, and has the recorded size.",
		},
		{
			Name: "image.orphan-content", Run: s.checkOrphans,
			Doc: "The store holds nothing that no image owns.",
		},
		{
			Name: "image.upload", Run: s.checkUploads,
			Doc: "An image is in status saving only while an upload of this cloud is under way.",
		},
		{
			Name: "image.member", Run: s.checkMembers,
			Doc: "Every member belongs to an image.",
		},
	}
}

func (s *Service) checkContent(ctx context.Context, l *check.Look) error {
	for img := range s.images.All(l.State()) {
		if !img.whole() {
			continue
		}
		c, err := s.cfg.Store.Open(ctx, img.content())
		switch {
		case fault.Of(err) == fault.NotFound:
			l.Found("image/"+img.ID, "is recorded, but its content is not in the store.",
				"Delete the image, and upload it again.")
			continue
		case err != nil:
			l.Unanswered("image-store/"+s.cfg.Store.Name(), err)
			return nil
		}
		if size := c.Size(); size != img.Size {
			l.Found("image/"+img.ID, fmt.Sprintf("has %d bytes on record, but %d in the store.", img.Size, size),
				"Delete the image, and upload it again.")
		}
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) checkOrphans(ctx context.Context, l *check.Look) error {
	stored, err := s.cfg.Store.List(ctx)
	if err != nil {
		l.Unanswered("image-store/"+s.cfg.Store.Name(), err)
		return nil
	}
	for _, id := range stored {
		if s.owned(l.State(), id) || l.Busy("image", id) {
			continue
		}
		l.FoundMendable("image-content/"+id, "is in the store, but no image has it.",
			"Delete it from the store.", func(ctx context.Context) error { return s.dropOrphan(ctx, id) })
	}
	return nil
}

// owned reports whether an image has a content in the store, or is getting it.
func (s *Service) owned(r state.Reader, content string) bool {
	for img := range s.images.Where(r, s.byContent, content) {
		if img.whole() || img.Status == Saving {
			return true
		}
	}
	return false
}

// dropOrphan deletes content from the store unless an image has got it meanwhile.
func (s *Service) dropOrphan(ctx context.Context, id string) error {
	if s.owned(s.core.DB.Snapshot(), id) {
		return nil
	}
	return s.cfg.Store.Delete(ctx, id)
}

func (s *Service) checkUploads(_ context.Context, l *check.Look) error {
	if s.core.Sagas.HasPeers(l.State()) {
		return nil // the upload may be one of theirs
	}
	for img := range s.images.Where(l.State(), s.byState, string(Saving)) {
		if s.uploads.has(img.ID) {
			continue
		}
		l.FoundMendable("image/"+img.ID, "is being saved, but no upload is under way.",
			"Restart the cloud, which makes it queued again.",
			func(ctx context.Context) error { return s.abandon(ctx, img) })
	}
	return nil
}

func (s *Service) checkMembers(_ context.Context, l *check.Look) error {
	for m := range s.members.All(l.State()) {
		if s.images.Has(l.State(), m.ImageID) {
			continue
		}
		l.FoundMendable("image-member/"+m.ImageID+"/"+m.ProjectID, "belongs to an image that does not exist.",
			"Remove the member.", func(ctx context.Context) error {
				return s.core.DB.Update(ctx, func(tx *state.Tx) error {
					key := state.Key(m.ImageID, m.ProjectID)
					if s.images.Has(tx, m.ImageID) || !s.members.Has(tx, key) {
						return nil
					}
					return s.members.Delete(tx, key)
				})
			})
	}
	return nil
}

// uploads are the images whose content this process receives at the moment, or could not
// receive, and has not made queued again.
type uploads struct {
	mu  sync.Mutex
	ids map[string]int
}

// begin notes an upload until end is called.
func (u *uploads) begin(id string) (end func()) {
	u.add(id, 1)
	return func() { u.add(id, -1) }
}

func (u *uploads) add(id string, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids == nil {
		u.ids = map[string]int{}
	}
	if u.ids[id] += n; u.ids[id] == 0 {
		delete(u.ids, id)
	}
}

func (u *uploads) has(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.ids[id] > 0
}
