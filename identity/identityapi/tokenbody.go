package identityapi

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// bodyKey names an encoded token. The service gives the same pointer for as long as
// the token says the same.
type bodyKey struct {
	token     *identity.Token
	revision  uint64 // of the catalog
	base      string
	noCatalog bool
}

// catalogKey names an encoded catalog. Project and user are empty if no endpoint
// has them in its URL; a catalog is common if that holds for both, and the project has
// no catalog of its own.
type catalogKey struct {
	revision            uint64
	base, project, user string
	common              bool
}

// tokenBody is the body that shows a token.
func (a *api) tokenBody(ctx context.Context, r *httpapi.Request, t *identity.Token) []byte {
	key := bodyKey{token: t, revision: a.svc.CatalogRevision(), base: r.BaseURL}
	if r.HTTP.URL.RawQuery != "" {
		key.noCatalog = flag(r.Query(), "nocatalog")
	}
	if body, ok := a.bodies.Get(key); ok {
		return body
	}
	o := showToken(t)
	if t.Scoped() && !key.noCatalog {
		project, user := "", t.User.ID
		if t.Project != nil {
			project = t.Project.ID
		}
		o["catalog"] = a.catalog(ctx, r, project, user)
	}
	if all := a.serviceProviders(ctx); len(all) > 0 {
		o["service_providers"] = all
	}
	// What is encoded is made of strings, times and booleans: it cannot fail.
	body, _ := json.Marshal(object{"token": o})
	a.bodies.Put(key, body)
	return body
}

// showToken is a token without the catalog.
func showToken(t *identity.Token) object {
	o := object{
		"audit_ids": t.AuditIDs, "methods": t.Methods,
		"issued_at": t.IssuedAt.Format(timeForm), "expires_at": t.ExpiresAt.Format(timeForm),
		"user": object{
			"id": t.User.ID, "name": t.User.Name, "domain": showRef(t.User.Domain),
			"password_expires_at": timeOrNull(t.User.PasswordExpires, naiveTimeForm),
		},
	}
	if f := t.Federation; f != nil {
		showFederation(o["user"].(object), f)
	}
	switch {
	case t.Project != nil:
		p := object{"id": t.Project.ID, "name": t.Project.Name, "domain": showRef(t.Project.Domain)}
		if t.Project.IsDomain {
			p["domain"] = nil
		}
		o["project"], o["is_domain"] = p, t.Project.IsDomain
	case t.Domain != nil:
		o["domain"] = showRef(*t.Domain)
	case t.System:
		o["system"] = object{"all": true}
	}
	if t.Scoped() {
		roles := make([]object, len(t.Roles))
		for i, r := range t.Roles {
			roles[i] = object{"id": r.ID, "name": r.Name}
		}
		o["roles"] = roles
	}
	if c := t.AppCredential; c != nil {
		shown := object{"id": c.ID, "name": c.Name, "restricted": c.Restricted}
		if c.AccessRules != nil {
			shown["access_rules"] = showRules(c.AccessRules)
		}
		o["application_credential"] = shown
	}
	if t.OAuth1 != nil {
		o["OS-OAUTH1"] = object{"access_token_id": t.OAuth1.AccessTokenID, "consumer_id": t.OAuth1.ConsumerID}
	}
	if t.Trust != nil {
		o["OS-TRUST:trust"] = object{
			"id": t.Trust.ID, "impersonation": t.Trust.Impersonation,
			"trustor_user": object{"id": t.Trust.TrustorID}, "trustee_user": object{"id": t.Trust.TrusteeID},
		}
	}
	return o
}

// showFederation adds to the user of a token how it came here.
func showFederation(user object, f *identity.TokenFederation) {
	groups := make([]object, len(f.GroupIDs))
	for i, id := range f.GroupIDs {
		groups[i] = object{"id": id}
	}
	user["OS-FEDERATION"] = object{
		"groups": groups, "identity_provider": object{"id": f.ProviderID}, "protocol": object{"id": f.ProtocolID},
	}
	delete(user, "password_expires_at")
}

func showRef(r identity.Ref) object { return object{"id": r.ID, "name": r.Name} }

// catalog is the encoded catalog for a token.
func (a *api) catalog(ctx context.Context, r *httpapi.Request, project, user string) json.RawMessage {
	key := catalogKey{revision: a.svc.CatalogRevision(), base: r.BaseURL, common: true}
	narrowed := a.svc.CatalogNarrowed(ctx, project)
	if body, ok := a.catalogs.Get(key); ok && !narrowed {
		return body
	}
	items := a.svc.CatalogOf(ctx, project)
	if narrowed || mentions(items, "project_id)s", "tenant_id)s") {
		key.project, key.common = project, false
	}
	if mentions(items, "user_id)s") {
		key.user, key.common = user, false
	}
	if body, ok := a.catalogs.Get(key); ok {
		return body
	}
	shown := make([]object, 0, len(items))
	for _, item := range items {
		shown = append(shown, object{
			"id": item.Service.ID, "type": item.Service.Type, "name": item.Service.Name,
			"endpoints": showEndpoints(item.Endpoints, cloudURL(r), project, user),
		})
	}
	body, _ := json.Marshal(shown)
	a.catalogs.Put(key, body)
	return body
}

// mentions reports whether an endpoint's URL has one of the marks.
func mentions(items []identity.CatalogItem, marks ...string) bool {
	for _, item := range items {
		for _, e := range item.Endpoints {
			for _, m := range marks {
				if strings.Contains(e.URL, m) {
					return true
				}
			}
		}
	}
	return false
}

func showEndpoints(all []identity.Endpoint, base, project, user string) []object {
	shown := make([]object, 0, len(all))
	for _, e := range all {
		url, ok := identity.Expand(e.URL, base, project, user)
		if !ok {
			continue
		}
		shown = append(shown, object{
			"id": e.ID, "interface": e.Interface, "url": url,
			"region": nullable(e.RegionID), "region_id": nullable(e.RegionID),
		})
	}
	return shown
}

// cloudURL is how the client reaches the cloud: what is above the mount point.
func cloudURL(r *httpapi.Request) string {
	return strings.TrimSuffix(r.BaseURL, "/identity")
}
