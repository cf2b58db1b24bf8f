package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/require"
)

// TestGophercloudExtras: attributes that Keystone does not know are kept with a resource
// and shown, and further ones are added to them.
func TestGophercloudExtras(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	first, second := map[string]any{"colour": "blue"}, map[string]any{"desk": "12"}
	want := func(extra map[string]any) {
		t.Helper()
		require.Equal(t, "blue", extra["colour"])
		require.Equal(t, "12", extra["desk"])
	}

	g, err := groups.Create(ctx, c, groups.CreateOpts{Name: "crew", Description: "who fly", Extra: first}).Extract()
	require.NoError(t, err)
	require.Equal(t, "who fly", g.Description)
	g, err = groups.Update(ctx, c, g.ID, groups.UpdateOpts{Extra: second}).Extract()
	require.NoError(t, err)
	want(g.Extra)
	doc, err := policies.Create(ctx, c, policies.CreateOpts{Blob: []byte("{}"), Type: "x", Extra: first}).Extract()
	require.NoError(t, err)
	doc, err = policies.Update(ctx, c, doc.ID, policies.UpdateOpts{Extra: second}).Extract()
	require.NoError(t, err)
	want(doc.Extra)
	p, err := projects.Create(ctx, c, projects.CreateOpts{Name: "lab", Extra: first}).Extract()
	require.NoError(t, err)
	p, err = projects.Update(ctx, c, p.ID, projects.UpdateOpts{Extra: second}).Extract()
	require.NoError(t, err)
	want(p.Extra)
	r, err := regions.Create(ctx, c, regions.CreateOpts{ID: "up", Description: "above", Extra: first}).Extract()
	require.NoError(t, err)
	require.Equal(t, "blue", r.Extra["colour"])
	role, err := roles.Create(ctx, c, roles.CreateOpts{Name: "pilot", Description: "flies", Extra: first}).Extract()
	require.NoError(t, err)
	role, err = roles.Update(ctx, c, role.ID, roles.UpdateOpts{Extra: second}).Extract()
	require.NoError(t, err)
	want(role.Extra)
	on, name := true, "naming"
	svc, err := services.Create(ctx, c, services.CreateOpts{Type: "dns", Name: "names", Description: "of hosts", Enabled: &on, Extra: first}).Extract()
	require.NoError(t, err)
	svc, err = services.Update(ctx, c, svc.ID, services.UpdateOpts{Name: &name, Extra: second}).Extract()
	require.NoError(t, err)
	want(svc.Extra)
	u, err := users.Create(ctx, c, users.CreateOpts{Name: "ann", Extra: first}).Extract()
	require.NoError(t, err)
	u, err = users.Update(ctx, c, u.ID, users.UpdateOpts{Extra: second}).Extract()
	require.NoError(t, err)
	want(u.Extra)
}

func TestGophercloudEndpointNames(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	off := false
	services := all(t, services.List(c, services.ListOpts{Name: "nova"}), services.ExtractServices)
	require.Len(t, services, 1)
	e, err := endpoints.Create(ctx, c, endpoints.CreateOpts{
		Availability: gophercloud.AvailabilityInternal, Name: "door", Description: "at the back",
		ServiceID: services[0].ID, Region: "RegionOne", URL: "http://h", Enabled: &off,
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, []any{"door", "at the back", false}, []any{e.Name, e.Description, e.Enabled})
	found := all(t, endpoints.List(c, endpoints.ListOpts{Availability: gophercloud.AvailabilityInternal, ServiceID: services[0].ID}), endpoints.ExtractEndpoints)
	require.Len(t, found, 2, "its own and this one")
	e, err = endpoints.Update(ctx, c, e.ID, endpoints.UpdateOpts{
		Availability: gophercloud.AvailabilityAdmin, Name: "gate", Description: "in front", Region: "RegionOne", ServiceID: services[0].ID,
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, []any{gophercloud.AvailabilityAdmin, "gate", "in front", false}, []any{e.Availability, e.Name, e.Description, e.Enabled})
}

func TestGophercloudProjectFilters(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	yes, no := true, false
	far, err := projects.Create(ctx, c, projects.CreateOpts{Name: "far", IsDomain: &yes, Description: "a domain"}).Extract()
	require.NoError(t, err)
	lab, err := projects.Create(ctx, c, projects.CreateOpts{
		Name: "lab", DomainID: far.ID, Tags: []string{"a", "b"}, Options: map[projects.Option]any{projects.Immutable: true},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, true, lab.Options[projects.Immutable])
	_, err = projects.Update(ctx, c, lab.ID, projects.UpdateOpts{Name: "lab2"}).Extract()
	requireStatus(t, http.StatusForbidden, err)
	_, err = projects.Update(ctx, c, lab.ID, projects.UpdateOpts{Options: map[projects.Option]any{projects.Immutable: false}}).Extract()
	require.NoError(t, err)
	cellar, err := projects.Create(ctx, c, projects.CreateOpts{Name: "cellar", DomainID: far.ID, ParentID: lab.ID, Enabled: &no, Tags: []string{"c"}}).Extract()
	require.NoError(t, err)

	for name, line := range map[string]struct {
		opts projects.ListOpts
		want []string
	}{
		"of a domain": {projects.ListOpts{DomainID: far.ID}, []string{"lab", "cellar"}},
		"disabled":    {projects.ListOpts{Enabled: &no}, []string{"cellar"}},
		"domains":     {projects.ListOpts{IsDomain: &yes}, []string{"Default", "far"}},
		"below":       {projects.ListOpts{ParentID: lab.ID}, []string{"cellar"}},
		"any tag":     {projects.ListOpts{TagsAny: "a,c"}, []string{"lab", "cellar"}},
		"not tags":    {projects.ListOpts{DomainID: far.ID, NotTags: "a,b"}, []string{"cellar"}},
		"not any tag": {projects.ListOpts{DomainID: far.ID, NotTagsAny: "a,c"}, nil},
		"pages":       {projects.ListOpts{DomainID: far.ID, Limit: 1}, []string{"lab", "cellar"}},
		"like":        {projects.ListOpts{Filters: map[string]string{"name__contains": "ella"}}, []string{"cellar"}},
	} {
		var names []string
		for _, p := range all(t, projects.List(c, line.opts), projects.ExtractProjects) {
			names = append(names, p.Name)
		}
		require.ElementsMatch(t, line.want, names, name)
	}

	_, err = projects.Update(ctx, c, cellar.ID, projects.UpdateOpts{DomainID: "default"}).Extract()
	requireStatus(t, http.StatusBadRequest, err)
	_, err = projects.Update(ctx, c, cellar.ID, projects.UpdateOpts{ParentID: far.ID}).Extract()
	requireStatus(t, http.StatusForbidden, err)
	_, err = projects.Update(ctx, c, cellar.ID, projects.UpdateOpts{IsDomain: &yes}).Extract()
	requireStatus(t, http.StatusBadRequest, err)
	require.Len(t, all(t, domains.List(c, domains.ListOpts{Enabled: &yes, Limit: 1}), domains.ExtractDomains), 2, "page by page")
}
