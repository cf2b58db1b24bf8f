package apicoverage

import (
	"fmt"
	"slices"
	"strings"
)

// intro is what the report begins with.
const intro = `# What there is of the imitated APIs

Made by ` + "`make coverage-api`" + `; do not edit. It compares the route tables with an inventory of
OpenStack's APIs, ` + "`internal/apicoverage/routes.tsv`" + `. A route is **implemented** if a test has
driven it over HTTP to a success, with a client or by hand; the authorisation matrix does not
count. A route is **core** if the usual clients call it, **old** if it is deprecated or removed
in OpenStack. Microversions are not told apart.

| service | core | of | all | of | there, driven by no test | not there |
|---|---|---|---|---|---|---|
`

// levels are those of the inventory, in the order of the report.
var levels = []string{"core", "extra", "old"}

// Report writes docs/api-coverage.md.
func Report(all []Coverage, inventory []Route) string {
	var b strings.Builder
	b.WriteString(intro)
	total := Coverage{Service: "**all**", Routes: map[Route]State{}}
	for _, c := range all {
		b.WriteString(c.row())
		for r, state := range c.Routes {
			total.Routes[r] = state
		}
	}
	b.WriteString(total.row())
	b.WriteString("\nNot there at all: " + strings.Join(absent(all, inventory), ", ") + ".\n")
	for _, c := range all {
		c.write(&b)
	}
	return b.String()
}

// row is a service's line of the table.
func (c Coverage) row() string {
	return fmt.Sprintf("| %s | %d | %d | %d | %d | %d | %d |\n", c.Service,
		c.Count("core", Driven), c.Count("core"), c.Count("", Driven), c.Count(""), c.Count("", Untested), c.Count("", Missing))
}

// absent lists the services of the inventory that have no route table.
func absent(all []Coverage, inventory []Route) (names []string) {
	for _, r := range inventory {
		here := func(c Coverage) bool { return c.Service == r.Service }
		if !slices.ContainsFunc(all, here) && !slices.Contains(names, r.Service) {
			names = append(names, r.Service)
		}
	}
	slices.Sort(names)
	return names
}

// write lists what a service lacks.
func (c Coverage) write(b *strings.Builder) {
	fmt.Fprintf(b, "\n## %s\n", c.Service)
	for _, state := range []State{Untested, Missing} {
		for _, level := range levels {
			if names := c.names(level, state); len(names) > 0 {
				fmt.Fprintf(b, "\n%s (%s, %d):\n\n%s\n", strings.ToUpper(string(state[:1]))+string(state[1:]),
					level, len(names), list(names))
			}
		}
	}
	if len(c.Beyond) > 0 {
		fmt.Fprintf(b, "\nThere, and not in the inventory (%d):\n\n%s\n", len(c.Beyond), list(c.Beyond))
	}
}

// names lists the routes of a level and state, path by path.
func (c Coverage) names(level string, state State) []string {
	var routes []Route
	for r, s := range c.Routes {
		if s == state && r.Level == level {
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, func(a, b Route) int {
		return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
	})
	names := make([]string, len(routes))
	for i, r := range routes {
		names[i] = r.Method + " " + r.Path
	}
	return names
}

func list(names []string) string {
	return "- `" + strings.Join(names, "`\n- `") + "`"
}
