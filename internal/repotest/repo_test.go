package repotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/welkin-cloud/cloud"

// root is the repository's, from here.
var root = filepath.Join("..", "..")

// pkg is what `go list` says of a package, and its parsed files.
type pkg struct {
	ImportPath, Name, Dir              string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Imports, TestImports, XTestImports []string
	Deps                               []string

	path   string // below the module: "compute/driver"; "." is the root package
	source []file
}

// file is a parsed file of a package, tests included.
type file struct {
	path string // from the root
	test bool
	ast  *ast.File
	text []byte
	fset *token.FileSet
}

func (f file) at(n ast.Node) string {
	return f.path + ":" + f.fset.Position(n.Pos()).String()[len(f.fset.Position(n.Pos()).Filename)+1:]
}

// forTests reports whether a package exists for tests only: suites, fakes of whole
// clouds, helpers.
func (p pkg) forTests() bool { return strings.HasSuffix(p.path, "test") }

// library reports whether others build on the package: neither a program nor there for
// tests.
func (p pkg) library() bool { return p.Name != "main" && !p.forTests() }

var load = sync.OnceValues(func() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,GoFiles,TestGoFiles,XTestGoFiles,Imports,TestImports,XTestImports,Deps", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, errors.New(stderr.String())
	}
	var all []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		p.path = "."
		if p.ImportPath != module {
			p.path = strings.TrimPrefix(p.ImportPath, module+"/")
		}
		if p.source, err = parse(p); err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func parse(p pkg) ([]file, error) {
	var files []file
	read := func(names []string, test bool) error {
		for _, name := range names {
			text, err := os.ReadFile(filepath.Join(p.Dir, name))
			if err != nil {
				return err
			}
			f := file{path: filepath.Join(p.path, name), test: test, text: text, fset: token.NewFileSet()}
			if f.ast, err = parser.ParseFile(f.fset, name, text, parser.ParseComments); err != nil {
				return err
			}
			files = append(files, f)
		}
		return nil
	}
	return files, errors.Join(read(p.GoFiles, false), read(p.TestGoFiles, true), read(p.XTestGoFiles, true))
}

func packages(t *testing.T) []pkg {
	t.Helper()
	all, err := load()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// report fails the test with all that is wrong at once.
func report(t *testing.T, wrong []string) {
	t.Helper()
	if len(wrong) > 0 {
		t.Errorf("%d times:\n\t%s", len(wrong), strings.Join(wrong, "\n\t"))
	}
}
