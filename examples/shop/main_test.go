package main

import (
	"context"
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

	"tapline/internal/clienttest"
	"tapline/payee"
)

// TestQuickStart runs what docs/quickstart.md says, from its second step on, on other ports.
func TestQuickStart(t *testing.T) {
	m := clienttest.NewMachine(t)
	text, err := os.ReadFile("../../docs/quickstart.md")
	if err != nil {
		t.Fatal(err)
	}
	script := "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		script += block[1]
	}
	service, shop := clienttest.FreeAddress(t), clienttest.FreeAddress(t)
	script = strings.NewReplacer("127.0.0.1:8480", service, "127.0.0.1:8090", shop,
		"../shop &", "../shop --listen "+shop+" --tapline http://"+service+" &").Replace(script)
	m.Build("shop", ".")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-eu", "-c", script)
	c.Dir, c.Env = filepath.Join(m.Dir, "try"), append(m.Env, "TAPLINE_LISTEN="+service, "TAPLINE_URL=http://"+service)
	if err := os.Mkdir(c.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	out, err := c.CombinedOutput()
	for _, want := range []string{"declined\n", "approval_required\n", "48h0m0s", "paid 12.50 CNY to Book Shop", "<h1>Thank you</h1>", "the books are right"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Fatalf("%v; it does not say %q:\n%s", err, want, out)
		}
	}
}

// TestABookIsSold starts tapline and the shop as docs/quickstart.md does, buys the book, and pays for it with a card.
func TestABookIsSold(t *testing.T) {
	m := clienttest.NewMachine(t)
	service, shop := m.Serve()
	listen := clienttest.FreeAddress(t)
	origin := "http://" + listen
	go func() { _ = run(listen, service, shop) }() // ends with the test's process
	clienttest.Until(t, "the shop is open", func() bool { return clienttest.Status(origin) == http.StatusOK })
	sale := regexp.MustCompile(`name="sale" value="([^"]+)"`).FindStringSubmatch(get(t, origin))[1]
	first, again := buy(t, origin, sale), buy(t, origin, sale)
	if first != again || !strings.HasPrefix(first, service+"/pay/ord_") {
		t.Fatalf("pressed twice, the button leads to %s and %s", first, again)
	}
	if got := get(t, origin+"/sales/"+sale); !strings.Contains(got, "Not paid yet") {
		t.Errorf("before it is paid:\n%s", got)
	}
	m.Pay(first[strings.LastIndex(first, "/")+1:])
	if got := get(t, origin+"/sales/"+sale); !strings.Contains(got, "Thank you") || !strings.Contains(got, "12.50 CNY") {
		t.Errorf("after it is paid:\n%s", got)
	}
	page, err := (&payee.Client{URL: service, APIKey: shop}).Orders(t.Context(), payee.Query{State: "paid"})
	if err != nil || len(page.Orders) != 1 || page.Orders[0].Amount != price {
		t.Errorf("paid orders: %+v %v", page.Orders, err)
	}
}

func TestTheShopDoesNotOpenWithoutAKeyThatWorks(t *testing.T) {
	if err := run("127.0.0.1:0", "http://"+clienttest.FreeAddress(t), ""); err == nil || !strings.Contains(err.Error(), "hint: ") {
		t.Errorf("without a key: %v", err)
	}
	if err := run("127.0.0.1:0", "http://"+clienttest.FreeAddress(t), "tapline_test_x"); err == nil {
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
	if got := clienttest.Status(origin + "/sales/" + strings.Repeat("A", 26)); got != http.StatusNotFound {
		t.Errorf("a sale that nobody made: %d", got)
	}
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
