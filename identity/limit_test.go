package identity_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
)

// limited is a service with a limit of 10 cores registered, by default and in a region.
func limited(t *testing.T, model string) (s *identity.Service, service string) {
	t.Helper()
	s, err := identity.Open(t.Context(), identity.Config{
		AdminPassword: "pw", Settings: identity.Settings{BcryptCost: bcrypt.MinCost, LimitModel: model},
	}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	c, err := s.CreateService(t.Context(), identity.CreateServiceOptions{Type: "compute"})
	require.NoError(t, err)
	_, err = s.CreateRegisteredLimits(t.Context(), []identity.CreateRegisteredLimitOptions{
		{ServiceID: c.ID, ResourceName: "cores", Default: 10},
		{ServiceID: c.ID, ResourceName: "cores", Default: 20, RegionID: "RegionOne"},
	})
	require.NoError(t, err)
	return s, c.ID
}

func project(t *testing.T, s *identity.Service, name, parent string) identity.Project {
	t.Helper()
	p, err := s.CreateProject(t.Context(), identity.CreateProjectOptions{Name: name, ParentID: parent})
	require.NoError(t, err)
	return p
}

func TestEffectiveLimits(t *testing.T) {
	s, service := limited(t, "")
	ctx := t.Context()
	p := project(t, s, "lab", "")
	effective := func(projectID, region string) int {
		n, err := s.EffectiveLimit(ctx, identity.EffectiveLimitOptions{
			ProjectID: projectID, ServiceID: service, RegionID: region, ResourceName: "cores",
		})
		require.NoError(t, err)
		return n
	}
	require.Equal(t, 10, effective(p.ID, ""))
	require.Equal(t, 20, effective(p.ID, "RegionOne"))
	require.Equal(t, 10, effective(p.ID, "elsewhere"), "what is registered for all")

	list, err := s.CreateLimits(ctx, []identity.CreateLimitOptions{
		{ProjectID: p.ID, ServiceID: service, ResourceName: "cores", Value: 50},
		{ProjectID: "default", ServiceID: service, ResourceName: "cores", Value: identity.Unlimited},
	})
	require.NoError(t, err)
	require.Equal(t, "default", list[1].DomainID, "a domain is one, whatever it is called")
	require.Equal(t, 50, effective(p.ID, ""))
	require.Equal(t, identity.Unlimited, effective("default", ""))
	_, err = s.EffectiveLimit(ctx, identity.EffectiveLimitOptions{ProjectID: p.ID, ServiceID: service, ResourceName: "ram"})
	require.ErrorIs(t, err, fault.NotFound)
	require.NoError(t, s.DeleteLimit(ctx, list[0].ID))
	require.Equal(t, 10, effective(p.ID, ""))
}

func TestLimitsAreRefused(t *testing.T) {
	s, service := limited(t, "")
	ctx := t.Context()
	p := project(t, s, "lab", "")
	good := identity.CreateLimitOptions{ProjectID: p.ID, ServiceID: service, ResourceName: "cores", Value: 1}
	for name, c := range map[string]struct {
		change func(*identity.CreateLimitOptions)
		kind   error
	}{
		"no project":     {func(o *identity.CreateLimitOptions) { o.ProjectID = "nobody" }, fault.Invalid},
		"no domain":      {func(o *identity.CreateLimitOptions) { o.ProjectID, o.DomainID = "", p.ID }, fault.Invalid},
		"two owners":     {func(o *identity.CreateLimitOptions) { o.DomainID = "default" }, fault.Invalid},
		"no owner":       {func(o *identity.CreateLimitOptions) { o.ProjectID = "" }, fault.Invalid},
		"no service":     {func(o *identity.CreateLimitOptions) { o.ServiceID = "none" }, fault.Invalid},
		"no region":      {func(o *identity.CreateLimitOptions) { o.RegionID = "none" }, fault.Invalid},
		"not registered": {func(o *identity.CreateLimitOptions) { o.ResourceName = "ram" }, fault.Forbidden},
		"too low":        {func(o *identity.CreateLimitOptions) { o.Value = -2 }, fault.Invalid},
		"too high":       {func(o *identity.CreateLimitOptions) { o.Value = 1 << 31 }, fault.Invalid},
	} {
		bad := good
		c.change(&bad)
		_, err := s.CreateLimits(ctx, []identity.CreateLimitOptions{good, bad})
		require.ErrorIs(t, err, c.kind, name)
		all, err := s.ListLimits(ctx, nil)
		require.NoError(t, err)
		require.Empty(t, all, "%s: all or none", name)
	}
	_, err := s.CreateLimits(ctx, []identity.CreateLimitOptions{good, good})
	require.ErrorIs(t, err, fault.AlreadyExists)
	_, err = s.CreateRegisteredLimits(ctx, []identity.CreateRegisteredLimitOptions{{ServiceID: service, ResourceName: "cores", Default: 1}})
	require.ErrorIs(t, err, fault.AlreadyExists)
}

func TestRegisteredLimitsInUseStay(t *testing.T) {
	s, service := limited(t, "")
	ctx := t.Context()
	p := project(t, s, "lab", "")
	none := ""
	all, err := s.ListRegisteredLimits(ctx, &identity.ListRegisteredLimitsOptions{RegionID: &none})
	require.NoError(t, err)
	require.Len(t, all, 1)
	id := all[0].ID
	_, err = s.CreateLimits(ctx, []identity.CreateLimitOptions{{ProjectID: p.ID, ServiceID: service, ResourceName: "cores", Value: 1}})
	require.NoError(t, err)
	five := 5
	_, err = s.UpdateRegisteredLimit(ctx, id, identity.UpdateRegisteredLimitOptions{Default: &five})
	require.ErrorIs(t, err, fault.Forbidden)
	require.ErrorIs(t, s.DeleteRegisteredLimit(ctx, id), fault.Forbidden)
	require.NoError(t, s.DeleteProject(ctx, p.ID), "its limits go with it")
	_, err = s.UpdateRegisteredLimit(ctx, id, identity.UpdateRegisteredLimitOptions{Default: &five})
	require.NoError(t, err)
	region := "RegionOne"
	_, err = s.UpdateRegisteredLimit(ctx, id, identity.UpdateRegisteredLimitOptions{RegionID: &region})
	require.ErrorIs(t, err, fault.AlreadyExists)
	require.NoError(t, s.DeleteRegisteredLimit(ctx, id))
	require.NoError(t, s.DeleteService(ctx, service))
	all, err = s.ListRegisteredLimits(ctx, nil)
	require.NoError(t, err)
	require.Empty(t, all)
}

func TestStrictTwoLevels(t *testing.T) {
	s, service := limited(t, identity.LimitsStrictTwoLevel)
	ctx := t.Context()
	require.Equal(t, identity.LimitsStrictTwoLevel, s.LimitModel().Name)
	p := project(t, s, "lab", "")
	_, err := s.CreateProject(ctx, identity.CreateProjectOptions{Name: "below", ParentID: p.ID})
	require.ErrorIs(t, err, fault.Forbidden)

	limit := func(project, domain string, n int) identity.CreateLimitOptions {
		return identity.CreateLimitOptions{ProjectID: project, DomainID: domain, ServiceID: service, ResourceName: "cores", Value: n}
	}
	for _, n := range []int{11, identity.Unlimited} {
		_, err = s.CreateLimits(ctx, []identity.CreateLimitOptions{limit(p.ID, "", n)})
		require.ErrorIs(t, err, fault.Forbidden, "%d is more than the domain's 10", n)
		require.Contains(t, fault.Public(err), "project_id: "+p.ID)
	}
	both, err := s.CreateLimits(ctx, []identity.CreateLimitOptions{limit(p.ID, "", 30), limit("", "default", 40)})
	require.NoError(t, err, "together they fit")
	low, high := 29, 41
	_, err = s.UpdateLimit(ctx, both[1].ID, identity.UpdateLimitOptions{Value: &low})
	require.ErrorIs(t, err, fault.Forbidden)
	_, err = s.UpdateLimit(ctx, both[0].ID, identity.UpdateLimitOptions{Value: &high})
	require.ErrorIs(t, err, fault.Forbidden)
	l, err := s.GetLimit(ctx, both[0].ID)
	require.NoError(t, err)
	require.Equal(t, 30, l.Value)
	_, err = identity.Open(ctx, identity.Config{Settings: identity.Settings{LimitModel: "loose"}}, nil)
	require.ErrorIs(t, err, fault.Invalid)
}
