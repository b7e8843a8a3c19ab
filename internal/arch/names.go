package arch

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// nameless lists the package names that say nothing of what is inside.
var nameless = []string{"util", "common", "model", "service", "manager", "core", "base", "helper", "misc", "shared"}

// Names holds when every package is named by a noun of the field.
func Names(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		for _, name := range slices.Compact([]string{path.Base(p.Dir), p.Name}) {
			if slices.Contains(nameless, strings.TrimSuffix(name, "s")) {
				problems = append(problems, Problem{p.Dir, fmt.Sprintf("%q names no noun of the field", name)})
			}
		}
	}
	return problems
}
