package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/compute/computeapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// mine is what rules are checked against for what belongs to P.
var mine = map[string]string{"project_id": "$project"}

// computeService is Nova's: servers of another project are not there, but for
// administrators.
var computeService = service{
	api: func(c *cloud.Cloud, opts httpapi.Options) http.Handler {
		return computeapi.New(c.Compute, computeapi.Siblings{Networks: c.Networks, Images: c.Images}, opts)
	},
	own: func(p *policy.Principal) policy.Target {
		return policy.Target{"project_id": p.ProjectID, "user_id": p.UserID}
	},
	public: map[string]string{"GET /": discovery, "GET /v2": discovery, "GET /v2.1": discovery},
	kinds: []kind{
		{
			name: "server", at: "servers", make: "POST /v2.1/servers", id: "server.id", hide: "project", wait: true,
			body: `{"server":{"name":"secret-of-p-server","flavorRef":"$flavor0","imageRef":"$guestimage","metadata":{"color":"blue"},
				"networks":[{"uuid":"$network"}],"tags":["blue"]}}`,
			target: map[string]string{"project_id": "$project", "user_id": "$owner"},
		},
		{make: "POST /v2.1/servers/$server/os-volume_attachments", wait: true, body: `{"volumeAttachment":{"volumeId":"$volume4"}}`},
		{name: "volume4", at: "os-volume_attachments"},
		{name: "interface", at: "os-interface", make: "GET /v2.1/servers/$server/os-interface", id: "interfaceAttachments.0.port_id"},
		{name: "label", at: "ips", value: "secret-of-p-network"},
		{name: "metadata", at: "metadata os-extra_specs", value: "color"},
		{name: "tag", at: "tags", value: "blue"},
		{name: "instanceaction", at: "os-instance-actions", make: "GET /v2.1/servers/$server/os-instance-actions", id: "instanceActions.0.request_id"},
		{
			name: "flavor", at: "flavors", make: "POST /v2.1/flavors", as: "admin", id: "flavor.id",
			body: `{"flavor":{"name":"tiny","vcpus":1,"ram":64,"disk":0}}`,
		},
		{
			name: "bigflavor", make: "POST /v2.1/flavors", as: "admin", id: "flavor.id",
			body: `{"flavor":{"name":"big","vcpus":2,"ram":256,"disk":2}}`,
		},
		{make: "POST /v2.1/flavors/$flavor/os-extra_specs", as: "admin", body: `{"extra_specs":{"color":"blue"}}`},
		{
			name: "privateflavor", make: "POST /v2.1/flavors", as: "admin", id: "flavor.id",
			body: `{"flavor":{"name":"few","vcpus":1,"ram":64,"disk":0,"os-flavor-access:is_public":false}}`,
		},
		{make: "POST /v2.1/flavors/$privateflavor/action", as: "admin", body: `{"addTenantAccess":{"tenant":"$project"}}`},
		{name: "keypair", at: "os-keypairs", make: "POST /v2.1/os-keypairs", id: "keypair.name", body: `{"keypair":{"name":"secret-of-p-key","type":"ssh"}}`},
		{name: "aggregate", at: "os-aggregates", make: "POST /v2.1/os-aggregates", as: "admin", id: "aggregate.id", body: `{"aggregate":{"name":"rack"}}`},
		{
			name: "servergroup", at: "os-server-groups", make: "POST /v2.1/os-server-groups", id: "server_group.id", hide: "project",
			body:   `{"server_group":{"name":"secret-of-p-group","policy":"affinity"}}`,
			target: map[string]string{"project_id": "$project"},
		},
		{name: "project", at: "os-quota-sets os-simple-tenant-usage", target: map[string]string{"project_id": "$project"}},
		{name: "quotaclass", at: "os-quota-class-sets", value: "default"},
		{name: "computeservice", at: "os-services", make: "GET /v2.1/os-services", as: "admin", id: "services.0.id"},
		{name: "hypervisor", at: "os-hypervisors", make: "GET /v2.1/os-hypervisors", as: "admin", id: "hypervisors.0.id"},
		{name: "computeextension", at: "extensions", make: "GET /v2.1/extensions", id: "extensions.0.alias"},
		{name: "floatingip", at: "os-floating-ips", hide: "project", late: true, target: mine},
		{name: "securitygroup", at: "os-security-groups", hide: "project", late: true, target: mine},
		{name: "securityrule", at: "os-security-group-rules", hide: "project", late: true, target: mine},
		{name: "network", at: "os-networks os-tenant-networks", hide: "project", late: true, target: mine},
		{name: "image", at: "images", hide: "project", late: true, target: mine},
	},
	asks: map[string][]ask{
		"GET /v2.1/servers":        {{}, {name: "of all projects", query: "all_tenants=1", rule: "os_compute_api:servers:index:get_all_tenants"}},
		"GET /v2.1/servers/detail": {{}, {name: "of all projects", query: "all_tenants=1", rule: "os_compute_api:servers:detail:get_all_tenants"}},
		"POST /v2.1/servers":       {{newest: true, body: `{"server":{"name":"fresh","flavorRef":"$flavor0","imageRef":"$guestimage","networks":"none"}}`}},
		"POST /v2.1/servers/{server_id}/os-volume_attachments":      {{body: `{"volumeAttachment":{"volumeId":"$volume"}}`}},
		"PUT /v2.1/servers/{server_id}/metadata/{key}":              {{body: `{"meta":{"color":"red"}}`}},
		"POST /v2.1/servers/{server_id}/action#addFloatingIp":       {{body: `{"addFloatingIp":{"address":"203.0.113.200"}}`, absent: "there is no such address"}},
		"POST /v2.1/servers/{server_id}/action#removeFloatingIp":    {{body: `{"removeFloatingIp":{"address":"203.0.113.200"}}`, absent: "there is no such address"}},
		"POST /v2.1/servers/{server_id}/action#unshelve":            {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#resume":              {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#confirmResize":       {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#unpause":             {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#os-start":            {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#revertResize":        {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#restore":             {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#shelveOffload":       {{fails: active}},
		"POST /v2.1/servers/{server_id}/action#resize":              {{body: `{"resize":{"flavorRef":"$bigflavor"}}`}},
		"POST /v2.1/servers/{server_id}/action#rebuild":             {{body: `{"rebuild":{"imageRef":"$guestimage"}}`}},
		"POST /v2.1/servers/{server_id}/action#os-getSPICEConsole":  {{body: `{"os-getSPICEConsole":{"type":"spice-html5"}}`, fails: console}},
		"POST /v2.1/servers/{server_id}/action#os-getVNCConsole":    {{body: `{"os-getVNCConsole":{"type":"novnc"}}`, fails: console}},
		"POST /v2.1/servers/{server_id}/action#os-getSerialConsole": {{body: `{"os-getSerialConsole":{"type":"serial"}}`, fails: console}},
		"POST /v2.1/servers/{server_id}/action#addFixedIp":          {{body: `{"addFixedIp":{"networkId":"$network"}}`}},
		"PUT /v2.1/flavors/{id}/os-extra_specs/{key}":               {{body: `{"color":"red"}`}},
		"POST /v2.1/welkin-what-fits":                               {{fails: "it names nothing that could fit"}},
		"GET /v2.1/flavors/{id}": {{}, {
			name: "of another project", with: map[string]string{"flavors": "$privateflavor"}, hide: "project", target: mine,
		}},
		"POST /v2.1/servers/{server_id}/action#removeFixedIp":       {{body: `{"removeFixedIp":{"address":"10.7.0.200"}}`, fails: "it has no such address"}},
		"POST /v2.1/servers/{server_id}/action#addSecurityGroup":    {{body: `{"addSecurityGroup":{"name":"secret-of-p-group"}}`}},
		"POST /v2.1/servers/{server_id}/action#removeSecurityGroup": {{body: `{"removeSecurityGroup":{"name":"default"}}`}},
		"GET /v2.1/os-security-groups":                              {{changes: "the first look at the groups of a project makes the default one"}},
		"POST /v2.1/os-security-group-rules": {{
			body:   `{"security_group_rule":{"parent_group_id":"$securitygroup","ip_protocol":"tcp","from_port":1,"to_port":2}}`,
			absent: "the group may belong to another project",
		}},
		// Proxies show to administrators, too, only what their own project has.
		"GET /v2.1/os-networks/{id}":                       {{absent: proxied}},
		"GET /v2.1/os-tenant-networks/{id}":                {{absent: proxied}},
		"GET /v2.1/os-floating-ips/{id}":                   {{absent: proxied}},
		"DELETE /v2.1/os-floating-ips/{id}":                {{absent: proxied}},
		"POST /v2.1/os-aggregates/{id}/action#add_host":    {{body: `{"add_host":{"host":"$host"}}`}},
		"POST /v2.1/os-aggregates/{id}/action#remove_host": {{body: `{"remove_host":{"host":"$host"}}`, absent: "no host is in it"}},
		"POST /v2.1/servers/{server_id}/os-interface":      {{body: `{"interfaceAttachment":{"net_id":"$network"}}`}},
		"GET /v2.1/os-hypervisors/{id}":                    {{newest: true}}, // old ids are numbers
		"GET /v2.1/os-hypervisors/{id}/uptime":             {{newest: true}},
		"GET /v2.1/os-hypervisors/{id}/servers":            {{with: map[string]string{"os-hypervisors": "$host"}}},
		"GET /v2.1/os-hypervisors/{id}/search":             {{with: map[string]string{"os-hypervisors": "$host"}}},
		"PUT /v2.1/os-services/force-down":                 {{body: `{"host":"$host","binary":"nova-compute","forced_down":true}`}},
		"PUT /v2.1/os-services/enable":                     {{body: `{"host":"$host","binary":"nova-compute"}`}},
		"PUT /v2.1/os-services/disable":                    {{body: `{"host":"$host","binary":"nova-compute"}`}},
		"PUT /v2.1/os-services/disable-log-reason":         {{body: `{"host":"$host","binary":"nova-compute","disabled_reason":"rest"}`}},
		// A keypair belongs to a user: without a query, to the one who asks.
		"GET /v2.1/os-keypairs/{name}":    {{absent: "it is the owner's"}, {name: "of a user", newest: true, query: "user_id=$owner", target: map[string]string{"user_id": "$owner"}}},
		"DELETE /v2.1/os-keypairs/{name}": {{absent: "it is the owner's"}, {name: "of a user", newest: true, query: "user_id=$owner", target: map[string]string{"user_id": "$owner"}}},
		"GET /v2.1/os-keypairs":           {{}, {name: "of a user", newest: true, query: "user_id=$owner", target: map[string]string{"user_id": "$owner"}}},
		"POST /v2.1/os-keypairs": {
			{newest: true, body: `{"keypair":{"name":"fresh","type":"ssh"}}`},
			{name: "of a user", newest: true, body: `{"keypair":{"name":"fresh","type":"ssh","user_id":"$owner"}}`, target: map[string]string{"user_id": "$owner"}},
		},
		"GET /v2.1/flavors/{id}/os-flavor-access":           {{with: map[string]string{"flavors": "$privateflavor"}}},
		"POST /v2.1/flavors/{id}/action#addTenantAccess":    {{with: map[string]string{"flavors": "$privateflavor"}, body: `{"addTenantAccess":{"tenant":"$other"}}`}},
		"POST /v2.1/flavors/{id}/action#removeTenantAccess": {{with: map[string]string{"flavors": "$privateflavor"}, body: `{"removeTenantAccess":{"tenant":"$project"}}`}},
	},
}

// active and console say why one who may not find a server in the state, or on the host,
// for what is asked.
const (
	active  = "the server is active"
	console = "the host may have no such console"
)

// proxied says why an administrator may not find what another project has.
const proxied = "proxies have only what the project of the token has"
