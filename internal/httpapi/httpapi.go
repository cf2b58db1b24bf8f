// Package httpapi is the one way in which services are served over HTTP: a route
// table as data. From the table come routing, discovery, microversions, request
// validation, authorisation and error bodies; a handler only turns the wire shape
// into a call of the service and back.
package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Version is a microversion: 2.60 is {2, 60}. The zero Version means "no limit" in
// a Route and "none was negotiated" in a Request.
type Version struct{ Major, Minor int }

// AtLeast reports whether v is major.minor or newer.
func (v Version) AtLeast(major, minor int) bool {
	return v.Major > major || v.Major == major && v.Minor >= minor
}

// Route is one line of a service's route table.
type Route struct {
	Method string // "GET"; HEAD is answered from GET
	// Path below the service's mount point, with {name} segments, as in the
	// inventory of the imitated APIs: "/v2.1/servers/{server_id}".
	Path string
	// Action is the key of the JSON body that picks this route among those that
	// share method and path: "os-stop". Empty for most.
	Action string
	// Min and Max are the microversions in which the route exists.
	Min, Max Version
	// Policy is the rule that guards the route, by its name in the service's
	// policy: required unless Public.
	Policy string
	// Public routes need no token: discovery, and the request of a token.
	Public bool
	// AnyToken routes need a valid token but no rule. Rare; each says why.
	AnyToken bool
	// Target gives what Policy is checked against; it runs before Handle, loads
	// the resource and returns fault.NotFound where the caller must not learn
	// that it exists. nil means the caller's own project and user:
	// {"project_id": …, "user_id": …}.
	Target func(ctx context.Context, r *Request) (policy.Target, error)
	// Body are the JSON schemas of the request, newest first; the first whose
	// Min the request's microversion reaches is used. None means that the route
	// takes no body (one that is sent is ignored).
	Body []Schema
	// Stream routes read their body themselves, from Request.Raw, without the
	// limit on JSON bodies.
	Stream bool
	// Status of a success that does not set its own; 0 means 200.
	Status int
	Handle Handler
}

// Schema is a JSON schema (draft 2020-12) from one microversion on.
type Schema struct {
	Min  Version
	JSON string
}

// Handler does the work of a route. Its error is rendered in the service's
// dialect with the status of its kind.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// Request is a request that passed routing, authentication, microversion
// negotiation, validation and policy.
type Request struct {
	HTTP      *http.Request
	Principal *policy.Principal // nil on Public routes without a token
	Version   Version
	ID        string // "req-…"
	Policy    *policy.Enforcer
	Service   string // of the API, for Policy.Check
	BaseURL   string // how the client reaches the mount point: "http://host:port/compute", no final slash
	body      []byte
	vars      map[string]string
	stash     any
}

// Path returns the value of a {name} segment, unescaped.
func (r *Request) Path(name string) string { return r.vars[name] }

// Query returns the parsed query.
func (r *Request) Query() url.Values { panic("stub") }

// Body returns the validated JSON body, as sent.
func (r *Request) Body() []byte { return r.body }

// Raw returns the body of a Stream route.
func (r *Request) Raw() io.Reader { panic("stub") }

// Decode decodes the validated body into v, a pointer.
func (r *Request) Decode(v any) error { panic("stub") }

// Keep stores what Target loaded, for Handle to take with Kept.
func (r *Request) Keep(v any) { r.stash = v }

// Kept returns what Target stored with Keep; it panics if the type is wrong.
func Kept[T any](r *Request) T { return r.stash.(T) }

// May reports whether a further rule of the same service allows the caller, for
// rules that widen or narrow an answer.
func (r *Request) May(rule string, target policy.Target) bool {
	return r.Policy.Allowed(r.Service, rule, r.Principal, target)
}

// Response is a success. The zero value is an empty body with the route's status.
type Response struct {
	Status int         // 0: the route's
	Header http.Header // may be nil
	// Body is encoded as JSON; json.RawMessage is sent as it is; nil is no body.
	Body any
	// Stream is copied and closed instead of Body, with Size as Content-Length if
	// it is not negative, and Type as Content-Type.
	Stream io.ReadCloser
	Size   int64
	Type   string
}

// OK is a response with a JSON body and the route's status.
func OK(body any) *Response { return &Response{Body: body} }

// Empty is a response without a body and with the route's status.
func Empty() *Response { return &Response{} }

// Dialect renders errors the way one service does.
type Dialect interface {
	// Status gives the HTTP status of an error (most: by its kind).
	Status(err error) int
	// Body gives content type and body.
	Body(status int, err error, requestID string) (contentType string, body []byte)
}

// Microversions describes a service's negotiation; nil in an API means none.
type Microversions struct {
	Service  string // "compute" in "OpenStack-API-Version: compute 2.60"
	Legacy   string // "X-OpenStack-Nova-API-Version", or empty
	Min, Max Version
}

// API is one service as served.
type API struct {
	Service       string // of its policy: "compute"
	Dialect       Dialect
	Microversions *Microversions
	Routes        []Route
	// RequestIDHeader is a second header for the request id, such as
	// "X-Compute-Request-Id"; may be empty.
	RequestIDHeader string
	MaxBody         int64 // of JSON bodies; 0 means 1 MiB
}

// Authenticator tells who a token belongs to: fault.Unauthenticated if it is not
// valid (any more). identity.Service is one.
type Authenticator interface {
	Authenticate(ctx context.Context, token string) (*policy.Principal, error)
}

// Options of New; all but Log, Clock and IDs are required.
type Options struct {
	Auth   Authenticator
	Policy *policy.Enforcer
	// AuthURL gives the identity endpoint for WWW-Authenticate, from the request.
	AuthURL func(r *http.Request) string
	Log     *slog.Logger
	Clock   clock.Clock
	IDs     *ids.Source
}

// New returns the handler of an API, to be mounted with http.StripPrefix-like
// Mount. A faulty route table (no rule, unknown rule, a bad schema, two routes
// alike) panics: it is a bug, found by the first test.
func New(api API, opts Options) http.Handler { panic("stub") }

// Mount serves each handler below its prefix ("/compute") and, at "/", a list of
// them. The prefix is taken off the path and kept for BaseURL.
func Mount(handlers map[string]http.Handler) http.Handler { panic("stub") }
