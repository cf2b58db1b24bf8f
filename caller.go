package cloud

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/caller"
)

// Caller says in whose name a Go program calls a service: keypairs belong to its user,
// and events, journals and logs tell it. Nothing is authorised by it.
type Caller = caller.Info

// WithCaller returns a context whose calls are made in the caller's name.
func WithCaller(ctx context.Context, who Caller) context.Context { return caller.With(ctx, who) }
