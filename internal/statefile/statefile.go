// Package statefile is the format of a saved state: lines of JSON. The first is a
// [Header]; then comes a line for each document, by collection and in the order of the
// keys; the last one has their number and the SHA-256 of all lines before it. So a file
// that was cut off or altered is found out.
package statefile

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/state"
)

// Format and Version of the files that this package writes.
const (
	Format  = "welkin-state"
	Version = 1
)

// MaxLine bounds one line, and so one document, in bytes.
const MaxLine = 16 << 20

// Header is the first line: what the cloud was made of whose state it is.
type Header struct {
	Format   string `json:"format"`
	Version  int    `json:"version"`
	Revision uint64 `json:"revision"`

	Hosts           []string `json:"hosts"`         // with a hypervisor
	NetworkHosts    []string `json:"network_hosts"` // with a network mechanism
	RouterHost      string   `json:"router_host"`
	Backends        []string `json:"backends"` // of volumes
	Backups         bool     `json:"backups,omitempty"`
	ExternalNetwork string   `json:"external_network,omitempty"`
	SharedKeys      bool     `json:"shared_keys,omitempty"` // the keys of tokens are in the state
}

// row is a line of a document.
type row struct {
	Collection string          `json:"in"`
	Key        string          `json:"key"`
	Version    int             `json:"version"`
	Doc        json.RawMessage `json:"doc"`
}

// trailer is the last line.
type trailer struct {
	Rows   *uint64 `json:"rows"`
	SHA256 string  `json:"sha256"`
}

// Write writes a snapshot. Format, Version and Revision of the header are filled in.
func Write(ctx context.Context, w io.Writer, h Header, s *state.Snapshot) error {
	h.Format, h.Version, h.Revision = Format, Version, s.Revision()
	buffered := bufio.NewWriterSize(w, 64<<10)
	sum := sha256.New()
	out := &writer{w: io.MultiWriter(buffered, sum)}
	if err := out.line(h); err != nil {
		return err
	}
	rows := uint64(0)
	err := s.Export(ctx, func(r state.Row) error {
		rows++
		return out.line(row{r.Collection, r.Key, r.Version, r.Doc})
	})
	if err != nil {
		return err
	}
	out.w = buffered
	if err := out.line(trailer{&rows, hex.EncodeToString(sum.Sum(nil))}); err != nil {
		return err
	}
	return buffered.Flush()
}

type writer struct{ w io.Writer }

func (w *writer) line(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fault.New(fault.Internal, "a document cannot be saved").Because(err)
	}
	if len(line) >= MaxLine {
		return fault.New(fault.TooLarge, "a document of %d bytes cannot be saved", len(line))
	}
	_, err = w.w.Write(append(line, '\n'))
	return err
}

// Reader reads a saved state.
type Reader struct {
	Header Header

	lines *bufio.Scanner
	sum   hash.Hash
	last  row
	seen  map[string]bool // collections that came
}

// NewReader reads the header.
func NewReader(r io.Reader) (*Reader, error) {
	in := &Reader{lines: bufio.NewScanner(r), sum: sha256.New(), seen: map[string]bool{}}
	in.lines.Buffer(make([]byte, 0, 64<<10), MaxLine)
	in.lines.Split(wholeLines)
	line, err := in.next()
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(line, &in.Header) != nil || in.Header.Format != Format {
		return nil, refuse("it is no saved state")
	}
	if in.Header.Version != Version {
		return nil, refuse("its format has version %d, this program knows %d", in.Header.Version, Version)
	}
	in.sum.Write(line)
	return in, nil
}

var errCut = errors.New("the last line is not whole")

// wholeLines splits at line ends, which it keeps. A last line without one is an error.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if end := bytes.IndexByte(data, '\n'); end >= 0 {
		return end + 1, data[:end+1], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, errCut
	}
	return 0, nil, nil
}

// next reads a line. It is good until the next call.
func (in *Reader) next() ([]byte, error) {
	if in.lines.Scan() {
		return in.lines.Bytes(), nil
	}
	switch err := in.lines.Err(); {
	case err == nil, errors.Is(err, errCut):
		return nil, refuse("it was cut off")
	case errors.Is(err, bufio.ErrTooLong):
		return nil, refuse("it has a line of more than %d bytes", MaxLine)
	default:
		return nil, err
	}
}

// Rows calls f for each document, and then makes sure that the file is whole and
// unaltered: only if Rows returns nil may what f was given be used.
func (in *Reader) Rows(ctx context.Context, f func(state.Row) error) error {
	for rows := uint64(0); ; rows++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		line, err := in.next()
		if err != nil {
			return err
		}
		var end trailer
		if bytes.HasPrefix(line, []byte(`{"rows":`)) && json.Unmarshal(line, &end) == nil && end.Rows != nil {
			return in.finish(rows, end)
		}
		in.sum.Write(line)
		if err := in.row(line, f); err != nil {
			return err
		}
	}
}

// row passes on one document. Each comes after the one before it.
func (in *Reader) row(line []byte, f func(state.Row) error) error {
	var r row
	if json.Unmarshal(line, &r) != nil || r.Collection == "" || r.Key == "" || len(r.Doc) == 0 {
		return refuse("it has a line that is no document")
	}
	switch {
	case r.Collection != in.last.Collection && in.seen[r.Collection],
		r.Collection == in.last.Collection && r.Key <= in.last.Key:
		return refuse("its documents are not in order: %s %q", r.Collection, r.Key)
	}
	in.seen[r.Collection] = true
	in.last = row{Collection: r.Collection, Key: r.Key}
	return f(state.Row{
		Collection: r.Collection, Key: r.Key, Version: r.Version, Revision: in.Header.Revision, Doc: r.Doc,
	})
}

// finish compares what was read with the last line.
func (in *Reader) finish(rows uint64, end trailer) error {
	switch {
	case *end.Rows != rows:
		return refuse("it has %d documents instead of %d", rows, *end.Rows)
	case end.SHA256 != hex.EncodeToString(in.sum.Sum(nil)):
		return refuse("it was altered: its SHA-256 differs")
	case in.lines.Scan() || in.lines.Err() != nil:
		return refuse("something comes after its end")
	}
	return nil
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Invalid, "the saved state cannot be loaded: "+format, args...)
}
