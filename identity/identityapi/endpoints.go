package identityapi

import (
	"context"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) endpointRoutes() []httpapi.Route {
	const single = "/v3/endpoints/{endpoint_id}"
	there := known("endpoint_id", a.svc.GetEndpoint, nil)
	return []httpapi.Route{
		route("GET", "/v3/endpoints", "list_endpoints", nil, a.listEndpoints),
		withBody("POST", "/v3/endpoints", "create_endpoint", createSchema("endpoint", endpointProperties, "interface", "service_id", "url"), nil, a.createEndpoint),
		route("GET", single, "get_endpoint", there, a.getEndpoint),
		withBody("PATCH", single, "update_endpoint", updateSchema("endpoint", endpointProperties), there, a.updateEndpoint),
		route("DELETE", single, "delete_endpoint", there, a.deleteEndpoint),
	}
}

type endpointBody struct {
	ServiceID *string `json:"service_id"`
	RegionID  *string `json:"region_id"`
	Region    *string `json:"region"` // an older name of region_id
	Interface *string `json:"interface"`
	URL       *string `json:"url"`
	Name      *string `json:"name"`
	Enabled   *bool   `json:"enabled"`
}

func (b *endpointBody) region() *string {
	if b.RegionID != nil {
		return b.RegionID
	}
	return b.Region
}

// showEndpoint shows the base of the cloud filled in; marks for projects and users
// are shown as they are stored.
func showEndpoint(r *httpapi.Request, e identity.Endpoint) object {
	o := object{
		"id": e.ID, "service_id": e.ServiceID, "interface": e.Interface, "enabled": e.Enabled,
		"region_id": nullable(e.RegionID), "region": nullable(e.RegionID),
		"url":   strings.ReplaceAll(e.URL, identity.BaseURL, cloudURL(r)),
		"links": self(r, "endpoints", e.ID),
	}
	optional(o, "name", e.Name)
	return with(o, e.Extra)
}

func (a *api) listEndpoints(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	region := q.Get("region_id")
	if region == "" {
		region = q.Get("region")
	}
	all, err := a.svc.ListEndpoints(ctx, &identity.ListEndpointsOptions{
		ServiceID: q.Get("service_id"), RegionID: region, Interface: q.Get("interface"),
	})
	if err != nil {
		return nil, err
	}
	return list(r, "endpoints", all, showEndpoint), nil
}

func (a *api) createEndpoint(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b endpointBody
	extra, err := decode(r, "endpoint", &b)
	if err != nil {
		return nil, err
	}
	if err := a.needRegion(ctx, &b); err != nil {
		return nil, err
	}
	e, err := a.svc.CreateEndpoint(ctx, identity.CreateEndpointOptions{
		ServiceID: value(b.ServiceID), RegionID: value(b.region()), Interface: value(b.Interface),
		URL: value(b.URL), Name: value(b.Name), Disabled: off(b.Enabled), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("endpoint", showEndpoint(r, e)), nil
}

// needRegion makes the region that the older attribute names, as Keystone does.
func (a *api) needRegion(ctx context.Context, b *endpointBody) error {
	if b.RegionID != nil || value(b.Region) == "" {
		return nil
	}
	if _, err := a.svc.GetRegion(ctx, *b.Region); err == nil {
		return nil
	}
	_, err := a.svc.CreateRegion(ctx, identity.CreateRegionOptions{ID: *b.Region})
	return err
}

func (a *api) getEndpoint(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	e, err := a.svc.GetEndpoint(ctx, r.Path("endpoint_id"))
	if err != nil {
		return nil, err
	}
	return one("endpoint", showEndpoint(r, e)), nil
}

func (a *api) updateEndpoint(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b endpointBody
	extra, err := decode(r, "endpoint", &b)
	if err != nil {
		return nil, err
	}
	if err := a.needRegion(ctx, &b); err != nil {
		return nil, err
	}
	e, err := a.svc.UpdateEndpoint(ctx, r.Path("endpoint_id"), identity.UpdateEndpointOptions{
		ServiceID: b.ServiceID, RegionID: b.region(), Interface: b.Interface,
		URL: b.URL, Name: b.Name, Enabled: b.Enabled, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("endpoint", showEndpoint(r, e)), nil
}

func (a *api) deleteEndpoint(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteEndpoint(ctx, r.Path("endpoint_id"))
}
