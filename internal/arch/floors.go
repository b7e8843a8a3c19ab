package arch

import (
	"slices"
	"strings"
)

// floor is one package and the packages of this module that it may import.
type floor struct {
	dir     string
	imports []string
}

// anything lets a package import every package listed before it.
const anything = "*"

// table is the building, from the ground up: a package may stand only on packages listed before it. Ask of a new line
// whether the package below it could do without, and whether a rule about money is about to sink into the shell.
// Test files may import what they like.
var table = []floor{
	// The rules: pure.
	{"money", nil},
	{"ledger", []string{"money"}},
	{"payment", []string{"money", "ledger"}},
	{"order", []string{"money", "payment"}},
	{"payout", []string{"money", "ledger", "payment"}},

	// Who proves what to whom.
	{"internal/strictjson", nil},
	{"keyring", nil},
	{"consent", []string{"money", "payment", "order", "payout", "internal/strictjson", "keyring"}},

	// Out into the world.
	{"internal/egress", nil},
	{"push", []string{"keyring"}},
	{"webhook", nil},
	{"mail", []string{"consent"}},

	// The card.
	{"card/apdu", nil},
	{"card/tlv", nil},
	{"card", []string{"card/apdu", "card/tlv"}},
	{"card/cmac", nil},
	{"card/sun", []string{"card", "card/apdu", "card/tlv", "card/cmac"}},
	{"card/ntag", []string{"card", "card/apdu", "card/cmac", "card/sun"}},
	{"card/oda", []string{"card", "card/apdu", "card/tlv"}},
	{"card/pcsc", []string{"card", "card/apdu"}},
	{"card/bridge", []string{"card", "consent", "internal/strictjson"}},
	{"card/cardtest", []string{"card", "card/apdu", "card/tlv", "card/cmac", "card/sun", "card/oda", "card/pcsc"}},

	// What goes over the wire, and its clients.
	{"api", []string{"money", "payment", "order", "payout", "consent", "internal/strictjson"}},
	{"bank", []string{"money", "payout", "api"}},
	{"internal/client", []string{"consent", "api"}},
	{"device", []string{"money", "payment", "order", "consent", "api", "internal/client"}},
	{"payee", []string{"money", "consent", "api", "internal/client", "webhook"}},
	{"operator", []string{"money", "consent", "api", "internal/client"}},
	{"examples/shop", []string{"money", "order", "api", "payee"}},

	// The service.
	{"processor", []string{"money", "ledger", "payment", "order", "payout", "consent", "keyring"}},
	{"history", []string{"ledger", "consent", "keyring", "processor"}},
	{"sqlstore", []string{"money", "ledger", "payment", "order", "payout", "consent", "processor", "history"}},
	{"sandbox", []string{
		"money", "ledger", "payment", "order", "consent", "keyring", "card/sun", "api", "device", "processor", "sqlstore",
	}},
	{"httpapi", []string{
		"money", "ledger", "payment", "order", "payout", "consent", "keyring", "card", "card/sun", "card/oda", "api", "processor",
		"internal/strictjson", "push", "webhook", "bank", "history", "sandbox",
	}},
	{"notice", []string{"money", "payment", "consent", "keyring", "api", "processor", "push", "webhook", "mail"}},
	{"webui", nil},

	// What keeps the rest honest.
	{"push/pushtest", nil},
	{"mail/mailtest", nil},
	{"internal/arch", nil},
	{"internal/testenv", nil},
	{"internal/pgserver", nil},
	{"internal/pgtest", []string{"internal/testenv", "internal/pgserver"}},
	{"internal/testdb", []string{"sqlstore", "internal/pgtest"}},
	{"internal/storetest", []string{"money", "ledger", "payment", "order", "payout", "consent", "processor"}},
	{"internal/simdisk", nil},
	{"internal/sim", []string{anything}},
	{"internal/bench", []string{anything}},
	{"internal/clienttest", []string{anything}},
	{"internal/docgen", []string{"money", "payment", "httpapi"}},
	{"scripts/clients", []string{"api", "httpapi"}},
	{"scripts/gotest", nil},
	{"scripts/performance", []string{"internal/bench", "internal/pgserver"}},

	// Where everything meets.
	{"cmd/tapline", []string{anything}},
}

// Floors holds when every package is in the table, imports from this module only what the table lets it, and does
// without cgo: the binary is built where no C compiler is.
func Floors(m *Module) []Problem {
	var problems []Problem
	for _, p := range m.Packages {
		if len(p.code()) == 0 {
			continue
		}
		i := slices.IndexFunc(table, func(f floor) bool { return f.dir == p.Dir })
		if i < 0 {
			problems = append(problems, Problem{p.Dir,
				"is not in the table of internal/arch/floors.go; think about which floor it is on and add it there"})
			continue
		}
		for _, f := range p.code() {
			problems = append(problems, m.imports(f, i)...)
		}
	}
	return problems
}

// imports checks the imports of one file of the package at place i of the table.
func (m *Module) imports(f *File, i int) []Problem {
	var problems []Problem
	for _, spec := range f.ast.Imports {
		imported := importPath(spec)
		dir, ours := strings.CutPrefix(imported, m.Path+"/")
		switch {
		case imported == "C":
			problems = append(problems, m.problem(spec, "tapline is built without cgo"))
		case imported == m.Path, ours && !allowed(i, dir):
			problems = append(problems, m.problem(spec,
				"%s must not import %s; the table is in internal/arch/floors.go", table[i].dir, imported))
		case spec.Name != nil && spec.Name.Name == ".":
			problems = append(problems, m.problem(spec, "import . %q hides where each name comes from", imported))
		}
	}
	return problems
}

// allowed tells whether the package at place i of the table may import another.
func allowed(i int, dir string) bool {
	if slices.Contains(table[i].imports, anything) {
		return slices.ContainsFunc(table[:i], func(below floor) bool { return below.dir == dir })
	}
	return slices.Contains(table[i].imports, dir)
}
