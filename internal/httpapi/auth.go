package httpapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// maxToken bounds what is taken for a token.
const maxToken = 8 << 10

// authenticate gives the principal of the request's token. A public route is
// served without a token, or with one that is not valid, as if none had been sent.
func (x *exchange) authenticate(ctx context.Context, public bool) (*policy.Principal, error) {
	p, err := x.principal(ctx, "X-Auth-Token")
	if err != nil && public {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return x.withService(ctx, p)
}

// principal authenticates the token of one header.
func (x *exchange) principal(ctx context.Context, header string) (*policy.Principal, error) {
	token := x.http.Header.Get(header)
	if token == "" || len(token) > maxToken {
		return nil, fault.Unauthenticated
	}
	p, err := x.opts.Auth.Authenticate(ctx, token)
	if err == nil && p == nil {
		err = fault.Unauthenticated
	}
	return p, err
}

// withService adds the service that passes the user's request on. A service token
// that is not valid gives no rights and is otherwise ignored.
func (x *exchange) withService(ctx context.Context, p *policy.Principal) (*policy.Principal, error) {
	if x.http.Header["X-Service-Token"] == nil {
		return p, nil
	}
	service, err := x.principal(ctx, "X-Service-Token")
	switch {
	case fault.Of(err) == fault.Unauthenticated:
		return p, nil
	case err != nil:
		return nil, err
	}
	both := *p
	both.Service = service
	return &both, nil
}
