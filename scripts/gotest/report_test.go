package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// pkg is a package of events in which this happens between start and the closing line.
func pkg(name, closing, action string, events ...string) string {
	all := []string{`{"Action":"start","Package":"` + name + `"}`}
	all = append(all, events...)
	all = append(all, `{"Action":"output","Package":"`+name+`","Output":"`+closing+`\n"}`)
	all = append(all, `{"Action":"`+action+`","Package":"`+name+`"}`)
	return strings.Join(all, "\n") + "\n"
}

func TestReport(t *testing.T) {
	const (
		run    = `{"Action":"run","Package":"p","Test":"TestA"}`
		begin  = `{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}`
		output = `{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: because\n"}`
		pass   = `{"Action":"pass","Package":"p","Test":"TestA"}`
		fail   = `{"Action":"fail","Package":"p","Test":"TestA"}`
		skip   = `{"Action":"skip","Package":"p","Test":"TestA"}`
		noise  = `{"Action":"output","Package":"p","Output":"PASS\n"}`
		ok     = `ok  \tp\t0.1s`
	)
	for _, c := range []struct{ name, events, output, err string }{
		{"passed", pkg("p", ok, "pass", run, begin, output, pass, noise),
			"ok  \tp\t0.1s\ntests: 1 passed, 0 failed\n", ""},
		{"failed", pkg("p", `FAIL\tp\t0.1s`, "fail", run, begin, output, fail),
			"    a_test.go:7: because\nFAIL\tp\t0.1s\ntests: 0 passed, 1 failed\n", "failed tests: 1, failed packages: 1"},
		{"skipped", pkg("p", ok, "pass", run, begin, output, skip),
			"    a_test.go:7: because\nok  \tp\t0.1s\ntests: 0 passed, 0 failed, 1 skipped\n", "skipped tests: 1"},
		{"panicked in a test", pkg("p", `FAIL\tp\t0.1s`, "fail", run, begin, output, noise),
			"    a_test.go:7: because\nPASS\nFAIL\tp\t0.1s\ntests: 0 passed, 1 failed\n", "failed tests: 1, failed packages: 1"},
		{"failed outside of tests", pkg("p", `FAIL\tp\t0.1s`, "fail", run, begin, pass, noise),
			"PASS\nFAIL\tp\t0.1s\ntests: 1 passed, 0 failed\n", "failed tests: 0, failed packages: 1"},
		{"cut off in a test", run + "\n" + output, "tests: 0 passed, 0 failed\n", "no end of p TestA"},
		{"cut off between tests", `{"Action":"start","Package":"p"}` + "\n" + run + "\n" + pass,
			"tests: 1 passed, 0 failed\n", "no end of p"},
		{"no test files", pkg("p", `?   \tp\t[no test files]`, "skip"),
			"?   \tp\t[no test files]\ntests: 0 passed, 0 failed\n", "no test ran"},
		{"nothing", "", "tests: 0 passed, 0 failed\n", "no test ran"},
		{"no event", "go: cannot find it\n", "go: cannot find it\ntests: 0 passed, 0 failed\n", "no test ran"},
	} {
		var out strings.Builder
		r := newReport(&out)
		if err := r.readAll(strings.NewReader(c.events)); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		err := r.close()
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got error %v, want %q", c.name, err, c.err)
		}
		if out.String() != c.output {
			t.Errorf("%s: got\n%swant\n%s", c.name, out.String(), c.output)
		}
	}
}

// TestRunReadsGoTest asks the real go command, whose events no document fixes for ever.
func TestRunReadsGoTest(t *testing.T) {
	const top = "package m\nimport \"testing\"\n"
	for _, c := range []struct{ name, test, output, err string }{
		{"passed", top + "func TestA(t *testing.T) { t.Log(`quiet`) }", "ok  \tm\t", ""},
		{"failed", top + "func TestA(t *testing.T) { t.Run(`b`, func(t *testing.T) { t.Error(`loud`) }) }", "loud", "failed"},
		{"skipped", top + "func TestA(t *testing.T) { t.Skip(`loud`) }", "loud", "skipped"},
		{"panicked", top + "func TestA(t *testing.T) { panic(`loud`) }", "panic: loud", "failed"},
		{"exited", "package m\nimport (\"os\"; \"testing\")\nfunc TestA(t *testing.T) { os.Exit(0) }", "FAIL\tm\t", "failed"},
		{"not built", top + "func TestA(t *testing.T) { undefined() }", "undefined: undefined", "failed"},
		{"no test", "package m\n", "[no tests to run]", "no test ran"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range map[string]string{"go.mod": "module m\n", "m.go": "package m\n", "m_test.go": c.test} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			t.Chdir(dir)
			var out strings.Builder
			err := run([]string{"."}, &out)
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s\ngot error %v, want %q", c.test, err, c.err)
			}
			if !strings.Contains(out.String(), c.output) || strings.Contains(out.String(), "quiet") {
				t.Errorf("%s\ngot\n%swant %q in it", c.test, out.String(), c.output)
			}
		})
	}
}
