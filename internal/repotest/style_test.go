package repotest

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const longest = 800 // lines of a file

func TestFilesAreShort(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		for _, f := range p.source {
			if n := bytes.Count(f.text, []byte("\n")); n > longest {
				wrong = append(wrong, fmt.Sprintf("%s has %d lines", f.path, n))
			}
		}
	}
	report(t, wrong)
}

func TestFormatted(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		for _, f := range p.source {
			if out, err := format.Source(f.text); err != nil || !bytes.Equal(out, f.text) {
				wrong = append(wrong, f.path)
			}
		}
	}
	report(t, wrong)
}

// forbidden are calls that library code does not make, and what it does instead.
var forbidden = map[string]string{
	"time.Sleep":         "wait for what happens, or clock.Sleep",
	"context.Background": "take the caller's",
	"context.TO" + "DO":  "take the caller's",
	"os.Exit":            "return an error",
	"log.Fatal":          "return an error",
	"log.Printf":         "take a *slog.Logger",
	"log.Print":          "take a *slog.Logger",
	"fmt.Println":        "take a *slog.Logger",
	"fmt.Printf":         "take a *slog.Logger",
	"slog.Default":       "take a *slog.Logger",
	"rand.Seed":          "take ids.Source",
}

// excused are calls of a file that are right where they are, with the reason.
var excused = map[string]string{
	"internal/state/sqlite/sqlite.go context.Background": "opening is short and bounded by the busy timeout; Open takes no context",
	"network/linux/linux.go context.Background":          "the life of the mechanism, which Close ends",
}

// excusedSleeps are test files that sleep outside a synctest bubble, with the reason.
var excusedSleeps = map[string]string{
	"network/linux/probe_test.go": "it carries packets of a real device, which tells nobody when it comes up",
}

func TestForbiddenCalls(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		if !p.library() && !strings.HasSuffix(p.path, "test") {
			continue
		}
		for _, f := range p.source {
			if f.test {
				continue
			}
			calls(f, func(name string, at ast.Node) {
				if instead, bad := forbidden[name]; bad && excused[f.path+" "+name] == "" {
					wrong = append(wrong, f.at(at)+" "+name+": "+instead)
				}
			})
		}
	}
	report(t, wrong)
}

// TestNoSleepNoSkip: tests wait for events, and run everywhere or nowhere. In a bubble of
// testing/synctest sleeping costs nothing and is exact.
func TestNoSleepNoSkip(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		for _, f := range p.source {
			sleeps := excusedSleeps[f.path] != "" || bytes.Contains(f.text, []byte(`"testing/synctest"`))
			calls(f, func(name string, at ast.Node) {
				receiver, method, _ := strings.Cut(name, ".")
				skip := (receiver == "t" || receiver == "b" || receiver == "f") && strings.HasPrefix(method, "Skip")
				if skip || f.test && !sleeps && name == "time.Sleep" {
					wrong = append(wrong, f.at(at)+" "+name)
				}
			})
		}
	}
	report(t, wrong)
}

// calls tells of each call of the form a.b(…).
func calls(f file, tell func(name string, at ast.Node)) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			if s, ok := c.Fun.(*ast.SelectorExpr); ok {
				if x, ok := s.X.(*ast.Ident); ok {
					tell(x.Name+"."+s.Sel.Name, c)
				}
			}
		}
		return true
	})
}

// mutable are package-level variables of library code that change, with the reason.
var mutable = map[string]string{
	"compute/computeapi/api.go versions":      "its address is handed to httpapi, which reads it",
	"compute/computeapi/versions.go versions": "its address is handed to httpapi, which reads it",
	"compute/placementapi/api.go versions":    "its address is handed to httpapi, which reads it",
}

// TestNoGlobalState: no init, and no package-level variable that is assigned to, taken
// the address of, or of a type made to change.
func TestNoGlobalState(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		if p.Name == "main" {
			continue
		}
		globals := map[string]bool{}
		for _, f := range p.source {
			if f.test {
				continue
			}
			for _, d := range f.ast.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					wrong = append(wrong, f.at(d)+" init")
				}
				if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.VAR {
					for _, s := range g.Specs {
						v := s.(*ast.ValueSpec)
						if madeToChange(v) {
							wrong = append(wrong, f.at(v)+" "+v.Names[0].Name)
						}
						for _, n := range v.Names {
							globals[n.Name] = n.Name != "_"
						}
					}
				}
			}
		}
		for _, f := range p.source {
			if !f.test {
				wrong = append(wrong, changed(f, globals)...)
			}
		}
	}
	report(t, wrong)
}

// madeToChange reports whether a variable is of package sync, or made empty.
func madeToChange(v *ast.ValueSpec) bool {
	if s, ok := v.Type.(*ast.SelectorExpr); ok {
		x, _ := s.X.(*ast.Ident)
		return x != nil && (x.Name == "sync" || x.Name == "atomic")
	}
	for _, value := range v.Values {
		if c, ok := value.(*ast.CallExpr); ok {
			if fn, ok := c.Fun.(*ast.Ident); ok && (fn.Name == "make" || fn.Name == "new") {
				return true
			}
		}
	}
	return false
}

// changed finds assignments to package-level variables. A local variable of the same
// name hides one: such functions are passed over.
func changed(f file, globals map[string]bool) (wrong []string) {
	for _, d := range f.ast.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil {
			continue
		}
		local := locals(fn)
		note := func(x ast.Expr, at ast.Node) {
			if i, ok := x.(*ast.IndexExpr); ok {
				x = i.X
			}
			id, ok := x.(*ast.Ident)
			if ok && globals[id.Name] && !local[id.Name] && mutable[f.path+" "+id.Name] == "" {
				wrong = append(wrong, f.at(at)+" changes "+id.Name)
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for _, x := range n.Lhs {
					note(x, n)
				}
			case *ast.IncDecStmt:
				note(n.X, n)
			case *ast.UnaryExpr:
				if id, ok := n.X.(*ast.Ident); ok && n.Op == token.AND {
					note(id, n)
				}
			}
			return true
		})
	}
	return wrong
}

// locals are the names that a function declares anywhere.
func locals(fn *ast.FuncDecl) map[string]bool {
	names := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			for _, id := range n.Names {
				names[id.Name] = true
			}
		case *ast.AssignStmt:
			for _, x := range n.Lhs {
				if id, ok := x.(*ast.Ident); ok && n.Tok == token.DEFINE {
					names[id.Name] = true
				}
			}
		case *ast.RangeStmt:
			for _, x := range []ast.Expr{n.Key, n.Value} {
				if id, ok := x.(*ast.Ident); ok {
					names[id.Name] = true
				}
			}
		case *ast.ValueSpec:
			for _, id := range n.Names {
				names[id.Name] = true
			}
		}
		return true
	})
	return names
}

// TestNoForeignPaths: nothing in the repository names a place of one machine, nor
// leaves work for later. The words are put together here so that this file has none.
func TestNoForeignPaths(t *testing.T) {
	words := []string{"/wo" + "rk/", "TO" + "DO", "FIX" + "ME"}
	cmd := exec.Command("git", "ls-files", "-z")
	cmd.Dir = root
	out, err := cmd.Output()
	require.NoError(t, err)
	var wrong []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) || bytes.IndexByte(text, 0) >= 0 {
			continue // removed, or not text
		}
		require.NoError(t, err)
		for i, line := range strings.Split(string(text), "\n") {
			for _, w := range words {
				if strings.Contains(line, w) {
					wrong = append(wrong, fmt.Sprintf("%s:%d %s", name, i+1, w))
				}
			}
		}
	}
	report(t, wrong)
}
