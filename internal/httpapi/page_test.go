package httpapi_test

import (
	"cmp"
	"context"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/internal/fault"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

func TestParsePaging(t *testing.T) {
	for query, want := range map[string]httpapi.Paging{
		"":                     {Limit: 1000},
		"limit=":               {Limit: 1000},
		"limit=2&marker=b":     {Limit: 2, Marker: "b", Given: true},
		"limit=0":              {Limit: 0, Given: true},
		"limit=2000":           {Limit: 1000, Given: true},
		"limit=2147483647":     {Limit: 1000, Given: true},
		"marker=" + "x%2F y":   {Limit: 1000, Marker: "x/ y"},
		"limit=007&marker=%00": {Limit: 7, Marker: "\x00", Given: true},
	} {
		q, err := url.ParseQuery(query)
		require.NoError(t, err)
		got, err := httpapi.ParsePaging(q, nil)
		require.NoError(t, err, query)
		require.Equal(t, want, got, query)
	}
	for _, limit := range []string{"-1", "x", "1.5", "99999999999", " 1"} {
		_, err := httpapi.ParsePaging(url.Values{"limit": {limit}}, nil)
		require.ErrorIs(t, err, fault.Invalid, limit)
	}
	p, err := httpapi.ParsePaging(url.Values{"limit": {"0"}}, &httpapi.PagingOptions{ZeroIsAll: true, Max: 50})
	require.NoError(t, err)
	require.Equal(t, httpapi.Paging{Limit: 50}, p)
	p, err = httpapi.ParsePaging(nil, &httpapi.PagingOptions{Default: 25})
	require.NoError(t, err)
	require.Equal(t, httpapi.Paging{Limit: 25}, p)
}

func TestCut(t *testing.T) {
	items := []string{"a", "b", "c", "d"}
	self := func(s string) string { return s }
	for _, c := range []struct {
		paging httpapi.Paging
		want   httpapi.Page[string]
	}{
		{httpapi.Paging{Limit: 10}, httpapi.Page[string]{Items: items}},
		{httpapi.Paging{Limit: 2}, httpapi.Page[string]{Items: []string{"a", "b"}, Next: "b"}},
		{httpapi.Paging{Limit: 2, Marker: "b"}, httpapi.Page[string]{Items: []string{"c", "d"}}},
		{httpapi.Paging{Limit: 2, Marker: "a"}, httpapi.Page[string]{Items: []string{"b", "c"}, Next: "c"}},
		{httpapi.Paging{Limit: 2, Marker: "d"}, httpapi.Page[string]{Items: []string{}}},
		{httpapi.Paging{Limit: 0}, httpapi.Page[string]{Items: []string{}}},
	} {
		got, err := httpapi.Cut(slices.Values(items), c.paging, self)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
	_, err := httpapi.Cut(slices.Values(items), httpapi.Paging{Limit: 2, Marker: "z"}, self)
	require.ErrorIs(t, err, fault.Invalid)
	require.Contains(t, fault.Public(err), "marker [z] not found")
}

// lister is an API with one list of 5 elements.
func lister(list func(r *httpapi.Request, page httpapi.Page[string]) any) httpapi.API {
	return httpapi.API{Service: "compute", Dialect: httpapi.Nova{}, Routes: []httpapi.Route{{
		Method: "GET", Path: "/v2/things", Public: true,
		Handle: func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
			p, err := r.Paging(nil)
			if err != nil {
				return nil, err
			}
			page, err := httpapi.Cut(slices.Values([]string{"a", "b", "c", "d", "e"}), p, func(s string) string { return s })
			if err != nil {
				return nil, err
			}
			return httpapi.OK(list(r, page)), nil
		},
	}}}
}

func TestFollowingLinksSeesEachElementOnce(t *testing.T) {
	h := httpapi.New(lister(func(r *httpapi.Request, page httpapi.Page[string]) any {
		out := map[string]any{"things": page.Items}
		if links := r.NextLinks(page.Next); links != nil {
			out["things_links"] = links
		}
		return out
	}), options(t, io.Discard))
	next, seen := "http://cloud.test/v2/things?limit=2&name=x", []any{}
	for next != "" {
		require.LessOrEqual(t, len(seen), 5)
		a := ask(t, h, "GET "+strings.TrimPrefix(next, "http://cloud.test"), "")
		require.Equal(t, 200, a.StatusCode, a.body)
		v := a.decode(t)
		seen = append(seen, v["things"].([]any)...)
		next = ""
		if links, ok := v["things_links"].([]any); ok {
			link := links[0].(map[string]any)
			require.Equal(t, "next", link["rel"])
			next = link["href"].(string)
			require.Contains(t, next, "limit=2")
			require.Contains(t, next, "name=x")
		}
	}
	require.Equal(t, []any{"a", "b", "c", "d", "e"}, seen)
	require.Equal(t, 400, ask(t, h, "GET /v2/things?marker=z", "").StatusCode)
}

func TestLinksOfGlanceAndKeystone(t *testing.T) {
	h := httpapi.New(lister(func(r *httpapi.Request, page httpapi.Page[string]) any {
		return map[string]any{"next": r.NextRef(page.Next), "links": r.ListLinks(page.Next)}
	}), options(t, io.Discard))
	require.JSONEq(t, `{"next":"/v2/things?limit=4&marker=d","links":{
		"next":"http://cloud.test/v2/things?limit=4&marker=d","previous":null,"self":"http://cloud.test/v2/things?limit=4"}}`,
		ask(t, h, "GET /v2/things?limit=4", "").body)
}

func TestSorting(t *testing.T) {
	type thing struct {
		name string
		size int
	}
	compare := map[string]func(a, b thing) int{
		"name": func(a, b thing) int { return cmp.Compare(a.name, b.name) },
		"size": func(a, b thing) int { return cmp.Compare(a.size, b.size) },
	}
	for query, want := range map[string]string{
		"":                            "c1 b1 a2 ",
		"sort_key=name":               "c1 b1 a2 ",
		"sort_key=name&sort_dir=asc":  "a2 b1 c1 ",
		"sort_key=size&sort_dir=asc":  "b1 c1 a2 ",
		"sort_key=size&sort_key=name": "a2 c1 b1 ",
		"sort_key=size&sort_key=name&sort_dir=asc&sort_dir=desc": "c1 b1 a2 ",
		"sort=size:asc,name:asc":                                 "b1 c1 a2 ",
		"sort=name:asc":                                          "a2 b1 c1 ",
		"sort_dir=asc":                                           "a2 b1 c1 ",
	} {
		q, _ := url.ParseQuery(query)
		keys, err := httpapi.ParseSort(q, httpapi.SortKey{Name: "name", Desc: true})
		require.NoError(t, err, query)
		things := []thing{{"b", 1}, {"a", 2}, {"c", 1}}
		require.NoError(t, httpapi.SortBy(things, keys, compare))
		got := ""
		for _, x := range things {
			got += x.name + strconv.Itoa(x.size) + " "
		}
		require.Equal(t, want, got, query)
	}
	_, err := httpapi.ParseSort(url.Values{"sort_dir": {"up"}, "sort_key": {"name"}})
	require.ErrorIs(t, err, fault.Invalid)
	_, err = httpapi.ParseSort(url.Values{"sort_key": slices.Repeat([]string{"a"}, 99)})
	require.ErrorIs(t, err, fault.Invalid)
	require.ErrorIs(t, httpapi.SortBy([]thing{}, []httpapi.SortKey{{Name: "weight"}}, compare), fault.Invalid)
}

func FuzzPaging(f *testing.F) {
	for _, q := range []string{"", "limit=1&marker=b", "limit=-1", "limit=99999999999999999999", "sort=a:asc,b", "sort_key=a&sort_dir=desc"} {
		f.Add(q)
	}
	items := []string{"a", "b", "c", "d"}
	f.Fuzz(func(t *testing.T, query string) {
		q, _ := url.ParseQuery(query)
		if _, err := httpapi.ParseSort(q); err != nil {
			require.ErrorIs(t, err, fault.Invalid)
		}
		p, err := httpapi.ParsePaging(q, nil)
		if err != nil {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		require.True(t, p.Limit >= 0 && p.Limit <= httpapi.MaxLimit)
		page, err := httpapi.Cut(slices.Values(items), p, func(s string) string { return s })
		if p.Marker != "" && !slices.Contains(items, p.Marker) {
			require.ErrorIs(t, err, fault.Invalid)
			return
		}
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Items), p.Limit)
		if len(page.Items) > 0 {
			start := slices.Index(items, page.Items[0])
			require.Equal(t, items[start:start+len(page.Items)], page.Items)
		}
	})
}
