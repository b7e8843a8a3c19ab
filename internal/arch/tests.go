package arch

import (
	"go/ast"
	"maps"
	"slices"
)

// skippers lists the packages that may skip a test; everybody else asks them.
var skippers = []string{"internal/testenv"}

// Tests holds when no test waits by the clock and none is skipped by its own decision: a skip that nobody sees is a
// rule that nobody checks.
func Tests(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		for _, f := range p.Files {
			w := walker{m: m, f: f, imports: f.imports(), maySkip: slices.Contains(skippers, p.Dir)}
			w.fields = w.testFields()
			w.walk(f.ast, scope{})
			problems = append(problems, w.problems...)
		}
	}
	return problems
}

// walker goes through one file.
type walker struct {
	m        *Module
	f        *File
	imports  map[string]string
	maySkip  bool
	fields   map[string]bool // names of struct fields that hold a test
	problems []Problem
}

// scope is what the walker knows at one place.
type scope struct {
	tests  map[string]bool // for each parameter in scope, whether it is a *testing.T or its like
	bubble bool            // inside synctest.Test, where Sleep moves a fake clock
}

func (w *walker) walk(root ast.Node, s scope) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Body != nil {
				w.walk(n.Body, s.within(w, n.Recv, n.Type.Params))
			}
			return false
		case *ast.FuncLit:
			w.walk(n.Body, s.within(w, n.Type.Params))
			return false
		case *ast.CallExpr:
			from, name := selector(w.imports, n.Fun)
			if from != "testing/synctest" || name != "Test" {
				return true
			}
			for _, arg := range n.Args {
				w.walk(arg, scope{s.tests, true})
			}
			return false
		case *ast.SelectorExpr:
			w.selected(n, s)
		}
		return true
	})
}

func (w *walker) selected(sel *ast.SelectorExpr, s scope) {
	from, name := selector(w.imports, sel)
	if w.f.Test && !s.bubble && from == "time" && name == "Sleep" {
		w.problems = append(w.problems, w.m.problem(sel, "time.Sleep in a test: wait for the thing, or use testing/synctest"))
	}
	skips := slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name)
	if skips && !w.maySkip && w.isTest(sel.X, s) {
		w.problems = append(w.problems, w.m.problem(sel,
			"%s: ask internal/testenv, which alone may skip; a fuzz function returns", sel.Sel.Name))
	}
}

// isTest tells whether an expression like t or suite.t is a test.
func (w *walker) isTest(e ast.Expr, s scope) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return s.tests[x.Name]
	case *ast.SelectorExpr:
		return w.fields[x.Sel.Name]
	}
	return false
}

// within returns the scope inside a function with these parameters.
func (s scope) within(w *walker, lists ...*ast.FieldList) scope {
	inner := scope{maps.Clone(s.tests), s.bubble}
	if inner.tests == nil {
		inner.tests = make(map[string]bool)
	}
	for _, list := range lists {
		if list == nil {
			continue
		}
		for _, field := range list.List {
			for _, id := range field.Names {
				inner.tests[id.Name] = w.isTestType(field.Type)
			}
		}
	}
	return inner
}

// testFields returns the names of the fields of the file's structs that hold a test.
func (w *walker) testFields() map[string]bool {
	names := make(map[string]bool)
	ast.Inspect(w.f.ast, func(n ast.Node) bool {
		s, ok := n.(*ast.StructType)
		if !ok {
			return true
		}
		for _, field := range s.Fields.List {
			if !w.isTestType(field.Type) {
				continue
			}
			for _, id := range field.Names {
				names[id.Name] = true
			}
		}
		return true
	})
	return names
}

func (w *walker) isTestType(e ast.Expr) bool {
	if star, ok := e.(*ast.StarExpr); ok {
		e = star.X
	}
	from, name := selector(w.imports, e)
	return from == "testing" && slices.Contains([]string{"T", "B", "F", "TB"}, name)
}
