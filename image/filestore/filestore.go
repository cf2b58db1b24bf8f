// Package filestore keeps images as files in one directory.
//
// Each image is a file named by its id. An upload is written beside it under a
// temporary name, made durable, and then renamed, so an image is there whole or not
// at all, whatever crashes.
package filestore

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/blockio"
	"github.com/welkin-cloud/cloud/internal/files"
)

// partial ends the names of files that are being written.
const partial = ".part"

// Store is a driver.Store over a directory.
type Store struct{ dir string }

var _ driver.Store = (*Store)(nil)

// Open returns the store in dir, which is made if it is absent. What uploads of an
// earlier process left unfinished is removed: a directory belongs to one process.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"+partial))
	if err != nil {
		return nil, err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return nil, err
		}
	}
	return &Store{dir}, nil
}

// Name is "file".
func (s *Store) Name() string { return "file" }

// Close does nothing: opened images stay readable.
func (s *Store) Close() error { return nil }

// path refuses ids that would leave the directory.
func (s *Store) path(id string) (string, error) {
	if id == "" || strings.ContainsAny(id, "/\x00") || strings.HasPrefix(id, ".") || strings.HasSuffix(id, partial) {
		return "", driver.Errorf(driver.NotFound, "%q cannot be an image id", id)
	}
	return filepath.Join(s.dir, id), nil
}

// Put keeps content under id.
func (s *Store) Put(ctx context.Context, id string, content io.Reader) (int64, error) {
	path, err := s.path(id)
	if err != nil {
		return 0, err
	}
	if _, err := os.Stat(path); err == nil {
		return 0, driver.Errorf(driver.Conflict, "image %s is stored already", id)
	}
	f, err := os.CreateTemp(s.dir, id+".*"+partial)
	if err != nil {
		return 0, kind(err)
	}
	n, err := s.write(ctx, f, content)
	if err == nil {
		// Link, unlike rename, refuses a name that another upload took meanwhile.
		err = os.Link(f.Name(), path)
	}
	os.Remove(f.Name())
	if err == nil {
		err = files.SyncDir(s.dir)
	}
	if err != nil {
		return 0, kind(err)
	}
	return n, nil
}

// write copies content into f, makes it durable and closes it.
func (s *Store) write(ctx context.Context, f *os.File, content io.Reader) (int64, error) {
	defer f.Close()
	var n int64
	err := blockio.Each(ctx, content, func(_ int64, p []byte) error {
		m, err := f.Write(p)
		n += int64(m)
		return err
	})
	if err != nil {
		return n, err
	}
	if err := f.Sync(); err != nil {
		return n, err
	}
	return n, f.Close()
}

// Open returns the content of an image.
func (s *Store) Open(_ context.Context, id string) (driver.Content, error) {
	path, err := s.path(id)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, kind(err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, kind(err)
	}
	return &file{f, info.Size()}, nil
}

// Delete removes an image.
func (s *Store) Delete(_ context.Context, id string) error {
	path, err := s.path(id)
	if err != nil {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return kind(err)
	}
	return kind(files.SyncDir(s.dir))
}

// List names the images that are whole.
func (s *Store) List(context.Context) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, kind(err)
	}
	var ids []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), partial) {
			ids = append(ids, e.Name())
		}
	}
	return ids, nil
}

// file is an open image.
type file struct {
	*os.File
	size int64
}

func (f *file) Size() int64 { return f.size }

// kind gives errors of the file system the kinds that the contract asks for.
func kind(err error) error { return files.Kind(err, "the image's content", "the image store") }
