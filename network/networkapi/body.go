package networkapi

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/network"
)

// opt is an attribute that a request may leave out, or set to null.
type opt[T any] struct {
	given bool // also as null
	null  bool
	value T
}

// UnmarshalJSON notes that the attribute is given.
func (o *opt[T]) UnmarshalJSON(b []byte) error {
	o.given = true
	if o.null = string(b) == "null"; o.null {
		return nil
	}
	return json.Unmarshal(b, &o.value)
}

// ptr gives the value, or nil where there is none.
func (o *opt[T]) ptr() *T {
	if !o.given || o.null {
		return nil
	}
	return &o.value
}

// orZero gives a pointer to the value, to the zero value for null, or nil where the
// attribute is not given.
func (o *opt[T]) orZero() *T {
	if !o.given {
		return nil
	}
	return &o.value
}

// flag is a boolean, which Neutron also takes as a word or a number.
type flag bool

// UnmarshalJSON reads a boolean in any of its forms.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = flag(truth(strings.Trim(string(b), `"`)))
	return nil
}

func (o *opt[T]) isTrue() bool {
	f, ok := any(o.value).(flag)
	return ok && bool(f)
}

func boolPtr(o opt[flag]) *bool {
	if p := o.ptr(); p != nil {
		b := bool(*p)
		return &b
	}
	return nil
}

// address is an IP address; the empty text and null are none.
type address struct{ netip.Addr }

// UnmarshalJSON reads an address.
func (a *address) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		return err
	}
	ip, err := netip.ParseAddr(s)
	if err != nil || ip.Zone() != "" {
		return badInput("'%s' is not a valid IP address.", s)
	}
	a.Addr = ip.Unmap()
	return nil
}

// prefix is an IP range; a single address is a range of one.
type prefix struct{ netip.Prefix }

// UnmarshalJSON reads a range.
func (p *prefix) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil || s == "" {
		return err
	}
	if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	parsed, err := netip.ParsePrefix(s)
	if err != nil {
		return badInput("'%s' is not a valid IP subnet.", s)
	}
	p.Prefix = parsed
	return nil
}

func badInput(format string, args ...any) error {
	return fault.New(fault.Invalid, "Invalid input. Reason: "+format, args...).WithCode("HTTPBadRequest")
}

func addrs(all []address) []netip.Addr {
	out := make([]netip.Addr, len(all))
	for i, a := range all {
		out[i] = a.Addr
	}
	return out
}

func prefixes(all []prefix) []netip.Prefix {
	out := make([]netip.Prefix, len(all))
	for i, p := range all {
		out[i] = p.Prefix
	}
	return out
}

// routeBody is a static route in a request.
type routeBody struct {
	Destination prefix  `json:"destination"`
	NextHop     address `json:"nexthop"`
}

func routesOf(all []routeBody) []network.Route {
	out := make([]network.Route, len(all))
	for i, r := range all {
		out[i] = network.Route{Destination: r.Destination.Masked(), NextHop: r.NextHop.Addr}
	}
	return out
}

// Views of values.

func routeViews(all []network.Route) []view {
	out := make([]view, len(all))
	for i, r := range all {
		out[i] = view{"destination": r.Destination.String(), "nexthop": r.NextHop.String()}
	}
	return out
}

func addrTexts(all []netip.Addr) []string {
	out := make([]string, len(all))
	for i, a := range all {
		out[i] = a.String()
	}
	return out
}

// orNull shows an address, or null where there is none.
func orNull(a netip.Addr) any {
	if !a.IsValid() {
		return nil
	}
	return a.String()
}

// textOrNull shows a text, or null where it is empty.
func textOrNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func texts(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// timestamp is a time as Neutron shows it.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// standard gives the attributes that all resources have.
func standard(m *network.Meta) view {
	return view{
		"id": m.ID, "project_id": m.ProjectID, "tenant_id": m.ProjectID, "name": m.Name,
		"description": m.Description, "tags": texts(m.Tags), "revision_number": m.Revision,
		"created_at": timestamp(m.CreatedAt), "updated_at": timestamp(m.UpdatedAt),
	}
}

// Schemas of attributes.
const (
	sText    = `{"type":"string"}`
	sName    = `{"type":"string","maxLength":255}`
	sNull    = `{"type":["string","null"]}`
	sFlag    = `{"enum":[true,false,0,1,"0","1","true","false","True","False","TRUE","FALSE"]}`
	sInt     = `{"type":"integer"}`
	sIntNull = `{"type":["integer","null"]}`
	sTexts   = `{"type":"array","items":{"type":"string"},"maxItems":1000}`
	sListNil = `{"type":["array","null"],"items":{"type":"string"},"maxItems":1000}`
	sRoutes  = `{"type":["array","null"],"maxItems":1000,"items":{"type":"object","required":["destination","nexthop"],"additionalProperties":false,"properties":{"destination":{"type":"string"},"nexthop":{"type":"string"}}}}`
)

// attributes are the attributes of a resource that requests may give, with their
// schemas.
type attributes map[string]string

// createSchema is the schema of {"X": {…}} and of {"Xs": [{…}, …]}.
func createSchema(singular, plural string, a attributes, required ...string) string {
	all := attributes{"project_id": sText, "tenant_id": sText, "tags": sTexts}
	for name, schema := range a {
		all[name] = schema
	}
	return fmt.Sprintf(`{"type":"object","minProperties":1,"maxProperties":1,"additionalProperties":false,
		"properties":{%q:{"$ref":"#/$defs/one"},%q:{"type":"array","minItems":1,"maxItems":1000,"items":{"$ref":"#/$defs/one"}}},
		"$defs":{"one":%s}}`, singular, plural, object(all, required))
}

// updateSchema is the schema of {"X": {…}} with what an update may change.
func updateSchema(singular string, a attributes) string {
	return fmt.Sprintf(`{"type":"object","additionalProperties":false,"required":[%q],"properties":{%q:%s}}`,
		singular, singular, object(a, nil))
}

func object(a attributes, required []string) string {
	properties := make(map[string]json.RawMessage, len(a))
	for name, schema := range a {
		properties[name] = json.RawMessage(schema)
	}
	if required == nil {
		required = []string{}
	}
	text, err := json.Marshal(map[string]any{
		"type": "object", "additionalProperties": false, "properties": properties, "required": required,
	})
	if err != nil {
		panic(err) // a schema above is not JSON
	}
	return string(text)
}
