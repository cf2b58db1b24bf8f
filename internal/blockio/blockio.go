// Package blockio reads streams of disk content block by block.
package blockio

import (
	"bytes"
	"context"
	"io"
)

// Size of a block, in bytes.
const Size = 256 << 10

var zeros [Size]byte

// Each reads r to its end and calls do for each block with its offset; only the last
// block may be shorter than Size. p is reused. It ends early with ctx's error, an
// error of the reader (a stream that is cut off is an error, not an end), or one of
// do.
func Each(ctx context.Context, r io.Reader, do func(at int64, p []byte) error) error {
	p := make([]byte, Size)
	for at := int64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := fill(r, p)
		if n > 0 && (err == nil || err == io.EOF) {
			if err := do(at, p[:n]); err != nil {
				return err
			}
			at += int64(n)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// fill reads until p is full. Unlike io.ReadFull it keeps the reader's own
// io.ErrUnexpectedEOF apart from an orderly end.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// IsZero reports whether p, of at most Size bytes, holds zeros only.
func IsZero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }
