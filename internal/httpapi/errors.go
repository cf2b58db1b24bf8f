package httpapi

import (
	"errors"
	"net/http"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// StatusError is an error with an HTTP status that no kind stands for: 410, 412,
// 415, 416. Prefer a fault where one fits.
type StatusError struct {
	Status  int
	Code    string // as in fault.Error
	Message string
}

// Error gives the message.
func (e *StatusError) Error() string { return e.Message }

// Unwrap gives the kind that is nearest.
func (e *StatusError) Unwrap() error {
	if e.Status >= http.StatusInternalServerError {
		return fault.Internal
	}
	return fault.Invalid
}

// Errors of the stations before a handler; each dialect has its words for them.
var (
	errNoRoute   = errors.New("there is no such route")
	errBadMethod = errors.New("the method is not allowed here")
	errMediaType = errors.New("the content type is not supported")
)

// malformedBody is the error for a body that is no JSON, or not the expected kind.
type malformedBody struct{ reason string }

// Error says why.
func (e *malformedBody) Error() string { return "malformed body: " + e.reason }

// Unwrap makes it a fault.Invalid.
func (e *malformedBody) Unwrap() error { return fault.Invalid }

// actionError is the error for an action that does not exist, or not in this version.
type actionError struct{ action string }

// Error names the action.
func (e *actionError) Error() string { return "there is no action " + clip(e.action, 64) }

// Unwrap makes it a fault.Invalid.
func (e *actionError) Unwrap() error { return fault.Invalid }

// versionNotFound is the error for a route that does not exist at the microversion.
type versionNotFound struct{ version Version }

// Error names the version.
func (e *versionNotFound) Error() string {
	return "API version " + e.version.String() + " is not supported on this method."
}

// Unwrap makes it a fault.NotFound.
func (e *versionNotFound) Unwrap() error { return fault.NotFound }

// statusOf gives the HTTP status of an error: by its kind, unless the service has
// another for that kind.
func statusOf(err error, own map[fault.Kind]int) int {
	var status *StatusError
	var version *UnsupportedVersion
	switch {
	case errors.As(err, &status):
		return status.Status
	case errors.As(err, &version):
		return http.StatusNotAcceptable
	case errors.Is(err, errNoRoute):
		return http.StatusNotFound
	case errors.Is(err, errBadMethod):
		return http.StatusMethodNotAllowed
	case errors.Is(err, errMediaType):
		return http.StatusUnsupportedMediaType
	}
	kind := fault.Of(err)
	if s := own[kind]; s != 0 {
		return s
	}
	switch kind {
	case fault.NotFound:
		return http.StatusNotFound
	case fault.AlreadyExists, fault.Conflict, fault.Exhausted:
		return http.StatusConflict
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.Forbidden, fault.QuotaExceeded:
		return http.StatusForbidden
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Unsupported:
		return http.StatusNotImplemented
	case fault.RateLimited:
		return http.StatusTooManyRequests
	case fault.Unavailable, fault.Cancelled:
		return http.StatusServiceUnavailable
	case fault.DeadlineReached:
		return http.StatusGatewayTimeout
	}
	return http.StatusInternalServerError
}
