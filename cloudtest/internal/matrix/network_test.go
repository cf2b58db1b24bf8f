package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
	"github.com/welkin-cloud/cloud/network/networkapi"
)

// networkService is Neutron's: what one may not get is not there.
var networkService = service{
	api:    func(c *cloud.Cloud, opts httpapi.Options) http.Handler { return networkapi.New(c.Networks, opts) },
	own:    func(p *policy.Principal) policy.Target { return policy.Target{"project_id": p.ProjectID} },
	public: map[string]string{"GET /": discovery},
	kinds: []kind{
		{
			name: "network", at: "networks network-ip-availabilities", make: "POST /v2.0/networks", id: "network.id", hide: "get_network",
			body:   `{"network":{"name":"secret-of-p-network"}}`,
			target: map[string]string{"project_id": "$project", "shared": "False", "router:external": "False"},
		},
		{
			name: "subnet", at: "subnets", make: "POST /v2.0/subnets", id: "subnet.id", hide: "get_subnet",
			body: `{"subnet":{"name":"secret-of-p-subnet","network_id":"$network","ip_version":4,"cidr":"10.7.0.0/24"}}`,
			target: map[string]string{
				"project_id": "$project", "network:project_id": "$project", "shared": "False", "router:external": "False",
			},
		},
		{
			name: "port", at: "ports", make: "POST /v2.0/ports", id: "port.id", hide: "get_port",
			body:   `{"port":{"name":"secret-of-p-port","network_id":"$network"}}`,
			target: map[string]string{"project_id": "$project", "network:project_id": "$project"},
		},
		{
			name: "router", at: "routers", make: "POST /v2.0/routers", id: "router.id", hide: "get_router",
			body:   `{"router":{"name":"secret-of-p-router","external_gateway_info":{"network_id":"$public"}}}`,
			target: map[string]string{"project_id": "$project"},
		},
		{make: "PUT /v2.0/routers/$router/add_router_interface", body: `{"subnet_id":"$subnet"}`},
		{
			name: "floatingip", at: "floatingips", make: "POST /v2.0/floatingips", id: "floatingip.id", hide: "get_floatingip",
			body:   `{"floatingip":{"description":"secret-of-p-address","floating_network_id":"$public"}}`,
			target: map[string]string{"project_id": "$project"},
		},
		{
			name: "securitygroup", at: "security-groups", make: "POST /v2.0/security-groups", id: "security_group.id", hide: "get_security_group",
			body:   `{"security_group":{"name":"secret-of-p-group"}}`,
			target: map[string]string{"project_id": "$project", "shared": "False"},
		},
		{
			name: "securityrule", at: "security-group-rules", make: "POST /v2.0/security-group-rules", id: "security_group_rule.id", hide: "get_security_group_rule",
			body:   `{"security_group_rule":{"security_group_id":"$securitygroup","direction":"ingress","protocol":"tcp","description":"secret-of-p-rule"}}`,
			target: map[string]string{"project_id": "$project", "security_group:project_id": "$project"},
		},
		{
			name: "addressscope", at: "address-scopes", make: "POST /v2.0/address-scopes", id: "address_scope.id", hide: "get_address_scope",
			body:   `{"address_scope":{"name":"secret-of-p-scope","ip_version":4}}`,
			target: map[string]string{"project_id": "$project", "shared": "False"},
		},
		{
			name: "subnetpool", at: "subnetpools", make: "POST /v2.0/subnetpools", id: "subnetpool.id", hide: "get_subnetpool",
			body:   `{"subnetpool":{"name":"secret-of-p-pool","prefixes":["10.9.0.0/16"]}}`,
			target: map[string]string{"project_id": "$project", "shared": "False"},
		},
		{name: "agent", at: "agents", make: "GET /v2.0/agents", as: "admin", id: "agents.0.id", hide: "get_agent", target: map[string]string{"project_id": ""}},
		{name: "extension", at: "extensions", value: "router"},
		{name: "project", at: "quotas", target: map[string]string{"project_id": "$project"}},
		{name: "tag", at: "tags", value: "blue"},
		{name: "network2", make: "POST /v2.0/networks", id: "network.id", body: `{"network":{"name":"secret-of-p-network2"}}`},
		{
			name: "subnet2", make: "POST /v2.0/subnets", id: "subnet.id",
			body: `{"subnet":{"name":"secret-of-p-subnet2","network_id":"$network","ip_version":4,"cidr":"10.7.1.0/24"}}`,
		},
		{name: "router2", make: "POST /v2.0/routers", id: "router.id", body: `{"router":{"name":"secret-of-p-router2"}}`},
		{name: "sharednetwork", make: "POST /v2.0/networks", as: "admin", id: "network.id", body: `{"network":{"name":"common","shared":true}}`},
		{make: "PUT /v2.0/networks/$network/tags/blue"},
		{make: "PUT /v2.0/subnets/$subnet/tags/blue"},
		{make: "PUT /v2.0/ports/$port/tags/blue"},
		{make: "PUT /v2.0/routers/$router/tags/blue"},
		{make: "PUT /v2.0/floatingips/$floatingip/tags/blue"},
		{make: "PUT /v2.0/security-groups/$securitygroup/tags/blue"},
		{make: "PUT /v2.0/subnetpools/$subnetpool/tags/blue"},
	},
	asks: map[string][]ask{
		"GET /v2.0/security-groups":                      {{changes: "the first look at the groups of a project makes the default one"}},
		"POST /v2.0/security-groups":                     {{body: `{"security_group":{"name":"fresh"}}`}},
		"GET /v2.0/networks/{id}":                        sharedToo(ask{}),
		"PUT /v2.0/networks/{id}":                        sharedToo(ask{body: `{"network":{"description":"changed"}}`}),
		"DELETE /v2.0/networks/{id}":                     sharedToo(ask{with: map[string]string{"networks": "$network2"}}),
		"DELETE /v2.0/subnets/{id}":                      {{with: map[string]string{"subnets": "$subnet2"}}},
		"DELETE /v2.0/routers/{id}":                      {{with: map[string]string{"routers": "$router2"}}},
		"PUT /v2.0/routers/{id}/add_router_interface":    {{body: `{"subnet_id":"$subnet2"}`}},
		"PUT /v2.0/routers/{id}/remove_router_interface": {{body: `{"subnet_id":"$subnet"}`}},
		"GET /v2.0/networks":                             ofOthers("project_id=$project"),
		"GET /v2.0/subnets":                              ofOthers("project_id=$project"),
		"GET /v2.0/ports":                                ofOthers("project_id=$project"),
		"GET /v2.0/routers":                              ofOthers("project_id=$project"),
		"GET /v2.0/floatingips":                          ofOthers("project_id=$project"),
		"GET /v2.0/security-group-rules":                 ofOthers("project_id=$project"),
		"GET /v2.0/address-scopes":                       ofOthers("project_id=$project"),
		"GET /v2.0/subnetpools":                          ofOthers("project_id=$project"),
		// Neutron refuses a new thing in another project's network with 403, and says that
		// there is no such network only of those that are not there.
		"POST /v2.0/subnets": {{
			about: "networks", open: true, body: `{"subnet":{"network_id":"$network","ip_version":4,"cidr":"10.8.0.0/24"}}`,
			target: map[string]string{"project_id": "$project", "network:project_id": "$project"},
		}},
		"POST /v2.0/ports": {
			{
				about: "networks", open: true, body: `{"port":{"network_id":"$network"}}`,
				target: map[string]string{"project_id": "$project", "network:project_id": "$project", "shared": "False"},
			},
			{
				name: "in a shared network", owned: true, about: "networks", open: true, body: `{"port":{"network_id":"$sharednetwork"}}`,
				target: map[string]string{"project_id": "$project", "network:project_id": "$project", "shared": "True"},
			},
		},
		"POST /v2.0/security-group-rules": {{
			about: "security-groups", open: true, body: `{"security_group_rule":{"security_group_id":"$securitygroup","direction":"ingress","protocol":"udp"}}`,
			target: map[string]string{"project_id": "$project", "security_group:project_id": "$project"},
		}},
		"POST /v2.0/floatingips":    {{body: `{"floatingip":{"floating_network_id":"$public"}}`}},
		"POST /v2.0/address-scopes": {{body: `{"address_scope":{"name":"fresh","ip_version":4}}`}},
		"POST /v2.0/subnetpools":    {{body: `{"subnetpool":{"name":"fresh","prefixes":["10.10.0.0/16"]}}`}},
	},
}

// sharedToo asks for P's network that all projects share as well, and for the external
// one: everybody sees them, and whoever may not change them is told so.
func sharedToo(a ask) []ask {
	shared, external := a, a
	shared.name, shared.with = "of a shared one", map[string]string{"networks": "$sharednetwork"}
	shared.target = map[string]string{"project_id": "$project", "shared": "True", "router:external": "False"}
	external.name, external.with, external.fails = "of the external one", map[string]string{"networks": "$public"}, "it is in use"
	external.target = map[string]string{"project_id": "$adminproject", "shared": "False", "router:external": "True"}
	return []ask{a, shared, external}
}
