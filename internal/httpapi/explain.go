package httpapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxShown bounds how much of a wrong value an error shows.
const maxShown = 256

// InvalidBody says what a schema has against a body: one thing, the nearest to the
// top. Dialects write it in their service's words.
type InvalidBody struct {
	Path    []string // to the wrong value; empty for the body itself
	Value   string   // the wrong value as Python writes it, shortened, without secrets
	Reason  string   // what is wrong, as Python's jsonschema says it
	Missing string   // the property that is required and not there
	Unknown []string // the properties that are there and not allowed
}

// Error tells it without the value, which may be a secret: for logs.
func (e *InvalidBody) Error() string {
	return "the body is not valid at /" + strings.Join(e.Path, "/")
}

// Unwrap makes it a fault.Invalid.
func (e *InvalidBody) Unwrap() error { return fault.Invalid }

// explain picks from what a schema has against a body.
func explain(err error, body any) error {
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		return err
	}
	leaves := causes(invalid, nil)
	first := slices.MinFunc(leaves, compareCauses)
	e := &InvalidBody{Path: first.InstanceLocation}
	value := mask(at(body, e.Path), e.Path)
	e.Value = clip(python(value), maxShown)
	e.Reason = reason(first.ErrorKind, value)
	switch k := first.ErrorKind.(type) {
	case *kind.Required:
		e.Missing = slices.Min(k.Missing)
	case *kind.AdditionalProperties:
		e.Unknown = slices.Sorted(slices.Values(k.Properties))
	}
	return e
}

// causes lists the errors that say something themselves. Of alternatives, none of
// which fits, only that none fits is said.
func causes(e *jsonschema.ValidationError, found []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf, *kind.OneOf, *kind.Not:
		return append(found, e)
	}
	if len(e.Causes) == 0 {
		return append(found, e)
	}
	for _, c := range e.Causes {
		found = causes(c, found)
	}
	return found
}

// compareCauses orders errors: near the top first, then by place and keyword, so
// that the same body always gets the same answer.
func compareCauses(a, b *jsonschema.ValidationError) int {
	if d := len(a.InstanceLocation) - len(b.InstanceLocation); d != 0 {
		return d
	}
	if d := slices.Compare(a.InstanceLocation, b.InstanceLocation); d != 0 {
		return d
	}
	return slices.Compare(a.ErrorKind.KeywordPath(), b.ErrorKind.KeywordPath())
}

// at gives the value at a path in a body.
func at(v any, path []string) any {
	for _, step := range path {
		switch c := v.(type) {
		case map[string]any:
			v = c[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(c) {
				return nil
			}
			v = c[i]
		}
	}
	return v
}

// reason writes an error as Python's jsonschema does, since the services show its
// words to their users.
func reason(k jsonschema.ErrorKind, value any) string {
	shown := clip(python(value), maxShown)
	switch k := k.(type) {
	case *kind.Required:
		return fmt.Sprintf("'%s' is a required property", slices.Min(k.Missing))
	case *kind.AdditionalProperties:
		return unexpected(slices.Sorted(slices.Values(k.Properties)))
	case *kind.Type:
		return shown + " is not of type '" + strings.Join(k.Want, "', '") + "'"
	case *kind.Enum:
		return shown + " is not one of " + python(k.Want)
	case *kind.Const:
		return python(k.Want) + " was expected"
	case *kind.Pattern:
		return shown + " does not match '" + k.Want + "'"
	case *kind.Format:
		return shown + " is not a '" + k.Want + "'"
	case *kind.AnyOf, *kind.OneOf:
		return shown + " is not valid under any of the given schemas"
	case *kind.MinLength, *kind.MinItems:
		return shown + " is too short"
	case *kind.MaxLength, *kind.MaxItems:
		return shown + " is too long"
	case *kind.MinProperties:
		return shown + " does not have enough properties"
	case *kind.MaxProperties:
		return shown + " has too many properties"
	case *kind.UniqueItems:
		return shown + " has non-unique elements"
	case *kind.Minimum:
		return shown + " is less than the minimum of " + k.Want.RatString()
	case *kind.Maximum:
		return shown + " is greater than the maximum of " + k.Want.RatString()
	}
	return k.LocalizedString(message.NewPrinter(language.English))
}

// unexpected lists properties that are not allowed.
func unexpected(names []string) string {
	were := "was"
	if len(names) > 1 {
		were = "were"
	}
	return "Additional properties are not allowed ('" + clip(strings.Join(names, "', '"), maxShown) + "' " + were + " unexpected)"
}

// python writes a value as Python prints it.
func python(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return "'" + v + "'"
	case json.Number:
		return v.String()
	case []any:
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = python(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, "'"+name+"': "+python(v[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}
