package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) mappingRoutes() []httpapi.Route {
	const all, single = "/v3/OS-FEDERATION/mappings", "/v3/OS-FEDERATION/mappings/{mapping_id}"
	return []httpapi.Route{
		route("GET", all, "list_mappings", nil, a.listMappings),
		status(http.StatusCreated, withBody("PUT", single, "create_mapping", mappingSchema, nil, a.createMapping)),
		route("GET", single, "get_mapping", nil, a.getMapping),
		withBody("PATCH", single, "update_mapping", mappingSchema, nil, a.updateMapping),
		route("DELETE", single, "delete_mapping", nil, a.deleteMapping),
	}
}

func showMapping(r *httpapi.Request, m identity.Mapping) object {
	return object{
		"id": m.ID, "rules": m.Rules, "schema_version": m.SchemaVersion,
		"links": self(r, "OS-FEDERATION", "mappings", m.ID),
	}
}

// mappingOf reads a mapping out of the body.
func mappingOf(r *httpapi.Request) (identity.Mapping, error) {
	var b struct {
		Mapping struct {
			SchemaVersion string                 `json:"schema_version"`
			Rules         []identity.MappingRule `json:"rules"`
		} `json:"mapping"`
	}
	err := r.Decode(&b)
	return identity.Mapping{
		ID: r.Path("mapping_id"), SchemaVersion: b.Mapping.SchemaVersion, Rules: b.Mapping.Rules,
	}, err
}

func (a *api) listMappings(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListMappings(ctx)
	if err != nil {
		return nil, err
	}
	return list(r, "mappings", all, showMapping), nil
}

func (a *api) createMapping(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	m, err := mappingOf(r)
	if err != nil {
		return nil, err
	}
	if m, err = a.svc.CreateMapping(ctx, m); err != nil {
		return nil, err
	}
	return one("mapping", showMapping(r, m)), nil
}

func (a *api) getMapping(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	m, err := a.svc.GetMapping(ctx, r.Path("mapping_id"))
	if err != nil {
		return nil, err
	}
	return one("mapping", showMapping(r, m)), nil
}

func (a *api) updateMapping(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	m, err := mappingOf(r)
	if err != nil {
		return nil, err
	}
	if m, err = a.svc.UpdateMapping(ctx, m); err != nil {
		return nil, err
	}
	return one("mapping", showMapping(r, m)), nil
}

func (a *api) deleteMapping(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteMapping(ctx, r.Path("mapping_id"))
}
