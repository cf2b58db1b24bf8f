// Package files has what drivers that keep things in directories share: making a
// directory durable, and giving the file system's errors the kinds of the drivers'
// contracts.
package files

import (
	"errors"
	"os"
	"syscall"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// SyncDir makes the names in a directory durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Kind returns err with a kind where the file system's error has one: NotFound,
// Conflict, Exhausted or Unavailable. Messages name the thing ("the image") and the
// place ("the image store"), never a path. Other errors, and nil, are returned as
// they are.
func Kind(err error, thing, place string) error {
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fault.New(fault.NotFound, "%s is not in %s", thing, place)
	case errors.Is(err, os.ErrExist):
		return fault.New(fault.Conflict, "%s is in %s already", thing, place)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, syscall.EFBIG):
		return fault.New(fault.Exhausted, "%s has no space left", place)
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.EROFS):
		return fault.New(fault.Unavailable, "%s cannot be written", place)
	}
	return err
}
