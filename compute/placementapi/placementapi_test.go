package placementapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/allocations"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceclasses"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/traits"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/compute/placement"
	"github.com/welkin-cloud/cloud/compute/placementapi"
	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/state"
)

// tokens are who the tests speak for.
type tokens map[string]*policy.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*policy.Principal, error) {
	if p, ok := t[token]; ok {
		return p, nil
	}
	return nil, fault.New(fault.Unauthenticated, "the token is not valid")
}

const project = "22222222222222222222222222222222"

var people = tokens{
	"admin":  {UserID: "admin", ProjectID: "11111111111111111111111111111111", Roles: []string{"admin", "member", "reader"}},
	"reader": {UserID: "eve", ProjectID: project, Roles: []string{"reader"}},
}

// site is a Placement API over a store.
type site struct {
	testing.TB
	store *placement.Store
	url   string
}

func serve(t testing.TB) *site {
	db := state.New(nil, nil)
	store := placement.Define(db, clock.System{}, ids.Random())
	require.NoError(t, db.Open(t.Context()))
	rules, err := policy.New(nil)
	require.NoError(t, err)
	api := placementapi.New(store, httpapi.Options{Auth: people, Policy: rules, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, httpapi.Verify(api))
	web := httptest.NewServer(httpapi.Mount(map[string]http.Handler{"/placement": api}))
	t.Cleanup(web.Close)
	return &site{TB: t, store: store, url: web.URL}
}

// client is gophercloud's placement client of the admin.
func (s *site) client(microversion string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: "admin"}, Type: "placement",
		Endpoint: s.url + "/placement/", Microversion: microversion,
	}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   map[string]any
}

// code is the code of an error.
func (a answer) code() any {
	errors, _ := a.body["errors"].([]any)
	if len(errors) == 0 {
		return nil
	}
	return errors[0].(map[string]any)["code"]
}

// ask sends a request as a person, at a minor microversion.
func (s *site) ask(person, minor, method, path, body string) answer {
	s.Helper()
	req, err := http.NewRequestWithContext(s.Context(), method, s.url+"/placement"+path, bytes.NewReader([]byte(body)))
	require.NoError(s, err)
	req.Header.Set("X-Auth-Token", person)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("OpenStack-API-Version", "placement 1."+minor)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(s, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(s, err)
	a := answer{status: resp.StatusCode, header: resp.Header}
	if len(data) > 0 && data[0] == '{' {
		require.NoError(s, json.Unmarshal(data, &a.body), "%s", data)
	}
	return a
}

// host makes a provider with processors, which are overcommitted, and memory.
func (s *site) host(name string, vcpus int) placement.Provider {
	s.Helper()
	var p placement.Provider
	require.NoError(s, s.store.Update(s.Context(), func(tx *state.Tx) (err error) {
		if p, err = s.store.Create(tx, placement.Provider{Name: name}); err != nil {
			return err
		}
		p, err = s.store.SetInventories(tx, p.ID, -1, map[string]placement.Inventory{
			placement.VCPU:     {Total: vcpus, MinUnit: 1, MaxUnit: vcpus, StepSize: 1, AllocationRatio: 2},
			placement.MemoryMB: {Total: 1024, Reserved: 512, MinUnit: 1, MaxUnit: 1024, StepSize: 64, AllocationRatio: 1},
		})
		return err
	}))
	return p
}

func (s *site) claim(consumer, provider string, vcpus int) error {
	return s.store.Update(s.Context(), func(tx *state.Tx) error {
		return s.store.Claim(tx, placement.Consumer{
			ID: consumer, ProjectID: project, UserID: "eve", Type: "INSTANCE",
			Allocations: map[string]map[string]int{provider: {placement.VCPU: vcpus}},
		})
	})
}

func TestGophercloudProviders(t *testing.T) {
	s := serve(t)
	ctx, c := t.Context(), s.client("1.39")
	p, err := resourceproviders.Create(ctx, c, resourceproviders.CreateOpts{Name: "rack"}).Extract()
	require.NoError(t, err)
	child, err := resourceproviders.Create(ctx, c, resourceproviders.CreateOpts{Name: "disk", ParentProviderUUID: p.UUID}).Extract()
	require.NoError(t, err)
	require.Equal(t, p.UUID, child.RootProviderUUID)
	_, err = resourceproviders.Create(ctx, c, resourceproviders.CreateOpts{Name: "rack"}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusConflict))

	pages, err := resourceproviders.List(c, resourceproviders.ListOpts{InTree: p.UUID}).AllPages(ctx)
	require.NoError(t, err)
	list, err := resourceproviders.ExtractResourceProviders(pages)
	require.NoError(t, err)
	require.Len(t, list, 2)

	name := "rack-1"
	p, err = resourceproviders.Update(ctx, c, p.UUID, resourceproviders.UpdateOpts{Name: &name}).Extract()
	require.NoError(t, err)
	require.Equal(t, name, p.Name)

	inventories, err := resourceproviders.UpdateInventories(ctx, c, p.UUID, resourceproviders.UpdateInventoriesOpts{
		ResourceProviderGeneration: p.Generation,
		Inventories:                map[string]resourceproviders.Inventory{"VCPU": {Total: 4, MinUnit: 1, MaxUnit: 4, StepSize: 1, AllocationRatio: 1.5}},
	}).Extract()
	require.NoError(t, err)
	require.EqualValues(t, 1.5, inventories.Inventories["VCPU"].AllocationRatio)
	_, err = resourceproviders.UpdateInventories(ctx, c, p.UUID, resourceproviders.UpdateInventoriesOpts{
		ResourceProviderGeneration: p.Generation, Inventories: map[string]resourceproviders.Inventory{},
	}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusConflict), "an old generation")

	require.NoError(t, traits.Create(ctx, c, "CUSTOM_FAST").ExtractErr())
	set, err := resourceproviders.UpdateTraits(ctx, c, p.UUID, resourceproviders.UpdateTraitsOpts{
		ResourceProviderGeneration: inventories.ResourceProviderGeneration, Traits: []string{"CUSTOM_FAST"},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, []string{"CUSTOM_FAST"}, set.Traits)
	require.True(t, gophercloud.ResponseCodeIs(traits.Delete(ctx, c, "CUSTOM_FAST").ExtractErr(), http.StatusConflict))
	groups, err := resourceproviders.UpdateAggregates(ctx, c, p.UUID, resourceproviders.UpdateAggregatesOpts{
		ResourceProviderGeneration: &set.ResourceProviderGeneration, Aggregates: []string{"11111111-1111-4111-8111-111111111111"},
	}).Extract()
	require.NoError(t, err)
	require.Len(t, groups.Aggregates, 1)

	require.NoError(t, s.claim("consumer", p.UUID, 3))
	usages, err := resourceproviders.GetUsages(ctx, c, p.UUID).Extract()
	require.NoError(t, err)
	require.Equal(t, map[string]int{"VCPU": 3}, usages.Usages)
	own, err := allocations.Get(ctx, c, "consumer").Extract()
	require.NoError(t, err)
	require.Equal(t, map[string]int{"VCPU": 3}, own.Allocations[p.UUID].Resources)
	of, err := resourceproviders.GetAllocations(ctx, c, p.UUID).Extract()
	require.NoError(t, err)
	require.Contains(t, of.Allocations, "consumer")
	require.True(t, gophercloud.ResponseCodeIs(resourceproviders.DeleteInventory(ctx, c, p.UUID, "VCPU").ExtractErr(), http.StatusConflict))

	require.True(t, gophercloud.ResponseCodeIs(resourceproviders.Delete(ctx, c, p.UUID).ExtractErr(), http.StatusConflict), "it is a parent")
	require.NoError(t, resourceproviders.Delete(ctx, c, child.UUID).ExtractErr())
	require.True(t, gophercloud.ResponseCodeIs(resourceproviders.Delete(ctx, c, p.UUID).ExtractErr(), http.StatusConflict), "it is in use")
	require.NoError(t, s.store.Update(ctx, func(tx *state.Tx) error { return s.store.Release(tx, "consumer") }))
	require.NoError(t, resourceproviders.Delete(ctx, c, p.UUID).ExtractErr())
}

func TestGophercloudClassesAndTraits(t *testing.T) {
	s := serve(t)
	ctx, c := t.Context(), s.client("1.39")
	require.NoError(t, resourceclasses.Create(ctx, c, resourceclasses.CreateOpts{Name: "CUSTOM_GPU"}).ExtractErr())
	require.NoError(t, resourceclasses.Update(ctx, c, "CUSTOM_GPU").ExtractErr(), "there already")
	class, err := resourceclasses.Get(ctx, c, "CUSTOM_GPU").Extract()
	require.NoError(t, err)
	require.Equal(t, "CUSTOM_GPU", class.Name)
	require.NoError(t, resourceclasses.Delete(ctx, c, "CUSTOM_GPU").ExtractErr())
	require.True(t, gophercloud.ResponseCodeIs(resourceclasses.Delete(ctx, c, "VCPU").ExtractErr(), http.StatusBadRequest))

	require.NoError(t, traits.Create(ctx, c, "CUSTOM_FAST").ExtractErr())
	require.NoError(t, traits.Get(ctx, c, "CUSTOM_FAST").ExtractErr())
	pages, err := traits.List(c, traits.ListOpts{Name: "startswith:CUSTOM_"}).AllPages(ctx)
	require.NoError(t, err)
	list, err := traits.ExtractTraits(pages)
	require.NoError(t, err)
	require.Equal(t, []string{"CUSTOM_FAST"}, list)
	require.NoError(t, traits.Delete(ctx, c, "CUSTOM_FAST").ExtractErr())
	require.True(t, gophercloud.ResponseCodeIs(traits.Get(ctx, c, "CUSTOM_FAST").ExtractErr(), http.StatusNotFound))
}

// Allocations are for servers to make: whoever may not see providers is refused, and
// nobody writes.
func TestWhoMayDoWhat(t *testing.T) {
	s := serve(t)
	p := s.host("host-1", 4)
	for _, path := range []string{"/resource_providers", "/resource_providers/" + p.ID, "/traits", "/resource_classes", "/allocation_candidates?resources=VCPU:1", "/allocations/x"} {
		require.Equal(t, http.StatusForbidden, s.ask("reader", "39", "GET", path, "").status, path)
		require.Equal(t, http.StatusUnauthorized, s.ask("nobody", "39", "GET", path, "").status, path)
		require.Equal(t, http.StatusOK, s.ask("admin", "39", "GET", path, "").status, path)
	}
	require.Equal(t, http.StatusOK, s.ask("reader", "39", "GET", "/usages?project_id="+project, "").status)
	require.Equal(t, http.StatusForbidden, s.ask("reader", "39", "GET", "/usages?project_id=other", "").status)
	require.Equal(t, http.StatusBadRequest, s.ask("admin", "39", "GET", "/usages", "").status)
	require.Contains(t, []int{http.StatusNotFound, http.StatusMethodNotAllowed}, s.ask("admin", "39", "PUT", "/allocations/x", "{}").status)
}

func TestReparenting(t *testing.T) {
	s := serve(t)
	a, b := s.host("a", 1), s.host("b", 1)
	move := func(minor, id, parent string) answer {
		return s.ask("admin", minor, "PUT", "/resource_providers/"+id, `{"name":"`+id+`","parent_provider_uuid":`+parent+`}`)
	}
	quoted := func(id string) string { return `"` + id + `"` }
	require.Equal(t, http.StatusBadRequest, move("39", b.ID, quoted(b.ID)).status, "a loop")
	got := move("14", b.ID, quoted(a.ID))
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, a.ID, got.body["root_provider_uuid"])
	require.Equal(t, http.StatusBadRequest, move("39", a.ID, quoted(b.ID)).status, "a longer loop")
	require.Equal(t, http.StatusBadRequest, move("36", b.ID, "null").status, "from 1.37")
	got = move("37", b.ID, "null")
	require.Equal(t, http.StatusOK, got.status)
	require.Equal(t, b.ID, got.body["root_provider_uuid"])
	require.Nil(t, got.body["parent_provider_uuid"])
	require.Equal(t, "placement.duplicate_name",
		s.ask("admin", "39", "PUT", "/resource_providers/"+a.ID, `{"name":"`+b.ID+`"}`).code())
}

func TestInventoriesOverHTTP(t *testing.T) {
	s := serve(t)
	p := s.host("host-1", 4)
	all := "/resource_providers/" + p.ID + "/inventories"
	require.Equal(t, http.StatusConflict, s.ask("admin", "39", "POST", all, `{"resource_class":"VCPU","total":1}`).status)
	require.Equal(t, http.StatusBadRequest, s.ask("admin", "39", "POST", all, `{"resource_class":"CUSTOM_NONE","total":1}`).status)
	got := s.ask("admin", "39", "POST", all, `{"resource_class":"DISK_GB","total":10}`)
	require.Equal(t, map[string]any{
		"total": 10.0, "reserved": 0.0, "min_unit": 1.0, "max_unit": 2147483647.0, "step_size": 1.0, "allocation_ratio": 1.0,
		"resource_provider_generation": float64(p.Generation + 1),
	}, got.body)
	old := s.ask("admin", "39", "PUT", all+"/DISK_GB", `{"total":20,"resource_provider_generation":0}`)
	require.Equal(t, http.StatusConflict, old.status)
	require.Equal(t, "placement.concurrent_update", old.code())
	for _, body := range []string{`{"total":0,"resource_provider_generation":2}`, `{"total":1}`, `{"total":1,"reserved":2,"resource_provider_generation":2}`, `{"total":1,"x":1,"resource_provider_generation":2}`} {
		require.Equal(t, http.StatusBadRequest, s.ask("admin", "39", "PUT", all+"/DISK_GB", body).status, body)
	}
	require.Equal(t, http.StatusBadRequest, s.ask("admin", "39", "PUT", all+"/PCPU", `{"total":1,"resource_provider_generation":2}`).status)
	require.Equal(t, http.StatusNoContent, s.ask("admin", "39", "DELETE", all+"/DISK_GB", "").status)
	require.Equal(t, http.StatusNotFound, s.ask("admin", "39", "GET", all+"/DISK_GB", "").status)

	require.NoError(t, s.claim("c", p.ID, 4))
	require.NoError(t, s.claim("e", p.ID, 4))
	require.Equal(t, "placement.inventory.inuse", s.ask("admin", "39", "DELETE", all, "").code())
	shrunk := s.ask("admin", "39", "PUT", all+"/VCPU", `{"total":2,"resource_provider_generation":3}`)
	require.Equal(t, http.StatusOK, shrunk.status, "below what is used")
	require.Equal(t, fault.Exhausted, fault.Of(s.claim("d", p.ID, 1)))
}

// candidates are the names of the providers that a query gives.
func (s *site) candidates(query string) []string {
	s.Helper()
	got := s.ask("admin", "39", "GET", "/allocation_candidates?"+query, "")
	require.Equal(s, http.StatusOK, got.status, "%v", got.body)
	names := []string{}
	for _, request := range got.body["allocation_requests"].([]any) {
		for id := range request.(map[string]any)["allocations"].(map[string]any) {
			p, err := s.store.Get(s.store.Snapshot(), id)
			require.NoError(s, err)
			names = append(names, p.Name)
			require.Contains(s, got.body["provider_summaries"], id)
		}
	}
	return names
}

func TestCandidates(t *testing.T) {
	s := serve(t)
	small, large := s.host("small", 2), s.host("large", 8)
	const rack = "11111111-1111-4111-8111-111111111111"
	require.NoError(t, s.store.Update(t.Context(), func(tx *state.Tx) error {
		if _, err := s.store.SetTraits(tx, small.ID, -1, []string{"HW_ARCH_X86_64"}); err != nil {
			return err
		}
		_, err := s.store.Change(tx, large.ID, -1, func(p *placement.Provider) error {
			p.Aggregates = []string{rack}
			return nil
		})
		return err
	}))
	require.NoError(t, s.claim("c", large.ID, 8))
	require.NoError(t, s.claim("d", large.ID, 5))
	for query, want := range map[string][]string{
		"resources=VCPU:1":                                            {"large", "small"},
		"resources=VCPU:2":                                            {"large", "small"},
		"resources=VCPU:3":                                            {"large"},
		"resources=VCPU:4":                                            {},
		"resources=VCPU:1,MEMORY_MB:64":                               {"large", "small"},
		"resources=VCPU:1,MEMORY_MB:65":                               {},
		"resources=MEMORY_MB:512":                                     {"large", "small"},
		"resources=MEMORY_MB:576":                                     {},
		"resources=DISK_GB:1":                                         {},
		"resources=VCPU:1&required=HW_ARCH_X86_64":                    {"small"},
		"resources=VCPU:1&required=!HW_ARCH_X86_64":                   {"large"},
		"resources=VCPU:1&member_of=" + rack:                          {"large"},
		"resources=VCPU:1&member_of=!" + rack:                         {"small"},
		"resources=VCPU:1&in_tree=" + small.ID:                        {"small"},
		"resources=VCPU:1&required=in:HW_ARCH_X86_64,HW_ARCH_AARCH64": {"small"},
	} {
		require.ElementsMatch(t, want, s.candidates(query), query)
	}
	require.Len(t, s.candidates("resources=VCPU:1&limit=1"), 1)
	for _, query := range []string{"", "resources=", "resources=VCPU", "resources=VCPU:0", "resources=VCPU:x", "resources=NONE:1", "resources=VCPU:1&required=NONE", "resources=VCPU:1&limit=0"} {
		require.Equal(t, http.StatusBadRequest, s.ask("admin", "39", "GET", "/allocation_candidates?"+query, "").status, query)
	}
}

// What is a candidate can be claimed, and what is none cannot.
func TestCandidatesAreWhatCanBeClaimed(t *testing.T) {
	s := serve(t)
	hosts := map[string]placement.Provider{}
	for i, name := range []string{"a", "b", "c"} {
		hosts[name] = s.host(name, i+1)
		require.NoError(t, s.claim("there-"+name, hosts[name].ID, 1))
	}
	for n := 1; n <= 4; n++ {
		query := fmt.Sprint("resources=VCPU:", n)
		could := strings.Join(s.candidates(query), "")
		for name, p := range hosts {
			err := s.claim("new", p.ID, n)
			require.Equal(t, strings.Contains(could, name), err == nil, "%s of %s: %v", query, name, err)
			require.NoError(t, s.store.Update(t.Context(), func(tx *state.Tx) error { return s.store.Release(tx, "new") }))
		}
	}
}

func TestMicroversions(t *testing.T) {
	s := serve(t)
	p := s.host("host-1", 4)
	one := "/resource_providers/" + p.ID
	require.Equal(t, http.StatusNotFound, s.ask("admin", "5", "GET", one+"/traits", "").status, "from 1.6")
	require.Equal(t, http.StatusNotFound, s.ask("admin", "9", "GET", "/allocation_candidates?resources=VCPU:1", "").status, "from 1.10")
	require.Equal(t, http.StatusNotAcceptable, s.ask("admin", "99", "GET", one, "").status)
	require.NotContains(t, s.ask("admin", "13", "GET", one, "").body, "root_provider_uuid")
	require.Contains(t, s.ask("admin", "14", "GET", one, "").body, "root_provider_uuid")
	require.Empty(t, s.ask("admin", "14", "GET", one, "").header.Get("Last-Modified"))
	require.NotEmpty(t, s.ask("admin", "15", "GET", one, "").header.Get("Last-Modified"))
	require.NotContains(t, s.ask("admin", "18", "GET", one+"/aggregates", "").body, "resource_provider_generation")
	require.Contains(t, s.ask("admin", "19", "GET", one+"/aggregates", "").body, "resource_provider_generation")
	require.Equal(t, http.StatusOK, s.ask("admin", "18", "PUT", one+"/aggregates", `["11111111-1111-4111-8111-111111111111"]`).status)
	require.IsType(t, []any{}, s.ask("admin", "11", "GET", "/allocation_candidates?resources=VCPU:1", "").body["allocation_requests"].([]any)[0].(map[string]any)["allocations"])
}
