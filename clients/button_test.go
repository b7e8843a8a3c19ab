package clients_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/internal/clienttest"
	"tapline/payee"
	"tapline/webhook"
)

// stall is a service, and the shop of examples/shop-js, which is paid by it.
type stall struct {
	*clienttest.Machine
	service, shop, key string

	secret string // of the shop's webhook endpoint
	said   *said  // by the shop
}

// said is what a program has written so far.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write keeps it.
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

// count is how often a text was written.
func (s *said) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.text.String(), text)
}

func openStall(t *testing.T) *stall {
	t.Helper()
	have(t, "typescript") // and Node with it
	reads(t, "js", "../examples/shop-js")
	s := &stall{Machine: clienttest.NewMachine(t), said: &said{}}
	s.service, s.key = s.Serve("--webhooks-here")
	listen := clienttest.FreeAddress(t)
	s.shop = "http://" + listen
	hooks := s.Asked("key", "payee", "key", "make", "--payee", "books@shop", "--name", "hooks", "--scope", "webhooks")
	endpoint, err := (&payee.Client{URL: s.service, APIKey: hooks}).MakeWebhook(t.Context(), api.NewWebhookEndpoint{URL: s.shop + "/hook", Types: []string{"order.*"}})
	if err != nil {
		t.Fatal(err)
	}
	s.secret = endpoint.Secret
	ctx, cancel := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, "node", "../examples/shop-js/shop.js", "--listen", listen, "--tapline", s.service)
	c.Env = append(os.Environ(), "TAPLINE_API_KEY="+s.key, "TAPLINE_WEBHOOK_SECRET="+webhook.NewKeys().Secret()+","+s.secret)
	c.Stdout, c.Stderr = s.said, os.Stderr
	s.Run(cancel, c)
	clienttest.Until(t, "the shop is open", func() bool { return clienttest.Status(s.shop) == http.StatusOK })
	return s
}

// TestTheButton has people and thieves come to one stall, all at once.
func TestTheButton(t *testing.T) {
	t.Parallel()
	s := openStall(t)
	t.Run("visits", func(t *testing.T) {
		for name, visit := range map[string]func(*stall){
			"a book is sold at a desk": (*stall).desk, "on a phone": (*stall).phone,
			"it leads nowhere else": (*stall).nowhere, "the shop believes nobody": (*stall).believes,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				machine := *s.Machine
				machine.TB = t
				here := *s
				here.Machine = &machine
				visit(&here)
			})
		}
	})
	s.Tapline("check")
}

// in is the button's own tree, in the page's scripts.
const in = `document.querySelector('tapline-pay').shadowRoot`

// press clicks in the button's own tree, as a person does: where the thing is.
func (b *tab) press(selector string) {
	b.Helper()
	b.until(fmt.Sprintf(`document.querySelector('tapline-pay')?.shadowRoot?.querySelector(%q)?.getClientRects().length > 0`, selector))
	at := evaluate[[]float64](b, fmt.Sprintf(`(() => { const r = %s.querySelector(%q).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()`, in, selector))
	b.do(chromedp.MouseClickXY(at[0], at[1]))
}

// order is the id of the order that the button is about.
func (b *tab) order() string {
	b.Helper()
	b.until(in + `?.querySelector('dialog').open`)
	return path.Base(evaluate[string](b, in+`.querySelector('a').href`))
}

// desk buys the book of examples/shop-js at a desk, in Chromium, and pays for it with a card.
func (s *stall) desk() {
	b := openTab(s.Machine.TB)
	b.open(s.shop)
	b.until(in + ` !== null`)
	b.accessible("shop")
	b.press("button")
	id := b.order()
	b.until(in + `.querySelector('img').naturalWidth > 0`)
	b.until(in + `.querySelector('dialog [role=status]').textContent === 'Waiting for the payment…'`)
	b.accessible("code")
	b.look(map[string]string{"prefers-color-scheme": "dark"})
	b.accessible("code-dark")
	b.look(nil)
	b.size(320, 640)
	b.picture("code-320")
	if wide := evaluate[bool](b, `document.documentElement.scrollWidth > 320`); wide {
		s.Error("the page is wider than 320 px")
	}
	b.size(1280, 800)

	// Whoever claims that it was paid, in the browser, gets no book: the shop's server asks.
	sale := evaluate[string](b, `document.querySelector('input').value`)
	evaluate[bool](b, `document.querySelector('tapline-pay').dispatchEvent(new CustomEvent('tapline-paid', { bubbles: true, detail: { watch: '/sales/`+sale+`/state' } }))`)
	b.until(`document.body.innerText.includes('Not paid yet')`)
	b.picture("not-paid-yet")
	b.press("button")
	if again := b.order(); again != id {
		s.Errorf("the sale's page asks for %s to be paid, and not %s", again, id)
	}
	s.Pay(id)
	b.until(`document.body.innerText.includes('Thank you')`)
	if at := evaluate[string](b, `location.pathname`); at != "/sales/"+sale {
		s.Errorf("the buyer is at %s", at)
	}
	b.picture("thank-you")
	clienttest.Until(s, "the shop was told by webhook", func() bool { return s.said.count("sent the book of order "+sale[:8]+"\n") == 1 })
	if found := b.complaints(); len(found) > 0 {
		s.Errorf("the console: %q", found)
	}
}

// phone is led straight to the page where the card is tapped, in Chinese as well.
func (s *stall) phone() {
	b := openTab(s.Machine.TB)
	b.size(375, 740)
	b.look(map[string]string{"hover": "none", "pointer": "coarse"})
	b.open(s.shop + "/?lang=zh")
	b.until(in + `.querySelector('slot').assignedNodes({ flatten: true })[0].textContent === '刷卡付款'`)
	b.accessible("phone-zh")
	emulated := evaluate[bool](b, `matchMedia('(hover: none) and (pointer: coarse)').matches`)
	if !emulated { // this Chromium takes no such features: the page is told instead
		evaluate[bool](b, `(() => { const real = matchMedia; globalThis.matchMedia = (q) => q.includes('coarse') ? { matches: true } : real(q); return true; })()`)
	}
	b.press("button")
	b.until(`location.pathname.startsWith('/pay/ord_')`)
	at := evaluate[string](b, `location.href`)
	b.until(`document.body.innerText.includes('12.50')`)
	b.picture("phone-pay-page")
	s.Pay(path.Base(at))
	if strings.TrimSuffix(at, "/pay/"+path.Base(at)) != s.service {
		s.Errorf("the phone is at %s", at)
	}
}

// nowhere gives the button addresses that a thief might have put there.
func (s *stall) nowhere() {
	b := openTab(s.Machine.TB)
	b.open(s.shop + "/")
	id := "ord_" + strings.Repeat("a", 26)
	for _, c := range []struct{ name, order, watch, make string }{
		{"a script", "javascript:alert(1)//pay/" + id, "", ""},
		{"a text", "data:text/html,/pay/" + id, "", ""},
		{"plain http", "http://thief.example/pay/" + id, "", ""},
		{"another page", s.service + "/me", "", ""},
		{"a page besides", s.service + "/pay/" + id + "/../../me", "", ""},
		{"a user in the address", "https://pay.example@thief.example/pay/" + id, "", ""},
		{"no order", "", "", ""},
		{"a stranger who says whether it was paid", s.service + "/pay/" + id, "https://thief.example/paid", ""},
		{"a stranger who makes the order", "", "", "https://thief.example/make"},
	} {
		said := evaluate[string](b, fmt.Sprintf(`new Promise((done) => {
			const old = document.querySelector('tapline-pay'), pay = document.createElement('tapline-pay');
			for (const [name, value] of Object.entries({ order: %q, watch: %q, make: %q })) if (value) pay.setAttribute(name, value);
			pay.addEventListener('tapline-error', (e) => done(String(e.detail.error.name)));
			pay.addEventListener('tapline-open', (e) => { e.preventDefault(); done('opened ' + e.detail.url); });
			old.replaceWith(pay);
			pay.shadowRoot.querySelector('button').click();
		})`, c.order, c.watch, c.make))
		shown := evaluate[string](b, in+`.querySelector('#said').textContent`)
		if said != "TypeError" || !strings.HasPrefix(shown, "This did not work") {
			s.Errorf("%s: %s, and it shows %q", c.name, said, shown)
		}
	}
	// What an address has besides is not taken along.
	opened := evaluate[string](b, fmt.Sprintf(`new Promise((done) => {
		const pay = document.createElement('tapline-pay');
		pay.setAttribute('order', %q);
		pay.addEventListener('tapline-open', (e) => { e.preventDefault(); done(e.detail.url); });
		document.querySelector('tapline-pay').replaceWith(pay);
		pay.shadowRoot.querySelector('button').click();
	})`, s.service+"/pay/"+id+"?amount=9#tap"))
	if opened != s.service+"/pay/"+id {
		s.Errorf("it leads to %s", opened)
	}
	b.picture("failed")
	if found := b.complaints(); len(found) > 0 {
		s.Errorf("the console: %q", found)
	}

	// The page where it is paid is shown in nobody's frame.
	answer, err := http.Get(opened)
	if err != nil {
		s.Fatal(err)
	}
	answer.Body.Close()
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "frame-ancestors 'none'") {
		s.Errorf("the page where it is paid has the policy %s", policy)
	}
}

// believes asks the shop of examples/shop-js what a thief would.
func (s *stall) believes() {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ask := func(method, where, body string, header ...string) *http.Response {
		s.Helper()
		request, err := http.NewRequestWithContext(s.Context(), method, s.shop+where, strings.NewReader(body))
		if err != nil {
			s.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := client.Do(request)
		if err != nil {
			s.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	sale := strings.Repeat("A", 22)
	form := url.Values{"sale": {sale}, "price": {"1"}, "amount": {"1"}}.Encode()
	if got := ask("POST", "/buy", form, "Sec-Fetch-Site", "cross-site"); got.StatusCode != http.StatusForbidden {
		s.Errorf("a form of another site: %s", got.Status)
	}
	for _, bad := range []string{"", "short", sale + "A", strings.Repeat("/", 22), `"><script>alert(1)</scri`} {
		if got := ask("POST", "/buy", url.Values{"sale": {bad}}.Encode()); got.StatusCode != http.StatusBadRequest {
			s.Errorf("sale %q: %s", bad, got.Status)
		}
	}
	for _, where := range []string{"/sales/" + strings.Repeat("B", 22), "/sales/" + strings.Repeat("B", 22) + "/state", "/shop.js", "/../package.json"} {
		if got := ask("GET", where, ""); got.StatusCode != http.StatusNotFound {
			s.Errorf("%s: %s", where, got.Status)
		}
	}
	if got := ask("POST", "/hook", `{"type":"order.paid","data":{"id":"ord_1"}}`); got.StatusCode != http.StatusBadRequest {
		s.Errorf("a webhook that nobody has signed: %s", got.Status)
	}
	first, again := ask("POST", "/buy", form).Header.Get("Location"), ask("POST", "/buy", form).Header.Get("Location")
	if first != again || !regexp.MustCompile(`^`+regexp.QuoteMeta(s.service)+`/pay/ord_[\w-]+$`).MatchString(first) {
		s.Errorf("without scripts, pressed twice, it leads to %s and %s", first, again)
	}
	o, err := (&payee.Client{URL: s.service, APIKey: s.key}).Order(s.Context(), path.Base(first))
	if err != nil || o.Amount.Minor != 12_50 {
		s.Errorf("the price is the browser's: %v %v", o.Amount, err)
	}
}

// TestTheButtonIsSmall holds it to what it promises.
func TestTheButtonIsSmall(t *testing.T) {
	text, err := os.ReadFile("js/button.js")
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 100 {
		t.Errorf("%d lines, want 100 at most", lines)
	}
	for _, not := range []string{"innerHTML", "eval(", "import ", "style=", ".style", "insertAdjacent", "document.write"} {
		if bytes.Contains(text, []byte(not)) {
			t.Errorf("it has %q", not)
		}
	}
}
