package computeapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

// Images is what the image routes that compute keeps for old clients need of the
// image service. *image.Service satisfies it.
type Images interface {
	GetImage(ctx context.Context, id string) (image.Image, error)
	ListImages(ctx context.Context, f image.Filter) []image.Image
	CanSee(ctx context.Context, i image.Image, projectID string) bool
	DeleteImage(ctx context.Context, id string) error
}

func (a *api) networkRoutes() []httpapi.Route {
	if a.Networks == nil {
		return nil
	}
	var routes []httpapi.Route
	for path, rule := range map[string]string{"os-networks": "os-networks", "os-tenant-networks": "os-tenant-networks"} {
		routes = append(routes,
			httpapi.Route{Method: "GET", Path: "/v2.1/" + path, Policy: "os_compute_api:" + rule + ":list", Max: proxies, Handle: a.listNetworks},
			httpapi.Route{Method: "GET", Path: "/v2.1/" + path + "/{id}", Policy: "os_compute_api:" + rule + ":show", Max: proxies, Handle: a.showNetwork},
		)
	}
	return routes
}

func networkView(n network.Network) map[string]any {
	return map[string]any{"id": n.ID, "label": n.Name, "cidr": nil}
}

func (a *api) listNetworks(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.Networks.VisibleNetworks(ctx, r.Principal.ProjectID)
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, n := range all {
		list = append(list, networkView(n))
	}
	return httpapi.OK(map[string]any{"networks": list}), nil
}

func (a *api) showNetwork(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.Networks.VisibleNetworks(ctx, r.Principal.ProjectID)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if n.ID == r.Path("id") {
			return httpapi.OK(map[string]any{"network": networkView(n)}), nil
		}
	}
	return nil, fault.New(fault.NotFound, "Network not found")
}

func (a *api) imageRoutes() []httpapi.Route {
	if a.Images == nil {
		return nil
	}
	// Nova has no rules of its own here: Glance's decide, through CanSee.
	route := func(method, path, rule string, h httpapi.Handler) httpapi.Route {
		return httpapi.Route{Method: method, Path: path, Policy: "welkin:images:" + rule, Max: proxies, Handle: h}
	}
	remove := route("DELETE", "/v2.1/images/{image_id}", "delete", a.deleteImage)
	remove.Status = http.StatusNoContent
	return []httpapi.Route{
		route("GET", "/v2.1/images", "index", a.listImages(false)), route("GET", "/v2.1/images/detail", "index", a.listImages(true)),
		route("GET", "/v2.1/images/{image_id}", "show", a.showImage), remove,
	}
}

// imageStatuses are the statuses of images in compute's old words.
var imageStatuses = map[image.Status]string{
	image.Active: "ACTIVE", image.Queued: "SAVING", image.Saving: "SAVING", image.Killed: "ERROR", image.Deactivated: "DELETED",
}

func imageView(r *httpapi.Request, i image.Image) map[string]any {
	out := map[string]any{
		"id": i.ID, "name": i.Name, "links": links(r, "images/"+i.ID), "status": imageStatuses[i.Status], "progress": 0,
		"minDisk": i.MinDiskGiB, "minRam": i.MinRAMMiB, "created": stamp(i.CreatedAt), "updated": stamp(i.UpdatedAt),
		"metadata": orEmpty(i.Properties), "OS-EXT-IMG-SIZE:size": i.Size,
	}
	switch i.Status {
	case image.Active:
		out["progress"] = 100
	case image.Saving:
		out["progress"] = 50
	}
	if server := i.Properties["instance_uuid"]; server != "" {
		out["server"] = map[string]any{"id": server, "links": links(r, "servers/"+server)}
	}
	return out
}

// viewer is the project in whose name images are listed: all are for administrators
// whose token is for none, and only those for everybody for others.
func viewer(r *httpapi.Request) string {
	if r.Principal.ProjectID == "" && !r.Principal.IsAdmin() {
		return "-"
	}
	return r.Principal.ProjectID
}

func (a *api) listImages(detail bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		q := r.Query()
		list := []any{}
		for _, i := range a.Images.ListImages(ctx, image.Filter{Viewer: viewer(r)}) {
			switch {
			case q.Get("name") != "" && q.Get("name") != i.Name, q.Get("status") != "" && q.Get("status") != imageStatuses[i.Status]:
				continue
			case q.Get("server") != "" && ref(q.Get("server")) != i.Properties["instance_uuid"]:
				continue
			}
			view := imageView(r, i)
			if !detail {
				view = map[string]any{"id": i.ID, "name": i.Name, "links": view["links"]}
			}
			list = append(list, view)
		}
		return httpapi.OK(map[string]any{"images": list}), nil
	}
}

func (a *api) image(ctx context.Context, r *httpapi.Request) (image.Image, error) {
	i, err := a.Images.GetImage(ctx, r.Path("image_id"))
	if err != nil || !r.IsAdmin() && !a.Images.CanSee(ctx, i, r.Principal.ProjectID) {
		return i, fault.New(fault.NotFound, "Image not found.")
	}
	return i, nil
}

func (a *api) showImage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	i, err := a.image(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"image": imageView(r, i)}), nil
}

func (a *api) deleteImage(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	i, err := a.image(ctx, r)
	if err == nil && !r.IsAdmin() && i.ProjectID != r.Principal.ProjectID {
		err = fault.New(fault.Forbidden, "You are not allowed to delete the image.")
	}
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.Images.DeleteImage(ctx, i.ID)
}
