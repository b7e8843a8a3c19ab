// Command docgen writes what the documents repeat of the code: it replaces the text between a line
// <!-- generated: NAME --> and the next <!-- end --> in every file of docs. It also writes the constants of package api that repeat
// the table of problem codes. "go generate ./..." runs it; its test fails when something is out of date.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tapline/httpapi"
	"tapline/money"
	"tapline/payment"
)

//go:generate go run . ../../docs ../../api/codes.go

// blocks makes each generated text.
var blocks = map[string]func() string{
	"payment diagram": func() string { return "```mermaid\n" + payment.Diagram() + "```\n" },
	"payment table":   payment.Table,
	"policy table":    policyTable,
	"assurance table": assuranceTable,
	"limits table":    limitsTable,
	"problem codes":   problemCodes,
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: docgen FOLDER CODES.GO")
		os.Exit(2)
	}
	files, err := filepath.Glob(filepath.Join(os.Args[1], "*.md"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
	for _, file := range files {
		if err := rewrite(file); err != nil {
			fmt.Fprintln(os.Stderr, "docgen:", err)
			os.Exit(1)
		}
	}
	if err := os.WriteFile(os.Args[2], []byte(codes()), 0o644); err != nil {
		fmt.Fprintln(os.Stderr, "docgen:", err)
		os.Exit(1)
	}
}

func rewrite(file string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	text, err := generate(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if text == string(old) {
		return nil
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

var block = regexp.MustCompile(`(?s)<!-- generated: ([^\n]*) -->\n.*?<!-- end -->`)

// generate returns a document with its generated parts made anew.
func generate(text string) (string, error) {
	var err error
	out := block.ReplaceAllStringFunc(text, func(old string) string {
		name := block.FindStringSubmatch(old)[1]
		f, ok := blocks[name]
		if !ok {
			err = fmt.Errorf("nothing generates %q", name)
			return old
		}
		return "<!-- generated: " + name + " -->\n" + f() + "<!-- end -->"
	})
	return out, err
}

// policyTable asks the policy itself, for every operator's level and kind of tap.
func policyTable() string {
	var b strings.Builder
	b.WriteString("| operator's level | tap | from the associated device | from another device |\n|---|---|---|---|\n")
	for _, level := range payment.Levels {
		for _, assurance := range []payment.Assurance{payment.Authentic, payment.Identified} {
			p := payment.DefaultPolicy
			p.Level = level
			needs := func(own bool) string {
				return p.Needs(payment.TapFacts{Assurance: assurance, FromAssociated: own, Minor: p.TapLimit}).String()
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", level, assurance, needs(true), needs(false))
		}
	}
	return b.String()
}

// assuranceTable says for each kind of tap what a person has to do, asking the policy and the payment's own rule.
func assuranceTable() string {
	var b strings.Builder
	b.WriteString("| operator's `--policy` | proved itself, on the card's own device | proved itself, on another device " +
		"| only read, on the card's own device | only read, on another device |\n|---|---|---|---|---|\n")
	for _, level := range payment.Levels {
		p := payment.DefaultPolicy
		p.Level = level
		b.WriteString(assuranceRow("`"+level.String()+"`", p))
		if level == payment.LevelTap {
			p.AllowIdentifiedTap = true
			b.WriteString(assuranceRow("`tap` with `--allow-identified-tap`", p))
		}
	}
	return b.String()
}

func assuranceRow(name string, p payment.Policy) string {
	row := "| " + name
	for _, assurance := range []payment.Assurance{payment.Authentic, payment.Identified} {
		for _, own := range []bool{true, false} {
			facts := payment.TapFacts{Assurance: assurance, FromAssociated: own, Minor: p.TapLimit}
			row += " | " + stepsOf(p.Needs(facts), own)
		}
	}
	return row + " |\n"
}

// stepsOf is what a person does in a payment at a level, besides tapping the card and sending.
func stepsOf(level payment.Level, own bool) string {
	p := payment.Payment{Terms: payment.Terms{Level: level, Initiator: "own", Associated: "own"}}
	if !own {
		p.Initiator = "other"
	}
	switch {
	case p.NeedsSecond():
		return "PIN, both confirmations"
	case level >= payment.LevelConfirm:
		return "PIN, first confirmation"
	case level == payment.LevelAuthenticate:
		return "PIN"
	}
	return "nothing more¹"
}

// limitsTable is the limits by default, in minor units and as money of currencies with two, no and three decimal digits.
func limitsTable() string {
	p := payment.DefaultPolicy
	var b strings.Builder
	b.WriteString("| flag | what it bounds | default | in CNY | in JPY | in KWD |\n|---|---|---|---|---|---|\n")
	for _, l := range []struct {
		flag, what string
		minor      int64
	}{
		{"tap-limit", "one payment that a tap alone settles", p.TapLimit},
		{"tap-daily-limit", "all of a card's in a UTC day that a tap alone settled", p.TapDailyLimit},
		{"identified-limit", "one payment by a number that was only read", p.IdentifiedLimit},
		{"identified-daily-limit", "all of a card's in a UTC day by a number that was only read", p.IdentifiedDailyLimit},
	} {
		fmt.Fprintf(&b, "| `--%s` | %s | %d", l.flag, l.what, l.minor)
		for _, c := range []money.Currency{"CNY", "JPY", "KWD"} {
			fmt.Fprintf(&b, " | %s", money.FormatMinor(l.minor, c))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

func problemCodes() string {
	var b strings.Builder
	b.WriteString("| code | status | meaning | same request may work later |\n|---|---|---|---|\n")
	for _, c := range httpapi.Codes() {
		retry := "no"
		if c.Retryable {
			retry = "yes"
		}
		fmt.Fprintf(&b, "| `%s` | %d | %s | %s |\n", c.Code, c.Status, c.Title, retry)
	}
	return b.String()
}

// codes is package api's list of problem codes.
func codes() string {
	var b strings.Builder
	b.WriteString("// Code generated by internal/docgen; DO NOT EDIT.\n\npackage api\n\n" +
		"// Every code that a Problem may have, in the order of docs/api.md.\nconst (\n")
	for i, c := range httpapi.Codes() {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "\t// %s: %s.\n\t%s Code = %q\n", constant(c.Code), c.Title, constant(c.Code), c.Code)
	}
	return b.String() + ")\n"
}

// initials are the words that Go writes in capitals.
var initials = map[string]string{"api": "API", "id": "ID", "pin": "PIN", "url": "URL"}

// constant is a code's name in Go.
func constant(code string) string {
	name := "Code"
	for word := range strings.SplitSeq(code, "_") {
		if capitals, ok := initials[word]; ok {
			name += capitals
			continue
		}
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
