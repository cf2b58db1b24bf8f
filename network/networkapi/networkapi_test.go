package networkapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/clock"
	"github.com/welkin-cloud/cloud/internal/core"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/ids"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/internal/quota"
	"github.com/welkin-cloud/cloud/internal/saga"
	"github.com/welkin-cloud/cloud/internal/state"
	"github.com/welkin-cloud/cloud/network"
	"github.com/welkin-cloud/cloud/network/driver"
	"github.com/welkin-cloud/cloud/network/memnetwork"
	"github.com/welkin-cloud/cloud/network/networkapi"
)

const (
	adminProject = "00000000000000000000000000000000"
	projectOne   = "11111111111111111111111111111111"
	projectTwo   = "22222222222222222222222222222222"
)

// tokens is an Authenticator of fixed tokens.
type tokens map[string]*policy.Principal

func (t tokens) Authenticate(_ context.Context, token string) (*policy.Principal, error) {
	if p := t[token]; p != nil {
		return p, nil
	}
	return nil, fault.Unauthenticated
}

// server is a network API with one host in memory.
type server struct {
	url string
	svc *network.Service
}

func serve(t testing.TB) *server {
	t.Helper()
	db := state.New(nil, nil)
	log := slog.New(slog.DiscardHandler)
	bundle := &core.Core{
		DB: db, Clock: clock.System{}, IDs: ids.Random(), Quotas: quota.Define(db), Log: log,
		Sagas: saga.New(db, clock.System{}, ids.Random(), log, saga.Config{}),
	}
	svc, err := network.New(bundle, network.Config{Mechanisms: map[string]driver.Mechanism{
		"h1": memnetwork.New(memnetwork.Config{Name: "h1"}),
	}})
	require.NoError(t, err)
	require.NoError(t, db.Open(t.Context()))
	require.NoError(t, svc.Start(t.Context()))
	enforcer, err := policy.New(nil)
	require.NoError(t, err)
	user := func(id, project string, roles ...string) *policy.Principal {
		return &policy.Principal{UserID: id, ProjectID: project, Roles: roles}
	}
	h := networkapi.New(svc, httpapi.Options{Policy: enforcer, Auth: tokens{
		"admin":  user("root", adminProject, "admin", "manager", "member", "reader"),
		"one":    user("ann", projectOne, "member", "reader"),
		"reader": user("rea", projectOne, "reader"),
		"two":    user("bob", projectTwo, "member", "reader"),
	}})
	srv := httptest.NewServer(httpapi.Mount(map[string]http.Handler{"/network": h}))
	t.Cleanup(func() {
		srv.Close()
		require.NoError(t, svc.Close())
		require.NoError(t, db.Close())
	})
	return &server{srv.URL + "/network", svc}
}

// client is gophercloud with a token.
func (s *server) client(token string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{
		ProviderClient: &gophercloud.ProviderClient{TokenID: token, HTTPClient: *http.DefaultClient},
		Endpoint:       s.url + "/", ResourceBase: s.url + "/v2.0/", Type: "network",
	}
}

// ask sends a request and gives status and decoded body.
func (s *server) ask(t testing.TB, token, method, path, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Auth-Token", token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	decoded := map[string]any{}
	if len(raw) > 0 {
		require.NoError(t, json.Unmarshal(raw, &decoded), string(raw))
	}
	return res.StatusCode, decoded
}

// make creates a resource and gives it.
func (s *server) make(t testing.TB, token, path, name, body string) map[string]any {
	t.Helper()
	status, got := s.ask(t, token, "POST", "/v2.0/"+path, body)
	require.Equal(t, 201, status, got)
	return got[name].(map[string]any)
}

func TestRoutesAreSound(t *testing.T) {
	s := serve(t)
	status, got := s.ask(t, "", "GET", "/", "")
	require.Equal(t, 200, status)
	require.Len(t, got["versions"], 1)
	status, _ = s.ask(t, "", "GET", "/v2.0/networks", "")
	require.Equal(t, 401, status)
	h := networkapi.New(s.svc, httpapi.Options{Policy: enforcer(t), Auth: tokens{}})
	require.NoError(t, httpapi.Verify(h))
}

func enforcer(t testing.TB) *policy.Enforcer {
	t.Helper()
	e, err := policy.New(nil)
	require.NoError(t, err)
	return e
}

func TestWhoSeesWhat(t *testing.T) {
	s := serve(t)
	own := s.make(t, "one", "networks", "network", `{"network":{"name":"own"}}`)
	shared := s.make(t, "admin", "networks", "network", `{"network":{"name":"shared","shared":true}}`)
	external := s.make(t, "admin", "networks", "network", `{"network":{"name":"public","router:external":true}}`)
	s.make(t, "admin", "subnets", "subnet", `{"subnet":{"network_id":"`+external["id"].(string)+`","ip_version":4,"cidr":"198.51.100.0/24"}}`)
	hidden := s.make(t, "admin", "networks", "network", `{"network":{"name":"hidden"}}`)

	names := func(token, query string) []string {
		status, got := s.ask(t, token, "GET", "/v2.0/networks?"+query, "")
		require.Equal(t, 200, status, got)
		all := []string{}
		for _, n := range got["networks"].([]any) {
			all = append(all, n.(map[string]any)["name"].(string))
		}
		return all
	}
	require.ElementsMatch(t, []string{"own", "shared", "public"}, names("one", ""))
	require.ElementsMatch(t, []string{"shared", "public"}, names("two", ""))
	require.Len(t, names("admin", ""), 4)
	require.Equal(t, []string{"public"}, names("two", "router:external=True"))
	require.Equal(t, []string{"own"}, names("one", "name=own&name=nobody"))
	require.Equal(t, []string{"shared"}, names("admin", "sort_key=name&sort_dir=desc&limit=1"))

	_, has := own["provider:network_type"]
	require.False(t, has, "provider attributes are for administrators")
	require.Equal(t, "vxlan", shared["provider:network_type"])
	for _, c := range []struct {
		token, method, path, body string
		status                    int
		code                      string
	}{
		{"two", "GET", "/v2.0/networks/" + own["id"].(string), "", 404, "NetworkNotFound"},
		{"two", "DELETE", "/v2.0/networks/" + own["id"].(string), "", 404, "NetworkNotFound"},
		{"two", "DELETE", "/v2.0/networks/" + shared["id"].(string), "", 403, "PolicyNotAuthorized"},
		{"one", "GET", "/v2.0/networks/" + hidden["id"].(string), "", 404, "NetworkNotFound"},
		{"reader", "POST", "/v2.0/networks", `{"network":{}}`, 403, "PolicyNotAuthorized"},
		{"one", "POST", "/v2.0/networks", `{"network":{"shared":true}}`, 403, "PolicyNotAuthorized"},
		{"one", "POST", "/v2.0/networks", `{"network":{"provider:network_type":"vxlan"}}`, 403, "PolicyNotAuthorized"},
		{"one", "POST", "/v2.0/networks", `{"network":{"shared":false}}`, 201, ""},
		{"one", "POST", "/v2.0/networks", `{"network":{"project_id":"` + projectTwo + `"}}`, 400, "HTTPBadRequest"},
		{"admin", "POST", "/v2.0/networks", `{"network":{"project_id":"` + projectTwo + `"}}`, 201, ""},
		{"one", "POST", "/v2.0/networks", `{"network":{"nonsense":1}}`, 400, "HTTPBadRequest"},
		{"one", "PUT", "/v2.0/networks/" + own["id"].(string), `{"network":{"router:external":true}}`, 403, "PolicyNotAuthorized"},
		{"one", "GET", "/v2.0/networks?nonsense=1", "", 400, "HTTPBadRequest"},
		{"one", "GET", "/v2.0/networks?limit=1&marker=nobody", "", 400, ""},
		{"two", "POST", "/v2.0/ports", `{"port":{"network_id":"` + shared["id"].(string) + `"}}`, 201, ""},
		{"two", "POST", "/v2.0/ports", `{"port":{"network_id":"` + hidden["id"].(string) + `"}}`, 403, "PolicyNotAuthorized"},
		{"two", "POST", "/v2.0/ports", `{"port":{"network_id":"` + shared["id"].(string) + `","mac_address":"fa:16:3e:00:00:01"}}`, 403, "PolicyNotAuthorized"},
		{"one", "POST", "/v2.0/ports", `{"port":{"network_id":"` + own["id"].(string) + `","binding:host_id":"h1"}}`, 403, "PolicyNotAuthorized"},
		{"one", "GET", "/v2.0/quotas/" + projectTwo, "", 403, "PolicyNotAuthorized"},
	} {
		status, got := s.ask(t, c.token, c.method, c.path, c.body)
		require.Equal(t, c.status, status, "%v: %v", c, got)
		if c.code != "" {
			require.Equal(t, c.code, got["NeutronError"].(map[string]any)["type"], c)
		}
	}
	_, got := s.ask(t, "one", "GET", "/v2.0/subnets?network_id="+external["id"].(string), "")
	require.Empty(t, got["subnets"], "subnets of external networks are not for all")
	_, got = s.ask(t, "one", "GET", "/v2.0/agents", "")
	require.Empty(t, got["agents"])
	_, got = s.ask(t, "admin", "GET", "/v2.0/agents", "")
	require.Len(t, got["agents"], 3)
}

func TestBulkIsAllOrNothing(t *testing.T) {
	s := serve(t)
	n := s.make(t, "one", "networks", "network", `{"network":{}}`)["id"].(string)
	status, got := s.ask(t, "one", "POST", "/v2.0/subnets", `{"subnets":[
		{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/24"},{"network_id":"`+n+`","ip_version":4,"cidr":"10.0.0.0/25"}]}`)
	require.Equal(t, 400, status, got)
	_, got = s.ask(t, "one", "GET", "/v2.0/subnets", "")
	require.Empty(t, got["subnets"])
	status, got = s.ask(t, "one", "POST", "/v2.0/ports", `{"ports":[{"network_id":"`+n+`","name":"a"},{"network_id":"`+n+`","name":"b"}]}`)
	require.Equal(t, 201, status, got)
	require.Len(t, got["ports"], 2)
}

func TestDefaultGroupIsForAdministratorsToRemove(t *testing.T) {
	s := serve(t)
	_, got := s.ask(t, "one", "GET", "/v2.0/security-groups", "")
	require.Len(t, got["security_groups"], 1, "who looks finds the default group")
	path := "/v2.0/security-groups/" + got["security_groups"].([]any)[0].(map[string]any)["id"].(string)
	status, got := s.ask(t, "one", "DELETE", path, "")
	require.Equal(t, 409, status, got)
	status, _ = s.ask(t, "admin", "DELETE", path, "")
	require.Equal(t, 204, status)
}

func TestTagsAndFields(t *testing.T) {
	s := serve(t)
	n := s.make(t, "one", "networks", "network", `{"network":{"name":"n"}}`)["id"].(string)
	base := "/v2.0/networks/" + n + "/tags"
	status, _ := s.ask(t, "one", "PUT", base+"/red", "")
	require.Equal(t, 201, status)
	status, _ = s.ask(t, "one", "GET", base+"/blue", "")
	require.Equal(t, 404, status)
	status, got := s.ask(t, "one", "PUT", base, `{"tags":["blue","red"]}`)
	require.Equal(t, 200, status)
	require.Equal(t, []any{"blue", "red"}, got["tags"])
	for query, found := range map[string]int{
		"tags=red,blue": 1, "tags=red,green": 0, "tags-any=green,red": 1, "not-tags=red,blue": 0, "not-tags=red,green": 1,
		"not-tags-any=green": 1, "not-tags-any=red,green": 0,
	} {
		_, got := s.ask(t, "one", "GET", "/v2.0/networks?fields=id&"+query, "")
		require.Len(t, got["networks"], found, query)
		if found > 0 {
			require.Equal(t, map[string]any{"id": n}, got["networks"].([]any)[0])
		}
	}
	status, _ = s.ask(t, "two", "PUT", base, `{"tags":[]}`)
	require.Equal(t, 404, status)
	status, _ = s.ask(t, "one", "DELETE", base, "")
	require.Equal(t, 204, status)
}
