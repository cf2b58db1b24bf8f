package volumeapi

import (
	"context"
	"maps"
	"slices"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) typeAccessRoutes() []httpapi.Route {
	const one = "/v3/types/{volume_type_id}"
	const rules = "volume_extension:volume_type_access:"
	change := func(name string, handle httpapi.Handler) httpapi.Route {
		return httpapi.Route{
			Method: "POST", Path: one + "/action", Action: name, Policy: rules + name, Target: a.typeTarget, Status: 202,
			Body: oneAccess(name), Handle: handle,
		}
	}
	return []httpapi.Route{
		{Method: "GET", Path: one + "/os-volume-type-access", Policy: rules + "get_all_for_type", Target: a.typeTarget, Handle: listAccess},
		change("addProjectAccess", a.addAccess),
		change("removeProjectAccess", a.removeAccess),
	}
}

func oneAccess(name string) []httpapi.Schema {
	return one(object(name, `"project": `+sID, `"project"`, false))
}

func listAccess(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t := httpapi.Kept[volume.Type](r)
	if t.Public {
		return nil, fault.New(fault.NotFound, "Access list not available for public volume types.")
	}
	list := []doc{}
	for _, project := range t.Projects {
		list = append(list, doc{"volume_type_id": t.ID, "project_id": project})
	}
	return httpapi.OK(doc{"volume_type_access": list}), nil
}

type accessBody struct {
	Project string `json:"project"`
}

func (a *api) addAccess(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[accessBody](r, "addProjectAccess")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.AddTypeAccess(ctx, httpapi.Kept[volume.Type](r).ID, b.Project)
}

func (a *api) removeAccess(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[accessBody](r, "removeProjectAccess")
	if err != nil {
		return nil, err
	}
	return httpapi.Empty(), a.svc.RemoveTypeAccess(ctx, httpapi.Kept[volume.Type](r).ID, b.Project)
}

func showSpecs(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"extra_specs": specsFor(r, httpapi.Kept[volume.Type](r))}), nil
}

// noSpec is the error for an extra spec that is not there.
func noSpec(t volume.Type, key string) error {
	return fault.New(fault.NotFound, "Volume Type %s has no extra specs with key %.255s.", t.ID, key)
}

func showSpec(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, key := httpapi.Kept[volume.Type](r), r.Path("key")
	value, ok := specsFor(r, t)[key]
	if !ok {
		return nil, noSpec(t, key)
	}
	return httpapi.OK(doc{key: value}), nil
}

// editSpecs replaces the extra specs of the type by what change makes of them.
func (a *api) editSpecs(ctx context.Context, r *httpapi.Request, change func(specs map[string]string) error) error {
	_, err := a.svc.UpdateType(ctx, httpapi.Kept[volume.Type](r).ID, volume.UpdateTypeOptions{
		EditSpecs: func(all map[string]string) (map[string]string, error) { return all, change(all) },
	})
	return err
}

func (a *api) addSpecs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	more, err := inner[map[string]string](r, "extra_specs")
	if err != nil {
		return nil, err
	}
	err = a.editSpecs(ctx, r, func(specs map[string]string) error { maps.Copy(specs, more); return nil })
	return httpapi.OK(doc{"extra_specs": more}), err
}

func (a *api) setSpec(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var b map[string]string
	if err := r.Decode(&b); err != nil {
		return nil, err
	}
	key := r.Path("key")
	if !slices.Contains(slices.Collect(maps.Keys(b)), key) {
		return nil, fault.New(fault.Invalid, "Request body and URI mismatch")
	}
	err := a.editSpecs(ctx, r, func(specs map[string]string) error { specs[key] = b[key]; return nil })
	return httpapi.OK(b), err
}

func (a *api) removeSpec(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, key := httpapi.Kept[volume.Type](r), r.Path("key")
	return httpapi.Empty(), a.editSpecs(ctx, r, func(specs map[string]string) error {
		if _, ok := specs[key]; !ok {
			return noSpec(t, key)
		}
		delete(specs, key)
		return nil
	})
}
