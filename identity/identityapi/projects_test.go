package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// newProject makes a project and returns its id.
func (s *site) newProject(name, parent string) string {
	s.Helper()
	p, err := s.svc.CreateProject(s.Context(), identity.CreateProjectOptions{Name: name, ParentID: parent})
	require.NoError(s, err)
	return p.ID
}

func TestHierarchyOfAProject(t *testing.T) {
	s := serve(t)
	token := s.admin()
	top := s.newProject("top", "")
	mid := s.newProject("mid", top)
	leaf := s.newProject("leaf", mid)
	other := s.newProject("other", mid)
	a := s.want(http.StatusOK, "GET", "/v3/projects/"+mid+"?parents_as_ids&subtree_as_ids", token, "")
	require.Equal(t, map[string]any{top: map[string]any{"default": nil}}, a.at(t, "project", "parents"))
	require.Equal(t, map[string]any{leaf: nil, other: nil}, a.at(t, "project", "subtree"))
	a = s.want(http.StatusOK, "GET", "/v3/projects/"+leaf+"?subtree_as_ids", token, "")
	require.Nil(t, a.at(t, "project", "subtree"))

	admin, err := s.svc.FindUser(t.Context(), "default", "admin")
	require.NoError(t, err)
	role, err := s.svc.FindRole(t.Context(), "reader")
	require.NoError(t, err)
	for _, id := range []string{top, leaf} {
		require.NoError(t, s.svc.Assign(t.Context(), identity.Assignment{RoleID: role.ID, UserID: admin.ID, ProjectID: id}))
	}
	a = s.want(http.StatusOK, "GET", "/v3/projects/"+mid+"?parents_as_list&subtree_as_list&include_limits", token, "")
	above, below := a.at(t, "project", "parents").([]any), a.at(t, "project", "subtree").([]any)
	require.Len(t, above, 1, "those that the caller has a role on")
	require.Len(t, below, 1)
	require.Equal(t, leaf, below[0].(map[string]any)["project"].(map[string]any)["id"])
	require.Equal(t, []any{}, below[0].(map[string]any)["project"].(map[string]any)["limits"])
	s.want(http.StatusBadRequest, "GET", "/v3/projects/"+mid+"?parents_as_list&parents_as_ids", token, "")
	s.want(http.StatusBadRequest, "GET", "/v3/projects/"+mid+"?subtree_as_list&subtree_as_ids", token, "")
	require.Len(t, s.want(http.StatusOK, "GET", "/v3/projects?parent_id="+mid, token, "").at(t, "projects"), 2)
}

func TestProjectsThatActAsDomains(t *testing.T) {
	s := serve(t)
	token := s.admin()
	a := s.want(http.StatusCreated, "POST", "/v3/projects", token, `{"project": {"name": "far", "is_domain": true, "tags": ["x"]}}`)
	id := a.at(t, "project", "id").(string)
	require.Equal(t, true, a.at(t, "project", "is_domain"))
	require.Nil(t, a.at(t, "project", "domain_id"))
	require.Nil(t, a.at(t, "project", "parent_id"))
	a = s.want(http.StatusOK, "GET", "/v3/domains/"+id, token, "")
	require.Equal(t, []any{"x"}, a.at(t, "domain", "tags"))
	s.want(http.StatusBadRequest, "POST", "/v3/projects", token, `{"project": {"name": "x", "is_domain": true, "parent_id": "default"}}`)
	s.want(http.StatusBadRequest, "PATCH", "/v3/projects/"+id, token, `{"project": {"is_domain": false}}`)
	s.want(http.StatusForbidden, "DELETE", "/v3/projects/"+id, token, "")
	s.want(http.StatusOK, "PATCH", "/v3/projects/"+id, token, `{"project": {"enabled": false}}`)
	s.want(http.StatusNoContent, "DELETE", "/v3/projects/"+id, token, "")
	s.want(http.StatusNotFound, "GET", "/v3/domains/"+id, token, "")
	s.want(http.StatusCreated, "POST", "/v3/domains", token, `{"domain": {"name": "named", "explicit_domain_id": "0123456789abcdef0123456789abcdef"}}`)
	s.want(http.StatusOK, "GET", "/v3/domains/0123456789abcdef0123456789abcdef", token, "")
	s.want(http.StatusConflict, "POST", "/v3/domains", token, `{"domain": {"name": "named"}}`)
}

func TestBadProjects(t *testing.T) {
	s := serve(t)
	token := s.admin()
	id := s.newProject("lab", "")
	child := s.newProject("child", id)
	for _, c := range []struct {
		status             int
		method, path, body string
	}{
		{400, "POST", "/v3/projects", `{"project": {"name": "x", "domain_id": "nowhere"}}`},
		{400, "POST", "/v3/projects", `{"project": {"name": "x", "parent_id": "nowhere"}}`},
		{400, "POST", "/v3/projects", `{"project": {"name": "x", "options": {"colour": "red"}}}`},
		{409, "POST", "/v3/projects", `{"project": {"name": "lab"}}`},
		{400, "PATCH", "/v3/projects/" + id, `{"project": {"id": "other", "name": "x"}}`},
		{400, "PATCH", "/v3/projects/" + id, `{"project": {"domain_id": "other"}}`},
		{403, "PATCH", "/v3/projects/" + child, `{"project": {"parent_id": "default"}}`},
		{403, "PATCH", "/v3/projects/" + id, `{"project": {"enabled": false}}`},
		{403, "DELETE", "/v3/projects/" + id, ""},
		{400, "PUT", "/v3/projects/" + id + "/tags", `{"tags": ["a", "a"]}`},
		{400, "PUT", "/v3/projects/" + id + "/tags/a,b", ""},
		{404, "PUT", "/v3/projects/nothing/tags/a", ""},
		{404, "PATCH", "/v3/projects/nothing", `{"project": {"name": "x"}}`},
	} {
		s.want(c.status, c.method, c.path, token, c.body)
	}
	a := s.want(http.StatusCreated, "PUT", "/v3/projects/"+id+"/tags/blue", token, "")
	require.Equal(t, s.url+"/identity/v3/projects/"+id+"/tags/blue", a.header.Get("Location"))
}
