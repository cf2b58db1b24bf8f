package identityapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// TestMembersChangeNothing asks for every route of the table as a plain member, for
// things that do not exist or belong to others: none of them may succeed, but those
// that are everybody's.
func TestMembersChangeNothing(t *testing.T) {
	s := serve(t)
	_, _, token := s.member("ann", "lab")
	everybodys := map[string]bool{"identity:list_credentials": true}
	for _, rule := range enforcer(t).Rules("identity") {
		if rule.Check == "@" {
			everybodys[rule.Name] = true
		}
	}
	table := httpapi.Routes(identityapi.New(s.svc, httpapi.Options{Policy: enforcer(t)}))
	require.Greater(t, len(table), 100)
	for _, route := range table {
		if route.Public || everybodys[route.Policy] {
			continue
		}
		path := route.Path
		for strings.Contains(path, "{") {
			from, to := strings.Index(path, "{"), strings.Index(path, "}")
			path = path[:from] + "none" + path[to+1:]
		}
		a := s.do(route.Method, path, "", "{}")
		require.Equal(t, http.StatusUnauthorized, a.status, "%s %s without a token", route.Method, path)
		a = s.do(route.Method, path, token, "{}")
		require.Contains(t, []int{400, 403, 404}, a.status, "%s %s: %s", route.Method, path, a.body)
		if route.Method == "GET" && !strings.Contains(path, "tokens") && !strings.Contains(path, "none") {
			require.Equal(t, http.StatusForbidden, a.status, "%s: %s", path, a.body)
		}
	}
}

func TestBadBodies(t *testing.T) {
	s := serve(t)
	token := s.admin()
	long := strings.Repeat("x", 65)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/v3/users", `{"user": {}}`},
		{"POST", "/v3/users", `{"user": {"name": ""}}`},
		{"POST", "/v3/users", `{"user": {"name": "   "}}`},
		{"POST", "/v3/users", `{"user": {"name": 7}}`},
		{"POST", "/v3/users", `{"user": {"name": "a", "enabled": "yes"}}`},
		{"POST", "/v3/users", `[]`},
		{"POST", "/v3/users", `{"person": {"name": "a"}}`},
		{"POST", "/v3/projects", `{"project": {"name": "` + long + `"}}`},
		{"POST", "/v3/projects", `{"project": {"name": "a", "tags": ["x/y"]}}`},
		{"POST", "/v3/domains", `{"domain": {"name": "` + long + `"}}`},
		{"POST", "/v3/endpoints", `{"endpoint": {"interface": "sideways", "service_id": "x", "url": "http://h"}}`},
		{"POST", "/v3/endpoints", `{"endpoint": {"interface": "public", "service_id": "nowhere", "url": "http://h"}}`},
		{"POST", "/v3/credentials", `{"credential": {"type": "ec2", "blob": "no JSON"}}`},
		{"POST", "/v3/OS-TRUST/trusts", `{"trust": {}}`},
		{"PATCH", "/v3/domains/default", `{"domain": {}}`},
	} {
		a := s.do(c.method, c.path, token, c.body)
		require.Equal(t, http.StatusBadRequest, a.status, "%s %s %s: %s", c.method, c.path, c.body, a.body)
		require.Equal(t, "Bad Request", a.at(t, "error", "title"))
	}
}

func TestConflictsAndMissingThings(t *testing.T) {
	s := serve(t)
	token := s.admin()
	s.want(http.StatusCreated, "POST", "/v3/users", token, `{"user": {"name": "ann"}}`)
	a := s.want(http.StatusConflict, "POST", "/v3/users", token, `{"user": {"name": "ann"}}`)
	require.Equal(t, "Conflict occurred attempting to store user - Duplicate entry found with name ann at domain ID default.", a.at(t, "error", "message"))
	a = s.want(http.StatusNotFound, "GET", "/v3/users/nobody", token, "")
	require.Equal(t, "Could not find user: nobody.", a.at(t, "error", "message"))
	s.want(http.StatusNotFound, "POST", "/v3/users", token, `{"user": {"name": "bob", "domain_id": "nowhere"}}`)
	a = s.want(http.StatusForbidden, "DELETE", "/v3/domains/default", token, "")
	require.Contains(t, a.at(t, "error", "message"), "disable it first")
	_, _, member := s.member("carl", "lab")
	a = s.want(http.StatusForbidden, "GET", "/v3/users", member, "")
	require.Equal(t, "You are not authorized to perform the requested action: identity:list_users.", a.at(t, "error", "message"))
}

func TestListsNarrowAndLink(t *testing.T) {
	s := serve(t)
	token := s.admin()
	s.member("ann", "lab")
	a := s.want(http.StatusOK, "GET", "/v3/users?name=ann", token, "")
	require.Len(t, a.at(t, "users"), 1)
	require.Equal(t, s.url+"/identity/v3/users?name=ann", a.at(t, "links", "self"))
	require.Nil(t, a.at(t, "links", "next"))
	a = s.want(http.StatusOK, "GET", "/v3/users?enabled=false", token, "")
	require.Empty(t, a.at(t, "users"))
	a = s.want(http.StatusOK, "GET", "/v3/projects?is_domain=true", token, "")
	require.Len(t, a.at(t, "projects"), 1)
	require.NotContains(t, s.want(http.StatusOK, "GET", "/v3/users", token, "").body, "$2a$")
}

func TestTags(t *testing.T) {
	s := serve(t)
	token := s.admin()
	_, project, _ := s.member("ann", "lab")
	path := "/v3/projects/" + project + "/tags"
	s.want(http.StatusCreated, "PUT", path+"/blue", token, "")
	s.want(http.StatusNoContent, "GET", path+"/blue", token, "")
	s.want(http.StatusNotFound, "GET", path+"/red", token, "")
	a := s.want(http.StatusOK, "PUT", path, token, `{"tags": ["red", "green"]}`)
	require.Equal(t, []any{"green", "red"}, a.at(t, "tags"))
	require.Len(t, s.want(http.StatusOK, "GET", "/v3/projects?tags=red,green", token, "").at(t, "projects"), 1)
	require.Empty(t, s.want(http.StatusOK, "GET", "/v3/projects?tags-any=blue", token, "").at(t, "projects"))
	s.want(http.StatusNoContent, "DELETE", path+"/red", token, "")
	s.want(http.StatusNoContent, "DELETE", path, token, "")
	require.Empty(t, s.want(http.StatusOK, "GET", path, token, "").at(t, "tags"))
}
