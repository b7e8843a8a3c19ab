package webui_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestEveryProblemOfTheDocumentHasWords(t *testing.T) {
	text, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "<!-- generated: problem codes -->")
	table, _, ended := strings.Cut(table, "<!-- end")
	codes := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| [45]\\d\\d \\|").FindAllStringSubmatch(table, -1)
	if !found || !ended || len(codes) < 60 {
		t.Fatalf("docs/api.md has a table of %d problems", len(codes))
	}
	for _, language := range languages {
		words := catalogue(t, language)
		for _, m := range codes {
			if words["problem."+m[1]] == "" {
				t.Errorf("%s has no words for the problem %s", language, m[1])
			}
		}
	}
}

// What a device, or anybody, may be answered has words on the pages of payers, which are not served those of staff.
func TestPayersAreToldOfTheirProblemsInWords(t *testing.T) {
	w := openWorld(t)
	get := func(path string) string {
		t.Helper()
		answer, err := http.Get(w.url + path)
		w.must(err)
		text, err := io.ReadAll(answer.Body)
		w.must(errors.Join(err, answer.Body.Close()))
		return string(text)
	}
	var document struct {
		Paths map[string]map[string]struct {
			Security  []map[string]any
			Responses map[string]struct{ Description string }
		}
	}
	w.must(json.Unmarshal([]byte(get("/openapi.json")), &document))
	words, seen := get("/words/en.js"), 0
	for path, operations := range document.Paths {
		for method, o := range operations {
			staff := len(o.Security) > 0
			for _, by := range o.Security {
				staff = staff && by["device_token"] == nil && by["device_signature"] == nil
			}
			if staff {
				continue
			}
			for status, answer := range o.Responses {
				if status < "400" {
					continue
				}
				for _, code := range strings.Split(answer.Description, ", ") {
					if slices.Contains([]string{"missing_scope", "unknown_head", "No token"}, code) {
						continue // of API keys, of auditors, and of OAuth's own form
					}
					if seen++; !strings.Contains(words, `"problem.`+code+`":`) {
						t.Errorf("%s %s may answer %s, for which payers' pages have no words", method, path, code)
					}
				}
			}
		}
	}
	if seen < 250 {
		t.Errorf("devices may be answered in %d ways only", seen)
	}
}

// Pages of payers, approvers and cardholders are not served the words of operators and payees (staffWords in webui.go).
func TestPayerPagesUseNoWordsOfStaff(t *testing.T) {
	staff := regexp.MustCompile(`^(operator|till|demo|words)[/.]|^ui/(?:ask|signin)\.js$`)
	foreign := regexp.MustCompile(`'(?:op|till|demo|signin)\.[a-z_.]*'|'/ui/(?:ask|signin)\.js'`)
	looked := 0
	for name, text := range scripts(t) {
		if staff.MatchString(name) {
			continue
		}
		looked++
		if m := foreign.FindString(text); m != "" {
			t.Errorf("%s uses %s", name, m)
		}
	}
	if looked < 20 {
		t.Errorf("looked at %d scripts only", looked)
	}
}

// A text that says only that something failed tells nobody what to do.
func TestNoTextSaysThatSomethingWentWrong(t *testing.T) {
	empty := regexp.MustCompile(`(?i)something (went|is|has gone) wrong|went wrong|unknown error|unexpected error|an error (has )?occurred|^error\.?$|^oops|出了点?问题|出错了|未知错误|发生错误|^错误。?$`)
	for _, language := range languages {
		for key, text := range catalogue(t, language) {
			if m := empty.FindString(text); m != "" {
				t.Errorf("%s: %s says %q", language, key, m)
			}
		}
	}
}

// listens notes what a screen reader is told: what changes in live regions, and alerts that appear.
const listens = `addEventListener('DOMContentLoaded', () => {
	globalThis.told = [];
	new MutationObserver((changes) => {
		for (const c of changes) {
			for (const at of [c.target, ...c.addedNodes]) {
				const e = at.nodeType === 1 ? at : at.parentElement;
				const region = e?.closest('[aria-live], [role=status], [role=alert], [role=timer]') ?? e?.querySelector?.('[role=alert]');
				if (region && region.getAttribute('role') !== 'timer' && region.textContent) told.push(region.textContent);
			}
		}
	}).observe(document, { subtree: true, childList: true, characterData: true });
});`

// hears fails unless a screen reader was told of each of these, in this order, since it was asked last.
func (p *person) hears(texts ...string) {
	p.Helper()
	for _, text := range texts {
		p.until(`(() => { const at = told.findIndex((x) => x.includes(`+quoted(text)+`)); if (at >= 0) told.splice(0, at + 1); return at >= 0; })()`, "tells a screen reader "+text)
	}
}

// quoted is a text as a script has it.
func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `\'`) + "'" }

func TestScreenReadersAreToldOfEveryChange(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	phone.always(listens)
	payer.always(listens)
	w.activate(phone)
	phone.open(w.url + "/approve")
	phone.hears("Nothing to approve")
	payer.open(w.url + order)
	payer.hears("Tap your card")
	payer.press("City card")
	payer.hears("Check before you send")
	payer.press("Send")
	payer.hears("Enter the card’s PIN")
	payer.do(chromedp.Click(`//button[@class='key'][.='4']`))
	payer.hears("1 digits")
	payer.enter("71111")
	payer.hears("That PIN is wrong")
	payer.enter(pin)
	payer.hears("Is this right?")
	payer.press("Pay CN¥12.50")
	payer.hears("The digits are " + strings.Join(strings.Split(payer.code(), ""), " "))
	phone.hears("Is this your payment?")
	phone.fill("Digits on the other device", wrongDigits(payer.code()))
	phone.press("Approve CN¥12.50")
	phone.hears("Those digits are wrong")
	phone.offline(true)
	phone.hears("Not live: there is no connection.")
	phone.offline(false)
	phone.hears("Live: you see requests at once.")
	phone.fill("Digits on the other device", payer.code())
	phone.press("Approve CN¥12.50")
	phone.hears("Approved")
	payer.hears("Paid")
}

// code is what the payer's screen shows for the other device.
func (p *person) code() string {
	p.Helper()
	p.see("Confirm on your own device")
	return eval[string](p, `document.querySelector('.code').textContent`)
}

// stop is what has the focus: the words that it is known by.
func (p *person) stop() string {
	p.Helper()
	return eval[string](p, `(() => { const e = document.activeElement;
		return (e.getAttribute('aria-label') ?? e.labels?.[0]?.textContent ?? e.textContent).trim(); })()`)
}

// tabTo presses Tab until something has the focus, and tells what had it on the way.
func (p *person) tabTo(words string) (passed []string) {
	p.Helper()
	for range 40 {
		p.keys("\t")
		at := p.stop()
		if !eval[bool](p, `document.activeElement.matches(':focus-visible') && getComputedStyle(document.activeElement).outlineStyle !== 'none'`) {
			p.Errorf("%s has the focus, which is not seen", at)
		}
		if strings.Contains(at, words) {
			return passed
		}
		passed = append(passed, at)
	}
	p.Fatalf("Tab never comes to %s: %q", words, passed)
	return nil
}

// TestAPaymentNeedsNoMouse pays, approves and looks at the receipt with the keyboard alone.
func TestAPaymentNeedsNoMouse(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
	w.approver(phone)
	payer.open(w.url + order)
	payer.see("Tap your card")
	if got := payer.stop(); got != "Tap your card" {
		t.Errorf("the first screen begins at %q", got)
	}
	payer.tabTo("City card")
	payer.keys("\r")
	payer.see("Check before you send")
	if got := payer.stop(); got != "Check before you send" {
		t.Errorf("the review begins at %q", got)
	}
	if passed := payer.tabTo("Send CN¥12.50"); len(passed) != 0 {
		t.Errorf("before Send, Tab stops at %q", passed)
	}
	payer.keys("\r")
	payer.see("Enter the card’s PIN")
	payer.keys(pin + "\b" + pin[len(pin)-1:] + "\r")
	payer.see("Is this right?")
	payer.until("document.activeElement.textContent === 'Is this right?'", "began with its heading")
	payer.tabTo("Pay CN¥12.50")
	payer.keys(" ")
	digits := payer.code()
	phone.see("Is this your payment?")
	phone.tabTo("Digits on the other device")
	phone.keys(digits)
	rest := []string{}
	for range 4 {
		phone.keys("\t")
		rest = append(rest, phone.stop())
	}
	if want := []string{"Approve CN¥12.50", "Tap the card instead", "Decline", "This wasn’t me"}; !slices.Equal(rest, want) {
		t.Errorf("after the digits, Tab stops at %q, want %q", rest, want)
	}
	phone.do(chromedp.Focus("input.digits"))
	phone.keys("\r")
	phone.see("Approved")
	payer.see("Paid")
	payer.tabTo("Show receipt")
	payer.keys("\r")
	payer.see("the signature was verified on this device")
	payer.tabTo("Download receipt")
}

// moving are the animations and transitions that run, or would.
const moving = `[...document.querySelectorAll('*')].flatMap((e) => [null, '::before', '::after'].map((part) => getComputedStyle(e, part))
	.filter((s) => s.animationName !== 'none' || s.transitionDuration.split(', ').some((d) => d !== '0s') || s.scrollBehavior === 'smooth')
	.map((s) => e.className + ' ' + s.animationName))`

func TestNothingMovesForThoseWhoAskForThat(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	w.activate(p)
	p.open(w.url + order)
	p.see("Tap your card")
	if got := eval[[]string](p, moving); len(got) == 0 {
		t.Error("nothing moves at all: this test sees nothing")
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-reduced-motion", Value: "reduce"}},
	})
	w.must(err)
	for _, at := range w.places() {
		p.open(w.url + at.path)
		if at.path == "/till" || at.path == "/operator" {
			p.until(`document.querySelector('h1') && !document.querySelector('main.loading')`, "is ready")
		} else {
			p.see(at.ready)
		}
		if got := eval[[]string](p, moving); len(got) > 0 {
			t.Errorf("%s: %q move", at.path, got)
		}
	}
}
