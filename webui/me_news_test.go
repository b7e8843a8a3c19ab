package webui_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"tapline/api"
	"tapline/payee"
)

// another opens one more tab of the same person.
func (p *person) another() *person {
	p.Helper()
	tab, cancel := chromedp.NewContext(p.ctx)
	p.Cleanup(cancel)
	if err := chromedp.Do(tab, chromedp.EmulateViewport(375, 740)); err != nil {
		p.Fatal(err)
	}
	return &person{T: p.T, ctx: tab, name: p.name + "'s other tab"}
}

// payTimes pays 1.00 so many times from the person's device: a tap, the PIN, and the statement as it comes.
func (p *person) payTimes(n int) {
	p.Helper()
	states := eval[[]string](p, fmt.Sprintf(`(async () => {
		const [{ write, device }, { newID }] = await Promise.all([import('/ui/api.js'), import('/ui/key.js')]), states = [];
		for (let n = 1; n <= %d; n++) {
			const { tap } = await (await fetch('/demo/cards/x/taps', { method: 'POST' })).json(), id = 'pay_' + newID();
			let view = await write('/v1/payments', 'instruction', { device: (await device()).id, amount: { minor: 100, currency: 'CNY' },
				payee: 'books@shop', tap, order: { number: 'N' + n } }, id);
			if (view.next.action === 'authenticate') view = await write('/v1/payments/' + id + '/authentication', 'authentication', { payment: id, pin: '%s' });
			if (view.next.action === 'confirm') {
				view = await write('/v1/payments/' + id + '/confirmation', 'confirmation', { payment: id, decision: 'approve', statement: view.statement });
			}
			states.push(view.state);
		}
		return states;
	})()`, n, pin))
	for i, s := range states {
		if s != "settled" {
			p.Fatalf("payment %d is %s, want settled", i+1, s)
		}
	}
}

func TestHolderSeesAPaymentOfAnotherTabAndItsReceipt(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	tab := p.another()
	tab.open(w.url + "/pay?payee=books@shop&amount=12.50&order=1045")
	tab.press("City card")
	tab.press("Send")
	tab.enter(pin)
	tab.press("Pay CN¥12.50")
	tab.see("Paid")
	p.see("CN¥12.50 was paid to Book Shop")
	p.see("CN¥187.50")
	p.do(chromedp.Click(".item > summary"))
	p.see("Signed by the service; the signature was verified on this device.")
	p.see("1045")
	p.look("history")
	p.do(chromedp.Reload())
	p.see("CN¥12.50 was paid to Book Shop")
	p.press("Noted")
	p.do(chromedp.Reload())
	p.see("Live:")
	p.see("Paid")
	if strings.Contains(p.text(), "was paid to") {
		t.Errorf("what was noted is told again:\n%s", p.text())
	}
	if kept := eval[string](p, "JSON.stringify({...localStorage})"); strings.Contains(kept, "1250") || strings.Contains(kept, "Book") {
		t.Errorf("news are kept with what they are about: %s", kept)
	}
}

// olderOffered asks whether the page offers older payments.
const olderOffered = "[...document.querySelectorAll('button')].some((b) => b.textContent === 'Show older ones' && b.checkVisibility())"

func TestHistoryHasEveryPaymentOnceNewestFirst(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.payTimes(23)
	p.do(chromedp.Reload())
	p.see("Show older ones")
	for _, want := range []int{10, 20, 23} {
		// There may be more: news of payments that came with the stream after the page was loaded.
		p.until(fmt.Sprintf("document.querySelectorAll('.item').length >= %d", want), fmt.Sprintf("had %d payments", want))
		if want < 23 && eval[bool](p, olderOffered) {
			p.press("Show older ones")
		}
	}
	if eval[bool](p, olderOffered) {
		t.Error("there is nothing older, and it is offered")
	}
	got := eval[[]string](p, `Promise.all([...document.querySelectorAll('.item')].map(async (item) => {
		item.open = true;
		while (!item.querySelector('.receipt')) await new Promise((done) => requestAnimationFrame(done));
		return [...item.querySelectorAll('bdi')].map((b) => b.textContent).find((text) => /^N\d+$/.test(text)); // ids may hold such
	}))`)
	for i, number := range got {
		if want := fmt.Sprintf("N%d", 23-i); number != want {
			t.Errorf("payment %d of the list has the order %s, want %s", i+1, number, want)
		}
	}
}

func TestAlarmIsToldThoughThePageWasClosed(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.open("about:blank")
	_, err := w.operator.RebindCard(w.ctx, w.id(), "a caller asked for it")
	w.must(err)
	p.open(w.url + "/me")
	p.see("The operator has issued a code for this card.")
	p.do(chromedp.Reload())
	p.see("The operator has issued a code for this card.")
	p.press("Freeze")
	p.see("The card is frozen.")
	p.see("The operator has issued a code for this card.")
}

func TestHolderSeesWhatWasGivenBackAndWhy(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.payTimes(1)
	p.do(chromedp.Reload())
	p.see("Paid")
	id := eval[string](p, `import('/ui/api.js').then(({ read }) => read('/v1/payments?role=initiator')).then(({ payments }) => payments[0].id)`)
	amount := cny(40)
	_, err := (&payee.Client{URL: w.url, APIKey: w.shop.APIKey}).Refund(w.ctx, api.NewRefund{Payment: id, Amount: &amount, Reason: "<i>one page</i> was missing"})
	w.must(err)
	p.see("Book Shop refunded CN¥0.40 of CN¥1.00")
	p.see("CN¥199.40")
	p.see("Paid · Refunded CN¥0.40")
	p.do(chromedp.Click(".item > summary"))
	p.see("<i>one page</i> was missing")
	p.look("given back")
	if n := strings.Count(p.text(), "was paid to Book Shop"); n > 1 {
		t.Errorf("the payment is told %d times:\n%s", n, p.text())
	}
}

func TestHolderIsToldOfATapByAStranger(t *testing.T) {
	w := openWorld(t)
	chrome := browser(t)
	p := newPerson(t, chrome, "holder")
	p.activate(w)
	p.see("Live:")
	stranger := newPerson(t, chrome, "stranger")
	stranger.open(w.url + "/pay?payee=books@shop&amount=12.50")
	stranger.press("City card")
	stranger.press("Send")
	p.see("The card was tapped on a device that is not its own")
	p.look("skim")
}

func TestPageSaysWhenItIsNotLiveAndCatchesUp(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	p.offline(true)
	w.server.CloseClientConnections()
	p.see("Not live:")
	p.look("offline")
	_, err := w.operator.TopUp(w.ctx, w.issued.Card.Account, api.NewTopUp{Amount: cny(5_00)})
	w.must(err)
	_, err = w.operator.FreezeCard(w.ctx, w.id(), "suspicion")
	w.must(err)
	p.offline(false)
	p.see("Live:")
	p.see("CN¥205.00")
	p.see("The operator has frozen the card")
}

func TestPagesOfAnotherLanguageAndHostileNames(t *testing.T) {
	w := openWorld(t)
	p := holder(t, w)
	rename := func(to string) {
		t.Helper()
		p.press("Rename")
		p.do(chromedp.SetValue("main input", to))
		p.do(chromedp.Click("form button"))
	}
	p.press("Devices")
	p.see("This device")
	p.look("devices")
	rename("phone \u202egnp.exe")
	p.see("has characters that cannot be shown")
	p.press("Back")
	p.press("Devices")
	const hostile = "<img src=x onerror=alert(1)>"
	rename(hostile)
	p.see("The device has a new name.")
	p.see(hostile)
	long := strings.Repeat("W", 64)
	rename(long)
	p.see(long)
	p.fits("a long name")
	p.press("Back")
	p.press("简体中文")
	p.see("可用余额")
	p.see("实时：")
	p.look("zh")
	p.press("付款要求")
	p.see("始终需要密码")
	p.look("zh-limits")
	p.press("返回")
	p.press("设备")
	p.look("zh-devices")
	if w.card().Devices[0].Label != long {
		t.Errorf("the device is called %q, want %q", w.card().Devices[0].Label, long)
	}
}
