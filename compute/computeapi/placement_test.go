package computeapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPlacementIsExplainedToAdmins(t *testing.T) {
	s := serve(t, nil)
	server := s.boot(s.client("member", "2.79"))
	path := "/servers/" + server.ID + "/welkin-placement"
	for person, status := range map[string]int{
		"admin": http.StatusOK, "member": http.StatusForbidden, "reader": http.StatusForbidden, "stranger": http.StatusNotFound,
	} {
		got := s.ask(person, "", "GET", path, "")
		require.Equal(t, status, got.status, person)
		if person != "admin" {
			require.NotContains(t, fmt.Sprint(got.body), "host-1", person)
		}
	}
	require.Equal(t, http.StatusNotFound, s.ask("admin", "", "GET", "/servers/none/welkin-placement", "").status)

	placement := s.ask("admin", "", "GET", path, "").body["placement"].(map[string]any)
	require.Equal(t, server.ID, placement["server_id"])
	d := placement["decisions"].([]any)[0].(map[string]any)
	require.Equal(t, "host-1", d["chosen"])
	require.Equal(t, "create", d["action"])
	require.Equal(t, map[string]any{"vcpus": 1.0, "memory_mib": 64.0, "disk_gib": 1.0}, d["request"])
	require.Equal(t, "free_share", d["ranked"].([]any)[0].(map[string]any)["weights"].([]any)[0].(map[string]any)["weigher"])
	require.Positive(t, d["revision"])

	action := s.ask("member", "compute 2.79", "GET", "/servers/"+server.ID+"/os-instance-actions/"+d["request_id"].(string), "")
	require.Equal(t, http.StatusOK, action.status)
	require.NotContains(t, fmt.Sprint(action.body), "host-1")
	action = s.ask("admin", "compute 2.79", "GET", "/servers/"+server.ID+"/os-instance-actions/"+d["request_id"].(string), "")
	event := action.body["instanceAction"].(map[string]any)["events"].([]any)[0].(map[string]any)
	require.Equal(t, "compute_schedule", event["event"])
	require.Contains(t, event["traceback"], "host-1 was chosen: 1 of 1 hosts would have done.")
}

func TestARefusedPlacementIsInTheFaultOfAdmins(t *testing.T) {
	s := serve(t, nil)
	created := s.ask("member", "", "POST", "/servers", fmt.Sprintf(
		`{"server":{"name":"far","flavorRef":"1","imageRef":"%s","networks":[{"uuid":"%s"}]},"os:scheduler_hints":{"same_host":["%s"]}}`,
		s.image, s.network.ID, "66666666-6666-4666-8666-666666666666"))
	require.Equal(t, http.StatusAccepted, created.status, "%v", created.body)
	id := created.body["server"].(map[string]any)["id"].(string)
	_, err := s.compute.WaitServer(t.Context(), id)
	require.NoError(t, err)
	fault := func(person string) map[string]any {
		return s.ask(person, "", "GET", "/servers/"+id, "").body["server"].(map[string]any)["fault"].(map[string]any)
	}
	require.NotContains(t, fault("member"), "details")
	require.Contains(t, fault("admin")["details"], "(same_host)")
}

func TestWhatFitsOverHTTP(t *testing.T) {
	s := serve(t, nil)
	s.boot(s.client("member", "2.79"))
	ask := func(person, body string) answer {
		return s.ask(person, "", "POST", "/welkin-what-fits", `{"what_fits":`+body+`}`)
	}
	for person, status := range map[string]int{"admin": http.StatusOK, "member": http.StatusForbidden, "reader": http.StatusForbidden} {
		require.Equal(t, status, ask(person, `{"servers":[{"flavor":"1","count":2}]}`).status, person)
	}
	plan := ask("admin", `{"servers":[{"flavor":"1","count":2}]}`).body["plan"].(map[string]any)
	require.Equal(t, true, plan["fits"])
	require.Equal(t, "All 2 servers fit.", plan["reason"])
	require.Equal(t, map[string]any{"name": "m1 1", "host": "host-1"}, plan["servers"].([]any)[0])

	plan = ask("admin", `{"drain":["host-1"]}`).body["plan"].(map[string]any)
	require.Equal(t, false, plan["fits"])
	moved := plan["servers"].([]any)[0].(map[string]any)
	require.Equal(t, "web", moved["name"])
	require.Equal(t, "host-1", moved["from"])
	require.NotContains(t, moved, "host")
	require.Contains(t, moved["reason"], "host-1: is excluded")
	change := plan["changes"].([]any)[0].(map[string]any)
	require.Equal(t, "add_hosts", change["kind"])
	require.Equal(t, "host-1", change["like"])
}

func TestWhatFitsRefusesNonsense(t *testing.T) {
	s := serve(t, nil)
	for name, body := range map[string]string{
		"no body":        ``,
		"nothing asked":  `{"what_fits":{}}`,
		"unknown key":    `{"what_fits":{"server":[]}}`,
		"no flavor":      `{"what_fits":{"servers":[{"count":1}]}}`,
		"bad flavor":     `{"what_fits":{"servers":[{"flavor":"none"}]}}`,
		"bad count":      `{"what_fits":{"servers":[{"flavor":"1","count":0}]}}`,
		"too many":       `{"what_fits":{"servers":[{"flavor":"1","count":1000},{"flavor":"1"}]}}`,
		"far too many":   `{"what_fits":{"servers":[` + strings.TrimSuffix(strings.Repeat(`{"flavor":"1"},`, 101), ",") + `]}}`,
		"bad zone":       `{"what_fits":{"servers":[{"flavor":"1","availability_zone":"far"}]}}`,
		"bad host":       `{"what_fits":{"servers":[{"flavor":"1","host":"none"}]}}`,
		"bad group":      `{"what_fits":{"servers":[{"flavor":"1","group":"66666666-6666-4666-8666-666666666666"}]}}`,
		"bad policy":     `{"what_fits":{"servers":[{"flavor":"1","policy":"apart"}]}}`,
		"bad rule":       `{"what_fits":{"servers":[{"flavor":"1","policy":"affinity","max_server_per_host":2}]}}`,
		"bad trait":      `{"what_fits":{"servers":[{"flavor":"1","required_traits":["CUSTOM_NONE"]}]}}`,
		"bad drain":      `{"what_fits":{"drain":["none"]}}`,
		"drained thrice": `{"what_fits":{"drain":["host-1","host-1"]}}`,
	} {
		require.Equal(t, http.StatusBadRequest, s.ask("admin", "", "POST", "/welkin-what-fits", body).status, name)
	}
}
