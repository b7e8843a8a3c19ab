package webui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/sun"
	"tapline/consent"
)

func TestHolderHandsTheCardOverToANewDevice(t *testing.T) {
	w := openWorld(t)
	chrome := browser(t)
	old := newPerson(t, chrome, "old device")
	old.activate(w)
	young := newPerson(t, chrome, "new device")
	young.open(w.url + "/me")
	young.press("The card is on another device of mine")
	young.see("This page goes on by itself.")
	young.look("joining")
	id := eval[string](young, "document.querySelector('.id').textContent")
	old.press("Devices")
	old.press("Make another device the associated one")
	old.fill("Id of the other device", id[:42])
	old.press("Next")
	old.see("That is not the id of another device")
	old.fill("Id of the other device", id[42:])
	old.press("Next")
	old.see(id + " will approve payments")
	old.look("handing")
	old.press("Yes, that is my device")
	old.see("Another device is the associated device now.")
	old.see("You can look, and freeze the card.")
	old.look("not-associated")
	if strings.Contains(old.text(), "A device was made") {
		t.Error("what was done on this page is told as news")
	}
	young.see("This device is the card’s associated device now.")
	young.see("CN¥200.00")
	if c := w.card(); c.AssociatedDevice != id || len(c.Devices) != 2 {
		t.Errorf("the associated device is %s of %d, want %s of 2", c.AssociatedDevice, len(c.Devices), id)
	}
	old.press("Freeze")
	old.see("Its associated device can unfreeze it.")
	young.see("The card was frozen.")
	young.press("Unfreeze")
	young.enter(pin)
	young.see("The card can pay again.")
}

func TestHolderSeesDevicesWithLastUseAndRemovesAStolenOne(t *testing.T) {
	w := openWorld(t)
	chrome := browser(t)
	old := newPerson(t, chrome, "stolen device")
	old.authenticator()
	old.activate(w)
	old.press("Make a passkey")
	old.see("The passkey was added.")
	young := newPerson(t, chrome, "new device")
	young.open(w.url + "/me")
	young.press("The card is on another device of mine")
	young.see("This page goes on by itself.")
	id := eval[string](young, "document.querySelector('.id').textContent")
	old.press("Devices")
	old.press("Make another device the associated one")
	old.fill("Id of the other device", id)
	old.press("Next")
	old.press("Yes, that is my device")
	old.see("Another device is the associated device now.")
	old.press("Devices")
	old.see("Last used")
	if strings.Contains(old.text(), "Remove this device") {
		t.Error("a former device is offered to remove others")
	}
	old.press("Back")
	young.see("This device is the card’s associated device now.")
	young.press("Devices")
	young.see("Last used")
	young.see("Passkeys")
	young.look("devices of two")
	young.press("Remove this device")
	young.see("from the card?")
	young.look("remove")
	young.enter("470917")
	young.see("That PIN is wrong.")
	young.enter(pin)
	young.see("The device was removed from the card.")
	if strings.Contains(young.text(), "Remove this device") {
		t.Errorf("it is still there:\n%s", young.text())
	}
	// The thief, who has the page open, has nothing left; what was done here is no news to the holder.
	old.see("No card on this device yet")
	old.see("A device was removed from the card.")
	old.look("removed")
	if strings.Contains(old.text(), "200.00") {
		t.Errorf("a removed device sees the balance:\n%s", old.text())
	}
	young.press("Back")
	young.see("CN¥200.00")
	if strings.Contains(young.text(), "A device was removed from") {
		t.Error("what was done on this page is told as news")
	}
	if c := w.card(); len(c.Devices) != 1 || c.Devices[0].ID != id {
		t.Errorf("the card has the devices %v", c.Devices)
	}
}

func TestOperatorsCodeBindsANewDeviceAfterADay(t *testing.T) {
	w := openWorld(t)
	chrome := browser(t)
	old := newPerson(t, chrome, "old device")
	old.activate(w)
	code, err := w.operator.RebindCard(w.ctx, w.id(), "the phone is gone")
	w.must(err)
	young := newPerson(t, chrome, "new device")
	join := func() {
		young.open("about:blank")
		young.open(w.url + "/me#code=" + code.Code)
		young.press("City card")
		young.press("This card has a PIN already")
	}
	join()
	young.see("Card and code do not fit together")
	w.wait(25 * time.Hour)
	young.wait(25 * time.Hour)
	join()
	young.see("The card is bound to this device.")
	young.press("Devices")
	young.see("Last used")
	if n := eval[int](young, "document.querySelectorAll('li.panel').length"); n != 2 {
		t.Errorf("the card has %d devices, want 2", n)
	}
}

func TestHolderActivatesTheCardThatReplacesALostOne(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.press("Card is lost")
	p.press("Report it lost")
	p.see("The card was reported lost")
	const uid = "04C1D2E3F40581"
	issued, err := w.operator.ReplaceCard(w.ctx, w.id(), api.Replacement{SUN: &api.NewSUN{UID: uid}, Label: "New city card"})
	w.must(err)
	p.see("The card was replaced by a new one.")
	p.see("New city card")
	p.see("This card has not been activated.")
	p.look("replaced")
	w.swap(uid, issued)
	p.press("Activate a card")
	p.fill("Activation code", issued.Code)
	p.press("Next")
	p.press("City card")
	p.see("The card is bound to this device.") // with the old card's PIN: none is asked for
	p.see("CN¥200.00")
	if c := w.card(); c.ReplacedBy != issued.Card.ID || c.State != "closed" {
		t.Errorf("the old card is %s, replaced by %q", c.State, c.ReplacedBy)
	}
}

// wait sets the clock of the person's next pages ahead.
func (p *person) wait(d time.Duration) {
	p.Helper()
	_, err := chromedp.Call(p.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: fmt.Sprintf("{ const now = Date.now; Date.now = () => now() + %d; }", d.Milliseconds()),
	})
	if err != nil {
		p.Fatal(err)
	}
}

// swap puts another card where the world's was.
func (w *world) swap(uid string, issued api.CardCode) {
	w.Helper()
	id, err := sun.ParseUID(uid)
	w.must(err)
	meta, err := sun.ParseKey(issued.SUN.MetaKey)
	w.must(err)
	file, err := sun.ParseKey(issued.SUN.FileKey)
	w.must(err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tag = &cardtest.SUN{UID: id, Meta: meta, File: file}
}

func TestTapThatOpensItsOwnTabGoesOnWithTheActivation(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "holder")
	p.open(w.url + "/me#code=" + w.issued.Code)
	p.see("Tap the card")
	tab := p.another()
	tab.open(w.url + "/t#" + message(w.tap()))
	tab.see("Choose a PIN")
	if at := eval[string](tab, "location.href"); at != w.url+"/me" {
		t.Errorf("the address is %s: the card's message is still in it", at)
	}
	tab.enter(pin)
	tab.see("Enter it again")
	tab.enter(pin)
	tab.see("The card is bound to this device.")
	if got := consent.CardID(w.card().ID); got != w.id() {
		t.Errorf("card %s is bound, want %s", got, w.id())
	}
}

// message is what stands after the # of a card's address, or all of it.
func message(tap string) string {
	if _, after, found := strings.Cut(tap, "#"); found {
		return after
	}
	return tap
}
