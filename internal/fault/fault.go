// Package fault holds the one error type of the cloud and its closed list of
// kinds.
//
// Every error that a service or a driver returns has a [Kind]. A kind is itself
// an error, so callers may write errors.Is(err, fault.NotFound); [Of] gives the
// kind of any error. A driver returns kinds, a service wraps once with the
// operation and the resource, and an HTTP face turns the kind into a status and
// the message into its dialect's body. The cause (Err) is for logs: it never
// reaches a response body.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Kind is the class of an error. The list is closed: add to it only when callers
// must act differently.
type Kind string

// The kinds, with the HTTP status that most services give for each.
const (
	NotFound        Kind = "not found"         // 404: no such thing, or not visible to the caller
	AlreadyExists   Kind = "already exists"    // 409: an id, a name or a unique value is taken
	Conflict        Kind = "conflict"          // 409: the thing's state or revision forbids it now
	Invalid         Kind = "invalid"           // 400: the request is wrong and stays wrong
	Unauthenticated Kind = "unauthenticated"   // 401: who is asking is not known
	Forbidden       Kind = "forbidden"         // 403: known, but not allowed
	QuotaExceeded   Kind = "quota exceeded"    // 403, 409 or 413, by service
	Exhausted       Kind = "exhausted"         // 409 or 500: no capacity left (hosts, addresses, space)
	TooLarge        Kind = "too large"         // 413: a body or a value over its limit
	Unsupported     Kind = "unsupported"       // 400 or 501: this driver or service cannot do it
	RateLimited     Kind = "rate limited"      // 429: ask again later
	Unavailable     Kind = "unavailable"       // 503: a part is down; the same call may work later
	Cancelled       Kind = "cancelled"         // the caller went away or the work was cancelled
	DeadlineReached Kind = "deadline exceeded" // 504: it took too long
	Internal        Kind = "internal"          // 500: a bug or an unclassified cause
)

// Error makes a Kind usable as a sentinel with errors.Is.
func (k Kind) Error() string { return string(k) }

// Error is the error that services and drivers return.
type Error struct {
	Kind     Kind
	Op       string // the Go operation, "compute.CreateServer"; empty from a driver
	Resource string // what it is about, in the field's words: "server", "security group"
	ID       string // which one, if known: an id or a name
	Code     string // a finer machine-readable class that a dialect shows, e.g. Neutron's "OverlappingSubnets"
	Message  string // for the API's user: no secrets, no causes; empty means derived from the above
	Err      error  // the cause, for logs only
}

// New returns an error of the kind with a message that API users may read.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Missing returns the NotFound error of a resource.
func Missing(resource, id string) *Error {
	return &Error{Kind: NotFound, Resource: resource, ID: id}
}

// Wrap adds the operation to err and keeps its kind, resource and message. A nil
// err gives nil. An err that already names an operation is returned unchanged.
func Wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		if e.Op != "" {
			return err
		}
		c := *e
		c.Op = op
		if err != error(e) {
			c.Err = err
		}
		return &c
	}
	return &Error{Kind: Of(err), Op: op, Err: err}
}

// Because returns a copy of e with the cause set.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}

// WithCode returns a copy of e with the machine-readable code set.
func (e *Error) WithCode(code string) *Error {
	c := *e
	c.Code = code
	return &c
}

// Error gives the whole story, cause included: for logs, not for API users.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(e.Public())
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	return b.String()
}

// Public gives what an API's user may read.
func (e *Error) Public() string {
	switch {
	case e.Message != "":
		return e.Message
	case e.Resource != "" && e.ID != "":
		return fmt.Sprintf("%s %s: %s", e.Resource, e.ID, string(e.Kind))
	case e.Resource != "":
		return e.Resource + ": " + string(e.Kind)
	}
	return string(e.Kind)
}

// Unwrap makes errors.Is find both the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Of returns the kind of err: Internal if it has none, empty for nil.
func Of(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	var k Kind
	if errors.As(err, &k) {
		return k
	}
	switch {
	case errors.Is(err, context.Canceled):
		return Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return DeadlineReached
	}
	return Internal
}

// Public returns the text of err that an API's user may read: the error's own
// message, or the bare kind where there is none.
func Public(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Public()
	}
	return string(Of(err))
}
