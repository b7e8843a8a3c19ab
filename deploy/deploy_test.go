//go:build linux

// Package deploy_test checks the files that operators install, with the tools that will read them.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tapline/internal/testenv"
)

// run runs a program and returns what it said. It fails the test if the program does.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// systemd returns systemd-analyze's path.
func systemd(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("systemd-analyze")
	testenv.Require(t, "systemd", err == nil, "there is no systemd-analyze")
	return path
}

// promtool returns Prometheus's tool, installed or as scripts/install-test-deps leaves it.
func promtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		path, err = exec.LookPath("./testdata/tools/promtool")
	}
	testenv.Require(t, "promtool", err == nil, "there is no promtool: run scripts/install-test-deps")
	if path, err = filepath.Abs(path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestUnitIsTaken has systemd read the unit. Its program is not installed here, so a copy names another one.
func TestUnitIsTaken(t *testing.T) {
	analyze := systemd(t)
	unit := read(t, "systemd/tapline.service")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	installed := strings.Replace(unit, "ExecStart=/usr/local/bin/tapline", "ExecStart="+program, 1)
	if installed == unit {
		t.Fatal("the unit does not start /usr/local/bin/tapline")
	}
	copied := filepath.Join(folder, "tapline.service")
	if err := os.WriteFile(copied, []byte(installed), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := run(t, nil, analyze, "verify", "--man=no", copied); strings.Contains(said, "tapline.service:") {
		t.Errorf("systemd-analyze verify says:\n%s", said)
	}
	broken := strings.Replace(installed, "ProtectSystem=strict", "ProtectSystem=maybe", 1)
	if err := os.WriteFile(copied, []byte(broken), 0o600); err != nil {
		t.Fatal(err)
	}
	if said := run(t, nil, analyze, "verify", "--man=no", copied); !strings.Contains(said, "Failed to parse") {
		t.Errorf("systemd-analyze verify overlooks a wrong setting: %q", said)
	}
}

// TestUnitIsHardened bounds what systemd calls the unit's exposure: 10 is a service without any confinement.
func TestUnitIsHardened(t *testing.T) {
	run(t, nil, systemd(t), "security", "--offline=true", "--no-pager", "--threshold=15", "systemd/tapline.service")
}

// TestUnitGivesRequestsTheirTime checks that systemd does not kill a service that is finishing its requests.
func TestUnitGivesRequestsTheirTime(t *testing.T) {
	seconds := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(read(t, "systemd/tapline.service"))
	limit := regexp.MustCompile(`shutdownLimit = (\d+) \* time\.Second`).FindStringSubmatch(read(t, "../cmd/tapline/serve.go"))
	if seconds == nil || limit == nil || len(seconds[1]) < len(limit[1]) || seconds[1] <= limit[1] {
		t.Errorf("TimeoutStopSec is %v, the service takes up to %v", seconds, limit)
	}
}

func TestAlertsFireWhenTheyShould(t *testing.T) {
	tool := promtool(t)
	run(t, nil, tool, "check", "rules", "--lint=all", "--lint-fatal", "prometheus/tapline.rules.yml")
	run(t, nil, tool, "test", "rules", "prometheus/tapline.rules.test.yml")
}

// TestAlertsReadWhatIsMeasured finds rules that would be silent for ever because nothing has the name they ask for.
func TestAlertsReadWhatIsMeasured(t *testing.T) {
	measured := read(t, "../httpapi/metrics.go")
	rules := read(t, "prometheus/tapline.rules.yml")
	names := regexp.MustCompile(`tapline_[a-z_]+`).FindAllString(rules, -1)
	if len(names) < 10 {
		t.Fatalf("found %d names in the rules", len(names))
	}
	for _, name := range names {
		if !strings.Contains(measured, `"`+strings.TrimSuffix(name, "_bucket")+`"`) {
			t.Errorf("nothing measures %s", name)
		}
	}
}

// TestAlertsHaveRunbooks looks for the heading in the handbook that each alert names.
func TestAlertsHaveRunbooks(t *testing.T) {
	headings := map[string]bool{}
	for _, line := range strings.Split(read(t, "../docs/operate.md"), "\n") {
		if title, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			headings[strings.ReplaceAll(strings.ToLower(title), " ", "-")] = true
		}
	}
	rules := read(t, "prometheus/tapline.rules.yml")
	books := regexp.MustCompile(`runbook: docs/operate\.md#(\S+)`).FindAllStringSubmatch(rules, -1)
	if alerts := strings.Count(rules, "- alert:"); len(books) != alerts {
		t.Errorf("%d alerts, %d runbooks", alerts, len(books))
	}
	for _, book := range books {
		if !headings[book[1]] {
			t.Errorf("docs/operate.md has no heading #%s", book[1])
		}
	}
}
