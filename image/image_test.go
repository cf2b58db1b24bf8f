package image_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha512"
	"encoding/hex"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/image/driver"
	"github.com/welkin-cloud/cloud/image/memstore"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/core/coretest"
	"github.com/welkin-cloud/cloud/internal/fault"
)

const project = "p1"

type world struct {
	*image.Service
	t     *testing.T
	core  *core.Core
	store *memstore.Store
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, core: coretest.New(t), store: memstore.New(memstore.Config{})}
	var err error
	w.Service, err = image.New(w.core, image.Config{Store: w.store, MaxBytes: 8 << 20, MaxImages: 3})
	require.NoError(t, err)
	coretest.Open(t, w.core)
	require.NoError(t, w.Start(t.Context()))
	return w
}

func (w *world) raw(name string) image.Image {
	w.t.Helper()
	img, err := w.CreateImage(w.t.Context(), project, image.CreateOptions{Name: name, DiskFormat: "raw", ContainerFormat: "bare"})
	require.NoError(w.t, err)
	return img
}

func (w *world) stored() []string {
	w.t.Helper()
	l, err := w.store.List(w.t.Context())
	require.NoError(w.t, err)
	return l
}

func TestUploadAndDownload(t *testing.T) {
	w := newWorld(t)
	img := w.raw("os")
	require.Equal(t, image.Queued, img.Status)
	want := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	got, err := w.UploadImage(t.Context(), img.ID, bytes.NewReader(want))
	require.NoError(t, err)
	require.Equal(t, image.Active, got.Status)
	require.EqualValues(t, len(want), got.Size)
	m, s := md5.Sum(want), sha512.Sum512(want)
	require.Equal(t, hex.EncodeToString(m[:]), got.MD5)
	require.Equal(t, hex.EncodeToString(s[:]), got.SHA512)

	c, err := w.OpenImage(t.Context(), img.ID)
	require.NoError(t, err)
	defer c.Close()
	back, err := io.ReadAll(c)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, back))

	_, err = w.UploadImage(t.Context(), img.ID, bytes.NewReader(nil))
	require.ErrorIs(t, err, fault.Conflict, "it has content")
}

func TestUploadsThatFailLeaveAQueuedImage(t *testing.T) {
	cut := io.MultiReader(bytes.NewReader(make([]byte, 1<<20)), iotest.ErrReader(io.ErrUnexpectedEOF))
	for name, c := range map[string]struct {
		body io.Reader
		want error
	}{
		"cut off":   {cut, io.ErrUnexpectedEOF},
		"too large": {bytes.NewReader(make([]byte, 9<<20)), fault.TooLarge},
		"a lie":     {bytes.NewReader([]byte("QFI\xfb\x00\x00\x00\x03")), fault.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			img := w.raw("x")
			_, err := w.UploadImage(t.Context(), img.ID, c.body)
			require.ErrorIs(t, err, c.want)
			img, err = w.GetImage(t.Context(), img.ID)
			require.NoError(t, err)
			require.Equal(t, image.Queued, img.Status)
			require.Zero(t, img.Size)
			require.NoError(t, w.core.Sagas.Idle(t.Context()))
			require.Empty(t, w.stored())
			_, err = w.UploadImage(t.Context(), img.ID, bytes.NewReader([]byte("fine")))
			require.NoError(t, err)
		})
	}
}

func TestAFullStoreSaysSo(t *testing.T) {
	w := newWorld(t)
	img := w.raw("x")
	w.store.SetFault(func(_ context.Context, op, _ string) error {
		if op == "Put" {
			return driver.Errorf(driver.Exhausted, "the image store has no space left")
		}
		return nil
	})
	_, err := w.UploadImage(t.Context(), img.ID, bytes.NewReader([]byte("x")))
	require.ErrorIs(t, err, fault.Exhausted)
	require.Contains(t, fault.Public(err), "no space")
}

func TestDeletedDuringUpload(t *testing.T) {
	w := newWorld(t)
	img := w.raw("x")
	_, err := w.UploadImage(t.Context(), img.ID, readerFunc(func([]byte) (int, error) {
		require.NoError(t, w.DeleteImage(context.Background(), img.ID))
		return 0, io.EOF
	}))
	require.ErrorIs(t, err, fault.NotFound)
	require.NoError(t, w.core.Sagas.Idle(t.Context()))
	require.Empty(t, w.stored())
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestStartMendsWhatACrashLeft(t *testing.T) {
	w := newWorld(t)
	img := w.raw("x")
	started, stop := make(chan struct{}), make(chan struct{})
	done := make(chan struct{})
	go func() { // an upload that never ends, as of a process that is gone
		defer close(done)
		_, _ = w.UploadImage(context.Background(), img.ID, readerFunc(func([]byte) (int, error) {
			close(started)
			<-stop
			return 0, io.ErrUnexpectedEOF
		}))
	}()
	<-started
	_, err := w.store.Put(t.Context(), "11111111-1111-4111-8111-111111111111", bytes.NewReader([]byte("orphan")))
	require.NoError(t, err)

	require.NoError(t, w.Start(t.Context()))
	got, err := w.GetImage(t.Context(), img.ID)
	require.NoError(t, err)
	require.Equal(t, image.Queued, got.Status)
	require.Empty(t, w.stored())
	close(stop)
	<-done
}

// TestAnUploadThatWasGivenUpHarmsNoOther has the store delete what an upload left only
// when the next upload is through, as a controller that stood still does.
func TestAnUploadThatWasGivenUpHarmsNoOther(t *testing.T) {
	synctest.Test(t, uploadBesideOneGivenUp)
}

func uploadBesideOneGivenUp(t *testing.T) {
	w := newWorld(t)
	img := w.raw("x")
	stored, first, deletion := make(chan struct{}), make(chan struct{}), make(chan struct{})
	w.store.SetFault(func(_ context.Context, op, _ string) error {
		switch op {
		case "Put/after":
			close(stored)
			<-first
		case "Delete":
			<-deletion
		}
		return nil
	})
	var work sync.WaitGroup
	var late error
	work.Go(func() { _, late = w.UploadImage(context.Background(), img.ID, strings.NewReader("first")) })
	<-stored
	work.Go(func() { _ = w.Start(context.Background()) })
	synctest.Wait()
	w.store.SetFault(nil)
	second, err := w.UploadImage(t.Context(), img.ID, strings.NewReader("second"))
	require.NoError(t, err)
	close(first)
	close(deletion)
	work.Wait()
	require.Error(t, late)
	require.NoError(t, w.core.Sagas.Idle(t.Context()))
	require.Len(t, w.stored(), 1)
	c, err := w.OpenImage(t.Context(), second.ID)
	require.NoError(t, err)
	defer c.Close()
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, "second", string(got))
}

func TestDeleteRemovesTheContent(t *testing.T) {
	w := newWorld(t)
	img := w.raw("x")
	_, err := w.UploadImage(t.Context(), img.ID, bytes.NewReader([]byte("x")))
	require.NoError(t, err)
	yes, no := true, false
	_, err = w.UpdateImage(t.Context(), img.ID, image.UpdateOptions{Protected: &yes})
	require.NoError(t, err)
	require.ErrorIs(t, w.DeleteImage(t.Context(), img.ID), fault.Forbidden)
	_, err = w.UpdateImage(t.Context(), img.ID, image.UpdateOptions{Protected: &no})
	require.NoError(t, err)
	require.NoError(t, w.DeleteImage(t.Context(), img.ID))
	require.NoError(t, w.core.Sagas.Idle(t.Context()))
	require.Empty(t, w.stored())
	require.ErrorIs(t, w.DeleteImage(t.Context(), img.ID), fault.NotFound)
}

func TestAnIDIsNotTakenAgainBeforeItsContentIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		img := w.raw("x")
		_, err := w.UploadImage(t.Context(), img.ID, strings.NewReader("first"))
		require.NoError(t, err)
		deletion := make(chan struct{})
		w.store.SetFault(func(_ context.Context, op, _ string) error {
			if op == "Delete" {
				<-deletion
			}
			return nil
		})
		require.NoError(t, w.DeleteImage(t.Context(), img.ID))
		again := image.CreateOptions{ID: img.ID, DiskFormat: "raw", ContainerFormat: "bare"}
		_, err = w.CreateImage(t.Context(), project, again)
		require.ErrorIs(t, err, fault.AlreadyExists)
		close(deletion)
		require.NoError(t, w.core.Sagas.Idle(t.Context()))
		_, err = w.CreateImage(t.Context(), project, again)
		require.NoError(t, err)
		_, err = w.UploadImage(t.Context(), img.ID, strings.NewReader("second"))
		require.NoError(t, err)
		require.NoError(t, w.core.Sagas.Idle(t.Context()))
		require.Len(t, w.stored(), 1)
	})
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	for _, opts := range []image.CreateOptions{
		{ID: "not-a-uuid"}, {DiskFormat: "floppy"}, {ContainerFormat: "box"}, {Visibility: "secret"},
		{MinDiskGiB: -1}, {Name: string(make([]byte, 300))}, {Properties: map[string]string{"": "x"}},
	} {
		_, err := w.CreateImage(t.Context(), project, opts)
		require.ErrorIs(t, err, fault.Invalid, "%+v", opts)
	}
	for range 3 {
		w.raw("x")
	}
	_, err := w.CreateImage(t.Context(), project, image.CreateOptions{})
	require.ErrorIs(t, err, fault.QuotaExceeded)
}

func TestWhoSeesWhat(t *testing.T) {
	w := newWorld(t)
	make := func(v image.Visibility) image.Image {
		img, err := w.CreateImage(t.Context(), project, image.CreateOptions{Name: string(v), Visibility: v})
		require.NoError(t, err)
		return img
	}
	private, shared, public := make(image.Private), make(image.Shared), make(image.Public)
	names := func(f image.Filter) (out []string) {
		for _, i := range w.ListImages(t.Context(), f) {
			out = append(out, i.Name)
		}
		return out
	}
	require.ElementsMatch(t, []string{"private", "shared", "public"}, names(image.Filter{Viewer: project}))
	require.ElementsMatch(t, []string{"public"}, names(image.Filter{Viewer: "p2"}))
	require.False(t, w.CanSee(t.Context(), private, "p2"))
	require.False(t, w.CanSee(t.Context(), shared, "p2"))
	require.True(t, w.CanSee(t.Context(), public, "p2"))

	_, err := w.AddMember(t.Context(), private.ID, "p2")
	require.ErrorIs(t, err, fault.Forbidden)
	_, err = w.AddMember(t.Context(), shared.ID, "p2")
	require.NoError(t, err)
	require.True(t, w.CanSee(t.Context(), shared, "p2"))
	require.ElementsMatch(t, []string{"public"}, names(image.Filter{Viewer: "p2"}), "not before it is accepted")
	_, err = w.UpdateMember(t.Context(), shared.ID, "p2", image.Accepted)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"public", "shared"}, names(image.Filter{Viewer: "p2"}))
}
