package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode/utf8"
)

// say tells the person something that is not a result.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.stderr, plain(fmt.Sprintf(format, args...)))
}

// print writes a line of the result.
func (a *app) print(format string, args ...any) error {
	_, err := fmt.Fprintln(a.stdout, plain(fmt.Sprintf(format, args...)))
	return err
}

// printJSON writes a result for a program, on one line.
func (a *app) printJSON(v any) error {
	encoder := json.NewEncoder(a.stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// result writes a result for a program or, as facts, for a person.
func (a *app) result(asJSON bool, v any, facts ...pair) error {
	if asJSON {
		return a.printJSON(v)
	}
	_, err := fmt.Fprint(a.stdout, table(facts))
	return err
}

// pair is a name and a value, to be shown on a line.
type pair struct{ name, value string }

// table writes pairs below each other, leaving out those without a value.
func table(pairs []pair) string {
	width := 0
	for _, p := range pairs {
		if p.value != "" {
			width = max(width, utf8.RuneCountInString(p.name))
		}
	}
	var b strings.Builder
	for _, p := range pairs {
		if p.value != "" {
			fmt.Fprintf(&b, "%-*s  %s\n", width, p.name, strings.ReplaceAll(plain(p.value), "\n", " "))
		}
	}
	return b.String()
}

// list writes a result for a program or, as a table with a heading, for a person.
func (a *app) list(asJSON bool, v any, heading []string, rows [][]string) error {
	if asJSON {
		return a.printJSON(v)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{heading}, rows...) {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(plain(cell), "\n", " ")
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

// digits are large figures, five lines of five columns.
var digits = [10][5]string{
	{" ███ ", "█   █", "█   █", "█   █", " ███ "},
	{"  █  ", " ██  ", "  █  ", "  █  ", " ███ "},
	{"████ ", "    █", " ███ ", "█    ", "█████"},
	{"████ ", "    █", " ███ ", "    █", "████ "},
	{"█   █", "█   █", "█████", "    █", "    █"},
	{"█████", "█    ", "████ ", "    █", "████ "},
	{" ███ ", "█    ", "████ ", "█   █", " ███ "},
	{"█████", "    █", "   █ ", "  █  ", "  █  "},
	{" ███ ", "█   █", " ███ ", "█   █", " ███ "},
	{" ███ ", "█   █", " ████", "    █", " ███ "},
}

// letters are as large: those of REHEARSAL.
var letters = map[rune][5]string{
	'A': {" ███ ", "█   █", "█████", "█   █", "█   █"},
	'E': {"█████", "█    ", "████ ", "█    ", "█████"},
	'H': {"█   █", "█   █", "█████", "█   █", "█   █"},
	'L': {"█    ", "█    ", "█    ", "█    ", "█████"},
	'R': {"████ ", "█   █", "████ ", "█  █ ", "█   █"},
	'S': {" ████", "█    ", " ███ ", "    █", "████ "},
}

// large writes digits and the letters there are so that they are read across a table.
func large(code string) string {
	var b strings.Builder
	for line := range 5 {
		b.WriteString("   ")
		for _, c := range code {
			if c >= '0' && c <= '9' {
				b.WriteString(" " + digits[c-'0'][line] + " ")
			} else if letter, ok := letters[c]; ok {
				b.WriteString(" " + letter[line] + " ")
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
