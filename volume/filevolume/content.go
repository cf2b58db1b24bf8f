package filevolume

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/welkin-cloud/cloud/internal/blockio"
	"github.com/welkin-cloud/cloud/internal/inspect"
	"github.com/welkin-cloud/cloud/internal/qemuimg"
	"github.com/welkin-cloud/cloud/volume/driver"
)

// Import makes a volume from a disk image. A qcow2 is first stored beside the volumes
// and inspected: qemu-img opens only what is known to stand alone.
func (b *Backend) Import(ctx context.Context, id string, gib int, format string, content io.Reader) error {
	switch format {
	case "raw":
		return b.add(ctx, id, gib, func(f *os.File) error {
			_, err := sparseWrite(ctx, f, content, int64(gib)*driver.GiB)
			return err
		})
	case "qcow2":
		return b.importQcow2(ctx, id, gib, content)
	}
	return driver.Errorf(driver.Invalid, "an image of format %s cannot become a volume", format)
}

func (b *Backend) importQcow2(ctx context.Context, id string, gib int, content io.Reader) error {
	size := int64(gib) * driver.GiB
	src, err := os.CreateTemp(filepath.Join(b.cfg.Dir, tempDir), "image-*")
	if err != nil {
		return kind(err)
	}
	defer os.Remove(src.Name())
	defer src.Close()
	// A qcow2 is at most a little larger than its disk.
	n, err := sparseWrite(ctx, src, content, size+size/64+1<<20)
	if err != nil {
		return kind(err)
	}
	info, err := inspect.Image("qcow2", src, n)
	if err != nil {
		return err
	}
	if info.VirtualSize > size {
		return driver.Errorf(driver.Invalid, "the image's disk does not fit into %d GiB", gib)
	}
	return b.add(ctx, id, gib, func(f *os.File) error {
		return qemuimg.Convert(ctx, "qcow2", src.Name(), "raw", f.Name())
	})
}

// Export reads a volume: the file itself, or a qcow2 made of it, which is gone when
// the reader is closed.
func (b *Backend) Export(ctx context.Context, id, format string) (io.ReadCloser, error) {
	switch format {
	case "raw":
		f, err := os.Open(b.volume(id))
		return f, kind(err)
	case "qcow2":
	default:
		return nil, driver.Errorf(driver.Unsupported, "format %s cannot be exported", format)
	}
	if _, err := os.Stat(b.volume(id)); err != nil {
		return nil, kind(err)
	}
	tmp, err := os.CreateTemp(filepath.Join(b.cfg.Dir, tempDir), "export-*")
	if err != nil {
		return nil, kind(err)
	}
	defer tmp.Close()
	defer os.Remove(tmp.Name())
	if err := qemuimg.Convert(ctx, "raw", b.volume(id), "qcow2", tmp.Name()); err != nil {
		return nil, err
	}
	f, err := os.Open(tmp.Name())
	return f, kind(err)
}

// Overwrite replaces content from the start.
func (b *Backend) Overwrite(ctx context.Context, id string, content io.Reader) error {
	f, err := os.OpenFile(b.volume(id), os.O_RDWR, 0)
	if err != nil {
		return kind(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return kind(err)
	}
	if err := punch(ctx, f, content, info.Size()); err != nil {
		return kind(err)
	}
	return kind(f.Sync())
}

// punch writes content over f: blocks of zeros become holes.
func punch(ctx context.Context, f *os.File, content io.Reader, limit int64) error {
	return eachBlock(ctx, content, limit, func(at int64, p []byte) error {
		if blockio.IsZero(p) {
			err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, at, int64(len(p)))
			if err == nil {
				return nil
			}
		}
		_, err := f.WriteAt(p, at)
		return err
	})
}

// sparseWrite writes content to an empty file and leaves holes for zeros; the file
// ends where the content does.
func sparseWrite(ctx context.Context, f *os.File, content io.Reader, limit int64) (int64, error) {
	var n int64
	err := eachBlock(ctx, content, limit, func(at int64, p []byte) error {
		n = at + int64(len(p))
		if blockio.IsZero(p) {
			return nil
		}
		_, err := f.WriteAt(p, at)
		return err
	})
	if err != nil {
		return n, err
	}
	return n, f.Truncate(n)
}

// eachBlock reads content in blocks, up to limit bytes.
func eachBlock(ctx context.Context, content io.Reader, limit int64, do func(at int64, p []byte) error) error {
	return blockio.Each(ctx, content, func(at int64, p []byte) error {
		if at+int64(len(p)) > limit {
			return driver.Errorf(driver.Invalid, "the content is larger than the volume")
		}
		return do(at, p)
	})
}

// clone makes dst a copy of src, sharing blocks where the file system can.
func clone(ctx context.Context, dst, src *os.File) error {
	if reflink(dst, src) == nil {
		return nil
	}
	return sparseCopy(ctx, dst, src)
}

// reflink shares all blocks of src with dst.
func reflink(dst, src *os.File) error {
	return unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
}

// sparseCopy copies what src holds between its holes.
func sparseCopy(ctx context.Context, dst, src *os.File) error {
	info, err := src.Stat()
	if err != nil {
		return err
	}
	if err := dst.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); ; {
		start, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil // only a hole is left
		}
		if err != nil {
			return err
		}
		end, err := unix.Seek(int(src.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		part := io.NewSectionReader(src, start, end-start)
		err = eachBlock(ctx, part, end-start, func(off int64, p []byte) error {
			_, err := dst.WriteAt(p, start+off)
			return err
		})
		if err != nil {
			return err
		}
		at = end
	}
}
