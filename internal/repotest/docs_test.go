package repotest

import (
	"go/ast"
	"go/token"
	"strings"
	"testing"
)

func TestPackageComments(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command "
		}
		found := len(p.GoFiles) == 0
		for _, f := range p.source {
			if !f.test && f.ast.Doc != nil {
				found = found || strings.HasPrefix(f.ast.Doc.Text(), want)
			}
		}
		if !found {
			wrong = append(wrong, p.path+" has no comment that begins with "+want)
		}
	}
	report(t, wrong)
}

// TestExportedDocs: every exported identifier has a comment that begins with its name;
// in a group, the group's comment or one of the line's own will do.
func TestExportedDocs(t *testing.T) {
	var wrong []string
	for _, p := range packages(t) {
		if p.Name == "main" {
			continue
		}
		for _, f := range p.source {
			if f.test {
				continue
			}
			for _, d := range f.ast.Decls {
				for _, name := range undocumented(d) {
					wrong = append(wrong, f.at(d)+" "+name)
				}
			}
		}
	}
	report(t, wrong)
}

func undocumented(d ast.Decl) []string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if !d.Name.IsExported() || d.Recv != nil && !exportedReceiver(d.Recv) || begins(d.Doc, d.Name.Name) {
			return nil
		}
		return []string{d.Name.Name}
	case *ast.GenDecl:
		return undocumentedSpecs(d)
	}
	return nil
}

func undocumentedSpecs(d *ast.GenDecl) (missing []string) {
	group := d.Lparen.IsValid()
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && !begins(s.Doc, s.Name.Name) && (group || !begins(d.Doc, s.Name.Name)) {
				missing = append(missing, s.Name.Name)
			}
		case *ast.ValueSpec:
			if d.Tok != token.CONST && d.Tok != token.VAR {
				continue
			}
			for _, n := range s.Names {
				own := s.Doc != nil || s.Comment != nil
				if n.IsExported() && !(group && (own || d.Doc != nil)) && !begins(d.Doc, n.Name) {
					missing = append(missing, n.Name)
				}
			}
		}
	}
	return missing
}

func begins(doc *ast.CommentGroup, name string) bool {
	if doc == nil {
		return false
	}
	rest, ok := strings.CutPrefix(doc.Text(), name)
	return ok && rest != "" && strings.ContainsAny(rest[:1], " ,.:'\n")
}

func exportedReceiver(recv *ast.FieldList) bool {
	t := recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}
