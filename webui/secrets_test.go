package webui_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/httpapi"
)

// keeps is all that a page and its origin keep in the browser, as text: storage, databases, copies, cookies, the address, the
// document with what is typed into it, what was loaded, and the addresses of the tab's history.
func (p *person) keeps() string {
	p.Helper()
	kept := eval[string](p, `(async () => {
		const out = [location.href, document.referrer, document.title, window.name, JSON.stringify(history.state), document.cookie,
			JSON.stringify({ ...localStorage }), JSON.stringify({ ...sessionStorage }), document.documentElement.outerHTML,
			...[...document.querySelectorAll('input')].map((i) => i.value), ...performance.getEntriesByType('resource').map((e) => e.name)];
		for (const { name } of await indexedDB.databases()) {
			const db = await new Promise((done, failed) => { const r = indexedDB.open(name); r.onsuccess = () => done(r.result); r.onerror = failed; });
			for (const store of db.objectStoreNames) {
				const all = await new Promise((done, failed) => { const r = db.transaction(store).objectStore(store).getAll(); r.onsuccess = () => done(r.result); r.onerror = failed; });
				out.push(JSON.stringify(all));
			}
			db.close();
		}
		for (const name of await caches.keys()) {
			const copies = await caches.open(name);
			for (const r of await copies.keys()) out.push(r.url, await (await copies.match(r)).text());
		}
		return out.join('\n');
	})()`)
	past, err := chromedp.Call(p.ctx, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		p.Fatal(err)
	}
	for _, e := range past.Entries {
		kept += "\n" + e.URL + "\n" + e.Title
	}
	return kept
}

// overhear keeps the bearer tokens that the service gives.
func (w *world) overhear() func() []string {
	var mu sync.Mutex
	var tokens []string
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/token" {
			service.ServeHTTP(out, r)
			return
		}
		kept := httptest.NewRecorder()
		service.ServeHTTP(kept, r)
		var token api.Token
		if json.Unmarshal(kept.Body.Bytes(), &token) == nil && token.AccessToken != "" {
			mu.Lock()
			tokens = append(tokens, token.AccessToken)
			mu.Unlock()
		}
		for name, values := range kept.Header() {
			out.Header()[name] = values
		}
		out.WriteHeader(kept.Code)
		if _, err := out.Write(kept.Body.Bytes()); err != nil {
			w.Log(err)
		}
	})
	return func() []string { mu.Lock(); defer mu.Unlock(); return tokens }
}

// messagePart is what of a card's message must not be found: its encrypted part, and its code.
var messagePart = regexp.MustCompile(`[0-9A-F]{16,}`)

// secrets are all that were used so far, by what they are.
func (w *world) secrets(tokens []string) map[string]string {
	found := map[string]string{"the PIN": pin, "the till's key": w.shop.APIKey, "the activation code": w.issued.Code}
	for i, token := range tokens {
		found[fmt.Sprintf("token %d", i)] = token
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, message := range w.taps {
		for j, part := range messagePart.FindAllString(strings.ToUpper(message), -1) {
			found[fmt.Sprintf("part %d of tap %d", j, i)] = part
		}
	}
	return found
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write adds to it.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func TestNothingSecretIsLeftBehindByAnyFlow(t *testing.T) {
	var log buffer
	w := openWorld(t, func(c *httpapi.Config) {
		c.Log = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	tokens := w.overhear()
	in := browser(t)
	phone, payer, till, op := newPerson(t, in, "phone"), newPerson(t, in, "payer"), newPerson(t, in, "till"), newPerson(t, in, "operator")
	clean := func(p *person, when string) {
		t.Helper()
		kept := strings.ToUpper(p.keeps())
		for what, secret := range w.secrets(tokens()) {
			if strings.Contains(kept, strings.ToUpper(secret)) {
				t.Errorf("%s: %s is kept in the browser of the %s", when, what, p.name)
			}
		}
	}
	phone.activate(w)
	clean(phone, "after the activation")
	phone.open(w.url + "/approve")
	phone.see("Live")
	payer.open(w.url + order)
	payer.see("Tap your card")
	payer.open(w.url + "/t#" + w.tap())
	payer.see("Check before you send")
	clean(payer, "with a tap that was not sent")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	clean(payer, "with a tap that was sent")
	payer.enter(pin)
	payer.see("Is this right?")
	clean(payer, "after the PIN")
	payer.press("Pay CN¥12.50")
	payer.see("Confirm on your own device")
	phone.open(w.url + "/t#" + w.tap())
	phone.see("The card was tapped.")
	clean(phone, "with a tap that has approved nothing")
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
	clean(phone, "after the approval")
	payer.press("Show receipt")
	payer.see("the signature was verified on this device")
	clean(payer, "after paying")
	payer.open(w.url + "/t#" + w.tap())
	payer.see("Your card")
	clean(payer, "after a tap that was for nothing")
	phone.open(w.url + "/me")
	phone.see("Live")
	clean(phone, "at the cardholder's page")
	w.cashier(till)
	clean(till, "at the till")
	w.newOperator(op)
	clean(op, "at the operator's page")
	if len(tokens()) < 4 {
		t.Errorf("only %d tokens were overheard", len(tokens()))
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	for what, secret := range w.secrets(tokens()) {
		if strings.Contains(strings.ToUpper(log.text.String()), strings.ToUpper(secret)) {
			t.Errorf("%s is in the log", what)
		}
	}
	if !strings.Contains(log.text.String(), "/approval") {
		t.Error("the log has not seen the approval: this test looks at the wrong one")
	}
}

func TestAnAccountNumberIsInMemoryOnly(t *testing.T) {
	w := openWorld(t)
	const number = "6200000000000005" // published for tests
	_, err := w.operator.IssueCard(w.ctx, api.NewCard{AccountNumber: number, Label: "Old card", Currency: "CNY"})
	w.must(err)
	payer := newPerson(t, browser(t), "payer")
	payer.always(fmt.Sprintf(`{ const real = fetch; globalThis.fetch = (at, how) => String(at).endsWith('/taps') && String(at).startsWith('/demo') ?
		Promise.resolve(new Response(JSON.stringify({ tap: { account: '%s' } }))) : real(at, how); }`, number))
	clean := func(when string) {
		t.Helper()
		if strings.Contains(payer.keeps(), number) {
			t.Errorf("%s the account number is kept", when)
		}
	}
	payer.open(w.url + order)
	payer.press("City card")
	payer.see("Check before you send")
	clean("before Send")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.see("•••• 0005")
	clean("after Send")
	payer.press("Cancel")
	payer.see("Cancelled")
	clean("at the end")
}

func TestKeysOfABrowserCannotBeTakenOut(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "operator")
	w.activate(p)
	w.newOperator(p)
	found := eval[map[string]string](p, `(async () => {
		const db = await new Promise((done) => { const r = indexedDB.open('tapline'); r.onsuccess = () => done(r.result); });
		const said = {};
		for (const kind of ['device', 'operator']) {
			const found = await new Promise((done) => { const r = db.transaction('keys').objectStore('keys').get(kind); r.onsuccess = () => done(r.result); });
			if ('d' in found.jwk) throw new Error('the private number is kept as text');
			for (const format of ['jwk', 'pkcs8', 'raw']) {
				said[kind + ' ' + format] = await crypto.subtle.exportKey(format, found.keys.privateKey).then(() => 'taken', (e) => e.name);
			}
			said[kind + ' uses'] = found.keys.privateKey.usages.join() + ' ' + found.keys.privateKey.extractable;
		}
		return said;
	})()`)
	for what, got := range found {
		want := "InvalidAccessError"
		if strings.HasSuffix(what, "uses") {
			want = "sign false"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
	}
	if len(found) != 8 {
		t.Errorf("looked at %v", found)
	}
}
