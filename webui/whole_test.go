package webui_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
)

// credential is a passkey without what Chromium's authenticator refuses to be told, even if it is false.
type credential struct {
	CredentialID         []byte  `json:"credentialId"`
	IsResidentCredential bool    `json:"isResidentCredential"`
	RpID                 string  `json:"rpId"`
	PrivateKey           []byte  `json:"privateKey"`
	UserHandle           []byte  `json:"userHandle"`
	SignCount            float64 `json:"signCount"`
}

type addCredentialParams struct {
	AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
	Credential      credential               `json:"credential"`
}

var addCredential = cdp.Command[addCredentialParams, cdp.Empty]{Method: webauthn.CommandAddCredential}

// carry puts the passkeys of one person's authenticator on another's, as a phone does that is used beside a computer.
func (p *person) carry(from webauthn.AuthenticatorID, to *person) {
	p.Helper()
	had, err := chromedp.Call(p.ctx, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: from})
	if err != nil || len(had.Credentials) == 0 {
		p.Fatalf("the authenticator has %d passkeys, %v", len(had.Credentials), err)
	}
	there := to.authenticator()
	for _, c := range had.Credentials {
		same := credential{c.CredentialID, c.IsResidentCredential, c.RpID, c.PrivateKey, c.UserHandle, c.SignCount}
		if _, err := chromedp.Call(to.ctx, addCredential, addCredentialParams{there, same}); err != nil {
			p.Fatal(err)
		}
	}
}

// TestThreePeoplePayTogether is the whole of it: a payee's till that watches, a payer at another device, and the card's own
// device, each in a browser context of its own.
func TestThreePeoplePayTogether(t *testing.T) {
	for name, c := range map[string]struct{ nfc, passkey, dialog, tap bool }{
		"the card's own address, PIN, digits":           {},
		"the card's own address, PIN, tap on the phone": {tap: true},
		"Web NFC, PIN, digits":                          {nfc: true},
		"Web NFC, passkey, digits":                      {nfc: true, passkey: true},
		"the card's own address, browser's own dialog":  {passkey: true, dialog: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			flags := []chromedp.ExecAllocatorOption{}
			if c.dialog {
				flags = append(flags, chromedp.Flag("enable-features", "SecurePaymentConfirmationBrowser"))
			}
			in := browser(t, flags...)
			phone, payer, till := newPerson(t, in, "phone"), newPerson(t, in, "payer"), newPerson(t, in, "till")
			if c.passkey {
				w.lends(phone, payer, c.dialog)
			} else {
				w.activate(phone)
			}
			phone.open(w.url + "/approve")
			phone.see("Live")
			w.cashier(till)
			till.types("12.50")
			till.press("Ask for")
			link := till.link()
			if c.dialog {
				payer.always(notesDialog)
			}
			if c.nfc {
				payer.holds()
				payer.open(link)
				payer.press("Read the card with this phone")
				payer.until(`'held' in globalThis`, "listens for a card")
				eval[bool](payer, fmt.Sprintf(`(held(%q), true)`, w.url+"/t#"+w.tap()))
			} else {
				payer.open(link)
				payer.see("Tap your card")
				payer.open(w.url + "/t#" + w.tap())
			}
			payer.see("Check before you send")
			payer.press("Send")
			if !c.passkey {
				payer.enter(pin)
				payer.press("Pay CN¥12.50")
			}
			till.see("Somebody is paying")
			digits := payer.code()
			if c.dialog {
				payer.usedDialog()
			}
			phone.see("Is this your payment?")
			if c.tap {
				phone.press("Tap the card instead")
				phone.press("City card")
			} else {
				phone.fill("Digits on the other device", digits)
				phone.press("Approve CN¥12.50")
			}
			phone.see("Approved")
			payer.see("Paid")
			till.see("Paid at")
			if got := w.balance(w.shop.Account); got != 12_50 {
				t.Errorf("the shop has %d", got)
			}
		})
	}
}

// lends binds the payer's computer to the card and then the phone, as the associated device, which registers a passkey that
// both can use: a passkey serves on devices of the card only (decisions/0010).
func (w *world) lends(phone, payer *person, dialog bool) {
	w.Helper()
	w.activate(payer)
	phone.open(w.url + "/me")
	phone.see("No card on this device yet")
	young := eval[string](phone, `(async () => (await (await import('/ui/api.js')).device()).id)()`)
	now := eval[string](payer, fmt.Sprintf(`(async () => {
		const { write } = await import('/ui/api.js');
		return (await write('/v1/cards/%[1]s/associated-device', 'rebind', { card: '%[1]s', new_device: '%[2]s' })).associated_device;
	})()`, w.issued.Card.ID, young))
	if now != young {
		w.Fatalf("the associated device is %q, want %q", now, young)
	}
	id := phone.authenticator()
	if dialog {
		for _, p := range []*person{phone, payer} {
			if _, err := chromedp.Call(p.ctx, page.SetSPCTransactionMode, page.SetSPCTransactionModeParams{Mode: page.SetSPCTransactionModeModeAutoAccept}); err != nil {
				w.Fatal(err)
			}
		}
	}
	eval[string](phone, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, w.issued.Card.ID, pin))
	phone.carry(id, payer)
}

func TestTwoTabsOfAPaymentPayOnceAndTellTheTruth(t *testing.T) {
	w := openWorld(t)
	one := newPerson(t, browser(t), "payer")
	w.activate(one)
	one.send(w.url)
	one.see("Enter the card’s PIN")
	two := one.another()
	two.open(w.url + order)
	two.see("Enter the card’s PIN")
	one.enter(pin)
	one.see("Is this right?")
	two.see("Is this right?") // by itself
	const press = `(setTimeout(() => [...document.querySelectorAll('button')].find((b) => b.textContent.startsWith('Pay ')).click()), true)`
	eval[bool](one, press)
	eval[bool](two, press)
	one.see("Paid")
	two.see("Paid")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
	const other = "/pay?payee=books@shop&amount=3"
	one.open(w.url + other)
	one.press("City card")
	one.press("Send")
	one.see("Enter the card’s PIN")
	two.open(w.url + other)
	two.see("Enter the card’s PIN")
	two.press("Cancel")
	two.see("Cancelled")
	one.see("Cancelled")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("after one that was cancelled the shop has %d", got)
	}
}

func TestExpiryIsSeenByThePayerWithoutAReload(t *testing.T) {
	w := openWorld(t)
	w.phone()
	payer := newPerson(t, browser(t), "payer")
	payer.asks(w)
	w.wait(177 * time.Second)
	payer.do(chromedp.Reload())
	payer.see("time ran out")
	payer.see("Nobody answered in time. No money has moved.")
}

func TestReloadOfApproverAndTillComesBack(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	till := newPerson(t, browser(t), "till")
	again := func(p *person, text string) {
		t.Helper()
		p.see(text)
		p.do(chromedp.Reload())
		p.see(text)
	}
	again(phone, "Nothing to approve")
	// The till's key is in memory only: after a reload its user signs in, and is where they were.
	tillAgain := func(text string) {
		t.Helper()
		till.see(text)
		till.do(chromedp.Reload())
		till.fill("API key", w.shop.APIKey)
		till.press("Sign in")
		till.see(text)
	}
	w.cashier(till)
	tillAgain("Type the amount")
	till.types("12.50")
	till.press("Ask for")
	link := till.link()
	tillAgain("Waits to be paid")
	payer.open(link)
	payer.press("City card")
	payer.press("Send")
	payer.enter(pin)
	tillAgain("Somebody is paying")
	payer.press("Pay CN¥12.50")
	digits := payer.code()
	again(phone, "Is this your payment?")
	phone.press("Tap the card instead")
	phone.see("Tap the same card on this device to approve.")
	phone.do(chromedp.Reload())
	phone.see("Digits on the other device")
	phone.press("This wasn’t me")
	phone.see("Freeze the card?")
	phone.do(chromedp.Reload())
	phone.see("Is this your payment?") // nothing was said yet
	phone.fill("Digits on the other device", digits)
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
	phone.do(chromedp.Reload())
	phone.see("Nothing to approve")
	tillAgain("Paid at")
	payer.see("Paid")
}
