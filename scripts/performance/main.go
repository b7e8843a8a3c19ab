// Command performance measures the table of docs/performance.md with tapline bench, keeps what it measures in
// docs/performance.json, and writes the document: make bench.
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tapline/internal/bench"
)

// scenarios are the results of one measurement, by scenario.
type scenarios = map[string]bench.Result

// driver measures.
type driver struct {
	program string // tapline
	docs    string // folder of the document
	dir     string // folder of the large database
	form    form
}

func main() {
	d := driver{}
	flag.StringVar(&d.program, "program", "./tapline", "the tapline to measure")
	flag.StringVar(&d.docs, "docs", "docs", "the folder with performance.md, performance.json and performance-notes.md")
	flag.StringVar(&d.dir, "dir", "bench-data", "the folder in which the large database is kept")
	short := flag.Bool("quick", false, "run shorter, on smaller databases")
	duration := flag.Duration("duration", 0, "how long each run lasts, in place of the form's")
	runs := flag.Int("runs", 0, "how many runs there are, in place of the form's")
	accounts := flag.Int("accounts", 0, "accounts of the large database, in place of the form's")
	payments := flag.Int("payments", 0, "past payments of the large database, in place of the form's")
	only := flag.String("only", "", "measure only these, beside what was measured before: "+strings.Join(names(), ","))
	write := flag.Bool("write", false, "measure nothing: write the document anew")
	flag.Parse()
	d.form = full
	if *short {
		d.form = quick
	}
	d.form.duration, d.form.runs = cmp.Or(*duration, d.form.duration), cmp.Or(*runs, d.form.runs)
	d.form.accounts, d.form.payments = cmp.Or(*accounts, d.form.accounts), cmp.Or(*payments, d.form.payments)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	chosen := names()
	if *only != "" {
		chosen = strings.Split(*only, ",")
	}
	if *write {
		chosen = nil
	}
	if err := d.run(ctx, chosen); err != nil {
		fmt.Fprintln(os.Stderr, "performance:", err)
		os.Exit(1)
	}
}

// run measures what was chosen, one after the other, and writes the document after each.
func (d driver) run(ctx context.Context, chosen []string) error {
	for _, name := range chosen {
		if !slices.Contains(names(), name) {
			return fmt.Errorf("nothing is called %q; there are %s", name, strings.Join(names(), ", "))
		}
	}
	k, err := d.load()
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return d.save(k)
	}
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return err
	}
	here := thisMachine(d.dir, d.program)
	if len(k.Measured) > 0 && len(chosen) < len(measurements) && k.Machine != here {
		return errors.New("docs/performance.json is of another machine, or of other versions; hint: measure everything, or remove it")
	}
	if len(chosen) == len(measurements) {
		k.Measured = nil
	}
	k.Machine = here
	var failed error
	for _, m := range measurements {
		if !slices.Contains(chosen, m.name) {
			continue
		}
		made, err := d.measure(ctx, m)
		if ctx.Err() != nil {
			return errors.Join(failed, errors.New("interrupted; what was measured before is kept"))
		}
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
			continue
		}
		if k.Measured == nil {
			k.Measured = map[string]done{}
		}
		k.Measured[m.name] = made
		if err := d.save(k); err != nil {
			return err
		}
	}
	return failed
}

// measure runs tapline bench once.
func (d driver) measure(ctx context.Context, m measurement) (out done, err error) {
	args := m.command(d.form, d.dir)
	fmt.Fprintf(os.Stderr, "%s %s: tapline bench %s\n", time.Now().Format(time.TimeOnly), m.name, strings.Join(args, " "))
	version, err := exec.CommandContext(ctx, d.program, "version").Output()
	if err != nil {
		return out, err
	}
	number, _, _ := strings.Cut(strings.TrimPrefix(string(version), "tapline "), " ")
	load, _, _ := strings.Cut(firstLine("/proc/loadavg"), " ")
	out = done{
		At: time.Now().UTC().Truncate(time.Second), Quick: d.form.duration < full.duration || d.form.runs < full.runs, Version: number,
		Load: load, Command: strings.Join(args, " "), Results: scenarios{},
	}
	cmd := exec.CommandContext(ctx, d.program, append(append([]string{"bench"}, args...), "--json")...)
	cmd.Cancel = func() error { return nil } // the terminal interrupts it, too, and it comes to its end
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return out, err
	}
	out.Seconds = time.Since(out.At).Seconds()
	for line := range bytes.Lines(text) {
		var r bench.Result
		if err := json.Unmarshal(line, &r); err != nil {
			return out, err
		}
		if r.Failed > 0 || r.Interrupted {
			return out, fmt.Errorf("%s: %d payments failed: %s", r.Scenario, r.Failed, r.Failure)
		}
		out.Results[r.Scenario] = r
	}
	return out, nil
}

func (d driver) path(name string) string { return filepath.Join(d.docs, name) }

// load reads what was measured before; nothing, if nothing was.
func (d driver) load() (k kept, err error) {
	text, err := os.ReadFile(d.path("performance.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return k, nil
	}
	if err != nil {
		return k, err
	}
	return k, json.Unmarshal(text, &k)
}

// save writes what was measured, and the document.
func (d driver) save(k kept) error {
	text, err := json.MarshalIndent(k, "", " ")
	if err != nil {
		return err
	}
	notes, err := os.ReadFile(d.path("performance-notes.md"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(
		os.WriteFile(d.path("performance.json"), append(text, '\n'), 0o644),
		os.WriteFile(d.path("performance.md"), []byte(k.document(sections(string(notes)))), 0o644))
}
