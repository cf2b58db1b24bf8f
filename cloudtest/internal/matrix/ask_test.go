package matrix_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
	"github.com/welkin-cloud/cloud/internal/policy"
)

// ask is how a route is asked once.
type ask struct {
	name        string // tells it from others of the route
	query       string
	body        string // instead of the smallest that the schema accepts
	contentType string
	headers     map[string]string
	// rule decides, if it is not the route's own.
	rule string
	// target replaces what the kinds of the path say.
	target map[string]string
	// with has other ids for some segments of the path: {"roles": "$rolemember"}.
	with map[string]string
	// about is where an id of the kind is that the body names, and that the rule is about:
	// "volumes".
	about string
	// hide is as with a kind, for other ids than the kind's own.
	hide string
	// open says that nothing in the path is hidden from anybody.
	open bool
	// lists says why one may list what one may not get by itself.
	lists string
	// tells says why an outsider may read the names of what belongs to P.
	tells string
	// changes says why one who is allowed changes something by reading.
	changes string
	// newest asks are not for old microversions.
	newest bool
	// fails says why nobody who is allowed has success.
	fails string
	// owned things belong to the project of the token: without one they are not made.
	owned bool
	// absent says why one who is allowed may be told that something is not there.
	absent string
	// unproved says why one who is allowed may get 401: for a proof beyond the token.
	unproved string
	// refused says why one who is allowed may be refused all the same.
	refused string
}

// ofOthers asks for a list, and again for what belongs to P: the same rule decides, and
// nobody may find in it what is not for it.
func ofOthers(query string) []ask { return []ask{{}, {name: "of others", query: query}} }

// drill is a route to be asked in one way.
type drill struct {
	prefix string
	api    httpapi.API
	route  httpapi.Route
	ask    ask
	rule   string
	kinds  []kind // that the path names, in order
	path   string
	// decoy is the path with another id of the same form in place of the one that may be
	// hidden; empty if there is none.
	decoy           string
	hidden, decoyed string // the two ids
	target          policy.Target
	own             bool // target is the caller's own
	oldest          bool // asked in the oldest microversion that has the route
}

// key is what a route is called in the tables: names in braces do not matter.
func key(r httpapi.Route) string {
	k := r.Method + " " + r.Path
	if r.Action != "" {
		k += "#" + r.Action
	}
	return shape(k)
}

var parameter = regexp.MustCompile(`\{[^}]*\}`)

func shape(text string) string { return parameter.ReplaceAllString(text, "{}") }

// asksOf are the ways in which a route is asked.
func asksOf(s service, r httpapi.Route) []ask {
	for k, asks := range s.asks {
		if shape(k) == key(r) {
			return asks
		}
	}
	return []ask{{}}
}

// drills lists all that is to be asked, and what stands in the way: things in paths that
// no table knows, and rules that no ask comes to.
func (w *world) drills() (all []drill, problems []string) {
	for _, prefix := range slices.Sorted(maps.Keys(w.apis)) {
		api := w.apis[prefix]
		s, known := services[prefix]
		if !known {
			problems = append(problems, prefix+" is a service without a table")
			continue
		}
		seen := map[string]bool{}
		for _, r := range api.Routes {
			seen[key(r)] = true
			if r.Public {
				if s.public[key(r)] == "" {
					problems = append(problems, fmt.Sprintf("%s %s is public, and the table does not say why", prefix, key(r)))
				}
				continue
			}
			rules := map[string]bool{}
			for _, a := range asksOf(s, r) {
				d, err := w.drill(prefix, api, r, a)
				rules[d.rule] = true
				if err != nil {
					problems = append(problems, fmt.Sprintf("%s %s: %v", prefix, key(r), err))
					continue
				}
				all = append(all, d)
				old := d
				if old.oldest = true; old.version() != d.version() && !a.newest {
					all = append(all, old)
				}
			}
			for _, rule := range append([]string{r.Policy}, r.Also...) {
				if !rules[rule] {
					problems = append(problems, fmt.Sprintf("%s %s: no ask comes to the rule %s", prefix, key(r), rule))
				}
			}
		}
		for k := range s.asks {
			if !seen[shape(k)] {
				problems = append(problems, prefix+" "+k+" is in the table and no route")
			}
		}
	}
	return all, problems
}

// drill fills in a route.
func (w *world) drill(prefix string, api httpapi.API, r httpapi.Route, a ask) (drill, error) {
	d := drill{prefix: prefix, api: api, route: r, ask: a, rule: a.rule}
	if d.rule == "" {
		d.rule = r.Policy
	}
	if a.about != "" {
		k, err := w.kindAt(prefix, []string{a.about})
		if err != nil {
			return d, err
		}
		d.kinds, d.hidden, d.decoyed = []kind{k}, w.values[k.name], otherID(w.values[k.name])
	}
	pattern := strings.Split(r.Path, "/")
	segments, decoy := slices.Clone(pattern), slices.Clone(pattern)
	for i, segment := range pattern {
		if !strings.HasPrefix(segment, "{") {
			continue
		}
		k, err := w.kindAt(prefix, pattern[:i])
		if err != nil {
			return d, err
		}
		value := w.values[k.name]
		for at, other := range a.with {
			if slices.Contains(strings.Fields(k.at), at) {
				value = w.fill(other)
			}
		}
		segments[i], decoy[i] = value, value
		if len(d.kinds) == 0 {
			decoy[i] = otherID(value)
			d.hidden, d.decoyed = value, decoy[i]
		}
		d.kinds = append(d.kinds, k)
	}
	d.path, d.decoy = strings.Join(segments, "/"), strings.Join(decoy, "/")
	if a.query != "" {
		d.path += "?" + w.fill(a.query)
		d.decoy += "?" + w.fill(a.query)
	}
	d.aim(w)
	return d, nil
}

// aim finds what the rule is checked against.
func (d *drill) aim(w *world) {
	d.target = policy.Target{}
	given := d.ask.target
	if given == nil {
		given = map[string]string{}
		for _, k := range d.kinds {
			maps.Copy(given, k.target)
		}
	}
	d.own = len(given) == 0
	for name, value := range given {
		d.target[name] = w.fill(value)
	}
}

// kindAt is the kind whose ids follow the segments.
func (w *world) kindAt(prefix string, before []string) (kind, error) {
	last := before[len(before)-1]
	if strings.HasPrefix(last, "{") && len(before) > 1 {
		last = before[len(before)-2] + "/*"
	}
	for _, k := range services[prefix].kinds {
		if slices.Contains(strings.Fields(k.at), last) {
			return k, nil
		}
	}
	return kind{}, fmt.Errorf("no kind of thing is known whose id follows %q", last)
}

// otherID is an id like another one, of nothing.
func otherID(id string) string {
	turned := []byte(id)
	for i, b := range turned {
		switch {
		case b >= '0' && b <= '8', b >= 'a' && b <= 'e', b >= 'g' && b <= 'y':
			turned[i] = b + 1
		case b == '9':
			turned[i] = '0'
		case b == 'f':
			turned[i] = 'a'
		}
	}
	return string(turned)
}

// version is the newest microversion in which the route exists, or the oldest.
func (d *drill) version() httpapi.Version {
	if d.oldest && d.api.Microversions != nil {
		if d.route.Min != (httpapi.Version{}) {
			return d.route.Min
		}
		return d.api.Microversions.Min
	}
	if d.route.Max != (httpapi.Version{}) || d.api.Microversions == nil {
		return d.route.Max
	}
	return d.api.Microversions.Max
}

// question is the request, for the real thing or for its decoy.
func (d *drill) question(w *world, decoy bool) question {
	body, path := d.ask.body, d.path
	if body == "" {
		body = minimal(d.route, d.version())
	}
	body = w.fill(body)
	if decoy {
		path = d.decoy
		if d.ask.about != "" {
			body = strings.ReplaceAll(body, d.hidden, d.decoyed)
		}
	}
	return question{
		method: d.route.Method, path: path, body: body, contentType: d.ask.contentType,
		version: d.version(), headers: d.ask.headers,
	}
}

// String names the drill in failures.
func (d *drill) String() string {
	name := d.prefix + " " + key(d.route)
	if d.ask.name != "" {
		name += " (" + d.ask.name + ")"
	}
	if d.oldest {
		name += " in " + d.version().String()
	}
	return name
}
