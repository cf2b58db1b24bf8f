package httpapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxSegments bounds the segments of a path that is looked at.
const maxSegments = 32

// node is a place in the tree of paths: one segment each.
type node struct {
	static map[string]*node
	param  *node      // any segment
	rest   []endpoint // what takes the rest of the path
	here   []endpoint // what the path that ends here offers
}

// endpoint is what one method and path offers: several routes where actions or
// microversions tell them apart.
type endpoint struct {
	method string
	names  []string // of the {name} segments, in their order
	public bool
	acts   bool // routes have actions: the body is needed to choose
	routes []*boundRoute
}

// value is the value of a {name} segment.
type value struct{ name, text string }

// splitPath cuts a path into segments; one slash at the end does not count.
func splitPath(path string) []string {
	path = strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/")
	if path == "" {
		return nil
	}
	return strings.SplitN(path, "/", maxSegments)
}

// paramName reports whether a segment of a pattern is {name} or {name...}.
func paramName(segment string) (name string, rest, ok bool) {
	if len(segment) < 3 || segment[0] != '{' || segment[len(segment)-1] != '}' {
		return "", false, false
	}
	name, rest = strings.CutSuffix(segment[1:len(segment)-1], "...")
	return name, rest, true
}

// add puts a route into the tree and returns its endpoint.
func (n *node) add(method, path string) *endpoint {
	var names []string
	list := &n.here
	for _, segment := range splitPath(path) {
		name, rest, isParam := paramName(segment)
		switch {
		case isParam:
			names = append(names, name)
			if rest {
				list = &n.rest
				continue
			}
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
		default:
			if n.static == nil {
				n.static = map[string]*node{}
			}
			if n.static[segment] == nil {
				n.static[segment] = &node{}
			}
			n = n.static[segment]
		}
		list = &n.here
	}
	i := slices.IndexFunc(*list, func(e endpoint) bool {
		return e.method == method && slices.Equal(e.names, names)
	})
	if i < 0 {
		*list = append(*list, endpoint{method: method, names: names})
		i = len(*list) - 1
	}
	return &(*list)[i]
}

// find gives what a path offers, and the values of its {name} segments. A fixed
// segment goes before a {name}; a method that the one lacks is looked for in the
// other.
func (n *node) find(method string, segments []string, values []string) (*endpoint, []string) {
	if len(segments) == 0 {
		return pick(n.here, method), values
	}
	if next := n.static[segments[0]]; next != nil {
		if e, v := next.find(method, segments[1:], values); e != nil {
			return e, v
		}
	}
	if n.param != nil && segments[0] != "" {
		if e, v := n.param.find(method, segments[1:], append(values, segments[0])); e != nil {
			return e, v
		}
	}
	if e := pick(n.rest, method); e != nil {
		return e, append(values, strings.Join(segments, "/"))
	}
	return nil, nil
}

// pick chooses by method; GET stands in for HEAD.
func pick(list []endpoint, method string) *endpoint {
	for i := range list {
		if list[i].method == method {
			return &list[i]
		}
	}
	if method == http.MethodHead {
		return pick(list, http.MethodGet)
	}
	return nil
}

// methods lists what the path offers, for Allow.
func (n *node) methods(segments []string) []string {
	var found []string
	for _, m := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "COPY"} {
		if e, _ := n.find(m, segments, nil); e != nil {
			found = append(found, m)
		}
	}
	return found
}

// segmentsOf cuts the path of a request, each segment unescaped.
func segmentsOf(path string, escaped bool) ([]string, bool) {
	segments := splitPath(path)
	if !escaped {
		return segments, true
	}
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = plain
	}
	return segments, true
}

// looksLikeID reports whether a segment has the form of a project's id: 32
// hexadecimal digits, with or without the dashes of a UUID.
func looksLikeID(s string) bool {
	if len(s) != 32 && len(s) != 36 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		dash := len(s) == 36 && (i == 8 || i == 13 || i == 18 || i == 23)
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}
