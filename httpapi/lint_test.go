package httpapi

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"tapline/internal/testenv"
)

// spectralRules are all of Spectral's for OpenAPI but two: tapline is no company that could be contacted, and what OpenAPI 3.1
// §4.8.30 allows, naming the roles of a bearer token, Spectral takes for scopes of OAuth.
const spectralRules = `{"extends": ["spectral:oas"], "rules": {"info-contact": "off", "oas3-operation-security-defined": "off"}}`

// TestDocumentLintsClean shows the OpenAPI document to two linters of other people's. `make lint` runs it.
func TestDocumentLintsClean(t *testing.T) {
	bin, err := filepath.Abs("../webui/testdata/npm/node_modules/.bin")
	if err != nil {
		t.Fatal(err)
	}
	_, err = os.Stat(filepath.Join(bin, "redocly"))
	testenv.Require(t, "npm", err == nil, "there is no redocly; hint: scripts/install-test-deps")
	s := openEmpty(t)
	_, text := s.readDocument()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"openapi.json": text, "spectral.json": spectralRules,
		"redocly.yaml": "extends:\n  - recommended\ntelemetry: off\nrules:\n  no-server-example.com: off\n  operation-4xx-response: error\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(linter string, args ...string) (out []byte, err error) {
		var problems bytes.Buffer
		c := exec.CommandContext(t.Context(), filepath.Join(bin, linter), args...)
		c.Dir, c.Stderr = dir, &problems
		c.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true", "NO_COLOR=1")
		if out, err = c.Output(); err != nil {
			t.Errorf("%s: %v\n%s%s", linter, err, out, &problems)
		}
		return out, err
	}
	// redocly ends well with warnings, so they are counted.
	out, err := run("redocly", "lint", "openapi.json", "--config=redocly.yaml", "--max-problems=1000", "--format=json")
	var found struct {
		Totals   map[string]int `json:"totals"`
		Problems []any          `json:"problems"`
	}
	if err == nil {
		err = json.Unmarshal(out, &found)
	}
	if err != nil || found.Totals == nil || len(found.Problems) > 0 {
		t.Errorf("redocly: %v %v %v", err, found.Totals, found.Problems)
	}
	_, _ = run("spectral", "lint", "openapi.json", "--ruleset=spectral.json", "--fail-severity=hint")
}
