package matrix_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// minimal returns a body that a route's schema should accept, with as little in it as it
// asks for: enough to come to the decision. Where it is not, the tables have a body.
func minimal(r httpapi.Route, v httpapi.Version) string {
	for _, s := range r.Body {
		if v != (httpapi.Version{}) && !v.AtLeast(s.Min.Major, s.Min.Minor) {
			continue
		}
		var schema map[string]any
		if json.Unmarshal([]byte(s.JSON), &schema) != nil {
			return ""
		}
		root := schema
		text, err := json.Marshal(example(root, schema))
		if err != nil {
			return ""
		}
		return string(text)
	}
	return ""
}

// example makes a value of a schema. root is where references begin.
func example(root, s map[string]any) any {
	if ref, ok := s["$ref"].(string); ok {
		return example(root, lookup(root, ref))
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if list, ok := s["enum"].([]any); ok && len(list) > 0 {
		return list[0]
	}
	for _, word := range []string{"oneOf", "anyOf", "allOf"} {
		if list, ok := s[word].([]any); ok && len(list) > 0 && s["properties"] == nil {
			first, _ := list[0].(map[string]any)
			return example(root, first)
		}
	}
	switch typeOf(s) {
	case "object":
		return exampleObject(root, s)
	case "array":
		list := []any{}
		items, _ := s["items"].(map[string]any)
		if number(s["minItems"]) > 0 && items != nil {
			list = append(list, example(root, items))
		}
		return list
	case "integer", "number":
		return max(number(s["minimum"]), 1)
	case "boolean":
		return true
	case "string":
		return exampleText(s)
	}
	return nil
}

// exampleObject has the properties that are required, or one if any number of them is.
func exampleObject(root, s map[string]any) map[string]any {
	o := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	if len(required) == 0 && number(s["minProperties"]) > 0 {
		for name := range properties {
			required = append(required, name)
		}
		slices.SortFunc(required, func(a, b any) int { return strings.Compare(a.(string), b.(string)) })
		required = required[:min(1, len(required))]
	}
	for _, name := range required {
		property, _ := properties[name.(string)].(map[string]any)
		o[name.(string)] = example(root, property)
	}
	return o
}

// exampleText has the form that is asked for.
func exampleText(s map[string]any) string {
	switch s["format"] {
	case "uuid":
		return "00000000-0000-4000-8000-000000000000"
	case "cidr":
		return "192.0.2.0/24"
	case "ipv4":
		return "192.0.2.1"
	case "mac":
		return "fa:16:3e:00:00:01"
	case "uri":
		return "http://example.org/"
	case "date-time":
		return "2031-01-01T00:00:00Z"
	}
	return "matrix"
}

func typeOf(s map[string]any) string {
	switch t := s["type"].(type) {
	case string:
		return t
	case []any:
		first, _ := t[0].(string)
		return first
	}
	if s["properties"] != nil || s["required"] != nil {
		return "object"
	}
	return ""
}

func number(v any) float64 {
	n, _ := v.(float64)
	return n
}

// lookup follows a reference inside of a schema: "#/$defs/name".
func lookup(root map[string]any, ref string) map[string]any {
	at := root
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at, _ = at[step].(map[string]any)
	}
	return at
}
