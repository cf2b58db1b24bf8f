package httpapi

import (
	"fmt"
	"net/http"
	"sync"
)

// boundRoute is a route with its schemas compiled.
type boundRoute struct {
	*Route
	schemas []boundSchema
}

// server serves one API.
type server struct {
	api    API
	opts   Options
	words  *words
	root   node
	routes []*boundRoute
	prefix []string // segments of ProjectPrefix
	// buffers are reused for the bodies of answers.
	buffers sync.Pool
}

// build checks the route table and compiles it.
func (s *server) build() {
	s.prefix = splitPath(s.api.ProjectPrefix)
	s.buffers.New = newJSONBuffer
	compiler := newSchemas()
	for i := range s.api.Routes {
		r := &s.api.Routes[i]
		s.checkRoute(r)
		e := s.root.add(r.Method, r.Path)
		for _, other := range e.routes {
			if other.Action == r.Action && overlap(other.Route, r) {
				s.bug(r, "is there twice")
			}
			if other.Public != r.Public {
				s.bug(r, "is public for some versions or actions only")
			}
		}
		bound := &boundRoute{Route: r}
		for _, schema := range r.Body {
			compiled, err := compiler.bind(schema)
			if err != nil {
				s.bug(r, err.Error())
			}
			bound.schemas = append(bound.schemas, compiled)
		}
		e.routes = append(e.routes, bound)
		s.routes = append(s.routes, bound)
		e.public = r.Public
		e.acts = e.acts || r.Action != ""
	}
}

// checkRoute panics if a route is not whole.
func (s *server) checkRoute(r *Route) {
	switch {
	case r.Handle == nil:
		s.bug(r, "has no handler")
	case (r.Policy == "") != r.Public:
		s.bug(r, "needs either a Policy or to be Public")
	case (r.Choose == nil) != (len(r.Also) == 0):
		s.bug(r, "has Also without Choose, or the reverse")
	case r.Public && (r.Choose != nil || r.EachItem || r.Target != nil):
		s.bug(r, "is public and has what only a rule needs")
	case r.EachItem && (r.Choose != nil || r.Target != nil || r.Method != http.MethodGet):
		s.bug(r, "leaves its rule to each item, but is no list or has a Target")
	case r.Action != "" && r.Method != http.MethodPost:
		s.bug(r, "has an action but is not a POST")
	case r.Stream && (len(r.Body) > 0 || r.Action != ""):
		s.bug(r, "is a stream with a schema or an action")
	case s.api.Microversions == nil && (r.Min != Version{} || r.Max != Version{}):
		s.bug(r, "has a microversion but its service has none")
	}
	for _, rule := range r.rules() {
		if !s.opts.Policy.Has(s.api.Service, rule) {
			s.bug(r, "names a rule that does not exist: "+rule)
		}
	}
}

// rules are those that may guard the route.
func (r *Route) rules() []string {
	if r.Public {
		return nil
	}
	return append([]string{r.Policy}, r.Also...)
}

// bug panics with what is wrong with a route.
func (s *server) bug(r *Route, what string) {
	panic(fmt.Sprintf("httpapi: %s: %s %s %s %s", s.api.Service, r.Method, r.Path, r.Action, what))
}

// overlap reports whether two routes exist at one microversion.
func overlap(a, b *Route) bool {
	return before(a.Min, b.Max) && before(b.Min, a.Max)
}

// before reports whether lo is not after hi, where the zero hi has no limit.
func before(lo, hi Version) bool {
	return hi == (Version{}) || hi.AtLeast(lo.Major, lo.Minor)
}

// choose gives the route for a microversion, and for an action if there are any;
// known reports whether the action exists in some version.
func (e *endpoint) choose(v Version, action string) (route *boundRoute, known bool) {
	for _, r := range e.routes {
		if r.Action != action {
			continue
		}
		known = true
		if r.exists(v) {
			return r, true
		}
	}
	return nil, known
}
