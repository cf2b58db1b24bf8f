package identityapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// object is a JSON object in an answer.
type object = map[string]any

// The forms of times in bodies.
const (
	timeForm      = "2006-01-02T15:04:05.000000Z" // of tokens and trusts
	naiveTimeForm = "2006-01-02T15:04:05.000000"  // of passwords and application credentials
)

// attributes are the JSON names of a struct's fields: the known ones of a resource.
func attributes(v any) []string {
	t := reflect.TypeOf(v).Elem()
	var names []string
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// read reads the object called name of the body into v, a pointer. What a rule is
// checked against and what the handler works with are read by it alike: otherwise a
// body could show the one something else than the other.
func read(r *httpapi.Request, name string, v any) error {
	var outer map[string]json.RawMessage
	if err := r.Decode(&outer); err != nil {
		return err
	}
	if err := json.Unmarshal(outer[name], v); err != nil {
		return fault.New(fault.Invalid, "The %s in the request body is not of the expected form.", name).Because(err)
	}
	return nil
}

// decode is read for a struct, and returns the attributes that it does not know.
func decode(r *httpapi.Request, name string, v any) (identity.Attributes, error) {
	var all identity.Attributes
	err := read(r, name, v)
	if err == nil {
		err = read(r, name, &all)
	}
	if err != nil {
		return nil, err
	}
	if r.HTTP.Method == http.MethodPatch && len(all) == 0 {
		return nil, fault.New(fault.Invalid, "Invalid input for field '%s': {} does not have enough properties", name)
	}
	for _, known := range append(attributes(v), "id", "links") {
		delete(all, known)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// with returns o with further attributes, which do not replace its own.
func with(o object, extra identity.Attributes) object {
	for k, v := range extra {
		if _, own := o[k]; !own {
			o[k] = v
		}
	}
	return o
}

// optional sets an attribute if it has a value.
func optional(o object, name, value string) {
	if value != "" {
		o[name] = value
	}
}

// nullable is a value that is null when empty.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// options are a resource's options, never null.
func options(o identity.Attributes) any {
	if o == nil {
		return object{}
	}
	return o
}

// timeOrNull is a time in a form, or null.
func timeOrNull(t *time.Time, form string) any {
	if t == nil {
		return nil
	}
	return t.UTC().Format(form)
}

// self is the link of a resource to itself.
func self(r *httpapi.Request, path ...string) object {
	for i := range path {
		path[i] = url.PathEscape(path[i])
	}
	return object{"self": r.BaseURL + "/v3/" + strings.Join(path, "/")}
}

// listLinks are the links of a list that has no further page.
func listLinks(r *httpapi.Request) object {
	link := r.BaseURL + "/v3/" + strings.TrimPrefix(below(r), "/v3/")
	if q := r.HTTP.URL.RawQuery; q != "" {
		link += "?" + q
	}
	return object{"self": link, "next": nil, "previous": nil}
}

// below is the path of a request from its version on.
func below(r *httpapi.Request) string {
	path := r.HTTP.URL.EscapedPath()
	if i := strings.Index(path, "/v3"); i >= 0 {
		return path[i:]
	}
	return path
}

// one answers with a resource under its name.
func one(name string, o object) *httpapi.Response { return httpapi.OK(object{name: o}) }

// flag reads a query that is set by being there: "effective", "effective=true".
func flag(q url.Values, name string) bool {
	values, there := q[name]
	if !there {
		return false
	}
	return !slices.Contains([]string{"0", "false", "no", "off"}, strings.ToLower(values[0]))
}

// maybe is flag for a query that narrows only if it is there.
func maybe(q url.Values, name string) *bool {
	if !q.Has(name) {
		return nil
	}
	b := flag(q, name)
	return &b
}

// merge returns a target with the attributes of others.
func merge[M ~map[string]string](all ...M) M {
	target := M{}
	for _, m := range all {
		maps.Copy(target, m)
	}
	return target
}

// route is a line of the route table with a rule.
func route(method, path, rule string, target targetFunc, handle httpapi.Handler) httpapi.Route {
	status := 0
	switch method {
	case http.MethodGet:
		handle = paged(handle)
	case http.MethodPost:
		status = http.StatusCreated
	case http.MethodDelete:
		status = http.StatusNoContent
	}
	return httpapi.Route{
		Method: method, Path: path, Policy: "identity:" + rule,
		Target: target, Handle: handle, Status: status,
	}
}

// withBody is route for one that takes a body.
func withBody(method, path, rule, schema string, target targetFunc, handle httpapi.Handler) httpapi.Route {
	if method == http.MethodPatch {
		handle = fixedID(path, handle)
	}
	line := route(method, path, rule, target, handle)
	line.Body = []httpapi.Schema{{JSON: schema}}
	return line
}

// fixedID refuses a body that gives the resource of the path another id.
func fixedID(path string, handle httpapi.Handler) httpapi.Handler {
	param := strings.Trim(path[strings.LastIndex(path, "/")+1:], "{}")
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		var body map[string]json.RawMessage
		if err := r.Decode(&body); err != nil {
			return nil, err
		}
		for _, raw := range body {
			var resource struct {
				ID any `json:"id"`
			}
			if json.Unmarshal(raw, &resource) == nil && resource.ID != nil && resource.ID != r.Path(param) {
				return nil, fault.New(fault.Invalid, "Cannot change ID")
			}
		}
		return handle(ctx, r)
	}
}

// choose returns a route for whose requests a function picks the rule: that of the
// route or one of the others.
func choose(line httpapi.Route, rule func(context.Context, *httpapi.Request) string, others ...string) httpapi.Route {
	line.Choose = rule
	for _, name := range others {
		line.Also = append(line.Also, "identity:"+name)
	}
	return line
}

// status returns a route with another status of success.
func status(code int, line httpapi.Route) httpapi.Route {
	line.Status = code
	return line
}

// isNull reports whether an attribute of the body is there and null.
func isNull(r *httpapi.Request, name, attribute string) bool {
	var body map[string]map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return false
	}
	return string(body[name][attribute]) == "null"
}
