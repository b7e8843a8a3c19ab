package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// A sign that is missing from what is written large would be missing from a code or a warning.
func TestEverySignThatIsWrittenLargeIsThere(t *testing.T) {
	for _, text := range []string{"0123456789", "REHEARSAL"} {
		lines := strings.Split(strings.TrimSuffix(large(text), "\n"), "\n")
		if len(lines) != 5 {
			t.Fatalf("%s has %d lines, want 5", text, len(lines))
		}
		for _, line := range lines {
			if got, want := utf8.RuneCountInString(line), 3+7*len(text); got != want || got > 80 {
				t.Errorf("%s: a line of %d columns, want %d: %q", text, got, want, line)
			}
		}
	}
}
