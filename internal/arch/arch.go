// Package arch keeps the promises of ARCHITECTURE.md and STYLE.md that a machine can check: who may import whom, which
// packages are pure, how long a function may be, what must have a comment. It reads the source files themselves, so
// that Go's test cache knows every file a result depends on.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// Module is the source of one Go module.
type Module struct {
	// Path is the module's path in go.mod.
	Path string
	// Packages are its packages, sorted by directory.
	Packages []*Package

	fset *token.FileSet
}

// Package is one directory of Go files.
type Package struct {
	// Dir is the directory, relative to the module's root; "." for the root itself.
	Dir string
	// Name is the name in the package clause, without the _test of an external test package.
	Name string
	// Files are all its files, whatever their build constraints, sorted by name.
	Files []*File
}

// File is one parsed Go file.
type File struct {
	// Name is the path relative to the module's root.
	Name string
	// Test tells a _test.go file.
	Test bool
	// Generated tells a file that says so by the standard comment.
	Generated bool
	// Lines is the number of lines.
	Lines int

	ast *ast.File
}

// Load parses every Go file of the module whose root is fsys. Like the go command it leaves out testdata, nested
// modules, and names that begin with a dot or an underscore.
func Load(fsys fs.FS) (*Module, error) {
	gomod, err := fs.ReadFile(fsys, "go.mod")
	if err != nil {
		return nil, err
	}
	m := &Module{Path: modulePath(string(gomod)), fset: token.NewFileSet()}
	if m.Path == "" {
		return nil, fmt.Errorf("go.mod names no module")
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && ignoredDir(fsys, name):
			return fs.SkipDir
		case d.IsDir() || path.Ext(name) != ".go" || hidden(d.Name()):
			return nil
		}
		return m.add(fsys, name)
	})
	return m, err
}

func modulePath(gomod string) string {
	for line := range strings.Lines(gomod) {
		if words := strings.Fields(line); len(words) >= 2 && words[0] == "module" {
			return strings.Trim(words[1], "\"`")
		}
	}
	return ""
}

func ignoredDir(fsys fs.FS, name string) bool {
	base := path.Base(name)
	if hidden(base) || base == "testdata" || base == "node_modules" || base == "vendor" {
		return true
	}
	_, err := fs.Stat(fsys, path.Join(name, "go.mod"))
	return err == nil
}

func hidden(base string) bool { return base[0] == '.' || base[0] == '_' }

func (m *Module) add(fsys fs.FS, name string) error {
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	tree, err := parser.ParseFile(m.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	p := m.packageIn(path.Dir(name))
	p.Name = strings.TrimSuffix(tree.Name.Name, "_test")
	p.Files = append(p.Files, &File{
		Name:      name,
		Test:      strings.HasSuffix(name, "_test.go"),
		Generated: ast.IsGenerated(tree),
		Lines:     strings.Count(string(text), "\n"),
		ast:       tree,
	})
	return nil
}

// packageIn returns the package of a directory. A directory's files do not come in one run: those of a sub-directory
// may sort between them.
func (m *Module) packageIn(dir string) *Package {
	for _, p := range m.Packages {
		if p.Dir == dir {
			return p
		}
	}
	p := &Package{Dir: dir}
	m.Packages = append(m.Packages, p)
	return p
}

// code returns the package's files that are no tests.
func (p *Package) code() []*File {
	var files []*File
	for _, f := range p.Files {
		if !f.Test {
			files = append(files, f)
		}
	}
	return files
}

// imports maps the name by which the file knows an imported package to that package's path.
func (f *File) imports() map[string]string {
	names := make(map[string]string)
	for _, spec := range f.ast.Imports {
		importPath := importPath(spec)
		name := path.Base(importPath)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = importPath
	}
	return names
}

func importPath(spec *ast.ImportSpec) string {
	// The parser has checked that it is a string literal.
	text, _ := strconv.Unquote(spec.Path.Value)
	return text
}

// selector returns the package path and name that an expression like time.Now selects from an imported package, or
// two empty strings.
func selector(imports map[string]string, n ast.Node) (importPath, name string) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	x, ok := sel.X.(*ast.Ident)
	if !ok || imports[x.Name] == "" {
		return "", ""
	}
	return imports[x.Name], sel.Sel.Name
}

// Problem is one place that breaks a rule.
type Problem struct {
	// Where is a file and line, or a package's directory.
	Where string
	// What says which rule is broken and what to do about it.
	What string
}

// String returns the problem as compilers print theirs.
func (p Problem) String() string { return p.Where + ": " + p.What }

func (m *Module) problem(n ast.Node, format string, args ...any) Problem {
	pos := m.fset.Position(n.Pos())
	return Problem{fmt.Sprintf("%s:%d", pos.Filename, pos.Line), fmt.Sprintf(format, args...)}
}

// Rule is one thing that holds for the whole module.
type Rule struct {
	// Name is short and in lower case.
	Name string
	// Check returns every place that breaks the rule.
	Check func(*Module) []Problem
}

// Rules returns all rules.
func Rules() []Rule {
	return []Rule{
		{"floors", Floors},
		{"purity", Purity},
		{"length", Length},
		{"comments", Comments},
		{"names", Names},
		{"tests", Tests},
	}
}
