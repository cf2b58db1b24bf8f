// Package memstore keeps images in memory: the fake of the image stores. It passes
// the same conformance suite as real ones, and faults can be set.
package memstore

import (
	"context"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/blockio"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/inject"
	"github.com/welkin-cloud/cloud/internal/overlay"
)

// Config of New. The zero value is a store without limit or fault.
type Config struct {
	// MaxBytes is how much all images together may take: 0 means no limit. Beyond
	// it Put answers driver.Exhausted, as a full disk does.
	MaxBytes int64
	// Fault is asked at each operation with the method's name and the image's id:
	// before the effect as "Put", after it as "Put/after". The operation ends with the
	// error that it returns. It may block until ctx ends.
	Fault func(ctx context.Context, op, id string) error
	// Delay says how long an operation takes on Clock.
	Delay func(op, id string) time.Duration
	Clock clock.Clock // the machine's if nil

	// Base is what the store keeps already; nothing if it is zero.
	Base Base
}

// Store is a driver.Store in memory.
type Store struct {
	cfg    Config
	points *inject.Points

	mu     sync.Mutex
	images *overlay.Map[blob]
	bytes  int64
}

var _ driver.Store = (*Store)(nil)

// New returns an empty store.
func New(cfg Config) *Store {
	return &Store{
		cfg: cfg, points: inject.New(cfg.Clock, cfg.Fault, cfg.Delay), images: overlay.New(cfg.Base.blobs()),
	}
}

// SetFault replaces Config.Fault; nil ends all faults.
func (s *Store) SetFault(f func(ctx context.Context, op, id string) error) { s.points.SetFault(f) }

// SetDelay replaces Config.Delay; nil ends all delays.
func (s *Store) SetDelay(f func(op, id string) time.Duration) { s.points.SetDelay(f) }

// Name is "memory".
func (s *Store) Name() string { return "memory" }

// Close does nothing.
func (s *Store) Close() error { return nil }

// Put keeps content under id.
func (s *Store) Put(ctx context.Context, id string, content io.Reader) (int64, error) {
	if err := s.points.Before(ctx, "Put", id); err != nil {
		return 0, err
	}
	var room int64 = 1 << 62
	if s.cfg.MaxBytes > 0 {
		s.mu.Lock()
		room = s.cfg.MaxBytes - s.bytes
		s.mu.Unlock()
	}
	var data []byte
	err := blockio.Each(ctx, content, func(_ int64, p []byte) error {
		if int64(len(data)+len(p)) > room {
			return driver.Errorf(driver.Exhausted, "the image store has no space left")
		}
		data = append(data, p...)
		return nil
	})
	if err != nil {
		return 0, err
	}
	n := int64(len(data))
	return n, s.points.Effect(ctx, "Put", id, &s.mu, func() error {
		if _, ok := s.images.Get(id); ok {
			return driver.Errorf(driver.Conflict, "image %s is stored already", id)
		}
		s.images.Set(id, blob{data: slices.Clip(data), size: n})
		s.bytes += n
		return nil
	})
}

// Open returns the content of an image.
func (s *Store) Open(ctx context.Context, id string) (driver.Content, error) {
	if err := s.points.Before(ctx, "Open", id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.images.Get(id)
	if !ok {
		return nil, driver.Errorf(driver.NotFound, "the image's content is not in the store")
	}
	return content{io.NewSectionReader(b, 0, b.size)}, nil
}

// Delete removes an image.
func (s *Store) Delete(ctx context.Context, id string) error {
	return s.points.Call(ctx, "Delete", id, &s.mu, func() error {
		if b, ok := s.images.Get(id); ok && !b.free {
			s.bytes -= b.size
		}
		s.images.Delete(id)
		return nil
	})
}

// List names the images.
func (s *Store) List(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.images.Keys(), nil
}

// content is an open image.
type content struct{ *io.SectionReader }

func (content) Close() error { return nil }
