package arch

import (
	"go/ast"
	"go/token"
)

// The longest that a function and a file may be, in lines.
const (
	maxFunction = 70
	maxFile     = 499
)

// Length holds when a function fits a screen and a file can be read in one go. Generated files are exempt; so are test
// files, but not the functions in them.
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
			problems = append(problems, m.functions(f)...)
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
