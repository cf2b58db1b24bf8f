package cloud_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/image"
)

func TestAForkLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, old := lived(t)
		before := runtime.NumGoroutine()
		for range 10 {
			f, err := r.Fork(t.Context())
			require.NoError(t, err)
			require.NoError(t, f.Compute.DeleteServer(t.Context(), old[4].ID))
			boot(t, f, r, "new")
			settle(t, f)
			inner, err := f.Fork(t.Context())
			require.NoError(t, err)
			require.NoError(t, f.Close())
			boot(t, inner, r, "newer")
			settle(t, inner)
			require.NoError(t, inner.Close(), "a fork of a fork outlives it")
		}
		synctest.Wait()
		// Goroutines of the test program itself come and go; a leak is at least ten.
		require.Less(t, runtime.NumGoroutine(), before+10)
	})
}

func TestAForkIsDeterministicWithASeed(t *testing.T) {
	r, old := lived(t)
	a, b := fork(t, r.Cloud), fork(t, r.Cloud)
	first, second := boot(t, a, r, "new"), boot(t, b, r, "new")
	require.Equal(t, first.ID, second.ID, "forks of one moment make the same identifiers")
	for _, s := range old {
		require.NotEqual(t, s.ID, first.ID)
	}
	require.NotEqual(t, first.ID, boot(t, r.Cloud, r, "new").ID)
	idle(t, a)
	idle(t, b)
}

func TestAnUploadUnderWayIsCutOffInAFork(t *testing.T) {
	r := newRig(t, 1)
	ctx := t.Context()
	img, err := r.Images.CreateImage(ctx, r.project, image.CreateOptions{Name: "new", DiskFormat: "raw", ContainerFormat: "bare"})
	require.NoError(t, err)
	content, sent := io.Pipe()
	done := make(chan error, 1)
	go func() {
		_, err := r.Images.UploadImage(ctx, img.ID, content)
		done <- err
	}()
	_, err = sent.Write([]byte("the first half"))
	require.NoError(t, err)
	f := fork(t, r.Cloud)
	cut, err := f.Images.GetImage(ctx, img.ID)
	require.NoError(t, err)
	require.Equal(t, image.Queued, cut.Status)
	_, err = f.Images.UploadImage(ctx, img.ID, strings.NewReader("another content"))
	require.NoError(t, err)
	require.NoError(t, sent.CloseWithError(io.EOF))
	require.NoError(t, <-done)
	whole, err := r.Images.GetImage(ctx, img.ID)
	require.NoError(t, err)
	require.EqualValues(t, len("the first half"), whole.Size)

	// What was there before reads as zeros of its length.
	c, err := f.Images.OpenImage(ctx, r.image.ID)
	require.NoError(t, err)
	data, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Equal(t, make([]byte, r.image.Size), data)
}

// logIn returns a token of the administrator.
func logIn(t testing.TB, h http.Handler) string {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/identity/v3/auth/tokens", strings.NewReader(`{"auth":{"identity":{
		"methods":["password"],"password":{"user":{"name":"admin","domain":{"id":"default"},"password":"secret"}}},
		"scope":{"project":{"name":"admin","domain":{"id":"default"}}}}}`))
	req.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	return w.Header().Get("X-Subject-Token")
}

func status(h http.Handler, token, path string) int {
	req := httptest.NewRequest(http.MethodGet, path, nil)
	req.Header.Set("X-Auth-Token", token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	return w.Code
}

func TestTokensOfTheOriginalAreGoodInAFork(t *testing.T) {
	r := newRig(t, 1)
	token := logIn(t, r.Handler())
	f := fork(t, r.Cloud)
	require.Equal(t, http.StatusOK, status(f.Handler(), token, "/compute/v2.1/servers"))
	for range 5 {
		require.NoError(t, f.Identity.RotateKeys(t.Context()))
	}
	require.Equal(t, http.StatusUnauthorized, status(f.Handler(), token, "/compute/v2.1/servers"), "their keys are gone in the fork")
	require.Equal(t, http.StatusOK, status(r.Handler(), token, "/compute/v2.1/servers"), "the original has its own")
	require.Equal(t, http.StatusOK, status(f.Handler(), logIn(t, f.Handler()), "/network/v2.0/agents"))
	require.Nil(t, r.Fakes())
	require.True(t, errors.Is(f.Close(), nil))
	var none cloud.Changes
	require.Empty(t, none.String())
}
