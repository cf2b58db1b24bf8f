package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// Who promises a large body and sends none must not cost the memory of one.
func TestPromisedBodiesCostNothing(t *testing.T) {
	h := httpapi.New(httpapi.API{Service: "identity", Dialect: httpapi.Keystone{}, Routes: []httpapi.Route{{
		Method: "POST", Path: "/v3/things", Public: true, Body: []httpapi.Schema{{JSON: `{"type": "object"}`}},
		Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(len(r.Body())), nil
		},
	}}}, options(t, io.Discard))
	send := func(body string, length int) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", "http://cloud.test/v3/things", strings.NewReader(body))
		r.ContentLength = int64(length)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, n := range []int{2, 16 << 10, 16<<10 + 1, 100_000, 1 << 20} {
		body := `{"a": "` + strings.Repeat("x", max(n-9, 0)) + `"}`
		w := send(body, len(body))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.JSONEq(t, strconv.Itoa(len(body)), w.Body.String())
	}
	const times = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		require.Equal(t, http.StatusBadRequest, send("{", 1<<20).Code)
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(times*128<<10))
}
