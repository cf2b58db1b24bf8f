package volumeapi

import (
	"context"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) defaultTypeRoutes() []httpapi.Route {
	const all, one = "/v3/default-types", "/v3/default-types/{project_id}"
	const rules = "volume_extension:default_"
	routes := []httpapi.Route{
		{Method: "GET", Path: all, Policy: rules + "get_all", Handle: a.listDefaultTypes},
		{Method: "GET", Path: one, Policy: rules + "get", Target: projectTarget, Handle: a.getDefaultType},
		{Method: "PUT", Path: one, Policy: rules + "set_or_update", Target: projectTarget, Body: defaultTypeSchema, Handle: a.setDefaultType},
		{Method: "DELETE", Path: one, Policy: rules + "unset", Target: projectTarget, Status: 204, Handle: a.unsetDefaultType},
	}
	for i := range routes {
		routes[i].Min = since(62)
	}
	return routes
}

var defaultTypeSchema = one(object("default_type", `"volume_type": `+sID, `"volume_type"`, false))

// projectTarget is for what belongs to the project that the path names.
func projectTarget(_ context.Context, r *httpapi.Request) (policy.Target, error) {
	return policy.Target{"project_id": r.Path("project_id")}, nil
}

func defaultTypeView(p volume.ProjectType) doc {
	return doc{"project_id": p.ProjectID, "volume_type_id": p.TypeID}
}

func (a *api) listDefaultTypes(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	list := []doc{}
	for _, p := range a.svc.ListProjectTypes(ctx) {
		list = append(list, defaultTypeView(p))
	}
	return httpapi.OK(doc{"default_types": list}), nil
}

func (a *api) getDefaultType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.svc.GetProjectType(ctx, r.Path("project_id"))
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"default_type": defaultTypeView(p)}), nil
}

func (a *api) setDefaultType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Type string `json:"volume_type"`
	}](r, "default_type")
	if err != nil {
		return nil, err
	}
	p, err := a.svc.SetProjectType(ctx, r.Path("project_id"), b.Type)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"default_type": defaultTypeView(p)}), nil
}

func (a *api) unsetDefaultType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.UnsetProjectType(ctx, r.Path("project_id"))
}
