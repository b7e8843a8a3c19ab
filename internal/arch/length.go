package arch

import (
	"go/ast"
	"go/token"
	"strings"
	"unicode/utf8"
)

// The longest that a function and a file may be, in lines, and a line of a comment, in characters.
const (
	maxFunction = 70
	maxFile     = 499
	maxComment  = 140
)

// Length holds when a function fits a screen, a comment fits its width, and a file can be read in one go. Generated files are exempt;
// so are test files, but not the functions and comments in them.
func Length(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		for _, f := range p.Files {
			if f.Generated {
				continue
			}
			if !f.Test && f.Lines > maxFile {
				problems = append(problems, m.problem(f.ast, "the file has %d lines, at most %d: split it by its nouns",
					f.Lines, maxFile))
			}
			problems = append(append(problems, m.functions(f)...), m.wideComments(f)...)
		}
	}
	return problems
}

// functions reports the outermost functions that are too long, counted from the word func to the closing brace.
func (m *Module) functions(f *File) []Problem {
	var problems []Problem
	ast.Inspect(f.ast, func(n ast.Node) bool {
		var name string
		var start token.Pos
		switch fn := n.(type) {
		case *ast.FuncDecl:
			name, start = fn.Name.Name, fn.Type.Func // fn.Pos is that of its doc comment
		case *ast.FuncLit:
			name, start = "this function", fn.Pos()
		default:
			return true
		}
		if lines := m.fset.Position(n.End()).Line - m.fset.Position(start).Line + 1; lines > maxFunction {
			problems = append(problems, m.problem(n, "%s has %d lines, at most %d: the parent branches, helpers compute",
				name, lines, maxFunction))
		}
		return false
	})
	return problems
}

// wideComments reports lines of comments that go too far to the right. One that stands behind code counts with it.
func (m *Module) wideComments(f *File) []Problem {
	var problems []Problem
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			at := m.fset.Position(c.Pos()).Column - 1
			if n := at + utf8.RuneCountInString(c.Text); n > maxComment && !strings.Contains(c.Text, "\n") && !strings.HasPrefix(c.Text, "//go:") {
				problems = append(problems, m.problem(c, "the comment goes to column %d, at most %d: wrap it", n, maxComment))
			}
		}
	}
	return problems
}
