package identityapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) regionRoutes() []httpapi.Route {
	const single = "/v3/regions/{region_id}"
	create := createSchema("region", regionProperties)
	return []httpapi.Route{
		route("GET", "/v3/regions", "list_regions", nil, a.listRegions),
		withBody("POST", "/v3/regions", "create_region", create, nil, a.createRegion),
		status(http.StatusCreated, withBody("PUT", single, "create_region", create, nil, a.createRegion)),
		route("GET", single, "get_region", nil, a.getRegion),
		withBody("PATCH", single, "update_region", updateSchema("region", regionProperties), nil, a.updateRegion),
		route("DELETE", single, "delete_region", nil, a.deleteRegion),
	}
}

type regionBody struct {
	ID          *string `json:"id"`
	ParentID    *string `json:"parent_region_id"`
	Description *string `json:"description"`
}

func showRegion(r *httpapi.Request, g identity.Region) object {
	return with(object{
		"id": g.ID, "parent_region_id": nullable(g.ParentID), "description": g.Description,
		"links": self(r, "regions", g.ID),
	}, g.Extra)
}

func (a *api) listRegions(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.ListRegions(ctx, r.Query().Get("parent_region_id"))
	if err != nil {
		return nil, err
	}
	return list(r, "regions", all, showRegion), nil
}

// createRegion takes the id from the body or, with PUT, from the path.
func (a *api) createRegion(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b regionBody
	extra, err := decode(r, "region", &b)
	if err != nil {
		return nil, err
	}
	id, named := value(b.ID), r.Path("region_id")
	if named != "" && id != "" && id != named {
		return nil, fault.New(fault.Invalid, "The id of the region in the body is not that in the URL.")
	}
	if id == "" {
		id = named
	}
	g, err := a.svc.CreateRegion(ctx, identity.CreateRegionOptions{
		ID: id, ParentID: value(b.ParentID), Description: value(b.Description), Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("region", showRegion(r, g)), nil
}

func (a *api) getRegion(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	g, err := a.svc.GetRegion(ctx, r.Path("region_id"))
	if err != nil {
		return nil, err
	}
	return one("region", showRegion(r, g)), nil
}

func (a *api) updateRegion(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b regionBody
	extra, err := decode(r, "region", &b)
	if err != nil {
		return nil, err
	}
	if isNull(r, "region", "parent_region_id") {
		b.ParentID = new(string)
	}
	g, err := a.svc.UpdateRegion(ctx, r.Path("region_id"), identity.UpdateRegionOptions{
		ParentID: b.ParentID, Description: b.Description, Extra: extra,
	})
	if err != nil {
		return nil, err
	}
	return one("region", showRegion(r, g)), nil
}

func (a *api) deleteRegion(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteRegion(ctx, r.Path("region_id"))
}
