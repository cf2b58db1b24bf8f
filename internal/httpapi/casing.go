package httpapi

import (
	"maps"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// misspelt refuses a name in a body that differs from a property of the schema by the
// case of its letters only. To the schema it is another property, but encoding/json
// takes it for the same one: it would pass unchecked, and take the place of the other
// for those who read the body into a struct, but not for those who read it into a map.
func misspelt(schema *jsonschema.Schema, v any, path []string) *InvalidBody {
	alternatives := flatten(schema, nil)
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			properties, like := property(alternatives, name)
			if like {
				return &InvalidBody{
					Path: path, Value: clip(python(mask(v, path)), maxShown), Unknown: []string{name},
					Reason: unexpected([]string{name}),
				}
			}
			for _, p := range properties {
				if e := misspelt(p, v[name], append(path[:len(path):len(path)], name)); e != nil {
					return e
				}
			}
		}
	case []any:
		for _, s := range alternatives {
			if s.Items2020 == nil {
				continue
			}
			for _, item := range v {
				if e := misspelt(s.Items2020, item, path); e != nil {
					return e
				}
			}
		}
	}
	return nil
}

// property returns the schemas of a name, and whether it has none but is like one that
// has.
func property(alternatives []*jsonschema.Schema, name string) (found []*jsonschema.Schema, like bool) {
	for _, s := range alternatives {
		if p := s.Properties[name]; p != nil {
			found = append(found, p)
		}
	}
	if found != nil {
		return found, false
	}
	for _, s := range alternatives {
		for known := range s.Properties {
			if strings.EqualFold(known, name) {
				return nil, true
			}
		}
	}
	return nil, false
}

// flatten adds a schema with all that say something of the same value.
func flatten(s *jsonschema.Schema, all []*jsonschema.Schema) []*jsonschema.Schema {
	if s == nil {
		return all
	}
	all = append(all, s)
	for _, group := range [][]*jsonschema.Schema{{s.Ref, s.Then, s.Else}, s.AllOf, s.AnyOf, s.OneOf} {
		for _, part := range group {
			all = flatten(part, all)
		}
	}
	return all
}
