package matrix_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// TestRulesOfRoutes holds the rules that routes name against the operations that the
// imitated services say their rules are for: the matrix believes the route tables, and
// would not see a route with the rule of another one.
func TestRulesOfRoutes(t *testing.T) {
	w := newWorld(t)
	for _, prefix := range slices.Sorted(maps.Keys(w.apis)) {
		api := w.apis[prefix]
		rules := map[string]policy.Rule{}
		for _, rule := range w.enforcer.Rules(api.Service) {
			rules[rule.Name] = rule
		}
		for _, r := range api.Routes {
			for _, name := range append([]string{r.Policy}, r.Also...) {
				rule := rules[name]
				told := slices.ContainsFunc(rule.Operations, func(operation string) bool { return guards(operation, r) })
				if len(rule.Operations) > 0 && !told && untold[prefix+" "+key(r)] != name {
					t.Errorf("%s %s has the rule %s, which is for %s", prefix, key(r), name, strings.Join(rule.Operations, "; "))
				}
			}
		}
	}
}

// untold are routes that have a rule all the same which does not say that it is for them:
// old spellings, what the source leaves out, and its mistakes.
var untold = map[string]string{
	"/compute PUT /v2.1/os-services/enable":                                          "os_compute_api:os-services:update",
	"/compute PUT /v2.1/os-services/disable":                                         "os_compute_api:os-services:update",
	"/compute PUT /v2.1/os-services/disable-log-reason":                              "os_compute_api:os-services:update",
	"/compute PUT /v2.1/os-services/force-down":                                      "os_compute_api:os-services:update",
	"/compute GET /v2.1/os-hypervisors/detail":                                       "os_compute_api:os-hypervisors:list-detail",
	"/identity GET /v3/OS-INHERIT/projects/{}/users/{}/roles/inherited_to_projects":  "identity:list_grants",
	"/identity GET /v3/OS-INHERIT/projects/{}/groups/{}/roles/inherited_to_projects": "identity:list_grants",
	"/identity GET /v3/policies/{}/OS-ENDPOINT-POLICY/policy":                        "identity:get_policy_for_endpoint",
	"/identity GET /v3/OS-FEDERATION/projects":                                       "identity:get_auth_projects",
	"/identity GET /v3/OS-FEDERATION/domains":                                        "identity:get_auth_domains",
	"/image PUT /v2/images/{}/tags/{}":                                               "modify_image",
	"/image DELETE /v2/images/{}/tags/{}":                                            "modify_image",
	"/network GET /v2.0/quotas":                                                      "update_quota",
	"/network GET /v2.0/quotas/{}":                                                   "get_quota",
	"/network GET /v2.0/quotas/{}/default":                                           "get_quota",
	"/network GET /v2.0/quotas/{}/details.json":                                      "get_quota",
	"/network PUT /v2.0/quotas/{}":                                                   "update_quota",
	"/network DELETE /v2.0/quotas/{}":                                                "delete_quota",
	"/volume PUT /v3/volumes/{}":                                                     "volume:update",
	"/volume DELETE /v3/volumes":                                                     "volume:delete",
	"/volume PUT /v3/snapshots/{}/metadata":                                          "volume:update_snapshot_metadata",
	"/volume POST /v3/volumes/{}/action#os-show_image_metadata":                      "volume_extension:volume_image_metadata:show",
	"/volume GET /v3/attachments/{}":                                                 "volume:get",
	"/volume GET /v3/types/default":                                                  "volume_extension:type_get",
	"/volume PUT /v3/types/{}":                                                       "volume_extension:type_update",
	"/volume DELETE /v3/types/{}":                                                    "volume_extension:type_delete",
	"/volume PUT /v3/default-types/{}":                                               "volume_extension:default_set_or_update",
	"/volume GET /v3/volume-transfers":                                               "volume:get_all_transfers",
	"/volume POST /v3/volume-transfers":                                              "volume:create_transfer",
	"/volume GET /v3/os-quota-sets/{}/defaults":                                      "volume_extension:quotas:show",
}

var version = regexp.MustCompile(`^/v[0-9.]+`)

// guards reports whether an operation of a rule is a route: "POST /servers/{id}/action (lock)".
func guards(operation string, r httpapi.Route) bool {
	operation, action, _ := strings.Cut(operation, " (")
	method, path, _ := strings.Cut(operation, " ")
	path, _, _ = strings.Cut(path, "?")
	plain := func(path string) string { return shape(version.ReplaceAllString(strings.TrimSuffix(path, "/"), "")) }
	return method == r.Method && plain(path) == plain(r.Path) && (r.Action == "" || strings.TrimSuffix(action, ")") == r.Action)
}
