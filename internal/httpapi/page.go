package httpapi

import (
	"iter"
	"maps"
	"net/url"
	"strconv"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// MaxLimit is the largest page, and the page where the client names no limit.
const MaxLimit = 1000

// Paging is the part of a list that a client asks for.
type Paging struct {
	Limit  int    // most elements; 0 is an empty page
	Marker string // the id of the last element of the page before; empty is the start
	// Given reports whether the client named a limit itself.
	Given bool
}

// PagingOptions say how a service differs from the others; nil is as Nova has it.
type PagingOptions struct {
	Max       int  // the largest page; 0 means MaxLimit
	Default   int  // the page where no limit is named; 0 means Max
	ZeroIsAll bool // limit=0 means no limit, as with Neutron
}

// Paging reads limit and marker from the query. A limit over the largest page is
// cut; one that is no number, or negative, is refused.
func (r *Request) Paging(opts *PagingOptions) (Paging, error) {
	return ParsePaging(r.Query(), opts)
}

// ParsePaging is Paging for a query at hand.
func ParsePaging(q url.Values, opts *PagingOptions) (Paging, error) {
	var o PagingOptions
	if opts != nil {
		o = *opts
	}
	if o.Max == 0 {
		o.Max = MaxLimit
	}
	if o.Default == 0 {
		o.Default = o.Max
	}
	p := Paging{Limit: o.Default, Marker: q.Get("marker")}
	text := q.Get("limit")
	if text == "" {
		return p, nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return Paging{}, fault.New(fault.Invalid,
			"Invalid input for query parameters limit. Value: %s. It must be a number that is not negative.", clip(text, 64))
	}
	p.Limit, p.Given = min(int(n), o.Max), true
	if n == 0 && o.ZeroIsAll {
		p.Limit, p.Given = o.Max, false
	}
	return p, nil
}

// Page is a cut of a list.
type Page[T any] struct {
	Items []T // never nil, so that it is written as a list
	// Next is the marker of the next page; empty if this is the last.
	Next string
}

// Cut takes a page out of a sorted list, which it walks no further than it needs. A
// marker that is not in the list is refused: to start anew would make a client
// circle for ever.
func Cut[T any](items iter.Seq[T], p Paging, id func(T) string) (Page[T], error) {
	page := Page[T]{Items: []T{}}
	passed := p.Marker == ""
	for item := range items {
		if !passed {
			passed = id(item) == p.Marker
			continue
		}
		if len(page.Items) == p.Limit {
			if p.Limit > 0 {
				page.Next = id(page.Items[p.Limit-1])
			}
			break
		}
		page.Items = append(page.Items, item)
	}
	if !passed {
		return page, fault.New(fault.Invalid, "marker [%s] not found", clip(p.Marker, 255))
	}
	return page, nil
}

// NextURL is the address of the page after marker: that of this request with another
// marker.
func (r *Request) NextURL(marker string) string { return r.BaseURL + r.NextRef(marker) }

// NextRef is NextURL without scheme, host and mount point, as Glance writes it:
// "/v2/images?marker=…".
func (r *Request) NextRef(marker string) string {
	q := maps.Clone(r.Query())
	q.Set("marker", marker)
	return r.path + "?" + q.Encode()
}

// NextLinks is what Nova, Cinder and Neutron add to a list as "servers_links": nil
// on the last page, where the key is left out.
func (r *Request) NextLinks(marker string) []Link {
	if marker == "" {
		return nil
	}
	return []Link{{Rel: "next", Href: r.NextURL(marker)}}
}

// ListLinks is what Keystone adds to each list as "links".
type ListLinks struct {
	Next     *string `json:"next"`
	Self     string  `json:"self"`
	Previous *string `json:"previous"`
}

// ListLinks makes Keystone's links of this request's list; marker is empty on the
// last page.
func (r *Request) ListLinks(marker string) ListLinks {
	links := ListLinks{Self: r.BaseURL + r.path}
	if q := r.HTTP.URL.RawQuery; q != "" {
		links.Self += "?" + q
	}
	if marker != "" {
		next := r.NextURL(marker)
		links.Next = &next
	}
	return links
}
