// Package drivertest is the conformance suite of image stores. The author of a
// driver calls Run from a test.
package drivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/image/driver"
)

// Run tests every rule of driver.Store. fresh returns an empty store, which the
// suite closes.
func Run(t *testing.T, fresh func(t *testing.T) driver.Store) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := fresh(t)
			defer func() { require.NoError(t, s.Close()) }()
			c.run(t, s)
		})
	}
}

var cases = []struct {
	name string
	run  func(t *testing.T, s driver.Store)
}{
	{"what is put is read back", putOpen},
	{"an empty image is an image", putEmpty},
	{"reading at offsets", readAt},
	{"a reader that fails leaves nothing", failingReader},
	{"a context that ends leaves nothing", endingContext},
	{"an image is not there before it is whole", notBeforeWhole},
	{"an id that is taken is a conflict", taken},
	{"of two uploads to one id one wins", twoUploads},
	{"what is not there is not found", missing},
	{"deleting twice is a success", deleteTwice},
	{"what was opened outlives its deletion", openThenDelete},
	{"ids that are paths stay inside", pathIDs},
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func put(t *testing.T, s driver.Store, id string, b []byte) {
	t.Helper()
	n, err := s.Put(t.Context(), id, bytes.NewReader(b))
	require.NoError(t, err)
	require.EqualValues(t, len(b), n)
}

func ids(t *testing.T, s driver.Store) []string {
	t.Helper()
	l, err := s.List(t.Context())
	require.NoError(t, err)
	return l
}

func absent(t *testing.T, s driver.Store, id string) {
	t.Helper()
	_, err := s.Open(t.Context(), id)
	require.ErrorIs(t, err, driver.NotFound)
	require.NotContains(t, ids(t, s), id)
}

func putOpen(t *testing.T, s driver.Store) {
	want := random(3<<20 + 17)
	put(t, s, "a", want)
	put(t, s, "b", []byte("other"))
	c, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer c.Close()
	require.EqualValues(t, len(want), c.Size())
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
	require.ElementsMatch(t, []string{"a", "b"}, ids(t, s))
}

func putEmpty(t *testing.T, s driver.Store) {
	put(t, s, "e", nil)
	c, err := s.Open(t.Context(), "e")
	require.NoError(t, err)
	defer c.Close()
	require.Zero(t, c.Size())
}

func readAt(t *testing.T, s driver.Store) {
	want := random(100_000)
	put(t, s, "a", want)
	c, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer c.Close()
	p := make([]byte, 1000)
	_, err = c.ReadAt(p, 60_000)
	require.NoError(t, err)
	require.Equal(t, want[60_000:61_000], p)
	first := make([]byte, 10)
	_, err = io.ReadFull(c, first)
	require.NoError(t, err)
	require.Equal(t, want[:10], first, "ReadAt must not move Read")
}

var errCut = errors.New("the connection was cut")

func failingReader(t *testing.T, s driver.Store) {
	_, err := s.Put(t.Context(), "a", io.MultiReader(bytes.NewReader(random(2<<20)), failing{errCut}))
	require.ErrorIs(t, err, errCut)
	absent(t, s, "a")
	put(t, s, "a", []byte("again"))
}

func endingContext(t *testing.T, s driver.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &hook{r: bytes.NewReader(random(8 << 20)), after: 3 << 20, do: cancel}
	_, err := s.Put(ctx, "a", r)
	require.ErrorIs(t, err, context.Canceled)
	absent(t, s, "a")
}

func notBeforeWhole(t *testing.T, s driver.Store) {
	r := &hook{r: bytes.NewReader(random(4 << 20)), after: 2 << 20, do: func() { absent(t, s, "a") }}
	_, err := s.Put(t.Context(), "a", r)
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, ids(t, s))
}

func taken(t *testing.T, s driver.Store) {
	put(t, s, "a", []byte("first"))
	_, err := s.Put(t.Context(), "a", bytes.NewReader([]byte("second")))
	require.ErrorIs(t, err, driver.Conflict)
	c, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer c.Close()
	got, _ := io.ReadAll(c)
	require.Equal(t, "first", string(got))
}

func twoUploads(t *testing.T, s driver.Store) {
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = s.Put(t.Context(), "a", bytes.NewReader(random(1<<20))) })
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		require.ErrorIs(t, err, driver.Conflict)
	}
	require.Equal(t, 1, won)
}

func missing(t *testing.T, s driver.Store) {
	absent(t, s, "nobody")
	require.Empty(t, ids(t, s))
}

func deleteTwice(t *testing.T, s driver.Store) {
	put(t, s, "a", []byte("x"))
	require.NoError(t, s.Delete(t.Context(), "a"))
	require.NoError(t, s.Delete(t.Context(), "a"))
	absent(t, s, "a")
}

func openThenDelete(t *testing.T, s driver.Store) {
	want := random(1 << 20)
	put(t, s, "a", want)
	c, err := s.Open(t.Context(), "a")
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, s.Delete(t.Context(), "a"))
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, got))
}

func pathIDs(t *testing.T, s driver.Store) {
	for _, id := range []string{"../../etc/passwd", "/etc/passwd", "..", ""} {
		_, err := s.Open(t.Context(), id)
		require.ErrorIs(t, err, driver.NotFound, id)
		require.NoError(t, s.Delete(t.Context(), id), id)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// hook calls do once, after so many bytes.
type hook struct {
	r     io.Reader
	after int
	do    func()
}

func (h *hook) Read(p []byte) (int, error) {
	n, err := h.r.Read(p[:min(len(p), 64<<10)])
	h.after -= n
	if h.after <= 0 && h.do != nil {
		h.do()
		h.do = nil
	}
	return n, err
}
