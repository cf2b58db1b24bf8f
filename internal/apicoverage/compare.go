package apicoverage

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/welkin-cloud/cloud/internal/httpapi"
)

// Served is a route that a test got a success from, as `make coverage-api` records it.
type Served struct {
	Service string // of the policy: "volume"
	Method  string // that was sent: HEAD where GET answers it
	Path    string // of the route table
	Action  string
}

// ReadServed reads a record of what was served: lines of service, method, path and
// action.
func ReadServed(r io.Reader) (map[Served]bool, error) {
	all := map[Served]bool{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		f := strings.Split(lines.Text(), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("apicoverage: %q is no line of a record", lines.Text())
		}
		all[Served{f[0], f[1], f[2], f[3]}] = true
	}
	return all, lines.Err()
}

// catalogName is what the inventory calls a service that has another name in policies.
func catalogName(service string) string {
	if service == "volume" {
		return "block-storage"
	}
	return service
}

// State is how far a route of the inventory has come.
type State string

const (
	// Missing routes are in no route table.
	Missing State = "not there"
	// Untested routes are in a table, and no test has driven them to a success.
	Untested State = "there, driven by no test"
	// Driven routes have answered a test with a success.
	Driven State = "there"
)

// Coverage is what is there of one service.
type Coverage struct {
	Service string
	Routes  map[Route]State
	// Beyond are routes of ours that the inventory has not: "GET /v2.1/…".
	Beyond []string
}

// Compare finds for each service with a route table the state of its routes in the
// inventory, and says what the inventory lacks. The result is sorted by service.
func Compare(apis map[string]httpapi.API, inventory []Route, served map[Served]bool) []Coverage {
	var all []Coverage
	for _, prefix := range slices.Sorted(maps.Keys(apis)) {
		all = append(all, compare(apis[prefix], inventory, served))
	}
	slices.SortFunc(all, func(a, b Coverage) int { return strings.Compare(a.Service, b.Service) })
	return all
}

func compare(api httpapi.API, inventory []Route, served map[Served]bool) Coverage {
	c := Coverage{Service: catalogName(api.Service), Routes: map[Route]State{}}
	known := make([]bool, len(api.Routes))
	for _, asked := range inventory {
		if asked.Service != c.Service {
			continue
		}
		c.Routes[asked] = Missing
		want := shapeOf(c.Service, asked.Method, asked.Path, "")
		for i, r := range api.Routes {
			if !shapeOf(c.Service, r.Method, r.Path, r.Action).serves(want) {
				continue
			}
			known[i] = true
			if served[Served{api.Service, asked.Method, r.Path, r.Action}] {
				c.Routes[asked] = Driven
			} else if c.Routes[asked] == Missing {
				c.Routes[asked] = Untested
			}
		}
	}
	for i, r := range api.Routes {
		if !known[i] {
			c.Beyond = append(c.Beyond, nameOf(r))
		}
	}
	slices.Sort(c.Beyond)
	c.Beyond = slices.Compact(c.Beyond)
	return c
}

// nameOf writes a route of ours as the inventory would.
func nameOf(r httpapi.Route) string {
	name := r.Method + " " + r.Path
	if r.Action != "" {
		name += "#" + r.Action
	}
	return name
}

// Count returns how many routes of a level are in one of the states; an empty level means
// all of them.
func (c Coverage) Count(level string, states ...State) int {
	n := 0
	for r, state := range c.Routes {
		if (level == "" || r.Level == level) && (len(states) == 0 || slices.Contains(states, state)) {
			n++
		}
	}
	return n
}
