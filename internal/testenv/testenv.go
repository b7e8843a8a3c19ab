// Package testenv decides what a test does when a real part that it needs, such as a smart card daemon or a
// database server, is not on the machine.
package testenv

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// Variable is the environment variable that names, separated by commas or spaces, the real parts that must be
// present. `make test` and CI name all of them.
const Variable = "TAPLINE_REQUIRE"

// Require returns if the part is present. Otherwise it ends the test: as skipped, with the reason, on a bare machine,
// and as failed where Variable names the part.
func Require(t testing.TB, part string, present bool, reason string) {
	t.Helper()
	if present {
		return
	}
	if required(part) {
		t.Fatalf("%s is required by %s=%q but missing: %s", part, Variable, os.Getenv(Variable), reason)
	}
	t.Skipf("needs %s: %s", part, reason)
}

func required(part string) bool {
	names := strings.FieldsFunc(os.Getenv(Variable), func(r rune) bool { return r == ',' || r == ' ' })
	return slices.Contains(names, part)
}
