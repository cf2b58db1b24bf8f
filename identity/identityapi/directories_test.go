package identityapi_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projects"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/identity/driver"
	"github.com/welkin-cloud/cloud/identity/memdirectory"
)

// corp attaches a directory with ada, who is in devs, and bob to a new domain.
func (s *site) corp(readOnly bool) (domainID string, d *memdirectory.Directory) {
	s.Helper()
	domain, err := s.svc.CreateDomain(s.Context(), identity.CreateDomainOptions{Name: "corp"})
	require.NoError(s, err)
	account := func(name string) memdirectory.Account {
		return memdirectory.Account{
			User:     driver.User{ID: "id-" + name, Name: name, Enabled: true, Email: name + "@corp.example"},
			Password: "pw",
		}
	}
	d = memdirectory.New(memdirectory.Config{
		ReadOnly: readOnly, Users: []memdirectory.Account{account("ada"), account("bob")},
		Groups: []memdirectory.Team{{Group: driver.Group{ID: "g-devs", Name: "devs"}, Members: []string{"id-ada"}}},
	})
	require.NoError(s, s.svc.AttachDirectory(s.Context(), domain.ID, d))
	return domain.ID, d
}

func corpLogin(user, password string) string {
	return `{"auth": {"identity": {"methods": ["password"], "password": {"user": {
		"name": "` + user + `", "domain": {"name": "corp"}, "password": "` + password + `"}}}}}`
}

func usersOf(t *testing.T, c *gophercloud.ServiceClient, opts users.ListOpts) []users.User {
	t.Helper()
	pages, err := users.List(c, opts).AllPages(t.Context())
	require.NoError(t, err)
	list, err := users.ExtractUsers(pages)
	require.NoError(t, err)
	return list
}

// TestGophercloudDirectory drives the routes of users and groups in a directory.
func TestGophercloudDirectory(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	domain, _ := s.corp(false)
	c := s.client("admin", adminPassword, "admin")

	require.Len(t, usersOf(t, c, users.ListOpts{DomainID: domain}), 2)
	found := usersOf(t, c, users.ListOpts{DomainID: domain, Name: "ada"})
	require.Len(t, found, 1)
	ada, err := users.Get(ctx, c, found[0].ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "ada@corp.example", ada.Extra["email"])
	pages, err := groups.List(c, groups.ListOpts{DomainID: domain, Name: "devs"}).AllPages(ctx)
	require.NoError(t, err)
	teams, err := groups.ExtractGroups(pages)
	require.NoError(t, err)
	require.Len(t, teams, 1)
	in, err := users.IsMemberOfGroup(ctx, c, teams[0].ID, ada.ID).Extract()
	require.NoError(t, err)
	require.True(t, in)
	pages, err = users.ListInGroup(c, teams[0].ID, nil).AllPages(ctx)
	require.NoError(t, err)
	members, err := users.ExtractUsers(pages)
	require.NoError(t, err)
	require.Len(t, members, 1)

	// The group's role lets ada work in a project of another domain.
	project, err := projects.Create(ctx, c, projects.CreateOpts{Name: "lab"}).Extract()
	require.NoError(t, err)
	role, err := s.svc.FindRole(ctx, "member")
	require.NoError(t, err)
	require.NoError(t, roles.Assign(ctx, c, role.ID, roles.AssignOpts{GroupID: teams[0].ID, ProjectID: project.ID}).ExtractErr())
	_, err = openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{
		IdentityEndpoint: s.url + "/identity", Username: "ada", Password: "pw", DomainName: "corp",
		Scope: &gophercloud.AuthScope{ProjectID: project.ID},
	})
	require.NoError(t, err)

	eve, err := users.Create(ctx, c, users.CreateOpts{Name: "eve", DomainID: domain, Password: "new"}).Extract()
	require.NoError(t, err)
	require.NoError(t, users.AddToGroup(ctx, c, teams[0].ID, eve.ID).ExtractErr())
	_, err = users.Update(ctx, c, eve.ID, users.UpdateOpts{Name: "eva"}).Extract()
	require.NoError(t, err)
	s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", corpLogin("eva", "new"))
	require.NoError(t, users.ChangePassword(ctx, c, eve.ID, users.ChangePasswordOpts{OriginalPassword: "new", Password: "newer"}).ExtractErr())
	s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", corpLogin("eva", "newer"))
	require.NoError(t, users.RemoveFromGroup(ctx, c, teams[0].ID, eve.ID).ExtractErr())
	require.NoError(t, users.Delete(ctx, c, eve.ID).ExtractErr())
	s.want(http.StatusUnauthorized, "POST", "/v3/auth/tokens", "", corpLogin("eva", "newer"))
}

func TestReadOnlyDirectory(t *testing.T) {
	s := serve(t)
	domain, _ := s.corp(true)
	token := s.admin()
	ada := s.want(http.StatusOK, "GET", "/v3/users?domain_id="+domain+"&name=ada", token, "").at(t, "users").([]any)[0].(map[string]any)
	group := s.want(http.StatusOK, "GET", "/v3/groups?domain_id="+domain, token, "").at(t, "groups").([]any)[0].(map[string]any)
	user, team := "/v3/users/"+ada["id"].(string), "/v3/groups/"+group["id"].(string)
	for _, c := range [][3]string{
		{"POST", "/v3/users", `{"user": {"name": "eve", "domain_id": "` + domain + `"}}`},
		{"PATCH", user, `{"user": {"name": "eve"}}`}, {"PATCH", user, `{"user": {"enabled": false}}`}, {"DELETE", user, ""},
		{"POST", "/v3/groups", `{"group": {"name": "eve", "domain_id": "` + domain + `"}}`},
		{"PATCH", team, `{"group": {"name": "eve"}}`}, {"DELETE", team, ""},
		{"PUT", team + "/users/" + ada["id"].(string), ""}, {"DELETE", team + "/users/" + ada["id"].(string), ""},
	} {
		s.want(http.StatusForbidden, c[0], c[1], token, c[2])
	}
	s.want(http.StatusForbidden, "POST", user+"/password", "", `{"user": {"original_password": "pw", "password": "x"}}`)
	s.want(http.StatusUnauthorized, "POST", user+"/password", "", `{"user": {"original_password": "?", "password": "x"}}`)
	require.Equal(t, ada, s.want(http.StatusOK, "GET", user, token, "").at(t, "user"))
}

func TestDirectoryUnavailable(t *testing.T) {
	s := serve(t)
	domain, d := s.corp(true)
	token := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", corpLogin("ada", "pw")).header.Get("X-Subject-Token")
	d.SetFault(func(context.Context, string, string) error { return errors.New("connect to 10.1.2.3: refused") })
	a := s.want(http.StatusServiceUnavailable, "POST", "/v3/auth/tokens", "", corpLogin("ada", "pw"))
	require.NotContains(t, a.body, "10.1.2.3")
	require.NotEmpty(t, a.header.Get("Retry-After"))
	require.EqualValues(t, 503, a.at(t, "error", "code"))
	admin := s.admin()
	s.want(http.StatusServiceUnavailable, "GET", "/v3/users?domain_id="+domain, admin, "")
	s.want(http.StatusOK, "GET", "/v3/users", admin, "")
	s.want(http.StatusOK, "GET", "/v3/auth/tokens", token, "", "X-Subject-Token", token)
}
