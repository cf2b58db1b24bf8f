package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/registeredlimits"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

func TestGophercloudLimits(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	_, project, member := s.member("ann", "lab")
	service, err := services.Create(ctx, c, services.CreateOpts{Type: "dns"}).Extract()
	require.NoError(t, err)

	registered, err := registeredlimits.BatchCreate(ctx, c, registeredlimits.BatchCreateOpts{
		{ServiceID: service.ID, ResourceName: "zones", DefaultLimit: 10, Description: "of a project"},
		{ServiceID: service.ID, ResourceName: "records", DefaultLimit: 50, RegionID: "RegionOne"},
	}).Extract()
	require.NoError(t, err)
	require.Len(t, registered, 2)
	require.Equal(t, "of a project", registered[0].Description)
	twenty := 20
	changed, err := registeredlimits.Update(ctx, c, registered[0].ID, registeredlimits.UpdateOpts{DefaultLimit: &twenty}).Extract()
	require.NoError(t, err)
	require.Equal(t, 20, changed.DefaultLimit)
	pages, err := registeredlimits.List(c, registeredlimits.ListOpts{ResourceName: "records", RegionID: "RegionOne"}).AllPages(ctx)
	require.NoError(t, err)
	found, err := registeredlimits.ExtractRegisteredLimits(pages)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, registered[1].ID, found[0].ID)

	model, err := limits.GetEnforcementModel(ctx, c).Extract()
	require.NoError(t, err)
	require.Equal(t, "flat", model.Name)
	made, err := limits.BatchCreate(ctx, c, limits.BatchCreateOpts{
		{ServiceID: service.ID, ResourceName: "zones", ProjectID: project, ResourceLimit: 3},
		{ServiceID: service.ID, ResourceName: "zones", DomainID: "default", ResourceLimit: 5},
	}).Extract()
	require.NoError(t, err)
	require.Len(t, made, 2)
	seven := 7
	limit, err := limits.Update(ctx, c, made[0].ID, limits.UpdateOpts{ResourceLimit: &seven}).Extract()
	require.NoError(t, err)
	require.Equal(t, 7, limit.ResourceLimit)
	_, err = limits.BatchCreate(ctx, c, limits.BatchCreateOpts{
		{ServiceID: service.ID, ResourceName: "zones", ProjectID: project, ResourceLimit: 3},
	}).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusConflict), "%v", err)
	require.True(t, gophercloud.ResponseCodeIs(registeredlimits.Delete(ctx, c, registered[0].ID).ExtractErr(), http.StatusForbidden))

	mine := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: member}, Endpoint: c.Endpoint}
	pages, err = limits.List(mine, nil).AllPages(ctx)
	require.NoError(t, err)
	seen, err := limits.ExtractLimits(pages)
	require.NoError(t, err)
	require.Len(t, seen, 1, "the domain's limit is not the project's to see")
	require.Equal(t, made[0].ID, seen[0].ID)
	_, err = limits.Get(ctx, mine, made[0].ID).Extract()
	require.NoError(t, err)
	_, err = limits.Get(ctx, mine, made[1].ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusForbidden), "%v", err)

	require.NoError(t, limits.Delete(ctx, c, made[0].ID).ExtractErr())
	require.NoError(t, limits.Delete(ctx, c, made[1].ID).ExtractErr())
	require.NoError(t, registeredlimits.Delete(ctx, c, registered[0].ID).ExtractErr())
	_, err = registeredlimits.Get(ctx, c, registered[0].ID).Extract()
	require.True(t, gophercloud.ResponseCodeIs(err, http.StatusNotFound), "%v", err)
}

func TestLimitBodies(t *testing.T) {
	s := serve(t)
	token := s.admin()
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v3/registered_limits", `{"registered_limits": []}`},
		{"POST", "/v3/registered_limits", `{"registered_limits": [{"service_id": "x", "resource_name": "y"}]}`},
		{"POST", "/v3/registered_limits", `{"registered_limits": [{"service_id": "x", "resource_name": "y", "default_limit": "1"}]}`},
		{"POST", "/v3/registered_limits", `{"registered_limits": [{"service_id": "x", "resource_name": "y", "default_limit": 1, "more": 1}]}`},
		{"POST", "/v3/registered_limits", `{"registered_limits": [{"service_id": "none", "resource_name": "y", "default_limit": 1}]}`},
		{"POST", "/v3/limits", `{"limits": [{"service_id": "x", "resource_name": "y", "resource_limit": 1}]}`},
		{"POST", "/v3/limits", `{"limits": [{"service_id": "x", "resource_name": "y", "resource_limit": 1, "project_id": "p", "domain_id": "d"}]}`},
		{"POST", "/v3/limits", `{"limits": [{"service_id": "x", "resource_name": "y", "resource_limit": -2, "project_id": "p"}]}`},
		{"PATCH", "/v3/limits/none", `{"limit": {"resource_name": "y"}}`},
	} {
		a := s.want(http.StatusBadRequest, c.method, c.path, token, c.body)
		require.Equal(t, "Bad Request", a.at(t, "error", "title"))
	}
	a := s.want(http.StatusOK, "GET", "/v3/limits/model", token, "")
	require.NotEmpty(t, a.at(t, "model", "description"))
	s.want(http.StatusNotFound, "GET", "/v3/limits/none", token, "")
	s.want(http.StatusOK, "GET", "/v3/registered_limits?region_id=", token, "")
}

// TestWhoSeesWhichLimits lists limits as a reader of a domain, who sees those within it,
// and as a service, which sees all.
func TestWhoSeesWhichLimits(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	service, err := s.svc.CreateService(ctx, identity.CreateServiceOptions{Type: "dns"})
	require.NoError(t, err)
	_, err = s.svc.CreateRegisteredLimits(ctx, []identity.CreateRegisteredLimitOptions{{ServiceID: service.ID, ResourceName: "zones", Default: 1}})
	require.NoError(t, err)
	far, err := s.svc.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	p, err := s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "p", DomainID: far.ID})
	require.NoError(t, err)
	u, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: "dora", Password: "pw"})
	require.NoError(t, err)
	reader, err := s.svc.FindRole(ctx, "reader")
	require.NoError(t, err)
	require.NoError(t, s.svc.Assign(ctx, identity.Assignment{RoleID: reader.ID, UserID: u.ID, DomainID: far.ID}))
	_, err = s.svc.CreateLimits(ctx, []identity.CreateLimitOptions{
		{ProjectID: p.ID, ServiceID: service.ID, ResourceName: "zones"},
		{DomainID: far.ID, ServiceID: service.ID, ResourceName: "zones"},
		{DomainID: "default", ServiceID: service.ID, ResourceName: "zones"},
	})
	require.NoError(t, err)
	token := s.login("dora", "pw", `{"domain": {"id": "`+far.ID+`"}}`)
	a := s.want(http.StatusOK, "GET", "/v3/limits", token, "")
	require.Len(t, a.at(t, "limits"), 2)

	cinder, project, _ := s.member("cinder", "service")
	role, err := s.svc.FindRole(ctx, "service")
	require.NoError(t, err)
	require.NoError(t, s.svc.Assign(ctx, identity.Assignment{RoleID: role.ID, UserID: cinder, ProjectID: project}))
	token = s.login("cinder", "pw", `{"project": {"id": "`+project+`"}}`)
	a = s.want(http.StatusOK, "GET", "/v3/limits", token, "")
	require.Len(t, a.at(t, "limits"), 3, "services enforce them")
}
