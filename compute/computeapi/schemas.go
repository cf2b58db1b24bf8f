package computeapi

import (
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// Parts of the request schemas. Objects take no properties beyond those listed.
const (
	sName     = `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[^\\s\\pC]([^\\pC]*[^\\s\\pC])?$"}`
	sText     = `{"type":["string","null"],"minLength":0,"maxLength":255}`
	sString   = `{"type":"string"}`
	sAny      = `{}`
	sNull     = `{"type":["null","object","string"]}`
	sUUID     = `{"type":"string","format":"uuid"}`
	sBool     = `{"type":["boolean","string"],"enum":[true,"True","TRUE","true","1","ON","On","on","YES","Yes","yes",false,"False","FALSE","false","0","OFF","Off","off","NO","No","no"]}`
	sPositive = `{"type":["integer","string"],"pattern":"^[0-9]*[1-9][0-9]*$","minimum":1,"minLength":1,"maximum":2147483647}`
	sCount    = `{"type":["integer","string"],"pattern":"^[0-9]+$","minimum":0,"minLength":1,"maximum":2147483647}`
	sLimit    = `{"type":["integer","string"],"pattern":"^-?[0-9]+$","minimum":-1,"maximum":2147483647}`
	sIPv4     = `{"type":["string","null"],"anyOf":[{"format":"ipv4"},{"enum":["",null]}]}`
	sIPv6     = `{"type":["string","null"],"anyOf":[{"format":"ipv6"},{"enum":["",null]}]}`
	sIP       = `{"type":"string","anyOf":[{"format":"ipv4"},{"format":"ipv6"}]}`
	sDisk     = `{"type":"string","enum":["AUTO","MANUAL"]}`
	sMetadata = `{"type":"object","patternProperties":{"^[a-zA-Z0-9-_:. ]{1,255}$":{"type":"string","maxLength":255}},"additionalProperties":false}`
	sTag      = `{"type":"string","minLength":1,"maxLength":60,"pattern":"^[^,/]*$"}`
	sTags     = `{"type":"array","items":` + sTag + `,"maxItems":50}`
	sDevTag   = `{"type":"string","minLength":1,"maxLength":60,"pattern":"^[^,/]*$"}`
	sKeyName  = `{"type":["string","null"],"maxLength":255}`
	sFlavor   = `{"type":["string","integer"],"minLength":1}`
	sImageRef = `{"type":"string","anyOf":[{"format":"uuid"},{"maxLength":0}]}`
	sUserData = `{"type":["string","null"],"maxLength":65535}`
	sFiles    = `{"type":"array","items":{"type":"object","properties":{"path":{"type":"string"},"contents":{"type":"string"}},"additionalProperties":false}}`
	sHost     = `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[a-zA-Z0-9-._]*$"}`
	sExtra    = `{"type":"object","patternProperties":{"^[a-zA-Z0-9-_:. ]{1,255}$":{"type":["string","number"],"maxLength":255}},"additionalProperties":false}`
)

// property is one line of a schema.
type property struct {
	name, schema string
	min, max     int // minor microversions; 0 for no limit
}

// object is the schema of an object with the properties that exist at a minor
// microversion; required are the names that must be there.
func object(minor int, required []string, properties ...property) string {
	var b strings.Builder
	b.WriteString(`{"type":"object","additionalProperties":false,"properties":{`)
	first := true
	for _, p := range properties {
		if minor < p.min || p.max > 0 && minor > p.max {
			continue
		}
		if !first {
			b.WriteByte(',')
		}
		first = false
		b.WriteString(`"` + p.name + `":` + p.schema)
	}
	b.WriteByte('}')
	if len(required) > 0 {
		b.WriteString(`,"required":["` + strings.Join(required, `","`) + `"]`)
	}
	b.WriteByte('}')
	return b.String()
}

// wrapped is the schema of {"name": inner}.
func wrapped(name, inner string) string {
	return object(0, []string{name}, property{name: name, schema: inner})
}

// body is a request schema that is the same at all microversions.
func body(schema string) []httpapi.Schema { return []httpapi.Schema{{JSON: schema}} }

// bodies are the request schemas that make gives for each of the minor
// microversions at which something changes, the newest first.
func bodies(make func(minor int) string, minors ...int) []httpapi.Schema {
	var all []httpapi.Schema
	for _, minor := range minors {
		all = append(all, httpapi.Schema{Min: v(minor), JSON: make(minor)})
	}
	return all
}

// createBody is the schema of POST /servers.
func createBody(minor int) string {
	required := []string{"name", "flavorRef"}
	networks := networkList(minor)
	if minor >= 37 {
		required = append(required, "networks")
		networks = `{"anyOf":[` + networks + `,{"type":"string","enum":["none","auto"]}]}`
	}
	server := object(minor, required,
		property{name: "name", schema: sName},
		property{name: "imageRef", schema: sImageRef},
		property{name: "flavorRef", schema: sFlavor},
		property{name: "adminPass", schema: sString},
		property{name: "metadata", schema: sMetadata},
		property{name: "networks", schema: networks},
		property{name: "OS-DCF:diskConfig", schema: sDisk},
		property{name: "accessIPv4", schema: sIPv4},
		property{name: "accessIPv6", schema: sIPv6},
		property{name: "personality", schema: sFiles, max: 56},
		property{name: "availability_zone", schema: `{"type":["string","null"],"maxLength":255}`},
		property{name: "block_device_mapping", schema: `{"type":"array","maxItems":0}`},
		property{name: "block_device_mapping_v2", schema: `{"type":"array","items":` + blockDevice(minor) + `}`},
		property{name: "config_drive", schema: `{"anyOf":[` + sBool + `,{"type":"null"},{"const":""}]}`},
		property{name: "key_name", schema: sKeyName},
		property{name: "min_count", schema: sPositive},
		property{name: "max_count", schema: sPositive},
		property{name: "return_reservation_id", schema: sBool},
		property{name: "security_groups", schema: `{"type":"array","items":{"type":"object","properties":{"name":{"type":"string","minLength":1,"maxLength":255}},"additionalProperties":false}}`},
		property{name: "user_data", schema: sUserData},
		property{name: "description", schema: sText, min: 19},
		property{name: "tags", schema: sTags, min: 52},
		property{name: "trusted_image_certificates", schema: `{"type":"null"}`, min: 63},
		property{name: "host", schema: sHost, min: 74},
		property{name: "hypervisor_hostname", schema: sHost, min: 74},
	)
	const hints = `{"type":"object","properties":{"group":{"type":"string","format":"uuid"},` +
		`"different_host":{"type":["string","array"]},"same_host":{"type":["string","array"]},` +
		`"query":{},"target_cell":{},"different_cell":{},"build_near_host_ip":{},"cidr":{}}}`
	return object(minor, []string{"server"},
		property{name: "server", schema: server},
		property{name: "os:scheduler_hints", schema: hints},
		property{name: "OS-SCH-HNT:scheduler_hints", schema: hints},
	)
}

// hasTags reports whether devices may have tags: from 2.32, but for a mistake that
// Nova made between 2.37 and 2.41.
func hasTags(minor int) bool { return minor >= 32 && minor <= 36 || minor >= 42 }

func networkList(minor int) string {
	tags := property{name: "tag", schema: sDevTag, min: 1}
	if !hasTags(minor) {
		tags.min = 1 << 30
	}
	return `{"type":"array","items":` + object(minor, nil,
		property{name: "uuid", schema: sUUID},
		property{name: "port", schema: `{"anyOf":[{"type":"null"},` + sUUID + `]}`},
		property{name: "fixed_ip", schema: sIP}, tags,
	) + `}`
}

func blockDevice(minor int) string {
	tags := property{name: "tag", schema: sDevTag, min: 1}
	if !hasTags(minor) {
		tags.min = 1 << 30
	}
	return object(minor, nil,
		property{name: "source_type", schema: `{"type":"string","enum":["volume","image","snapshot","blank"]}`},
		property{name: "destination_type", schema: `{"type":"string","enum":["local","volume"]}`},
		property{name: "uuid", schema: `{"type":"string","minLength":1,"maxLength":255,"pattern":"^[a-zA-Z0-9._-]*$"}`},
		property{name: "boot_index", schema: `{"type":["integer","string","null"],"pattern":"^-?[0-9]+$"}`},
		property{name: "volume_size", schema: `{"type":["integer","string","null"],"pattern":"^[0-9]+$","minimum":1}`},
		property{name: "device_name", schema: `{"type":["string","null"],"maxLength":255}`},
		property{name: "delete_on_termination", schema: sBool},
		property{name: "guest_format", schema: `{"type":"string","maxLength":255}`},
		property{name: "device_type", schema: `{"type":["string","null"],"maxLength":255}`},
		property{name: "disk_bus", schema: `{"type":["string","null"],"maxLength":255}`},
		property{name: "image_id", schema: sAny}, property{name: "volume_id", schema: sAny},
		property{name: "snapshot_id", schema: sAny}, property{name: "no_device", schema: sAny},
		property{name: "virtual_name", schema: sAny}, property{name: "connection_info", schema: sAny},
		property{name: "volume_type", schema: `{"type":["string","null"],"maxLength":255}`, min: 67},
		tags,
	)
}

// updateBody is the schema of PUT /servers/{id}.
func updateBody(minor int) string {
	return wrapped("server", object(minor, nil,
		property{name: "name", schema: sName},
		property{name: "accessIPv4", schema: sIPv4},
		property{name: "accessIPv6", schema: sIPv6},
		property{name: "OS-DCF:diskConfig", schema: sDisk},
		property{name: "description", schema: sText, min: 19},
	))
}

// rebuildBody is the schema of the rebuild action.
func rebuildBody(minor int) string {
	return wrapped("rebuild", object(minor, []string{"imageRef"},
		property{name: "imageRef", schema: sUUID},
		property{name: "name", schema: sName},
		property{name: "adminPass", schema: sString},
		property{name: "metadata", schema: sMetadata},
		property{name: "preserve_ephemeral", schema: sBool},
		property{name: "OS-DCF:diskConfig", schema: sDisk},
		property{name: "accessIPv4", schema: sIPv4},
		property{name: "accessIPv6", schema: sIPv6},
		property{name: "personality", schema: sFiles, max: 56},
		property{name: "description", schema: sText, min: 19},
		property{name: "key_name", schema: sKeyName, min: 54},
		property{name: "user_data", schema: sUserData, min: 57},
		property{name: "trusted_image_certificates", schema: `{"type":"null"}`, min: 63},
	))
}
