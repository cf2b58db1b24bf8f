// Package driver is for implementers of image stores. Application code uses package
// image.
//
// A [Store] keeps the bytes of images under their ids. Package drivertest holds the
// conformance suite; every sentence with "must" is tested there.
package driver

import (
	"context"
	"io"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// The kinds of error that a driver may return.
const (
	NotFound    = fault.NotFound
	Conflict    = fault.Conflict
	Exhausted   = fault.Exhausted // no space left: API users see 413 or 507
	Unavailable = fault.Unavailable
)

// Errorf returns an error of the kind whose message API users may read.
func Errorf(kind fault.Kind, format string, args ...any) error {
	return fault.New(kind, format, args...)
}

// Content is an opened image. Reading at offsets lets a format be inspected without
// the whole.
type Content interface {
	io.Reader
	io.ReaderAt
	io.Closer
	// Size in bytes.
	Size() int64
}

// Store keeps images.
type Store interface {
	// Name of the store as the API shows it: "file", "memory".
	Name() string
	// Put reads content to its end and keeps it under id, durable when it
	// returns. Until then the id must not be there. A reader that fails, or a
	// ctx that ends, must leave nothing behind. Conflict if the id is taken.
	// It returns how many bytes were kept.
	Put(ctx context.Context, id string, content io.Reader) (int64, error)
	// Open returns the image: NotFound if it is not there. What was opened stays
	// readable after Delete.
	Open(ctx context.Context, id string) (Content, error)
	// Delete removes the image: nil if it is not there.
	Delete(ctx context.Context, id string) error
	// List names all images that are kept.
	List(ctx context.Context) ([]string, error)
	Close() error
}
