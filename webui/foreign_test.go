package webui_test

import (
	"encoding/json"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// foreign is a page of somebody else, at an origin of its own.
func foreign(t *testing.T, body string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := out.Write([]byte("<!doctype html><title>somewhere else</title><link rel=icon href=data:,>" + body)); err != nil {
			t.Log(err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// TestNoPageCanBeFramed has a page of another site frame every page. A page that is shown loads its style; one that the
// browser refuses to show loads nothing. As a proof that this tells them apart, one is framed without its content policy.
func TestNoPageCanBeFramed(t *testing.T) {
	w := openWorld(t)
	o := w.placed(nil)
	var mu sync.Mutex
	loaded := map[string]bool{}
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		mu.Lock()
		loaded[r.URL.Path] = true
		mu.Unlock()
		if r.URL.RawQuery == "open" {
			out = withoutPolicy{out}
		}
		service.ServeHTTP(out, r)
	})
	victim := newPerson(t, browser(t), "victim")
	victim.blames = func(string) bool { return false } // the framed page without its policy may not register its device
	frame := func(addresses ...string) (styles []string) {
		var frames strings.Builder
		for _, path := range addresses {
			fmt.Fprintf(&frames, "<iframe src=%q></iframe>", w.url+path)
		}
		victim.open(foreign(t, frames.String())) // until all frames are loaded
		mu.Lock()
		defer mu.Unlock()
		for path := range loaded {
			if strings.HasSuffix(path, ".css") || strings.HasSuffix(path, ".js") {
				styles = append(styles, path)
			}
		}
		for _, path := range addresses {
			path, _, _ = strings.Cut(path, "?")
			if !loaded[path] {
				t.Errorf("%s was not asked for", path)
			}
		}
		clear(loaded)
		return styles
	}
	if shown := frame("/pay", "/pay/"+o.ID, "/t", "/approve", "/me", "/till", "/operator", "/", "/docs"); len(shown) > 0 {
		t.Errorf("pages in frames of another site are shown: they loaded %v", shown)
	}
	if shown := frame("/pay?open"); len(shown) == 0 {
		t.Error("a page without its policy is not shown in a frame, either: this test sees nothing")
	}
}

// withoutPolicy leaves the content policy out.
type withoutPolicy struct{ http.ResponseWriter }

// Write drops the policy first.
func (w withoutPolicy) Write(b []byte) (int, error) {
	w.Header().Del("Content-Security-Policy")
	return w.ResponseWriter.Write(b)
}

// unsafe are the operations that change something: method and path, with ids that a stranger may know.
func unsafe(t *testing.T, w *world) (found []string) {
	t.Helper()
	golden, err := os.ReadFile("../httpapi/testdata/routes.golden")
	w.must(err)
	o := w.placed(nil)
	for line := range strings.Lines(string(golden)) {
		path, rest, _ := strings.Cut(line, " ")
		method, _, _ := strings.Cut(rest, " ")
		if method == "GET" {
			continue
		}
		if method != "POST" {
			t.Errorf("%s %s: only POST is tried here", method, path)
		}
		switch {
		case strings.Contains(path, "/orders/"):
			path = strings.Replace(path, "{id}", o.ID, 1)
		case strings.Contains(path, "/cards/"):
			path = strings.Replace(path, "{id}", w.issued.Card.ID, 1)
		case strings.Contains(path, "/accounts/"):
			path = strings.Replace(path, "{id}", w.issued.Card.Account, 1)
		}
		found = append(found, strings.NewReplacer("{handle}", "books@shop", "{id}", "pay_AAAAAAAAAAAAAAAAAAAAAA").Replace(path))
	}
	if len(found) < 30 {
		t.Fatalf("only %d operations change something", len(found))
	}
	return found
}

// TestOtherSitesCannotAct has a page of another origin post to everything that changes something, in all the ways that need
// nobody's leave, in the browser of somebody who is signed in as operator, cashier and cardholder.
func TestOtherSitesCannotAct(t *testing.T) {
	w := openWorld(t)
	victim := newPerson(t, browser(t), "victim")
	w.activate(victim)
	w.newOperator(victim)
	w.cashier(victim)
	routes := unsafe(t, w)
	answers := w.listen()
	before := w.books()
	list, err := json.Marshal(routes)
	w.must(err)
	evil := victim.another()
	evil.open(foreign(t, "<p>hello"))
	sent := eval[int](evil, fmt.Sprintf(`(async () => {
		let sent = 0;
		for (const path of %s) {
			const body = JSON.stringify({ amount: { minor: 100, currency: 'CNY' }, reason: 'x', handle: 'evil@shop', name: 'Evil', currency: 'CNY' });
			for (const [kind, mode] of [['text/plain', 'no-cors'], ['application/x-www-form-urlencoded', 'cors'], ['application/jose', 'cors']]) {
				await fetch(%q + path, { method: 'POST', mode, credentials: 'include', headers: { 'Content-Type': kind }, body }).then(
					(a) => { if (mode === 'cors') throw new Error('another site reads the answer of ' + path); },
					(e) => { if (!(e instanceof TypeError)) throw e; });
				sent++;
			}
			await fetch(%q + path, { method: 'POST', credentials: 'include', headers: { Authorization: 'Bearer x', 'Idempotency-Key': 'x' }, body }).catch(() => {});
		}
		return sent;
	})()`, list, w.url, w.url))
	if sent != 3*len(routes) {
		t.Errorf("%d requests were made for %d operations", sent, len(routes))
	}
	form := foreign(t, fmt.Sprintf(`<form method=post action="%s" enctype="text/plain"><input name='{"amount":' value='1}'></form><script>document.forms[0].submit()</script>`,
		html.EscapeString(w.url+routes[0])))
	evil.do(chromedp.Navigate(form))
	evil.see("HTTP ERROR 4")
	for _, path := range routes {
		got := answers("POST " + path)
		if len(got) < 2 {
			t.Errorf("%s: only %d requests arrived", path, len(got))
		}
		for _, a := range got {
			if a.status < 400 || a.lent != "" {
				t.Errorf("%s: another site's request is answered %d, with %q of the victim's", path, a.status, a.lent)
			}
		}
		for _, a := range slices.Concat(got, answers("OPTIONS "+path)) {
			for name := range a.headers {
				if strings.HasPrefix(name, "Access-Control-") || name == "Set-Cookie" {
					t.Errorf("%s answers another site with %s", path, name)
				}
			}
		}
	}
	if after := w.books(); after != before {
		t.Errorf("another site changed something:\nbefore %s\nafter  %s", before, after)
	}
}

// answered is what another site's request was answered.
type answered struct {
	status  int
	headers http.Header
	lent    string // what the browser added of the victim's
}

// listen keeps what requests of other sites are answered, by method and path.
func (w *world) listen() func(string) []answered {
	var mu sync.Mutex
	answers := map[string][]answered{}
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Sec-Fetch-Site") != "cross-site" || r.Method == http.MethodGet {
			service.ServeHTTP(out, r)
			return
		}
		kept := httptest.NewRecorder()
		service.ServeHTTP(kept, r)
		mu.Lock()
		defer mu.Unlock()
		at := r.Method + " " + r.URL.Path
		answers[at] = append(answers[at], answered{kept.Code, kept.Header(), r.Header.Get("Cookie") + r.Header.Get("Authorization")})
		out.WriteHeader(kept.Code)
	})
	return func(at string) []answered { mu.Lock(); defer mu.Unlock(); return answers[at] }
}

// books are all cards, payees, accounts and operators.
func (w *world) books() string {
	w.Helper()
	cards, err := w.operator.Cards(w.ctx)
	w.must(err)
	payees, err := w.operator.Payees(w.ctx)
	w.must(err)
	accounts, err := w.operator.Accounts(w.ctx)
	w.must(err)
	operators, err := w.operator.Operators(w.ctx)
	w.must(err)
	text, err := json.Marshal([]any{cards, payees, accounts, operators})
	w.must(err)
	return string(text)
}

// What a mistake in a page would do is refused by the browser.
func TestTheBrowserRefusesMarkupAndForeignScripts(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	p.blames = func(string) bool { return false }
	for _, path := range []string{"/pay", "/approve", "/me", "/till", "/operator", "/docs"} {
		p.open(w.url + path)
		for name, script := range map[string]string{
			"markup":       `try { document.body.innerHTML = '<img src=x onerror=globalThis.owned=1>'; } catch (e) { return e.name; } return 'done';`,
			"a policy":     `try { trustedTypes.createPolicy('other', { createHTML: (s) => s }); } catch (e) { return e.name; } return 'done';`,
			"code of text": `try { setTimeout('globalThis.owned = 1'); } catch (e) { return e.name; } return 'done';`,
		} {
			if got := eval[string](p, `(() => {`+script+`})()`); got != "TypeError" && got != "EvalError" {
				t.Errorf("%s: %s gives %s", path, name, got)
			}
		}
		for _, src := range []string{foreign(t, "") + "/x.js", "data:text/javascript,globalThis.owned=1"} {
			loaded := eval[bool](p, fmt.Sprintf(`new Promise((done) => {
				const s = document.createElement('script');
				s.onload = () => done(true);
				s.onerror = () => done(false);
				try { s.src = %q; document.head.append(s); } catch { done(false); }
			})`, src))
			if loaded {
				t.Errorf("%s loads %s", path, src)
			}
		}
		if eval[bool](p, `'owned' in globalThis`) {
			t.Errorf("%s: a foreign script ran", path)
		}
	}
}
