package identityapi_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/roles"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// names are the names of the resources in a list.
func (a answer) names(t testing.TB, list string) []string {
	t.Helper()
	all := []string{}
	for _, item := range a.at(t, list).([]any) {
		all = append(all, item.(map[string]any)["name"].(string))
	}
	return all
}

func TestListsComeInPages(t *testing.T) {
	s := serve(t)
	token := s.admin()
	for i := range 7 {
		_, err := s.svc.CreateProject(t.Context(), identity.CreateProjectOptions{ID: fmt.Sprintf("p%d", i), Name: fmt.Sprintf("lab%d", i)})
		require.NoError(t, err)
	}
	path, got := "/v3/projects?name__startswith=lab&limit=3", []string{}
	for pages := 0; path != ""; pages++ {
		require.Less(t, pages, 4)
		a := s.want(http.StatusOK, "GET", path, token, "")
		got = append(got, a.names(t, "projects")...)
		next, more := a.at(t, "links", "next").(string)
		require.Equal(t, more, a.at(t, "truncated") == true)
		path = ""
		if more {
			u, err := url.Parse(next)
			require.NoError(t, err)
			require.Equal(t, "3", u.Query().Get("limit"))
			path = "/v3/projects?" + u.RawQuery
		}
	}
	require.Equal(t, []string{"lab0", "lab1", "lab2", "lab3", "lab4", "lab5", "lab6"}, got)
	a := s.want(http.StatusOK, "GET", "/v3/projects?domain_id=default&marker=p5", token, "")
	require.Equal(t, []string{"lab6"}, a.names(t, "projects"), "also within a domain")
	for _, bad := range []string{"x", "-1", "1.5"} {
		s.want(http.StatusBadRequest, "GET", "/v3/services?limit="+bad, token, "")
	}
	a = s.want(http.StatusOK, "GET", "/v3/services?limit=2", token, "")
	require.Len(t, a.at(t, "services"), 2)
	require.NotNil(t, a.at(t, "links", "next"), "every list has pages")
}

func TestGophercloudTurnsPages(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	const many = 1100
	for i := range many {
		_, err := s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: fmt.Sprint("g", i)})
		require.NoError(t, err)
	}
	c := s.client("admin", adminPassword, "admin")
	found, pages := map[string]bool{}, 0
	err := groups.List(c, groups.ListOpts{DomainID: "default"}).EachPage(ctx, func(_ context.Context, p pagination.Page) (bool, error) {
		list, err := groups.ExtractGroups(p)
		for _, g := range list {
			found[g.ID] = true
		}
		pages++
		return err == nil, err
	})
	require.NoError(t, err)
	require.Len(t, found, many)
	require.Equal(t, 2, pages)
}

func TestRoleAssignmentsComeInPages(t *testing.T) {
	s := serve(t)
	userID, _, _ := s.member("ann", "lab")
	role, err := s.svc.FindRole(t.Context(), "reader")
	require.NoError(t, err)
	for i := range 5 {
		p, err := s.svc.CreateProject(t.Context(), identity.CreateProjectOptions{Name: fmt.Sprint("p", i)})
		require.NoError(t, err)
		require.NoError(t, s.svc.Assign(t.Context(), identity.Assignment{RoleID: role.ID, UserID: userID, ProjectID: p.ID}))
	}
	token := s.admin()
	for _, query := range []string{"", "user.id=" + userID, "effective", "role.id=" + role.ID + "&include_names"} {
		whole := s.want(http.StatusOK, "GET", "/v3/role_assignments?"+query, token, "")
		require.NotContains(t, whole.body, "truncated")
		require.Nil(t, whole.at(t, "links", "next"))
		got, path := []any{}, "/v3/role_assignments?limit=2&"+query
		for pages := 0; path != ""; pages++ {
			require.Less(t, pages, 10)
			a := s.want(http.StatusOK, "GET", path, token, "")
			got = append(got, a.at(t, "role_assignments").([]any)...)
			next, more := a.at(t, "links", "next").(string)
			require.Equal(t, more, a.at(t, "truncated") == true)
			if path = ""; more {
				u, err := url.Parse(next)
				require.NoError(t, err)
				path = "/v3/role_assignments?" + u.RawQuery
			}
		}
		require.Equal(t, whole.at(t, "role_assignments"), any(got), query)
	}
	for _, bad := range []string{"limit=x", "marker=x", "marker=a.b.c.d.e!", "marker=a.b"} {
		s.want(http.StatusBadRequest, "GET", "/v3/role_assignments?"+bad, token, "")
	}
	found := all(t, roles.ListAssignments(s.client("admin", adminPassword, "admin"), roles.ListAssignmentsOpts{UserID: userID}), roles.ExtractRoleAssignments)
	require.Len(t, found, 6)
}

func TestListsAreFiltered(t *testing.T) {
	s := serve(t)
	token := s.admin()
	for _, name := range []string{"Alpha", "alpine", "beta"} {
		_, err := s.svc.CreateUser(t.Context(), identity.CreateUserOptions{Name: name, Disabled: name == "beta"})
		require.NoError(t, err)
	}
	for query, want := range map[string][]string{
		"name=Alpha":                                     {"Alpha"},
		"name__startswith=Al":                            {"Alpha"},
		"name__istartswith=al":                           {"Alpha", "alpine"},
		"name__icontains=ALP":                            {"Alpha", "alpine"},
		"name__contains=lp":                              {"Alpha", "alpine"},
		"name__endswith=a":                               {"Alpha", "beta"},
		"name__iendswith=A&name__contains=p":             {"Alpha"},
		"name__sounds=like&name__contains=lp":            {"Alpha", "alpine"},
		"enabled=false":                                  {"beta"},
		"enabled=0":                                      {"beta"},
		"enabled=True&name__contains=l":                  {"Alpha", "alpine"},
		"domain_id=nowhere":                              {},
		"domain_id=default&name__icontains=et":           {"beta"},
		"password_expires_at=lt:2030-01-01T00:00:00Z":    {},
		"email__contains=x":                              {},
		"name__icontains=a&limit=1&name__istartswith=be": {"beta"},
	} {
		a := s.want(http.StatusOK, "GET", "/v3/users?"+query, token, "")
		require.ElementsMatch(t, want, a.names(t, "users"), query)
	}
	for _, bad := range []string{"lt:yesterday", "like:2030-01-01T00:00:00Z"} {
		s.want(http.StatusBadRequest, "GET", "/v3/users?password_expires_at="+bad, token, "")
	}
	a := s.want(http.StatusOK, "GET", "/v3/services?type__startswith=vol", token, "")
	require.Equal(t, []string{"cinderv3"}, a.names(t, "services"))
	a = s.want(http.StatusOK, "GET", "/v3/domains?name__iendswith=FAULT", token, "")
	require.Equal(t, []string{"Default"}, a.names(t, "domains"))
	a = s.want(http.StatusOK, "GET", "/v3/roles?name__contains=ead", token, "")
	require.Equal(t, []string{"reader"}, a.names(t, "roles"))
}

func TestDomainScopedListsStayInTheDomain(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	far, err := s.svc.CreateDomain(ctx, identity.CreateDomainOptions{Name: "far"})
	require.NoError(t, err)
	u, err := s.svc.CreateUser(ctx, identity.CreateUserOptions{Name: "dora", DomainID: far.ID, Password: "pw"})
	require.NoError(t, err)
	_, err = s.svc.CreateProject(ctx, identity.CreateProjectOptions{Name: "p", DomainID: far.ID})
	require.NoError(t, err)
	_, err = s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "g", DomainID: far.ID})
	require.NoError(t, err)
	_, err = s.svc.CreateGroup(ctx, identity.CreateGroupOptions{Name: "of-another"})
	require.NoError(t, err)
	admin, err := s.svc.FindRole(ctx, "admin")
	require.NoError(t, err)
	require.NoError(t, s.svc.Assign(ctx, identity.Assignment{RoleID: admin.ID, UserID: u.ID, DomainID: far.ID}))
	a := s.want(http.StatusCreated, "POST", "/v3/auth/tokens", "", `{"auth": {"identity": {"methods": ["password"],
		"password": {"user": {"id": "`+u.ID+`", "password": "pw"}}}, "scope": {"domain": {"id": "`+far.ID+`"}}}}`)
	token := a.header.Get("X-Subject-Token")
	for list, want := range map[string][]string{"users": {"dora"}, "projects": {"p"}, "groups": {"g"}, "domains": {"far"}} {
		require.Equal(t, want, s.want(http.StatusOK, "GET", "/v3/"+list, token, "").names(t, list), list)
		if list != "domains" {
			require.Empty(t, s.want(http.StatusOK, "GET", "/v3/"+list+"?domain_id=default", token, "").names(t, list), list)
		}
	}
	a = s.want(http.StatusOK, "GET", "/v3/role_assignments", token, "")
	require.Len(t, a.at(t, "role_assignments"), 1)
}
