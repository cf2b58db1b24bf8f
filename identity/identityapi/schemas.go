package identityapi

import (
	"strconv"
	"strings"
)

// The bodies are held against JSON schemas. Like Keystone's, most of them let pass
// attributes that they do not know, which are stored with the resource.

// The attributes of resources, as the "properties" of a schema.
const (
	projectProperties = `
		"name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"},
		"domain_id": {"type": ["string", "null"]},
		"parent_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"},
		"is_domain": {"type": "boolean"},
		` + tagsProperty + `,
		` + immutableOption
	domainProperties = `
		"explicit_domain_id": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[a-zA-Z0-9-]+$"},
		"name": {"type": "string", "minLength": 1, "maxLength": 64, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"},
		` + tagsProperty + `,
		` + immutableOption
	tagsProperty = `"tags": {"type": "array", "maxItems": 80, "uniqueItems": true,
			"items": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^,/]*$"}}`
	// immutableOption is the only option of projects, domains and roles.
	immutableOption = `"options": {"type": "object", "additionalProperties": false,
		"properties": {"immutable": {"type": ["boolean", "null"]}}}`
	userProperties = `
		"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"email": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"},
		"domain_id": {"type": "string"},
		"default_project_id": {"type": ["string", "null"]},
		"password": {"type": ["string", "null"], "maxLength": 4096},
		"federated": ` + federatedProperty + `,
		"options": {"type": "object", "additionalProperties": false, "properties": {
			"immutable": {"type": ["boolean", "null"]},
			"ignore_change_password_upon_first_use": {"type": ["boolean", "null"]},
			"ignore_password_expiry": {"type": ["boolean", "null"]},
			"ignore_lockout_failure_attempts": {"type": ["boolean", "null"]},
			"ignore_user_inactivity": {"type": ["boolean", "null"]},
			"lock_password": {"type": ["boolean", "null"]},
			"multi_factor_auth_enabled": {"type": ["boolean", "null"]},
			"multi_factor_auth_rules": {"type": ["array", "null"], "uniqueItems": true, "maxItems": 100, "items": {
				"type": "array", "minItems": 1, "maxItems": 20, "uniqueItems": true, "items": {"type": "string", "maxLength": 255}}}}}`
	groupProperties = `
		"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"domain_id": {"type": "string"}`
	roleProperties = `
		"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"domain_id": {"type": ["string", "null"]},
		` + immutableOption
	regionProperties = `
		"id": {"type": ["string", "null"], "maxLength": 255},
		"description": {"type": ["string", "null"]},
		"parent_region_id": {"type": ["string", "null"]}`
	serviceProperties = `
		"type": {"type": "string", "minLength": 1, "maxLength": 255},
		"name": {"type": "string", "maxLength": 255},
		"description": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"}`
	endpointProperties = `
		"interface": {"enum": ["admin", "internal", "public"]},
		"service_id": {"type": "string"},
		"region_id": {"type": ["string", "null"]},
		"region": {"type": ["string", "null"]},
		"url": {"type": "string", "minLength": 1, "maxLength": 225},
		"name": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"}`
	credentialProperties = `
		"type": {"type": "string", "minLength": 1, "maxLength": 255},
		"blob": {"type": "string", "maxLength": 65536},
		"user_id": {"type": ["string", "null"]},
		"project_id": {"type": ["string", "null"]}`
	policyProperties = `
		"type": {"type": "string", "maxLength": 255},
		"blob": {"type": "string"}`
	endpointGroupProperties = `
		"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"description": {"type": ["string", "null"]},
		"filters": {"type": "object", "additionalProperties": false, "properties": {
			"interface": {"enum": ["admin", "internal", "public"]},
			"service_id": {"type": "string"}, "region_id": {"type": ["string", "null"]}}}`
	registeredLimitProperties = `
		"service_id": {"type": "string", "minLength": 1, "maxLength": 64},
		"region_id": {"type": ["string", "null"], "maxLength": 255},
		"resource_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"default_limit": {"type": "integer", "minimum": -1, "maximum": 2147483647},
		"description": {"type": ["string", "null"]}`
	limitProperties = `
		"project_id": {"type": ["string", "null"], "maxLength": 64},
		"domain_id": {"type": ["string", "null"], "maxLength": 64},
		"service_id": {"type": "string", "minLength": 1, "maxLength": 64},
		"region_id": {"type": ["string", "null"], "maxLength": 255},
		"resource_name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		` + limitChanges
	limitChanges = `
		"resource_limit": {"type": "integer", "minimum": -1, "maximum": 2147483647},
		"description": {"type": ["string", "null"]}`
	optionsProperty = `"options": {"type": "object", "properties": {"immutable": {"type": ["boolean", "null"]}}}`
)

// createSchema is the schema of a body that makes a resource.
func createSchema(name, properties string, required ...string) string {
	return bodySchema(name, properties, `"required": [`+quoted(required)+`]`)
}

// updateSchema is the schema of a body that changes a resource. One that changes nothing
// is refused by decode, after those who may change nothing.
func updateSchema(name, properties string) string {
	return bodySchema(name, properties, `"maxProperties": 1000`)
}

func bodySchema(name, properties, rule string) string {
	return `{"type": "object", "required": ["` + name + `"], "properties": {"` + name + `": {
		"type": "object", "properties": {` + properties + `}, ` + rule + `}}}`
}

// strictSchema is the schema of a body whose attributes are all known.
func strictSchema(name, properties, rule string) string {
	if rule != "" {
		rule = ", " + rule
	}
	return bodySchema(name, properties, `"additionalProperties": false`+rule)
}

// batchSchema is the schema of a body that makes several resources at once.
func batchSchema(name, properties, rule string) string {
	return `{"type": "object", "required": ["` + name + `"], "additionalProperties": false, "properties": {"` + name + `": {
		"type": "array", "minItems": 1, "maxItems": 1000, "items": {
			"type": "object", "additionalProperties": false, "properties": {` + properties + `}, ` + rule + `}}}}`
}

const configSchema = `{"type": "object", "required": ["config"], "properties": {"config": {"type": "object"}}}`

func quoted(names []string) string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strconv.Quote(name)
	}
	return strings.Join(all, ", ")
}

// refSchema is a thing that is named by id, or by name and domain.
const refSchema = `{"type": "object", "properties": {
	"id": {"type": "string"}, "name": {"type": "string"},
	"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}}}`

const authSchema = `{"type": "object", "required": ["auth"], "properties": {"auth": {
	"type": "object", "required": ["identity"], "properties": {
		"identity": {"type": "object", "required": ["methods"], "properties": {
			"methods": {"type": "array", "minItems": 1, "maxItems": 10, "items": {"type": "string"}},
			"password": {"type": "object", "required": ["user"], "properties": {"user": {
				"type": "object", "required": ["password"], "properties": {
					"id": {"type": "string"}, "name": {"type": "string"}, "password": {"type": "string"},
					"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}}}}},
			"totp": {"type": "object", "required": ["user"], "properties": {"user": {
				"type": "object", "required": ["passcode"], "properties": {
					"id": {"type": "string"}, "name": {"type": "string"}, "passcode": {"type": "string"},
					"domain": {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}}}}},
			"token": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
			"application_credential": {"type": "object", "required": ["secret"], "properties": {
				"id": {"type": "string"}, "name": {"type": "string"}, "secret": {"type": "string"},
				"user": ` + refSchema + `}}}},
		"scope": {"type": ["object", "string", "null"], "properties": {
			"project": ` + refSchema + `, "domain": ` + refSchema + `,
			"system": {"type": "object", "properties": {"all": {"type": "boolean"}}},
			"OS-TRUST:trust": ` + refSchema + `}}}}}}`

const passwordSchema = `{"type": "object", "required": ["user"], "properties": {"user": {
	"type": "object", "required": ["original_password", "password"], "properties": {
		"original_password": {"type": "string"}, "password": {"type": "string", "minLength": 1, "maxLength": 4096}}}}}`

const tagsSchema = `{"type": "object", "required": ["tags"], "additionalProperties": false, "properties": {
	` + tagsProperty + `}}`

const consumerProperties = `"description": {"type": ["string", "null"]}`

const authorizeSchema = `{"type": "object", "properties": {"roles": {"type": "array", "items": ` + roleRefSchema + `}}}`

// roleRefSchema is a role by its id or by its name.
const roleRefSchema = `{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false, "properties": {
	"id": {"type": "string", "minLength": 1, "maxLength": 64}, "name": {"type": "string", "minLength": 1, "maxLength": 255}}}`

// signedSchema is a signed request, under one of three names.
const signedSchema = `{"type": "object", "minProperties": 1, "properties": {
	"credentials": ` + signedRequestSchema + `, "credential": ` + signedRequestSchema + `, "ec2Credentials": ` + signedRequestSchema + `}}`

const signedRequestSchema = `{"type": "object", "properties": {
	"access": {"type": "string", "maxLength": 255}, "signature": {"type": "string", "maxLength": 255},
	"verb": {"type": "string"}, "host": {"type": "string"}, "path": {"type": "string"}, "body_hash": {"type": ["string", "null"]},
	"token": {"type": "string"}, "params": {"type": "object"}, "headers": {"type": "object"}}}`

const ec2Schema = `{"type": "object", "required": ["tenant_id"], "properties": {"tenant_id": {"type": "string"}}}`

const appCredentialSchema = `{"type": "object", "required": ["application_credential"], "properties": {
	"application_credential": {"type": "object", "required": ["name"], "additionalProperties": false, "properties": {
		"id": {"type": "string"}, "project_id": {"type": ["string", "null"]},
		"name": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "[\\S]+"},
		"secret": {"type": ["string", "null"], "maxLength": 255},
		"description": {"type": ["string", "null"]},
		"expires_at": {"type": ["string", "null"]},
		"unrestricted": {"type": ["boolean", "null"]},
		"roles": {"type": "array", "items": ` + roleRefSchema + `},
		"access_rules": {"type": "array", "maxItems": 200, "items": {"type": "object", "additionalProperties": false, "properties": {
			"id": {"type": "string"}, "service": {"type": "string", "minLength": 1, "maxLength": 255},
			"method": {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]},
			"path": {"type": "string", "pattern": "^/", "maxLength": 255}},
			"anyOf": [{"required": ["id"]}, {"required": ["service", "method", "path"]}]}}}}}}`

const trustSchema = `{"type": "object", "required": ["trust"], "properties": {"trust": {
	"type": "object", "required": ["trustee_user_id", "trustor_user_id", "impersonation"], "properties": {
		"trustor_user_id": {"type": "string", "minLength": 1}, "trustee_user_id": {"type": "string", "minLength": 1},
		"project_id": {"type": ["string", "null"]}, "impersonation": {"type": "boolean"},
		"expires_at": {"type": ["string", "null"]},
		"remaining_uses": {"type": ["integer", "null"], "minimum": 1},
		"allow_redelegation": {"type": ["boolean", "null"]}, "redelegation_count": {"type": ["integer", "null"], "minimum": 0},
		"roles": {"type": "array", "items": ` + roleRefSchema + `}}}}}`
