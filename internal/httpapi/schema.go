package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// boundSchema is a schema of a route. It is compiled when it is first needed, since
// that takes longer than all else that New does; [Verify] compiles all of them.
type boundSchema struct {
	min     Version
	compile func() (*jsonschema.Schema, error)
	any     bool // the schema says itself what the body is, other than an object
}

// schemas makes the schemas of one API, each text once.
type schemas struct {
	mu       sync.Mutex // guards compiler
	compiler *jsonschema.Compiler
	done     map[string]boundSchema
}

// newSchemas returns a compiler that asserts formats and loads nothing.
func newSchemas() *schemas {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	c.AssertFormat()
	for name, valid := range map[string]func(string) bool{
		"uuid": looksLikeID, "cidr": isCIDR, "mac": isMAC, "uri": isURI, "date-time": isTime,
	} {
		c.RegisterFormat(&jsonschema.Format{Name: name, Validate: format(name, valid)})
	}
	return &schemas{compiler: c, done: map[string]boundSchema{}}
}

// bind makes the schema of a route.
func (s *schemas) bind(schema Schema) (boundSchema, error) {
	bound, ok := s.done[schema.JSON]
	if !ok {
		var top struct {
			Type any `json:"type"`
		}
		if err := json.Unmarshal([]byte(schema.JSON), &top); err != nil {
			return bound, fmt.Errorf("has a schema that is no JSON object: %w", err)
		}
		name := fmt.Sprintf("schema:///%d", len(s.done))
		bound.any = top.Type != nil && top.Type != "object"
		bound.compile = sync.OnceValues(func() (*jsonschema.Schema, error) {
			return s.compile(name, schema.JSON)
		})
		s.done[schema.JSON] = bound
	}
	bound.min = schema.Min
	return bound, nil
}

// compile compiles one schema.
func (s *schemas) compile(name, text string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("bad schema: %w", err)
	}
	if err := s.compiler.AddResource(name, doc); err != nil {
		return nil, fmt.Errorf("bad schema: %w", err)
	}
	compiled, err := s.compiler.Compile(name)
	if err != nil {
		return nil, fmt.Errorf("bad schema: %w", err)
	}
	return compiled, nil
}

// Verify compiles the schemas of a handler that New made, and says which route has a
// bad one. Each service's tests call it.
func Verify(h http.Handler) error {
	s, ok := h.(*server)
	if !ok {
		return fmt.Errorf("httpapi: %T is not a handler that New made", h)
	}
	for _, r := range s.routes {
		for _, schema := range r.schemas {
			if _, err := schema.compile(); err != nil {
				return fmt.Errorf("httpapi: %s %s %s: %w", r.Method, r.Path, r.Action, err)
			}
		}
	}
	return nil
}

// validate holds a body against the schema.
func (b *boundSchema) validate(body any) error {
	if _, ok := body.(map[string]any); !ok && !b.any {
		return &malformedBody{"it is not an object"}
	}
	schema, err := b.compile()
	if err != nil {
		return err
	}
	if err := schema.Validate(body); err != nil {
		return explain(err, body)
	}
	if e := misspelt(schema, body, nil); e != nil {
		return e
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
