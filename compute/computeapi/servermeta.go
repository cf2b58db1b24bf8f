package computeapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/network"
)

func (a *api) metadataRoutes() []httpapi.Route {
	const all, one = "/v2.1/servers/{server_id}/metadata", "/v2.1/servers/{server_id}/metadata/{key}"
	item := `{"type":"object","patternProperties":{"^[a-zA-Z0-9-_:. ]{1,255}$":{"type":"string","maxLength":255}},"additionalProperties":false,"minProperties":1,"maxProperties":1}`
	route := func(method, path, rule string, schema []httpapi.Schema, h httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: method, Path: path, Policy: "os_compute_api:server-metadata:" + rule, Target: a.serverTarget,
			Body: schema, Handle: h,
		}
	}
	remove := route("DELETE", one, "delete", nil, a.deleteMetadata)
	remove.Status = http.StatusNoContent
	return []httpapi.Route{
		route("GET", all, "index", nil, a.listMetadata),
		route("POST", all, "create", body(wrapped("metadata", sMetadata)), a.setMetadata(false)),
		route("PUT", all, "update_all", body(wrapped("metadata", sMetadata)), a.setMetadata(true)),
		route("GET", one, "show", nil, a.showMetadata),
		route("PUT", one, "update", body(wrapped("meta", item)), a.setMetadataItem),
		remove,
	}
}

// orEmpty is a map that is written as {} rather than null.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func (a *api) listMetadata(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(map[string]any{"metadata": orEmpty(httpapi.Kept[compute.Server](r).Metadata)}), nil
}

func (a *api) setMetadata(replace bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		var in struct {
			Metadata map[string]string `json:"metadata"`
		}
		if err := r.Decode(&in); err != nil {
			return nil, err
		}
		s, err := a.svc.SetServerMetadata(asCaller(ctx, r), r.Path("server_id"), in.Metadata, replace)
		if err != nil {
			return nil, err
		}
		return httpapi.OK(map[string]any{"metadata": orEmpty(s.Metadata)}), nil
	}
}

func (a *api) showMetadata(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	key := r.Path("key")
	value, ok := httpapi.Kept[compute.Server](r).Metadata[key]
	if !ok {
		return nil, fault.New(fault.NotFound, "Metadata item was not found")
	}
	return httpapi.OK(map[string]any{"meta": map[string]string{key: value}}), nil
}

func (a *api) setMetadataItem(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Meta map[string]string `json:"meta"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	key := r.Path("key")
	if _, ok := in.Meta[key]; !ok {
		return nil, fault.New(fault.Invalid, "Request body and URI mismatch")
	}
	if _, err := a.svc.SetServerMetadata(asCaller(ctx, r), r.Path("server_id"), in.Meta, false); err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"meta": in.Meta}), nil
}

func (a *api) deleteMetadata(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteServerMetadata(asCaller(ctx, r), r.Path("server_id"), r.Path("key"))
}

func (a *api) tagRoutes() []httpapi.Route {
	const all, one = "/v2.1/servers/{server_id}/tags", "/v2.1/servers/{server_id}/tags/{tag}"
	route := func(method, path, rule string, status int, schema []httpapi.Schema, h httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: method, Path: path, Policy: "os_compute_api:os-server-tags:" + rule, Target: a.serverTarget,
			Min: v(26), Status: status, Body: schema, Handle: h,
		}
	}
	return []httpapi.Route{
		route("GET", all, "index", http.StatusOK, nil, a.listTags),
		route("PUT", all, "update_all", http.StatusOK, body(wrapped("tags", sTags)), a.setTags),
		route("DELETE", all, "delete_all", http.StatusNoContent, nil, a.clearTags),
		route("GET", one, "show", http.StatusNoContent, nil, a.hasTag),
		route("PUT", one, "update", http.StatusCreated, nil, a.addTag),
		route("DELETE", one, "delete", http.StatusNoContent, nil, a.removeTag),
	}
}

func tagList(tags []string) *httpapi.Response {
	if tags == nil {
		tags = []string{}
	}
	return httpapi.OK(map[string]any{"tags": tags})
}

func (a *api) listTags(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return tagList(httpapi.Kept[compute.Server](r).Tags), nil
}

func (a *api) setTags(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Tags []string `json:"tags"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	s, err := a.svc.SetServerTags(ctx, r.Path("server_id"), in.Tags)
	if err != nil {
		return nil, err
	}
	return tagList(s.Tags), nil
}

func (a *api) clearTags(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.svc.SetServerTags(ctx, r.Path("server_id"), nil)
	return httpapi.Empty(), err
}

func (a *api) hasTag(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	s := httpapi.Kept[compute.Server](r)
	if !slices.Contains(s.Tags, r.Path("tag")) {
		return nil, fault.New(fault.NotFound, "Server %s has no tag '%s'", s.ID, r.Path("tag"))
	}
	return httpapi.Empty(), nil
}

func (a *api) addTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !utf8.ValidString(r.Path("tag")) {
		return nil, fault.New(fault.Invalid, "Tag is not valid text")
	}
	added, err := a.svc.AddServerTag(ctx, r.Path("server_id"), r.Path("tag"))
	if err != nil {
		return nil, err
	}
	if !added {
		return &httpapi.Response{Status: http.StatusNoContent}, nil
	}
	where := r.BaseURL + "/v2.1/servers/" + r.Path("server_id") + "/tags/" + r.Path("tag")
	return &httpapi.Response{Header: http.Header{"Location": {where}}}, nil
}

func (a *api) removeTag(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.RemoveServerTag(ctx, r.Path("server_id"), r.Path("tag"))
}

func (a *api) addressRoutes() []httpapi.Route {
	return []httpapi.Route{
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/ips", Policy: "os_compute_api:ips:index",
			Target: a.serverTarget, Handle: a.listAddresses,
		},
		{
			Method: "GET", Path: "/v2.1/servers/{server_id}/ips/{label}", Policy: "os_compute_api:ips:show",
			Target: a.serverTarget, Handle: a.showAddresses,
		},
	}
}

func (a *api) listAddresses(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.Addresses(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	var w jsonWriter
	w.open('{')
	w.key("addresses")
	writeAddresses(&w, all[r.Path("server_id")], false)
	w.close('}')
	return httpapi.OK(json.RawMessage(w.buf)), nil
}

func (a *api) showAddresses(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, err := a.svc.Addresses(ctx, r.Path("server_id"))
	if err != nil {
		return nil, err
	}
	var some []network.Address
	for _, addr := range all[r.Path("server_id")] {
		if addr.NetworkName == r.Path("label") {
			some = append(some, addr)
		}
	}
	if some == nil {
		return nil, fault.New(fault.NotFound, "Instance is not a member of specified network")
	}
	var w jsonWriter
	writeAddresses(&w, some, false)
	return httpapi.OK(json.RawMessage(w.buf)), nil
}
