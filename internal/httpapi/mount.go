package httpapi

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/ids"
)

// mountKey is the context key of the mount point.
type mountKey struct{}

// Mount serves each handler below its prefix ("/compute") and, at "/", a list of
// them. The prefix is taken off the path and kept for BaseURL.
func Mount(handlers map[string]http.Handler) http.Handler {
	m := &mounted{prefixes: slices.Sorted(maps.Keys(handlers)), handlers: handlers, ids: ids.Random()}
	for _, p := range m.prefixes {
		if !strings.HasPrefix(p, "/") || strings.Count(p, "/") != 1 || len(p) < 2 {
			panic("httpapi: a mount point is one segment such as /compute, not " + p)
		}
	}
	return m
}

// mounted is several handlers on one server.
type mounted struct {
	prefixes []string // sorted
	handlers map[string]http.Handler
	ids      *ids.Source // of requests that no handler gets
}

// ServeHTTP passes a request on to the handler of its first segment.
func (m *mounted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	prefix := path
	if i := strings.IndexByte(path[min(1, len(path)):], '/'); i >= 0 {
		prefix = path[:i+1]
	}
	h := m.handlers[prefix]
	if h == nil {
		m.serveRoot(w, r, path)
		return
	}
	rest := or(path[len(prefix):], "/")
	if s, ok := h.(*server); ok {
		s.serveBelow(w, r, prefix, rest)
		return
	}
	below := r.Clone(context.WithValue(r.Context(), mountKey{}, prefix))
	below.URL.Path = or(strings.TrimPrefix(r.URL.Path, prefix), "/")
	below.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, prefix)
	h.ServeHTTP(w, below)
}

// serveRoot lists the handlers, and knows nothing else.
func (m *mounted) serveRoot(w http.ResponseWriter, r *http.Request, path string) {
	h := w.Header()
	h.Set("Content-Type", jsonType)
	h.Set("X-Openstack-Request-Id", "req-"+m.ids.UUID())
	status, body := http.StatusOK, []byte(nil)
	switch {
	case path != "/" && path != "":
		status = http.StatusNotFound
		body = titledBody(status, "The resource could not be found.")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		status = http.StatusMethodNotAllowed
		h.Set("Allow", "GET, HEAD")
		body = titledBody(status, "The method is not allowed for this resource.")
	default:
		body = m.list(origin(r))
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		w.Write(body) // fails only if the client has gone
	}
}

// list is the document at the root.
func (m *mounted) list(base string) []byte {
	type service struct {
		Name  string `json:"name"`
		Links []Link `json:"links"`
	}
	services := make([]service, len(m.prefixes))
	for i, p := range m.prefixes {
		services[i] = service{p[1:], []Link{{Rel: "self", Href: base + p + "/"}}}
	}
	return rawJSON("services", services)
}
