// Command docgen writes what the documents repeat of the code: it replaces the text between a line
// <!-- generated: NAME --> and the next <!-- end --> in every file of docs. "go generate ./..." runs it; its test fails
// when a document is out of date.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"tapline/httpapi"
	"tapline/payment"
)

//go:generate go run . ../../docs

// blocks makes each generated text.
var blocks = map[string]func() string{
	"payment diagram": func() string { return "```mermaid\n" + payment.Diagram() + "```\n" },
	"payment table":   payment.Table,
	"policy table":    policyTable,
	"problem codes":   problemCodes,
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: docgen FOLDER")
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
