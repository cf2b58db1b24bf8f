package imageapi

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"mime"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// Media types of an image's update. The older one has no difference that matters here.
const (
	patchType20 = "application/openstack-images-v2.0-json-patch"
	patchType21 = "application/openstack-images-v2.1-json-patch"
)

// maxPatch bounds the body of an update.
const maxPatch = 1 << 20

// change is one operation of a JSON patch on an image: the path is one property, or
// an item of tags.
type change struct {
	Op    string          `json:"op"`
	Path  string          `json:"path"`
	Value json.RawMessage `json:"value"`
	// The first draft of JSON patch, which the v2.0 type means, named the
	// operation by its key.
	Add     *string `json:"add"`
	Replace *string `json:"replace"`
	Remove  *string `json:"remove"`
}

func (a *api) patch(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	changes, err := readPatch(r)
	if err != nil {
		return nil, err
	}
	img := httpapi.Kept[image.Image](r)
	opts, err := updateOf(img, changes)
	if err != nil {
		return nil, err
	}
	if opts.Visibility != nil {
		if err := a.mayShow(r, *opts.Visibility, policy.Target{"project_id": img.ProjectID}); err != nil {
			return nil, err
		}
	}
	if opts.ProjectID != nil && !r.IsAdmin() {
		return nil, fault.New(fault.Forbidden, "You are not permitted to change the owner of an image.")
	}
	img, err = a.svc.UpdateImage(ctx, img.ID, opts)
	if err != nil {
		return nil, err
	}
	return httpapi.OK(view(img)), nil
}

func readPatch(r *httpapi.Request) ([]change, error) {
	kind, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type"))
	if kind != patchType20 && kind != patchType21 {
		return nil, fault.New(fault.Invalid, "The content type must be %s.", patchType21).WithCode("UnsupportedMediaType")
	}
	raw, err := io.ReadAll(io.LimitReader(r.Raw(), maxPatch+1))
	if err != nil {
		return nil, err
	}
	if len(raw) > maxPatch {
		return nil, fault.New(fault.TooLarge, "The request body is too large.")
	}
	var changes []change
	if err := json.Unmarshal(raw, &changes); err != nil {
		return nil, fault.New(fault.Invalid, "Request body must be a JSON array of operation objects.")
	}
	for i := range changes {
		changes[i].normalise()
	}
	return changes, nil
}

// normalise turns the draft's form into the present one.
func (c *change) normalise() {
	for op, path := range map[string]*string{"add": c.Add, "replace": c.Replace, "remove": c.Remove} {
		if path != nil && c.Op == "" {
			c.Op, c.Path = op, *path
		}
	}
}

// updateOf turns the operations into what the service takes. The operations of one
// patch see each other's effects on properties and tags.
func updateOf(img image.Image, changes []change) (image.UpdateOptions, error) {
	u := update{
		opts:  image.UpdateOptions{Properties: map[string]*string{}},
		props: maps.Clone(img.Properties), tags: slices.Clone(img.Tags),
	}
	if u.props == nil {
		u.props = map[string]string{}
	}
	for _, c := range changes {
		name, err := pointer(c.Path)
		if err != nil {
			return u.opts, err
		}
		if err := u.apply(c, name); err != nil {
			return u.opts, err
		}
	}
	return u.opts, nil
}

// pointer decodes a JSON pointer of one step, or of two into tags.
func pointer(p string) (string, error) {
	name, ok := strings.CutPrefix(p, "/")
	if !ok {
		return "", fault.New(fault.Invalid, "Pointer `%s` does not start with \"/\".", p)
	}
	if name == "" || strings.Contains(name, "/") && !strings.HasPrefix(name, "tags/") {
		return "", fault.New(fault.Invalid, "Pointer `%s` is not to a property of an image.", p)
	}
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~"), nil
}

// update gathers the effect of a patch.
type update struct {
	opts  image.UpdateOptions
	props map[string]string
	tags  []string
}

func (u *update) apply(c change, name string) error {
	if !slices.Contains([]string{"add", "replace", "remove"}, c.Op) {
		return fault.New(fault.Invalid, "Operations must be one of add, replace, remove.")
	}
	if slices.Contains(readOnly[:], name) || name == "id" {
		return fault.New(fault.Forbidden, "Attribute '%s' is read-only.", name)
	}
	if strings.HasPrefix(name, "tags/") {
		return u.applyTag(c)
	}
	if !slices.Contains(base[:], name) {
		return u.applyProperty(c, name)
	}
	if c.Op == "remove" {
		return fault.New(fault.Forbidden, "Property %s may not be removed.", name)
	}
	return u.applyBase(name, c.Value)
}

func (u *update) applyProperty(c change, name string) error {
	_, there := u.props[name]
	if c.Op != "add" && !there {
		return fault.New(fault.Conflict, "Property %s does not exist.", name)
	}
	if c.Op == "remove" {
		delete(u.props, name)
		u.opts.Properties[name] = nil
		return nil
	}
	var v string
	if err := into(&v, name, c.Value); err != nil {
		return err
	}
	u.props[name] = v
	u.opts.Properties[name] = &v
	return nil
}

// applyTag handles "/tags/-", the one way in which clients add a single tag.
func (u *update) applyTag(c change) error {
	var v string
	if c.Op != "add" {
		return fault.New(fault.Invalid, "Tags are replaced as a whole, or added.")
	}
	if err := into(&v, "tags", c.Value); err != nil {
		return err
	}
	u.tags = append(u.tags, v)
	u.opts.Tags = &u.tags
	return nil
}

func (u *update) applyBase(name string, raw json.RawMessage) error {
	o := &u.opts
	switch name {
	case "name":
		return nullable(&o.Name, name, raw)
	case "owner":
		return nullable(&o.ProjectID, name, raw)
	case "disk_format":
		return nullable(&o.DiskFormat, name, raw)
	case "container_format":
		return nullable(&o.ContainerFormat, name, raw)
	case "visibility":
		return required(&o.Visibility, name, raw)
	case "protected":
		return required(&o.Protected, name, raw)
	case "os_hidden":
		return required(&o.Hidden, name, raw)
	case "min_disk":
		return required(&o.MinDiskGiB, name, raw)
	case "min_ram":
		return required(&o.MinRAMMiB, name, raw)
	}
	if err := into(&u.tags, name, raw); err != nil {
		return err
	}
	o.Tags = &u.tags
	return nil
}

func into(v any, name string, raw json.RawMessage) error {
	if len(raw) == 0 || string(raw) == "null" {
		return fault.New(fault.Invalid, "The operation on %s needs a value.", name)
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.New(fault.Invalid, "Provided object does not match schema 'image': the value of %s has the wrong type.", name)
	}
	return nil
}

func required[T any](field **T, name string, raw json.RawMessage) error {
	var v T
	if err := into(&v, name, raw); err != nil {
		return err
	}
	*field = &v
	return nil
}

func nullable(field **string, name string, raw json.RawMessage) error {
	if string(raw) == "null" {
		*field = new(string)
		return nil
	}
	return required(field, name, raw)
}
