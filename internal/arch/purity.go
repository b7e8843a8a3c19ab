package arch

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// pure lists the packages whose result depends on nothing but their arguments.
var pure = []string{"money", "ledger", "payment", "order", "payout"}

// pureStd lists the packages of the standard library that pure packages may import.
var pureStd = []string{
	"cmp", "errors", "fmt", "maps", "math", "math/bits", "slices", "strconv", "strings", "time", "unicode",
	"unicode/utf8",
}

// impure lists what those packages offer that reads the clock, waits, or talks to the outside. Fprint is none of it:
// without os there is only memory to write to.
var impure = map[string][]string{
	"time": {
		"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick", "Local", "LoadLocation",
	},
	"fmt": {"Print", "Printf", "Println", "Scan", "Scanf", "Scanln"},
}

// constructors lists the standard library's functions that may make the value of a package-level variable.
var constructors = map[string][]string{
	"errors":  {"New"},
	"fmt":     {"Errorf"},
	"maps":    {"Keys", "Values", "Collect"},
	"slices":  {"Sorted", "Collect"},
	"strings": {"NewReplacer"},
	"time":    {"Date"},
}

// Purity holds when the packages that decide about money read no clock, do no input or output, start nothing, wait for
// nothing, and keep nothing between two calls. Their tests may do all that.
func Purity(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		if !slices.Contains(pure, p.Dir) {
			continue
		}
		variables := p.variables()
		for _, f := range p.code() {
			problems = append(problems, m.pureImports(p, f)...)
			problems = append(problems, m.pureSyntax(p, f)...)
			problems = append(problems, m.pureVariables(p, f)...)
			problems = append(problems, m.changes(p, f, variables)...)
		}
	}
	return problems
}

func (m *Module) pureImports(p *Package, f *File) []Problem {
	var problems []Problem
	for _, spec := range f.ast.Imports {
		imported := importPath(spec)
		// The table of floors decides about our own packages.
		if strings.HasPrefix(imported, m.Path+"/") || slices.Contains(pureStd, imported) {
			continue
		}
		problems = append(problems, m.problem(spec, "%s is pure and must not import %q", p.Dir, imported))
	}
	return problems
}

func (m *Module) pureSyntax(p *Package, f *File) []Problem {
	var problems []Problem
	imports := f.imports()
	ast.Inspect(f.ast, func(n ast.Node) bool {
		if what := impureNode(imports, n); what != "" {
			problems = append(problems, m.problem(n, "%s is pure and must not have %s", p.Dir, what))
		}
		return true
	})
	return problems
}

// impureNode returns what is impure about a node, or "".
func impureNode(imports map[string]string, n ast.Node) string {
	if from, name := selector(imports, n); slices.Contains(impure[from], name) {
		return from + "." + name
	}
	switch n := n.(type) {
	case *ast.GoStmt:
		return "a go statement"
	case *ast.ChanType, *ast.SendStmt, *ast.SelectStmt:
		return "channels"
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			return "channels"
		}
	case *ast.CallExpr:
		if id, ok := n.Fun.(*ast.Ident); ok && (id.Name == "print" || id.Name == "println") {
			return id.Name
		}
	case *ast.FuncDecl:
		if n.Recv == nil && n.Name.Name == "init" {
			return "an init function"
		}
	}
	return ""
}

// pureVariables checks that every package-level variable is a constant in all but the language's word: it has a value
// from the start, and no function made that value which could have asked the outside.
func (m *Module) pureVariables(p *Package, f *File) []Problem {
	var problems []Problem
	imports := f.imports()
	for spec := range f.variables() {
		if len(spec.Values) == 0 {
			problems = append(problems, m.problem(spec, "%s is pure: variable %s has no value and so waits to be changed",
				p.Dir, spec.Names[0].Name))
		}
		for _, value := range spec.Values {
			ast.Inspect(value, func(n ast.Node) bool {
				if _, ok := n.(*ast.FuncLit); ok {
					return false
				}
				call, ok := n.(*ast.CallExpr)
				if !ok {
					return true
				}
				from, name := selector(imports, call.Fun)
				ours := from == "" || strings.HasPrefix(from, m.Path+"/")
				if !ours && !slices.Contains(constructors[from], name) {
					problems = append(problems, m.problem(call, "%s is pure: a package-level variable must not be made by %s.%s",
						p.Dir, from, name))
				}
				return true
			})
		}
	}
	return problems
}

// changes checks that no function changes a package-level variable. A local variable of the same name hides it for
// the whole function.
func (m *Module) changes(p *Package, f *File, variables []string) []Problem {
	var problems []Problem
	for _, decl := range f.ast.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		locals := declared(fn)
		ast.Inspect(fn, func(n ast.Node) bool {
			for _, target := range targets(n) {
				if name := variableOf(target); slices.Contains(variables, name) && !slices.Contains(locals, name) {
					problems = append(problems, m.problem(n, "%s is pure and must not change its variable %s", p.Dir, name))
				}
			}
			return true
		})
	}
	return problems
}
