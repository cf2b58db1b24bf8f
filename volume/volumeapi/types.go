package volumeapi

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/volume"
)

func (a *api) typeRoutes() []httpapi.Route {
	const all, one = "/v3/types", "/v3/types/{volume_type_id}"
	const specs = one + "/extra_specs"
	const rules, specRules = "volume_extension:type_", "volume_extension:types_extra_specs:"
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rules + "get_all", Handle: a.listTypes},
		{Method: "GET", Path: all + "/default", Policy: rules + "get", Handle: a.showDefaultType},
		{Method: "POST", Path: all, Policy: rules + "create", Body: createTypeSchema, Handle: a.createType},
		{Method: "GET", Path: one, Policy: rules + "get", Target: a.typeTarget, Handle: showType},
		{Method: "PUT", Path: one, Policy: rules + "update", Target: a.typeTarget, Body: updateTypeSchema, Handle: a.updateType},
		{Method: "DELETE", Path: one, Policy: rules + "delete", Target: a.typeTarget, Status: 202, Handle: a.deleteType},
		{Method: "GET", Path: specs, Policy: specRules + "index", Target: a.typeTarget, Handle: showSpecs},
		{Method: "POST", Path: specs, Policy: specRules + "create", Target: a.typeTarget, Body: specsSchema, Handle: a.addSpecs},
		{Method: "GET", Path: specs + "/{key}", Policy: specRules + "show", Target: a.typeTarget, Handle: showSpec},
		{Method: "PUT", Path: specs + "/{key}", Policy: specRules + "update", Target: a.typeTarget, Body: oneSpecSchema, Handle: a.setSpec},
		{Method: "DELETE", Path: specs + "/{key}", Policy: specRules + "delete", Target: a.typeTarget, Status: 202, Handle: a.removeSpec},
		{Method: "GET", Path: one + "/encryption", Policy: "volume_extension:volume_type_encryption:get", Target: a.typeTarget, Handle: showTypeEncryption},
	}
}

var (
	createTypeSchema = one(object("volume_type", `"name": {"type": "string", "minLength": 1, "maxLength": 255}, "description": `+sName+`,
		"extra_specs": `+sMetas+`, "os-volume-type-access:is_public": `+sFlag, `"name"`, false))
	updateTypeSchema = one(object("volume_type", `"name": `+sName+`, "description": `+sName+`, "is_public": `+sFlag, "", false))
	oneSpecSchema    = one(`{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": {"type": "string", "maxLength": 255}}`)
	specsSchema      = one(`{"type": "object", "required": ["extra_specs"], "additionalProperties": false, "properties": {"extra_specs": ` + sMeta + `}}`)
)

// typeTarget loads the volume type of the path, by id or by name. What a project may
// not use is not there.
func (a *api) typeTarget(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	id := r.Path("volume_type_id")
	t, err := a.svc.GetType(ctx, id)
	if err != nil {
		return nil, err
	}
	if !isAdmin(r) && !t.Visible(r.Principal.ProjectID) {
		return nil, fault.Missing("volume type", id)
	}
	r.Keep(t)
	return owned(r.Principal.ProjectID, r.Principal.UserID), nil
}

// openSpecs are the extra specs that any user may read: they say what a volume can do.
var openSpecs = [...]string{"RESKEY:availability_zones", "multiattach", "replication_enabled"}

// shownSpecs are the extra specs of a type, all or only the open ones.
func shownSpecs(t volume.Type, all bool) map[string]string {
	m := notNil(maps.Clone(t.ExtraSpecs))
	if !all {
		maps.DeleteFunc(m, func(k, _ string) bool { return !slices.Contains(openSpecs[:], k) })
	}
	return m
}

// specsFor are the extra specs that the caller may read.
func specsFor(r *httpapi.Request, t volume.Type) map[string]string {
	return shownSpecs(t, r.May("volume_extension:types_extra_specs:read_sensitive", owned(r.Principal.ProjectID, "")))
}

func typeView(r *httpapi.Request, t volume.Type) doc {
	target := owned(r.Principal.ProjectID, r.Principal.UserID)
	d := doc{
		"id": t.ID, "name": t.Name, "description": orNull(t.Description),
		"is_public": t.Public, "os-volume-type-access:is_public": t.Public,
	}
	if r.May("volume_extension:access_types_extra_specs", target) {
		d["extra_specs"] = specsFor(r, t)
	}
	if r.May("volume_extension:access_types_qos_specs_id", target) {
		d["qos_specs_id"] = nil
	}
	return d
}

// types says how volume types are listed.
func types() *listing[volume.Type] {
	type t = volume.Type
	return &listing[t]{
		singular: "volume type", plural: "volume_types",
		id: func(t t) string { return t.ID }, created: func(t t) time.Time { return t.CreatedAt },
		sorts: map[string]func(a, b t) int{
			"name":       func(a, b t) int { return cmp.Compare(a.Name, b.Name) },
			"is_public":  func(a, b t) int { return cmp.Compare(boolean(a.Public), boolean(b.Public)) },
			"updated_at": func(a, b t) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
		},
		filters: map[string]filter[t]{
			"name":        byText(func(t t) string { return t.Name }),
			"description": byText(func(t t) string { return t.Description }),
			"extra_specs": byDict(52, func(t t) map[string]string { return t.ExtraSpecs }),
		},
	}
}

// listTypes lists what the caller may use; administrators choose between public types,
// which is what they get unasked, those that are not, and all.
func (a *api) listTypes(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	project := r.Principal.ProjectID
	if isAdmin(r) {
		project = ""
	}
	all := a.svc.ListTypes(ctx, project)
	if asked := r.Query().Get("is_public"); isAdmin(r) && !strings.EqualFold(asked, "none") {
		public := asked == "" || truth(asked)
		all = slices.DeleteFunc(all, func(t volume.Type) bool { return t.Public != public })
	}
	return types().answer(r, all, func(t volume.Type) doc { return typeView(r, t) })
}

func (a *api) showDefaultType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t, err := a.svc.DefaultTypeFor(ctx, r.Principal.ProjectID)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(doc{"volume_type": typeView(r, t)}), nil
}

func showType(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{"volume_type": typeView(r, httpapi.Kept[volume.Type](r))}), nil
}

func (a *api) createType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Name        string            `json:"name"`
		Description *string           `json:"description"`
		Specs       map[string]string `json:"extra_specs"`
		Public      *flag             `json:"os-volume-type-access:is_public"`
	}](r, "volume_type")
	if err != nil {
		return nil, err
	}
	t, err := a.svc.CreateType(ctx, volume.CreateTypeOptions{
		Name: b.Name, Description: text(b.Description), Private: b.Public != nil && !bool(*b.Public), ExtraSpecs: b.Specs,
	})
	if err != nil {
		return nil, err
	}
	d := typeView(r, t)
	delete(d, "qos_specs_id")
	return httpapi.OK(doc{"volume_type": d}), nil
}

func (a *api) updateType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	b, err := inner[struct {
		Name        *string `json:"name"`
		Description *string `json:"description"`
		Public      *flag   `json:"is_public"`
	}](r, "volume_type")
	if err != nil {
		return nil, err
	}
	if b.Name == nil && b.Description == nil && b.Public == nil {
		return nil, fault.New(fault.Invalid, "Specify volume type name, description, is_public or a combination thereof.")
	}
	t, err := a.svc.UpdateType(ctx, httpapi.Kept[volume.Type](r).ID, volume.UpdateTypeOptions{
		Name: b.Name, Description: b.Description, Public: (*bool)(b.Public),
	})
	if err != nil {
		return nil, err
	}
	d := typeView(r, t)
	delete(d, "qos_specs_id")
	delete(d, "os-volume-type-access:is_public")
	return httpapi.OK(doc{"volume_type": d}), nil
}

func (a *api) deleteType(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteType(ctx, httpapi.Kept[volume.Type](r).ID)
}

// showTypeEncryption says that volumes of the type are not encrypted.
func showTypeEncryption(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.OK(doc{}), nil
}
