package image

import (
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"io"
	"slices"

	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/internal/blockio"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/inspect"
	"github.com/welkin-cloud/cloud/internal/state"
)

// UploadImage stores the content of a queued image, reading it to its end, and makes
// the image active. If the content is cut off, refused, or does not fit, the image is
// queued again.
//
// Errors: NotFound; Conflict if the image is not queued; Invalid if its formats are
// not declared or the content is not what they say; TooLarge; Exhausted.
func (s *Service) UploadImage(ctx context.Context, id string, content io.Reader) (Image, error) {
	const op = "image.UploadImage"
	var img Image
	end := s.uploads.begin(id)
	upload := s.core.IDs.UUID()
	_, err := s.change(ctx, id, "prepare", func(_ *state.Tx, i *Image) error {
		if i.Status != Queued {
			return fault.New(fault.Conflict, "Image %s is in status %s: it takes no data now.", id, i.Status)
		}
		if i.DiskFormat == "" || i.ContainerFormat == "" {
			return fault.New(fault.Invalid, "Properties disk_format and container_format must be set prior to saving data.")
		}
		i.Status, i.Upload, i.Session = Saving, upload, s.core.Sagas.Session()
		img = *i
		return nil
	})
	done := img
	if err == nil {
		done, err = s.fill(ctx, img, content)
	}
	if err == nil || img.Upload == "" {
		end()
		return done, fault.Wrap(op, err)
	}
	// The caller may be gone, but the image must be queued again.
	s.giveUp(context.WithoutCancel(ctx), img, end)
	return Image{}, fault.Wrap(op, err)
}

// fill receives the content of an image and makes it active.
func (s *Service) fill(ctx context.Context, img Image, content io.Reader) (Image, error) {
	got, err := s.receive(ctx, img, content)
	if err != nil {
		return Image{}, err
	}
	return s.activate(ctx, img.ID, img.Upload, got)
}

// received is what is known of a content that is in the store.
type received struct {
	size, virtual int64
	md5, sha512   string
}

// receive streams content into the store, hashing on the way, and inspects it there.
func (s *Service) receive(ctx context.Context, img Image, content io.Reader) (received, error) {
	sums := newHasher()
	body := &limited{r: io.TeeReader(content, sums), left: s.cfg.MaxBytes}
	n, err := s.cfg.Store.Put(ctx, img.content(), body)
	md5sum, sha := sums.finish()
	if err != nil {
		return received{}, err
	}
	c, err := s.cfg.Store.Open(ctx, img.content())
	if err != nil {
		return received{}, err
	}
	defer c.Close()
	info, err := inspect.Image(img.DiskFormat, c, c.Size())
	if err != nil {
		return received{}, err
	}
	return received{size: n, virtual: info.VirtualSize, md5: md5sum, sha512: sha}, nil
}

func (s *Service) activate(ctx context.Context, id, upload string, got received) (Image, error) {
	return s.change(ctx, id, "upload", func(_ *state.Tx, i *Image) error {
		if i.Status != Saving || i.Upload != upload {
			return fault.New(fault.Conflict, "Image %s was changed during the upload.", id)
		}
		i.Status, i.Upload, i.Session = Active, "", ""
		i.Size, i.VirtualSize = got.size, got.virtual
		i.MD5, i.SHA512 = got.md5, got.sha512
		return nil
	})
}

// OpenImage opens the content of an active image; the caller closes it.
//
// Errors: NotFound; Conflict if it has no content; Forbidden if it is deactivated.
func (s *Service) OpenImage(ctx context.Context, id string) (driver.Content, error) {
	const op = "image.OpenImage"
	img, err := s.GetImage(ctx, id)
	if err != nil {
		return nil, fault.Wrap(op, err)
	}
	switch img.Status {
	case Active:
	case Deactivated:
		return nil, fault.Wrap(op, fault.New(fault.Forbidden, "The requested image has been deactivated. Image data download is forbidden."))
	default:
		return nil, fault.Wrap(op, fault.New(fault.Conflict, "Image %s has no data: it is in status %s.", id, img.Status))
	}
	c, err := s.cfg.Store.Open(ctx, img.content())
	return c, fault.Wrap(op, err)
}

// limited fails a read beyond left bytes, instead of ending it as if all were there.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	l.left -= int64(n)
	if l.left < 0 {
		return 0, fault.New(fault.TooLarge, "The image is larger than this cloud takes.")
	}
	return n, err
}

// hasher computes MD5 and SHA-512 of what is written to it, each in a goroutine of
// its own beside the one that writes to the store: on two cores an upload then costs
// little more than the slower of hashing and writing.
type hasher struct {
	lanes [2]lane
}

type lane struct {
	sum  hash.Hash
	in   chan []byte
	done chan struct{}
	free chan []byte
}

// hashDepth is how many writes a hash may lag behind.
const hashDepth = 4

func newHasher() *hasher {
	h := &hasher{lanes: [2]lane{{sum: md5.New()}, {sum: sha512.New()}}}
	for i := range h.lanes {
		l := &h.lanes[i]
		l.in, l.done, l.free = make(chan []byte, hashDepth), make(chan struct{}), make(chan []byte, hashDepth+2)
		go func() {
			defer close(l.done)
			for b := range l.in {
				l.sum.Write(b)
				l.free <- b
			}
		}()
	}
	return h
}

// Write hands a copy of p to each lane: the reader uses its buffer again. Large writes
// go in pieces, so that the copies stay small.
func (h *hasher) Write(p []byte) (int, error) {
	for piece := range slices.Chunk(p, blockio.Size) {
		for i := range h.lanes {
			l := &h.lanes[i]
			var b []byte
			select {
			case b = <-l.free:
			default:
			}
			l.in <- append(b[:0], piece...)
		}
	}
	return len(p), nil
}

// finish ends the goroutines and returns both sums in hexadecimal.
func (h *hasher) finish() (md5sum, sha512sum string) {
	for i := range h.lanes {
		close(h.lanes[i].in)
		<-h.lanes[i].done
	}
	return hex.EncodeToString(h.lanes[0].sum.Sum(nil)), hex.EncodeToString(h.lanes[1].sum.Sum(nil))
}
