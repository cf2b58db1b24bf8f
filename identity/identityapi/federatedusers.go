package identityapi

import (
	"context"
	"net/url"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// federatedBody is how one identity provider knows a user.
type federatedBody struct {
	ProviderID string                  `json:"idp_id"`
	Protocols  []federatedProtocolBody `json:"protocols"`
}

type federatedProtocolBody struct {
	ProtocolID string `json:"protocol_id"`
	UniqueID   string `json:"unique_id"`
}

const federatedProperty = `{"type": ["array", "null"], "maxItems": 100, "items": {
	"type": "object", "required": ["idp_id", "protocols"], "properties": {
		"idp_id": {"type": "string"}, "protocols": {"type": "array", "minItems": 1, "maxItems": 100, "items": {
			"type": "object", "required": ["protocol_id", "unique_id"],
			"properties": {"protocol_id": {"type": "string"}, "unique_id": {"type": "string"}}}}}}}`

// identitiesFor are those that a body gives a user of a domain. Who may not manage
// identity providers may name those of that domain only: whoever is linked with somebody
// whom another provider vouches for would get that person's groups.
func (a *api) identitiesFor(ctx context.Context, r *httpapi.Request, domainID string, all []federatedBody) ([]identity.FederatedIdentity, error) {
	for _, f := range all {
		p, err := a.svc.GetIdentityProvider(ctx, f.ProviderID)
		if (err != nil || p.DomainID != domainID) && !r.May("identity:create_identity_provider", nil) {
			return nil, forbidden("linking a user with an identity provider of another domain")
		}
	}
	return federatedIdentities(all), nil
}

func federatedIdentities(all []federatedBody) []identity.FederatedIdentity {
	var list []identity.FederatedIdentity
	for _, f := range all {
		for _, p := range f.Protocols {
			list = append(list, identity.FederatedIdentity{
				ProviderID: f.ProviderID, ProtocolID: p.ProtocolID, UniqueID: p.UniqueID,
			})
		}
	}
	return list
}

// federatedFilter is what a list of users asks for of how providers know them; nil for
// nothing.
func federatedFilter(q url.Values) *identity.FederatedIdentity {
	f := identity.FederatedIdentity{
		ProviderID: q.Get("idp_id"), ProtocolID: q.Get("protocol_id"), UniqueID: q.Get("unique_id"),
	}
	if f == (identity.FederatedIdentity{}) {
		return nil
	}
	return &f
}

// oneUser answers with a user and how identity providers know it.
func (a *api) oneUser(ctx context.Context, r *httpapi.Request, u identity.User) (*httpapi.Response, error) {
	all, err := a.svc.FederatedIdentities(ctx, u.ID)
	if err != nil {
		return nil, err
	}
	o := showUser(r, u)
	if len(all) > 0 {
		o["federated"] = showFederated(all)
	}
	return one("user", o), nil
}

// showFederated groups identities, which come in order, by their provider.
func showFederated(all []identity.FederatedIdentity) []federatedBody {
	var shown []federatedBody
	for _, f := range all {
		if len(shown) == 0 || shown[len(shown)-1].ProviderID != f.ProviderID {
			shown = append(shown, federatedBody{ProviderID: f.ProviderID})
		}
		last := &shown[len(shown)-1]
		last.Protocols = append(last.Protocols, federatedProtocolBody{f.ProtocolID, f.UniqueID})
	}
	return shown
}
