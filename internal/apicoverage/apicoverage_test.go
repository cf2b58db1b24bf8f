package apicoverage_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/welkin-cloud/cloud/cloudtest"
	"github.com/welkin-cloud/cloud/internal/apicoverage"
	"github.com/welkin-cloud/cloud/internal/httpapi"
)

const document = "../../docs/api-coverage.md"

// TestReport checks that docs/api-coverage.md promises no more than the route tables hold,
// and that its sums are right: it may lag behind new routes. With a record of what tests
// were served in APICOVERAGE_RECORD it writes the document: see `make coverage-api`.
func TestReport(t *testing.T) {
	inventory, err := apicoverage.Inventory()
	require.NoError(t, err)
	apis := httpapi.APIs(cloudtest.New(t).Handler())
	if name := os.Getenv("APICOVERAGE_RECORD"); name != "" {
		record, err := os.Open(name)
		require.NoError(t, err)
		defer record.Close()
		served, err := apicoverage.ReadServed(record)
		require.NoError(t, err)
		report := apicoverage.Report(apicoverage.Compare(apis, inventory, served), inventory)
		require.NoError(t, os.WriteFile(document, []byte(report), 0o644))
	}
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	require.NotEmpty(t, apis)
	for _, c := range apicoverage.Compare(apis, inventory, nil) {
		t.Run(c.Service, func(t *testing.T) { checkService(t, string(text), c) })
	}
}

// checkService compares what the document says of a service with what is there.
func checkService(t *testing.T, text string, c apicoverage.Coverage) {
	_, section, found := strings.Cut(text, "\n## "+c.Service+"\n")
	require.True(t, found, "the document has no section on it: run make coverage-api")
	section, _, _ = strings.Cut(section, "\n## ")
	missing, untested := listed(t, section, apicoverage.Missing), listed(t, section, apicoverage.Untested)
	core, all := 0, 0
	for _, r := range slices.SortedFunc(maps.Keys(c.Routes), func(a, b apicoverage.Route) int { return strings.Compare(a.Path+a.Method, b.Path+b.Method) }) {
		name := r.Method + " " + r.Path
		if !missing[name] {
			require.NotEqual(t, apicoverage.Missing, c.Routes[r], "%s is said to be there: run make coverage-api", name)
		}
		if missing[name] || untested[name] {
			continue
		}
		all++
		if r.Level == "core" {
			core++
		}
	}
	require.Contains(t, text, fmt.Sprintf("\n| %s | %d | %d | %d | %d | %d | %d |\n", c.Service,
		core, c.Count("core"), all, c.Count(""), len(untested), len(missing)))
}

// listed reads the routes that a section lists as being in a state.
func listed(t *testing.T, section string, state apicoverage.State) map[string]bool {
	routes := map[string]bool{}
	title := strings.ToUpper(string(state[:1])) + string(state[1:])
	for _, level := range []string{"core", "extra", "old"} {
		_, rest, found := strings.Cut(section, "\n"+title+" ("+level+", ")
		if !found {
			continue
		}
		n := 0
		for line := range strings.Lines(strings.SplitAfterN(rest, "\n", 3)[2]) {
			name, isRoute := strings.CutPrefix(strings.TrimSpace(line), "- `")
			if !isRoute {
				break
			}
			routes[strings.TrimSuffix(name, "`")] = true
			n++
		}
		require.True(t, strings.HasPrefix(rest, fmt.Sprintf("%d):", n)), "%s (%s) does not list as many as it says", title, level)
	}
	return routes
}

func TestCompare(t *testing.T) {
	inventory := []apicoverage.Route{
		{Service: "block-storage", Method: "GET", Path: "/v3/{project_id}/volumes/{volume_id}", Level: "core"},
		{Service: "block-storage", Method: "HEAD", Path: "/v3/{project_id}/volumes/{volume_id}", Level: "extra"},
		{Service: "block-storage", Method: "GET", Path: "/v3/{project_id}/volumes/detail", Level: "core"},
		{Service: "block-storage", Method: "POST", Path: "/v3/{project_id}/volumes/{id}/action#os-extend", Level: "core"},
		{Service: "block-storage", Method: "POST", Path: "/v3/{project_id}/volumes/{id}/action#os-retype", Level: "old"},
		{Service: "block-storage", Method: "PUT", Path: "/v3/{resource_type}/{id}/tags", Level: "extra"},
		{Service: "rating", Method: "GET", Path: "/v1/report", Level: "core"},
	}
	apis := map[string]httpapi.API{"/volume": {Service: "volume", Routes: []httpapi.Route{
		{Method: "GET", Path: "/v3/volumes/{id}"},
		{Method: "POST", Path: "/v3/volumes/{id}/action", Action: "os-extend"},
		{Method: "PUT", Path: "/v3/volumes/{id}/tags"},
		{Method: "POST", Path: "/v3/welkin"},
	}}}
	served, err := apicoverage.ReadServed(strings.NewReader("volume\tGET\t/v3/volumes/{id}\t\nvolume\tGET\t/v3/volumes/{id}\t\n"))
	require.NoError(t, err)
	all := apicoverage.Compare(apis, inventory, served)
	require.Len(t, all, 1)
	require.Equal(t, apicoverage.Coverage{
		Service: "block-storage",
		Routes: map[apicoverage.Route]apicoverage.State{
			inventory[0]: apicoverage.Driven,
			inventory[1]: apicoverage.Untested,
			inventory[2]: apicoverage.Missing,
			inventory[3]: apicoverage.Untested,
			inventory[4]: apicoverage.Missing,
			inventory[5]: apicoverage.Untested,
		},
		Beyond: []string{"POST /v3/welkin"},
	}, all[0])
	report := apicoverage.Report(all, inventory)
	require.Contains(t, report, "| block-storage | 1 | 3 | 1 | 6 | 3 | 2 |\n")
	require.Contains(t, report, "Not there at all: rating.\n")
	require.Contains(t, report, "\nNot there (core, 1):\n\n- `GET /v3/{project_id}/volumes/detail`\n")
	checkService(t, report, all[0])

	_, err = apicoverage.ReadServed(strings.NewReader("volume\tGET\n"))
	require.Error(t, err)
}
