package httpapi

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// boundSchema is a compiled schema.
type boundSchema struct {
	min      Version
	compiled *jsonschema.Schema
	any      bool // the schema says itself what the body is, other than an object
}

// schemas compiles the schemas of one API, each text once.
type schemas struct {
	service  string
	compiler *jsonschema.Compiler
	done     map[string]boundSchema
}

// newSchemas returns a compiler that asserts formats and loads nothing.
func newSchemas(service string) *schemas {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	for name, valid := range map[string]func(string) bool{
		"uuid": looksLikeID, "cidr": isCIDR, "mac": isMAC, "uri": isURI, "date-time": isTime,
	} {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: format(name, valid)})
	}
	return &schemas{service: service, compiler: c, done: map[string]boundSchema{}}
}

// compile compiles one schema.
func (s *schemas) compile(schema Schema) (boundSchema, error) {
	bound, ok := s.done[schema.JSON]
	if !ok {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema.JSON))
		if err != nil {
			return bound, fmt.Errorf("has a schema that is not JSON: %w", err)
		}
		name := fmt.Sprintf("schema:///%s/%d", s.service, len(s.done))
		if err := s.compiler.AddResource(name, doc); err != nil {
			return bound, fmt.Errorf("has a bad schema: %w", err)
		}
		if bound.compiled, err = s.compiler.Compile(name); err != nil {
			return bound, fmt.Errorf("has a bad schema: %w", err)
		}
		if object, ok := doc.(map[string]any); ok && object["type"] != nil {
			bound.any = object["type"] != "object"
		}
		s.done[schema.JSON] = bound
	}
	bound.min = schema.Min
	return bound, nil
}

// validate holds a body against the schema.
func (b *boundSchema) validate(body any) error {
	if _, ok := body.(map[string]any); !ok && !b.any {
		return &malformedBody{"it is not an object"}
	}
	if err := b.compiled.Validate(body); err != nil {
		return explain(err, body)
	}
	return nil
}

// noLoader keeps schemas from naming files or other servers.
type noLoader struct{}

// Load refuses.
func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a schema may not refer to %s", url)
}

// format makes a format of a test for strings; other values have no format.
func format(name string, valid func(string) bool) func(any) error {
	return func(v any) error {
		if s, ok := v.(string); ok && !valid(s) {
			return fmt.Errorf("is not a valid %s", name)
		}
		return nil
	}
}

// isCIDR reports whether s is a network such as 10.0.0.0/24; bits to the right of
// the prefix may be set.
func isCIDR(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// isMAC reports whether s is a MAC address of six octets parted by colons.
func isMAC(s string) bool {
	if len(s) != len("00:00:00:00:00:00") {
		return false
	}
	for i := range len(s) {
		c := s[i] | 0x20 // lower case; the colon stays one
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f'
		if colon := i%3 == 2; colon && s[i] != ':' || !colon && !hex {
			return false
		}
	}
	return true
}

// isURI reports whether s is an absolute URI.
func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.IsAbs()
}

// isTime reports whether s is a time of RFC 3339; as OpenStack writes it, the zone
// may be missing.
func isTime(s string) bool {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if _, err := time.Parse(layout, s); err == nil {
			return true
		}
	}
	return false
}
