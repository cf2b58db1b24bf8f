package computeapi

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/welkin-cloud/cloud/compute"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

func (a *api) flavorRoutes() []httpapi.Route {
	const one = "/v2.1/flavors/{flavor_id}"
	// Everybody with a token may read flavors: Nova has no rule for it.
	return []httpapi.Route{
		{Method: "GET", Path: "/v2.1/flavors", Policy: "welkin:flavors:index", Handle: a.listFlavors(false)},
		{Method: "GET", Path: "/v2.1/flavors/detail", Policy: "welkin:flavors:index", Handle: a.listFlavors(true)},
		{Method: "POST", Path: "/v2.1/flavors", Policy: "os_compute_api:os-flavor-manage:create", Body: bodies(flavorBody, 55, 1), Handle: a.createFlavor},
		{Method: "GET", Path: one, Policy: "welkin:flavors:show", Handle: a.showFlavor},
		{
			Method: "PUT", Path: one, Policy: "os_compute_api:os-flavor-manage:update", Min: v(55), Handle: a.describeFlavor,
			Body: body(wrapped("flavor", object(0, []string{"description"}, property{name: "description", schema: `{"type":["string","null"],"maxLength":65535}`}))),
		},
		{Method: "DELETE", Path: one, Policy: "os_compute_api:os-flavor-manage:delete", Status: http.StatusAccepted, Handle: a.deleteFlavor},
	}
}

func flavorBody(minor int) string {
	return wrapped("flavor", object(minor, []string{"name", "ram", "vcpus", "disk"},
		property{name: "name", schema: sName},
		property{name: "id", schema: `{"type":["string","number","null"],"maxLength":255,"pattern":"^[^\\s].*[^\\s]$|^[^\\s]$|^$"}`},
		property{name: "ram", schema: sPositive},
		property{name: "vcpus", schema: sPositive},
		property{name: "disk", schema: sCount},
		property{name: "OS-FLV-EXT-DATA:ephemeral", schema: sCount},
		property{name: "swap", schema: sCount},
		property{name: "rxtx_factor", schema: `{"type":["number","string"],"pattern":"^[0-9]+(\\.[0-9]+)?$","exclusiveMinimum":0,"maximum":3.402823e+38}`},
		property{name: "os-flavor-access:is_public", schema: sBool},
		property{name: "description", schema: `{"type":["string","null"],"maxLength":65535}`, min: 55},
	))
}

// flavorView is a flavor as the API shows it.
func flavorView(r *httpapi.Request, f *compute.Flavor) map[string]any {
	var swap any = ""
	if f.SwapMiB > 0 || r.Version.AtLeast(2, 75) {
		swap = f.SwapMiB
	}
	out := map[string]any{
		"id": f.ID, "name": f.Name, "ram": f.MemoryMiB, "vcpus": f.VCPUs, "disk": f.DiskGiB, "swap": swap,
		"OS-FLV-EXT-DATA:ephemeral": f.EphemeralGiB, "OS-FLV-DISABLED:disabled": false, "rxtx_factor": f.RXTXFactor,
		"os-flavor-access:is_public": f.Public, "links": links(r, "flavors/"+f.ID),
	}
	if r.Version.AtLeast(2, 55) {
		out["description"] = orNil(f.Description)
	}
	if r.Version.AtLeast(2, 61) && r.May("os_compute_api:os-flavor-extra-specs:index", own(r)) {
		out["extra_specs"] = orEmpty(f.ExtraSpecs)
	}
	return out
}

// visibleFlavors are the flavors that the caller asks for and may see.
func (a *api) visibleFlavors(ctx context.Context, r *httpapi.Request) ([]compute.Flavor, error) {
	q := r.Query()
	all := a.svc.ListFlavors(ctx)
	keep := func(f *compute.Flavor) bool { return f.VisibleTo(r.Principal.ProjectID) }
	if r.IsAdmin() {
		switch public := q.Get("is_public"); public {
		case "None", "none":
			keep = func(*compute.Flavor) bool { return true }
		case "":
			keep = func(f *compute.Flavor) bool { return f.Public }
		default:
			wanted := flag(q, "is_public")
			if !wanted && !slices.Contains([]string{"0", "f", "F", "false", "False", "FALSE", "off", "n", "no"}, public) {
				return nil, fault.New(fault.Invalid, "Invalid is_public filter [%s]", public)
			}
			keep = func(f *compute.Flavor) bool { return f.Public == wanted }
		}
	}
	minimum := func(name string) (int, error) {
		if !q.Has(name) {
			return 0, nil
		}
		n, err := strconv.Atoi(q.Get(name))
		if err != nil {
			return 0, fault.New(fault.Invalid, "Invalid %s filter [%s]", name, q.Get(name))
		}
		return n, nil
	}
	ram, err := minimum("minRam")
	if err != nil {
		return nil, err
	}
	disk, err := minimum("minDisk")
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(f compute.Flavor) bool {
		return !keep(&f) || f.MemoryMiB < ram || f.DiskGiB < disk
	}), nil
}

func (a *api) listFlavors(detail bool) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		all, err := a.visibleFlavors(ctx, r)
		if err != nil {
			return nil, err
		}
		keys, err := httpapi.ParseSort(r.Query(), httpapi.SortKey{Name: "flavorid"})
		if err != nil {
			return nil, err
		}
		if err := sortFlavors(all, keys); err != nil {
			return nil, err
		}
		paging, err := r.Paging(nil)
		if err != nil {
			return nil, err
		}
		cut, err := httpapi.Cut(slices.Values(all), paging, func(f compute.Flavor) string { return f.ID })
		if err != nil {
			return nil, err
		}
		list := []any{}
		for i := range cut.Items {
			list = append(list, flavorEntry(r, &cut.Items[i], detail))
		}
		return httpapi.OK(page(r, "flavors", list, cut.Next)), nil
	}
}

func flavorEntry(r *httpapi.Request, f *compute.Flavor, detail bool) map[string]any {
	if detail {
		return flavorView(r, f)
	}
	out := map[string]any{"id": f.ID, "name": f.Name, "links": links(r, "flavors/"+f.ID)}
	if r.Version.AtLeast(2, 55) {
		out["description"] = orNil(f.Description)
	}
	return out
}

func sortFlavors(all []compute.Flavor, keys []httpapi.SortKey) error {
	text := func(get func(f *compute.Flavor) string) func(a, b compute.Flavor) int {
		return func(a, b compute.Flavor) int { return cmp.Compare(get(&a), get(&b)) }
	}
	number := func(get func(f *compute.Flavor) int) func(a, b compute.Flavor) int {
		return func(a, b compute.Flavor) int { return cmp.Compare(get(&a), get(&b)) }
	}
	id := text(func(f *compute.Flavor) string { return f.ID })
	return httpapi.SortBy(all, keys, map[string]func(a, b compute.Flavor) int{
		"flavorid": id, "id": id,
		"name":       text(func(f *compute.Flavor) string { return f.Name }),
		"memory_mb":  number(func(f *compute.Flavor) int { return f.MemoryMiB }),
		"vcpus":      number(func(f *compute.Flavor) int { return f.VCPUs }),
		"root_gb":    number(func(f *compute.Flavor) int { return f.DiskGiB }),
		"created_at": func(a, b compute.Flavor) int { return a.CreatedAt.Compare(b.CreatedAt) },
	})
}

// flavor loads the flavor of the path if the caller may see it.
func (a *api) flavor(ctx context.Context, r *httpapi.Request) (compute.Flavor, error) {
	f, err := a.svc.GetFlavor(ctx, r.Path("flavor_id"))
	if err == nil && !r.IsAdmin() && !f.VisibleTo(r.Principal.ProjectID) {
		err = fault.New(fault.NotFound, "Flavor %s could not be found.", r.Path("flavor_id"))
	}
	return f, err
}

func (a *api) showFlavor(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.flavor(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"flavor": flavorView(r, &f)}), nil
}

func (a *api) createFlavor(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Flavor struct {
			Name        string     `json:"name"`
			ID          looseText  `json:"id"`
			RAM         looseInt   `json:"ram"`
			VCPUs       looseInt   `json:"vcpus"`
			Disk        looseInt   `json:"disk"`
			Ephemeral   looseInt   `json:"OS-FLV-EXT-DATA:ephemeral"`
			Swap        looseInt   `json:"swap"`
			RXTX        looseText  `json:"rxtx_factor"`
			Public      *looseBool `json:"os-flavor-access:is_public"`
			Description string     `json:"description"`
		} `json:"flavor"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	id := string(in.Flavor.ID)
	if id == "auto" {
		id = ""
	}
	f := compute.Flavor{
		ID: id, Name: in.Flavor.Name, Description: in.Flavor.Description, MemoryMiB: int(in.Flavor.RAM),
		VCPUs: int(in.Flavor.VCPUs), DiskGiB: int(in.Flavor.Disk), EphemeralGiB: int(in.Flavor.Ephemeral),
		SwapMiB: int(in.Flavor.Swap), Public: in.Flavor.Public == nil || bool(*in.Flavor.Public),
	}
	if text := string(in.Flavor.RXTX); text != "" {
		factor, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fault.New(fault.Invalid, "rxtx_factor must be a number")
		}
		f.RXTXFactor = factor
	}
	f, err := a.svc.CreateFlavor(ctx, f)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"flavor": flavorView(r, &f)}), nil
}

func (a *api) describeFlavor(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Flavor struct{ Description string } `json:"flavor"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	f, err := a.svc.DescribeFlavor(ctx, r.Path("flavor_id"), in.Flavor.Description)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"flavor": flavorView(r, &f)}), nil
}

func (a *api) deleteFlavor(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteFlavor(ctx, r.Path("flavor_id"))
}

func (a *api) flavorSpecRoutes() []httpapi.Route {
	const all, one = "/v2.1/flavors/{flavor_id}/os-extra_specs", "/v2.1/flavors/{flavor_id}/os-extra_specs/{key}"
	rule := func(name string) string { return "os_compute_api:os-flavor-extra-specs:" + name }
	access := func(name string) []httpapi.Schema {
		return body(wrapped(name, object(0, []string{"tenant"}, property{name: "tenant", schema: `{"type":"string","minLength":1,"maxLength":255}`})))
	}
	const act = "/v2.1/flavors/{flavor_id}/action"
	// A reader may see the specs of any flavor that is visible to it.
	seen := func(_ context.Context, r *httpapi.Request) (policy.Target, error) { return own(r), nil }
	return []httpapi.Route{
		{Method: "GET", Path: all, Policy: rule("index"), Target: seen, Handle: a.listSpecs},
		{Method: "POST", Path: all, Policy: rule("create"), Body: body(wrapped("extra_specs", sExtra)), Handle: a.setSpecs},
		{Method: "GET", Path: one, Policy: rule("show"), Target: seen, Handle: a.showSpec},
		{Method: "PUT", Path: one, Policy: rule("update"), Body: body(sExtra), Handle: a.setSpec},
		{Method: "DELETE", Path: one, Policy: rule("delete"), Handle: a.deleteSpec},
		{Method: "GET", Path: "/v2.1/flavors/{flavor_id}/os-flavor-access", Policy: "os_compute_api:os-flavor-access", Handle: a.listAccess},
		{Method: "POST", Path: act, Action: "addTenantAccess", Policy: "os_compute_api:os-flavor-access:add_tenant_access", Body: access("addTenantAccess"), Handle: a.grant},
		{Method: "POST", Path: act, Action: "removeTenantAccess", Policy: "os_compute_api:os-flavor-access:remove_tenant_access", Body: access("removeTenantAccess"), Handle: a.revoke},
	}
}

func (a *api) listSpecs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.flavor(ctx, r)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"extra_specs": orEmpty(f.ExtraSpecs)}), nil
}

func plainTexts(in map[string]looseText) map[string]string {
	out := make(map[string]string, len(in))
	for k, value := range in {
		out[k] = string(value)
	}
	return out
}

func (a *api) setSpecs(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Specs map[string]looseText `json:"extra_specs"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	specs := plainTexts(in.Specs)
	if _, err := a.svc.SetExtraSpecs(ctx, r.Path("flavor_id"), specs); err != nil {
		return nil, err
	}
	return httpapi.OK(map[string]any{"extra_specs": specs}), nil
}

func (a *api) showSpec(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.flavor(ctx, r)
	if err != nil {
		return nil, err
	}
	value, ok := f.ExtraSpecs[r.Path("key")]
	if !ok {
		return nil, fault.New(fault.NotFound, "Flavor %s has no extra specs with key %s.", f.ID, r.Path("key"))
	}
	return httpapi.OK(map[string]string{r.Path("key"): value}), nil
}

func (a *api) setSpec(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	in := map[string]looseText{}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	specs := plainTexts(in)
	if _, ok := specs[r.Path("key")]; !ok || len(specs) != 1 {
		return nil, fault.New(fault.Invalid, "Request body and URI mismatch")
	}
	if _, err := a.svc.SetExtraSpecs(ctx, r.Path("flavor_id"), specs); err != nil {
		return nil, err
	}
	return httpapi.OK(specs), nil
}

func (a *api) deleteSpec(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	return httpapi.Empty(), a.svc.DeleteExtraSpec(ctx, r.Path("flavor_id"), r.Path("key"))
}

func accessView(f *compute.Flavor) *httpapi.Response {
	list := []any{}
	for _, p := range f.Projects {
		list = append(list, map[string]string{"flavor_id": f.ID, "tenant_id": p})
	}
	return httpapi.OK(map[string]any{"flavor_access": list})
}

func (a *api) listAccess(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	f, err := a.flavor(ctx, r)
	if err != nil {
		return nil, err
	}
	if f.Public {
		return nil, fault.New(fault.NotFound, "Access list not available for public flavors.")
	}
	return accessView(&f), nil
}

func (a *api) grant(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Add struct{ Tenant string } `json:"addTenantAccess"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	f, err := a.flavor(ctx, r)
	if err != nil {
		return nil, err
	}
	if f.Public && r.Version.AtLeast(2, 7) {
		return nil, fault.New(fault.Conflict, "Can not add access to a public flavor.")
	}
	if f, err = a.svc.GrantFlavor(ctx, f.ID, in.Add.Tenant); err != nil {
		return nil, err
	}
	return accessView(&f), nil
}

func (a *api) revoke(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	var in struct {
		Remove struct{ Tenant string } `json:"removeTenantAccess"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	f, err := a.svc.RevokeFlavor(ctx, r.Path("flavor_id"), in.Remove.Tenant)
	if err != nil {
		return nil, err
	}
	return accessView(&f), nil
}
