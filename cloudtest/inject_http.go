package cloudtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// requestFault strikes in requests over HTTP. do answers, or passes the request on to
// next.
type requestFault struct {
	do func(in *Injection, w http.ResponseWriter, r *http.Request, next http.Handler)
	// concerns reports whether the fault could strike in a request; nil is always.
	concerns func(r *http.Request) bool
	// uncounted leaves it to do to count how often the fault strikes.
	uncounted bool
}

// onRequest makes a Fault of requests, at all routes unless some are named.
func onRequest(name string, do func(*Injection, http.ResponseWriter, *http.Request, http.Handler), routes ...string) Fault {
	return Fault{name: name, request: &requestFault{do: do}, routes: routes}
}

// matchers makes a matcher of each pattern.
func matchers(patterns []string) (all []*http.ServeMux, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	for _, p := range patterns {
		m := http.NewServeMux()
		m.Handle(p, http.NotFoundHandler())
		all = append(all, m)
	}
	return all, nil
}

// throughFaults puts the faults at work before a handler, the first injected outermost.
func (c *Cloud) throughFaults(h http.Handler) http.Handler {
	h = c.transitions.polled(h)
	for _, in := range slices.Backward(c.injections.all()) {
		if in.fault.request != nil {
			h = in.before(h)
		}
	}
	return h
}

func (in *Injection) before(next http.Handler) http.Handler {
	f := in.fault.request
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if in.routed(r) && (f.concerns == nil || f.concerns(r)) && (f.uncounted || in.strikes()) {
			f.do(in, w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// routed reports whether a request is to where the fault strikes.
func (in *Injection) routed(r *http.Request) bool {
	at := func(m *http.ServeMux) bool {
		_, pattern := m.Handler(r)
		return pattern != ""
	}
	if len(in.matchers) > 0 && !slices.ContainsFunc(in.matchers, at) {
		return false
	}
	segments := strings.Split(r.URL.Path, "/")
	return in.about(func(id string) bool { return slices.Contains(segments, id) })
}

// RequestFails answers requests with an error of a status, in the words that the service
// wraps its errors in: for what has no function of its own here.
//
// In the field: anything that a service refuses or cannot do.
//
// A client sees: the status, with the message in the service's own form of error.
//
// Welkin: does not learn of the request.
func RequestFails(status int, message string, routes ...string) Fault {
	return onRequest("RequestFails "+strconv.Itoa(status), refuses(status, message, nil), routes...)
}

// refuses answers in the dialect of the service that is asked.
func refuses(status int, message string, header http.Header) func(*Injection, http.ResponseWriter, *http.Request, http.Handler) {
	return func(_ *Injection, w http.ResponseWriter, r *http.Request, _ http.Handler) {
		err := &httpapi.StatusError{Status: status, Message: message}
		contentType, body := dialect(r.URL.Path).Body(status, err, "")
		answer(w, status, contentType, body, header)
	}
}

// proxied answers as a proxy before the service does, which knows nothing of JSON.
func proxied(w http.ResponseWriter, status int, header http.Header) {
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	answer(w, status, "text/html", []byte("<html><body><h1>"+title+"</h1></body></html>\n"), header)
}

func answer(w http.ResponseWriter, status int, contentType string, body []byte, header http.Header) {
	h := w.Header()
	for name, values := range header {
		h[name] = values
	}
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails only if the client has gone
}

// dialect is how the service that has a path words its errors.
func dialect(path string) httpapi.Dialect {
	service, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch service {
	case "identity":
		return httpapi.Keystone{}
	case "image":
		return httpapi.Glance{}
	case "network":
		return httpapi.Neutron{}
	case "volume":
		return httpapi.Cinder{}
	case "placement":
		return httpapi.Placement{}
	}
	return httpapi.Nova{}
}

// reset breaks the connection, so that the client finds it reset by its peer.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server closes it
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a close then is a reset
	}
	_ = conn.Close()
}

// unheard is where an answer goes that nobody gets.
type unheard struct {
	header http.Header
}

func (u unheard) Header() http.Header { return u.header }

func (unheard) Write(p []byte) (int, error) { return len(p), nil }

func (unheard) WriteHeader(int) {}

// cutAnswer ends the connection after half of an answer's body.
type cutAnswer struct {
	http.ResponseWriter
	sized bool
	left  int
}

// Write passes on what is left of the half.
func (w *cutAnswer) Write(p []byte) (int, error) {
	if !w.sized {
		length, err := strconv.Atoi(w.Header().Get("Content-Length"))
		if err != nil {
			length = len(p)
		}
		w.sized, w.left = true, length/2
	}
	if len(p) <= w.left {
		w.left -= len(p)
		return w.ResponseWriter.Write(p)
	}
	_, err := w.ResponseWriter.Write(p[:w.left])
	_ = errors.Join(err, http.NewResponseController(w.ResponseWriter).Flush()) // the client may have gone
	panic(http.ErrAbortHandler)
}

// cutBody is a request's body that ends before its time.
type cutBody struct {
	io.ReadCloser
	left int64 // how much comes through
}

// Read gives an error where the body would go on, or would end.
func (b *cutBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
