package matrix_test

import (
	"net/http"

	"github.com/welkin-cloud/cloud"
	"github.com/welkin-cloud/cloud/identity/identityapi"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// identityService is Keystone's: rules look at attributes of what the path and the body
// name, and whoever is refused is refused in the same way whether it is there or not.
var identityService = service{
	api:     func(c *cloud.Cloud, opts httpapi.Options) http.Handler { return identityapi.New(c.Identity, opts) },
	uniform: true,
	// A list is of the domain of the token, if it is for one; one's own credentials are
	// listed, unless the token is for the system.
	own: func(p *policy.Principal) policy.Target {
		t := policy.Target{}
		if p.DomainID != "" {
			t["target.domain_id"], t["target.domain.id"], t["target.group.domain_id"] = p.DomainID, p.DomainID, p.DomainID
		}
		if !p.System {
			t["target.credential.user_id"] = p.UserID
		}
		return t
	},
	public: map[string]string{
		"GET /": discovery, "GET /v3": discovery,
		"POST /v3/auth/tokens":                                                    "the proof is in the body",
		"POST /v3/users/{}/password":                                              "the old password is in the body",
		"POST /v3/OS-OAUTH1/request_token":                                        "it is signed",
		"POST /v3/OS-OAUTH1/access_token":                                         "it is signed",
		"POST /v3/OS-OAUTH2/token":                                                "the proof is in a header or the body",
		"GET /v3/OS-FEDERATION/identity_providers/{}/protocols/{}/auth":           "the proof is in a header",
		"POST /v3/OS-FEDERATION/identity_providers/{}/protocols/{}/auth":          "the proof is in a header",
		"GET /v3/auth/OS-FEDERATION/websso/{}":                                    "the identity provider asks for the proof",
		"POST /v3/auth/OS-FEDERATION/websso/{}":                                   "the identity provider asks for the proof",
		"GET /v3/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/websso":    "the identity provider asks for the proof",
		"POST /v3/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/websso":   "the identity provider asks for the proof",
		"GET /v3/auth/OS-FEDERATION/identity_providers/{}/protocol/{}/websso":     "the identity provider asks for the proof",
		"GET /v3/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/callback":  "the identity provider asks for the proof",
		"POST /v3/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/callback": "the identity provider asks for the proof",
		"GET /v3/auth/OS-FEDERATION/identity_providers/{}/protocols/{}/metadata":  "it is for identity providers",
	},
	kinds: []kind{
		{name: "project", at: "projects", target: map[string]string{
			"target.project.id": "$project", "target.project.domain_id": "$domain",
		}},
		{name: "idledomain", make: "POST /v3/domains", as: "admin", id: "domain.id", body: `{"domain":{"name":"secret-of-p-idle","enabled":false}}`},
		{name: "domain", at: "domains", target: map[string]string{"target.domain.id": "$domain"}},
		{name: "owner", at: "users", target: map[string]string{
			"user_id": "$owner", "target.user.id": "$owner", "target.user.domain_id": "$domain",
		}},
		{
			name: "group", at: "groups", make: "POST /v3/groups", as: "admin", id: "group.id",
			body:   `{"group":{"name":"secret-of-p-group","domain_id":"$domain"}}`,
			target: map[string]string{"target.group.id": "$group", "target.group.domain_id": "$domain"},
		},
		{make: "PUT /v3/groups/$group/users/$owner", as: "admin"},
		{
			name: "role", at: "roles", known: true, make: "POST /v3/roles", as: "admin", id: "role.id",
			body: `{"role":{"name":"guard"}}`,
			target: map[string]string{
				"target.role.id": "$role", "target.role.name": "guard", "target.role.domain_id": "",
			},
		},
		{name: "domainrole", make: "POST /v3/roles", as: "admin", id: "role.id", body: `{"role":{"name":"secret-of-p-role","domain_id":"$domain"}}`},
		{name: "impliedrole", at: "implies", make: "POST /v3/roles", as: "admin", id: "role.id", body: `{"role":{"name":"helper"}}`},
		{make: "PUT /v3/roles/$role/implies/$impliedrole", as: "admin"},
		{make: "PUT /v3/projects/$project/users/$owner/roles/$role", as: "admin"},
		{make: "PUT /v3/projects/$project/groups/$group/roles/$role", as: "admin"},
		{make: "PUT /v3/domains/$domain/users/$owner/roles/$role", as: "admin"},
		{make: "PUT /v3/domains/$domain/groups/$group/roles/$role", as: "admin"},
		{make: "PUT /v3/system/users/$owner/roles/$role", as: "system admin"},
		{make: "PUT /v3/system/groups/$group/roles/$role", as: "system admin"},
		{make: "PUT /v3/OS-INHERIT/projects/$project/users/$owner/roles/$role/inherited_to_projects", as: "admin"},
		{make: "PUT /v3/OS-INHERIT/projects/$project/groups/$group/roles/$role/inherited_to_projects", as: "admin"},
		{make: "PUT /v3/OS-INHERIT/domains/$domain/users/$owner/roles/$role/inherited_to_projects", as: "admin"},
		{make: "PUT /v3/OS-INHERIT/domains/$domain/groups/$group/roles/$role/inherited_to_projects", as: "admin"},
		{name: "region", at: "regions", make: "POST /v3/regions", as: "admin", id: "region.id", body: `{"region":{"id":"north"}}`},
		{name: "catalogservice", at: "services", make: "POST /v3/services", as: "admin", id: "service.id", body: `{"service":{"type":"bakery"}}`},
		{
			name: "endpoint", at: "endpoints", known: true, make: "POST /v3/endpoints", as: "admin", id: "endpoint.id",
			body: `{"endpoint":{"service_id":"$catalogservice","interface":"public","url":"http://example.org/"}}`,
		},
		{
			name: "endpointgroup", at: "endpoint_groups", make: "POST /v3/OS-EP-FILTER/endpoint_groups", as: "admin", id: "endpoint_group.id",
			body: `{"endpoint_group":{"name":"fresh","filters":{"interface":"public"}}}`,
		},
		{make: "PUT /v3/OS-EP-FILTER/endpoint_groups/$endpointgroup/projects/$project", as: "admin"},
		{make: "PUT /v3/OS-EP-FILTER/projects/$project/endpoints/$endpoint", as: "admin"},
		{
			name: "registeredlimit", at: "registered_limits", make: "POST /v3/registered_limits", as: "admin", id: "registered_limits.0.id",
			body: `{"registered_limits":[{"service_id":"$catalogservice","resource_name":"loaves","default_limit":5}]}`,
		},
		{
			name: "registeredlimit2", make: "POST /v3/registered_limits", as: "admin", id: "registered_limits.0.id",
			body: `{"registered_limits":[{"service_id":"$catalogservice","resource_name":"rolls","default_limit":5}]}`,
		},
		{
			name: "limit", at: "limits", make: "POST /v3/limits", as: "admin", id: "limits.0.id",
			body: `{"limits":[{"service_id":"$catalogservice","resource_name":"loaves","resource_limit":5,"project_id":"$project"}]}`,
			target: map[string]string{
				"target.limit.project_id": "$project", "target.limit.project.domain_id": "$domain",
			},
		},
		{make: "PUT /v3/domains/$domain/config", as: "admin", body: `{"config":{"ldap":{"url":"ldap://secret-of-p"}}}`},
		{name: "configgroup", at: "config", value: "ldap"},
		{name: "configoption", at: "config/*", value: "url"},
		{name: "complianceoption", at: "security_compliance", value: "password_regex"},
		{name: "policy", at: "policies", make: "POST /v3/policies", as: "admin", id: "policy.id", body: `{"policy":{"blob":"{}","type":"application/json"}}`},
		{make: "PUT /v3/policies/$policy/OS-ENDPOINT-POLICY/endpoints/$endpoint", as: "admin"},
		{make: "PUT /v3/policies/$policy/OS-ENDPOINT-POLICY/services/$catalogservice", as: "admin"},
		{make: "PUT /v3/policies/$policy/OS-ENDPOINT-POLICY/services/$catalogservice/regions/$region", as: "admin"},
		{
			name: "credential", at: "credentials", make: "POST /v3/credentials", id: "credential.id",
			body:   `{"credential":{"type":"cert","blob":"secret-of-p-blob","user_id":"$owner"}}`,
			target: map[string]string{"target.credential.user_id": "$owner"},
		},
		{
			name: "ec2", at: "OS-EC2", make: "POST /v3/users/$owner/credentials/OS-EC2", id: "credential.access",
			body:   `{"tenant_id":"$project"}`,
			target: map[string]string{"target.credential.user_id": "$owner"},
		},
		{
			name: "appcred", at: "application_credentials", make: "POST /v3/users/$owner/application_credentials", id: "application_credential.id",
			body: `{"application_credential":{"name":"secret-of-p-key","access_rules":[{"service":"compute","method":"GET","path":"/v2.1/servers"}]}}`,
		},
		{
			name: "appcred2", make: "POST /v3/users/$owner/application_credentials", id: "application_credential.id",
			body: `{"application_credential":{"name":"secret-of-p-gone","access_rules":[{"service":"image","method":"GET","path":"/v2/images"}]}}`,
		},
		{name: "accessrule2", make: "GET /v3/users/$owner/access_rules?service=image", id: "access_rules.0.id"},
		{make: "DELETE /v3/users/$owner/application_credentials/$appcred2"},
		{name: "accessrule", at: "access_rules", make: "GET /v3/users/$owner/access_rules", id: "access_rules.0.id"},
		{
			name: "trust", at: "trusts", known: true, make: "POST /v3/OS-TRUST/trusts", id: "trust.id",
			body: `{"trust":{"trustor_user_id":"$owner","trustee_user_id":"$member","project_id":"$project","impersonation":false,"roles":[{"id":"$rolemember"}]}}`,
			target: map[string]string{
				"target.trust.trustor_user_id": "$owner", "target.trust.trustee_user_id": "$member",
			},
		},
		{
			name: "idp", at: "identity_providers", value: "acme", make: "PUT /v3/OS-FEDERATION/identity_providers/acme", as: "admin",
			body: `{"identity_provider":{"domain_id":"$domain"}}`,
		},
		{name: "mapping", at: "mappings", value: "basic", make: "PUT /v3/OS-FEDERATION/mappings/basic", as: "admin", body: mappingRules},
		{
			name: "protocol", at: "protocols protocol websso", value: "openid", as: "admin", body: `{"protocol":{"mapping_id":"basic"}}`,
			make: "PUT /v3/OS-FEDERATION/identity_providers/acme/protocols/openid",
		},
		{
			name: "serviceprovider", at: "service_providers", value: "south",
			make: "PUT /v3/OS-FEDERATION/service_providers/south", as: "admin", body: serviceProvider,
		},
		{name: "consumer", at: "consumers", make: "POST /v3/OS-OAUTH1/consumers", as: "admin", id: "consumer.id", body: `{"consumer":{}}`},
		{name: "requesttoken", at: "authorize", value: "$requested"},
		{name: "accesstoken", at: "access_tokens", value: "$accessgiven"},
		{name: "tag", at: "tags", value: "blue"},
		{make: "PUT /v3/projects/$project/tags/$tag", as: "admin"},
	},
	asks: map[string][]ask{
		"GET /v3/auth/tokens/OS-PKI/revoked": {{refused: "Keystone has no list of revoked tokens any more"}},
		"GET /v3/auth/tokens":                subject,
		"HEAD /v3/auth/tokens":               subject,
		"DELETE /v3/auth/tokens":             subject,
		"GET /v3/users":                      ofOthers("domain_id=$domain"),
		"GET /v3/groups":                     ofOthers("domain_id=$domain"),
		"GET /v3/projects":                   ofOthers("domain_id=$domain"),
		"GET /v3/credentials":                ofOthers("user_id=$owner"),
		"GET /v3/limits": {
			{lists: "services enforce all limits"},
			{name: "of others", query: "project_id=$project", lists: "services enforce all limits"},
		},
		"GET /v3/auth/catalog": {{refused: "a token for nothing has no catalog"}},
		// Whether there is such a domain or group, Keystone tells everybody who asks so.
		"PATCH /v3/domains/{id}": {{open: true, body: `{"domain":{"description":"changed"}}`}},
		"DELETE /v3/groups/{id}": {{open: true}},
		"DELETE /v3/domains/{id}": {{
			open: true,
			with: map[string]string{"domains": "$idledomain"}, target: map[string]string{"target.domain.id": "$idledomain"},
		}},
		"POST /v3/users":  {{body: `{"user":{"name":"fresh","domain_id":"$domain"}}`, target: map[string]string{"target.user.domain_id": "$domain"}}},
		"POST /v3/groups": {{body: `{"group":{"name":"fresh","domain_id":"$domain"}}`, target: map[string]string{"target.group.domain_id": "$domain"}}},
		"POST /v3/projects": {{body: `{"project":{"name":"fresh","domain_id":"$domain"}}`, target: map[string]string{"target.project.domain_id": "$domain"}},
			{name: "a domain", body: `{"project":{"name":"fresh","is_domain":true}}`, target: map[string]string{"target.project.domain_id": ""}}},
		"POST /v3/credentials": {
			{body: `{"credential":{"type":"cert","blob":"x","user_id":"$owner"}}`, target: map[string]string{"target.credential.user_id": "$owner"}},
			{
				name: "of a project", body: `{"credential":{"type":"cert","blob":"x","user_id":"$owner","project_id":"$project"}}`,
				target: map[string]string{"target.credential.user_id": "$owner"},
			},
		},
		"PATCH /v3/users/{id}":                                         {{body: `{"user":{"description":"changed"}}`}},
		"PATCH /v3/groups/{id}":                                        {{body: `{"group":{"description":"changed"}}`}},
		"PATCH /v3/projects/{id}":                                      {{body: `{"project":{"description":"changed"}}`}},
		"PATCH /v3/regions/{id}":                                       {{body: `{"region":{"description":"changed"}}`}},
		"PUT /v3/regions/{id}":                                         {{with: map[string]string{"regions": "west"}}},
		"PATCH /v3/services/{id}":                                      {{body: `{"service":{"name":"changed"}}`}},
		"PATCH /v3/endpoints/{id}":                                     {{body: `{"endpoint":{"name":"changed"}}`}},
		"POST /v3/endpoints":                                           {{body: `{"endpoint":{"service_id":"$catalogservice","interface":"admin","url":"http://example.org/"}}`}},
		"PATCH /v3/policies/{id}":                                      {{body: `{"policy":{"blob":"[]"}}`}},
		"PATCH /v3/OS-OAUTH1/consumers/{id}":                           {{body: `{"consumer":{"description":"changed"}}`}},
		"POST /v3/registered_limits":                                   {{body: `{"registered_limits":[{"service_id":"$catalogservice","resource_name":"buns","default_limit":5}]}`}},
		"POST /v3/OS-EP-FILTER/endpoint_groups":                        {{body: `{"endpoint_group":{"name":"second","filters":{"interface":"admin"}}}`}},
		"PUT /v3/OS-EP-FILTER/endpoint_groups/{id}/projects/{project}": {{with: map[string]string{"projects": "$other"}}},
		"PUT /v3/OS-EP-FILTER/projects/{project}/endpoints/{id}":       {{with: map[string]string{"projects": "$other"}}},
		"PUT /v3/OS-FEDERATION/identity_providers/{id}":                {{with: map[string]string{"identity_providers": "west"}}},
		"PUT /v3/roles/{id}/implies/{implied}":                         {{with: map[string]string{"implies": "$rolereader"}}},
		"PUT /v3/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}": {{
			with: map[string]string{"protocols": "saml2"}, body: `{"protocol":{"mapping_id":"basic"}}`,
		}},
		"PATCH /v3/OS-FEDERATION/identity_providers/{id}/protocols/{protocol}": {{body: `{"protocol":{"mapping_id":"basic"}}`}},
		"PATCH /v3/credentials/{id}": {{body: `{"credential":{"blob":"changed"}}`}},
		"POST /v3/users/{id}/credentials/OS-EC2": {{
			body: `{"tenant_id":"$project"}`, target: map[string]string{"target.credential.user_id": "$owner"},
		}},
		"DELETE /v3/users/{id}/access_rules/{rule}": {{with: map[string]string{"access_rules": "$accessrule2"}}},
		"GET /v3/OS-TRUST/trusts/{id}/roles/{role}": {{with: map[string]string{"roles": "$rolemember"}}},
		"GET /v3/roles": {{lists: "managers of domains list all roles, and get those that they may give"}, {name: "of a domain", query: "domain_id=$domain", rule: "identity:list_domain_roles"}},
		"POST /v3/roles": {
			{body: `{"role":{"name":"fresh"}}`},
			{name: "of a domain", body: `{"role":{"name":"fresh","domain_id":"$domain"}}`, rule: "identity:create_domain_role"},
		},
		"GET /v3/roles/{role_id}":                                       domainRoleToo(ask{}, "identity:get_domain_role"),
		"DELETE /v3/roles/{role_id}":                                    domainRoleToo(ask{}, "identity:delete_domain_role"),
		"PATCH /v3/roles/{role_id}":                                     domainRoleToo(ask{body: `{"role":{"description":"changed"}}`}, "identity:update_domain_role"),
		"PUT /v3/domains/{id}/config":                                   {{body: `{"config":{"ldap":{"url":"ldap://fresh"}}}`}},
		"PATCH /v3/domains/{id}/config":                                 {{body: `{"config":{"ldap":{"url":"ldap://fresh"}}}`}},
		"PATCH /v3/domains/{id}/config/{group}":                         {{body: `{"config":{"ldap":{"url":"ldap://fresh"}}}`}},
		"PATCH /v3/domains/{id}/config/{group}/{option}":                {{body: `{"config":{"url":"ldap://fresh"}}`}},
		"GET /v3/domains/{id}/config/security_compliance":               {{with: map[string]string{"domains": "default"}}},
		"GET /v3/domains/{id}/config/security_compliance/{option}":      {{with: map[string]string{"domains": "default"}}},
		"PUT /v3/OS-OAUTH1/authorize/{token}":                           {{body: `{"roles":[{"id":"$rolereader"}]}`, unproved: "some administrators have no such role on the project"}},
		"GET /v3/users/{id}/OS-OAUTH1/access_tokens/{token}/roles/{id}": {{with: map[string]string{"roles": "$rolemember"}}},
		"POST /v3/ec2tokens":                                            {{unproved: "a signature is in the body, and it is wrong"}},
		"POST /v3/s3tokens":                                             {{unproved: "a signature is in the body, and it is wrong"}},
		"PUT /v3/OS-FEDERATION/service_providers/{id}":                  {{body: serviceProvider, with: map[string]string{"service_providers": "west"}}},
		"PATCH /v3/OS-FEDERATION/service_providers/{id}":                {{body: serviceProvider}},
		"PUT /v3/OS-FEDERATION/mappings/{id}":                           {{body: mappingRules, with: map[string]string{"mappings": "west"}}},
		"PATCH /v3/OS-FEDERATION/mappings/{id}":                         {{body: mappingRules}},
		// It is an old spelling: the id is that of an endpoint.
		"GET /v3/policies/{endpoint}/OS-ENDPOINT-POLICY/policy": {{with: map[string]string{"policies": "$endpoint"}}},
		"PATCH /v3/registered_limits/{id}":                      {{with: map[string]string{"registered_limits": "$registeredlimit2"}}},
		"DELETE /v3/registered_limits/{id}":                     {{with: map[string]string{"registered_limits": "$registeredlimit2"}}},
		"POST /v3/limits": {{
			body: `{"limits":[{"service_id":"$catalogservice","resource_name":"rolls","resource_limit":5,"project_id":"$project"}]}`,
		}},
		"GET /v3/OS-TRUST/trusts": {
			{},
			{name: "of a trustor", query: "trustor_user_id=$owner", rule: "identity:list_trusts_for_trustor", target: map[string]string{"target.trust.trustor_user_id": "$owner"}},
			{name: "of a trustee", query: "trustee_user_id=$member", rule: "identity:list_trusts_for_trustee", target: map[string]string{"target.trust.trustee_user_id": "$member"}},
		},
		"GET /v3/role_assignments": {{}, {
			name: "of a tree", query: "scope.project.id=$project&include_subtree", rule: "identity:list_role_assignments_for_tree",
			target: map[string]string{"target.project.id": "$project", "target.project.domain_id": "$domain", "target.domain_id": "$domain"},
		}},
	},
}

// domainRoleToo asks for a role of a domain as well.
func domainRoleToo(a ask, rule string) []ask {
	other := a
	// The rule's name, which is in the refusal, tells that there is a role of a domain.
	other.open = true
	other.name, other.rule, other.with = "of a domain", rule, map[string]string{"roles": "$domainrole"}
	other.target = map[string]string{
		"target.role.id": "$domainrole", "target.role.name": "secret-of-p-role", "target.role.domain_id": "$domain",
	}
	return []ask{a, other}
}

// subject asks about the owner's token.
var subject = []ask{{
	headers: map[string]string{"X-Subject-Token": "$ownertoken"}, target: map[string]string{"target.token.user_id": "$owner", "user_id": "$owner"},
}}

// mappingRules are those of a mapping of federated users.
const mappingRules = `{"mapping":{"rules":[{"local":[{"user":{"name":"{0}"}}],"remote":[{"type":"name"}]}]}}`

const serviceProvider = `{"service_provider":{"auth_url":"https://south.example/auth","sp_url":"https://south.example/sp"}}`
