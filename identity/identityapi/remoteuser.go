package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
)

type remoteUserKey struct{}

// WithRemoteUser returns a context that says who sends a request, for the handler of
// New: a program that makes sure of its users itself, by a certificate or a session,
// gives it to their requests, and they log in by the method "external". It is what
// REMOTE_USER is to Keystone; no header of a request can stand for it.
func WithRemoteUser(ctx context.Context, user identity.UserRef) context.Context {
	return context.WithValue(ctx, remoteUserKey{}, user)
}

// remoteUser is the user of WithRemoteUser, or nil.
func remoteUser(ctx context.Context) *identity.UserRef {
	if user, ok := ctx.Value(remoteUserKey{}).(identity.UserRef); ok {
		return &user
	}
	return nil
}
