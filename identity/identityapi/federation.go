package identityapi

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) identityProviderRoutes() []httpapi.Route {
	const all, single = "/v3/OS-FEDERATION/identity_providers", "/v3/OS-FEDERATION/identity_providers/{idp_id}"
	return []httpapi.Route{
		route("GET", all, "list_identity_providers", nil, a.listIdentityProviders),
		status(http.StatusCreated, withBody("PUT", single, "create_identity_provider",
			closedSchema("identity_provider", providerProperties+providerDomain, ""), nil, a.createIdentityProvider)),
		route("GET", single, "get_identity_provider", nil, a.getIdentityProvider),
		withBody("PATCH", single, "update_identity_provider",
			closedSchema("identity_provider", providerProperties, `"minProperties": 1`), nil, a.updateIdentityProvider),
		route("DELETE", single, "delete_identity_provider", nil, a.deleteIdentityProvider),
	}
}

type identityProviderBody struct {
	DomainID         *string         `json:"domain_id"`
	Description      *string         `json:"description"`
	Enabled          *bool           `json:"enabled"`
	RemoteIDs        []string        `json:"remote_ids"`
	AuthorizationTTL json.RawMessage `json:"authorization_ttl"` // minutes, or null
}

// ttl is the time that the body gives, in minutes.
func (b *identityProviderBody) ttl() (*time.Duration, error) {
	var minutes *int64
	if len(b.AuthorizationTTL) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(b.AuthorizationTTL, &minutes); err != nil || minutes == nil {
		return nil, err
	}
	d := time.Duration(*minutes) * time.Minute
	return &d, nil
}

func showIdentityProvider(r *httpapi.Request, p identity.IdentityProvider) object {
	links := self(r, "OS-FEDERATION", "identity_providers", p.ID)
	links["protocols"] = links["self"].(string) + "/protocols"
	o := object{
		"id": p.ID, "domain_id": p.DomainID, "description": nullable(p.Description), "enabled": p.Enabled,
		"remote_ids": p.RemoteIDs, "authorization_ttl": nil, "links": links,
	}
	if p.RemoteIDs == nil {
		o["remote_ids"] = []string{}
	}
	if p.AuthorizationTTL != nil {
		o["authorization_ttl"] = int64(*p.AuthorizationTTL / time.Minute)
	}
	return o
}

func (a *api) listIdentityProviders(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListIdentityProviders(ctx, &identity.ListIdentityProvidersOptions{
		ID: q.Get("id"), Enabled: maybe(q, "enabled"),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "identity_providers", all, showIdentityProvider), nil
}

func (a *api) createIdentityProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b identityProviderBody
	if _, err := decode(r, "identity_provider", &b); err != nil {
		return nil, err
	}
	ttl, err := b.ttl()
	if err != nil {
		return nil, err
	}
	p, err := a.svc.CreateIdentityProvider(ctx, identity.CreateIdentityProviderOptions{
		ID: r.Path("idp_id"), DomainID: value(b.DomainID), Description: value(b.Description),
		Enabled: value(b.Enabled), RemoteIDs: b.RemoteIDs, AuthorizationTTL: ttl,
	})
	if err != nil {
		return nil, err
	}
	return one("identity_provider", showIdentityProvider(r, p)), nil
}

func (a *api) getIdentityProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetIdentityProvider(ctx, r.Path("idp_id"))
	if err != nil {
		return nil, err
	}
	return one("identity_provider", showIdentityProvider(r, p)), nil
}

func (a *api) updateIdentityProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b identityProviderBody
	if _, err := decode(r, "identity_provider", &b); err != nil {
		return nil, err
	}
	opts := identity.UpdateIdentityProviderOptions{Description: b.Description, Enabled: b.Enabled}
	if b.RemoteIDs != nil || isNull(r, "identity_provider", "remote_ids") {
		opts.RemoteIDs = &b.RemoteIDs
	}
	if isNull(r, "identity_provider", "description") {
		opts.Description = new(string)
	}
	if len(b.AuthorizationTTL) > 0 {
		ttl, err := b.ttl()
		if err != nil {
			return nil, err
		}
		opts.AuthorizationTTL = &ttl
	}
	p, err := a.svc.UpdateIdentityProvider(ctx, r.Path("idp_id"), opts)
	if err != nil {
		return nil, err
	}
	return one("identity_provider", showIdentityProvider(r, p)), nil
}

func (a *api) deleteIdentityProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteIdentityProvider(ctx, r.Path("idp_id"))
}
