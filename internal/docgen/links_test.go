package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// link is a link of Markdown, to a place of the same tree or to an address.
var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinksOfDocuments follows every link from one document to another file, and to a heading of it.
func TestLinksOfDocuments(t *testing.T) {
	count := 0
	for _, path := range documents(t) {
		for _, found := range link.FindAllStringSubmatch(read(t, path), -1) {
			file, heading, _ := strings.Cut(found[1], "#")
			if strings.Contains(file, ":") {
				continue
			}
			count++
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(file))
			}
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s links to %s, which is not there", path, found[1])
				continue
			}
			if heading != "" && !hasHeading(read(t, target), heading) {
				t.Errorf("%s links to %s, which has no such heading", path, found[1])
			}
		}
	}
	if count < 20 {
		t.Errorf("%d links found: does this test still find them?", count)
	}
}

// TestNumbersOfDecisions sees that no two decisions have one number, and that each has it in its heading.
func TestNumbersOfDecisions(t *testing.T) {
	paths, err := filepath.Glob("../../docs/decisions/*.md")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no decisions found: %v", err)
	}
	seen := map[int]string{}
	for _, path := range paths {
		var number int
		if _, err := fmt.Sscanf(filepath.Base(path), "%04d-", &number); err != nil {
			t.Errorf("%s does not begin with a number: %v", path, err)
		}
		if seen[number] != "" {
			t.Errorf("%s has the number of %s: take the next one", path, seen[number])
		}
		seen[number] = path
		if !strings.HasPrefix(read(t, path), fmt.Sprintf("# %d. ", number)) {
			t.Errorf("%s: its heading does not begin with %d.", path, number)
		}
	}
}

// documents returns the paths of all documents.
func documents(t *testing.T) []string {
	t.Helper()
	var paths []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	return paths
}

// hasHeading reports whether a document has a heading with this anchor, which is made as hosts of Markdown make it.
func hasHeading(text, anchor string) bool {
	for line := range strings.Lines(text) {
		title := strings.TrimLeft(line, "#")
		if title == line {
			continue
		}
		made := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(title)))
		if made == anchor {
			return true
		}
	}
	return false
}

// read returns the text of a file.
func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
