package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity"
)

// ids are the values of an attribute of a list in an answer.
func (s *site) ids(a answer, list, name string) []any {
	s.Helper()
	all := []any{}
	for _, item := range a.at(s, list).([]any) {
		all = append(all, item.(map[string]any)[name])
	}
	return all
}

// TestGrants gives, looks up and takes back a role in each kind of place, for a user and
// for a group, each by its own route.
func TestGrants(t *testing.T) {
	s := serve(t)
	token := s.systemAdmin()
	user, project, _ := s.member("ann", "lab")
	group, err := s.svc.CreateGroup(t.Context(), identity.CreateGroupOptions{Name: "crew"})
	require.NoError(t, err)
	role := s.want(http.StatusCreated, "POST", "/v3/roles", token, `{"role": {"name": "guard"}}`).at(t, "role", "id").(string)
	for _, place := range []struct{ path, suffix string }{
		{"/v3/projects/" + project, ""},
		{"/v3/domains/default", ""},
		{"/v3/system", ""},
		{"/v3/OS-INHERIT/projects/" + project, "/inherited_to_projects"},
		{"/v3/OS-INHERIT/domains/default", "/inherited_to_projects"},
	} {
		for _, actor := range []string{"/users/" + user, "/groups/" + group.ID} {
			t.Run(place.path+actor, func(t *testing.T) {
				all := place.path + actor + "/roles"
				one := all + "/" + role + place.suffix
				s.want(http.StatusNotFound, "GET", one, token, "")
				s.want(http.StatusNoContent, "PUT", one, token, "")
				s.want(http.StatusNoContent, "GET", one, token, "")
				s.want(http.StatusNoContent, "HEAD", one, token, "")
				require.Contains(t, s.ids(s.want(http.StatusOK, "GET", all+place.suffix, token, ""), "roles", "id"), role)
				s.want(http.StatusNoContent, "DELETE", one, token, "")
				s.want(http.StatusNotFound, "HEAD", one, token, "")
				s.want(http.StatusNotFound, "DELETE", one, token, "")
				require.NotContains(t, s.ids(s.want(http.StatusOK, "GET", all+place.suffix, token, ""), "roles", "id"), role)
			})
		}
	}
}

// systemAdmin is the administrator's token for the system.
func (s *site) systemAdmin() string {
	return s.login("admin", adminPassword, `{"system": {"all": true}}`)
}

func TestRolesAndWhatTheyImply(t *testing.T) {
	s := serve(t)
	token := s.admin()
	prior := s.want(http.StatusCreated, "POST", "/v3/roles", token, `{"role": {"name": "chief"}}`).at(t, "role", "id").(string)
	implied := s.want(http.StatusCreated, "POST", "/v3/roles", token, `{"role": {"name": "deputy"}}`).at(t, "role", "id").(string)
	require.Equal(t, "chief", s.want(http.StatusOK, "GET", "/v3/roles/"+prior, token, "").at(t, "role", "name"))
	a := s.want(http.StatusOK, "PATCH", "/v3/roles/"+prior, token, `{"role": {"description": "leads"}}`)
	require.Equal(t, "leads", a.at(t, "role", "description"))

	all := "/v3/roles/" + prior + "/implies"
	s.want(http.StatusCreated, "PUT", all+"/"+implied, token, "")
	s.want(http.StatusNoContent, "HEAD", all+"/"+implied, token, "")
	a = s.want(http.StatusOK, "GET", all+"/"+implied, token, "")
	require.Equal(t, "chief", a.at(t, "role_inference", "prior_role", "name"))
	require.Equal(t, "deputy", a.at(t, "role_inference", "implies", "name"))
	a = s.want(http.StatusOK, "GET", all, token, "")
	require.Len(t, a.at(t, "role_inference", "implies"), 1)
	a = s.want(http.StatusOK, "GET", "/v3/role_inferences", token, "")
	require.Contains(t, a.body, implied)
	s.want(http.StatusNoContent, "DELETE", all+"/"+implied, token, "")
	s.want(http.StatusNotFound, "HEAD", all+"/"+implied, token, "")
}

func TestCatalogPartsOneByOne(t *testing.T) {
	s := serve(t)
	token := s.admin()
	s.want(http.StatusCreated, "POST", "/v3/regions", token, `{"region": {"id": "north"}}`)
	require.Contains(t, s.ids(s.want(http.StatusOK, "GET", "/v3/regions", token, ""), "regions", "id"), "north")
	a := s.want(http.StatusOK, "PATCH", "/v3/regions/north", token, `{"region": {"description": "cold"}}`)
	require.Equal(t, "cold", a.at(t, "region", "description"))
	require.Equal(t, "cold", s.want(http.StatusOK, "GET", "/v3/regions/north", token, "").at(t, "region", "description"))

	service := s.want(http.StatusCreated, "POST", "/v3/services", token, `{"service": {"type": "bakery"}}`).at(t, "service", "id").(string)
	a = s.want(http.StatusOK, "PATCH", "/v3/services/"+service, token, `{"service": {"name": "oven"}}`)
	require.Equal(t, "oven", a.at(t, "service", "name"))
	require.Equal(t, "bakery", s.want(http.StatusOK, "GET", "/v3/services/"+service, token, "").at(t, "service", "type"))

	endpoint := s.want(http.StatusCreated, "POST", "/v3/endpoints", token,
		`{"endpoint": {"service_id": "`+service+`", "region_id": "north", "interface": "public", "url": "http://a.example/"}}`).at(t, "endpoint", "id").(string)
	a = s.want(http.StatusOK, "PATCH", "/v3/endpoints/"+endpoint, token, `{"endpoint": {"url": "http://b.example/"}}`)
	require.Equal(t, "http://b.example/", a.at(t, "endpoint", "url"))
	s.want(http.StatusNoContent, "DELETE", "/v3/endpoints/"+endpoint, token, "")
	s.want(http.StatusNotFound, "GET", "/v3/endpoints/"+endpoint, token, "")

	doc := s.want(http.StatusCreated, "POST", "/v3/policies", token, `{"policy": {"blob": "{}", "type": "application/json"}}`).at(t, "policy", "id").(string)
	require.Equal(t, "{}", s.want(http.StatusOK, "GET", "/v3/policies/"+doc, token, "").at(t, "policy", "blob"))

	limits := s.want(http.StatusCreated, "POST", "/v3/registered_limits", token,
		`{"registered_limits": [{"service_id": "`+service+`", "resource_name": "loaves", "default_limit": 5}]}`)
	limit := s.ids(limits, "registered_limits", "id")[0].(string)
	a = s.want(http.StatusOK, "GET", "/v3/registered_limits/"+limit, token, "")
	require.Equal(t, 5.0, a.at(t, "registered_limit", "default_limit"))

	group := s.want(http.StatusCreated, "POST", "/v3/groups", token, `{"group": {"name": "crew"}}`).at(t, "group", "id").(string)
	a = s.want(http.StatusOK, "PATCH", "/v3/groups/"+group, token, `{"group": {"description": "on deck"}}`)
	require.Equal(t, "on deck", a.at(t, "group", "description"))
	require.Equal(t, "crew", s.want(http.StatusOK, "GET", "/v3/groups/"+group, token, "").at(t, "group", "name"))

	s.want(http.StatusCreated, "PUT", "/v3/OS-FEDERATION/identity_providers/acme", token, `{"identity_provider": {"description": "ACME"}}`)
	a = s.want(http.StatusOK, "GET", "/v3/OS-FEDERATION/identity_providers/acme", token, "")
	require.Equal(t, "ACME", a.at(t, "identity_provider", "description"))
}
