package httpapi_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// closer notes that it was closed.
type closer struct {
	io.Reader
	closed *atomic.Bool
}

func (c closer) Close() error { c.closed.Store(true); return nil }

// streams is an API of streams. Its upload answers with the length of what was sent.
func streams(t *testing.T, closed *atomic.Bool) http.Handler {
	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, []byte("from a file"), 0o600))
	down := func(path string, open func() (io.Reader, int64)) httpapi.Route {
		return httpapi.Route{Method: "GET", Path: path, Public: true,
			Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
				r, size := open()
				if f, ok := r.(*os.File); ok {
					return &httpapi.Response{Stream: f, Size: size, Type: "text/plain"}, nil
				}
				return &httpapi.Response{Stream: closer{r, closed}, Size: size}, nil
			}}
	}
	api := httpapi.API{Service: "image", Dialect: httpapi.Glance{}, MaxBody: 10, Routes: []httpapi.Route{
		down("/whole", func() (io.Reader, int64) { return strings.NewReader("all of it"), 9 }),
		down("/unknown", func() (io.Reader, int64) { return strings.NewReader("all of it"), -1 }),
		down("/short", func() (io.Reader, int64) { return strings.NewReader("not"), 9 }),
		down("/broken", func() (io.Reader, int64) {
			return io.MultiReader(strings.NewReader("some"), failingReader{}), -1
		}),
		down("/file", func() (io.Reader, int64) {
			f, err := os.Open(file)
			require.NoError(t, err)
			return f, 11
		}),
		{Method: "PUT", Path: "/up/{name...}", Public: true, Stream: true, Status: 201,
			Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
				n, err := io.Copy(io.Discard, r.Raw())
				return httpapi.OK(map[string]any{"n": n, "name": r.Path("name")}), err
			}},
	}}
	return httpapi.New(api, options(t, io.Discard))
}

// failingReader fails.
type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("the disk is gone") }

func TestStreams(t *testing.T) {
	var closed atomic.Bool
	server := httptest.NewServer(streams(t, &closed))
	defer server.Close()
	for _, c := range []struct {
		path, body, contentType string
		length                  int64
		broken                  bool
	}{
		{"/whole", "all of it", "application/octet-stream", 9, false},
		{"/unknown", "all of it", "application/octet-stream", -1, false},
		{"/file", "from a file", "text/plain", 11, false},
		{"/short", "not", "application/octet-stream", 9, true},
		{"/broken", "some", "application/octet-stream", -1, true},
	} {
		t.Run(c.path, func(t *testing.T) {
			closed.Store(c.path == "/file")
			resp, err := http.Get(server.URL + c.path)
			if err != nil && c.broken {
				return // the connection broke before anything came
			}
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if c.broken {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.body, string(body))
			require.Equal(t, c.contentType, resp.Header.Get("Content-Type"))
			if c.length >= 0 {
				require.Equal(t, c.length, resp.ContentLength)
			}
			require.True(t, closed.Load())
		})
	}
	resp, err := http.Head(server.URL + "/whole")
	require.NoError(t, err)
	resp.Body.Close()
	require.EqualValues(t, 9, resp.ContentLength)
}

func TestUploadIsNotLimited(t *testing.T) {
	var closed atomic.Bool
	a := ask(t, streams(t, &closed), "PUT /up/a/b%20c/d", strings.Repeat("x", 100000))
	require.Equal(t, 201, a.StatusCode)
	require.JSONEq(t, `{"n":100000,"name":"a/b c/d"}`, a.body)
	require.Equal(t, 404, ask(t, streams(t, &closed), "PUT /up", "").StatusCode)
}

func TestStreamStopsWithItsRequest(t *testing.T) {
	var closed atomic.Bool
	api := httpapi.API{Service: "image", Dialect: httpapi.Glance{}, Routes: []httpapi.Route{{
		Method: "GET", Path: "/", Public: true,
		Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
			return &httpapi.Response{Stream: closer{endless{}, &closed}, Size: -1}, nil
		}}}}
	h := httpapi.New(api, options(t, io.Discard))
	ctx, cancel := context.WithCancel(t.Context())
	r := httptest.NewRequest("GET", "/", nil).WithContext(ctx)
	cancel()
	require.PanicsWithValue(t, http.ErrAbortHandler, func() { h.ServeHTTP(httptest.NewRecorder(), r) })
	require.True(t, closed.Load())
}

// endless never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

func TestRunEndsGracefully(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	srv := httpapi.Server(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(started)
		<-finish
		w.WriteHeader(http.StatusNoContent)
	}), nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- httpapi.Run(ctx, ln, srv) }()
	status := make(chan int, 1)
	go func() {
		resp, err := http.Get("http://" + ln.Addr().String())
		if err != nil {
			status <- 0
			return
		}
		resp.Body.Close()
		status <- resp.StatusCode
	}()
	<-started
	cancel()
	select {
	case err := <-ended:
		t.Fatal("ended with a request under way", err)
	default:
	}
	close(finish)
	require.Equal(t, 204, <-status)
	require.NoError(t, <-ended)
	_, err = net.Dial("tcp", ln.Addr().String())
	require.Error(t, err)
}

func TestHeadersAreLimited(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- httpapi.Run(ctx, ln, httpapi.Server(newCompute(t, io.Discard), nil)) }()
	r, err := http.NewRequest("GET", "http://"+ln.Addr().String()+"/", nil)
	require.NoError(t, err)
	r.Header.Set("X-Long", strings.Repeat("x", 100<<10))
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
	cancel()
	require.NoError(t, <-ended)
}
