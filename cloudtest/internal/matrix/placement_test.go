package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute/placementapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// placementService is Placement's: it is there for administrators and services.
var placementService = service{
	api: func(c *cloud.Cloud, opts httpapi.Options) http.Handler {
		return placementapi.New(c.Compute.Placement, opts)
	},
	own: func(p *policy.Principal) policy.Target {
		return policy.Target{"project_id": p.ProjectID, "user_id": p.UserID}
	},
	uniform: true,
	public:  map[string]string{"GET /": discovery},
	kinds: []kind{
		{name: "provider", at: "resource_providers", make: "GET /resource_providers", as: "admin", id: "resource_providers.0.uuid"},
		{name: "generation", make: "GET /resource_providers", as: "admin", id: "resource_providers.0.generation"},
		{name: "resourceclass", at: "resource_classes", value: "CUSTOM_BAKERY"},
		{make: "PUT /resource_classes/CUSTOM_BAKERY", as: "admin"},
		{name: "trait", at: "traits", value: "CUSTOM_TRAIT"},
		{make: "PUT /traits/CUSTOM_TRAIT", as: "admin"},
		{name: "inventory", at: "inventories", value: "VCPU"},
		{name: "server", at: "allocations"},
	},
	asks: map[string][]ask{
		"POST /resource_classes":                                         {{body: `{"name":"CUSTOM_FRESH"}`}},
		"PUT /resource_providers/{uuid}":                                 {{body: `{"name":"$host"}`}}, // a host without a provider of its name would be broken
		"GET /allocation_candidates":                                     {{query: "resources=VCPU:1"}},
		"GET /usages":                                                    {{query: "project_id=$project", target: mine}},
		"PUT /resource_providers/{uuid}/traits":                          {{body: `{"resource_provider_generation":$generation,"traits":["CUSTOM_TRAIT"]}`}},
		"PUT /resource_providers/{uuid}/aggregates":                      {{newest: true, body: `{"resource_provider_generation":$generation,"aggregates":[]}`}},
		"PUT /resource_providers/{uuid}/inventories/{resource_class}":    {{body: `{"resource_provider_generation":$generation,"total":64}`}},
		"PUT /resource_providers/{uuid}/inventories":                     {{fails: allocated}},
		"DELETE /resource_providers/{uuid}/inventories":                  {{fails: allocated}},
		"DELETE /resource_providers/{uuid}/inventories/{resource_class}": {{fails: allocated}},
		"DELETE /resource_providers/{uuid}":                              {{fails: allocated}},
		"POST /resource_providers/{uuid}/inventories":                    {{body: `{"resource_provider_generation":$generation,"resource_class":"CUSTOM_BAKERY","total":1}`}},
	},
}

// allocated says why nobody takes away what servers have.
const allocated = "servers have allocations there"
