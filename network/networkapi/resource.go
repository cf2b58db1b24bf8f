package networkapi

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// view is a resource as clients see it.
type view map[string]any

// resource says how one kind of resource is served. All kinds have the same five
// routes; a nil function leaves its route out.
type resource[T any] struct {
	singular string // "security_group": in bodies and in rules
	plural   string // "security_groups"
	path     string // "security-groups"
	id       string // the name of the segment in paths: "security_group_id"

	get    func(ctx context.Context, id string) (T, error)
	list   func(ctx context.Context, q url.Values) ([]T, error)
	create func(ctx context.Context, project string, body json.RawMessage) (T, error)
	update func(ctx context.Context, old T, body json.RawMessage) (T, error)
	remove func(ctx context.Context, id string) error
	// removeFor is remove where it depends on who asks.
	removeFor func(ctx context.Context, r *httpapi.Request, id string) error

	view   func(ctx context.Context, t T) view
	target func(ctx context.Context, t T) policy.Target
	// parent adds to the target of a creation what the rules ask of the resource
	// that the new one is going to belong to.
	parent func(ctx context.Context, body json.RawMessage, target policy.Target) error
	// check refuses a body that names what the caller may not see.
	check func(ctx context.Context, r *httpapi.Request, body json.RawMessage) error
	// hidden are attributes that are shown only where the rule "get_X:ATTRIBUTE"
	// allows it.
	hidden []string
	// filters are attributes that lists may be filtered by though they are not
	// shown.
	filters []string
	// defaults are attributes that anybody may give with this value.
	defaults map[string]any

	createSchema, updateSchema string
}

func (x *resource[T]) routes() []httpapi.Route {
	all := "/v2.0/" + x.path
	one := all + "/{" + x.id + "}"
	var routes []httpapi.Route
	if x.list != nil {
		// The rule decides of each element whether it is listed, as in Neutron:
		// who may see none gets an empty list.
		routes = append(routes, httpapi.Route{Method: "GET", Path: all, Policy: "get_" + x.singular, EachItem: true, Handle: x.handleList})
	}
	if x.get != nil {
		routes = append(routes, httpapi.Route{Method: "GET", Path: one, Policy: "get_" + x.singular, Target: x.load, Handle: x.handleShow})
	}
	if x.create != nil {
		routes = append(routes, httpapi.Route{
			Method: "POST", Path: all, Policy: "create_" + x.singular, Target: x.mayCreate, Status: 201,
			Body: []httpapi.Schema{{JSON: x.createSchema}}, Handle: x.handleCreate,
		})
	}
	if x.update != nil {
		routes = append(routes, httpapi.Route{
			Method: "PUT", Path: one, Policy: "update_" + x.singular, Target: x.mayUpdate,
			Body: []httpapi.Schema{{JSON: x.updateSchema}}, Handle: x.handleUpdate,
		})
	}
	if x.remove != nil {
		routes = append(routes, httpapi.Route{
			Method: "DELETE", Path: one, Policy: "delete_" + x.singular, Target: x.load, Status: 204, Handle: x.handleDelete,
		})
	}
	return routes
}

// load finds the resource of a path. What the caller may not see is not there.
func (x *resource[T]) load(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	t, err := x.get(ctx, r.Path(x.id))
	if err != nil {
		return nil, err
	}
	target := x.target(ctx, t)
	if !r.May("get_"+x.singular, target) {
		return nil, x.absent(r.Path(x.id))
	}
	r.Keep(t)
	return target, nil
}

// absent is the error of a resource that is not there, in the words of the service: who
// may not see one must not be able to tell.
func (x *resource[T]) absent(id string) error {
	noun := strings.ReplaceAll(x.singular, "_", " ")
	switch noun {
	case "floatingip":
		noun = "floating ip"
	case "subnetpool":
		noun = "subnet pool"
	case "address scope": // without a full stop
		return &fault.Error{
			Kind: fault.NotFound, Code: "AddressScopeNotFound", Message: "Address scope " + id + " could not be found",
		}
	}
	return fault.Missing(noun, id)
}

func (x *resource[T]) handleShow(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	t := httpapi.Kept[T](r)
	v := x.shown(ctx, r, t, x.view(ctx, t))
	return httpapi.OK(view{x.singular: pick(v, r.Query()["fields"])}), nil
}

func (x *resource[T]) handleDelete(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if x.removeFor != nil {
		return httpapi.Empty(), x.removeFor(ctx, r, r.Path(x.id))
	}
	return httpapi.Empty(), x.remove(ctx, r.Path(x.id))
}

// shown takes from a view what the caller may not see.
func (x *resource[T]) shown(ctx context.Context, r *httpapi.Request, t T, v view) view {
	var target policy.Target
	for _, attribute := range x.hidden {
		if target == nil {
			target = x.target(ctx, t)
		}
		if !r.May("get_"+x.singular+":"+attribute, target) {
			delete(v, attribute)
		}
	}
	return v
}

// creation is one object of a request to create.
type creation struct {
	project string
	body    json.RawMessage
}

// creations splits the body of a request to create, of one or of many.
func (x *resource[T]) creations(r *httpapi.Request) (all []creation, many bool, err error) {
	var body map[string]json.RawMessage
	if err := r.Decode(&body); err != nil {
		return nil, false, err
	}
	bodies := []json.RawMessage{body[x.singular]}
	if list, ok := body[x.plural]; ok {
		many = true
		if err := json.Unmarshal(list, &bodies); err != nil {
			return nil, false, err
		}
	}
	for _, b := range bodies {
		var owner struct {
			ProjectID *string `json:"project_id"`
			TenantID  *string `json:"tenant_id"`
		}
		if err := json.Unmarshal(b, &owner); err != nil {
			return nil, false, err
		}
		project := r.Principal.ProjectID
		for _, given := range []*string{owner.TenantID, owner.ProjectID} {
			if given != nil {
				project = *given
			}
		}
		if project != r.Principal.ProjectID && !r.May("context_is_admin", nil) {
			return nil, false, fault.New(fault.Invalid,
				"Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges").WithCode("HTTPBadRequest")
		}
		all = append(all, creation{project, b})
	}
	return all, many, nil
}

// mayCreate checks each object of a request to create and each attribute of it.
func (x *resource[T]) mayCreate(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	all, _, err := x.creations(r)
	if err != nil {
		return nil, err
	}
	var target policy.Target
	for _, c := range all {
		target = policy.Target{"project_id": c.project, "tenant_id": c.project}
		if x.parent != nil {
			if err := x.parent(ctx, c.body, target); err != nil {
				return nil, err
			}
		}
		if err := r.Policy.Check(service, "create_"+x.singular, r.Principal, target); err != nil {
			return nil, err
		}
		if err := x.mayGive(r, "create_"+x.singular, c.body, target, x.defaults); err != nil {
			return nil, err
		}
		if err := x.refers(ctx, r, c.body); err != nil {
			return nil, err
		}
	}
	return target, nil
}

func (x *resource[T]) mayUpdate(ctx context.Context, r *httpapi.Request) (policy.Target, error) {
	target, err := x.load(ctx, r)
	if err != nil {
		return nil, err
	}
	body, err := x.object(r)
	if err != nil {
		return nil, err
	}
	if err := r.Policy.Check(service, "update_"+x.singular, r.Principal, target); err != nil {
		return nil, err
	}
	if err := x.mayGive(r, "update_"+x.singular, body, target, nil); err != nil {
		return nil, err
	}
	return target, x.refers(ctx, r, body)
}

func (x *resource[T]) refers(ctx context.Context, r *httpapi.Request, body json.RawMessage) error {
	if x.check == nil {
		return nil
	}
	return x.check(ctx, r, body)
}

func (x *resource[T]) object(r *httpapi.Request) (json.RawMessage, error) {
	var body map[string]json.RawMessage
	err := r.Decode(&body)
	return body[x.singular], err
}

// mayGive checks the rules of the attributes that a request gives, and of the parts
// of those that are objects or lists of objects.
func (x *resource[T]) mayGive(r *httpapi.Request, rule string, body json.RawMessage, target policy.Target, defaults map[string]any) error {
	var given map[string]any
	if err := json.Unmarshal(body, &given); err != nil {
		return err
	}
	if owner, ok := given["device_owner"].(string); ok {
		target["device_owner"] = owner
	}
	for name, value := range given {
		if def, ok := defaults[name]; ok && reflect.DeepEqual(def, value) {
			continue
		}
		for _, rule := range append(parts(rule+":"+name, value), rule+":"+name) {
			if !r.Policy.Has(service, rule) {
				continue
			}
			if err := r.Policy.Check(service, rule, r.Principal, target); err != nil {
				return err
			}
		}
	}
	return nil
}

// parts gives the rules of the parts of an attribute's value.
func parts(rule string, value any) []string {
	var rules []string
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			rules = append(rules, rule+":"+name)
		}
	case []any:
		for _, element := range v {
			rules = append(rules, parts(rule, element)...)
		}
	}
	return rules
}

// handleCreate makes one resource, or many: then all or none.
func (x *resource[T]) handleCreate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	all, many, err := x.creations(r)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.project == "" { // a rule may let in who has no project
			return nil, fault.New(fault.Invalid, "project_id or tenant_id is required, as the token is for no project.").WithCode("HTTPBadRequest")
		}
	}
	views := make([]view, 0, len(all))
	var made []string
	for _, c := range all {
		t, err := x.create(ctx, c.project, c.body)
		if err != nil {
			return nil, x.undo(ctx, made, err)
		}
		v := x.view(ctx, t)
		id, _ := v["id"].(string)
		made = append(made, id)
		views = append(views, x.shown(ctx, r, t, v))
	}
	if many {
		return httpapi.OK(view{x.plural: views}), nil
	}
	return httpapi.OK(view{x.singular: views[0]}), nil
}

// undo removes what a creation of many has made before it failed.
func (x *resource[T]) undo(ctx context.Context, made []string, err error) error {
	for _, id := range slices.Backward(made) {
		if x.remove != nil && x.remove(context.WithoutCancel(ctx), id) != nil {
			break
		}
	}
	return err
}

func (x *resource[T]) handleUpdate(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, err := x.object(r)
	if err != nil {
		return nil, err
	}
	t, err := x.update(ctx, httpapi.Kept[T](r), body)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(view{x.singular: x.shown(ctx, r, t, x.view(ctx, t))}), nil
}

// decode reads the attributes of an object.
func decode[T any](body json.RawMessage) (T, error) {
	var t T
	d := json.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&t); err != nil {
		if fault.Of(err) != fault.Internal {
			return t, err
		}
		return t, fault.New(fault.Invalid, "Invalid input. Reason: the body is not of the expected form.").Because(err)
	}
	return t, nil
}
