package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/osinherit"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// all are the items of all pages of a list.
func all[T any](t *testing.T, pager pagination.Pager, extract func(pagination.Page) ([]T, error)) []T {
	t.Helper()
	pages, err := pager.AllPages(t.Context())
	require.NoError(t, err)
	list, err := extract(pages)
	require.NoError(t, err)
	return list
}

// missing fails unless an error is a 404.
func missing(t *testing.T, err error) {
	t.Helper()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)
}

func TestGophercloudDomainsAndProjects(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	text, off := "changed", false
	domain, err := domains.Create(ctx, c, domains.CreateOpts{Name: "far", Description: "d"}).Extract()
	require.NoError(t, err)
	domain, err = domains.Update(ctx, c, domain.ID, domains.UpdateOpts{Name: "farther", Description: &text, Enabled: &off}).Extract()
	require.NoError(t, err)
	shown, err := domains.Get(ctx, c, domain.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, domain, shown)
	require.Equal(t, "changed", shown.Description)
	require.False(t, shown.Enabled)
	require.Len(t, all(t, domains.List(c, domains.ListOpts{Name: "farther"}), domains.ExtractDomains), 1)
	require.Empty(t, all(t, domains.ListAvailable(c), domains.ExtractDomains), "no role on any")
	require.NoError(t, domains.Delete(ctx, c, domain.ID).ExtractErr())
	missing(t, domains.Delete(ctx, c, domain.ID).ExtractErr())

	p, err := projects.Create(ctx, c, projects.CreateOpts{Name: "lab", Tags: []string{"a", "b"}, Extra: map[string]any{"room": "7"}}).Extract()
	require.NoError(t, err)
	p, err = projects.Update(ctx, c, p.ID, projects.UpdateOpts{
		Name: "den", Description: &text, Options: map[projects.Option]any{projects.Immutable: true},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, "7", p.Extra["room"])
	require.True(t, gophercloud.ResponseCodeIs(projects.Delete(ctx, c, p.ID).ExtractErr(), http.StatusForbidden), "immutable")
	p, err = projects.Update(ctx, c, p.ID, projects.UpdateOpts{Options: map[projects.Option]any{projects.Immutable: nil}}).Extract()
	require.NoError(t, err)
	require.Empty(t, p.Options)
	p, err = projects.Get(ctx, c, p.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "den", p.Name)
	require.Len(t, all(t, projects.List(c, projects.ListOpts{Tags: "a,b"}), projects.ExtractProjects), 1)
	require.Len(t, all(t, projects.List(c, projects.ListOpts{NotTagsAny: "a", Name: "den"}), projects.ExtractProjects), 0)
	require.Len(t, all(t, projects.ListAvailable(c), projects.ExtractProjects), 1)
	_, err = projects.ModifyTags(ctx, c, p.ID, projects.ModifyTagsOpts{Tags: []string{"z"}}).Extract()
	require.NoError(t, err)
	tags, err := projects.ListTags(ctx, c, p.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, []string{"z"}, tags.Tags)
	require.NoError(t, projects.DeleteTags(ctx, c, p.ID).ExtractErr())
	require.NoError(t, projects.Delete(ctx, c, p.ID).ExtractErr())
	_, err = projects.Get(ctx, c, p.ID).Extract()
	missing(t, err)
}

func TestGophercloudUsersAndGroups(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	userID, _, _ := s.member("ann", "lab")
	text := "changed"
	u, err := users.Update(ctx, c, userID, users.UpdateOpts{Name: "anna", Description: &text}).Extract()
	require.NoError(t, err)
	require.Equal(t, "anna", u.Name)
	u, err = users.Get(ctx, c, userID).Extract()
	require.NoError(t, err)
	require.Equal(t, text, u.Description)
	require.Len(t, all(t, users.List(c, users.ListOpts{Filters: map[string]string{"name__startswith": "an"}}), users.ExtractUsers), 1)
	require.Len(t, all(t, users.ListProjects(c, userID), projects.ExtractProjects), 1)

	g, err := groups.Create(ctx, c, groups.CreateOpts{Name: "crew"}).Extract()
	require.NoError(t, err)
	g, err = groups.Update(ctx, c, g.ID, groups.UpdateOpts{Name: "team", Description: &text}).Extract()
	require.NoError(t, err)
	g, err = groups.Get(ctx, c, g.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "team", g.Name)
	require.Len(t, all(t, groups.List(c, groups.ListOpts{Name: "team"}), groups.ExtractGroups), 1)
	require.NoError(t, users.AddToGroup(ctx, c, g.ID, userID).ExtractErr())
	require.Len(t, all(t, users.ListInGroup(c, g.ID, users.ListOpts{}), users.ExtractUsers), 1)
	require.Empty(t, all(t, users.ListInGroup(c, g.ID, users.ListOpts{Name: "bob"}), users.ExtractUsers))
	require.Len(t, all(t, users.ListGroups(c, userID), groups.ExtractGroups), 1)
	require.NoError(t, users.RemoveFromGroup(ctx, c, g.ID, userID).ExtractErr())
	in, err := users.IsMemberOfGroup(ctx, c, g.ID, userID).Extract()
	require.NoError(t, err)
	require.False(t, in)
	require.NoError(t, groups.Delete(ctx, c, g.ID).ExtractErr())
	_, err = groups.Get(ctx, c, g.ID).Extract()
	missing(t, err)
	missing(t, users.AddToGroup(ctx, c, g.ID, userID).ExtractErr())
}

// TestGophercloudGrants gives and takes a role of a user and of a group, on a project, a
// domain and the system, directly and inherited.
func TestGophercloudGrants(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	userID, projectID, _ := s.member("ann", "lab")
	g, err := s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(t, err)
	role, err := roles.Create(ctx, c, roles.CreateOpts{Name: "pilot"}).Extract()
	require.NoError(t, err)
	for _, opts := range []roles.AssignOpts{
		{UserID: userID, ProjectID: projectID}, {GroupID: g.ID, ProjectID: projectID},
		{UserID: userID, DomainID: "default"}, {GroupID: g.ID, DomainID: "default"},
		{UserID: userID, System: true}, {GroupID: g.ID, System: true},
	} {
		missing(t, roles.Validate(ctx, c, role.ID, roles.ValidateOpts(opts)).ExtractErr())
		require.NoError(t, roles.Assign(ctx, c, role.ID, opts).ExtractErr())
		require.NoError(t, roles.Assign(ctx, c, role.ID, opts).ExtractErr(), "again")
		require.NoError(t, roles.Validate(ctx, c, role.ID, roles.ValidateOpts(opts)).ExtractErr())
		list := all(t, roles.ListAssignmentsOnResource(c, roles.ListAssignmentsOnResourceOpts(opts)), roles.ExtractRoles)
		require.NotEmpty(t, list, "%+v", opts)
		require.NoError(t, roles.Unassign(ctx, c, role.ID, roles.UnassignOpts(opts)).ExtractErr())
		missing(t, roles.Unassign(ctx, c, role.ID, roles.UnassignOpts(opts)).ExtractErr())
	}
	for _, opts := range []osinherit.AssignOpts{
		{UserID: userID, ProjectID: projectID}, {GroupID: g.ID, ProjectID: projectID},
		{UserID: userID, DomainID: "default"}, {GroupID: g.ID, DomainID: "default"},
	} {
		missing(t, osinherit.Validate(ctx, c, role.ID, osinherit.ValidateOpts(opts)).ExtractErr())
		require.NoError(t, osinherit.Assign(ctx, c, role.ID, opts).ExtractErr())
		require.NoError(t, osinherit.Validate(ctx, c, role.ID, osinherit.ValidateOpts(opts)).ExtractErr())
		if opts.DomainID != "" {
			path := "/users/" + opts.UserID
			if opts.GroupID != "" {
				path = "/groups/" + opts.GroupID
			}
			a := s.want(http.StatusOK, "GET", "/v3/OS-INHERIT/domains/default"+path+"/roles/inherited_to_projects", c.Token(), "")
			require.Equal(t, []string{"pilot"}, a.names(t, "roles"))
		}
		require.NoError(t, osinherit.Unassign(ctx, c, role.ID, osinherit.UnassignOpts(opts)).ExtractErr())
		missing(t, osinherit.Unassign(ctx, c, role.ID, osinherit.UnassignOpts(opts)).ExtractErr())
	}
	for _, actor := range []string{"users/" + userID, "groups/" + g.ID} {
		s.want(http.StatusNoContent, "PUT", "/v3/system/"+actor+"/roles/"+role.ID, c.Token(), "")
		s.want(http.StatusNoContent, "GET", "/v3/system/"+actor+"/roles/"+role.ID, c.Token(), "")
	}
}

func TestGophercloudRoles(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	text := "changed"
	pilot, err := roles.Create(ctx, c, roles.CreateOpts{Name: "pilot"}).Extract()
	require.NoError(t, err)
	pilot, err = roles.Update(ctx, c, pilot.ID, roles.UpdateOpts{Name: "captain", Description: &text}).Extract()
	require.NoError(t, err)
	shown, err := roles.Get(ctx, c, pilot.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "captain", shown.Name)
	require.Len(t, all(t, roles.List(c, roles.ListOpts{Name: "captain"}), roles.ExtractRoles), 1)
	own, err := roles.Create(ctx, c, roles.CreateOpts{Name: "captain", DomainID: "default"}).Extract()
	require.NoError(t, err)
	require.Equal(t, []roles.Role{*own}, all(t, roles.List(c, roles.ListOpts{DomainID: "default"}), roles.ExtractRoles))

	reader, err := s.svc.FindRole(ctx, "reader")
	require.NoError(t, err)
	admin, err := s.svc.FindRole(ctx, "admin")
	require.NoError(t, err)
	_, err = roles.CreateRoleInferenceRule(ctx, c, pilot.ID, reader.ID).Extract()
	require.NoError(t, err)
	for prior, implied := range map[string]string{
		reader.ID: pilot.ID, // a circle
		pilot.ID:  admin.ID, // prohibited
	} {
		_, err = roles.CreateRoleInferenceRule(ctx, c, prior, implied).Extract()
		require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "%v", err)
	}
	_, err = roles.CreateRoleInferenceRule(ctx, c, pilot.ID, own.ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "a global role implies none of a domain: %v", err)
	_, err = roles.CreateRoleInferenceRule(ctx, c, pilot.ID, reader.ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusConflict), "%v", err)
	rule, err := roles.GetRoleInferenceRule(ctx, c, pilot.ID, reader.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "reader", rule.RoleInference.ImpliedRole.Name)
	s.want(http.StatusNoContent, "HEAD", "/v3/roles/"+pilot.ID+"/implies/"+reader.ID, c.Token(), "")
	a := s.want(http.StatusOK, "GET", "/v3/roles/"+pilot.ID+"/implies", c.Token(), "")
	require.Len(t, a.at(t, "role_inference", "implies"), 1)
	rules, err := roles.ListRoleInferenceRules(ctx, c).Extract()
	require.NoError(t, err)
	require.NotEmpty(t, rules.RoleInferenceRuleList)
	require.NoError(t, roles.DeleteRoleInferenceRule(ctx, c, pilot.ID, reader.ID).ExtractErr())
	missing(t, roles.DeleteRoleInferenceRule(ctx, c, pilot.ID, reader.ID).ExtractErr())
	require.NoError(t, roles.Delete(ctx, c, pilot.ID).ExtractErr())
	_, err = roles.Get(ctx, c, pilot.ID).Extract()
	missing(t, err)
}

func TestGophercloudServicesEndpointsRegions(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	text, off := "changed", false
	up, err := regions.Create(ctx, c, regions.CreateOpts{ID: "up"}).Extract()
	require.NoError(t, err)
	down, err := regions.Create(ctx, c, regions.CreateOpts{ID: "down", ParentRegionID: up.ID}).Extract()
	require.NoError(t, err)
	_, err = regions.Create(ctx, c, regions.CreateOpts{ID: "down"}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusConflict), "%v", err)
	_, err = regions.Update(ctx, c, up.ID, regions.UpdateOpts{ParentRegionID: down.ID}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusBadRequest), "a circle: %v", err)
	_, err = regions.Update(ctx, c, down.ID, regions.UpdateOpts{Description: &text}).Extract()
	require.NoError(t, err)
	down, err = regions.Get(ctx, c, down.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "changed", down.Description)
	require.Len(t, all(t, regions.List(c, regions.ListOpts{ParentRegionID: up.ID}), regions.ExtractRegions), 1)

	service, err := services.Create(ctx, c, services.CreateOpts{Type: "dns", Extra: map[string]any{"name": "d"}}).Extract()
	require.NoError(t, err)
	_, err = services.Update(ctx, c, service.ID, services.UpdateOpts{Type: "domains", Description: &text}).Extract()
	require.NoError(t, err)
	service, err = services.Get(ctx, c, service.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "domains", service.Type)
	require.Len(t, all(t, services.List(c, services.ListOpts{ServiceType: "domains"}), services.ExtractServices), 1)

	create := func(url string) (*endpoints.Endpoint, error) {
		return endpoints.Create(ctx, c, endpoints.CreateOpts{
			Availability: gophercloud.AvailabilityPublic, ServiceID: service.ID, Region: down.ID, URL: url,
		}).Extract()
	}
	for _, bad := range []string{"nowhere", "http://h/%(what)s", "http://h/$(what)s", "http://h/%(project_id)d", "http://h/%(project_id", "ftp://h"} {
		_, err = create(bad)
		require.True(t, gophercloud.ResponseCodeIs(err, http.StatusBadRequest), "%s: %v", bad, err)
	}
	e, err := create("http://h/$(tenant_id)s/%(user_id)s")
	require.NoError(t, err)
	_, err = endpoints.Update(ctx, c, e.ID, endpoints.UpdateOpts{URL: "http://other", Enabled: &off}).Extract()
	require.NoError(t, err)
	e, err = endpoints.Get(ctx, c, e.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "http://other", e.URL)
	list := all(t, endpoints.List(c, endpoints.ListOpts{ServiceID: service.ID, RegionID: down.ID}), endpoints.ExtractEndpoints)
	require.Len(t, list, 1)
	err = regions.Delete(ctx, c, up.ID).ExtractErr()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "one below it has an endpoint: %v", err)
	require.NoError(t, endpoints.Delete(ctx, c, e.ID).ExtractErr())
	require.NoError(t, regions.Delete(ctx, c, up.ID).ExtractErr())
	_, err = regions.Get(ctx, c, down.ID).Extract()
	missing(t, err)
	require.NoError(t, services.Delete(ctx, c, service.ID).ExtractErr())
}

func TestGophercloudListsAssignments(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	userID, top, _ := s.member("ann", "lab")
	child := s.newProject("child", top)
	g, err := s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "crew"})
	require.NoError(t, err)
	require.NoError(t, s.svc.AddUserToGroup(ctx, g.ID, userID))
	manager, err := s.svc.FindRole(ctx, "manager")
	require.NoError(t, err)
	require.NoError(t, s.svc.Assign(ctx, identity.Assignment{RoleID: manager.ID, GroupID: g.ID, ProjectID: top, Inherited: true}))

	yes := true
	count := func(opts roles.ListAssignmentsOpts) int {
		return len(all(t, roles.ListAssignments(c, opts), roles.ExtractRoleAssignments))
	}
	require.Equal(t, 2, count(roles.ListAssignmentsOpts{ScopeProjectID: top}))
	require.Equal(t, 0, count(roles.ListAssignmentsOpts{ScopeProjectID: child}))
	require.Equal(t, 3, count(roles.ListAssignmentsOpts{ScopeProjectID: child, Effective: &yes}), "manager, member and reader, for the user in the group")
	require.Equal(t, 2, count(roles.ListAssignmentsOpts{ScopeProjectID: top, Effective: &yes}), "member and reader")
	require.Equal(t, 2, count(roles.ListAssignmentsOpts{ScopeProjectID: top, IncludeSubtree: &yes}))
	require.Equal(t, 5, count(roles.ListAssignmentsOpts{ScopeProjectID: top, IncludeSubtree: &yes, Effective: &yes}))
	require.Equal(t, 1, count(roles.ListAssignmentsOpts{GroupID: g.ID}))
	require.Equal(t, 1, count(roles.ListAssignmentsOpts{RoleID: manager.ID}))
	for query, want := range map[string]int{
		"scope.OS-INHERIT:inherited_to=projects&group.id=" + g.ID: 200,
		"scope.system=all":                                                         200,
		"scope.system=all&scope.domain.id=default":                                 400,
		"scope.system=all&scope.project.id=" + top:                                 400,
		"scope.domain.id=default&scope.project.id=" + top:                          400,
		"user.id=x&group.id=y":                                                     400,
		"effective&group.id=" + g.ID:                                               400,
		"effective&scope.domain.id=default&scope.OS-INHERIT:inherited_to=projects": 400,
		"include_subtree=true":                                                     400,
	} {
		s.want(want, "GET", "/v3/role_assignments?"+query, c.Token(), "")
	}
	a := s.want(http.StatusOK, "GET", "/v3/role_assignments?include_names&group.id="+g.ID, c.Token(), "")
	first := a.at(t, "role_assignments").([]any)[0].(map[string]any)
	require.Equal(t, "crew", first["group"].(map[string]any)["name"])
	require.Equal(t, "projects", first["scope"].(map[string]any)["OS-INHERIT:inherited_to"])
}
