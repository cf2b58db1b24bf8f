package cloudtest_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts of docs/faults.md, and the files that their faults are in.
var parts = []struct{ title, file string }{
	{"Servers and hosts", "faults_compute.go"},
	{"Networks", "faults_network.go"},
	{"Volumes", "faults_volume.go"},
	{"Images", "faults_image.go"},
	{"The API", "faults_api.go"},
	{"Tokens", "faults_identity.go"},
	{"The cloud itself", "faults_cloud.go"},
	{"Anything else", "inject_call.go"},
	{"", "inject_http.go"},
}

// aspects are what the comment of a fault tells.
var aspects = []string{"In the field: ", "A client sees: ", "Welkin: "}

// generated is the line of docs/faults.md behind which the comments follow.
const generated = "<!-- What follows is made of the comments of package cloudtest by its tests. -->\n"

// TestFaultsAreDocumented: docs/faults.md has what the comments say, and each fault has a
// test. With UPDATE_DOCS=1 in the environment it writes the file.
func TestFaultsAreDocumented(t *testing.T) {
	const path = "../docs/faults.md"
	have, err := os.ReadFile(path)
	require.NoError(t, err)
	head, _, found := bytes.Cut(have, []byte(generated))
	require.True(t, found)
	want := string(head) + generated + catalogue(t)
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(have), "write it with: UPDATE_DOCS=1 go test ./cloudtest -run "+t.Name())
}

// catalogue lists all faults, part by part.
func catalogue(t *testing.T) string {
	var b strings.Builder
	tests := testsText(t)
	total := 0
	for _, part := range parts {
		if part.title != "" {
			fmt.Fprintf(&b, "\n## %s\n\n| fault | in the field | a client sees | Welkin |\n|---|---|---|---|\n", part.title)
		}
		file, err := parser.ParseFile(token.NewFileSet(), part.file, nil, parser.ParseComments)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && makesFault(fn) {
				require.Contains(t, tests, "cloudtest."+fn.Name.Name+"(", "the fault needs a test")
				b.WriteString(row(t, fn))
				total++
			}
		}
	}
	require.Equal(t, faultsOfPackage(t), total, "a file with faults is in no part")
	return b.String()
}

func makesFault(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || !fn.Name.IsExported() || fn.Type.Results == nil {
		return false
	}
	result, ok := fn.Type.Results.List[0].Type.(*ast.Ident)
	return ok && result.Name == "Fault"
}

// row is the line of one fault: its name with what it does, and its aspects.
func row(t *testing.T, fn *ast.FuncDecl) string {
	paragraphs := strings.Split(strings.TrimSpace(fn.Doc.Text()), "\n\n")
	require.Len(t, paragraphs, 1+len(aspects), "%s tells what it does and %q", fn.Name.Name, aspects)
	what := strings.TrimPrefix(oneLine(paragraphs[0]), fn.Name.Name+" ")
	cells := []string{"**" + fn.Name.Name + "** " + what}
	for i, aspect := range aspects {
		text, found := strings.CutPrefix(oneLine(paragraphs[i+1]), aspect)
		require.True(t, found, "%s needs %q", fn.Name.Name, aspect)
		cells = append(cells, text)
	}
	return "| " + strings.Join(cells, " | ") + " |\n"
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func testsText(t *testing.T) string {
	names, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	var all []byte
	for _, name := range names {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		all = append(all, text...)
	}
	return string(all)
}

func faultsOfPackage(t *testing.T) (n int) {
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, name := range names {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && makesFault(fn) {
				n++
			}
		}
	}
	return n
}
