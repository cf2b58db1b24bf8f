package identityapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) tokenRoutes() []httpapi.Route {
	return []httpapi.Route{
		{
			Method: "POST", Path: "/v3/auth/tokens", Public: true, Status: http.StatusCreated,
			Body: []httpapi.Schema{{JSON: authSchema}}, Handle: a.issueToken,
		},
		route("GET", "/v3/auth/tokens", "validate_token", a.subjectTarget, a.showToken),
		route("HEAD", "/v3/auth/tokens", "check_token", a.subjectTarget, a.checkToken),
		route("DELETE", "/v3/auth/tokens", "revoke_token", a.subjectTarget, a.revokeToken),
	}
}

// issueToken logs in.
func (a *api) issueToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	req, err := authRequest(r)
	if err != nil {
		return unauthorized(r, err)
	}
	token, t, err := a.svc.Login(ctx, req)
	var more *identity.MoreMethodsError
	if errors.As(err, &more) {
		return needMethods(more.Receipt), nil
	}
	if err != nil {
		return unauthorized(r, err)
	}
	return a.tokenResponse(ctx, r, token, t), nil
}

// unauthorized answers a log-in that is refused. It says where to log in, which is
// what clients look for in a 401; other errors are passed on.
func unauthorized(r *httpapi.Request, err error) (*httpapi.Response, error) {
	if fault.Of(err) != fault.Unauthenticated {
		return nil, err
	}
	_, body := httpapi.Keystone{}.Body(http.StatusUnauthorized, err, r.ID)
	return &httpapi.Response{
		Status: http.StatusUnauthorized,
		Header: http.Header{"Www-Authenticate": {`Keystone uri="` + r.BaseURL + `/v3"`}},
		Body:   json.RawMessage(body),
	}, nil
}

// subjectTarget validates the token that the request is about, and keeps it.
func (a *api) subjectTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	subject := r.HTTP.Header.Get("X-Subject-Token")
	if subject == "" {
		return nil, fault.New(fault.Invalid, "Expecting to find X-Subject-Token in the headers of the request.")
	}
	validate, revoking := a.svc.Validate, r.HTTP.Method == http.MethodDelete
	if !revoking && allowExpired(r) {
		validate = a.svc.ValidateExpired
	}
	t, err := validate(ctx, subject)
	if err == nil && !revoking && !knowsAccessRules(r) && t.Principal().AccessRules != nil {
		err = fault.Unauthenticated
	}
	if fault.Of(err) == fault.Unauthenticated {
		return nil, fault.New(fault.NotFound, "Could not find token.").Because(err)
	}
	if err != nil {
		return nil, err
	}
	r.Keep(t)
	return policy.Target{
		"target.token.user_id": t.User.ID, "target.token.user.domain.id": t.User.Domain.ID,
	}, nil
}

// allowExpired reports whether a token is asked for that may have expired: only a
// plain yes counts.
func allowExpired(r *httpapi.Request) bool {
	answer := strings.ToLower(r.Query().Get("allow_expired"))
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, answer)
}

// knowsAccessRules reports whether whoever validates a token says that it enforces
// access rules. To others a token that has some is none.
func knowsAccessRules(r *httpapi.Request) bool {
	version, err := strconv.ParseFloat(r.HTTP.Header.Get("OpenStack-Identity-Access-Rules"), 64)
	return err == nil && version >= 1
}

func (a *api) showToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return a.tokenResponse(ctx, r, r.HTTP.Header.Get("X-Subject-Token"), httpapi.Kept[*identity.Token](r)), nil
}

func (a *api) checkToken(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), nil
}

func (a *api) revokeToken(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.Revoke(ctx, r.HTTP.Header.Get("X-Subject-Token"))
}

// tokenResponse is the answer to a log-in or a validation.
func (a *api) tokenResponse(ctx context.Context, r *httpapi.Request, token string, t *identity.Token) *httpapi.Response {
	resp := httpapi.OK(json.RawMessage(a.tokenBody(ctx, r, t)))
	resp.Header = http.Header{"X-Subject-Token": {token}, "Vary": {"X-Auth-Token"}}
	return resp
}

// callerToken is the token that a request was made with. One that has expired is none
// here, a service's beside it or not: ownAuth lets it no further.
func (a *api) callerToken(ctx context.Context, r *httpapi.Request) (*identity.Token, error) {
	return a.svc.Validate(ctx, r.HTTP.Header.Get("X-Auth-Token"))
}
