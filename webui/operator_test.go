package webui_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/consent"
	"tapline/httpapi"
)

// newOperator is somebody at the operator's page, whose browser's key another operator has added.
func (w *world) newOperator(p *person) {
	p.Helper()
	p.open(w.url + "/operator")
	p.see("This browser is no operator yet")
	p.press("Without an invite")
	p.see("Public key")
	key, err := consent.ParsePublicJWK([]byte(eval[string](p, `document.querySelector('#jwk').value`)))
	w.must(err)
	_, err = w.operator.Enrol(w.ctx, p.name, key)
	w.must(err)
	p.press("I was added")
	p.see("Sign in with a passkey from now on?")
	p.press("Not now")
	p.see("Payee")
	p.do(chromedp.EmulateViewport(1280, 800))
}

// go opens a section of the operator's page.
func (p *person) section(name, text string) {
	p.Helper()
	p.do(chromedp.Click(fmt.Sprintf(`.sections a[href="#%s"]`, name)))
	p.until(fmt.Sprintf(`document.querySelector('.sections a[href="#%s"]')?.getAttribute('aria-current') === 'page'`, name), "shows "+name)
	p.see(text)
}

// act presses a button of a dialog, after filling its fields by label.
func (p *person) dialog(words string, fields ...string) {
	p.Helper()
	p.until("!!document.querySelector('dialog[open]')", "opens a dialog")
	for i := 0; i < len(fields); i += 2 {
		p.do(chromedp.SendKeys(fmt.Sprintf("//dialog//input[@id=//dialog//label[contains(., %q)]/@for]", fields[i]), fields[i+1]))
	}
	p.do(chromedp.Click(fmt.Sprintf("//dialog//button[contains(normalize-space(.), %q)]", words)))
}

// paid is a payment of 12.50 from a kiosk that the phone approves.
func (w *world) paid(t *testing.T, payer *person) {
	t.Helper()
	phone := w.phone()
	payer.send(w.url)
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.see("Is this right?")
	payer.press("Pay CN¥12.50")
	payer.see("Confirm on your own device")
	code := eval[string](payer, `document.querySelector('.code').innerText`)
	_, err := w.asked(phone).Approve(w.ctx, consent.Code(code))
	w.must(err)
	payer.see("Paid")
}

func TestAnOperatorFollowsAPaymentAlongItsSteps(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	w.paid(t, newPerson(t, in, "payer"))
	op := newPerson(t, in, "operator")
	w.newOperator(op)
	op.see("Book Shop")
	op.fits("the list of payments")
	op.look("op-payments")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.fill("Order number", "999")
	op.press("Search")
	op.see("There is nothing.")
	op.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('.search input').forEach((i) => { i.value = ''; })`))
	op.fill("Amount from", "much")
	op.press("Search")
	op.see("Give an amount such as 12.50.")
	op.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('.search input').forEach((i) => { i.value = ''; })`))
	op.fill("Amount from", "12.51")
	op.press("Search")
	op.see("There is nothing.")
	op.do(chromedp.Evaluate[chromedp.Void](`document.querySelectorAll('.search input').forEach((i) => { i.value = ''; })`))
	op.fill("Amount from", "12.50")
	op.fill("Amount to", "12.50")
	op.fill("Order number", "1045")
	op.press("Search")
	op.press("Book Shop")
	op.see("Steps")
	for _, text := range []string{
		"12.50", "books@shop", "1045 · Two books", "City card", "settled", "Instructed", "Initiating device: Chrome, Linux", "PIN",
		"First confirmation", "signature kept", "Second confirmation", "Associated device: My phone", "code of the other screen", "The service",
		"proved the card",
	} {
		op.see(text)
	}
	if n := eval[int](op, `document.querySelectorAll('.timeline .wait').length`); n != 4 {
		t.Errorf("the timeline has %d lengths of time, want 4", n)
	}
	op.accessible("a payment's steps")
	op.fits("a payment's steps")
	op.look("op-timeline")
	op.do(chromedp.EmulateViewport(1280, 800))
	address := eval[string](op, "location.href")
	op.open("about:blank")
	op.open(address) // reloads come back to it, with the key that is kept
	op.see("Second confirmation")
	op.section("funnel", "1st confirmation")
	op.see("95 of 100 within")
	if got := eval[[]string](op, `[...document.querySelectorAll('tbody tr')].map((r) => [...r.cells].slice(0, 3).map((c) => c.innerText).join(' '))`); strings.Join(got, ", ") != "Authentication 1 1, 1st confirmation 1 1, 2nd confirmation 1 1, Settled 1 1" {
		t.Errorf("the funnel's table says %q", got)
	}
	op.accessible("the funnel")
	op.fits("the funnel")
	op.look("op-funnel")
}

func TestAnOpenPaymentIsFollowedLive(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	payer, op := newPerson(t, in, "payer"), newPerson(t, in, "operator")
	w.activate(payer)
	w.newOperator(op)
	payer.send(w.url)
	payer.see("Enter the card’s PIN")
	op.section("audit", "card.issue")
	op.section("payments", "awaits PIN")
	op.press("Book Shop")
	op.see("Ends unless it goes on by")
	payer.press("Cancel")
	op.see("The payer gave it up.")
}

func TestTheFirstOperatorEnrolsInTheBrowser(t *testing.T) {
	w := bareWorld(t)
	op := newPerson(t, browser(t), "operator")
	op.open(w.url + "/operator")
	op.see("This browser is no operator yet")
	op.accessible("enrolling")
	op.fits("enrolling")
	op.look("op-enrol")
	op.fill("Your name", "Olga")
	op.fill("Invite", "tfo_wrong")
	op.press("Become an operator")
	op.see("Sign in again")
	op.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('input[type=password]').value = ''`))
	op.fill("Invite", "tfo_for_tests")
	op.press("Become an operator")
	op.press("Not now")
	op.see("Search")
	op.section("operators", "Olga")
	op.see("you")
	kept := eval[string](op, `JSON.stringify([localStorage, sessionStorage, location.href, document.body.innerHTML])`)
	if strings.Contains(kept, "tfo_") || strings.Contains(kept, "eyJ") {
		t.Error("the first-start token or a bearer token is still in the page or its storage")
	}
}

func TestAnOperatorLooksAfterCards(t *testing.T) {
	w := openWorld(t)
	w.phone()
	op := newPerson(t, browser(t), "operator")
	w.newOperator(op)
	op.section("cards", "City card")
	op.press("City card")
	op.press("Freeze")
	op.dialog("Freeze", "Reason", "the holder called")
	op.see("Done.")
	op.see("frozen")
	op.look("op-cards")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.press("City card")
	op.see("My phone")
	op.accessible("a card")
	op.fits("a card")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.press("Unfreeze")
	op.dialog("Unfreeze", "Reason", "found")
	op.until(`!!document.querySelector('.badge.active')`, "shows the card active")
	op.press("City card")
	op.press("Top up")
	op.dialog("Top up", "Amount in CNY", "1.234", "Reason", "cash")
	op.see("Give an amount such as 12.50.")
	op.accessible("a dialog")
	op.look("op-dialog")
	op.do(chromedp.EmulateViewport(1280, 800), chromedp.Evaluate[chromedp.Void](`document.querySelector('dialog input').value = ''`))
	op.dialog("Top up", "Amount in CNY", "12.34")
	op.see("12.34 is on the account.")
	if got := w.balance(w.issued.Card.Account); got != 212_34 {
		t.Errorf("the card's account has %d", got)
	}
	op.press("Issue a card")
	op.dialog("Issue a card", "Number on the card", "6200000000000005", "Label", "New card", "Reason", "for Ann")
	op.see("This is shown once")
	code := eval[string](op, `document.querySelector('.secret').innerText`)
	if _, err := consent.NormalizeActivationCode(code); err != nil {
		t.Errorf("the code is %q: %v", code, err)
	}
	op.until(`document.querySelector('dialog img.qr')?.naturalWidth > 0`, "showed the code's QR code")
	op.look("op-code")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.dialog("I have it")
	if kept := eval[string](op, `document.body.innerHTML`); strings.Contains(kept, code) || strings.Contains(kept, "6200000000000005") {
		t.Error("the code or the number is still in the page")
	}
	op.section("alarms", "The service is well")
	op.see("Card frozen")
	op.see("Live: changes show at once.")
	_, err := w.operator.ReportLost(w.ctx, consent.CardID(w.issued.Card.ID), "stolen")
	w.must(err)
	op.see("Card lost")
	op.accessible("alarms")
	op.fits("alarms")
	op.look("op-alarms")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.section("audit", "the holder called")
	op.see("card.frozen")
	op.see("operator")
	op.accessible("the audit list")
	op.fits("the audit list")
	op.section("accounts", "Book Shop")
	op.accessible("accounts")
	op.fits("accounts")
	op.look("op-accounts")
}

func TestTwoOperatorsTopUpTogether(t *testing.T) {
	w := openWorld(t, func(c *httpapi.Config) { c.FourEyesAbove = 500_00 })
	in := browser(t)
	anna, bob := newPerson(t, in, "Anna"), newPerson(t, in, "Bob")
	w.newOperator(anna)
	invite, err := w.operator.Invite(w.ctx, "Bob")
	w.must(err)
	bob.open(w.url + "/operator#invite=" + invite.Invite)
	bob.fill("Your name", "Bob")
	bob.press("Become an operator")
	bob.see("Another operator has to confirm you")
	bob.look("op-waits")
	anna.section("operators", "waits for another operator")
	anna.look("op-requested")
	anna.do(chromedp.EmulateViewport(1280, 800))
	anna.press("Confirm")
	anna.dialog("Confirm", "Reason", "I know him")
	anna.see("Done.")
	bob.press("Not now")
	bob.see("Search")
	bob.do(chromedp.EmulateViewport(1280, 800))
	bob.section("alarms", "Live: changes show at once.")
	anna.section("cards", "City card")
	anna.press("City card")
	anna.press("Top up")
	anna.dialog("Top up", "Amount in CNY", "500.01", "Reason", "<b>cash</b>")
	anna.see("500.01 waits for another operator")
	bob.see("A top-up waits for another operator") // live
	anna.section("accounts", "asked for by Anna")
	anna.see("Your own: another operator has to confirm it.")
	if n := eval[int](anna, `[...document.querySelectorAll('button')].filter((b) => b.innerText === 'Confirm').length`); n != 0 {
		t.Error("who asked for it is offered to confirm it")
	}
	if got := w.balance(w.issued.Card.Account); got != 200_00 {
		t.Errorf("before anybody confirmed the account has %d", got)
	}
	bob.section("accounts", "asked for by Anna")
	bob.see("<b>cash</b>")
	bob.accessible("a top-up that waits")
	bob.fits("a top-up that waits")
	bob.look("op-held")
	bob.do(chromedp.EmulateViewport(1280, 800))
	bob.press("Confirm")
	bob.dialog("Confirm", "Reason", "counted it")
	bob.see("Done.")
	if got := w.balance(w.issued.Card.Account); got != 700_01 {
		t.Errorf("after both the account has %d", got)
	}
	bob.section("audit", "account.top_up.confirm")
}

func TestAnOperatorIssuesACardThatProvesItself(t *testing.T) {
	w := openWorld(t)
	op := newPerson(t, browser(t), "operator")
	w.newOperator(op)
	op.section("cards", "City card")
	op.press("Issue a card")
	op.dialog("Issue a card", "UID of a card", "04C1D2E3F40581", "Label", "Proof", "Reason", "new")
	op.press("What to write to the card")
	op.see("04C1D2E3F40581")
	op.see("Key 4")
	op.dialog("I have it")
	op.see("Proof")
}

func TestHostileTextsAreOnlyTextToOperators(t *testing.T) {
	w := openWorld(t)
	op := newPerson(t, browser(t), "operator")
	const name = `<img src=x onerror=alert(1)>`
	_, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "evil@shop", Name: name, Currency: "CNY", Note: name})
	w.must(err)
	_, err = w.operator.IssueCard(w.ctx, api.NewCard{AccountNumber: "6200000000000005", Label: name, Currency: "CNY", Note: `"><script>alert(2)</script>`})
	w.must(err)
	w.newOperator(op)
	for _, section := range []string{"cards", "accounts", "audit"} {
		op.section(section, name)
		if n := eval[int](op, `document.querySelectorAll('main img, main script').length`); n != 0 {
			t.Errorf("%s has %d elements made of text", section, n)
		}
	}
	// What the address names is asked for, and nothing else.
	op.open(w.url + "/operator#payments/../cards")
	op.see("Payment")
	op.open("about:blank")
	op.open(w.url + "/operator#payments/%3Cimg%20src=x%20onerror=alert(3)%3E")
	op.see("Try again")
}

func TestTheOperatorsPageSpeaksChinese(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	w.paid(t, newPerson(t, in, "payer"))
	op := newPerson(t, in, "operator")
	w.newOperator(op)
	op.press("简体中文")
	op.see("付款编号")
	op.press("Book Shop")
	op.see("第二次确认")
	op.see("已结算")
	op.look("op-zh")
	for name, text := range map[string]string{"cards": "发卡", "accounts": "添加收款人", "funnel": "中位数", "alarms": "服务正常", "audit": "运营人员", "operators": "添加运营人员"} {
		op.section(name, text)
	}
}
