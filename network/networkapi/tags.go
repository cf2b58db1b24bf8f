package networkapi

import (
	"context"
	"slices"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

const sTags = `{"type":"object","additionalProperties":false,"required":["tags"],"properties":{"tags":` + sTexts + `}}`

func (a *api) tags() []httpapi.Route {
	return slices.Concat(
		tagRoutes(a, a.networks()), tagRoutes(a, a.subnets()), tagRoutes(a, a.ports()), tagRoutes(a, a.routers()),
		tagRoutes(a, a.floatingIPs()), tagRoutes(a, a.groups()), tagRoutes(a, a.pools()),
	)
}

// tagRoutes are the routes of the tags of one kind of resource.
func tagRoutes[T any](a *api, x *resource[T]) []httpapi.Route {
	all := "/v2.0/" + x.path + "/{" + x.id + "}/tags"
	one := all + "/{tag}"
	body := []httpapi.Schema{{JSON: sTags}}
	rule := func(verb string) string { return verb + "_" + x.singular + ":tags" }
	have := func(ctx context.Context, r *httpapi.Request) []string {
		tags, _ := x.view(ctx, httpapi.Kept[T](r))["tags"].([]string)
		return tags
	}
	replace := func(ctx context.Context, r *httpapi.Request, tags []string) (*httpapi.Response, error) {
		now, err := a.svc.SetTags(ctx, x.path, r.Path(x.id), tags)
		return httpapi.OK(view{"tags": texts(now)}), err
	}
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("get"), Target: x.load, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.OK(view{"tags": have(ctx, r)}), nil
		}},
		{Method: "PUT", Path: all, Policy: rule("update"), Target: x.load, Body: body, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			tags, err := givenTags(r)
			if err != nil {
				return nil, err
			}
			return replace(ctx, r, tags)
		}},
		{Method: "POST", Path: all, Policy: rule("create"), Target: x.load, Body: body, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			tags, err := givenTags(r)
			if err != nil {
				return nil, err
			}
			return replace(ctx, r, slices.Concat(have(ctx, r), tags))
		}},
		{Method: "DELETE", Path: all, Policy: rule("delete"), Target: x.load, Status: 204, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			_, err := a.svc.SetTags(ctx, x.path, r.Path(x.id), nil)
			return httpapi.Empty(), err
		}},
		{Method: "GET", Path: one, Policy: rule("get"), Target: x.load, Status: 204, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			if !slices.Contains(have(ctx, r), r.Path("tag")) {
				return nil, network.TagNotFound(r.Path("tag"))
			}
			return httpapi.Empty(), nil
		}},
		{Method: "PUT", Path: one, Policy: rule("update"), Target: x.load, Status: 201, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.Empty(), a.svc.AddTag(ctx, x.path, r.Path(x.id), r.Path("tag"))
		}},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Target: x.load, Status: 204, Handle: func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			return httpapi.Empty(), a.svc.RemoveTag(ctx, x.path, r.Path(x.id), r.Path("tag"))
		}},
	}
}

func givenTags(r *httpapi.Request) ([]string, error) {
	var b struct {
		Tags []string `json:"tags"`
	}
	err := r.Decode(&b)
	return b.Tags, err
}
