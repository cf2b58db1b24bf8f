package identityapi

import (
	"context"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// revocationRoutes tell which tokens were revoked. Nothing of today asks: a token is
// validated instead.
func (a *api) revocationRoutes() []httpapi.Route {
	return []httpapi.Route{
		route("GET", "/v3/OS-REVOKE/events", "list_revoke_events", nil, a.revocationEvents),
		route("GET", "/v3/auth/tokens/OS-PKI/revoked", "revocation_list", nil, a.revokedTokens),
	}
}

func (a *api) revocationEvents(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var since time.Time
	if text := r.Query().Get("since"); text != "" {
		var ok bool
		if since, ok = queryTime(text); !ok {
			return nil, fault.New(fault.Invalid, "invalidate date format %s", text)
		}
	}
	events, err := a.svc.RevocationEvents(ctx, since)
	if err != nil {
		return nil, err
	}
	shown := make([]object, len(events))
	for i, e := range events {
		at := e.RevokedAt.UTC().Format(timeForm)
		shown[i] = object{"issued_before": at, "revoked_at": at}
		optional(shown[i], "audit_id", e.AuditID)
		optional(shown[i], "audit_chain_id", e.AuditChainID)
	}
	return httpapi.OK(object{"events": shown, "links": listLinks(r)}), nil
}

// revokedTokens is the list of the revoked tokens of a kind that is no more: as in
// Keystone, nobody may have it.
func (a *api) revokedTokens(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return nil, fault.New(fault.Forbidden, "You are not authorized to perform the requested action.")
}

// queryTime reads a time of a query, which is UTC if it names no zone.
func queryTime(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if t, err := time.Parse(form, text); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
