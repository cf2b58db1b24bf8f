package identityapi_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const gophercloudIdentity = "github.com/gophercloud/gophercloud/v2/openstack/identity/v3/"

// TestGophercloudWhole: the tests of this package call every function of gophercloud's
// identity packages that sends a request. Those are the exported ones that take a client.
func TestGophercloudWhole(t *testing.T) {
	called := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	require.NoError(t, err)
	for _, file := range files {
		callsOf(t, file, called)
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{.Dir}}", gophercloudIdentity+"...").Output()
	require.NoError(t, err)
	requests := 0
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		if path.Base(pkg) == "testing" {
			continue
		}
		for _, name := range requestsIn(t, dir) {
			requests++
			assert.True(t, called[pkg+"."+name], "no test calls %s.%s", path.Base(pkg), name)
		}
	}
	require.Greater(t, requests, 120, "the reading of gophercloud has gone wrong")
}

// callsOf adds what a file calls in the packages that it imports.
func callsOf(t *testing.T, file string, called map[string]bool) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	imports := map[string]string{}
	for _, i := range f.Imports {
		imported, err := strconv.Unquote(i.Path.Value)
		require.NoError(t, err)
		name := path.Base(imported)
		if i.Name != nil {
			name = i.Name.Name
		}
		imports[name] = imported
	}
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if s, ok := call.Fun.(*ast.SelectorExpr); ok {
			if x, ok := s.X.(*ast.Ident); ok {
				called[imports[x.Name]+"."+s.Sel.Name] = true
			}
		}
		return true
	})
}

// requestsIn are the functions of a package that take a *gophercloud.ServiceClient.
func requestsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.IsExported() && slices.ContainsFunc(fn.Type.Params.List, takesClient) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}

func takesClient(p *ast.Field) bool {
	star, ok := p.Type.(*ast.StarExpr)
	if !ok {
		return false
	}
	s, ok := star.X.(*ast.SelectorExpr)
	return ok && s.Sel.Name == "ServiceClient"
}
