package identityapi

import (
	"context"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// ownAuth authenticates the identity API's own requests. A token that was got by an EC2
// signature is for the services that take such signatures, not for this one.
type ownAuth struct {
	httpapi.Authenticator
	svc *identity.Service
}

// Authenticate tells who a token belongs to.
func (a ownAuth) Authenticate(ctx context.Context, token string) (*policy.Principal, error) {
	p, err := a.Authenticator.Authenticate(ctx, token)
	if err != nil {
		return nil, err
	}
	t, err := a.svc.Validate(ctx, token)
	if err == nil && slices.Contains(t.Methods, "ec2credential") {
		return nil, fault.New(fault.Forbidden, "EC2 credential tokens cannot be used for authorization.")
	}
	return p, nil
}

// forbidden is the error for what a token may not be used for.
func forbidden(action string) error {
	return fault.New(fault.Forbidden, "You are not authorized to perform the requested action: %s.", action)
}

// personal are handlers for what a token that was got by a trust or by OAuth1 must not
// be used for: application credentials would outlive them.
func (a *api) personal(handle httpapi.Handler) httpapi.Handler {
	return a.guard(handle, func(t *identity.Token) error {
		if t.Trust != nil || t.OAuth1 != nil {
			return fault.New(fault.Forbidden, "Cannot manage application credentials with a token issued via delegation.")
		}
		return nil
	})
}

// undelegated are handlers for what no token may be used for that was got by any
// delegation.
func (a *api) undelegated(what string, handle httpapi.Handler) httpapi.Handler {
	return a.guard(handle, func(t *identity.Token) error {
		if t.Delegated() {
			return fault.New(fault.Forbidden, "%s with a token issued via delegation.", what)
		}
		return nil
	})
}

// withoutAppCredential are handlers for trusts, which application credentials must not
// be used for, restricted or not.
func (a *api) withoutAppCredential(handle httpapi.Handler) httpapi.Handler {
	return a.guard(handle, func(t *identity.Token) error {
		if t.AppCredential != nil {
			return forbidden("Using method 'application_credential' is not allowed for managing trusts")
		}
		return nil
	})
}

// guard checks the caller's token before a handler.
func (a *api) guard(handle httpapi.Handler, check func(t *identity.Token) error) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		t, err := a.callerToken(ctx, r)
		if err == nil {
			err = check(t)
		}
		if err != nil {
			return nil, err
		}
		return handle(ctx, r)
	}
}

// unrestricted refuses restricted application credentials.
func unrestricted(t *identity.Token, what string) error {
	if t.AppCredential != nil && t.AppCredential.Restricted {
		return forbidden("Using method 'application_credential' is not allowed for managing additional " + what)
	}
	return nil
}

// within refuses a delegated token what is not of its own project, not even secrets of
// no project at all, and the secrets of passcodes: who has one can log in as the user
// without the delegation.
func within(t *identity.Token, c identity.Credential) error {
	switch {
	case !t.Delegated():
		return nil
	case t.Project == nil || t.Project.ID != c.ProjectID:
		return forbidden("Credential project does not match the project scope of the delegated token")
	case strings.EqualFold(c.Type, "totp"):
		return forbidden("Secrets of passcodes cannot be managed with a token issued via delegation")
	}
	return nil
}

// own is within for a credential that is there: of pairs of EC2 keys a delegated token
// sees those that were made with the same delegation. Others are worth more than it is.
func own(t *identity.Token, c identity.Credential) error {
	if err := within(t, c); err != nil {
		return err
	}
	if t.Delegated() && strings.EqualFold(c.Type, "ec2") && c.Delegation() != t.Delegation() {
		return forbidden("The credential was not made with the delegation of the token")
	}
	return nil
}
