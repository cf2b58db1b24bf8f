package identityapi

import (
	"context"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) serviceRoutes() []httpapi.Route {
	const single = "/v3/services/{service_id}"
	return []httpapi.Route{
		route("GET", "/v3/services", "list_services", nil, a.listServices),
		withBody("POST", "/v3/services", "create_service", createSchema("service", serviceProperties, "type"), nil, a.createService),
		route("GET", single, "get_service", nil, a.getService),
		withBody("PATCH", single, "update_service", updateSchema("service", serviceProperties), nil, a.updateService),
		route("DELETE", single, "delete_service", nil, a.deleteService),
	}
}

type serviceBody struct {
	Type        *string `json:"type"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
	Enabled     *bool   `json:"enabled"`
}

func showService(r *httpapi.Request, s identity.CatalogService) object {
	o := object{
		"id": s.ID, "type": s.Type, "name": s.Name, "enabled": s.Enabled,
		"links": self(r, "services", s.ID),
	}
	optional(o, "description", s.Description)
	return with(o, s.Extra)
}

func (a *api) listServices(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := a.svc.ListServices(ctx, &identity.ListServicesOptions{Type: q.Get("type"), Name: q.Get("name")})
	if err != nil {
		return nil, err
	}
	return list(r, "services", all, showService), nil
}

func (a *api) createService(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b serviceBody
	extra, err := decode(r, "service", &b)
	if err != nil {
		return nil, err
	}
	s, err := a.svc.CreateService(ctx, identity.CreateServiceOptions{
		Type: value(b.Type), Name: value(b.Name), Description: value(b.Description),
		Disabled: off(b.Enabled), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("service", showService(r, s)), nil
}

func (a *api) getService(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s, err := a.svc.GetService(ctx, r.Path("service_id"))
	if err != nil {
		return nil, err
	}
	return one("service", showService(r, s)), nil
}

func (a *api) updateService(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b serviceBody
	extra, err := decode(r, "service", &b)
	if err != nil {
		return nil, err
	}
	s, err := a.svc.UpdateService(ctx, r.Path("service_id"), identity.UpdateServiceOptions{
		Type: b.Type, Name: b.Name, Description: b.Description, Enabled: b.Enabled, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("service", showService(r, s)), nil
}

func (a *api) deleteService(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteService(ctx, r.Path("service_id"))
}
