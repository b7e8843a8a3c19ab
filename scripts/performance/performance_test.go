package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/internal/bench"
)

func TestDocumentIsWhatTheMeasurementsSay(t *testing.T) {
	d := driver{docs: "../../docs"}
	k, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	notes, err := os.ReadFile(d.path("performance-notes.md"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(d.path("performance.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != k.document(sections(string(notes))) {
		t.Error("docs/performance.md is not what docs/performance.json and docs/performance-notes.md say; run go run ./scripts/performance -write")
	}
	for id := range sections(string(notes)) {
		if !slices.ContainsFunc(rows, func(r row) bool { return r.id == id }) {
			t.Errorf("there is a note on %q, and no such row", id)
		}
	}
}

func TestEveryRowIsOfMeasurementsAndEveryMeasurementIsInTheTable(t *testing.T) {
	used, ids := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		if ids[r.id] || r.what == "" || len(r.needs) == 0 {
			t.Errorf("row %+v", r)
		}
		ids[r.id] = true
		for _, name := range r.needs {
			used[name] = true
			if !slices.Contains(names(), name) {
				t.Errorf("row %s needs %s, which nobody measures", r.id, name)
			}
		}
	}
	for _, name := range names() {
		if !used[name] {
			t.Errorf("%s is measured for no row", name)
		}
	}
}

// made is a measurement whose scenario made half of what it took turns with.
func made(scenario, with string, accounts int) done {
	r := bench.Result{
		Scenario: scenario, Store: bench.SQLite, Accounts: accounts, PastPayments: 10 * accounts, Checked: true, Rate: 1000, RateMin: 900, RateMax: 1100,
		Against: []bench.Comparison{{Name: with, Rate: 2000, RateMin: 1900, RateMax: 2100, Ratio: bench.Spread{Median: 0.5, Min: 0.4, Max: 0.6}}},
		Paced:   &bench.Paced{Rate: 700, Steps: map[string]bench.Times{"instruct": {P99: 26}, "payment": {P99: 99}}},
	}
	r.Server.Resident = 150e6
	return done{At: time.Unix(1, 0), Results: scenarios{scenario: r}}
}

func TestRowsAreJudged(t *testing.T) {
	k := kept{Measured: map[string]done{
		"tap": made("tap", "floor-tap", 10_000), "tap-postgres": made("tap", "floor-tap", 10_000), "mixed": made("mixed", "floor-mixed", 10_000),
		"large": made("large", "a small database", 1000), "one-gesture": made("one-gesture", "another", 10),
		"start": {Results: scenarios{"cold-start": {Steps: map[string]bench.Times{"start": {Count: 3, P50: 199, Max: 300}}}}},
	}}
	for id, want := range map[string]verdict{
		"tap":          {"**0.50** (0.40 to 0.60); 1,000 (900 to 1,100)/s", "floor-tap: 2,000 (1,900 to 2,100)/s", no},
		"tap-postgres": {"**0.50** (0.40 to 0.60); 1,000 (900 to 1,100)/s", "floor-tap: 2,000 (1,900 to 2,100)/s", yes},
		"mixed":        {"**0.50** (0.40 to 0.60); 1,000 (900 to 1,100)/s", "floor-mixed: 2,000 (1,900 to 2,100)/s", reported},
		"one-gesture":  {"", "", "not compared with floor-one-gesture"},
		"memory":       {"**150 MB**; 1,000 accounts, 10,000 past payments", "", "yes, at this size"},
		"p99":          {"`tap` **26.0 ms** at 700/s, `one-gesture` **26.0 ms** at 700/s", "", no},
		"start":        {"**199 ms**, at most 300 ms of 3", "", yes},
		"nodes":        {"", "", "not measured"},
	} {
		i := slices.IndexFunc(rows, func(r row) bool { return r.id == id })
		if got := k.judge(rows[i], k.results()); got != want {
			t.Errorf("%s: %+v\nwant %+v", id, got, want)
		}
	}
	unchecked := k.results()["large"]["large"]
	unchecked.Checked = false
	i := slices.IndexFunc(rows, func(r row) bool { return r.id == "memory" })
	if got := k.judge(rows[i], results{"large": {"large": unchecked}}); !strings.HasSuffix(got.measured, "; books unchecked") {
		t.Errorf("without a proof of the books: %+v", got)
	}
	text := k.document(map[string]string{"tap": "The disk."})
	if !strings.Contains(text, "The disk.") || !strings.Contains(text, "not explained yet") || strings.Count(text, "\n| ") < len(rows) {
		t.Errorf("the document is\n%s", text)
	}
}

func TestQuickFiguresSaySo(t *testing.T) {
	d := made("tap", "floor-tap", 10_000)
	d.Quick = true
	k := kept{Measured: map[string]done{"tap-postgres": d, "tap": d}}
	for i, want := range map[int]string{0: no, 2: yes + " (quick)"} {
		if got := k.judge(rows[i], k.results()).reached; got != want {
			t.Errorf("%s: %q, want %q", rows[i].id, got, want)
		}
	}
}

// A program in place of tapline, to see what is asked of it and what is kept.
func TestMeasuredRowsAreMergedIntoWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "tapline")
	script := "#!/bin/sh\n[ $1 = version ] && { echo 'tapline v9 (go)'; exit; }\n" +
		`echo '{"scenario":"'$3'","payments":7,"payments_per_second":'${RATE}'}'` + "\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	d := driver{program: program, docs: dir, dir: filepath.Join(dir, "data"), form: quick}
	t.Setenv("RATE", "10")
	if err := d.run(t.Context(), []string{"tap", "mixed"}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RATE", "20")
	if err := d.run(t.Context(), []string{"mixed"}); err != nil {
		t.Fatal(err)
	}
	k, err := d.load()
	if err != nil || len(k.Measured) != 2 {
		t.Fatalf("kept %+v, %v", k, err)
	}
	for name, want := range map[string]float64{"tap": 10, "mixed": 20} {
		m := k.Measured[name]
		if m.Results[name].Rate != want || m.Version != "v9" || !m.Quick || !strings.Contains(m.Command, "--scenario "+name) {
			t.Errorf("%s: kept %+v", name, m)
		}
	}
	if err := d.run(t.Context(), []string{"nothing"}); err == nil || !strings.Contains(err.Error(), "there are tap, ") {
		t.Errorf("measuring nothing: %v", err)
	}
	k.Machine.CPU = "another"
	if err := d.save(k); err != nil {
		t.Fatal(err)
	}
	if err := d.run(t.Context(), []string{"mixed"}); err == nil {
		t.Error("figures of two machines are mixed")
	}
}
