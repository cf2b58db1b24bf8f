package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/applicationcredentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/credentials"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/domains"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/regions"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/require"
)

// client returns gophercloud's identity client, logged in with a password.
func (s *site) client(user, password, project string) *gophercloud.ServiceClient {
	s.Helper()
	provider, err := openstack.AuthenticatedClient(s.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: s.url + "/identity", Username: user, Password: password,
		DomainID: "default", TenantName: project,
	})
	require.NoError(s, err)
	c, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: "RegionOne"})
	require.NoError(s, err)
	return c
}

func TestGophercloudProjectsUsersAndRoles(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")

	domain, err := domains.Create(ctx, c, domains.CreateOpts{Name: "far"}).Extract()
	require.NoError(t, err)
	project, err := projects.Create(ctx, c, projects.CreateOpts{Name: "lab", Tags: []string{"a"}}).Extract()
	require.NoError(t, err)
	require.Equal(t, "default", project.DomainID)
	require.Equal(t, []string{"a"}, project.Tags)
	user, err := users.Create(ctx, c, users.CreateOpts{
		Name: "ann", Password: "pw", DefaultProjectID: project.ID, Extra: map[string]any{"desk": "12"},
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, "12", user.Extra["desk"])
	group, err := groups.Create(ctx, c, groups.CreateOpts{Name: "crew", DomainID: domain.ID}).Extract()
	require.NoError(t, err)
	require.NoError(t, users.AddToGroup(ctx, c, group.ID, user.ID).ExtractErr())
	in, err := users.IsMemberOfGroup(ctx, c, group.ID, user.ID).Extract()
	require.NoError(t, err)
	require.True(t, in)

	role, err := roles.Create(ctx, c, roles.CreateOpts{Name: "pilot"}).Extract()
	require.NoError(t, err)
	require.NoError(t, roles.Assign(ctx, c, role.ID, roles.AssignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr())
	require.NoError(t, roles.Validate(ctx, c, role.ID, roles.ValidateOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr())
	effective, names := true, true
	pages, err := roles.ListAssignments(c, roles.ListAssignmentsOpts{UserID: user.ID, Effective: &effective, IncludeNames: &names}).AllPages(ctx)
	require.NoError(t, err)
	list, err := roles.ExtractRoleAssignments(pages)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "lab", list[0].Scope.Project.Name)
	require.Equal(t, "pilot", list[0].Role.Name)

	mine := s.client("ann", "pw", "lab")
	require.Equal(t, user.ID, extractUser(t, mine))
	_, err = users.Get(ctx, mine, "someone").Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "%v", err)
	_, err = users.Get(ctx, c, "someone").Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)

	require.NoError(t, users.ChangePassword(ctx, mine, user.ID, users.ChangePasswordOpts{OriginalPassword: "pw", Password: "pw2"}).ExtractErr())
	s.client("ann", "pw2", "lab")
	require.NoError(t, roles.Unassign(ctx, c, role.ID, roles.UnassignOpts{UserID: user.ID, ProjectID: project.ID}).ExtractErr())
	require.NoError(t, roles.Delete(ctx, c, role.ID).ExtractErr())
	require.NoError(t, groups.Delete(ctx, c, group.ID).ExtractErr())
	require.NoError(t, users.Delete(ctx, c, user.ID).ExtractErr())
	require.NoError(t, projects.Delete(ctx, c, project.ID).ExtractErr())
	off := false
	_, err = domains.Update(ctx, c, domain.ID, domains.UpdateOpts{Enabled: &off}).Extract()
	require.NoError(t, err)
	require.NoError(t, domains.Delete(ctx, c, domain.ID).ExtractErr())
}

// extractUser validates the client's own token and returns whose it is.
func extractUser(t *testing.T, c *gophercloud.ServiceClient) string {
	t.Helper()
	u, err := tokens.Get(t.Context(), c, c.Token()).ExtractUser()
	require.NoError(t, err)
	return u.ID
}

func TestGophercloudCatalog(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	region, err := regions.Create(ctx, c, regions.CreateOpts{ID: "north"}).Extract()
	require.NoError(t, err)
	service, err := services.Create(ctx, c, services.CreateOpts{Type: "dns", Name: "designate"}).Extract()
	require.NoError(t, err)
	endpoint, err := endpoints.Create(ctx, c, endpoints.CreateOpts{
		Availability: gophercloud.AvailabilityPublic, Region: region.ID, ServiceID: service.ID,
		URL: "http://dns.example/v2/%(project_id)s",
	}).Extract()
	require.NoError(t, err)
	require.Equal(t, "http://dns.example/v2/%(project_id)s", endpoint.URL)
	a := s.want(http.StatusOK, "GET", "/v3/auth/catalog", c.Token(), "")
	require.Regexp(t, `"url":"http://dns.example/v2/[0-9a-f]{32}"`, a.body)
	require.Error(t, regions.Delete(ctx, c, region.ID).ExtractErr(), "it has an endpoint")
	require.NoError(t, services.Delete(ctx, c, service.ID).ExtractErr())
	require.NoError(t, regions.Delete(ctx, c, region.ID).ExtractErr())
	_, err = endpoints.Get(ctx, c, endpoint.ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)
}

func TestGophercloudCredentials(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	userID, projectID, _ := s.member("ann", "lab")
	c := s.client("ann", "pw", "lab")
	cred, err := applicationcredentials.Create(ctx, c, userID, applicationcredentials.CreateOpts{Name: "robot"}).Extract()
	require.NoError(t, err)
	require.NotEmpty(t, cred.Secret)
	shown, err := applicationcredentials.Get(ctx, c, userID, cred.ID).Extract()
	require.NoError(t, err)
	require.Empty(t, shown.Secret)
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: s.url + "/identity", ApplicationCredentialID: cred.ID, ApplicationCredentialSecret: cred.Secret,
	})
	require.NoError(t, err)
	robot, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	require.NoError(t, err)
	require.Equal(t, userID, extractUser(t, robot))
	_, err = applicationcredentials.Create(ctx, robot, userID, applicationcredentials.CreateOpts{Name: "child"}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "%v", err)
	require.NoError(t, applicationcredentials.Delete(ctx, c, userID, cred.ID).ExtractErr())

	ec2, err := credentials.Create(ctx, c, credentials.CreateOpts{
		Type: "ec2", ProjectID: projectID, UserID: userID, Blob: `{"access":"k","secret":"s"}`,
	}).Extract()
	require.NoError(t, err)
	require.Len(t, ec2.ID, 64)
	_, _, bob := s.member("bob", "den")
	s.want(http.StatusForbidden, "GET", "/v3/credentials/"+ec2.ID, bob, "")
	require.NoError(t, credentials.Delete(ctx, c, ec2.ID).ExtractErr())
}
