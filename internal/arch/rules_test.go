package arch

import (
	"strings"
	"testing"
	"testing/fstest"
)

// snippet is a small module of one file and the problem a rule must find in it; "" stands for none.
type snippet struct {
	name string
	file string
	text string
	want string
}

// run checks that each snippet has exactly the problem it should.
func run(t *testing.T, check func(*Module) []Problem, snippets []snippet) {
	t.Helper()
	for _, s := range snippets {
		t.Run(s.name, func(t *testing.T) {
			m, err := Load(fstest.MapFS{
				"go.mod": {Data: []byte("module tapline\n")},
				s.file:   {Data: []byte(s.text)},
			})
			if err != nil {
				t.Fatal(err)
			}
			problems := check(m)
			switch {
			case s.want == "" && len(problems) > 0:
				t.Errorf("%s\ngot %v, want no problem", s.text, problems)
			case s.want != "" && (len(problems) != 1 || !strings.Contains(problems[0].String(), s.want)):
				t.Errorf("%s\ngot %v, want one problem with %q", s.text, problems, s.want)
			}
		})
	}
}

func TestFloors(t *testing.T) {
	run(t, Floors, []snippet{
		{"down", "ledger/l.go", "package ledger\nimport \"tapline/money\"", ""},
		{"up", "money/m.go", "package money\nimport \"tapline/ledger\"", "money must not import tapline/ledger"},
		{"up, renamed", "money/m.go", "package money\nimport x \"tapline/ledger\"", "money/m.go:2: money must not"},
		{"up, for its effect", "money/m.go", "package money\nimport _ \"tapline/ledger\"", "must not import"},
		{"beside", "consent/c.go", "package consent\nimport \"tapline/ledger\"", "must not import tapline/ledger"},
		{"inside, unlisted", "consent/c.go", "package consent\nimport \"tapline/money/x\"", "must not import"},
		{"the root", "cmd/tapline/main.go", "package main\nimport \"tapline\"", "must not import tapline"},
		{"the store, by its user", "httpapi/h.go", "package httpapi\nimport \"tapline/sqlstore\"", "must not import"},
		{"test files import what they like", "money/m_test.go", "package money\nimport \"tapline/sqlstore\"", ""},
		{"command imports all", "cmd/tapline/main.go", "package main\nimport \"tapline/sqlstore\"", ""},
		{"simulator imports no command", "internal/sim/s.go", "package sim\nimport \"tapline/cmd/tapline\"", "must not"},
		{"other modules", "money/m.go", "package money\nimport \"taplines/x\"", ""},
		{"unlisted package", "fees/f.go", "package fees", "fees: is not in the table"},
		{"unlisted package of tests", "fees/f_test.go", "package fees", ""},
		{"cgo", "card/pcsc/p.go", "package pcsc\nimport \"C\"", "without cgo"},
		{"dot import", "card/c.go", "package card\nimport . \"strings\"", "hides where"},
	})
}

func TestPurity(t *testing.T) {
	run(t, Purity, []snippet{
		{"listed imports", "money/m.go", "package money\nimport (\"errors\"; \"math/bits\"; \"tapline/x\")", ""},
		{"other imports", "money/m.go", "package money\nimport \"os\"", `money is pure and must not import "os"`},
		{"shell", "sqlstore/s.go", "package sqlstore\nimport \"os\"\nfunc f() { go f() }", ""},
		{"tests of the pure", "money/m_test.go", "package money\nimport \"os\"\nfunc f() { go f() }", ""},
		{"types of time", "payment/p.go", "package payment\nimport \"time\"\nfunc f(t time.Time) bool { return t.IsZero() }", ""},
		{"clock", "payment/p.go", "package payment\nimport \"time\"\nfunc f() time.Time { return time.Now() }", "time.Now"},
		{"clock, renamed", "payment/p.go", "package payment\nimport x \"time\"\nfunc f() x.Time { return x.Now() }", "time.Now"},
		{"clock, not called", "payment/p.go", "package payment\nimport \"time\"\nfunc f() any { return time.Since }", "time.Since"},
		{"timer", "payment/p.go", "package payment\nimport \"time\"\nfunc f() { time.NewTimer(1) }", "time.NewTimer"},
		{"output", "ledger/l.go", "package ledger\nimport \"fmt\"\nfunc f() { fmt.Println() }", "fmt.Println"},
		{"text", "ledger/l.go", "package ledger\nimport \"fmt\"\nfunc f() string { return fmt.Sprint(1) }", ""},
		{"text to a writer", "ledger/l.go", "package ledger\nimport \"fmt\"\nfunc f(b W) { fmt.Fprintln(b) }", ""},
		{"built-in output", "ledger/l.go", "package ledger\nfunc f() { println(1) }", "println"},
		{"go", "ledger/l.go", "package ledger\nfunc f() { go f() }", "a go statement"},
		{"channel", "ledger/l.go", "package ledger\nfunc f() { _ = make(chan int) }", "channels"},
		{"send", "ledger/l.go", "package ledger\nfunc f(c C) { c <- 1 }", "channels"},
		{"receive", "ledger/l.go", "package ledger\nfunc f(c C) { <-c }", "channels"},
		{"select", "ledger/l.go", "package ledger\nfunc f() { select {} }", "channels"},
		{"init", "ledger/l.go", "package ledger\nfunc init() {}", "an init function"},
		{"method init", "ledger/l.go", "package ledger\nfunc (l L) init() {}", ""},
	})
}

func TestPurityOfVariables(t *testing.T) {
	const ledger = "package ledger\nimport (\"errors\"; \"strings\"; \"tapline/money\")\n"
	run(t, Purity, []snippet{
		{"sentinel", "ledger/l.go", ledger + `var ErrX = errors.New("x")`, ""},
		{"table", "ledger/l.go", ledger + "var t = map[string]int{\"a\": 1}\nfunc f() int { return t[\"a\"] }", ""},
		{"made by ours", "ledger/l.go", ledger + "var t = build()\nvar u = money.Must(1)", ""},
		{"conversion", "ledger/l.go", ledger + "var _ I = (*T)(nil)", ""},
		{"function", "ledger/l.go", ledger + "var f = func() string { return strings.ToUpper(\"\") }", ""},
		{"made elsewhere", "ledger/l.go", ledger + "var t = strings.NewReader(``)", "made by strings.NewReader"},
		{"no value", "ledger/l.go", ledger + "var n int", "variable n has no value"},
		{"set", "ledger/l.go", ledger + "var n = 1\nfunc f() { n = 2 }", "l.go:4: ledger is pure and must not change its variable n"},
		{"counted", "ledger/l.go", ledger + "var n = 1\nfunc f() { n++ }", "variable n"},
		{"added to", "ledger/l.go", ledger + "var n = 1\nfunc f() { n += 2 }", "variable n"},
		{"entry set", "ledger/l.go", ledger + "var t = map[int]int{}\nfunc f() { t[1] = 2 }", "variable t"},
		{"entry removed", "ledger/l.go", ledger + "var t = map[int]int{}\nfunc f() { delete(t, 1) }", "variable t"},
		{"field set", "ledger/l.go", ledger + "var t = T{}\nfunc f() { (t.a).b[0] = 2 }", "variable t"},
		{"overwritten by copy", "ledger/l.go", ledger + "var t = []int{1}\nfunc f() { copy(t[0:], nil) }", "variable t"},
		{"range into", "ledger/l.go", ledger + "var n = 1\nfunc f() { for n = range 3 {} }", "variable n"},
		{"pointer handed out", "ledger/l.go", ledger + "var n = 1\nfunc f() *int { return &n }", "variable n"},
		{"through a pointer", "ledger/l.go", ledger + "var p = new(1)\nfunc f() { *p = 2 }", "variable p"},
		{"hidden by a local", "ledger/l.go", ledger + "var n = 1\nfunc f() { n := 1; n++ }", ""},
		{"hidden by a parameter", "ledger/l.go", ledger + "var n = 1\nfunc f(n int) { n++ }", ""},
		{"hidden by a result", "ledger/l.go", ledger + "var n = 1\nfunc f() (n int) { n = 1; return }", ""},
		{"hidden by a var", "ledger/l.go", ledger + "var n = 1\nfunc f() { var n int; n = 1 }", ""},
		{"hidden by a range", "ledger/l.go", ledger + "var n = 1\nfunc f() { for n := range 3 { n++ } }", ""},
	})
}

func TestLength(t *testing.T) {
	// A function of so many lines, with a doc comment, which does not count.
	function := func(head string, lines int) string {
		return head + " {" + strings.Repeat("\n", lines-1) + "}\n"
	}
	const top = "package card\n\n// F does.\n"
	const generated = "// Code generated by hand. DO NOT EDIT.\n\n"
	run(t, Length, []snippet{
		{"function that fits", "card/c.go", top + function("func F()", 70), ""},
		{"function too long", "card/c.go", top + function("func F()", 71), "F has 71 lines, at most 70"},
		{"method too long", "card/c.go", top + function("func (c C) F()", 71), "F has 71 lines"},
		{"test too long", "card/c_test.go", top + function("func F()", 71), "F has 71 lines"},
		{"literal too long", "card/c.go", top + function("var f = func()", 71), "this function has 71 lines"},
		{"literal in a function", "card/c.go", top + "func F() {\n" + function("_ = func()", 71) + "}", "F has 73 lines"},
		{"generated function", "card/c.go", generated + top + function("func F()", 71), ""},
		{"comment that fits", "card/c.go", "package card\n\n// " + strings.Repeat("语", 137), ""},
		{"comment too wide", "card/c_test.go", "package card\n\n// " + strings.Repeat("a", 138), "c_test.go:3: the comment goes to column 141, at most 140"},
		{"generated comment", "card/c.go", generated + "package card\n\n// " + strings.Repeat("a", 138), ""},
		{"file that fits", "card/c.go", "package card\n" + strings.Repeat("\n", 498), ""},
		{"file too long", "card/c.go", "package card\n" + strings.Repeat("\n", 499), "the file has 500 lines"},
		{"test file", "card/c_test.go", "package card\n" + strings.Repeat("\n", 600), ""},
		{"generated file", "card/c.go", generated + "package card\n" + strings.Repeat("\n", 600), ""},
	})
}

func TestPackageComments(t *testing.T) {
	run(t, Comments, []snippet{
		{"comment", "card/c.go", "// Package card reads.\npackage card", ""},
		{"none", "card/c.go", "package card", "card: has no package comment that begins with Package card"},
		{"apart", "card/c.go", "// Package card reads.\n\npackage card", "no package comment"},
		{"other name", "card/c.go", "// Package cards reads.\npackage card", "no package comment"},
		{"name only", "card/c.go", "// Package card\npackage card", "no package comment"},
		{"command", "cmd/tapline/main.go", "// Command tapline pays.\npackage main", ""},
		{"command by name", "cmd/tapline/main.go", "// Tapline pays.\npackage main", ""},
		{"command as package", "cmd/tapline/main.go", "// Package main pays.\npackage main", "Command tapline"},
		{"tests only", "card/c_test.go", "package card", ""},
	})
}

func TestComments(t *testing.T) {
	const card = "// Package card reads.\npackage card\n"
	run(t, Comments, []snippet{
		{"function", "card/c.go", card + "// F reads.\nfunc F() {}", ""},
		{"function without", "card/c.go", card + "func F() {}", "c.go:3: F is exported"},
		{"function, other name", "card/c.go", card + "// Reads.\nfunc F() {}", "F is exported"},
		{"function, longer name", "card/c.go", card + "// Fs reads.\nfunc F() {}", "F is exported"},
		{"function, name only", "card/c.go", card + "// F\nfunc F() {}", "F is exported"},
		{"unexported", "card/c.go", card + "func f() {}\ntype t int\nvar v = 1\nconst c = 1", ""},
		{"method", "card/c.go", card + "func (t *T[K]) F() {}", "F is exported"},
		{"method of a hidden type", "card/c.go", card + "func (t *t) F() {}", ""},
		{"method of a known interface", "card/c.go", card + "func (t T) String() string { return `` }", ""},
		{"type", "card/c.go", card + "// A T is.\ntype T int", ""},
		{"type without", "card/c.go", card + "type T int", "T is exported"},
		{"type in a group", "card/c.go", card + "// Types.\ntype (\n\t// T is.\n\tT int\n\tU int\n)", "U is exported"},
		{"constant", "card/c.go", card + "// C is.\nconst C = 1", ""},
		{"constant without", "card/c.go", card + "const C = 1", "C is exported"},
		{"constants in a group with comment", "card/c.go", card + "// The kinds.\nconst (\n\tC = 1\n\tD = 2\n)", ""},
		{"constants in a bare group", "card/c.go", card + "const (\n\tC = 1 // one\n\t// D is.\n\tD = 2\n\tE = 3\n)", "E is"},
		{"constants beside each other", "card/c.go", card + "const c, D = 1, 2", "D is exported"},
		{"variable without", "card/c.go", card + "var V = 1", "V is exported"},
		{"test file", "card/c_test.go", "package card\nfunc F() {}", ""},
		{"generated", "card/c.go", "// Code generated by x. DO NOT EDIT.\n\n" + card + "func F() {}", ""},
	})
}

func TestNames(t *testing.T) {
	run(t, Names, []snippet{
		{"noun of the field", "ledger/l.go", "package ledger", ""},
		{"directory", "internal/util/u.go", "package util", `internal/util: "util" names no noun`},
		{"directory, plural", "helpers/h.go", "package helpers", `"helpers"`},
		{"package clause", "card/c.go", "package common", `card: "common"`},
		{"test package", "card/c_test.go", "package models_test", `card: "models"`},
	})
}

func TestTests(t *testing.T) {
	const top = "package card\nimport (\"testing\"; \"testing/synctest\"; \"time\"; x \"time\"; \"pgregory.net/rapid\")\n"
	run(t, Tests, []snippet{
		{"sleep", "card/c_test.go", top + "func TestX(t *testing.T) { time.Sleep(1) }", "c_test.go:3: time.Sleep in a test"},
		{"sleep, renamed", "card/c_test.go", top + "func TestX(t *testing.T) { x.Sleep(1) }", "time.Sleep"},
		{"sleep, not called", "card/c_test.go", top + "var nap = time.Sleep", "time.Sleep"},
		{"sleep, no test", "card/c.go", top + "func f() { time.Sleep(1) }", ""},
		{"fake clock", "card/c_test.go", top +
			"func TestX(t *testing.T) { synctest.Test(t, func(t *testing.T) { time.Sleep(1) }) }", ""},
		{"skip on a fake clock", "card/c_test.go", top +
			"func TestX(t *testing.T) { synctest.Test(t, func(t *testing.T) { t.Skip() }) }", "Skip"},
		{"skip", "card/c_test.go", top + "func TestX(t *testing.T) { t.Skip(`no reader`) }", "Skip: ask internal/testenv"},
		{"skip in a helper", "card/c.go", top + "func need(tb testing.TB) { tb.Skipf(`no`) }", "Skipf"},
		{"skip in a closure", "card/c_test.go", top + "func TestX(t *testing.T) { func() { t.SkipNow() }() }", "SkipNow"},
		{"skip in a fuzz function", "card/c_test.go", top +
			"func FuzzX(f *testing.F) { f.Fuzz(func(t *testing.T, b []byte) { t.Skip() }) }", "a fuzz function returns"},
		{"skip in a struct", "card/c_test.go", top + "type s struct { t *testing.T }\nfunc (s s) f() { s.t.Skip() }", "Skip"},
		{"the one that may", "internal/testenv/t.go", top + "func Need(t testing.TB) { t.Skip() }", ""},
		{"skip of a parser", "card/c_test.go", top + "func f(t *testing.T, d decoder) { d.Skip(3) }", ""},
		{"skip of rapid", "card/c_test.go", top +
			"func TestX(t *testing.T) { rapid.Check(t, func(t *rapid.T) { t.Skip() }) }", ""},
	})
}
