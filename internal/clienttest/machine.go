package clienttest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Machine is a folder with the program tapline in it.
type Machine struct {
	testing.TB
	Dir string
	Env []string // of everything that is started here
}

// NewMachine builds the program.
func NewMachine(t testing.TB) *Machine {
	t.Helper()
	m := &Machine{TB: t, Dir: t.TempDir()}
	m.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(m.Dir, "settings"))
	m.Build("tapline", "tapline/cmd/tapline")
	return m
}

// Build builds another program into the folder.
func (m *Machine) Build(name, pkg string) {
	m.Helper()
	out, err := exec.CommandContext(m.Context(), "go", "build", "-o", filepath.Join(m.Dir, name), pkg).CombinedOutput()
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
}

func (m *Machine) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(m.Dir, "tapline"), args...)
	c.Dir, c.Env = m.Dir, m.Env
	return c
}

// Start runs a command of tapline until the test ends.
func (m *Machine) Start(args ...string) {
	m.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	m.Run(cancel, m.command(ctx, args...))
}

// Run runs a command until the test ends; cancel ends the command's context.
func (m *Machine) Run(cancel func(), c *exec.Cmd) {
	m.Helper()
	if c.Stderr == nil {
		c.Stderr = io.Discard
	}
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 10 * time.Second
	if err := c.Start(); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		cancel()
		_ = c.Wait()
	})
}

// Tapline runs a command of tapline to its end.
func (m *Machine) Tapline(args ...string) []byte {
	m.Helper()
	var problems strings.Builder
	c := m.command(m.Context(), args...)
	c.Stderr = &problems
	out, err := c.Output()
	if err != nil {
		m.Fatalf("tapline %q: %v\n%s%s", args, err, out, &problems)
	}
	return out
}

// JSON is what a command of tapline answers with --json.
func (m *Machine) JSON(args ...string) (out map[string]any) {
	m.Helper()
	if err := json.Unmarshal(m.Tapline(append(args, "--json")...), &out); err != nil {
		m.Fatal(err)
	}
	return out
}

// Asked is one field of what a command of tapline answers.
func (m *Machine) Asked(field string, args ...string) string {
	m.Helper()
	return m.JSON(args...)[field].(string)
}

// Write writes a file that only its owner can read.
func (m *Machine) Write(name, content string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.Dir, name), []byte(content+"\n"), 0o600); err != nil {
		m.Fatal(err)
	}
}

// Serve starts a service and furnishes it: it has the payee books@shop, and a card with 100.00 CNY whose number and PIN are in the
// files number and pin. Whoever runs "tapline pay" on the machine is its cardholder.
func (m *Machine) Serve(flags ...string) (url, apiKey string) {
	m.Helper()
	address := FreeAddress(m)
	url = "http://" + address
	m.Start(append([]string{"serve", "--listen", address}, flags...)...)
	m.Env = append(m.Env, "TAPLINE_URL="+url)
	Until(m, "tapline answers", func() bool { return Status(url+"/healthz") == http.StatusOK })
	m.Tapline("operator", "enrol", "--name", "Olga", "--token-file", "tapline.first-token")
	apiKey = m.Asked("api_key", "payee", "add", "--handle", "books@shop", "--name", "Book Shop")
	m.Write("number", string(Account))
	m.Write("pin", string(PIN))
	issued := m.JSON("card", "issue", "--label", "Campus card", "--account-file", "number")
	m.Write("code", issued["code"].(string))
	m.Tapline("account", "top-up", issued["card"].(map[string]any)["account"].(string), "--amount", "100")
	m.Tapline("device", "make")
	m.Tapline("device", "register", "--label", "My phone")
	m.Tapline("card", "activate", "--code-file", "code", "--account-file", "number", "--pin-file", "pin")
	return url, apiKey
}

// Pay pays an order on the machine.
func (m *Machine) Pay(orderID string) {
	m.Helper()
	m.Tapline("pay", "--order-id", orderID, "--account-file", "number", "--pin-file", "pin", "--yes")
}

// FreeAddress is an address of this machine at which nobody listened a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Until waits until something is so.
func Until(t testing.TB, what string, so func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(30 * time.Second)
	for !so() {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatal("not so in 30 s: ", what)
		}
	}
}

// Status is that of the answer to a GET, 0 if nobody answers.
func Status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
