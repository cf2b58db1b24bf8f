package identityapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// federatedAuthRoutes give tokens to whom identity providers know, and tell what those
// can be exchanged for.
func (a *api) federatedAuthRoutes() []httpapi.Route {
	const auth = "/v3/OS-FEDERATION/identity_providers/{idp_id}/protocols/{protocol_id}/auth"
	public := func(method string) httpapi.Route {
		return httpapi.Route{Method: method, Path: auth, Public: true, Status: http.StatusCreated, Handle: a.federatedAuth}
	}
	return []httpapi.Route{
		public("GET"), public("POST"),
		route("GET", "/v3/OS-FEDERATION/projects", "get_auth_projects", nil, a.authProjects),
		route("GET", "/v3/OS-FEDERATION/domains", "get_auth_domains", nil, a.authDomains),
	}
}

// federatedAuth gives an unscoped token for a credential of an identity provider, or at
// the end of messages that a client has carried.
func (a *api) federatedAuth(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	switch {
	case bringsMessage(r):
		return a.finishMessage(ctx, r)
	case wantsMessage(r):
		return a.beginMessage(ctx, r)
	}
	token, t, err := a.svc.LoginFederated(ctx, identity.FederatedLogin{
		ProviderID: r.Path("idp_id"), ProtocolID: r.Path("protocol_id"), Credential: bearer(r.HTTP.Header),
	})
	if err != nil {
		return unauthorized(r, err)
	}
	resp := a.tokenResponse(ctx, r, token, t)
	resp.Status = http.StatusCreated
	return resp, nil
}

// maxBearer bounds what is taken for a bearer token.
const maxBearer = 32 << 10

// bearer is the token in a header of the form "Authorization: Bearer …"; empty if there
// is none.
func bearer(h http.Header) string {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || len(token) > maxBearer {
		return ""
	}
	return strings.TrimSpace(token)
}
