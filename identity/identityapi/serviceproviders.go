package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) serviceProviderRoutes() []httpapi.Route {
	const all = "/v3/OS-FEDERATION/service_providers"
	const single = all + "/{service_provider_id}"
	return []httpapi.Route{
		route("GET", all, "list_service_providers", nil, a.listServiceProviders),
		status(http.StatusCreated, withBody("PUT", single, "create_service_provider",
			closedSchema("service_provider", serviceProviderProperties, `"required": ["auth_url", "sp_url"]`), nil, a.createServiceProvider)),
		route("GET", single, "get_service_provider", nil, a.getServiceProvider),
		withBody("PATCH", single, "update_service_provider",
			closedSchema("service_provider", serviceProviderProperties, `"minProperties": 1`), nil, a.updateServiceProvider),
		route("DELETE", single, "delete_service_provider", nil, a.deleteServiceProvider),
	}
}

type serviceProviderBody struct {
	AuthURL          *string `json:"auth_url"`
	URL              *string `json:"sp_url"`
	Description      *string `json:"description"`
	Enabled          *bool   `json:"enabled"`
	RelayStatePrefix *string `json:"relay_state_prefix"`
}

func showServiceProvider(r *httpapi.Request, p identity.ServiceProvider) object {
	return object{
		"id": p.ID, "auth_url": p.AuthURL, "sp_url": p.URL, "description": nullable(p.Description),
		"enabled": p.Enabled, "relay_state_prefix": p.RelayStatePrefix,
		"links": self(r, "OS-FEDERATION", "service_providers", p.ID),
	}
}

// serviceProviders are those that tokens tell of: the enabled ones.
func (a *api) serviceProviders(ctx context.Context) []object {
	enabled := true
	all, err := a.svc.ListServiceProviders(ctx, &identity.ListServiceProvidersOptions{Enabled: &enabled})
	if err != nil {
		return nil
	}
	shown := make([]object, len(all))
	for i, p := range all {
		shown[i] = object{"id": p.ID, "auth_url": p.AuthURL, "sp_url": p.URL}
	}
	return shown
}

func (a *api) listServiceProviders(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListServiceProviders(ctx, &identity.ListServiceProvidersOptions{
		ID: q.Get("id"), Enabled: maybe(q, "enabled"),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "service_providers", all, showServiceProvider), nil
}

func (a *api) createServiceProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b serviceProviderBody
	if _, err := decode(r, "service_provider", &b); err != nil {
		return nil, err
	}
	p, err := a.svc.CreateServiceProvider(ctx, identity.ServiceProvider{
		ID: r.Path("service_provider_id"), AuthURL: value(b.AuthURL), URL: value(b.URL),
		Description: value(b.Description), Enabled: value(b.Enabled), RelayStatePrefix: value(b.RelayStatePrefix),
	})
	if err != nil {
		return nil, err
	}
	return one("service_provider", showServiceProvider(r, p)), nil
}

func (a *api) getServiceProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetServiceProvider(ctx, r.Path("service_provider_id"))
	if err != nil {
		return nil, err
	}
	return one("service_provider", showServiceProvider(r, p)), nil
}

func (a *api) updateServiceProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b serviceProviderBody
	if _, err := decode(r, "service_provider", &b); err != nil {
		return nil, err
	}
	if isNull(r, "service_provider", "description") {
		b.Description = new(string)
	}
	p, err := a.svc.UpdateServiceProvider(ctx, r.Path("service_provider_id"), identity.UpdateServiceProviderOptions{
		AuthURL: b.AuthURL, URL: b.URL, Description: b.Description, Enabled: b.Enabled, RelayStatePrefix: b.RelayStatePrefix,
	})
	if err != nil {
		return nil, err
	}
	return one("service_provider", showServiceProvider(r, p)), nil
}

func (a *api) deleteServiceProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteServiceProvider(ctx, r.Path("service_provider_id"))
}
