package webui_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/operator"
)

// visitor is a payer whose tabs come and go. The tab that home is stays, so that storage does.
type visitor struct {
	*person
	w    *world
	home *person
	shut func()
}

func (w *world) visitor(p *person) *visitor {
	w.Helper()
	v := &visitor{w: w, home: p}
	v.tab()
	return v
}

// tab opens a tab in the place of the one before.
func (v *visitor) tab() {
	v.home.Helper()
	if v.shut != nil {
		v.shut()
	}
	ctx, shut := chromedp.NewContext(v.home.ctx)
	v.home.Cleanup(shut)
	v.shut = shut
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(375, 740)); err != nil {
		v.home.Fatal(err)
	}
	v.person = &person{T: v.home.T, ctx: ctx, name: v.home.name}
}

// step is one step of a payment: how the payer gets there, what the page shows, and what after it was reloaded, or closed and
// opened at /pay, if that is something else.
type step struct {
	do               func()
	here             string
	reloaded, closed string
}

// walk goes through the steps. At each it takes the connection away and gives it back, reloads the page, and closes its tab and
// opens another: each time the page comes back to where the payment is.
func (v *visitor) walk(t *testing.T, steps []step) {
	for n, s := range steps {
		s.do()
		v.see(s.here)
		v.offline(true)
		v.w.cut()
		v.offline(false)
		v.see(s.here)
		if s.reloaded == "" {
			s.reloaded = s.here
		}
		if s.closed == "" {
			s.closed = s.reloaded
		}
		v.do(chromedp.Reload())
		v.see(s.reloaded)
		v.tab()
		v.open(v.w.url + "/pay")
		v.see(s.closed)
		t.Logf("step %d, %q: came back after a lost connection, a reload and a closed tab", n+1, s.here)
	}
}

// Steps that several payments have.
func (v *visitor) opens() { v.open(v.w.url + order) }
func (v *visitor) taps()  { v.press("City card") }
func (v *visitor) sends() {
	v.taps()
	v.see("Check before you send")
	v.press("Send")
}
func (v *visitor) entersPIN() { v.enter(pin) }
func (v *visitor) pays()      { v.press("Pay CN¥12.50") }

// toSent are the steps until the PIN is asked for.
func (v *visitor) toSent() []step {
	return []step{
		{do: v.opens, here: "Tap your card"},
		{do: v.taps, here: "Check before you send", reloaded: "Tap your card"}, // a tap is in memory only
		{do: v.sends, here: "Enter the card’s PIN"},
	}
}

// ofConfirmed are the steps until the associated device is asked.
func (v *visitor) ofConfirmed() []step {
	return append(v.toSent(), step{do: v.entersPIN, here: "Is this right?"}, step{do: v.pays, here: "Confirm on your own device"})
}

// The page comes back at every step of every kind of payment to where the payment is.
func TestPageComesBackAtEveryStep(t *testing.T) {
	t.Run("an order of the payer's own", backToAnOrderOfOnesOwn)
	t.Run("a borrowed device", func(t *testing.T) {
		w := openWorld(t)
		phone := w.phone()
		v := w.visitor(newPerson(t, browser(t), "payer"))
		v.walk(t, append(v.ofConfirmed(), step{do: func() {
			_, err := w.asked(phone).Approve(w.ctx, consent.Code(eval[string](v.person, `document.querySelector('.code').textContent`)))
			w.must(err)
		}, here: "Paid"}, step{do: func() { v.press("Done") }, here: "Nothing to pay"}))
	})
	t.Run("a passkey", func(t *testing.T) {
		w := openWorld(t)
		p := newPerson(t, browser(t), "payer")
		w.activate(p)
		v := w.visitor(p)
		v.refusing()
		v.walk(t, []step{
			{do: v.opens, here: "Tap your card"},
			{do: func() { v.refuses(); v.opens(); v.sends() }, here: "Not confirmed. Try again, or use the PIN.", reloaded: "Use the PIN instead"},
			{do: func() { v.press("Use the PIN instead") }, here: "Enter the card’s PIN", reloaded: "Use the PIN instead"},
			{do: func() { v.press("Use the PIN instead"); v.entersPIN() }, here: "Pay CN¥12.50"},
			{do: v.pays, here: "Paid"},
		})
	})
	t.Run("an order of the payee", func(t *testing.T) {
		w := openWorld(t)
		p := newPerson(t, browser(t), "payer")
		w.activate(p)
		v := w.visitor(p)
		o := w.placed(nil)
		steps := v.toSent()
		steps[0].do = func() { v.open(o.URL) }
		v.walk(t, append(steps, step{do: v.entersPIN, here: "Is this right?"}, step{do: v.pays, here: "Paid"}))
		v.open(o.URL)
		v.see("Paid")
	})
	for name, c := range ends() {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			phone := w.phone()
			v := w.visitor(newPerson(t, browser(t), "payer"))
			v.open(w.url + order)
			v.sends()
			v.entersPIN()
			v.pays()
			v.see("Confirm on your own device")
			v.walk(t, []step{{do: func() { c.end(w, v, phone) }, here: c.want}})
			v.press("Start again")
			v.see("Tap your card")
			if got := w.balance(w.shop.Account); got != 0 {
				t.Errorf("the shop has %d", got)
			}
		})
	}
}

// backToAnOrderOfOnesOwn walks through a payment of an order that the payer makes.
func backToAnOrderOfOnesOwn(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	w.activate(p)
	v := w.visitor(p)
	v.walk(t, []step{
		{do: func() { v.open(w.url + "/pay") }, here: "Nothing to pay"},
		{do: func() {
			v.fill("Payee", "books@shop")
			v.fill("What it is for", "Two books")
			v.press("Next")
		}, here: "How much?"},
		{do: func() {
			v.see("Two books")
			v.fill("Amount in CNY", "12.50")
			v.press("Next")
		}, here: "Tap your card"},
		{do: func() { v.see("CN¥12.50"); v.taps() }, here: "Check before you send", reloaded: "Tap your card"},
		{do: v.sends, here: "Enter the card’s PIN"},
		{do: func() { v.enter("471111") }, here: "That PIN is wrong.", reloaded: "Enter the card’s PIN"},
		{do: v.entersPIN, here: "Is this right?"},
		{do: func() { v.open(w.url + "/pay?payee=books@shop&amount=3") }, here: "Another payment is under way", closed: "Is this right?"},
		{do: v.pays, here: "Paid"},
		{do: func() { v.press("Show receipt") }, here: "the signature was verified on this device", reloaded: "Paid"},
		{do: func() { v.press("Pay the same again") }, here: "Tap your card"},
		{do: func() { v.press("Cancel") }, here: "Nothing was sent", reloaded: "Nothing to pay"},
	})
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d, want one payment of 1250", got)
	}
}

type ending struct {
	end  func(*world, *visitor, *device.Client)
	want string
}

// ends are ways in which a payment that waits for the associated device ends unpaid.
func ends() map[string]ending {
	return map[string]ending{
		"declined on the phone": {func(w *world, _ *visitor, phone *device.Client) {
			_, err := w.asked(phone).Decline(w.ctx)
			w.must(err)
		}, "declined on the card’s own device"},
		"cancelled by the payer": {func(_ *world, v *visitor, _ *device.Client) { v.press("Cancel") }, "You said no"},
		"expired": {func(w *world, v *visitor, _ *device.Client) {
			w.wait(4 * time.Minute)
			v.do(chromedp.Reload())
		}, "Nobody answered in time"},
	}
}

// refusing registers a passkey, of an authenticator whose user will not be verified in this tab.
func (v *visitor) refusing() {
	v.home.Helper()
	v.home.authenticator()
	eval[string](v.home, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, v.w.issued.Card.ID, pin))
}

// refuses gives the tab an authenticator that has no passkey.
func (v *visitor) refuses() {
	v.Helper()
	if _, err := chromedp.Call(v.ctx, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{
		AuthenticatorID: v.authenticator(), IsUserVerified: false,
	}); err != nil {
		v.Fatal(err)
	}
}

// The payer can cancel at every step until money moves, also where the connection is gone.
func TestPayerCancelsAtEveryStepUntilMoneyMoves(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	phone := w.phone()
	payer := newPerson(t, in, "payer")
	v := &visitor{person: payer, w: w, home: payer}
	to := map[string]func(){
		"how much": func() { v.open(w.url + "/pay?payee=books@shop") },
		"tap":      v.opens,
		"review":   func() { v.opens(); v.taps(); v.see("Check before you send") },
		"PIN":      func() { v.opens(); v.sends(); v.see("Enter the card’s PIN") },
		"confirm":  func() { v.opens(); v.sends(); v.entersPIN(); v.see("Is this right?") },
		"waiting":  func() { v.opens(); v.sends(); v.entersPIN(); v.pays(); v.see("Confirm on your own device") },
		"never arrived": func() {
			v.opens()
			v.taps()
			v.see("Check before you send")
			v.loses(false)
			v.press("Send")
			v.see("The connection is gone")
			v.finds()
		},
		"answer lost": func() {
			v.opens()
			v.taps()
			v.see("Check before you send")
			v.loses(true)
			v.press("Send")
			v.see("The connection is gone")
			v.finds()
		},
		"came back": func() {
			v.opens()
			v.sends()
			v.see("Enter the card’s PIN")
			v.do(chromedp.Reload())
			v.see("Enter the card’s PIN")
		},
	}
	for name, reach := range to {
		reach()
		v.press("Cancel")
		v.see("Cancelled")
		v.see("Start again")
		list, err := w.operator.Payments(w.ctx, operator.Search{})
		w.must(err)
		for _, p := range list.Payments {
			if p.State != "cancelled" {
				t.Errorf("%s: payment %s is %s", name, p.ID, p.State)
			}
		}
		eval[bool](v.person, `(localStorage.clear(), true)`)
	}
	if waiting, err := phone.Payments(w.ctx, api.RoleApprover, "approval_required", "", 10); err != nil || len(waiting.Payments) > 0 {
		t.Errorf("the phone is still asked: %v, %v", waiting, err)
	}
	if got := w.balance(w.issued.Card.Account); got != 200_00 {
		t.Errorf("the card has %d", got)
	}
}

// loses makes the next instruction fail on its way there, or on its way back.
func (v *visitor) loses(goesThrough bool) {
	v.Helper()
	eval[bool](v.person, fmt.Sprintf(`(() => {
		const through = fetch;
		globalThis.fetch = async (at, how) => {
			if (at !== '/v1/payments') return through(at, how);
			if (%v) await through(at, how);
			throw new TypeError('lost');
		};
		globalThis.found = () => { globalThis.fetch = through; };
		return true;
	})()`, goesThrough))
}

// finds gives the connection back.
func (v *visitor) finds() { v.Helper(); eval[bool](v.person, `(found(), true)`) }
