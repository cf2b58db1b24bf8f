package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) domainRoutes() []httpapi.Route {
	one := targets(a.domainTarget)
	there := known("domain_id", a.svc.GetDomain, one)
	return []httpapi.Route{
		route("GET", "/v3/domains", "list_domains", targets(ownDomain("target.domain.id")), a.listDomains),
		withBody("POST", "/v3/domains", "create_domain", createSchema("domain", domainProperties, "name"), nil, a.createDomain),
		route("GET", "/v3/domains/{domain_id}", "get_domain", one, a.getDomain),
		withBody("PATCH", "/v3/domains/{domain_id}", "update_domain", updateSchema("domain", domainProperties), there, a.updateDomain),
		route("DELETE", "/v3/domains/{domain_id}", "delete_domain", there, a.deleteDomain),
	}
}

type domainBody struct {
	ID          *string             `json:"explicit_domain_id"`
	Name        *string             `json:"name"`
	Description *string             `json:"description"`
	Enabled     *bool               `json:"enabled"`
	Tags        *[]string           `json:"tags"`
	Options     identity.Attributes `json:"options"`
}

func showDomain(r *httpapi.Request, d identity.Domain) object {
	return with(object{
		"id": d.ID, "name": d.Name, "description": d.Description, "enabled": d.Enabled,
		"options": options(d.Options), "tags": tagsOf(d.Tags), "links": self(r, "domains", d.ID),
	}, d.Extra)
}

func (a *api) listDomains(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	own := r.Principal.DomainID
	all, err := a.svc.ListDomains(ctx, &identity.ListDomainsOptions{
		Name: q.Get("name"), Enabled: maybe(q, "enabled"), Page: page(r),
		Keep: both(keep(r, showDomain), func(d *identity.Domain) bool { return own == "" || own == d.ID }),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "domains", all, showDomain), nil
}

func (a *api) createDomain(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b domainBody
	extra, err := decode(r, "domain", &b)
	if err != nil {
		return nil, err
	}
	d, err := a.svc.CreateDomain(ctx, identity.CreateDomainOptions{
		ID: value(b.ID), Name: value(b.Name), Description: value(b.Description), Disabled: off(b.Enabled),
		Tags: value(b.Tags), Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("domain", showDomain(r, d)), nil
}

func (a *api) getDomain(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	d, err := a.svc.GetDomain(ctx, r.Path("domain_id"))
	if err != nil {
		return nil, err
	}
	return one("domain", showDomain(r, d)), nil
}

func (a *api) updateDomain(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b domainBody
	extra, err := decode(r, "domain", &b)
	if err != nil {
		return nil, err
	}
	d, err := a.svc.UpdateDomain(ctx, r.Path("domain_id"), identity.UpdateDomainOptions{
		Name: b.Name, Description: b.Description, Enabled: b.Enabled, Tags: b.Tags, Options: b.Options, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("domain", showDomain(r, d)), nil
}

func (a *api) deleteDomain(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteDomain(ctx, r.Path("domain_id"))
}

// value is what a pointer points to, or nothing.
func value[T any](p *T) T {
	var zero T
	if p == nil {
		return zero
	}
	return *p
}

// off reports whether "enabled" was given as false.
func off(enabled *bool) bool { return enabled != nil && !*enabled }
