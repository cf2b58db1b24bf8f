package httpapi_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// A name that encoding/json takes for a property of the schema, but the schema does
// not, would be read unchecked.
func TestNamesThatDifferByTheirCaseOnly(t *testing.T) {
	const schema = `{"type": "object", "properties": {
		"thing": {"type": "object", "properties": {
			"size": {"type": "integer"},
			"metadata": {"type": "object"},
			"parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
			"place": {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"rack": {"type": "integer"}}}]}}}},
		"$defs": {"part": {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}}}}`
	h := httpapi.New(httpapi.API{Service: "identity", Dialect: httpapi.Keystone{}, Routes: []httpapi.Route{{
		Method: "POST", Path: "/v3/things", Public: true, Body: []httpapi.Schema{{JSON: schema}},
		Handle: func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return httpapi.OK("taken"), nil },
	}}}, options(t, io.Discard))
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{`{"thing": {"size": 1, "colour": "red", "parts": [{"kind": "a", "other": 1}], "place": {"rack": 1}}, "more": {}}`, 200, "taken"},
		{`{"thing": {"metadata": {"Name": "x", "name": "y", "Size": "z"}}}`, 200, "taken"},
		{`{"Thing": {"size": "huge"}}`, 400, "('Thing' was unexpected)"},
		{`{"thing": {}, "THING": {}}`, 400, "('THING' was unexpected)"},
		{`{"thing": {"Size": "huge"}}`, 400, "('Size' was unexpected)"},
		{`{"thing": {"\u017fize": "huge"}}`, 400, "was unexpected)"}, // a long s, which folds to s
		{`{"thing": {"parts": [{"kind": "a"}, {"Kind": "c"}]}}`, 400, "('Kind' was unexpected)"},
		{`{"thing": {"parts": [{"\u212aind": "c"}]}}`, 400, "was unexpected)"}, // the sign for Kelvin
		{`{"thing": {"place": {"Rack": "low"}}}`, 400, "('Rack' was unexpected)"},
	} {
		a := ask(t, h, "POST /v3/things", c.body)
		require.Equal(t, c.status, a.StatusCode, c.body)
		require.Contains(t, a.body, c.want, c.body)
	}
}
