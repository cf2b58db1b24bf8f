package placementapi

import (
	"context"
	"maps"
	"net/http"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/state"
)

// sInventory has the numbers of an inventory.
const sInventory = `"total":{"type":"integer","minimum":1,"maximum":2147483647},"reserved":{"type":"integer","minimum":0,"maximum":2147483647},` +
	`"min_unit":{"type":"integer","minimum":1,"maximum":2147483647},"max_unit":{"type":"integer","minimum":1,"maximum":2147483647},` +
	`"step_size":{"type":"integer","minimum":1,"maximum":2147483647},"allocation_ratio":{"type":"number","exclusiveMinimum":0}`

func (a *api) inventoryRoutes() []httpapi.Route {
	const all, one = "/resource_providers/{uuid}/inventories", "/resource_providers/{uuid}/inventories/{class}"
	rule := func(name string) string { return "placement:resource_providers:inventories:" + name }
	const generation = `"resource_provider_generation":{"type":"integer"}`
	const item = `{"type":"object","additionalProperties":false,"required":["total"],"properties":{` + sInventory + `}}`
	many := schema(`{"type":"object","additionalProperties":false,"required":["inventories","resource_provider_generation"],"properties":{` +
		generation + `,"inventories":{"type":"object","patternProperties":{"^[A-Z0-9_]+$":` + item + `},"additionalProperties":false}}}`)
	single := schema(`{"type":"object","additionalProperties":false,"required":["total","resource_provider_generation"],"properties":{` + generation + `,` + sInventory + `}}`)
	added := schema(`{"type":"object","additionalProperties":false,"required":["total","resource_class"],"properties":{` + generation +
		`,"resource_class":{"type":"string","pattern":"^[A-Z0-9_]+$","maxLength":255},` + sInventory + `}}`)
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("list"), Handle: a.listInventories},
		{Method: "POST", Path: all, Policy: rule("create"), Body: added, Status: http.StatusCreated, Handle: a.addInventory},
		{Method: "PUT", Path: all, Policy: rule("update"), Body: many, Handle: a.setInventories},
		{Method: "DELETE", Path: all, Policy: rule("delete"), Min: v(5), Status: http.StatusNoContent, Handle: a.clearInventories},
		{Method: "GET", Path: one, Policy: rule("show"), Handle: a.showInventory},
		{Method: "PUT", Path: one, Policy: rule("update"), Body: single, Handle: a.setInventory},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Status: http.StatusNoContent, Handle: a.deleteInventory},
	}
}

// inventoryIn is an inventory as it is sent; what is left out has a default.
type inventoryIn struct {
	placement.Inventory
	Class      string `json:"resource_class"`
	Generation *int   `json:"resource_provider_generation"`
}

func (in inventoryIn) inventory() placement.Inventory {
	i := in.Inventory
	i.MinUnit, i.StepSize = max(i.MinUnit, 1), max(i.StepSize, 1)
	if i.MaxUnit == 0 {
		i.MaxUnit = 1<<31 - 1
	}
	if i.AllocationRatio == 0 {
		i.AllocationRatio = 1
	}
	return i
}

// generation is what the client saw; -1 if it does not say.
func (in inventoryIn) generation() int {
	if in.Generation == nil {
		return -1
	}
	return *in.Generation
}

func inventoriesView(p *placement.Provider) map[string]any {
	all := p.Inventories
	if all == nil {
		all = map[string]placement.Inventory{}
	}
	return map[string]any{"inventories": all, "resource_provider_generation": p.Generation}
}

func inventoryView(p *placement.Provider, class string) map[string]any {
	i := p.Inventories[class]
	return map[string]any{
		"resource_provider_generation": p.Generation, "total": i.Total, "reserved": i.Reserved, "min_unit": i.MinUnit,
		"max_unit": i.MaxUnit, "step_size": i.StepSize, "allocation_ratio": i.AllocationRatio,
	}
}

func (a *api) listInventories(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r, a.store.Snapshot())
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, inventoriesView(&p)), nil
}

func (a *api) showInventory(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	p, err := a.provider(r, a.store.Snapshot())
	if err != nil {
		return nil, err
	}
	if _, ok := p.Inventories[r.Path("class")]; !ok {
		return nil, noInventory(r, &p)
	}
	return answer(r, p.UpdatedAt, inventoryView(&p, r.Path("class"))), nil
}

func noInventory(r *httpapi.Request, p *placement.Provider) error {
	return fault.New(fault.NotFound, "No inventory of class %s for %s", r.Path("class"), p.ID)
}

// changeInventories replaces a provider's inventories by what f makes of them.
func (a *api) changeInventories(ctx context.Context, r *httpapi.Request, generation int, f func(p *placement.Provider, all map[string]placement.Inventory) error) (placement.Provider, error) {
	var p placement.Provider
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := a.provider(r, tx)
		if err != nil {
			return err
		}
		all := maps.Clone(old.Inventories)
		if all == nil {
			all = map[string]placement.Inventory{}
		}
		if err := f(&old, all); err != nil {
			return err
		}
		p, err = a.store.SetInventories(tx, old.ID, generation, all)
		return err
	})
	return p, err
}

func (a *api) addInventory(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in inventoryIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	p, err := a.changeInventories(ctx, r, in.generation(), func(_ *placement.Provider, all map[string]placement.Inventory) error {
		if _, taken := all[in.Class]; taken {
			return fault.New(fault.Conflict, "Update conflict: inventory of %s exists", in.Class)
		}
		all[in.Class] = in.inventory()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, inventoryView(&p, in.Class)), nil
}

func (a *api) setInventories(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Generation  int                    `json:"resource_provider_generation"`
		Inventories map[string]inventoryIn `json:"inventories"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	p, err := a.changeInventories(ctx, r, in.Generation, func(_ *placement.Provider, all map[string]placement.Inventory) error {
		clear(all)
		for class, i := range in.Inventories {
			all[class] = i.inventory()
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, inventoriesView(&p)), nil
}

func (a *api) setInventory(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in inventoryIn
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	class := r.Path("class")
	p, err := a.changeInventories(ctx, r, in.generation(), func(p *placement.Provider, all map[string]placement.Inventory) error {
		if _, ok := all[class]; !ok {
			return fault.New(fault.Invalid, "No inventory of class %s for %s", class, p.ID)
		}
		all[class] = in.inventory()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return answer(r, p.UpdatedAt, inventoryView(&p, class)), nil
}

func (a *api) deleteInventory(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.changeInventories(ctx, r, -1, func(p *placement.Provider, all map[string]placement.Inventory) error {
		if _, ok := all[r.Path("class")]; !ok {
			return noInventory(r, p)
		}
		delete(all, r.Path("class"))
		return nil
	})
	return httpapi.Empty(), err
}

func (a *api) clearInventories(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	_, err := a.changeInventories(ctx, r, -1, func(_ *placement.Provider, all map[string]placement.Inventory) error {
		clear(all)
		return nil
	})
	return httpapi.Empty(), err
}
