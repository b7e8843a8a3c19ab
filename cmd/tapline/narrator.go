package main

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// narrator tells what happens, one line a step, with its duration.
type narrator struct{ out io.Writer }

// Columns of a line: who or what, what happened, how long it took.
const (
	topicWidth = 12
	textWidth  = 84
)

func (n narrator) title(format string, args ...any) {
	fmt.Fprintf(n.out, "\n%s\n", fmt.Sprintf(format, args...))
}

// note tells something that takes no time.
func (n narrator) note(topic, format string, args ...any) {
	fmt.Fprintf(n.out, "  %s%s\n", pad(topic, topicWidth), fmt.Sprintf(format, args...))
}

// step does something and tells what it said of itself.
func (n narrator) step(topic string, do func() (string, error)) error {
	began := time.Now()
	text, err := do()
	took := time.Since(began)
	if err != nil {
		return fmt.Errorf("%s: %w", topic, err)
	}
	lines := strings.Split(text, "\n")
	fmt.Fprintf(n.out, "  %s%s%9s\n", pad(topic, topicWidth), pad(lines[0], textWidth), millis(took))
	for _, more := range lines[1:] {
		fmt.Fprintf(n.out, "  %s%s\n", pad("", topicWidth), more)
	}
	return nil
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(1, width-utf8.RuneCountInString(s)))
}

func millis(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
