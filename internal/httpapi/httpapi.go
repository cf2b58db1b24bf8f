// Package httpapi is the one way in which services are served over HTTP: a route
// table as data. From the table come routing, discovery, microversions, request
// validation, authorisation and error bodies; a handler only turns the wire shape
// into a call of the service and back.
//
// A request passes, in this order: routing (404, 405), authentication (401),
// microversion (406, 400, 404), body (413, 415, 400), policy (403, or what Target
// says), handler. Whatever stops it is rendered by the service's [Dialect].
package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Route is one line of a service's route table.
type Route struct {
	Method string // "GET"; HEAD is answered from GET
	// Path below the service's mount point, with {name} segments, as in the
	// inventory of the imitated APIs: "/v2.1/servers/{server_id}". A last segment
	// {name...} takes the rest of the path. A slash at the end makes no difference.
	Path string
	// Action is the key of the JSON body that picks this route among those that
	// share method and path: "os-stop". Empty for most.
	Action string
	// Min and Max are the microversions in which the route exists.
	Min, Max Version
	// Policy is the rule that guards the route, by its name in the service's
	// policy: required unless Public.
	Policy string
	// Choose, if set, gives the rule that guards a request: Policy or one of Also. It
	// is for requests that differ by what they ask for, such as a filter or the kind
	// of the resource. The error of what cannot be told belongs to Target or Handle.
	Choose func(ctx context.Context, r *Request) string
	// Also are the further rules of Choose.
	Also []string
	// EachItem routes list what Policy allows of each item, which Handle asks: the
	// request itself needs no more than a token, and may get an empty list.
	EachItem bool
	// Public routes need no token: discovery, and the request of a token.
	Public bool
	// Target gives what Policy is checked against; it runs before Handle, loads
	// the resource and returns fault.NotFound where the caller must not learn
	// that it exists. nil means the caller's own project and user:
	// {"project_id": …, "user_id": …}.
	Target func(ctx context.Context, r *Request) (policy.Target, error)
	// Body are the JSON schemas of the request, newest first; the first whose
	// Min the request's microversion reaches is used. None means that the route
	// takes no body (one that is sent is ignored). The body must be an object,
	// unless the schema's own type names another.
	Body []Schema
	// Stream routes read their body themselves, from Request.Raw, without the
	// limit on JSON bodies.
	Stream bool
	// Status of a success that does not set its own; 0 means 200.
	Status int
	Handle Handler
}

// Schema is a JSON schema (draft 2020-12) from one microversion on. Formats are
// asserted: uuid, ipv4, ipv6, cidr, mac, uri, date-time and those of the draft.
type Schema struct {
	Min  Version
	JSON string
}

// Handler does the work of a route. Its error is rendered in the service's
// dialect with the status of its kind.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// API is one service as served.
type API struct {
	Service string // of its policy: "compute"
	// Types are those by which access rules of application credentials know the
	// service; none means Service.
	Types         []string
	Dialect       Dialect
	Microversions *Microversions
	Routes        []Route
	// RequestIDHeader is a second header for the request id, such as
	// "X-Compute-Request-Id"; may be empty.
	RequestIDHeader string
	MaxBody         int64 // of JSON bodies; 0 means 1 MiB
	// ProjectPrefix is the version prefix ("/v2.1") after which clients may put
	// their project's id: /v2.1/PROJECT/servers is /v2.1/servers. An id other
	// than that of the token's project is refused. Empty: none is looked for.
	ProjectPrefix string
}

// Authenticator tells who a token belongs to: fault.Unauthenticated if it is not
// valid (any more). It may be an [ExpiredAuthenticator] too. identity.Service is both.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*policy.Principal, error)
}

// Options of New; only Auth and Policy are required.
type Options struct {
	Auth   Authenticator
	Policy *policy.Enforcer
	// Session tells who sends a request that has no token, by something else such as a
	// cookie; nil and no error if it does not know.
	Session func(r *http.Request) (*policy.Principal, error)
	// AuthURL gives the identity endpoint for WWW-Authenticate, from the request;
	// nil means "/identity" on the host that was asked.
	AuthURL func(r *http.Request) string
	Log     *slog.Logger
	Clock   clock.Clock
	IDs     *ids.Source
}

// withDefaults fills in what may be left out.
func (o Options) withDefaults() Options {
	if o.AuthURL == nil {
		o.AuthURL = func(r *http.Request) string { return origin(r) + "/identity" }
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System{}
	}
	if o.IDs == nil {
		o.IDs = ids.Random()
	}
	return o
}

// New returns the handler of an API, to be mounted with http.StripPrefix-like
// Mount. A faulty route table (no rule, unknown rule, two routes alike) panics: it
// is a bug, found by the first test. Schemas are compiled when first used; a test
// finds bad ones with [Verify].
func New(api API, opts Options) http.Handler {
	if api.MaxBody == 0 {
		api.MaxBody = 1 << 20
	}
	if api.Types == nil {
		api.Types = []string{api.Service}
	}
	s := &server{api: api, opts: opts.withDefaults(), words: wordsOf(api.Dialect)}
	s.build()
	return s
}

// Find returns the routes of a handler that New made for a method and a path below its
// mount point, with or without values in its {name} segments: several where actions or
// microversions tell them apart.
func Find(h http.Handler, method, path string) []Route {
	s, ok := h.(*server)
	if !ok {
		return nil
	}
	segments := splitPath(path)
	if n := len(s.prefix); s.hasProject(segments) {
		segments = append(segments[:n:n], segments[n+1:]...)
	}
	e, _ := s.root.find(method, segments, nil)
	if e == nil {
		return nil
	}
	found := make([]Route, len(e.routes))
	for i, r := range e.routes {
		found[i] = *r.Route
	}
	return found
}

// Routes returns the route table of a handler that New made, and nil for another.
func Routes(h http.Handler) []Route {
	if s, ok := h.(*server); ok {
		return s.api.Routes
	}
	return nil
}

// APIs returns the APIs below a handler that Mount made, by their prefix ("/compute"):
// what tests of all services go through.
func APIs(h http.Handler) map[string]API {
	m, ok := h.(*mounted)
	if !ok {
		return nil
	}
	all := map[string]API{}
	for prefix, below := range m.handlers {
		if s, ok := below.(*server); ok {
			all[prefix] = s.api
		}
	}
	return all
}
