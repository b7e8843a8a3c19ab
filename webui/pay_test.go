package webui_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
)

// order is a payer's link.
const order = "/pay?payee=books@shop&amount=12.50&order=1045&description=Two+books"

// activate makes a person's browser the card's associated device, with the PIN.
func (w *world) activate(p *person) {
	p.Helper()
	p.open(w.url + "/pay")
	p.see("Nothing to pay")
	state := eval[string](p, fmt.Sprintf(`(async () => {
		const { write } = await import('/ui/api.js');
		return (await write('/v1/cards/activate', 'activation', { code: %q, tap: { sun: %q }, pin: %q })).state;
	})()`, w.issued.Code, w.tap(), pin))
	if state != "active" {
		p.Fatalf("the card is %s", state)
	}
}

// phone is the card's associated device, apart from any browser.
func (w *world) phone() *device.Client {
	w.Helper()
	key, err := consent.NewDeviceKey()
	w.must(err)
	phone := &device.Client{URL: w.url, Key: key}
	_, err = phone.Register(w.ctx, "My phone")
	w.must(err)
	_, err = phone.ActivateTap(w.ctx, consent.Code(w.issued.Code), consent.Tap{SUN: consent.SUNMessage(w.tap())}, pin)
	w.must(err)
	return phone
}

// asked is the request to approve that waits on the phone.
func (w *world) asked(phone *device.Client) *device.Approval {
	w.Helper()
	list, err := phone.Payments(w.ctx, api.RoleApprover, "approval_required", "", 10)
	w.must(err)
	if len(list.Payments) != 1 {
		w.Fatalf("%d payments wait to be approved, want 1", len(list.Payments))
	}
	a, err := phone.Approval(w.ctx, consent.PaymentID(list.Payments[0].ID))
	w.must(err)
	return a
}

// send taps the demo's card and sends the order.
func (p *person) send(url string) {
	p.Helper()
	p.open(url + order)
	p.see("Tap your card")
	p.press("City card")
	p.see("Check before you send")
	p.see("•••• ")
	p.press("Send")
}

func TestOwnDevicePaysWithItsPIN(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	w.requests()
	payer.send(w.url)
	payer.see("Enter the card’s PIN")
	payer.enter("471111")
	payer.see("That PIN is wrong. 2 tries are left.")
	payer.enter(pin)
	payer.see("Is this right?")
	for _, fact := range []string{"12.50", "Book Shop", "books@shop", w.shop.Account, "City card", "1045 · Two books"} {
		payer.see(fact)
	}
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
	payer.press("Show receipt")
	payer.see("the signature was verified on this device")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
	kept := eval[string](payer, `JSON.stringify([localStorage, sessionStorage, location.href, document.body.innerHTML])`)
	for _, secret := range []string{"sun", "picc_data", pin, "#e="} {
		if strings.Contains(kept, secret) {
			t.Errorf("after paying, %q is still in the page or its storage", secret)
		}
	}
}

func TestNothingIsSentBeforeSend(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.requests()
	payer.open(w.url + order)
	payer.press("City card")
	payer.see("Check before you send")
	want := []string{"GET /v1/service", "POST /v1/devices", "GET /v1/payees/books@shop"}
	if diff := cmp.Diff(want, w.requests()); diff != "" {
		t.Errorf("requests before Send (-want +got):\n%s", diff)
	}
	payer.press("Cancel")
	payer.see("Nothing was sent")
	if got := w.requests(); len(got) > 0 {
		t.Errorf("cancelling before Send asked for %v", got)
	}
}

func TestOneGesturePaysInTwoRoundTrips(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.authenticator()
	synced := eval[string](payer, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, w.issued.Card.ID, pin))
	if synced != "phone" {
		t.Fatalf("registered %q", synced)
	}
	payer.open(w.url + order)
	payer.press("City card")
	payer.see("Check before you send")
	w.requests()
	// Whoever reads is not answered any more: what watches the payment waits, and nothing else may.
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			w.mu.Lock()
			w.sent = append(w.sent, "GET "+r.URL.RequestURI())
			w.mu.Unlock()
			<-r.Context().Done()
			return
		}
		service.ServeHTTP(out, r)
	})
	payer.press("Send")
	payer.see("Paid")
	w.mu.Lock()
	sent := slices.Clone(w.sent) // tokens, too
	w.mu.Unlock()
	watches := func(r string) bool {
		return strings.HasPrefix(r, "GET /v1/payments/pay_") && strings.Contains(r, "?wait=")
	}
	sent = slices.DeleteFunc(sent, watches)
	if len(sent) != 2 || sent[0] != "POST /v1/payments" || !strings.HasSuffix(sent[1], "/confirmation") {
		t.Errorf("from Send to paid the page sent %v", sent)
	}
	w.server.Config.Handler = service
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
}

func TestBorrowedDeviceShowsTheCodeAndHearsOfTheApproval(t *testing.T) {
	w := openWorld(t)
	phone := w.phone()
	payer := newPerson(t, browser(t), "payer")
	payer.send(w.url)
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	payer.see("Confirm on your own device")
	code := eval[string](payer, `document.querySelector('.code').textContent`)
	_, err := w.asked(phone).Approve(w.ctx, consent.Code(code))
	w.must(err)
	payer.see("Paid")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
}

func TestPayerIsToldHowAPaymentEnded(t *testing.T) {
	in := browser(t)
	for name, c := range map[string]struct {
		end  func(w *world, payer *person, phone *device.Client)
		want []string
	}{
		"declined on the phone": {func(w *world, _ *person, phone *device.Client) {
			_, err := w.asked(phone).Decline(w.ctx)
			w.must(err)
		}, []string{"Not paid: declined", "declined on the card’s own device"}},
		"not me": {func(w *world, _ *person, phone *device.Client) {
			_, err := w.asked(phone).NotMe(w.ctx)
			w.must(err)
		}, []string{"The card is frozen, and no money has moved."}},
		"wrong code": {func(w *world, payer *person, phone *device.Client) {
			code := eval[string](payer, `document.querySelector('.code').textContent`)
			wrong := "00"
			if code == wrong {
				wrong = "11"
			}
			for range 3 {
				if _, err := w.asked(phone).Approve(w.ctx, consent.Code(wrong)); err == nil {
					w.Error("a wrong code was taken")
				}
			}
		}, []string{"mistyped three times"}},
		"cancelled": {func(_ *world, payer *person, _ *device.Client) { payer.press("Cancel") },
			[]string{"Cancelled", "You said no"}},
		"expired": {func(w *world, payer *person, _ *device.Client) {
			w.wait(4 * time.Minute)
			payer.open(w.url + order) // a reload asks
		}, []string{"time ran out", "Nobody answered in time"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			phone := w.phone()
			payer := newPerson(t, in, "payer")
			payer.send(w.url)
			payer.enter(pin)
			payer.press("Pay CN¥12.50")
			payer.see("Confirm on your own device")
			c.end(w, payer, phone)
			for _, text := range c.want {
				payer.see(text)
			}
			if got := w.balance(w.shop.Account); got != 0 {
				t.Errorf("the shop has %d", got)
			}
		})
	}
}

func TestLostConnectionLosesNothing(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.send(w.url)
	payer.enter(pin)
	payer.see("Is this right?")
	payer.offline(true)
	payer.press("Pay CN¥12.50")
	payer.until(`document.body.innerText.includes('The connection is gone')`, "says that the connection is gone")
	payer.see("Cancel")
	payer.offline(false)
	payer.see("Is this right?") // by itself
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
}

func TestCardsOwnAddressContinuesTheOrder(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.open(w.url + order)
	payer.see("Tap your card")
	payer.open(w.url + "/t#" + w.tap())
	payer.see("Check before you send")
	payer.see("Two books")
	if at := eval[string](payer, `location.href + document.referrer + JSON.stringify([localStorage, sessionStorage]) + history.state`); strings.Contains(at, "c=") {
		t.Errorf("the message is still about: %s", at)
	}
	payer.press("Send")
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
}

func TestCardsOwnAddressSaysWhatTheCardIs(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.open(w.url + "/t#" + w.tap())
	payer.see("Your card")
	payer.see("City card")
	payer.see("The card proved itself.")
	payer.press("Pay with it")
	payer.fill("Payee", "books@shop")
	payer.press("Next")
	payer.fill("Amount in CNY", "12.50")
	payer.press("Next")
	payer.see("Tap your card")
	payer.see("CN¥12.50")
}

func TestWebNFCReadsTheCard(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	// Desktop browsers have no Web NFC: this plays one whose card is tapped a moment after the page listens.
	_, err := chromedp.Call(payer.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf(`
		window.NDEFReader = class { async scan() { setTimeout(() => {
			this.onreading({ message: { records: [{ recordType: 'text', data: new Uint8Array() }] } });
			setTimeout(() => this.onreading({ message: { records: [{ recordType: 'url', data: new TextEncoder().encode(%q) }] } }), 500);
		}, 100); } };`, w.url+"/t#"+w.tap())})
	if err != nil {
		t.Fatal(err)
	}
	payer.open(w.url + order)
	payer.press("Read the card with this phone")
	payer.see("Check before you send")
	payer.press("Send")
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
}

func TestUsedTapIsAskedForAgain(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	old := w.tap()
	w.tag.Tap()
	payer.send(w.url)
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
	payer.open(w.url + order)
	payer.press("Pay the same again")
	payer.see("Tap your card")
	payer.open(w.url + "/t#" + old)
	payer.see("Check before you send")
	payer.press("Send")
	payer.see("This tap was used before. Tap the card again.")
	payer.press("City card")
	payer.see("Check before you send")
}

func TestHostileAddressIsText(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.open(w.url + "/pay?payee=books@shop&amount=1&order=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&description=" + strings.Repeat("%3Cb%3E", 60))
	payer.see("<img src=x onerror=alert(1)>")
	payer.open(w.url + "/pay?payee=%3Cscript%3Ealert(1)%3C/script%3E&amount=1")
	payer.see("This did not work")
	payer.open(w.url + "/pay?payee=books@shop&amount=1e9")
	payer.see("How much?") // what is no amount is asked for
}

func TestAnotherOrderDoesNotHideAPaymentUnderWay(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.send(w.url)
	payer.see("Enter the card’s PIN")
	payer.open(w.url + "/pay?payee=books@shop&amount=3")
	payer.see("Another payment is under way")
	payer.press("Cancel it and pay this one")
	payer.see("CN¥3.00")
	payer.see("Tap your card")
}

func TestPagesFitNarrowScreensAndSpeakChinese(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.do(chromedp.EmulateViewport(320, 640))
	fits := func() {
		t.Helper()
		if wide := eval[int](payer, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("the page is %d wide:\n%s", wide, payer.text())
		}
	}
	payer.open(w.url + order)
	payer.press("简体中文")
	payer.see("请刷卡")
	fits()
	payer.press("City card")
	payer.see("发送前请核对")
	fits()
	payer.press("付 ¥12.50")
	payer.see("请输入卡的密码")
	fits()
	payer.enter(pin)
	payer.see("请确认")
	fits()
	payer.press("付 ¥12.50")
	payer.see("已付款")
	fits()
	if lang := eval[string](payer, `document.documentElement.lang`); lang != "zh-CN" {
		t.Errorf("the page's language is %s", lang)
	}
}

func TestAmountIsAskedForWhereTheLinkHasNone(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.open(w.url + "/pay?payee=books@shop")
	payer.fill("Amount in CNY", "12,5x")
	payer.press("Next")
	payer.see("Give an amount such as 12.50.")
	eval[string](payer, `document.querySelector('input').value = ''`)
	payer.fill("Amount in CNY", "7.05")
	payer.press("Next")
	payer.see("CN¥7.05")
	payer.see("Tap your card")
}

func TestAtNightThePageIsDark(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.dark()
	payer.open(w.url + order)
	payer.see("Tap your card")
	ground := eval[string](payer, `getComputedStyle(document.body).backgroundColor`)
	var r, g, b int
	if _, err := fmt.Sscanf(ground, "rgb(%d, %d, %d)", &r, &g, &b); err != nil || r+g+b > 150 {
		t.Errorf("the ground is %s, %v", ground, err)
	}
}

// notesDialog notes whether the browser's own dialog was asked for, or a plain passkey.
const notesDialog = `{
	const get = navigator.credentials.get.bind(navigator.credentials), Real = PaymentRequest;
	navigator.credentials.get = (o) => { globalThis.plain = true; return get(o); };
	globalThis.PaymentRequest = class extends Real { show(...how) { globalThis.dialog = true; return super.show(...how); } };
}`

// usedDialog fails unless it was the dialog.
func (p *person) usedDialog() {
	p.Helper()
	if got := eval[string](p, `[Boolean(globalThis.dialog), Boolean(globalThis.plain)].join()`); got != "true,false" {
		p.Errorf("dialog, plain passkey: %s", got)
	}
}

func TestTheBrowsersOwnPaymentDialogPays(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t, chromedp.Flag("enable-features", "SecurePaymentConfirmationBrowser")), "payer")
	w.activate(payer)
	payer.authenticator()
	if _, err := chromedp.Call(payer.ctx, page.SetSPCTransactionMode, page.SetSPCTransactionModeParams{Mode: page.SetSPCTransactionModeModeAutoAccept}); err != nil {
		t.Fatal(err)
	}
	eval[string](payer, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, w.issued.Card.ID, pin))
	if !eval[bool](payer, `(async () => (await import('/ui/passkey.js')).hasDialog())()`) {
		t.Fatal("the browser has no Secure Payment Confirmation")
	}
	payer.always(notesDialog)
	payer.send(w.url)
	payer.see("Paid")
	payer.usedDialog()
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
}
