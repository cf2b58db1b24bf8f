package httpapi

import (
	"net/url"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxSortKeys bounds the keys of one list.
const maxSortKeys = 16

// SortKey is one key that a list is sorted by.
type SortKey struct {
	Name string
	Desc bool
}

// ParseSort reads the order of a list from the query, in either of the two forms:
// sort_key and sort_dir, each as often as wanted, or sort=name:asc,size:desc. byDefault
// holds where none is named, and gives the direction where none is given.
func ParseSort(q url.Values, byDefault ...SortKey) ([]SortKey, error) {
	names, dirs := q["sort_key"], q["sort_dir"]
	if len(names) == 0 && q.Get("sort") != "" {
		names, dirs = nil, nil
		for item := range strings.SplitSeq(q.Get("sort"), ",") {
			name, dir, _ := strings.Cut(strings.TrimSpace(item), ":")
			names, dirs = append(names, name), append(dirs, dir)
		}
	}
	desc := len(byDefault) > 0 && byDefault[0].Desc
	if len(names) == 0 {
		return direct(slices.Clone(byDefault), dirs)
	}
	if len(names) > maxSortKeys {
		return nil, fault.New(fault.Invalid, "There are more than %d sort keys.", maxSortKeys)
	}
	keys := make([]SortKey, len(names))
	for i, name := range names {
		keys[i] = SortKey{Name: name, Desc: desc}
	}
	return direct(keys, dirs)
}

// direct gives keys their directions; the last one goes for the keys after it.
func direct(keys []SortKey, dirs []string) ([]SortKey, error) {
	for i := range keys {
		if len(dirs) == 0 {
			break
		}
		switch strings.ToLower(dirs[min(i, len(dirs)-1)]) {
		case "asc":
			keys[i].Desc = false
		case "desc":
			keys[i].Desc = true
		case "":
		default:
			return nil, fault.New(fault.Invalid, "Unknown sort direction, must be one of: asc, desc")
		}
	}
	return keys, nil
}

// SortBy sorts items by keys, each compared by its function; equal ones keep their
// order. A key without a function is refused.
func SortBy[T any](items []T, keys []SortKey, compare map[string]func(a, b T) int) error {
	for _, k := range keys {
		if compare[k.Name] == nil {
			return fault.New(fault.Invalid, "Sort key supplied is invalid: %s", clip(k.Name, 64))
		}
	}
	slices.SortStableFunc(items, func(a, b T) int {
		for _, k := range keys {
			d := compare[k.Name](a, b)
			if k.Desc {
				d = -d
			}
			if d != 0 {
				return d
			}
		}
		return 0
	})
	return nil
}
