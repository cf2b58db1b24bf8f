package imageapi

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/image"
	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// Sizes of a page of images: Glance's limit_param_default and api_limit_max.
const (
	defaultPage = 25
	maxPage     = 1000
)

// filterOf turns the query of a list into a filter. A key that is not known filters
// by a property of that name.
func filterOf(r *httpapi.Request) (image.Filter, error) {
	f := image.Filter{Viewer: r.Principal.ProjectID, Properties: map[string]string{}}
	if r.IsAdmin() {
		f.Viewer = ""
	}
	for key, values := range r.Query() {
		for _, v := range values {
			if err := addFilter(&f, key, v); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

func addFilter(f *image.Filter, key, v string) error {
	var err error
	switch key {
	case "limit", "marker", "sort", "sort_key", "sort_dir":
	case "name":
		if rest, ok := strings.CutPrefix(v, "in:"); ok {
			f.Names = strings.Split(rest, ",")
		} else {
			f.Name = v
		}
	case "owner":
		f.Owner = v
	case "status":
		if rest, ok := strings.CutPrefix(v, "in:"); ok {
			return either(f, func(i *image.Image) string { return string(i.Status) }, rest)
		}
		f.Status = image.Status(v)
	case "visibility":
		if !slices.Contains([]string{"public", "private", "shared", "community", "all"}, v) {
			return fault.New(fault.Invalid, "Invalid visibility value: %s", v)
		}
		f.Visibility = v
	case "member_status":
		if !slices.Contains([]string{"pending", "accepted", "rejected", "all"}, v) {
			return fault.New(fault.Invalid, "Invalid member status: %s", v)
		}
		f.MemberStatus = image.MemberStatus(v)
	case "id":
		f.IDs = strings.Split(strings.TrimPrefix(v, "in:"), ",")
	case "disk_format":
		f.DiskFormats = strings.Split(strings.TrimPrefix(v, "in:"), ",")
	case "container_format":
		f.ContainerFormats = strings.Split(strings.TrimPrefix(v, "in:"), ",")
	case "tag":
		f.Tags = append(f.Tags, v)
	case "os_hidden":
		f.Hidden, err = boolean(key, v)
	case "protected":
		var b bool
		b, err = boolean(key, v)
		f.Protected = &b
	case "size_min":
		f.SizeMin, err = number(key, v)
	case "size_max":
		f.SizeMax, err = number(key, v)
	case "created_at":
		return addTime(f, v, func(i *image.Image) time.Time { return i.CreatedAt })
	case "updated_at":
		return addTime(f, v, func(i *image.Image) time.Time { return i.UpdatedAt })
	default:
		f.Properties[key] = v
	}
	return err
}

// either narrows the filter to images whose field is one of a comma-separated list.
func either(f *image.Filter, field func(*image.Image) string, list string) error {
	values := strings.Split(list, ",")
	also(f, func(i *image.Image) bool { return slices.Contains(values, field(i)) })
	return nil
}

func also(f *image.Filter, match func(*image.Image) bool) {
	before := f.Match
	f.Match = func(i *image.Image) bool { return (before == nil || before(i)) && match(i) }
}

// addTime reads a comparison such as "gte:2026-01-02T15:04:05Z".
func addTime(f *image.Filter, v string, field func(*image.Image) time.Time) error {
	op, at, ok := strings.Cut(v, ":")
	if !ok || !slices.Contains([]string{"gt", "gte", "eq", "neq", "lt", "lte"}, op) {
		op, at = "eq", v
	}
	t, err := time.Parse(time.RFC3339, at)
	if err != nil {
		if t, err = time.Parse("2006-01-02T15:04:05", at); err != nil {
			return fault.New(fault.Invalid, "Invalid time value: %s", v)
		}
	}
	also(f, func(i *image.Image) bool {
		c := field(i).Truncate(time.Second).Compare(t)
		switch op {
		case "gt":
			return c > 0
		case "gte":
			return c >= 0
		case "lt":
			return c < 0
		case "lte":
			return c <= 0
		case "neq":
			return c != 0
		}
		return c == 0
	})
	return nil
}

func boolean(key, v string) (bool, error) {
	switch strings.ToLower(v) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fault.New(fault.Invalid, "Invalid value '%s' for '%s' filter.", v, key)
}

func number(key, v string) (int64, error) {
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, fault.New(fault.Invalid, "Invalid value '%s' for '%s' filter.", v, key)
	}
	return n, nil
}

// sortKeys are the fields that a list can be ordered by.
var sortKeys = map[string]func(a, b *image.Image) int{
	"name":             func(a, b *image.Image) int { return cmp.Compare(a.Name, b.Name) },
	"status":           func(a, b *image.Image) int { return cmp.Compare(a.Status, b.Status) },
	"id":               func(a, b *image.Image) int { return cmp.Compare(a.ID, b.ID) },
	"created_at":       func(a, b *image.Image) int { return a.CreatedAt.Compare(b.CreatedAt) },
	"updated_at":       func(a, b *image.Image) int { return a.UpdatedAt.Compare(b.UpdatedAt) },
	"size":             func(a, b *image.Image) int { return cmp.Compare(a.Size, b.Size) },
	"disk_format":      func(a, b *image.Image) int { return cmp.Compare(a.DiskFormat, b.DiskFormat) },
	"container_format": func(a, b *image.Image) int { return cmp.Compare(a.ContainerFormat, b.ContainerFormat) },
	"owner":            func(a, b *image.Image) int { return cmp.Compare(a.ProjectID, b.ProjectID) },
	"min_disk":         func(a, b *image.Image) int { return cmp.Compare(a.MinDiskGiB, b.MinDiskGiB) },
	"min_ram":          func(a, b *image.Image) int { return cmp.Compare(a.MinRAMMiB, b.MinRAMMiB) },
	"visibility":       func(a, b *image.Image) int { return cmp.Compare(a.Visibility, b.Visibility) },
}

// order is one sort key with its direction.
type order struct {
	by   func(a, b *image.Image) int
	desc bool
}

// orders reads both of Glance's ways: sort=key:dir,… and sort_key/sort_dir pairs.
func orders(q url.Values) ([]order, error) {
	var out []order
	add := func(key, dir string) error {
		by, ok := sortKeys[key]
		if !ok {
			return fault.New(fault.Invalid, "Invalid sort key: %s", key)
		}
		if dir != "asc" && dir != "desc" {
			return fault.New(fault.Invalid, "Invalid sort direction: %s", dir)
		}
		out = append(out, order{by, dir == "desc"})
		return nil
	}
	if s := q.Get("sort"); s != "" {
		for part := range strings.SplitSeq(s, ",") {
			key, dir, ok := strings.Cut(part, ":")
			if !ok {
				dir = "desc"
			}
			if err := add(strings.TrimSpace(key), strings.TrimSpace(dir)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	keys, dirs := q["sort_key"], q["sort_dir"]
	if len(dirs) > 1 && len(dirs) != len(keys) {
		return nil, fault.New(fault.Invalid, "Number of sort dirs does not match the number of sort keys")
	}
	for i, key := range keys {
		dir := "desc"
		if len(dirs) == 1 {
			dir = dirs[0]
		} else if i < len(dirs) {
			dir = dirs[i]
		}
		if err := add(key, dir); err != nil {
			return nil, err
		}
	}
	if len(keys) == 0 {
		dir := q.Get("sort_dir")
		if dir == "" {
			dir = "desc"
		}
		return out, add("created_at", dir)
	}
	return out, nil
}

// paged orders the images and cuts the page that the request asks for. next is the
// link to the page after it, relative to the service's root as Glance gives it.
func paged(r *httpapi.Request, images []image.Image) (page []image.Image, next string, err error) {
	q := r.Query()
	by, err := orders(q)
	if err != nil {
		return nil, "", err
	}
	slices.SortFunc(images, func(a, b image.Image) int {
		for _, o := range by {
			if c := o.by(&a, &b); c != 0 {
				if o.desc {
					return -c
				}
				return c
			}
		}
		return cmp.Compare(b.ID, a.ID)
	})
	limit := defaultPage
	if s := q.Get("limit"); s != "" {
		n, err := number("limit", s)
		if err != nil {
			return nil, "", fault.New(fault.Invalid, "limit param must be an integer that is not negative")
		}
		limit = int(min(n, maxPage))
	}
	if m := q.Get("marker"); m != "" {
		i := slices.IndexFunc(images, func(i image.Image) bool { return i.ID == m })
		if i < 0 {
			return nil, "", fault.New(fault.Invalid, "Invalid marker: image %s could not be found.", m)
		}
		images = images[i+1:]
	}
	if len(images) <= limit || limit == 0 {
		return images[:min(limit, len(images))], "", nil
	}
	page = images[:limit]
	q.Set("marker", page[limit-1].ID)
	return page, "/v2/images?" + q.Encode(), nil
}

// first is the link to the first page.
func first(r *httpapi.Request) string {
	q := r.Query()
	q.Del("marker")
	if len(q) == 0 {
		return "/v2/images"
	}
	return "/v2/images?" + q.Encode()
}
