// Package apicoverage tells how much of the imitated APIs is there: it compares the route
// tables of the services with an inventory of OpenStack's routes, and with a record of
// those that tests have driven. `make coverage-api` writes docs/api-coverage.md with it.
package apicoverage

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed routes.tsv
var inventory string

// Route is a route of an imitated API.
type Route struct {
	Service string // as catalogs call it: "block-storage"
	Method  string
	Path    string // "/v2.1/servers/{server_id}/action#os-stop"
	// Level is "core" for what the usual clients call, "extra", or "old" for what is
	// deprecated or removed.
	Level string
}

// Inventory returns the routes of all imitated APIs, sorted as in the data file: service
// by service, path by path.
func Inventory() ([]Route, error) {
	var all []Route
	for line := range strings.Lines(inventory) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			return nil, fmt.Errorf("apicoverage: %q is not a route", line)
		}
		all = append(all, Route{Service: f[0], Method: f[1], Path: f[2], Level: f[3]})
	}
	return all, nil
}

// shape is what matters of a route to find its like: the names in its path differ from
// table to table.
type shape struct {
	method   string
	segments []string // {} for a parameter
	action   string
}

// anyType is a parameter of the inventory that stands for each of several fixed words.
const anyType = "{resource_type}"

// shapeOf reads a path of the inventory or of a route table; action is empty if the path
// itself names it.
func shapeOf(service, method, path, action string) shape {
	path, key, found := strings.Cut(path, "#")
	if found {
		action = key
	}
	path, _, _ = strings.Cut(path, "?")
	if service == "block-storage" {
		// The id of the project is optional in front of all that a project has.
		path = strings.Replace(path, "/v3/{project_id}/", "/v3/", 1)
	}
	s := shape{method: method, action: action}
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if strings.HasPrefix(segment, "{") && segment != anyType {
			segment = "{}"
		}
		s.segments = append(s.segments, segment)
	}
	return s
}

// serves reports whether a route of this shape serves what a shape of the inventory asks
// for. HEAD is answered from GET.
func (s shape) serves(asked shape) bool {
	method := s.method == asked.method || asked.method == "HEAD" && s.method == "GET"
	if !method || s.action != asked.action || len(s.segments) != len(asked.segments) {
		return false
	}
	for i, segment := range asked.segments {
		if segment != s.segments[i] && segment != anyType {
			return false
		}
	}
	return true
}
