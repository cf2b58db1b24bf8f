// Package image keeps disk images: their records in the state, their content in a
// store. It does what OpenStack's Glance does.
//
// A [Service] is what applications hold. Where the bytes live is a driver: see
// package image/driver, and filestore and memstore for two of them.
//
// # Uploads
//
// Content is streamed into the store once, while it is measured and hashed, and is
// inspected before the image becomes active: an image whose head says that it needs
// another file of the host, or that is not what it is declared to be, is refused and
// stays queued. A crash during an upload leaves a queued image.
//
// The store keeps a content under the id of its image, with a number behind it if uploads
// have failed before. So no two uploads ever have one name, and whatever is still under way
// for an upload that was given up - a controller that stood still, an answer that got
// lost - does no harm to the next one.
package image

import (
	"context"
	"errors"
	"sync"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Config of New.
type Config struct {
	// Store keeps the content. Required; its owner closes it, after the sagas.
	Store driver.Store
	// MaxBytes is how large one image may be; 0 means 1 TiB.
	MaxBytes int64
	// MaxImages is how many images a project may own; 0 means 10,000.
	MaxImages int
}

// Service is the image service of one cloud. It is safe for concurrent use.
type Service struct {
	core    *core.Core
	cfg     Config
	images  *state.Collection[Image]
	byOwner *state.Index[Image]
	byName  *state.Index[Image]
	byState *state.Index[Image]
	// byContent finds images by what the store calls their content.
	byContent *state.Index[Image]
	members   *state.Collection[Member]
	byProj    *state.Index[Member]
	byImage   *state.Index[Member]

	uploads uploads
	life    context.Context // ends at Close; nil before Start
	end     context.CancelFunc
	mu      sync.Mutex     // no work begins when life has ended
	work    sync.WaitGroup // what the service does by itself
}

// New returns a service over c, whose state is not open yet.
func New(c *core.Core, cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("image: Config.Store is required")
	}
	if cfg.MaxBytes == 0 {
		cfg.MaxBytes = 1 << 40
	}
	if cfg.MaxImages == 0 {
		cfg.MaxImages = 10_000
	}
	s := &Service{core: c, cfg: cfg}
	s.byOwner = state.NewIndex("owner", func(i *Image) []string { return []string{state.Key(i.ProjectID)} })
	s.byName = state.NewIndex("name", func(i *Image) []string { return []string{state.Key(i.Name)} })
	s.byState = state.NewIndex("status", func(i *Image) []string { return []string{state.Key(string(i.Status))} })
	s.byContent = state.NewIndex("content", func(i *Image) []string { return []string{state.Key(i.content())} })
	s.images = state.Define(c.DB, state.Spec[Image]{
		Name: "image.images", Noun: "image",
		Key:     func(i *Image) string { return i.ID },
		Indexes: []*state.Index[Image]{s.byOwner, s.byName, s.byState, s.byContent},
	})
	s.byProj = state.NewIndex("project", func(m *Member) []string { return []string{state.Key(m.ProjectID)} })
	s.byImage = state.NewIndex("image", func(m *Member) []string { return []string{state.Key(m.ImageID)} })
	s.members = state.Define(c.DB, state.Spec[Member]{
		Name: "image.members", Noun: "image member",
		Key:     func(m *Member) string { return state.Key(m.ImageID, m.ProjectID) },
		Indexes: []*state.Index[Member]{s.byProj, s.byImage},
	})
	c.Sagas.Define(saga.Definition{
		Name:  purgeSaga,
		Steps: []saga.Step{{Name: "delete content", Do: s.purge, Attempts: 100}},
	})
	c.Sagas.Define(saga.Definition{
		Name:  sweepSaga,
		Steps: []saga.Step{{Name: "sweep", Do: func(ctx context.Context, _ *saga.Run) error { return s.sweep(ctx) }, Attempts: 100, Insist: true}},
	})
	c.Sagas.WhenGone(s.controllerGone)
	return s, nil
}

// Start makes queued again what an upload of an earlier process left unfinished, and
// removes content that no image owns, unless another controller leads.
func (s *Service) Start(ctx context.Context) error {
	if s.life == nil {
		s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	}
	r := s.core.DB.Snapshot()
	for img := range s.images.Where(r, s.byState, string(Saving)) {
		if img.Session != s.core.Sagas.Session() && s.core.Sagas.AtWork(r, img.Session) {
			continue // another controller receives it
		}
		if err := s.abandon(ctx, img); err != nil {
			return fault.Wrap("image.Start", err)
		}
	}
	switch {
	case s.core.Forked:
		return nil
	case !s.core.Sagas.Leads(): // an earlier run of this controller may have left something
		return fault.Wrap("image.Start", s.core.DB.Update(ctx, s.startSweep))
	}
	return fault.Wrap("image.Start", s.sweep(ctx))
}

// Close ends what the service does by itself. Close it after the sagas.
func (s *Service) Close() error {
	if s.life == nil {
		return nil
	}
	s.mu.Lock()
	s.end()
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// StoreName is the name of the store that holds the images.
func (s *Service) StoreName() string { return s.cfg.Store.Name() }

// emit records what happened to an image, with Glance's names of notifications.
func (s *Service) emit(ctx context.Context, tx *state.Tx, what string, i Image) {
	who := caller.From(ctx)
	tx.Emit(state.Event{
		Type: "image." + what, Resource: "image", ID: i.ID,
		ProjectID: i.ProjectID, UserID: who.UserID, RequestID: who.RequestID,
		Time:   s.core.Clock.Now(),
		Traits: map[string]string{"name": i.Name, "status": string(i.Status)},
	})
}

// change alters the image in a transaction and emits an event.
func (s *Service) change(ctx context.Context, id, event string, f func(tx *state.Tx, i *Image) error) (Image, error) {
	var out Image
	err := s.core.DB.Update(ctx, func(tx *state.Tx) error {
		return s.images.Change(tx, id, func(i *Image) error {
			if err := f(tx, i); err != nil {
				return err
			}
			i.UpdatedAt = s.core.Clock.Now()
			out = *i
			s.emit(ctx, tx, event, *i)
			return nil
		})
	})
	return out, err
}

// purgeSaga removes a content that no image has any more.
const purgeSaga = "image.purge"

type purgeParams struct {
	ID string `json:"id"` // what the store calls the content
}

// purgeLater has the content of an image removed.
func (s *Service) purgeLater(tx *state.Tx, img Image) error {
	_, err := s.core.Sagas.Start(tx, saga.Start{
		Name: purgeSaga, Resource: "image/" + img.content(), ProjectID: img.ProjectID,
		Params: purgeParams{img.content()},
	})
	return err
}

func (s *Service) purge(ctx context.Context, r *saga.Run) error {
	var p purgeParams
	if err := r.Params(&p); err != nil {
		return err
	}
	err := s.cfg.Store.Delete(ctx, p.ID)
	if err != nil && fault.Of(err) == fault.Internal {
		return fault.New(fault.Unavailable, "the image store did not delete the content").Because(err)
	}
	return err
}
