package identityapi

// The attributes of the resources of federation, as the "properties" of a schema.
// Other attributes are refused, as Keystone does.
const (
	providerProperties = `
		"description": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"},
		"authorization_ttl": {"type": ["integer", "null"], "minimum": 0, "maximum": 52560000},
		"remote_ids": {"type": ["array", "null"], "uniqueItems": true, "maxItems": 1000,
			"items": {"type": "string", "minLength": 1, "maxLength": 255}}`
	providerDomain     = `, "domain_id": {"type": ["string", "null"], "minLength": 1, "maxLength": 64}`
	protocolProperties = `
		"mapping_id": {"type": "string", "minLength": 1, "maxLength": 64},
		"remote_id_attribute": {"type": ["string", "null"], "maxLength": 64}`
	serviceProviderProperties = `
		"auth_url": {"type": "string", "maxLength": 225, "pattern": "^[a-zA-Z0-9+.-]+:.+"},
		"sp_url": {"type": "string", "maxLength": 225, "pattern": "^[a-zA-Z0-9+.-]+:.+"},
		"description": {"type": ["string", "null"]},
		"enabled": {"type": "boolean"},
		"relay_state_prefix": {"type": ["string", "null"], "maxLength": 256}`
)

// closedSchema is the schema of a body that takes no other attributes.
func closedSchema(name, properties, rule string) string {
	if rule != "" {
		rule = ", " + rule
	}
	return `{"type": "object", "required": ["` + name + `"], "properties": {"` + name + `": {
		"type": "object", "additionalProperties": false, "properties": {` + properties + `}` + rule + `}}}`
}

// conditionSchema is a remote part with a condition.
func conditionSchema(name string) string {
	return `{"type": "object", "additionalProperties": false, "required": ["type", "` + name + `"], "properties": {
		"type": {"type": "string"}, "regex": {"type": "boolean"},
		"` + name + `": {"type": "array", "items": {"type": "string"}}}}`
}

const domainSchema = `{"type": "object", "additionalProperties": false,
	"properties": {"id": {"type": "string"}, "name": {"type": "string"}}}`

// mappingSchema is the form of a mapping; what its version and its rules make of it is
// looked at when it is stored.
var mappingSchema = `{"type": "object", "required": ["mapping"], "properties": {"mapping": {
	"type": "object", "required": ["rules"], "properties": {
		"schema_version": {"type": "string"},
		"rules": {"type": "array", "minItems": 1, "items": {
			"type": "object", "additionalProperties": false, "required": ["local", "remote"], "properties": {
				"local": {"type": "array", "items": ` + localSchema + `},
				"remote": {"type": "array", "minItems": 1, "items": {"oneOf": [
					{"type": "object", "additionalProperties": false, "required": ["type"], "properties": {"type": {"type": "string"}}},
					` + conditionSchema("any_one_of") + `, ` + conditionSchema("not_any_of") + `,
					` + conditionSchema("blacklist") + `, ` + conditionSchema("whitelist") + `]}}}}}}}}}`

const localSchema = `{"type": "object", "additionalProperties": false, "properties": {
	"user": {"type": "object", "additionalProperties": false, "properties": {
		"id": {"type": "string"}, "name": {"type": "string"}, "email": {"type": "string"},
		"domain": ` + domainSchema + `, "type": {"enum": ["ephemeral", "local"]}}},
	"group": {"type": "object", "oneOf": [
		{"additionalProperties": false, "required": ["id"], "properties": {"id": {"type": "string"}}},
		{"additionalProperties": false, "required": ["name", "domain"],
			"properties": {"name": {"type": "string"}, "domain": ` + domainSchema + `}}]},
	"groups": {"type": "string"}, "group_ids": {"type": "string"}, "domain": ` + domainSchema + `,
	"projects": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["name", "roles"],
		"properties": {"name": {"type": "string"}, "domain": ` + domainSchema + `,
			"roles": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["name"],
				"properties": {"name": {"type": "string"}}}}}}}}}`
