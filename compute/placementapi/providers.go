package placementapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/state"
)

func (a *api) providerRoutes() []httpapi.Route {
	const all, one = "/resource_providers", "/resource_providers/{uuid}"
	rule := func(name string) string { return "placement:resource_providers:" + name }
	const name = `"name":{"type":"string","minLength":1,"maxLength":200}`
	const parent = `"parent_provider_uuid":{"anyOf":[` + sUUID + `,{"type":"null"}]}`
	create := func(parents string) string {
		return `{"type":"object","additionalProperties":false,"required":["name"],"properties":{` + name + `,"uuid":` + sUUID + parents + `}}`
	}
	update := func(parents string) string {
		return `{"type":"object","additionalProperties":false,"required":["name"],"properties":{` + name + parents + `}}`
	}
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("list"), Handle: a.listProviders},
		{
			Method: "POST", Path: all, Policy: rule("create"), Handle: a.createProvider,
			Body: []httpapi.Schema{{Min: v(14), JSON: create("," + parent)}, {JSON: create("")}},
		},
		{Method: "GET", Path: one, Policy: rule("show"), Handle: a.showProvider},
		{
			Method: "PUT", Path: one, Policy: rule("update"), Handle: a.updateProvider,
			Body: []httpapi.Schema{{Min: v(14), JSON: update("," + parent)}, {JSON: update("")}},
		},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Status: http.StatusNoContent, Handle: a.deleteProvider},
	}
}

func providerView(r *httpapi.Request, p *placement.Provider) map[string]any {
	base := strings.TrimPrefix(r.BaseURL, origin(r.BaseURL)) + "/resource_providers/" + p.ID
	links := []map[string]string{
		{"rel": "self", "href": base}, {"rel": "inventories", "href": base + "/inventories"}, {"rel": "usages", "href": base + "/usages"},
	}
	for _, l := range []struct {
		minor int
		name  string
	}{{1, "aggregates"}, {6, "traits"}, {11, "allocations"}} {
		if r.Version.AtLeast(1, l.minor) {
			links = append(links, map[string]string{"rel": l.name, "href": base + "/" + l.name})
		}
	}
	out := map[string]any{"uuid": p.ID, "name": p.Name, "generation": p.Generation, "links": links}
	if r.Version.AtLeast(1, 14) {
		out["root_provider_uuid"], out["parent_provider_uuid"] = p.RootID, nil
		if p.ParentID != "" {
			out["parent_provider_uuid"] = p.ParentID
		}
	}
	return out
}

// origin is scheme and host of a URL.
func origin(url string) string {
	i := strings.Index(url, "://")
	if i < 0 {
		return ""
	}
	if j := strings.IndexByte(url[i+3:], '/'); j >= 0 {
		return url[:i+3+j]
	}
	return url
}

func (a *api) listProviders(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	reader := a.store.Snapshot()
	want, err := wanted(r.Query().Get("resources"))
	if err != nil {
		return nil, err
	}
	match, err := a.providerFilter(r)
	if err != nil {
		return nil, err
	}
	list := []any{}
	var newest time.Time
	for p := range a.store.List(reader) {
		if match(&p) && fits(&p, a.store.Used(reader, p.ID), want) {
			list = append(list, providerView(r, &p))
			newest = later(newest, p.UpdatedAt)
		}
	}
	return answer(r, newest, map[string]any{"resource_providers": list}), nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// providerFilter gives the condition of the query, but for resources.
func (a *api) providerFilter(r *httpapi.Request) (func(p *placement.Provider) bool, error) {
	q := r.Query()
	traits, err := a.traitFilter(r)
	if err != nil {
		return nil, err
	}
	return func(p *placement.Provider) bool {
		switch {
		case q.Get("name") != "" && p.Name != q.Get("name"), q.Get("uuid") != "" && p.ID != q.Get("uuid"):
			return false
		case q.Get("in_tree") != "" && p.RootID != q.Get("in_tree") && p.ID != q.Get("in_tree"):
			return false
		}
		for _, groups := range q["member_of"] {
			if !memberOf(p, groups) {
				return false
			}
		}
		return traits(p)
	}, nil
}

// memberOf understands "id", "in:id,id" and both with "!" for the opposite.
func memberOf(p *placement.Provider, expr string) bool {
	rest, not := strings.CutPrefix(expr, "!")
	rest = strings.TrimPrefix(rest, "in:")
	any := slices.ContainsFunc(strings.Split(rest, ","), func(id string) bool { return slices.Contains(p.Aggregates, id) })
	return any != not
}

// traitFilter understands "required=A,!B" and "required=in:A,B".
func (a *api) traitFilter(r *httpapi.Request) (func(p *placement.Provider) bool, error) {
	var all []func(p *placement.Provider) bool
	for _, expr := range r.Query()["required"] {
		names, either := strings.CutPrefix(expr, "in:")
		list := strings.Split(names, ",")
		for _, name := range list {
			if !a.store.HasTrait(a.store.Snapshot(), strings.TrimPrefix(name, "!")) {
				return nil, fault.New(fault.Invalid, "No such trait(s): %s.", name)
			}
		}
		if either {
			all = append(all, func(p *placement.Provider) bool {
				return slices.ContainsFunc(list, func(t string) bool { return slices.Contains(p.Traits, t) })
			})
			continue
		}
		all = append(all, func(p *placement.Provider) bool {
			return !slices.ContainsFunc(list, func(t string) bool {
				name, not := strings.CutPrefix(t, "!")
				return slices.Contains(p.Traits, name) == not
			})
		})
	}
	return func(p *placement.Provider) bool {
		for _, f := range all {
			if !f(p) {
				return false
			}
		}
		return true
	}, nil
}

// wanted reads "VCPU:1,MEMORY_MB:512".
func wanted(text string) (map[string]int, error) {
	want := map[string]int{}
	if text == "" {
		return want, nil
	}
	for item := range strings.SplitSeq(text, ",") {
		class, count, _ := strings.Cut(item, ":")
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 {
			return nil, fault.New(fault.Invalid, "Badly formed resources parameter. Expected resources query string parameter in form: ?resources=VCPU:2,MEMORY_MB:1024. Got: %s.", item)
		}
		want[class] = n
	}
	return want, nil
}

// fits reports whether a provider has that much left.
func fits(p *placement.Provider, used, want map[string]int) bool {
	for class, n := range want {
		i, ok := p.Inventories[class]
		if !ok || n < i.MinUnit || n > i.MaxUnit || n%i.StepSize != 0 || used[class]+n > i.Capacity() {
			return false
		}
	}
	return true
}

type providerIn struct {
	Name   string          `json:"name"`
	UUID   string          `json:"uuid"`
	Parent json.RawMessage `json:"parent_provider_uuid"`
}

// parent is the parent that is asked for, "" for none, and whether any is: null is to
// have none.
func (in *providerIn) parent() (id string, asked bool) {
	return id, len(in.Parent) > 0 && json.Unmarshal(in.Parent, &id) == nil
}

func (a *api) createProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in providerIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	p := placement.Provider{ID: in.UUID, Name: in.Name}
	p.ParentID, _ = in.parent()
	err := a.store.Update(ctx, func(tx *state.Tx) (err error) {
		p, err = a.store.Create(tx, p)
		return nameTaken(err, in.Name)
	})
	if err != nil {
		return nil, err
	}
	resp := &httpapi.Response{Status: http.StatusCreated}
	if r.Version.AtLeast(1, 20) {
		resp = answer(r, p.UpdatedAt, providerView(r, &p))
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	resp.Header.Set("Location", r.BaseURL+"/resource_providers/"+p.ID)
	return resp, nil
}

// nameTaken says in Placement's words that there is a provider of that name.
func nameTaken(err error, name string) error {
	if fault.Of(err) != fault.AlreadyExists {
		return err
	}
	return fault.New(fault.Conflict, "Conflicting resource provider name: %s already exists.", name).WithCode("placement.duplicate_name")
}

func (a *api) showProvider(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r, a.store.Snapshot())
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, providerView(r, &p)), nil
}

func (a *api) updateProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in providerIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	var p placement.Provider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := a.provider(r, tx)
		if err != nil {
			return err
		}
		if parent, asked := in.parent(); asked && parent != old.ParentID {
			if old.ParentID != "" && !r.Version.AtLeast(1, 37) {
				return fault.New(fault.Invalid, "re-parenting a provider is not currently allowed.")
			}
			if err := a.store.Move(tx, old.ID, parent); err != nil {
				return err
			}
		}
		p, err = a.store.Change(tx, old.ID, -1, func(p *placement.Provider) error {
			p.Name = in.Name
			return nil
		})
		return nameTaken(err, in.Name)
	})
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, providerView(r, &p)), nil
}

func (a *api) deleteProvider(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.store.Update(ctx, func(tx *state.Tx) error {
		p, err := a.provider(r, tx)
		if err != nil {
			return err
		}
		return a.store.Delete(tx, p.ID)
	})
}
