package identityapi_test

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/policies"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/projectendpoints"
	"github.com/stretchr/testify/require"
)

// anEndpoint is the public endpoint of the compute service.
func (s *site) anEndpoint(token string) (id, service string) {
	s.Helper()
	a := s.want(http.StatusOK, "GET", "/v3/services?type=compute", token, "")
	service = a.at(s, "services").([]any)[0].(map[string]any)["id"].(string)
	a = s.want(http.StatusOK, "GET", "/v3/endpoints?interface=public&service_id="+service, token, "")
	return a.at(s, "endpoints").([]any)[0].(map[string]any)["id"].(string), service
}

// catalogSize is how many services the catalog of a token has.
func (s *site) catalogSize(token string) int {
	s.Helper()
	return len(s.want(http.StatusOK, "GET", "/v3/auth/catalog", token, "").at(s, "catalog").([]any))
}

func TestGophercloudProjectEndpoints(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	id, _ := s.anEndpoint(c.Token())
	_, project, member := s.member("ann", "lab")
	whole := s.catalogSize(member)

	require.NoError(t, projectendpoints.Create(ctx, c, project, id).Err)
	pages, err := projectendpoints.List(c, project).AllPages(ctx)
	require.NoError(t, err)
	list, err := projectendpoints.ExtractEndpoints(pages)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, id, list[0].ID)
	require.Equal(t, 1, s.catalogSize(member))
	require.Equal(t, whole, s.catalogSize(c.Token()), "of another project")
	a := s.want(http.StatusOK, "GET", "/v3/auth/tokens", c.Token(), "", "X-Subject-Token", member)
	require.Len(t, a.at(t, "token", "catalog"), 1)

	path := "/v3/OS-EP-FILTER/projects/" + project + "/endpoints/" + id
	s.want(http.StatusNoContent, "GET", path, c.Token(), "")
	s.want(http.StatusNoContent, "HEAD", path, c.Token(), "")
	s.want(http.StatusConflict, "PUT", path, c.Token(), "")
	a = s.want(http.StatusOK, "GET", "/v3/OS-EP-FILTER/endpoints/"+id+"/projects", c.Token(), "")
	require.Len(t, a.at(t, "projects"), 1)
	require.NoError(t, projectendpoints.Delete(ctx, c, project, id).ExtractErr())
	s.want(http.StatusNotFound, "DELETE", path, c.Token(), "")
	require.Equal(t, whole, s.catalogSize(member))
	s.want(http.StatusNotFound, "GET", "/v3/OS-EP-FILTER/projects/none/endpoints", c.Token(), "")
	s.want(http.StatusForbidden, "PUT", path, member, "")
}

func TestEndpointGroups(t *testing.T) {
	s := serve(t)
	token := s.admin()
	_, service := s.anEndpoint(token)
	_, project, member := s.member("ann", "lab")
	const all = "/v3/OS-EP-FILTER/endpoint_groups"
	for _, body := range []string{
		`{"endpoint_group": {"name": "g", "filters": {}}}`,
		`{"endpoint_group": {"name": "g", "filters": {"url": "x"}}}`,
		`{"endpoint_group": {"name": "g", "filters": {"interface": "sideways"}}}`,
		`{"endpoint_group": {"filters": {"interface": "public"}}}`,
	} {
		s.want(http.StatusBadRequest, "POST", all, token, body)
	}
	a := s.want(http.StatusCreated, "POST", all, token,
		`{"endpoint_group": {"name": "g", "description": "d", "filters": {"service_id": "`+service+`", "interface": "admin"}}}`)
	id := a.at(t, "endpoint_group", "id").(string)
	require.Equal(t, map[string]any{"service_id": service, "interface": "admin"}, a.at(t, "endpoint_group", "filters"))
	require.Equal(t, s.url+"/identity"+all+"/"+id, a.at(t, "endpoint_group", "links", "self"))
	single := all + "/" + id
	a = s.want(http.StatusOK, "PATCH", single, token, `{"endpoint_group": {"filters": {"service_id": "`+service+`"}}}`)
	require.Equal(t, "d", a.at(t, "endpoint_group", "description"))
	require.Equal(t, map[string]any{"service_id": service}, a.at(t, "endpoint_group", "filters"))
	s.want(http.StatusOK, "GET", single, token, "")
	s.want(http.StatusOK, "HEAD", single, token, "")
	require.Len(t, s.want(http.StatusOK, "GET", all+"?name=g", token, "").at(t, "endpoint_groups"), 1)
	require.Empty(t, s.want(http.StatusOK, "GET", all+"?name=h", token, "").at(t, "endpoint_groups"))
	require.Len(t, s.want(http.StatusOK, "GET", single+"/endpoints", token, "").at(t, "endpoints"), 3)

	link := single + "/projects/" + project
	s.want(http.StatusNotFound, "GET", link, token, "")
	s.want(http.StatusNoContent, "PUT", link, token, "")
	s.want(http.StatusConflict, "PUT", link, token, "")
	a = s.want(http.StatusOK, "GET", link, token, "")
	require.Equal(t, project, a.at(t, "project_endpoint_group", "project_id"))
	s.want(http.StatusOK, "HEAD", link, token, "")
	require.Equal(t, 1, s.catalogSize(member))
	require.Len(t, s.want(http.StatusOK, "GET", single+"/projects", token, "").at(t, "projects"), 1)
	require.Len(t, s.want(http.StatusOK, "GET", "/v3/OS-EP-FILTER/projects/"+project+"/endpoint_groups", token, "").at(t, "endpoint_groups"), 1)
	s.want(http.StatusNoContent, "DELETE", link, token, "")
	s.want(http.StatusNotFound, "DELETE", link, token, "")
	s.want(http.StatusOK, "PATCH", single, token, `{"endpoint_group": {"filters": {"region_id": null}}}`)
	require.Empty(t, s.want(http.StatusOK, "GET", single+"/endpoints", token, "").at(t, "endpoints"))
	s.want(http.StatusNoContent, "DELETE", single, token, "")
	s.want(http.StatusNotFound, "GET", single, token, "")
}

func TestGophercloudPolicies(t *testing.T) {
	s := serve(t)
	ctx := t.Context()
	c := s.client("admin", adminPassword, "admin")
	p, err := policies.Create(ctx, c, policies.CreateOpts{Type: "application/json", Blob: []byte(`{"a": "b"}`)}).Extract()
	require.NoError(t, err)
	p, err = policies.Update(ctx, c, p.ID, policies.UpdateOpts{Type: "text/plain", Blob: []byte("new")}).Extract()
	require.NoError(t, err)
	p, err = policies.Get(ctx, c, p.ID).Extract()
	require.NoError(t, err)
	require.Equal(t, "new", p.Blob)
	pages, err := policies.List(c, policies.ListOpts{Type: "text/plain"}).AllPages(ctx)
	require.NoError(t, err)
	list, err := policies.ExtractPolicies(pages)
	require.NoError(t, err)
	require.Len(t, list, 1)

	id, service := s.anEndpoint(c.Token())
	holds := "/v3/endpoints/" + id + "/OS-ENDPOINT-POLICY/policy"
	s.want(http.StatusNotFound, "GET", holds, c.Token(), "")
	base := "/v3/policies/" + p.ID + "/OS-ENDPOINT-POLICY"
	for path, n := range map[string]int{
		base + "/endpoints/" + id:                            1,
		base + "/services/" + service:                        3,
		base + "/services/" + service + "/regions/RegionOne": 3,
	} {
		s.want(http.StatusNotFound, "GET", path, c.Token(), "")
		s.want(http.StatusNoContent, "PUT", path, c.Token(), "")
		s.want(http.StatusNoContent, "GET", path, c.Token(), "")
		s.want(http.StatusNoContent, "HEAD", path, c.Token(), "")
		a := s.want(http.StatusOK, "GET", holds, c.Token(), "")
		require.Equal(t, p.ID, a.at(t, "policy", "id"))
		a = s.want(http.StatusOK, "GET", base+"/endpoints", c.Token(), "")
		require.Len(t, a.at(t, "endpoints"), n)
		s.want(http.StatusNoContent, "DELETE", path, c.Token(), "")
		s.want(http.StatusNotFound, "DELETE", path, c.Token(), "")
	}
	e, err := endpoints.Get(ctx, c, id).Extract()
	require.NoError(t, err)
	require.Equal(t, service, e.ServiceID)
	s.want(http.StatusNoContent, "PUT", base+"/endpoints/"+id, c.Token(), "")
	older := "/v3/policies/" + id + "/OS-ENDPOINT-POLICY/policy"
	s.want(http.StatusOK, "GET", older, c.Token(), "")
	s.want(http.StatusOK, "HEAD", older, c.Token(), "")
	require.NoError(t, policies.Delete(ctx, c, p.ID).ExtractErr())
	s.want(http.StatusNotFound, "GET", holds, c.Token(), "")
	s.want(http.StatusNotFound, "PUT", base+"/endpoints/"+id, c.Token(), "")
}
