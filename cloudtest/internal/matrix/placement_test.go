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
		{name: "resourceclass", at: "resource_classes", value: "CUSTOM_BAKERY"},
		{make: "PUT /resource_classes/CUSTOM_BAKERY", as: "admin"},
		{name: "trait", at: "traits", value: "CUSTOM_TRAIT"},
		{make: "PUT /traits/CUSTOM_TRAIT", as: "admin"},
		{name: "inventory", at: "inventories", value: "VCPU"},
		{name: "server", at: "allocations"},
	},
	asks: map[string][]ask{
		"POST /resource_classes":                      {{body: `{"name":"CUSTOM_FRESH"}`}},
		"POST /resource_providers/{uuid}/inventories": {{body: `{"resource_provider_generation":0,"resource_class":"CUSTOM_BAKERY","total":1}`}},
	},
}
