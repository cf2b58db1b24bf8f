// Package caller carries through a context on whose behalf a call is made: who
// asked, and by which request. It is for records (events, journals, logs) only:
// nothing is authorised by it.
package caller

import "context"

// Info says who asked. The zero value is the cloud itself.
type Info struct {
	RequestID string // "req-…"
	UserID    string
	ProjectID string
}

type key struct{}

// With returns a context that carries i.
func With(ctx context.Context, i Info) context.Context {
	return context.WithValue(ctx, key{}, i)
}

// From returns what With put into ctx, or the zero Info.
func From(ctx context.Context) Info {
	i, _ := ctx.Value(key{}).(Info)
	return i
}
