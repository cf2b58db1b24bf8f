package volumeapi

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// match tells whether an element passes a filter.
type match[T any] func(T) bool

// filter makes a match of the value in the query.
type filter[T any] struct {
	min   int // of the microversions 3.min that have it
	admin bool
	like  func(T) string // what NAME~ looks into, from 3.31 on; may be nil
	make  func(value string) (match[T], error)
}

// listing says how a kind of resource is listed.
type listing[T any] struct {
	singular, plural string
	id               func(T) string
	created          func(T) time.Time
	sorts            map[string]func(a, b T) int
	filters          map[string]filter[T]
	countSince       int // the microversion 3.N of with_count; 0 for none
}

// byText is a filter by equality, with its NAME~ form.
func byText[T any](get func(T) string) filter[T] {
	return filter[T]{like: get, make: func(want string) (match[T], error) {
		return func(t T) bool { return get(t) == want }, nil
	}}
}

// byAdmin is byText for administrators.
func byAdmin[T any](get func(T) string) filter[T] {
	f := byText(get)
	f.admin = true
	return f
}

// byFlag filters by a boolean.
func byFlag[T any](get func(T) bool) filter[T] {
	return filter[T]{make: func(text string) (match[T], error) {
		want := truth(text)
		return func(t T) bool { return get(t) == want }, nil
	}}
}

// byNumber filters by a whole number.
func byNumber[T any](get func(T) int) filter[T] {
	return filter[T]{make: func(text string) (match[T], error) {
		want, err := strconv.Atoi(text)
		return func(t T) bool { return err == nil && get(t) == want }, nil
	}}
}

// byDict filters by what a map must hold: {'key': 'value'}.
func byDict[T any](min int, get func(T) map[string]string) filter[T] {
	return filter[T]{min: min, make: func(text string) (match[T], error) {
		want, err := parseDict(text)
		if err != nil {
			return nil, err
		}
		return func(t T) bool { return holds(get(t), want) }, nil
	}}
}

func holds(all, some map[string]string) bool {
	for k, v := range some {
		if got, ok := all[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// byTime filters by comparisons such as gt:2026-01-02T15:04:05, joined by commas.
func byTime[T any](get func(T) time.Time) filter[T] {
	return filter[T]{min: 60, make: func(text string) (match[T], error) {
		var all []func(time.Time) bool
		for item := range strings.SplitSeq(text, ",") {
			c, err := comparison(item)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
		return func(t T) bool {
			return !slices.ContainsFunc(all, func(c func(time.Time) bool) bool { return !c(get(t)) })
		}, nil
	}}
}

// comparison reads one comparison of a time.
func comparison(text string) (func(time.Time) bool, error) {
	op, at, ok := strings.Cut(text, ":")
	tests := map[string]func(int) bool{
		"gt": func(c int) bool { return c > 0 }, "gte": func(c int) bool { return c >= 0 },
		"lt": func(c int) bool { return c < 0 }, "lte": func(c int) bool { return c <= 0 },
		"eq": func(c int) bool { return c == 0 }, "neq": func(c int) bool { return c != 0 },
	}
	test := tests[op]
	if !ok || test == nil {
		test, at = tests["eq"], text
	}
	want, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		if want, err = time.Parse("2006-01-02T15:04:05.999999", at); err != nil {
			return nil, fault.New(fault.Invalid, "Invalid input received: the time '%.64s' is not of the form gt:2006-01-02T15:04:05.", text)
		}
	}
	return func(t time.Time) bool { return test(t.Truncate(time.Microsecond).Compare(want)) }, nil
}

// notFilters are the names of a query that pick nothing.
var notFilters = [...]string{"limit", "marker", "offset", "sort", "sort_key", "sort_dir", "with_count",
	"all_tenants", "all_projects", "detail", "usage", "is_public"}

// pick leaves of a list what the query asks for. Up to 3.30 filters that are not known
// are ignored, as they always were; later they are refused.
func (l *listing[T]) pick(r *httpapi.Request, all []T) ([]T, error) {
	var unknown []string
	for name, values := range r.Query() {
		if slices.Contains(notFilters[:], name) {
			continue
		}
		plain, like := strings.CutSuffix(name, "~")
		f, ok := l.filters[plain]
		if !ok || !r.Version.AtLeast(3, f.min) || f.admin && !isAdmin(r) || like && (f.like == nil || !r.Version.AtLeast(3, 31)) {
			unknown = append(unknown, name)
			continue
		}
		for _, value := range values {
			m := match[T](func(t T) bool { return strings.Contains(f.like(t), value) })
			if !like {
				var err error
				if m, err = f.make(value); err != nil {
					return nil, err
				}
			}
			all = slices.DeleteFunc(all, func(t T) bool { return !m(t) })
		}
	}
	if len(unknown) > 0 && r.Version.AtLeast(3, 31) {
		slices.Sort(unknown)
		return nil, fault.New(fault.Invalid, "Invalid filters %.255s are found in query options.", strings.Join(unknown, ","))
	}
	return all, nil
}

// order sorts a list as the query asks: the newest first if it does not.
func (l *listing[T]) order(r *httpapi.Request, all []T) error {
	sorts := maps.Clone(l.sorts)
	if sorts == nil {
		sorts = map[string]func(a, b T) int{}
	}
	sorts["id"] = func(a, b T) int { return cmp.Compare(l.id(a), l.id(b)) }
	sorts["created_at"] = func(a, b T) int { return l.created(a).Compare(l.created(b)) }
	newest := []httpapi.SortKey{{Name: "created_at", Desc: true}, {Name: "id", Desc: true}}
	keys, err := httpapi.ParseSort(r.Query(), newest...)
	if err != nil {
		return err
	}
	return httpapi.SortBy(all, append(keys, newest...), sorts)
}

// page is a list as the query wants it, with what goes with it in the answer.
func (l *listing[T]) page(r *httpapi.Request, all []T) ([]T, doc, error) {
	all, err := l.pick(r, all)
	if err != nil {
		return nil, nil, err
	}
	body := doc{}
	if l.countSince > 0 && r.Version.AtLeast(3, l.countSince) && truth(r.Query().Get("with_count")) {
		body["count"] = len(all)
	}
	if err := l.order(r, all); err != nil {
		return nil, nil, err
	}
	p, err := r.Paging(nil)
	if err != nil {
		return nil, nil, err
	}
	if all, err = skip(r, all); err != nil {
		return nil, nil, err
	}
	if p.Marker != "" && !slices.ContainsFunc(all, func(t T) bool { return l.id(t) == p.Marker }) {
		return nil, nil, fault.Missing(l.singular, p.Marker)
	}
	page, err := httpapi.Cut(slices.Values(all), p, l.id)
	if err != nil {
		return nil, nil, err
	}
	// As with Cinder a full page has a link, even if nothing comes after it.
	if n := len(page.Items); n > 0 && n == p.Limit {
		body[l.plural+"_links"] = r.NextLinks(l.id(page.Items[n-1]))
	}
	return page.Items, body, nil
}

// skip leaves out the first elements by the query's offset, unless a marker says where
// to begin.
func skip[T any](r *httpapi.Request, all []T) ([]T, error) {
	given := r.Query().Get("offset")
	if given == "" {
		return all, nil
	}
	n, err := strconv.ParseUint(given, 10, 31)
	if err != nil {
		return nil, fault.New(fault.Invalid, "Invalid input for query parameters offset. Value: %.64s. It must be a number that is not negative.", given)
	}
	if r.Query().Get("marker") != "" {
		return all, nil
	}
	return all[min(int(n), len(all)):], nil
}

// answer is the whole answer to a request for a list.
func (l *listing[T]) answer(r *httpapi.Request, all []T, view func(T) doc) (*httpapi.Response, error) {
	items, body, err := l.page(r, all)
	if err != nil {
		return nil, err
	}
	views := make([]doc, len(items))
	for i := range items {
		views[i] = view(items[i])
	}
	body[l.plural] = views
	return httpapi.OK(body), nil
}
