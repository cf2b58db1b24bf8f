package placementapi

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/state"
)

// catalogueRoutes are those of resource classes and traits.
func (a *api) catalogueRoutes() []httpapi.Route {
	const classes, traits = "/resource_classes", "/traits"
	class := func(name string) string { return "placement:resource_classes:" + name }
	trait := func(name string) string { return "placement:traits:" + name }
	newClass := schema(`{"type":"object","additionalProperties":false,"required":["name"],"properties":{"name":{"type":"string","pattern":"^CUSTOM_[A-Z0-9_]+$","maxLength":255}}}`)
	return []httpapi.Route{
		{Method: "GET", Path: classes, Policy: class("list"), Min: v(2), Handle: a.listClasses},
		{Method: "POST", Path: classes, Policy: class("create"), Min: v(2), Body: newClass, Status: http.StatusCreated, Handle: a.createClass},
		{Method: "GET", Path: classes + "/{name}", Policy: class("show"), Min: v(2), Handle: a.showClass},
		{Method: "PUT", Path: classes + "/{name}", Policy: class("update"), Min: v(7), Handle: a.ensureClass},
		{Method: "DELETE", Path: classes + "/{name}", Policy: class("delete"), Min: v(2), Status: http.StatusNoContent, Handle: a.deleteClass},
		{Method: "GET", Path: traits, Policy: trait("list"), Min: v(6), Handle: a.listTraits},
		{Method: "GET", Path: traits + "/{name}", Policy: trait("show"), Min: v(6), Status: http.StatusNoContent, Handle: a.showTrait},
		{Method: "PUT", Path: traits + "/{name}", Policy: trait("update"), Min: v(6), Handle: a.ensureTrait},
		{Method: "DELETE", Path: traits + "/{name}", Policy: trait("delete"), Min: v(6), Status: http.StatusNoContent, Handle: a.deleteTrait},
	}
}

func classView(name string) map[string]any {
	return map[string]any{"name": name, "links": []map[string]string{{"rel": "self", "href": "/placement/resource_classes/" + name}}}
}

func (a *api) listClasses(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	list := []any{}
	for _, name := range a.store.Classes(a.store.Snapshot()) {
		list = append(list, classView(name))
	}
	return answer(r, a.store.Now(), map[string]any{"resource_classes": list}), nil
}

func (a *api) showClass(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !a.store.HasClass(a.store.Snapshot(), r.Path("name")) {
		return nil, fault.New(fault.NotFound, "No such resource class %s.", r.Path("name"))
	}
	return answer(r, a.store.Now(), classView(r.Path("name"))), nil
}

// made is the answer to a creation of name below path.
func made(r *httpapi.Request, path, name string) *httpapi.Response {
	return &httpapi.Response{Status: http.StatusCreated, Header: http.Header{"Location": {r.BaseURL + path + name}}}
}

func (a *api) createClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if err := a.store.Update(ctx, func(tx *state.Tx) error { return a.store.CreateClass(tx, in.Name) }); err != nil {
		return nil, err
	}
	return made(r, "/resource_classes/", in.Name), nil
}

func (a *api) ensureClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	name := r.Path("name")
	added := false
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		if added = !a.store.HasClass(tx, name); !added {
			return nil
		}
		return a.store.CreateClass(tx, name)
	})
	if err != nil {
		return nil, err
	}
	resp := made(r, "/resource_classes/", name)
	if !added {
		resp.Status = http.StatusNoContent
	}
	return resp, nil
}

func (a *api) deleteClass(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.store.Update(ctx, func(tx *state.Tx) error { return a.store.DeleteClass(tx, r.Path("name")) })
}

func (a *api) listTraits(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	reader := a.store.Snapshot()
	all := a.store.Traits(reader)
	if expr := r.Query().Get("name"); expr != "" {
		prefix, starts := strings.CutPrefix(expr, "startswith:")
		names, in := strings.CutPrefix(expr, "in:")
		if !starts && !in {
			return nil, fault.New(fault.Invalid, "Badly formatted name parameter. Expected name query string parameter in form: ?name=[in|startswith]:[name1,name2|prefix]. Got: \"%s\"", expr)
		}
		list := strings.Split(names, ",")
		all = slices.DeleteFunc(all, func(t string) bool {
			return starts && !strings.HasPrefix(t, prefix) || in && !slices.Contains(list, t)
		})
	}
	if associated := r.Query().Get("associated"); associated != "" {
		used := map[string]bool{}
		for p := range a.store.List(reader) {
			for _, t := range p.Traits {
				used[t] = true
			}
		}
		wantUsed := strings.EqualFold(associated, "true")
		all = slices.DeleteFunc(all, func(t string) bool { return used[t] != wantUsed })
	}
	return answer(r, a.store.Now(), map[string]any{"traits": all}), nil
}

func (a *api) showTrait(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if !a.store.HasTrait(a.store.Snapshot(), r.Path("name")) {
		return nil, fault.New(fault.NotFound, "No such trait(s): %s.", r.Path("name"))
	}
	return answer(r, a.store.Now(), nil), nil
}

func (a *api) ensureTrait(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	name := r.Path("name")
	var added bool
	err := a.store.Update(ctx, func(tx *state.Tx) (err error) {
		added, err = a.store.CreateTrait(tx, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	resp := made(r, "/traits/", name)
	if !added {
		resp.Status = http.StatusNoContent
	}
	return resp, nil
}

func (a *api) deleteTrait(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.store.Update(ctx, func(tx *state.Tx) error { return a.store.DeleteTrait(tx, r.Path("name")) })
}
