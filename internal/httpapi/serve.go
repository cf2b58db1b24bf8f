package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/caller"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// exchange is one request on its way and what is known of it so far.
type exchange struct {
	*server
	w       http.ResponseWriter
	http    *http.Request
	path    string // below the mount point, as it was sent
	escaped bool   // path holds percent signs that stand for something
	prefix  string // the mount point
	project string // the project's id in the path, if there is one
	request Request
	status  int   // of the answer, once it is written
	err     error // why it is no success
}

// ServeHTTP serves a request. The mount point, if Mount took one off, is in the
// request's context.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	prefix, _ := r.Context().Value(mountKey{}).(string)
	s.serveBelow(w, r, prefix, r.URL.EscapedPath())
}

// serveBelow serves a request for path, which is what follows the mount point.
func (s *server) serveBelow(w http.ResponseWriter, r *http.Request, prefix, path string) {
	x := &exchange{
		server: s, w: w, http: r, prefix: prefix, path: path,
		escaped: r.URL.RawPath != "" || strings.Contains(path, "%"),
	}
	x.request = Request{HTTP: r, ID: "req-" + s.opts.IDs.UUID(), Policy: s.opts.Policy, Service: s.api.Service, path: path}
	start := s.opts.Clock.Now()
	x.stamp()
	defer x.log(start)
	defer x.recover()
	x.limitBodyTime(true)
	if err := x.serve(); err != nil {
		x.fail(err)
	}
}

// stamp puts into the answer what every answer has.
func (x *exchange) stamp() {
	h := x.w.Header()
	h["X-Openstack-Request-Id"] = []string{x.request.ID}
	if name := x.api.RequestIDHeader; name != "" {
		h.Set(name, x.request.ID)
	}
	if m := x.api.Microversions; m != nil {
		m.announce(h)
	}
}

// serve takes the request through all its stations.
func (x *exchange) serve() error {
	e, err := x.route()
	if err != nil {
		return err
	}
	ctx := x.http.Context()
	if x.request.Principal, err = x.authenticate(ctx, e.public); err != nil {
		return err
	}
	if err := x.checkProject(); err != nil {
		return err
	}
	if err := x.negotiate(); err != nil {
		return err
	}
	route, err := x.choose(e)
	if err != nil {
		return err
	}
	if route.Stream {
		x.limitBodyTime(false)
	}
	x.request.BaseURL = origin(x.http) + x.prefix
	ctx = caller.With(ctx, x.callerInfo())
	if err := x.authorize(ctx, route); err != nil {
		return err
	}
	resp, err := route.Handle(ctx, &x.request)
	if err != nil {
		return err
	}
	return x.answer(route, resp)
}

// callerInfo is what records say about who asked.
func (x *exchange) callerInfo() caller.Info {
	info := caller.Info{RequestID: x.request.ID}
	if p := x.request.Principal; p != nil {
		info.UserID, info.ProjectID = p.UserID, p.ProjectID
	}
	return info
}

// route finds what method and path offer, and keeps the values of the path.
func (x *exchange) route() (*endpoint, error) {
	segments, ok := segmentsOf(x.path, x.escaped)
	if !ok {
		return nil, errNoRoute
	}
	segments = x.dropProject(segments)
	e, values := x.root.find(x.http.Method, segments, make([]string, 0, 4))
	if e == nil {
		methods := x.root.methods(segments)
		if len(methods) == 0 {
			return nil, errNoRoute
		}
		x.w.Header().Set("Allow", strings.Join(methods, ", "))
		return nil, errBadMethod
	}
	if len(e.names) > 0 {
		x.request.vars = make([]value, len(e.names))
		for i, name := range e.names {
			x.request.vars[i] = value{name, values[i]}
		}
	}
	return e, nil
}

// dropProject takes a project's id after the version prefix off the path.
func (x *exchange) dropProject(segments []string) []string {
	if n := len(x.server.prefix); x.server.hasProject(segments) {
		x.project = segments[n]
		return append(segments[:n:n], segments[n+1:]...)
	}
	return segments
}

// hasProject reports whether a project's id follows the version prefix of a path.
func (s *server) hasProject(segments []string) bool {
	n := len(s.prefix)
	return n > 0 && len(segments) > n && looksLikeID(segments[n]) && slices.Equal(segments[:n], s.prefix)
}

// checkProject refuses a path that names another project than the token's, as the
// imitated services do even for an administrator.
func (x *exchange) checkProject() error {
	p := x.request.Principal
	if x.project == "" || p == nil || sameID(x.project, p.ProjectID) {
		return nil
	}
	return fault.New(fault.Invalid, "Malformed request URL: URL's project_id '%s' doesn't match Context's project_id '%s'",
		x.project, p.ProjectID)
}

// sameID compares ids with or without the dashes of a UUID.
func sameID(a, b string) bool {
	return a == b || strings.EqualFold(strings.ReplaceAll(a, "-", ""), strings.ReplaceAll(b, "-", ""))
}

// authorize checks the route's rule.
func (x *exchange) authorize(ctx context.Context, route *boundRoute) error {
	if route.Public || route.EachItem {
		return nil
	}
	rule := route.Policy
	if route.Choose != nil {
		rule = route.Choose(ctx, &x.request)
		if rule != route.Policy && !slices.Contains(route.Also, rule) {
			return fmt.Errorf("httpapi: %s %s chose the rule %q, which is not among its own", route.Method, route.Path, rule)
		}
	}
	target := x.request.ownTarget
	if route.Target != nil {
		loaded, err := route.Target(ctx, &x.request)
		if err != nil {
			return err
		}
		target = func() policy.Target { return loaded }
	}
	return x.opts.Policy.Check(x.api.Service, rule, x.request.Principal, target())
}

// answer writes a success.
func (x *exchange) answer(route *boundRoute, resp *Response) error {
	if resp == nil {
		resp = Empty()
	}
	status := resp.Status
	if status == 0 {
		status = route.Status
	}
	if status == 0 {
		status = http.StatusOK
	}
	err := x.write(x.w, x.http, resp, status)
	if err == nil || errors.Is(err, errWritten) {
		x.status = status
		x.served(route, status)
	}
	return err
}

// fail renders an error. After the first byte of an answer there is no way but to
// break the connection, so that the client sees that something is missing.
func (x *exchange) fail(err error) {
	x.err = err
	if x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	x.limitBodyTime(true)
	x.status = x.api.Dialect.Status(err)
	if x.status == http.StatusUnauthorized {
		x.w.Header().Set("Www-Authenticate", `Keystone uri="`+x.opts.AuthURL(x.http)+`"`)
	}
	contentType, body := x.api.Dialect.Body(x.status, err, x.request.ID)
	writeError(x.w, x.http, x.status, contentType, body)
}

// recover makes a panic of a handler a 500.
func (x *exchange) recover() {
	v := recover()
	if v == nil {
		return
	}
	if v == http.ErrAbortHandler || x.status != 0 {
		panic(http.ErrAbortHandler)
	}
	x.fail(&fault.Error{Kind: fault.Internal, Err: fmt.Errorf("panic: %v\n%s", v, debug.Stack())})
}
