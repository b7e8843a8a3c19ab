package webui_test

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/payee"
)

// kept are the names of the keys that this browser has for the service.
const keptKeys = `new Promise((done) => {
	const asked = indexedDB.open('tapline', 1);
	asked.onsuccess = () => { const all = asked.result.transaction('keys').objectStore('keys').getAllKeys(); all.onsuccess = () => { asked.result.close(); done(all.result.join(' ')); }; };
})`

// signedUp is a new operator who came with an invite and made a passkey.
func (w *world) signedUp(p *person) {
	p.Helper()
	p.authenticator()
	invite, err := w.operator.Invite(w.ctx, "for "+p.name)
	w.must(err)
	p.open(w.url + "/operator#invite=" + invite.Invite)
	p.see("You were invited")
	if address := eval[string](p, "location.href"); strings.Contains(address, "invite") {
		p.Errorf("the invite is still in the address: %s", address)
	}
	p.fill("Your name", p.name)
	p.press("Become an operator")
	p.see("Sign in with a passkey from now on?")
	p.press("Make a passkey")
	p.see("Search")
	p.do(chromedp.EmulateViewport(1280, 800))
}

func TestANewOperatorComesWithAnInviteAndSignsInWithAPasskey(t *testing.T) {
	w := openWorld(t)
	op := newPerson(t, browser(t), "Eve")
	w.signedUp(op)
	if keys := eval[string](op, keptKeys); strings.Contains(keys, "operator") {
		t.Errorf("the browser still has a key that signs unasked: %s", keys)
	}
	op.do(chromedp.Reload())
	op.see("Your fingerprint, face or PIN opens this page.")
	op.look("op-sign-in")
	op.press("Sign in with a passkey")
	op.see("Search")
	op.do(chromedp.EmulateViewport(1280, 800))
	kept := eval[string](op, `JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, document.body.innerHTML])`)
	if strings.Contains(kept, "eyJ") {
		t.Error("a token is in the page or its storage")
	}
	// The session ends while something is typed, which is not lost.
	op.section("cards", "City card")
	op.press("Issue a card")
	op.do(chromedp.SendKeys(`//dialog//input[@id=//dialog//label[contains(., 'Number on the card')]/@for]`, "6200000000000005"))
	w.wait(16 * time.Minute)
	op.dialog("Issue a card", "Label", "Late card", "Reason", "for Ann")
	op.see("Your session is over")
	op.look("op-over")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.dialog("Sign in with a passkey")
	op.see("This is shown once")
	op.dialog("I have it")
	op.see("Late card")
	op.section("operators", "signed in with it")
	op.see("Eve")
	op.look("op-operators")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.press("Make a passkey")
	op.dialog("Make a passkey")
	op.see("This passkey is already registered.") // the same authenticator
	op.dialog("Cancel")
	op.press("Invite an operator")
	op.dialog("Invite an operator", "Reason", "for Zoe")
	op.see("Send it where nobody else sees it")
	op.look("op-invite")
	op.do(chromedp.EmulateViewport(1280, 800))
	op.dialog("I have it")
	op.press("Remove")
	op.dialog("Remove", "Reason", "left")
	op.see("removed")
	if _, err := w.operator.Operators(w.ctx); err == nil {
		t.Error("the removed operator still reads")
	}
	op.section("audit", "operator.remove")
	op.see("operator.passkey_added")
	op.section("alarms", "An operator was removed")
	op.see("An operator made a passkey to sign in with")
}

func TestACashierSignsInWithAPasskey(t *testing.T) {
	w := openWorld(t)
	till := newPerson(t, browser(t), "till")
	till.authenticator()
	w.cashier(till)
	till.press("Sign in faster")
	till.see("nobody has to type the API key")
	till.look("till-passkeys")
	till.press("Make a passkey")
	till.dialog("Make a passkey")
	till.see("The passkey was made.")
	till.do(chromedp.Reload())
	till.see("Sign in to the till")
	till.look("till-sign-in-passkey")
	till.press("Sign in with a passkey")
	till.see("Type the amount")
	till.types("3")
	till.press("Ask for")
	till.see("Let the payer scan this")
	till.press("Next order")
	till.fill("What is it for", "a long description")
	w.wait(13 * time.Hour)
	w.cut() // and the stream of events asks again
	till.see("Your session is over")
	till.dialog("Sign in with a passkey")
	till.see("Live:")
	till.types("4")
	till.press("Ask for CN¥4.00")
	till.see("a long description") // it was not lost
	if kept := eval[string](till, `JSON.stringify([{...localStorage}, {...sessionStorage}])`); strings.Contains(kept, "eyJ") || strings.Contains(kept, "tapline_test") {
		t.Errorf("a token or key is kept: %s", kept)
	}
}

func TestTheTillGivesMoneyBack(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	w.paid(t, newPerson(t, in, "payer"))
	till := newPerson(t, in, "till")
	w.cashier(till)
	till.see("1 payment")
	till.press("Two books")
	till.see("the signature was verified on this device")
	till.press("Give money back")
	till.see("At most CN¥12.50.")
	till.look("till-refund")
	amount := func(text string) {
		till.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('dialog input').value = ''`))
		till.dialog("Give it back", "Amount in CNY", text)
	}
	amount("12.51")
	till.see("That is more than is left")
	amount("5")
	till.see("CN¥5.00 was given back.")
	till.see("partly given back")
	till.until(`document.querySelector('.day .sum').textContent === 'CN¥7.50'`, "has today's net sum")
	till.see("-CN¥5.00")
	till.look("till-partly")
	if got := w.balance(w.issued.Card.Account); got != 192_50 {
		t.Errorf("the card has %d", got)
	}
	till.press("Give money back")
	till.see("At most CN¥7.50.")
	till.dialog("Give it back", "Why?", "<b>both came back</b>")
	till.see("CN¥7.50 was given back.")
	till.see("<b>both came back</b>")
	till.until(`document.querySelector('.day .sum').textContent === 'CN¥0.00'`, "has today's net sum")
	if strings.Contains(till.text(), "Give money back") {
		t.Error("there is something left to give back")
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(till.downloads("Download as CSV"), "\ufeff"))).ReadAll()
	w.must(err)
	if len(rows) != 2 || strings.Join(rows[1][2:], " ") != "12.50 12.50 0.00 0.00 CNY 1045 Two books" {
		t.Errorf("the table is %q", rows)
	}
	till.fill("Find a payment", "books 1046")
	till.press("Search")
	till.see("No payment has all of these words.")
	till.do(chromedp.Evaluate[chromedp.Void](`document.querySelector('input[type=search]').value = ''`))
	till.fill("Find a payment", "books 12.50")
	till.press("Search")
	till.until(`document.querySelectorAll('.item').length === 1`, "finds the payment")
}

func TestATillMayDoWhatItsKeyMay(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	w.paid(t, newPerson(t, in, "payer"))
	key, err := w.operator.MakePayeeKey(w.ctx, "books@shop", api.NewAPIKey{Name: "screen", Scopes: []string{"read"}})
	w.must(err)
	till := newPerson(t, in, "till")
	till.open(w.url + "/till")
	till.fill("API key", key.Key)
	till.press("Sign in")
	till.see("1 payment")
	till.press("Two books")
	till.see("the signature was verified on this device")
	if text := till.text(); strings.Contains(text, "Give money back") || strings.Contains(text, "Type the amount") {
		t.Errorf("a key that reads is offered more:\n%s", text)
	}
	_, err = (&payee.Client{URL: w.url, APIKey: key.Key}).MakeOrder(w.ctx, api.NewOrder{Amount: cny(1)})
	if err == nil {
		t.Error("a key that reads has made an order")
	}
}
