package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// maxToken bounds what is taken for a token.
const maxToken = 8 << 10

// serviceRole is what a service token must have to be one.
const serviceRole = "service"

// ExpiredAuthenticator is an Authenticator that can forgive a token for a bounded time
// that it has expired, and nothing else. identity.Service is one.
type ExpiredAuthenticator interface {
	AuthenticateExpired(ctx context.Context, token string) (*policy.Principal, error)
}

// authenticate gives the principal of the request's token. A public route is
// served without a token, or with one that is not valid, as if none had been sent.
func (x *exchange) authenticate(ctx context.Context, public bool) (*policy.Principal, error) {
	p, err := x.caller(ctx)
	if err != nil && public {
		return nil, nil
	}
	return p, err
}

// caller authenticates the user, and the service that passes the user's request on if
// there is one. Work for a user may outlast the user's token: a service may go on with
// one that has expired in the meantime. To what it asks of other services for a user,
// access rules do not apply: they are for what the user asks.
func (x *exchange) caller(ctx context.Context) (*policy.Principal, error) {
	if x.opts.Session != nil && x.http.Header["X-Auth-Token"] == nil && x.http.Header["X-Service-Token"] == nil {
		return x.bySession()
	}
	if x.http.Header["X-Service-Token"] == nil {
		p, err := x.principal(ctx, "X-Auth-Token", x.opts.Auth.Authenticate)
		if err == nil && !x.accessible(p) {
			err = fault.Unauthenticated
		}
		return p, err
	}
	service, err := x.principal(ctx, "X-Service-Token", x.opts.Auth.Authenticate)
	if err != nil {
		return nil, err
	}
	if !service.HasRole(serviceRole) {
		return nil, fault.Unauthenticated
	}
	authenticate := x.opts.Auth.Authenticate
	if late, ok := x.opts.Auth.(ExpiredAuthenticator); ok {
		authenticate = late.AuthenticateExpired
	}
	p, err := x.principal(ctx, "X-Auth-Token", authenticate)
	if err != nil {
		return nil, err
	}
	both := *p
	both.Service = service
	return &both, nil
}

// bySession asks the program that serves the API who sends a request without a token.
func (x *exchange) bySession() (*policy.Principal, error) {
	p, err := x.opts.Session(x.http)
	if err == nil && p == nil {
		err = fault.Unauthenticated
	}
	return p, err
}

// principal authenticates the token of one header.
func (x *exchange) principal(ctx context.Context, header string, authenticate func(context.Context, string) (*policy.Principal, error)) (*policy.Principal, error) {
	token := x.http.Header.Get(header)
	if token == "" || len(token) > maxToken {
		return nil, fault.Unauthenticated
	}
	p, err := authenticate(ctx, token)
	if err == nil && p == nil {
		err = fault.Unauthenticated
	}
	return p, err
}

// accessible reports whether the rules of the application credential, if the token
// comes from one, are for this request. A token may always be looked at.
func (x *exchange) accessible(p *policy.Principal) bool {
	if p.AccessRules == nil {
		return true
	}
	if x.api.Service == "identity" && x.http.Method == http.MethodGet && strings.TrimSuffix(x.path, "/") == "/v3/auth/tokens" {
		return true
	}
	return p.AccessRules.Allow(x.api.Types, x.http.Method, x.path)
}
