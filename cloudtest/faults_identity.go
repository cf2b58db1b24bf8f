package cloudtest

import (
	"context"
	"net/http"
)

// keySets is how many sets of token keys are kept: after so many rotations nothing is
// left of the first.
const keySets = 3

// TokensVoid makes all tokens void that were given out so far.
//
// In the field: the identity service has lost its keys, or rotates them too often, or
// its replicas do not share them.
//
// A client sees: 401 for every request with an old token; logging in gives a new one.
//
// Welkin: work under way goes on: it needs no token.
func TokensVoid() Fault {
	return Fault{name: "TokensVoid", begin: func(in *Injection) (func(), error) {
		ctx := context.WithoutCancel(in.cloud.t.Context())
		for range keySets {
			if err := in.cloud.Identity.RotateKeys(ctx); err != nil {
				return nil, err
			}
		}
		in.strikes()
		return nil, nil
	}}
}

// TokenExpires ends the token of a request just before it is looked at, once: after n
// requests with After(n), at a certain one with At.
//
// In the field: a token runs out between two pages of a list, or during a long upload.
//
// A client sees: 401 with WWW-Authenticate in the middle of what it does; a new log-in and
// the same request again succeed.
//
// Welkin: revokes that token alone.
func TokenExpires() Fault {
	const token = "X-Auth-Token"
	f := onRequest("TokenExpires", func(in *Injection, w http.ResponseWriter, r *http.Request, next http.Handler) {
		if live := in.cloud.live.Load(); live != nil {
			_ = live.Identity.Revoke(r.Context(), r.Header.Get(token)) // it may be void already
		}
		next.ServeHTTP(w, r)
	}).Times(1)
	f.request.concerns = func(r *http.Request) bool { return r.Header.Get(token) != "" }
	return f
}

// IdentityDown takes the identity service down.
//
// In the field: Keystone restarts, or its database is away.
//
// A client sees: no log-in, 503; tokens that it has go on working, as the other services
// remember them.
//
// Welkin: as that.
func IdentityDown() Fault {
	f := APIUnavailable().At("/identity/")
	f.name = "IdentityDown"
	return f
}
