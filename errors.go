package cloud

import "github.com/welkin-cloud/cloud/internal/fault"

// Error is what every call of a service returns when it fails: errors.As finds it.
type Error = fault.Error

// Kind is the class of an error: errors.Is(err, cloud.NotFound) tests for one.
type Kind = fault.Kind

// The kinds of error.
const (
	NotFound        = fault.NotFound
	AlreadyExists   = fault.AlreadyExists
	Conflict        = fault.Conflict
	Invalid         = fault.Invalid
	Unauthenticated = fault.Unauthenticated
	Forbidden       = fault.Forbidden
	QuotaExceeded   = fault.QuotaExceeded
	Exhausted       = fault.Exhausted
	TooLarge        = fault.TooLarge
	Unsupported     = fault.Unsupported
	RateLimited     = fault.RateLimited
	Unavailable     = fault.Unavailable
	Cancelled       = fault.Cancelled
	DeadlineReached = fault.DeadlineReached
	Internal        = fault.Internal
)

// KindOf returns the kind of an error: Internal if it has none, empty for nil.
func KindOf(err error) Kind { return fault.Of(err) }
