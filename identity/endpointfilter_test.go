package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// catalog has two services, each with a public and an admin endpoint: the ids by
// "SERVICE/INTERFACE".
func catalog(t *testing.T, s *identity.Service) map[string]string {
	t.Helper()
	ids := map[string]string{}
	for _, kind := range []string{"dns", "object-store"} {
		c, err := s.CreateService(t.Context(), identity.CreateServiceOptions{Type: kind})
		require.NoError(t, err)
		ids[kind] = c.ID
		for _, face := range []string{"public", "admin"} {
			e, err := s.CreateEndpoint(t.Context(), identity.CreateEndpointOptions{
				ServiceID: c.ID, RegionID: "RegionOne", Interface: face, URL: "http://" + kind,
			})
			require.NoError(t, err)
			ids[kind+"/"+face] = e.ID
		}
	}
	return ids
}

// seen are the ids of the endpoints in a catalog.
func seen(items []identity.CatalogItem) []string {
	var list []string
	for _, item := range items {
		for _, e := range item.Endpoints {
			list = append(list, e.ID)
		}
	}
	return list
}

func TestFiltersNarrowCatalogs(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ids := catalog(t, w.Service)
	lab, other := project(t, w.Service, "filtered", ""), project(t, w.Service, "other", "")
	all := seen(w.Catalog(ctx))
	require.Equal(t, all, seen(w.CatalogOf(ctx, lab.ID)))

	before := w.CatalogRevision()
	require.NoError(t, w.AddEndpointToProject(ctx, ids["dns/public"], lab.ID))
	require.ErrorIs(t, w.AddEndpointToProject(ctx, ids["dns/public"], lab.ID), fault.AlreadyExists)
	require.NotEqual(t, before, w.CatalogRevision())
	items := w.CatalogOf(ctx, lab.ID)
	require.Len(t, items, 1, "a service without endpoints is left out")
	require.Equal(t, []string{ids["dns/public"]}, seen(items))
	require.Equal(t, all, seen(w.CatalogOf(ctx, other.ID)))
	require.Equal(t, all, seen(w.CatalogOf(ctx, "")))

	admin, store := "admin", ids["object-store"]
	g, err := w.CreateEndpointGroup(ctx, identity.CreateEndpointGroupOptions{
		Name: "g", Filter: identity.EndpointFilter{Interface: &admin, ServiceID: &store},
	})
	require.NoError(t, err)
	require.NoError(t, w.AddEndpointGroupToProject(ctx, g.ID, lab.ID))
	require.ElementsMatch(t, []string{ids["dns/public"], ids["object-store/admin"]}, seen(w.CatalogOf(ctx, lab.ID)))
	dns := ids["dns"]
	_, err = w.UpdateEndpointGroup(ctx, g.ID, identity.UpdateEndpointGroupOptions{Filter: &identity.EndpointFilter{ServiceID: &dns}})
	require.NoError(t, err)
	own, err := w.EndpointsOfProject(ctx, lab.ID)
	require.NoError(t, err)
	require.Len(t, own, 2, "each once")

	off := false
	_, err = w.UpdateEndpoint(ctx, ids["dns/public"], identity.UpdateEndpointOptions{Enabled: &off})
	require.NoError(t, err)
	require.Equal(t, []string{ids["dns/admin"]}, seen(w.CatalogOf(ctx, lab.ID)), "disabled ones stay out")
	require.NoError(t, w.DeleteEndpoint(ctx, ids["dns/public"]))
	require.NoError(t, w.DeleteEndpointGroup(ctx, g.ID))
	require.Len(t, seen(w.CatalogOf(ctx, lab.ID)), len(all)-1, "no filter is left")
}

func TestFiltersEndWithWhatTheyName(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ids := catalog(t, w.Service)
	lab := project(t, w.Service, "filtered", "")
	none := ""
	g, err := w.CreateEndpointGroup(ctx, identity.CreateEndpointGroupOptions{Name: "g", Filter: identity.EndpointFilter{RegionID: &none}})
	require.NoError(t, err)
	inGroup, err := w.EndpointsOfGroup(ctx, g.ID)
	require.NoError(t, err)
	require.Empty(t, inGroup, "all have a region")
	_, err = w.CreateEndpointGroup(ctx, identity.CreateEndpointGroupOptions{Name: "all"})
	require.ErrorIs(t, err, fault.Invalid)

	require.ErrorIs(t, w.AddEndpointToProject(ctx, "none", lab.ID), fault.NotFound)
	require.ErrorIs(t, w.AddEndpointToProject(ctx, ids["dns/admin"], "none"), fault.NotFound)
	require.ErrorIs(t, w.RemoveEndpointFromProject(ctx, ids["dns/admin"], lab.ID), fault.NotFound)
	require.ErrorIs(t, w.CheckEndpointInProject(ctx, ids["dns/admin"], lab.ID), fault.NotFound)
	require.ErrorIs(t, w.RemoveEndpointGroupFromProject(ctx, g.ID, lab.ID), fault.NotFound)
	require.NoError(t, w.AddEndpointToProject(ctx, ids["dns/admin"], lab.ID))
	require.NoError(t, w.AddEndpointGroupToProject(ctx, g.ID, lab.ID))
	require.NoError(t, w.DeleteProject(ctx, lab.ID))
	left, err := w.ProjectsOfEndpoint(ctx, ids["dns/admin"])
	require.NoError(t, err)
	require.Empty(t, left)
	left, err = w.ProjectsOfEndpointGroup(ctx, g.ID)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestPoliciesOfEndpoints(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	ids := catalog(t, w.Service)
	_, err := w.CreateRegion(ctx, identity.CreateRegionOptions{ID: "top"})
	require.NoError(t, err)
	top := "top"
	_, err = w.UpdateRegion(ctx, "RegionOne", identity.UpdateRegionOptions{ParentID: &top})
	require.NoError(t, err)
	policy := map[string]string{}
	for _, name := range []string{"service", "region", "endpoint"} {
		p, err := w.CreatePolicy(ctx, identity.PolicyDocument{Type: "text/plain", Blob: name})
		require.NoError(t, err)
		policy[name] = p.ID
	}
	holds := func() string {
		p, err := w.PolicyOfEndpoint(ctx, ids["dns/public"])
		if err != nil {
			require.ErrorIs(t, err, fault.NotFound)
		}
		return p.Blob
	}
	require.Empty(t, holds())
	places := map[string]identity.PolicyPlace{
		"service":  {ServiceID: ids["dns"]},
		"region":   {ServiceID: ids["dns"], RegionID: "top"},
		"endpoint": {EndpointID: ids["dns/public"]},
	}
	for _, name := range []string{"service", "region", "endpoint"} {
		require.NoError(t, w.AssociatePolicy(ctx, policy[name], places[name]))
		require.Equal(t, name, holds())
		require.NoError(t, w.CheckPolicyAssociation(ctx, policy[name], places[name]))
	}
	require.ErrorIs(t, w.CheckPolicyAssociation(ctx, policy["service"], places["region"]), fault.NotFound)
	for _, name := range []string{"service", "region"} {
		all, err := w.EndpointsOfPolicy(ctx, policy[name])
		require.NoError(t, err)
		require.Len(t, all, 2, name)
	}
	require.NoError(t, w.DissociatePolicy(ctx, policy["endpoint"], places["endpoint"]))
	require.Equal(t, "region", holds())
	require.NoError(t, w.DeletePolicy(ctx, policy["region"]))
	require.Equal(t, "service", holds())
	require.NoError(t, w.AssociatePolicy(ctx, policy["endpoint"], places["service"]), "one instead of the other")
	require.Equal(t, "endpoint", holds())
	for _, bad := range []identity.PolicyPlace{{}, {RegionID: "top"}, {EndpointID: ids["dns/public"], ServiceID: ids["dns"]}} {
		require.ErrorIs(t, w.AssociatePolicy(ctx, policy["service"], bad), fault.Invalid)
	}
}
