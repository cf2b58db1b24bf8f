package repotest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testOnly are modules that programs built on this one must not link.
var testOnly = []string{
	"github.com/stretchr/testify", "pgregory.net/rapid", "github.com/gophercloud/gophercloud", "github.com/google/go-cmp",
	"github.com/anishathalye/porcupine",
}

// testHelpers are packages for tests whose names do not end in "test".
var testHelpers = map[string]string{
	"cloudtest/internal/simulate": "it runs whole clouds inside the bubbles of tests",
	"internal/diskfault":          "it makes the disk of a child process fail",
	"internal/guestimage":         "it builds the guest that tests of hypervisors boot, once for all of them",
}

func TestNoTestDependencyInLibraries(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		if !p.library() || strings.HasPrefix(p.path, "examples/") || testHelpers[p.path] != "" {
			continue
		}
		for _, imp := range append(slices.Clone(p.Imports), p.Deps...) {
			if slices.ContainsFunc(testOnly, func(m string) bool { return strings.HasPrefix(imp, m) }) || imp == "testing" {
				wrong = append(wrong, p.path+" links "+imp)
			}
		}
	}
	report(t, wrong)
}

// TestDependenciesAreExplained: docs/dependencies.md has a line for each module that is
// imported here, and for no other.
func TestDependenciesAreExplained(t *testing.T) {
	required := requirements(t)
	used := map[string]bool{}
	for _, p := range packages(t) {
		for _, imp := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
			if m := moduleOf(required, imp); m != "" {
				used[m] = true
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "dependencies.md"))
	require.NoError(t, err)
	explained := map[string]bool{}
	for _, line := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		explained[line[1]] = true
	}
	var wrong []string
	for m := range used {
		if !explained[m] {
			wrong = append(wrong, m+" is imported but not in docs/dependencies.md")
		}
	}
	for m := range explained {
		if strings.Contains(m, ".") && !used[m] {
			wrong = append(wrong, m+" is in docs/dependencies.md but not imported")
		}
	}
	slices.Sort(wrong)
	report(t, wrong)
}

// requirements are the modules of go.mod.
func requirements(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	var all []string
	for _, line := range regexp.MustCompile(`(?m)^(?:require)?\s+(\S+\.\S+/\S+) v\S+`).FindAllStringSubmatch(string(text), -1) {
		all = append(all, line[1])
	}
	require.NotEmpty(t, all)
	return all
}

// moduleOf returns the module of an import path; empty if it is not a required one.
func moduleOf(required []string, imp string) string {
	for _, m := range required {
		if imp == m || strings.HasPrefix(imp, m+"/") {
			return m
		}
	}
	return ""
}
