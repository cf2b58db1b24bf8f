// Package memstore keeps images in memory: the fake of the image stores. It passes
// the same conformance suite as real ones, and faults can be set.
package memstore

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/blockio"
)

// Config of New. The zero value is a store without limit or fault.
type Config struct {
	// MaxBytes is how much all images together may take: 0 means no limit. Beyond
	// it Put answers driver.Exhausted, as a full disk does.
	MaxBytes int64
	// Fault, if not nil, is asked before each operation ("Put", "Open",
	// "Delete"); an error from it is the operation's.
	Fault func(op, id string) error
}

// Store is a driver.Store in memory.
type Store struct {
	mu     sync.Mutex
	cfg    Config
	images map[string][]byte
	bytes  int64
}

var _ driver.Store = (*Store)(nil)

// New returns an empty store.
func New(cfg Config) *Store { return &Store{cfg: cfg, images: map[string][]byte{}} }

// SetFault replaces Config.Fault; nil means no fault.
func (s *Store) SetFault(f func(op, id string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cfg.Fault = f
}

// Name is "memory".
func (s *Store) Name() string { return "memory" }

// Close does nothing.
func (s *Store) Close() error { return nil }

func (s *Store) fault(op, id string) error {
	s.mu.Lock()
	f := s.cfg.Fault
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(op, id)
}

// Put keeps content under id.
func (s *Store) Put(ctx context.Context, id string, content io.Reader) (int64, error) {
	if err := s.fault("Put", id); err != nil {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.images[id]; ok {
		return 0, driver.Errorf(driver.Conflict, "image %s is stored already", id)
	}
	s.images[id] = slices.Clip(data)
	s.bytes += n
	return n, nil
}

// Open returns the content of an image.
func (s *Store) Open(_ context.Context, id string) (driver.Content, error) {
	if err := s.fault("Open", id); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.images[id]
	if !ok {
		return nil, driver.Errorf(driver.NotFound, "the image's content is not in the store")
	}
	return content{bytes.NewReader(b)}, nil
}

// Delete removes an image.
func (s *Store) Delete(_ context.Context, id string) error {
	if err := s.fault("Delete", id); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bytes -= int64(len(s.images[id]))
	delete(s.images, id)
	return nil
}

// List names the images.
func (s *Store) List(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]string, 0, len(s.images))
	for id := range s.images {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids, nil
}

// content is an open image.
type content struct{ *bytes.Reader }

func (content) Close() error { return nil }
