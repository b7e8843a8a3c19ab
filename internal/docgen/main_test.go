package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDocumentsAreUpToDate(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = true
		}
		want, err := generate(string(text))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s is out of date; run: go generate ./...\n%s", file, diff)
		}
	}
	for name := range blocks {
		if !used[name] {
			t.Errorf("no document has the generated part %q", name)
		}
	}
}

func TestAnUnknownPartIsRefused(t *testing.T) {
	if _, err := generate("<!-- generated: nonsense -->\n<!-- end -->"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("error %v does not name the part", err)
	}
}

func TestCodesAreUpToDate(t *testing.T) {
	got, err := os.ReadFile("../../api/codes.go")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(codes(), string(got)); diff != "" {
		t.Errorf("api/codes.go is out of date; run: go generate ./...\n%s", diff)
	}
}
