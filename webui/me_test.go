package webui_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/consent"
)

// look has axe-core look at the page by day and by night, which takes pictures of it as well. It fails where a page is wider
// than a narrow window.
func (p *person) look(name string) {
	p.Helper()
	p.fits(name)
	p.accessible(name)
	p.dark()
	p.legible(name + " by night")
	p.light()
}

// light ends the night.
func (p *person) light() {
	p.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{}})
	if err != nil {
		p.Fatal(err)
	}
}

// fits fails where a page is wider than its window.
func (p *person) fits(what string) {
	p.Helper()
	p.do(chromedp.EmulateViewport(320, 640))
	if wide := eval[int](p, "document.documentElement.scrollWidth"); wide > 320 {
		p.Errorf("%s: %s is %d pixels wide in a window of 320", p.name, what, wide)
	}
	p.do(chromedp.EmulateViewport(375, 740))
}

// authenticator gives a person's tab one, whose user always agrees.
func (p *person) authenticator() webauthn.AuthenticatorID {
	p.Helper()
	if _, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		p.Fatal(err)
	}
	added, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		p.Fatal(err)
	}
	return added.AuthenticatorID
}

// activate binds the person's browser to the world's card, with the operator's link.
func (p *person) activate(w *world) {
	p.Helper()
	p.open(w.url + "/me#code=" + w.issued.Code)
	p.press("City card")
	p.see("Choose a PIN")
	p.enter(pin)
	p.see("Enter it again")
	p.enter(pin)
	p.see("The card is bound to this device.")
}

// holder is somebody whose browser is bound to the world's card, without a passkey.
func holder(t *testing.T, w *world) *person {
	t.Helper()
	p := newPerson(t, browser(t), "holder")
	p.activate(w)
	p.see("Live:")
	return p
}

// id names the world's card.
func (w *world) id() consent.CardID { return consent.CardID(w.issued.Card.ID) }

// card is the world's card as the operator sees it.
func (w *world) card() api.Card {
	w.Helper()
	c, err := w.operator.Card(w.ctx, w.id())
	w.must(err)
	return c
}

func TestHolderActivatesACardAndReloadsAtEachStep(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "holder")
	p.open(w.url + "/me")
	p.see("No card on this device yet")
	p.look("none")
	p.press("I have a code from the operator")
	p.fill("Activation code", w.issued.Code[:len(w.issued.Code)-1]+"*")
	p.press("Next")
	p.see("The code is mistyped.")
	p.look("code")
	p.open("about:blank")
	p.open(w.url + "/me#code=" + strings.ToLower(w.issued.Code))
	p.see("Tap the card")
	if at := eval[string](p, "location.href"); at != w.url+"/me" {
		t.Errorf("the address is %s: the code is still in it", at)
	}
	p.look("tap")
	p.do(chromedp.Reload())
	p.see("Tap the card")
	p.press("City card")
	p.see("Choose a PIN")
	p.look("choose")
	p.do(chromedp.Reload())
	p.see("Tap the card")
	p.press("City card")
	p.see("Choose a PIN")
	p.enter("123456")
	p.see("too easy to guess")
	p.enter(pin)
	p.see("Enter it again")
	p.enter("470917")
	p.see("The two PINs differ.")
	p.enter(pin)
	p.see("Enter it again")
	p.enter(pin)
	p.see("The card is bound to this device.")
	p.see("¥200.00")
	p.look("card")
	if kept := eval[string](p, "JSON.stringify([{...localStorage}, {...sessionStorage}])"); strings.Contains(strings.ToUpper(kept), w.issued.Code[:4]) {
		t.Errorf("the code is kept: %s", kept)
	}
	p.do(chromedp.Reload())
	p.see("¥200.00")
	if c := w.card(); c.State != "active" || len(c.Devices) != 1 {
		t.Errorf("the card is %s with the devices %v", c.State, c.Devices)
	}
}

func TestHolderIsOfferedAPasskeyAndPaysWithIt(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "holder")
	p.authenticator()
	p.activate(w)
	p.see("Pay with one gesture?")
	p.look("offer")
	p.press("Make a passkey")
	p.see("The passkey was added.")
	p.press("Passkeys")
	p.see("Last used")
	p.look("passkeys")
	p.open(w.url + "/pay?payee=books@shop&amount=12.50")
	p.press("City card")
	p.press("Send")
	p.see("Paid")
	p.open(w.url + "/me")
	p.see("¥187.50")
	p.press("Passkeys")
	p.press("Remove")
	p.see("Remove this passkey?")
	p.press("Remove")
	p.see("The passkey was removed.")
	p.see("The card has no passkeys.")
	p.press("Make a passkey")
	p.enter("470917")
	p.see("That PIN is wrong.")
	p.enter(pin)
	p.see("The passkey was added.")
}

func TestHolderFreezesAtOnceAndUnfreezesWithThePIN(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.press("Freeze")
	p.see("The card is frozen. Open payments were cancelled.")
	p.look("frozen")
	if c := w.card(); c.State != "frozen" {
		t.Errorf("the card is %s after Freeze", c.State)
	}
	p.do(chromedp.Reload())
	p.see("Unfreeze it with its PIN.")
	p.press("Unfreeze")
	p.enter("470917")
	p.see("That PIN is wrong. 2 tries are left.")
	p.look("wrong")
	p.enter(pin)
	p.see("The card can pay again.")
	if c := w.card(); c.State != "active" {
		t.Errorf("the card is %s after the PIN", c.State)
	}
}

func TestHolderCannotUndoAnOperatorsFreezeOrALoss(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	_, err := w.operator.FreezeCard(w.ctx, w.id(), "suspicion")
	w.must(err)
	p.see("The operator has frozen the card")
	p.see("The card was frozen.")
	p.press("Noted")
	p.press("Card is lost")
	p.see("Report the card lost?")
	p.look("lose")
	p.press("Report it lost")
	p.see("The card was reported lost")
	p.look("lost")
	if eval[bool](p, "[...document.querySelectorAll('button')].some((b) => /Unfreeze|lost/.test(b.textContent))") {
		t.Error("a button offers what the service refuses")
	}
}

func TestHolderChangesThePINOrResetsIt(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	change := func(old, new string) {
		t.Helper()
		p.see("Change PIN")
		p.press("Change PIN")
		p.see("First the PIN that you have now")
		p.enter(old)
		p.see("Choose a PIN")
		p.enter(new)
		p.see("Enter it again")
		p.enter(new)
	}
	change("470917", "835261")
	p.see("That PIN is wrong.")
	p.press("Try again")
	p.press("Back")
	change(pin, "835261")
	p.see("The PIN was changed.")
	code, err := w.operator.ResetPIN(w.ctx, w.id(), "asked for")
	w.must(err)
	p.see("The operator has issued a code for this card.")
	p.look("alarm")
	p.press("Change PIN")
	p.press("I do not know the PIN")
	p.fill("Code from the operator", code.Code)
	p.press("Use this code")
	p.see("Choose a PIN")
	p.enter("702946")
	p.see("Enter it again")
	p.enter("702946")
	p.see("The PIN was changed.")
	p.press("Limits")
	p.look("limits")
	p.press("Next")
	p.enter("702946")
	p.see("From now on")
}

func TestHolderSetsLimitsOfTheirOwn(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	set := func(label, text string) {
		t.Helper()
		p.see(label)
		eval[bool](p, fmt.Sprintf(`(() => {
			const label = [...document.querySelectorAll('label')].find((l) => l.textContent.startsWith(%q));
			document.getElementById(label.htmlFor).value = %q;
			return true;
		})()`, label, text))
	}
	p.press("Limits")
	p.press("Limits of your own")
	set("In a day, at most", "a lot")
	set("Payments in a day", "12")
	set("No payments from", "22:00")
	p.press("Next")
	p.see("Write an amount such as 12.50, or nothing.")
	set("In a day, at most", "50.5")
	set("Payments in a day", "0") // none at all: not as many as one likes
	p.press("Next")
	p.see("Write a number, or nothing.")
	set("Payments in a day", "12")
	p.press("Next")
	p.see("Give both times, and not the same twice.")
	set("Until", "06:30")
	p.look("own-limits")
	p.press("Next")
	p.enter(pin)
	p.see("From now on")
	rules := w.card().Rules
	if rules == nil || rules.Night == nil || rules.Night.From != "22:00" || rules.Night.Until != "06:30" || rules.Limits != (consent.SpendingLimits{DaySum: 5050, DayCount: 12}) {
		t.Errorf("the card has the rules %+v", rules)
	}
	p.press("Limits")
	set("No payments from", "")
	set("Until", "")
	set("In a day, at most", "")
	p.press("Next")
	p.enter(pin)
	p.see("From now on")
	if rules := w.card().Rules; rules == nil || rules.Night != nil || rules.Limits != (consent.SpendingLimits{DayCount: 12}) {
		t.Errorf("after taking limits away the card has the rules %+v", rules)
	}
}

// Desktop browsers have a camera, here one that plays, and no detector of QR codes: this plays that, too.
func TestHolderScansTheOperatorsCode(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t, chromedp.Flag("use-fake-ui-for-media-stream", true), chromedp.Flag("use-fake-device-for-media-stream", true)), "holder")
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: `
		window.seen = [];
		window.BarcodeDetector = class {
			static async getSupportedFormats() { return ['qr_code']; }
			async detect(video) { return video.videoWidth ? window.seen.map((rawValue) => ({ rawValue })) : []; }
		};`})
	w.must(err)
	p.open(w.url + "/me")
	p.press("I have a code from the operator")
	p.press("Scan the code")
	p.until(`document.querySelector("video")?.videoWidth > 0 && document.querySelector("video").checkVisibility()`, "showed what the camera sees")
	p.look("scan")
	p.do(chromedp.Evaluate[chromedp.Void](`window.stream = document.querySelector('video').srcObject; window.seen = ['https://evil.example/#code=nonsense']; undefined`, chromedp.EvalAsValue))
	p.see("That QR code holds no activation code.")
	if w.issued.Link != w.url+"/me#code="+w.issued.Code {
		t.Errorf("the operator's link is %s", w.issued.Link)
	}
	eval[bool](p, fmt.Sprintf(`(window.seen = [%q], true)`, w.issued.Link))
	p.see("Tap the card")
	if at := eval[string](p, "location.href"); at != w.url+"/me" {
		t.Errorf("scanning goes to %s", at)
	}
	p.until(`window.stream.getTracks().every((track) => track.readyState === 'ended')`, "let the camera go")
	p.press("City card")
	p.see("Choose a PIN")
}

// Where there is no camera, or no detector, there is typing.
func TestCodeIsTypedWhereItCannotBeScanned(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "holder")
	p.open(w.url + "/me")
	p.press("I have a code from the operator")
	p.see("Activation code")
	if strings.Contains(p.text(), "Scan the code") {
		t.Error("this browser is said to scan")
	}
	p.do(chromedp.Evaluate[chromedp.Void](`window.BarcodeDetector = class { static async getSupportedFormats() { return ['qr_code']; } }; undefined`, chromedp.EvalAsValue))
	p.press("Cancel")
	p.press("I have a code from the operator")
	eval[bool](p, `(navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError'); }, true)`)
	p.press("Scan the code")
	p.see("The camera cannot be used.")
	p.fill("Activation code", w.issued.Code)
	p.press("Next")
	p.see("Tap the card")
}
