package networkapi

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// controls are the query parameters of lists that are no filters.
var controls = []string{
	"fields", "limit", "marker", "page_reverse", "sort_key", "sort_dir",
	"tags", "tags-any", "not-tags", "not-tags-any",
}

// handleList lists what the caller may see and has asked for.
func (x *resource[T]) handleList(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	q := r.Query()
	all, err := x.list(ctx, q)
	if err != nil {
		return nil, err
	}
	everything := r.May("get_"+x.singular, policy.Target{})
	match, err := newFilter(q, x.filters)
	if err != nil {
		return nil, err
	}
	rows := make([]row[T], 0, len(all))
	for _, t := range all {
		if !everything && !r.May("get_"+x.singular, x.target(ctx, t)) {
			continue
		}
		v := x.view(ctx, t)
		ok, err := match.passes(v)
		if err != nil {
			return nil, err
		}
		if ok {
			rows = append(rows, row[T]{t, v})
		}
	}
	if err := sortRows(rows, q); err != nil {
		return nil, err
	}
	return x.page(ctx, r, rows)
}

// row is an element of a list.
type row[T any] struct {
	t T
	v view
}

// page answers with a part of the list. Without a limit all is given, as Neutron
// does.
func (x *resource[T]) page(ctx context.Context, r *httpapi.Request, rows []row[T]) (*httpapi.Response, error) {
	p, err := r.Paging(&httpapi.PagingOptions{Max: math.MaxInt32, ZeroIsAll: true})
	if err != nil {
		return nil, err
	}
	reverse := truth(r.Query().Get("page_reverse"))
	if reverse {
		slices.Reverse(rows)
	}
	page, err := httpapi.Cut(slices.Values(rows), p, func(e row[T]) string { return fmt.Sprint(e.v["id"]) })
	if err != nil {
		return nil, err
	}
	if reverse {
		slices.Reverse(page.Items)
	}
	fields := r.Query()["fields"]
	views := make([]view, len(page.Items))
	for i, e := range page.Items {
		views[i] = pick(x.shown(ctx, r, e.t, e.v), fields)
	}
	body := view{x.plural: views}
	if links := r.NextLinks(page.Next); links != nil {
		body[x.plural+"_links"] = links
	}
	return httpapi.OK(body), nil
}

// pick keeps the attributes that were asked for.
func pick(v view, fields []string) view {
	if len(fields) == 0 {
		return v
	}
	few := view{}
	for _, f := range fields {
		for name := range strings.SplitSeq(f, ",") {
			if value, ok := v[name]; ok {
				few[name] = value
			}
		}
	}
	return few
}

// filter is what a list's query asks of its elements.
type filter struct {
	values                         map[string][]string
	also                           []string // attributes that are not shown
	all, any, notAll, notAny       []string // tags
	hasAll, hasAny, hasNot, hasNor bool
}

func newFilter(q url.Values, also []string) (*filter, error) {
	f := &filter{values: map[string][]string{}, also: also}
	f.all, f.hasAll = tagsOf(q, "tags")
	f.any, f.hasAny = tagsOf(q, "tags-any")
	f.notAll, f.hasNot = tagsOf(q, "not-tags")
	f.notAny, f.hasNor = tagsOf(q, "not-tags-any")
	for name, values := range q {
		if !slices.Contains(controls, name) {
			f.values[name] = values
		}
	}
	return f, nil
}

func tagsOf(q url.Values, name string) ([]string, bool) {
	var tags []string
	for _, v := range q[name] {
		tags = append(tags, strings.Split(v, ",")...)
	}
	return tags, len(tags) > 0
}

// passes reports whether an element is asked for. An attribute that there is not is
// refused.
func (f *filter) passes(v view) (bool, error) {
	for name, values := range f.values {
		have, ok := v[name]
		if !ok {
			if slices.Contains(f.also, name) {
				continue
			}
			return false, fault.New(fault.Invalid, "['%s'] is invalid attribute for filtering", name).WithCode("HTTPBadRequest")
		}
		if !slices.ContainsFunc(values, func(want string) bool { return equals(have, want) }) {
			return false, nil
		}
	}
	tags, _ := v["tags"].([]string)
	has := func(t string) bool { return slices.Contains(tags, t) }
	hasNo := func(t string) bool { return !has(t) }
	switch {
	case f.hasAll && slices.ContainsFunc(f.all, hasNo),
		f.hasAny && !slices.ContainsFunc(f.any, has),
		f.hasNot && !slices.ContainsFunc(f.notAll, hasNo),
		f.hasNor && slices.ContainsFunc(f.notAny, has):
		return false, nil
	}
	return true, nil
}

// equals compares an attribute with a value of a query.
func equals(have any, want string) bool {
	switch h := have.(type) {
	case nil:
		return want == "" || want == "None" || want == "null"
	case bool:
		return h == truth(want) && (truth(want) || falsehood(want))
	case string:
		return h == want
	case *string:
		return h == nil && want == "" || h != nil && *h == want
	case []string:
		return slices.Contains(h, want)
	case []fixedIP:
		return slices.ContainsFunc(h, func(f fixedIP) bool { return f.matches(want) })
	}
	return fmt.Sprint(have) == want
}

func truth(s string) bool {
	return slices.Contains([]string{"true", "1", "t", "yes", "on"}, strings.ToLower(s))
}

func falsehood(s string) bool {
	return slices.Contains([]string{"false", "0", "f", "no", "off"}, strings.ToLower(s))
}

// sortRows sorts by the attributes that the query names; else by age.
func sortRows[T any](rows []row[T], q url.Values) error {
	keys, err := httpapi.ParseSort(q, httpapi.SortKey{Name: "created_at"}, httpapi.SortKey{Name: "id"})
	if err != nil {
		return err
	}
	compare := map[string]func(a, b row[T]) int{}
	for _, k := range keys {
		if _, known := first(rows)[k.Name]; known || len(rows) == 0 || q.Get("sort_key") == "" {
			compare[k.Name] = func(a, b row[T]) int { return order(a.v[k.Name], b.v[k.Name]) }
		}
	}
	return httpapi.SortBy(rows, keys, compare)
}

func first[T any](rows []row[T]) view {
	if len(rows) == 0 {
		return nil
	}
	return rows[0].v
}

// order compares two values of an attribute.
func order(a, b any) int {
	if x, ok := a.(int); ok {
		if y, ok := b.(int); ok {
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(text(a), text(b))
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}
