package testenv

import (
	"fmt"
	"testing"
)

// recorder stands for the test that calls Require. The real Skipf and Fatalf do not return, so these panic.
type recorder struct {
	testing.TB
	got string
}

func (r *recorder) Helper() {}

func (r *recorder) Skipf(format string, args ...any) { r.end("skip: " + fmt.Sprintf(format, args...)) }

func (r *recorder) Fatalf(format string, args ...any) { r.end("fail: " + fmt.Sprintf(format, args...)) }

func (r *recorder) end(outcome string) {
	r.got = outcome
	panic(r)
}

// outcome returns how Require ends a test that needs pcscd, or "" if it lets the test run.
func outcome(present bool) string {
	r := &recorder{}
	func() {
		defer func() { _ = recover() }()
		Require(r, "pcscd", present, "no socket")
	}()
	return r.got
}

func TestPresentPartLetsTheTestRun(t *testing.T) {
	t.Setenv(Variable, "pcscd")
	if got := outcome(true); got != "" {
		t.Errorf("a present part: got %q, want nothing", got)
	}
}

func TestMissingPartSkipsOnBareMachine(t *testing.T) {
	for _, list := range []string{"", "postgresql", "pcscd2", "postgresql,chromium"} {
		t.Setenv(Variable, list)
		if got, want := outcome(false), "skip: needs pcscd: no socket"; got != want {
			t.Errorf("%s=%q: got %q, want %q", Variable, list, got, want)
		}
	}
}

func TestMissingPartFailsWhereRequired(t *testing.T) {
	for _, list := range []string{"pcscd", "postgresql,pcscd", "postgresql pcscd", " pcscd , chromium"} {
		t.Setenv(Variable, list)
		want := fmt.Sprintf("fail: pcscd is required by %s=%q but missing: no socket", Variable, list)
		if got := outcome(false); got != want {
			t.Errorf("%s=%q: got %q, want %q", Variable, list, got, want)
		}
	}
}
