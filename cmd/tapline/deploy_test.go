package main

import (
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestSampleSettingsAreTaken checks deploy/tapline.env: each line sets a flag of serve to a value that it takes, and
// what is commented out as a default is the default.
func TestSampleSettingsAreTaken(t *testing.T) {
	text, err := os.ReadFile("../../deploy/tapline.env")
	if err != nil {
		t.Fatal(err)
	}
	flags := serveFlags(t)
	example, seen := false, 0
	for _, line := range strings.Split(string(text), "\n") {
		setting, commented := strings.CutPrefix(line, "#")
		name, value, ok := strings.Cut(setting, "=")
		if !ok || !strings.HasPrefix(name, "TAPLINE_") {
			example = line != "" && (example || strings.Contains(line, "(example"))
			continue
		}
		seen++
		flag := flags[name]
		if flag == nil {
			t.Errorf("%s is no setting of tapline serve", name)
			continue
		}
		if commented && !example && flag.Default != value {
			t.Errorf("%s is commented out as %q; its default is %q", name, value, flag.Default)
		}
		if !commented {
			t.Setenv(name, value)
		}
	}
	if seen < 10 {
		t.Errorf("found %d settings", seen)
	}
	var r root
	parser, err := newParser(&app{stdout: t.Output(), stderr: t.Output()}, &r, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse([]string{"serve"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Serve.check(); err != nil {
		t.Error(err)
	}
}

// serveFlags are the flags of tapline serve by their environment twins.
func serveFlags(t *testing.T) map[string]*kong.Flag {
	t.Helper()
	parser, err := newParser(&app{stdout: t.Output(), stderr: t.Output()}, &root{}, func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]*kong.Flag{}
	for _, command := range parser.Model.Children {
		if command.Name != "serve" {
			continue
		}
		for _, flag := range command.Flags {
			for _, name := range flag.Envs {
				flags[name] = flag
			}
		}
	}
	return flags
}
