package memstore

import (
	"io"

	"github.com/welkin-cloud/cloud/internal/overlay"
)

// Base is what a store keeps before its first call. Its functions may be nil; they are
// asked for a content when it is first touched, and must give the same answers always.
// What is in the base takes no part of MaxBytes.
type Base struct {
	// Content returns the size of a content and how it begins; the rest are zeros.
	Content func(id string) (size int64, head []byte, ok bool)
	IDs     func() []string // of all
}

func (b Base) blobs() overlay.Base[blob] {
	if b.Content == nil {
		return overlay.Base[blob]{}
	}
	return overlay.Base[blob]{Keys: b.IDs, Get: func(id string) (blob, bool) {
		size, head, ok := b.Content(id)
		return blob{data: head[:min(int64(len(head)), size)], size: size, free: true}, ok
	}}
}

// blob is a content: data, and zeros up to its size.
type blob struct {
	data []byte
	size int64
	free bool // of the base: its size does not count
}

// ReadAt reads the content.
func (b blob) ReadAt(p []byte, at int64) (int, error) {
	if at >= b.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), b.size-at))
	clear(p[:n])
	if at < int64(len(b.data)) {
		copy(p[:n], b.data[at:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
