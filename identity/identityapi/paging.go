package identityapi

import (
	"context"
	"net/url"
	"strings"

	"github.com/welkin-cloud/cloud/identity"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// Lists come in pages of at most httpapi.MaxLimit, in order of ids. A page with more
// behind it says "truncated" and has a link to the next.

// paged refuses a limit that is no number before a list is made.
func paged(handle httpapi.Handler) httpapi.Handler {
	return func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		if r.HTTP.URL.RawQuery != "" {
			if _, err := r.Paging(pagingOptions()); err != nil {
				return nil, err
			}
		}
		return handle(ctx, r)
	}
}

func pagingOptions() *httpapi.PagingOptions { return &httpapi.PagingOptions{ZeroIsAll: true} }

// paging is the page that is asked for.
func paging(r *httpapi.Request) httpapi.Paging {
	p, _ := r.Paging(pagingOptions()) // a bad limit was refused by paged
	return p
}

// page is what a service is asked for: one more than is shown.
func page(r *httpapi.Request) identity.Page {
	p := paging(r)
	return identity.Page{Marker: p.Marker, Limit: p.Limit + 1}
}

// list answers with a page of a list under its name. Of items that have no id, all are
// shown.
func list[T any](r *httpapi.Request, name string, items []T, show func(*httpapi.Request, T) object) *httpapi.Response {
	p, matches := paging(r), matchers(r.Query())
	shown, next := []object{}, ""
	for _, item := range items {
		o := show(r, item)
		id, hasID := o["id"].(string)
		if hasID && p.Marker != "" && id <= p.Marker || !matches.hold(o) {
			continue
		}
		if hasID && len(shown) == p.Limit {
			next, _ = shown[p.Limit-1]["id"].(string)
			break
		}
		shown = append(shown, o)
	}
	links := listLinks(r)
	body := object{name: shown, "links": links}
	if next != "" {
		links["next"], body["truncated"] = r.NextURL(next), true
	}
	return httpapi.OK(body)
}

// matcher is a filter like name__icontains=x.
type matcher struct {
	attribute, text string
	fold            bool
	match           func(s, text string) bool
}

type matcherList []matcher

// matchers reads those filters that do not ask for equality. What names no known
// comparison is left out, as Keystone does.
func matchers(q url.Values) matcherList {
	var all matcherList
	for key, values := range q {
		attribute, comparison, ok := strings.Cut(key, "__")
		if !ok {
			continue
		}
		compare := comparisonOf(strings.TrimPrefix(comparison, "i"))
		if compare == nil {
			continue
		}
		for _, text := range values {
			m := matcher{attribute, text, comparison[0] == 'i', compare}
			if m.fold {
				m.text = strings.ToLower(text)
			}
			all = append(all, m)
		}
	}
	return all
}

func comparisonOf(name string) func(s, text string) bool {
	switch name {
	case "contains":
		return strings.Contains
	case "startswith":
		return strings.HasPrefix
	case "endswith":
		return strings.HasSuffix
	}
	return nil
}

// hold reports whether the attributes of a resource meet all filters. What is no text
// meets none.
func (all matcherList) hold(o object) bool {
	for _, m := range all {
		text, ok := o[m.attribute].(string)
		if m.fold {
			text = strings.ToLower(text)
		}
		if !ok || !m.match(text, m.text) {
			return false
		}
	}
	return true
}

// keep gives the filters for a service to go by, so that a page is full; nil if there
// are none.
func keep[T any](r *httpapi.Request, show func(*httpapi.Request, T) object) func(*T) bool {
	all := matchers(r.Query())
	if len(all) == 0 {
		return nil
	}
	return func(item *T) bool { return all.hold(show(r, *item)) }
}

// both joins two conditions, either of which may be nil.
func both[T any](a, b func(*T) bool) func(*T) bool {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return func(item *T) bool { return a(item) && b(item) }
}
