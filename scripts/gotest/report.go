package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// event is one line of go test -json, as described by `go doc test2json` and `go help buildjson`.
type event struct {
	Action      string
	Package     string
	Test        string
	Output      string
	FailedBuild string
}

// place is a test, or a package where Test is empty.
type place struct{ Package, Test string }

// report collects what go test tells and prints what a person has to see.
type report struct {
	w       io.Writer
	output  map[place]*strings.Builder // of what has not ended yet
	order   []place                    // of the keys of output, as they came
	passed  int
	failed  int
	skipped int
	broken  int // packages that failed, by a test or without one
}

func newReport(w io.Writer) *report {
	return &report{w: w, output: make(map[place]*strings.Builder)}
}

// readAll takes in events until there are no more.
func (r *report) readAll(events io.Reader) error {
	lines := bufio.NewReader(events)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			r.line(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// line takes in one line. What is no event, such as the go command's own complaint, is shown as it is.
func (r *report) line(line []byte) {
	var e event
	if !bytes.HasPrefix(line, []byte("{")) || json.Unmarshal(line, &e) != nil {
		r.print(string(line))
		return
	}
	at := place{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		r.print(e.Output)
	case "start", "run":
		r.at(at)
	case "output":
		r.at(at).WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(at, e.Action)
		} else {
			r.endTest(at, e.Action)
		}
	}
}

// at returns the output of what runs at a place.
func (r *report) at(at place) *strings.Builder {
	if r.output[at] == nil {
		r.output[at] = new(strings.Builder)
		r.order = append(r.order, at)
	}
	return r.output[at]
}

// take returns the output of what has ended, and forgets it.
func (r *report) take(at place) string {
	text := r.at(at).String()
	delete(r.output, at)
	r.order = slices.DeleteFunc(r.order, func(p place) bool { return p == at })
	return text
}

func (r *report) endTest(at place, action string) {
	text := r.take(at)
	switch action {
	case "pass":
		r.passed++
		return
	case "fail":
		r.failed++
	case "skip":
		r.skipped++
	}
	r.print(withoutProgress(text))
}

// endPackage prints the package's closing line, and all there is if the package failed: what a test that never ended
// has written, then what no test wrote.
func (r *report) endPackage(at place, action string) {
	text := r.take(at)
	if action != "fail" {
		r.print(closingLine(text))
		return
	}
	r.broken++
	for _, p := range slices.Clone(r.order) {
		if p.Package == at.Package {
			r.failed++
			r.print(withoutProgress(r.take(p)))
		}
	}
	r.print(text)
}

// closingLine returns go test's last word on a package.
func closingLine(text string) string {
	var last string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ok  \t") || strings.HasPrefix(line, "?   \t") || strings.HasPrefix(line, "\t") {
			last = line
		}
	}
	return last
}

// withoutProgress drops the lines that only say that a test has started or goes on.
func withoutProgress(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "=== ") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

// print writes to the terminal or CI's log; there is nobody to tell if that fails.
func (r *report) print(text string) { _, _ = io.WriteString(r.w, text) }

// close prints the totals, and returns why the run must not count as passed.
func (r *report) close() error {
	var reasons []error
	if r.failed > 0 || r.broken > 0 {
		reasons = append(reasons, fmt.Errorf("failed tests: %d, failed packages: %d", r.failed, r.broken))
	}
	if r.skipped > 0 {
		reasons = append(reasons, fmt.Errorf("skipped tests: %d; here everything must run", r.skipped))
	}
	if len(r.order) > 0 {
		reasons = append(reasons, fmt.Errorf("no end of %s", strings.TrimSpace(r.order[0].Package+" "+r.order[0].Test)))
	}
	if r.passed+r.failed+r.skipped == 0 {
		reasons = append(reasons, errors.New("no test ran"))
	}
	totals := fmt.Sprintf("tests: %d passed, %d failed", r.passed, r.failed)
	if r.skipped > 0 {
		totals += fmt.Sprintf(", %d skipped", r.skipped)
	}
	r.print(totals + "\n")
	return errors.Join(reasons...)
}
