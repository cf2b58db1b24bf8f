package volumeapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// timeFormat is Cinder's: microseconds and no zone.
const timeFormat = "2006-01-02T15:04:05.000000"

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeFormat)
}

// changed is the time of the last change: null for what was never changed.
func changed(created, updated time.Time) any {
	if updated.Equal(created) {
		return nil
	}
	return stamp(updated)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// text is the value of a string that may be null.
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// either is the first string that is there: fields go by a new and an old name.
func either(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

func notNil(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// truth reads a boolean as clients write it in queries.
func truth(s string) bool {
	switch strings.ToLower(s) {
	case "1", "t", "true", "on", "y", "yes":
		return true
	}
	return false
}

// flag is a boolean that may come as a string.
type flag bool

// UnmarshalJSON reads a boolean, or a string or number that stands for one.
func (f *flag) UnmarshalJSON(data []byte) error {
	*f = flag(truth(strings.Trim(string(data), `"`)))
	return nil
}

// number is a whole number that may come as a string.
type number int

// UnmarshalJSON reads a number, or a string of one; null is 0.
func (n *number) UnmarshalJSON(data []byte) error {
	s := strings.Trim(string(bytes.TrimSpace(data)), `"`)
	if s == "null" || s == "" {
		return nil
	}
	i, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return fault.New(fault.Invalid, "Invalid input received: '%s' is not a whole number in range.", s)
	}
	*n = number(i)
	return nil
}

// inner decodes the value of the one key of a body.
func inner[T any](r *httpapi.Request, key string) (T, error) {
	var body map[string]json.RawMessage
	var v T
	if err := r.Decode(&body); err != nil {
		return v, err
	}
	if err := json.Unmarshal(body[key], &v); err != nil {
		if fault.Of(err) == fault.Invalid {
			return v, err
		}
		return v, fault.New(fault.Invalid, "Invalid input received: %s is not of the expected form.", key).Because(err)
	}
	return v, nil
}

// links are the two addresses of a resource.
func links(r *httpapi.Request, collection, id string) []httpapi.Link {
	path := "/" + r.Principal.ProjectID + "/" + collection + "/" + id
	return []httpapi.Link{
		{Rel: "self", Href: r.BaseURL + "/v3" + path},
		{Rel: "bookmark", Href: r.BaseURL + path},
	}
}

// Parts of the schemas of requests.
const (
	sName  = `{"type": ["string", "null"], "maxLength": 255}`
	sID    = `{"type": "string", "minLength": 1, "maxLength": 255}`
	sIDs   = `{"type": ["string", "null"], "maxLength": 255}`
	sMeta  = `{"type": "object", "additionalProperties": {"type": "string", "maxLength": 255}, "propertyNames": {"minLength": 1, "maxLength": 255}}`
	sMetas = `{"type": ["object", "null"], "additionalProperties": {"type": "string", "maxLength": 255}, "propertyNames": {"minLength": 1, "maxLength": 255}}`
	sFlag  = `{"enum": [true, false, 0, 1, "0", "1", "t", "f", "T", "F", "true", "false", "True", "False", "TRUE", "FALSE", "on", "off", "On", "Off", "ON", "OFF", "y", "n", "Y", "N", "yes", "no", "Yes", "No", "YES", "NO"]}`
	sFlags = `{"anyOf": [{"type": "null"}, ` + sFlag + `]}`
	sSize  = `{"type": ["integer", "string"], "minimum": 1, "maximum": 2147483647, "pattern": "^[0-9]+$", "maxLength": 10}`
	sAny   = `{"type": ["object", "null", "string"]}`
)

// object is the schema of a body with one key; rest says what more there may be in
// its value.
func object(key, properties, required string, rest bool) string {
	s := `{"type": "object", "required": ["` + key + `"], "additionalProperties": false, "properties": {"` + key +
		`": {"type": "object", "properties": {` + properties + `}, "required": [` + required + `]`
	if !rest {
		s += `, "additionalProperties": false`
	}
	return s + `}}}`
}

// one is a list of one schema.
func one(schema string) []httpapi.Schema { return []httpapi.Schema{{JSON: schema}} }

// action is the schema of an action whose value is not looked at.
func action(key string) []httpapi.Schema {
	return one(`{"type": "object", "required": ["` + key + `"], "properties": {"` + key + `": ` + sAny + `}}`)
}
