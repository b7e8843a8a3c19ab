package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"tapline/internal/bench"
)

// measured checks what bench --json says, a line for each scenario: measured stdout tap engine.
func measured(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: measured file scenario...")
	}
	var names []string
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var r map[string]any
		ts.Check(json.Unmarshal([]byte(line), &r))
		name, _ := r["scenario"].(string)
		names = append(names, name)
		for _, number := range []string{"clients", "duration_s", "payments", "payments_per_second"} {
			if n, ok := r[number].(float64); !ok || n <= 0 && name != "cold-start" {
				ts.Fatalf("%s: %s is %v", name, number, r[number])
			}
		}
		if r["store"] != "sqlite" && r["store"] != "postgres" || r["failed"] != 0.0 || r["books_checked"] != true {
			ts.Fatalf("%s: store %v, %v failed, books checked: %v", name, r["store"], r["failed"], r["books_checked"])
		}
		withFloor := slices.Contains(bench.Names(), bench.FloorPrefix+name)
		if _, ok := r["floor_ratio"].(float64); ok != withFloor {
			ts.Fatalf("%s: floor_ratio is %v", name, r["floor_ratio"])
		}
		steps, _ := r["steps"].(map[string]any)
		if len(steps) == 0 {
			ts.Fatalf("%s has no steps", name)
		}
		for step, times := range steps {
			t, _ := times.(map[string]any)
			p50, _ := t["p50_ms"].(float64)
			if p99, _ := t["p99_ms"].(float64); p50 <= 0 || p99 < p50 {
				ts.Fatalf("%s: %s lasts %v", name, step, t)
			}
		}
	}
	if !slices.Equal(names, args[1:]) {
		ts.Fatalf("measured %q, want %q", names, args[1:])
	}
}

func TestEngineNamesTheScenariosWithoutHTTP(t *testing.T) {
	for _, c := range []struct{ given, want []string }{
		{nil, []string{"engine"}},
		{[]string{"tap", "pin", "popular"}, []string{"engine-tap", "engine", "engine-popular"}},
		{[]string{"engine", "engine-approve"}, []string{"engine", "engine-approve"}},
	} {
		if got := (&benchCmd{Engine: true, Scenario: c.given}).scenarios(); !slices.Equal(got, c.want) {
			t.Errorf("--engine with %q measures %q, want %q", c.given, got, c.want)
		}
	}
}

func TestRateIsANumberOrAPart(t *testing.T) {
	for text, want := range map[string][2]float64{"": {}, "500": {500, 0}, "70%": {0, 0.7}} {
		var got bench.Config
		if err := (&benchCmd{Rate: text}).rate(&got); err != nil || [2]float64{got.Rate, got.Part} != want {
			t.Errorf("--rate %q: %v and %v, %v; want %v", text, got.Rate, got.Part, err, want)
		}
	}
	for _, text := range []string{"0", "-1", "%", "many", "NaN"} {
		if err := (&benchCmd{Rate: text}).rate(&bench.Config{}); err == nil {
			t.Errorf("--rate %q is taken", text)
		}
	}
}
