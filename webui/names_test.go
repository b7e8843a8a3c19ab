package webui_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tapline/api"
)

// trickyName is a payee's name that the service takes: from right to left, with markup, quotes and what looks like a value.
const trickyName = `مكتبة <img src=x onerror=owned=1> "'>{amount}$& =1+1`

// refusedNames are those that it does not take. A page shows what it is told all the same.
var refusedNames = map[string]string{
	"an override":        "Book \u202eeva\u202c Shop",
	"an embedding":       "Book \u202bShop",
	"an open isolate":    "Book \u2067Shop",
	"a right-left mark":  "\u200fBook Shop",
	"zero width":         "Book\u200b\u200d\u2060 Shop",
	"a heap of marks":    "Bo" + strings.Repeat("\u0301\u0336", 40) + "ok Shop",
	"marks in front":     "\u0301\u0301Shop",
	"lines":              "Book\nShop\u2028Paid",
	"ten kilobytes":      strings.Repeat("W", 10_000),
	"ten kilobytes, RTL": strings.Repeat("كتاب ", 1_200),
}

func TestNamesThatMisleadAreRefused(t *testing.T) {
	w := openWorld(t)
	for what, name := range refusedNames {
		if _, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "evil@shop", Name: name, Currency: "CNY"}); err == nil {
			t.Errorf("%s: a payee may be called %.40q", what, name)
		}
	}
}

// harmless fails where a name has become more than text, is in a place where it could be taken for the page's own words, moves
// what is beside it, or makes the page wider than its window.
func (p *person) harmless(name, state string) {
	p.Helper()
	quoted, err := json.Marshal(strings.TrimSpace(name[:min(len(name), 12)]))
	if err != nil {
		p.Fatal(err)
	}
	found := eval[[]string](p, fmt.Sprintf(`(() => {
		const name = %s, wrong = [];
		if ('owned' in globalThis || document.querySelector('main img:not(.qr), main script, [onerror], [onclick]')) wrong.push('markup was read');
		if (!/^[\p{L} ]{1,20} · tapline$/u.test(document.title)) wrong.push('the title is ' + document.title);
		if (document.documentElement.scrollWidth > innerWidth) wrong.push('the page is ' + document.documentElement.scrollWidth + ' wide');
		for (const link of document.querySelectorAll('[download]')) {
			if (!/^(pay_[\w-]+\.jws|[a-z-]+\.csv)$/.test(link.download)) wrong.push('a download is called ' + link.download);
		}
		const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
		while (texts.nextNode()) {
			const at = texts.currentNode, text = at.data;
			if (text.includes(name) && !at.parentElement.closest('bdi') && !text.includes('\u2068')) wrong.push('not isolated: ' + at.parentElement.outerHTML.slice(0, 200));
		}
		for (const e of document.querySelectorAll('[aria-label]')) {
			if (e.getAttribute('aria-label').length > 300) wrong.push('a label is too long');
		}
		return wrong;
	})()`, quoted))
	for _, what := range found {
		p.Errorf("%s: %s: %s", p.name, state, what)
	}
}

func TestATrickyNameIsOnlyTextOnEveryPage(t *testing.T) {
	w := openWorld(t)
	shop, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "evil@shop", Name: trickyName, Currency: "CNY"})
	w.must(err)
	in := browser(t)
	phone, payer, till, op := newPerson(t, in, "phone"), newPerson(t, in, "payer"), newPerson(t, in, "till"), newPerson(t, in, "operator")
	sees := func(p *person, text string) {
		t.Helper()
		p.see(text)
		p.harmless(trickyName, text)
	}
	phone.activate(w)
	phone.open(w.url + "/approve")
	phone.see("Live")
	w.shop = shop
	w.cashier(till)
	sees(till, "Type the amount")
	till.types("12.50")
	till.press("Ask for")
	payer.open(till.link())
	sees(payer, "Tap your card")
	payer.press("City card")
	sees(payer, "Check before you send")
	payer.press("Send")
	sees(payer, "Enter the card’s PIN")
	payer.open(w.url + "/pay?payee=evil@shop&amount=3")
	sees(payer, "Another payment is under way")
	payer.press("Continue that payment")
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	sees(payer, "Is this right?")
	payer.press("Pay CN¥12.50")
	payer.see("Confirm on your own device")
	sees(phone, "Is this your payment?")
	phone.fill("Digits on the other device", payer.code())
	phone.press("Approve CN¥12.50")
	sees(phone, "Approved")
	sees(payer, "Paid")
	payer.press("Show receipt")
	sees(payer, "the signature was verified on this device")
	sees(till, "Paid at")
	phone.open(w.url + "/me")
	phone.see("Live:")
	sees(phone, "was paid to")
	w.newOperator(op)
	sees(op, "مكتبة")
	op.section("accounts", "مكتبة")
	op.harmless(trickyName, "accounts")
}

// A service that is not to be trusted, or an old one, may tell of names that ours refuses.
func TestNamesThatMisleadDoNotMisleadOnThePage(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	for what, name := range refusedNames {
		text, err := json.Marshal(name)
		w.must(err)
		w.replace("/v1/payees/books@shop", func(body string) string { return strings.Replace(body, `"Book Shop"`, string(text), 1) })
		payer.open("about:blank")
		payer.open(w.url + order)
		payer.see("Tap your card")
		payer.harmless(name, what)
		payer.press("City card")
		payer.see("Check before you send")
		payer.see("Send CN¥12.50")
		payer.harmless(name, what+", at the review")
		if !strings.Contains(payer.text(), "books@shop") {
			t.Errorf("%s: the handle is not shown", what)
		}
		payer.press("Cancel")
		payer.see("Nothing was sent")
	}
}
