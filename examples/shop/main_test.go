package main

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tapline/payee"
)

// TestQuickStart runs what docs/quickstart.md says, from its second step on, on other ports.
func TestQuickStart(t *testing.T) {
	m := newMachine(t)
	text, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	service, shop := freeAddress(t), freeAddress(t)
	script = strings.NewReplacer("127.0.0.1:8480", service, "127.0.0.1:8090", shop,
		"../shop &", "../shop --listen "+shop+" --tapline http://"+service+" &").Replace(script)
	m.build("shop", ".")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	c.Dir, c.Env = filepath.Join(m.dir, "try"), append(m.env, "TAPLINE_LISTEN="+service, "TAPLINE_URL=http://"+service)
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := c.CombinedOutput()
	for _, want := range []string{"paid 12.50 CNY to Book Shop", "<h1>Thank you</h1>", "the books are right"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v; it does not say %q:\n%s", err, want, out)
		}
	}
}

// TestABookIsSold starts tapline and the shop as docs/quickstart.md does, buys the book, and pays for it with a card.
func TestABookIsSold(t *testing.T) {
	m := newMachine(t)
	service := "http://" + freeAddress(t)
	m.start("serve", "--listen", strings.TrimPrefix(service, "http://"))
	m.env = append(m.env, "TAPLINE_URL="+service)
	until(t, "tapline answers", func() bool { return status(service+"/healthz") == http.StatusOK })
	m.tapline("operator", "enrol", "--name", "Olga", "--token-file", "tapline.first-token")
	shop := m.asked("api_key", "payee", "add", "--handle", "books@shop", "--name", "Book Shop")

	m.write("number", "6200000000000005") // a published test number
	m.write("pin", "470916")
	issued := m.json("card", "issue", "--label", "Campus card", "--account-file", "number")
	m.write("code", issued["code"].(string))
	account := issued["card"].(map[string]any)["account"].(string)
	m.tapline("account", "top-up", account, "--amount", "100")
	m.tapline("device", "make")
	m.tapline("device", "register", "--label", "My phone")
	m.tapline("card", "activate", "--code-file", "code", "--account-file", "number", "--pin-file", "pin")

	listen := freeAddress(t)
	origin := "http://" + listen
	go func() { _ = run(listen, service, shop) }() // ends with the test's process
	until(t, "the shop is open", func() bool { return status(origin) == http.StatusOK })
	sale := regexp.MustCompile(`name="sale" value="([^"]+)"`).FindStringSubmatch(get(t, origin))[1]
	first, again := buy(t, origin, sale), buy(t, origin, sale)
	if first != again || !strings.HasPrefix(first, service+"/pay/ord_") {
		t.Fatalf("pressed twice, the button leads to %s and %s", first, again)
	}
	if got := get(t, origin+"/sales/"+sale); !strings.Contains(got, "Not paid yet") {
		t.Errorf("before it is paid:\n%s", got)
	}
	m.tapline("pay", "--order-id", first[strings.LastIndex(first, "/")+1:], "--account-file", "number", "--pin-file", "pin", "--yes")
	if got := get(t, origin+"/sales/"+sale); !strings.Contains(got, "Thank you") || !strings.Contains(got, "12.50 CNY") {
		t.Errorf("after it is paid:\n%s", got)
	}
	page, err := (&payee.Client{URL: service, APIKey: shop}).Orders(t.Context(), payee.Query{State: "paid"})
	if err != nil || len(page.Orders) != 1 || page.Orders[0].Amount != price {
		t.Errorf("paid orders: %+v %v", page.Orders, err)
	}
}

func TestTheShopDoesNotOpenWithoutAKeyThatWorks(t *testing.T) {
	if err := run("127.0.0.1:0", "http://"+freeAddress(t), ""); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("without a key: %v", err)
	}
	if err := run("127.0.0.1:0", "http://"+freeAddress(t), "tapline_test_x"); err == nil {
		t.Error("it opens where there is no service")
	}
}

func TestSalesOfOthersMaking(t *testing.T) {
	h := (&shop{orders: map[string]string{}}).handler()
	server := &http.Server{Handler: h}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	origin := "http://" + l.Addr().String()
	for _, sale := range []string{"", "short", strings.Repeat("A", 25) + "\n", "../../v1/orders/aaaaaaaaaaa"} {
		response, err := http.PostForm(origin+"/buy", map[string][]string{"sale": {sale}})
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusBadRequest {
			t.Errorf("sale %q: %s", sale, response.Status)
		}
	}
	if got := status(origin + "/sales/" + strings.Repeat("A", 26)); got != http.StatusNotFound {
		t.Errorf("a sale that nobody made: %d", got)
	}
}

// machine is a folder with the program in it.
type machine struct {
	*testing.T
	dir string
	env []string
}

func newMachine(t *testing.T) *machine {
	m := &machine{T: t, dir: t.TempDir()}
	m.env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(m.dir, "settings"))
	m.build("tapline", "tapline/cmd/tapline")
	return m
}

func (m *machine) build(name, pkg string) {
	m.Helper()
	out, err := exec.CommandContext(m.Context(), "go", "build", "-o", filepath.Join(m.dir, name), pkg).CombinedOutput()
	if err != nil {
		m.Fatalf("%v\n%s", err, out)
	}
}

func (m *machine) command(ctx context.Context, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, filepath.Join(m.dir, "tapline"), args...)
	c.Dir, c.Env = m.dir, m.env
	return c
}

// start runs a command until the test ends.
func (m *machine) start(args ...string) {
	ctx, cancel := context.WithCancel(context.Background())
	c := m.command(ctx, args...)
	c.Stderr = io.Discard
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	if err := c.Start(); err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() {
		cancel()
		_ = c.Wait()
	})
}

func (m *machine) tapline(args ...string) []byte {
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

func (m *machine) json(args ...string) (out map[string]any) {
	m.Helper()
	if err := json.Unmarshal(m.tapline(append(args, "--json")...), &out); err != nil {
		m.Fatal(err)
	}
	return out
}

func (m *machine) asked(field string, args ...string) string {
	m.Helper()
	return m.json(args...)[field].(string)
}

func (m *machine) write(name, content string) {
	m.Helper()
	if err := os.WriteFile(filepath.Join(m.dir, name), []byte(content+"\n"), 0o600); err != nil {
		m.Fatal(err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	patience := time.After(30 * time.Second)
	for !true() {
		select {
		case <-tick.C:
		case <-patience:
			t.Fatal("not so in 30 s: ", what)
		}
	}
}

// status is 0 if nobody answers.
func status(url string) int {
	response, err := http.Get(url)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}

func get(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", url, response.Status, err, body)
	}
	return string(body)
}

// buy presses the button, and tells where that leads to.
func buy(t *testing.T, origin, sale string) string {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.PostForm(origin+"/buy", map[string][]string{"sale": {sale}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusSeeOther {
		t.Fatal("the button: ", response.Status)
	}
	return response.Header.Get("Location")
}
