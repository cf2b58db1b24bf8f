package placementapi

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func (a *api) candidateRoutes() []httpapi.Route {
	return []httpapi.Route{{
		Method: "GET", Path: "/allocation_candidates", Policy: "placement:allocation_candidates:list", Min: v(10), Handle: a.candidates,
	}}
}

// candidates lists the providers that have what is asked for. Only the request group
// without a number is understood: hosts here have no nested providers, so that others
// would give nothing more.
func (a *api) candidates(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	want, err := wanted(q.Get("resources"))
	if err != nil {
		return nil, err
	}
	if len(want) == 0 {
		return nil, fault.New(fault.Invalid, "Invalid query string parameters: 'resources' is a required property")
	}
	reader := a.store.Snapshot()
	for class := range want {
		if !a.store.HasClass(reader, class) {
			return nil, fault.New(fault.Invalid, "Invalid resource class in resources parameter: No such resource class %s.", class)
		}
	}
	match, err := a.providerFilter(r)
	if err != nil {
		return nil, err
	}
	limit := -1
	if text := q.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 {
			return nil, fault.New(fault.Invalid, "Invalid query string parameters: '%s' is not a limit", text)
		}
	}
	requests, summaries := []any{}, map[string]any{}
	for p := range a.store.List(reader) {
		used := a.store.Used(reader, p.ID)
		if len(requests) == limit || !match(&p) || !fits(&p, used, want) {
			continue
		}
		requests = append(requests, candidate(r, &p, want))
		summaries[p.ID] = summary(r, &p, used, want)
	}
	return answer(r, a.store.Now(), map[string]any{"allocation_requests": requests, "provider_summaries": summaries}), nil
}

func candidate(r *httpapi.Request, p *placement.Provider, want map[string]int) map[string]any {
	out := map[string]any{}
	if r.Version.AtLeast(1, 12) {
		out["allocations"] = map[string]any{p.ID: map[string]any{"resources": want}}
	} else {
		out["allocations"] = []any{map[string]any{"resource_provider": map[string]string{"uuid": p.ID}, "resources": want}}
	}
	if r.Version.AtLeast(1, 34) {
		out["mappings"] = map[string][]string{"": {p.ID}}
	}
	return out
}

func summary(r *httpapi.Request, p *placement.Provider, used, want map[string]int) map[string]any {
	resources := map[string]any{}
	for _, class := range slices.Sorted(maps.Keys(p.Inventories)) {
		if _, asked := want[class]; asked || r.Version.AtLeast(1, 27) {
			resources[class] = map[string]int{"capacity": p.Inventories[class].Capacity(), "used": used[class]}
		}
	}
	out := map[string]any{"resources": resources}
	if r.Version.AtLeast(1, 17) {
		out["traits"] = orEmpty(p.Traits)
	}
	if r.Version.AtLeast(1, 29) {
		out["parent_provider_uuid"], out["root_provider_uuid"] = nil, p.RootID
		if p.ParentID != "" {
			out["parent_provider_uuid"] = p.ParentID
		}
	}
	return out
}
