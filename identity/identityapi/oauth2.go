package identityapi

import (
	"context"
	"io"
	"net/http"
	"net/url"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// maxForm bounds the body of a token request.
const maxForm = 16 << 10

// oauth2Routes is the client credentials grant of OAuth 2.0 (RFC 6749): the client is an
// application credential.
func (a *api) oauth2Routes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "POST", Path: "/v3/OS-OAUTH2/token", Public: true, Stream: true, Status: http.StatusOK, Handle: a.oauth2Token},
	}
}

func (a *api) oauth2Token(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Raw(), maxForm+1))
	if err != nil || len(body) > maxForm {
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The request body cannot be read."), nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The request body is not a form."), nil
	}
	switch grant := form.Get("grant_type"); grant {
	case "client_credentials":
	case "":
		return oauth2Error(r, http.StatusBadRequest, "invalid_request", "The parameter grant_type is required."), nil
	default:
		return oauth2Error(r, http.StatusBadRequest, "unsupported_grant_type", "The parameter grant_type is not supported."), nil
	}
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, ok := r.HTTP.BasicAuth(); ok {
		id, secret = user, password
	}
	if id == "" || secret == "" {
		return oauth2Denied(r), nil
	}
	return a.oauth2Login(ctx, r, identity.AppCredentialLogin{ID: id, Secret: secret})
}

func (a *api) oauth2Login(ctx context.Context, r *httpapi.Request, login identity.AppCredentialLogin) (*httpapi.Response, error) {
	token, t, err := a.svc.Login(ctx, identity.LoginRequest{AppCredential: &login})
	switch {
	case fault.Of(err) == fault.Unauthenticated:
		return oauth2Denied(r), nil
	case err != nil:
		return nil, err
	}
	resp := httpapi.OK(object{
		"access_token": token, "token_type": "Bearer", "expires_in": int(t.ExpiresAt.Sub(t.IssuedAt).Seconds()),
	})
	resp.Header = http.Header{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
	return resp, nil
}

func oauth2Denied(r *httpapi.Request) *httpapi.Response {
	return oauth2Error(r, http.StatusUnauthorized, "invalid_client", "Client authentication failed.")
}

// oauth2Error is an error as section 5.2 says.
func oauth2Error(r *httpapi.Request, code int, kind, text string) *httpapi.Response {
	resp := httpapi.OK(object{"error": kind, "error_description": text})
	resp.Status = code
	resp.Header = http.Header{"Cache-Control": {"no-store"}, "Pragma": {"no-cache"}}
	if code == http.StatusUnauthorized {
		resp.Header.Set("WWW-Authenticate", `Keystone uri="`+r.BaseURL+`/v3"`)
	}
	return resp
}
