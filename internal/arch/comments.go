package arch

import (
	"go/ast"
	"slices"
	"strings"
)

// Comments holds when every package says what it is and every exported name what it promises.
func Comments(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		files := p.code()
		if len(files) == 0 {
			continue
		}
		if !slices.ContainsFunc(files, func(f *File) bool { return p.describedBy(f) }) {
			problems = append(problems, Problem{p.Dir, "has no package comment that begins with " + p.opening()})
		}
		for _, f := range files {
			if !f.Generated {
				problems = append(problems, m.fileComments(f)...)
			}
		}
	}
	return problems
}

// opening returns how the package comment begins.
func (p *Package) opening() string {
	if p.Name == "main" {
		return "Command " + p.Dir[strings.LastIndex(p.Dir, "/")+1:]
	}
	return "Package " + p.Name
}

func (p *Package) describedBy(f *File) bool {
	text := f.ast.Doc.Text()
	return opens(text, p.opening()) ||
		// The go command's own advice for a command is its capitalised name.
		p.Name == "main" && opens(strings.ToLower(text), strings.TrimPrefix(p.opening(), "Command "))
}

// opens tells whether a text begins with these words and goes on after them.
func opens(text, words string) bool {
	rest, ok := strings.CutPrefix(text, words)
	return ok && len(strings.TrimSpace(rest)) > 0 && strings.ContainsRune(" ,'\n", rune(rest[0]))
}

func (m *Module) fileComments(f *File) []Problem {
	var problems []Problem
	for _, decl := range f.ast.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if exported(d) && !named(d.Doc, d.Name.Name) {
				problems = append(problems, m.uncommented(d.Name))
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				for _, id := range undocumented(d, spec) {
					problems = append(problems, m.uncommented(id))
				}
			}
		}
	}
	return problems
}

func (m *Module) uncommented(id *ast.Ident) Problem {
	return m.problem(id, "%s is exported and needs a comment that begins with its name", id.Name)
}

// exported tells whether a function, or a method and its type, can be named from other packages. A method of the
// standard library's interfaces keeps the promise written there.
func exported(fn *ast.FuncDecl) bool {
	if !fn.Name.IsExported() {
		return false
	}
	if fn.Recv == nil {
		return true
	}
	receiver := fn.Recv.List[0].Type
	for {
		switch t := receiver.(type) {
		case *ast.StarExpr:
			receiver = t.X
		case *ast.IndexExpr:
			receiver = t.X
		case *ast.IndexListExpr:
			receiver = t.X
		default:
			id, ok := t.(*ast.Ident)
			return ok && id.IsExported() && !slices.Contains(promisedElsewhere, fn.Name.Name)
		}
	}
}

// promisedElsewhere lists methods of interfaces of the standard library.
var promisedElsewhere = []string{
	"Error", "Unwrap", "Is", "As", "String", "GoString", "Format", "LogValue",
	"MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "MarshalBinary", "UnmarshalBinary", "AppendText",
	"Read", "Write", "Close", "ReadFrom", "WriteTo", "ServeHTTP", "RoundTrip", "Scan", "Value", "Len", "Less", "Swap",
}

// undocumented returns the exported names of a declaration that have no comment. In a group of constants or variables
// the group's comment or one at the end of the line is enough; a type always has its own.
func undocumented(group *ast.GenDecl, spec ast.Spec) []*ast.Ident {
	doc := group.Doc
	switch s := spec.(type) {
	case *ast.TypeSpec:
		if group.Lparen.IsValid() {
			doc = s.Doc
		}
		if s.Name.IsExported() && !named(doc, s.Name.Name) {
			return []*ast.Ident{s.Name}
		}
	case *ast.ValueSpec:
		first := s.Names[0].Name
		inGroup := group.Lparen.IsValid() && (group.Doc.Text() != "" || s.Comment.Text() != "" || named(s.Doc, first))
		if inGroup || named(doc, first) {
			return nil
		}
		return slices.DeleteFunc(slices.Clone(s.Names), func(id *ast.Ident) bool { return !id.IsExported() })
	}
	return nil
}

// named tells whether a comment begins with the name, after an article if there is one.
func named(doc *ast.CommentGroup, name string) bool {
	text := doc.Text()
	for _, article := range []string{"A ", "An ", "The "} {
		text = strings.TrimPrefix(text, article)
	}
	return opens(text, name)
}
