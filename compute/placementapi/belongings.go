package placementapi

import (
	"context"
	"net/http"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/state"
)

// belongingRoutes are those of a provider's traits, aggregates, usages and
// allocations.
func (a *api) belongingRoutes() []httpapi.Route {
	const base = "/resource_providers/{uuid}"
	rule := func(name string) string { return "placement:resource_providers:" + name }
	traits := schema(`{"type":"object","additionalProperties":false,"required":["traits","resource_provider_generation"],"properties":{` +
		`"resource_provider_generation":{"type":"integer"},"traits":{"type":"array","uniqueItems":true,"items":{"type":"string","pattern":"^[A-Z0-9_]+$","minLength":1,"maxLength":255}}}}`)
	const ids = `{"type":"array","uniqueItems":true,"items":` + sUUID + `}`
	aggregates := []httpapi.Schema{
		{Min: v(19), JSON: `{"type":"object","additionalProperties":false,"required":["aggregates","resource_provider_generation"],"properties":{"resource_provider_generation":{"type":"integer"},"aggregates":` + ids + `}}`},
		{JSON: ids},
	}
	return []httpapi.Route{
		{Method: "GET", Path: base + "/traits", Policy: rule("traits:list"), Min: v(6), Handle: a.providerTraits},
		{Method: "PUT", Path: base + "/traits", Policy: rule("traits:update"), Min: v(6), Body: traits, Handle: a.setTraits},
		{Method: "DELETE", Path: base + "/traits", Policy: rule("traits:delete"), Min: v(6), Status: http.StatusNoContent, Handle: a.clearTraits},
		{Method: "GET", Path: base + "/aggregates", Policy: rule("aggregates:list"), Min: v(1), Handle: a.providerAggregates},
		{Method: "PUT", Path: base + "/aggregates", Policy: rule("aggregates:update"), Min: v(1), Body: aggregates, Handle: a.setAggregates},
		{Method: "GET", Path: base + "/usages", Policy: rule("usages"), Handle: a.providerUsages},
		{Method: "GET", Path: base + "/allocations", Policy: rule("allocations:list"), Handle: a.providerAllocations},
	}
}

func traitsView(p *placement.Provider) map[string]any {
	return map[string]any{"traits": orEmpty(p.Traits), "resource_provider_generation": p.Generation}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func (a *api) providerTraits(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r, a.store.Snapshot())
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, traitsView(&p)), nil
}

// replaceTraits gives the provider of the path other traits.
func (a *api) replaceTraits(ctx context.Context, r *httpapi.Request, generation int, traits []string) (placement.Provider, error) {
	var p placement.Provider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := a.provider(r, tx)
		if err != nil {
			return err
		}
		p, err = a.store.SetTraits(tx, old.ID, generation, traits)
		return err
	})
	return p, err
}

func (a *api) setTraits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Generation int      `json:"resource_provider_generation"`
		Traits     []string `json:"traits"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	p, err := a.replaceTraits(ctx, r, in.Generation, in.Traits)
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, traitsView(&p)), nil
}

func (a *api) clearTraits(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.replaceTraits(ctx, r, -1, nil)
	return httpapi.Empty(), err
}

func aggregatesView(r *httpapi.Request, p *placement.Provider) map[string]any {
	out := map[string]any{"aggregates": orEmpty(p.Aggregates)}
	if r.Version.AtLeast(1, 19) {
		out["resource_provider_generation"] = p.Generation
	}
	return out
}

func (a *api) providerAggregates(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r, a.store.Snapshot())
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, aggregatesView(r, &p)), nil
}

func (a *api) setAggregates(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	in := struct {
		Generation int      `json:"resource_provider_generation"`
		Aggregates []string `json:"aggregates"`
	}{Generation: -1}
	var target any = &in.Aggregates
	if r.Version.AtLeast(1, 19) {
		target = &in
	}
	if err := r.Decode(target); err != nil {
		return nil, err
	}
	var p placement.Provider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := a.provider(r, tx)
		if err != nil {
			return err
		}
		p, err = a.store.Change(tx, old.ID, in.Generation, func(p *placement.Provider) error {
			p.Aggregates = in.Aggregates
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, aggregatesView(r, &p)), nil
}

func (a *api) providerUsages(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	reader := a.store.Snapshot()
	p, err := a.provider(r, reader)
	if err != nil {
		return nil, err
	}
	used := map[string]int{}
	all := a.store.Used(reader, p.ID)
	for class := range p.Inventories {
		used[class] = all[class]
	}
	return answer(r, p.UpdatedAt, map[string]any{"usages": used, "resource_provider_generation": p.Generation}), nil
}

func (a *api) providerAllocations(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	reader := a.store.Snapshot()
	p, err := a.provider(r, reader)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	for c := range a.store.ConsumersOf(reader, p.ID) {
		entry := map[string]any{"resources": c.Allocations[p.ID]}
		if r.Version.AtLeast(1, 28) {
			entry["consumer_generation"] = c.Generation
		}
		all[c.ID] = entry
	}
	return answer(r, p.UpdatedAt, map[string]any{"allocations": all, "resource_provider_generation": p.Generation}), nil
}

func (a *api) usageRoutes() []httpapi.Route {
	return []httpapi.Route{
		{Method: "GET", Path: "/usages", Policy: "placement:usages", Min: v(9), Handle: a.usages},
		{Method: "GET", Path: "/allocations/{consumer}", Policy: "placement:allocations:list", Handle: a.allocations},
	}
}

func (a *api) usages(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	project := q.Get("project_id")
	if project == "" {
		return nil, fault.New(fault.Invalid, "Invalid query string parameters: 'project_id' is a required property")
	}
	if project != r.Principal.ProjectID && !r.IsAdmin() && !r.Principal.HasRole("service") {
		return nil, fault.New(fault.Forbidden, "the usage of another project is not shown")
	}
	used, consumers := a.store.ProjectUsage(a.store.Snapshot(), project, q.Get("user_id"))
	if !r.Version.AtLeast(1, 38) {
		return answer(r, a.store.Now(), map[string]any{"usages": used}), nil
	}
	byType := map[string]map[string]int{}
	if consumers > 0 {
		used["consumer_count"] = consumers
		byType["INSTANCE"] = used
	}
	return answer(r, a.store.Now(), map[string]any{"usages": byType}), nil
}

func (a *api) allocations(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	reader := a.store.Snapshot()
	out := map[string]any{}
	all := map[string]any{}
	c, err := a.store.Consumer(reader, r.Path("consumer"))
	if err == nil {
		for id, resources := range c.Allocations {
			p, err := a.store.Get(reader, id)
			if err != nil {
				return nil, err
			}
			all[id] = map[string]any{"generation": p.Generation, "resources": resources}
		}
		if r.Version.AtLeast(1, 12) {
			out["project_id"], out["user_id"] = c.ProjectID, c.UserID
		}
		if r.Version.AtLeast(1, 28) {
			out["consumer_generation"] = c.Generation
		}
		if r.Version.AtLeast(1, 38) {
			out["consumer_type"] = c.Type
		}
	}
	out["allocations"] = all
	return answer(r, a.store.Now(), out), nil
}
