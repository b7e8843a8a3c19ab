package webui_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"tapline/api"
)

// approver is the card's associated device, on the approve page, where nothing waits yet.
func (w *world) approver(p *person) {
	p.Helper()
	w.activate(p)
	p.open(w.url + "/approve")
	p.see("Nothing to approve")
	p.see("Live")
}

// asks pays from a borrowed device as far as it goes there, and returns the digits that it shows.
func (p *person) asks(w *world) string {
	p.Helper()
	p.send(w.url)
	p.enter(pin)
	p.press("Pay CN¥12.50")
	p.see("Confirm on your own device")
	return eval[string](p, `document.querySelector('.code').textContent`)
}

// wrongDigits are not the right ones.
func wrongDigits(right string) string {
	if right == "00" {
		return "11"
	}
	return "00"
}

// pair are two people in browsers of their own: one whose device the card has, and one with a borrowed device.
func (w *world) pair() (phone, payer *person) {
	w.Helper()
	in := browser(w.T)
	phone, payer = newPerson(w.T, in, "phone"), newPerson(w.T, in, "payer")
	w.approver(phone)
	return phone, payer
}

func TestApproverSeesTheFactsAndTypesTheDigits(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	digits := payer.asks(w)
	phone.see("Is this your payment?") // the stream says so: nobody has touched the page
	for _, fact := range []string{"CN¥12.50", "Book Shop", "books@shop", w.shop.Account, "•••• ", "City card", "1045 · Two books", "Chrome, Linux", "Asked at", "Time left"} {
		phone.see(fact)
	}
	phone.press("Approve CN¥12.50")
	phone.see("Type the digits that the other device shows.")
	phone.fill("Digits on the other device", wrongDigits(digits))
	phone.press("Approve CN¥12.50")
	phone.see("Those digits are wrong. 2 tries are left.")
	phone.do(chromedp.Reload())
	phone.see("Is this your payment?")
	phone.fill("Digits on the other device", digits+"\r")
	phone.see("Approved")
	payer.see("Paid")
	phone.press("Done")
	phone.see("Nothing to approve")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
	kept := eval[string](phone, `JSON.stringify([localStorage, sessionStorage])`)
	if strings.Contains(kept, "pay_") || strings.Contains(kept, "12.50") {
		t.Errorf("the page keeps %s", kept)
	}
}

func TestApproverTapsTheSameCardInstead(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.press("Tap the card instead")
	phone.see("Tap the same card on this device to approve.")
	phone.press("Type the digits instead")
	phone.see("Digits on the other device")
	phone.press("Tap the card instead")
	w.requests()
	phone.press("City card")
	phone.see("Approved")
	payer.see("Paid")
	sent := slices.DeleteFunc(w.requests(), func(r string) bool { return strings.HasPrefix(r, "GET ") })
	if len(sent) != 1 || !strings.HasSuffix(sent[0], "/approval") {
		t.Errorf("approving by tap sent %v", sent)
	}
}

func TestCardsOwnAddressApprovesWhatWaitsOnlyWhenPressed(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	w.requests()
	phone.open(w.url + "/t#" + w.tap())
	phone.see("read what it is for, then approve")
	phone.see("Book Shop")
	for _, r := range w.requests() {
		if strings.HasPrefix(r, "POST ") {
			t.Errorf("before anybody pressed, the page sent %s", r)
		}
	}
	if at := eval[string](phone, `location.href + document.referrer + JSON.stringify([localStorage, sessionStorage])`); strings.Contains(at, "c=") || !strings.Contains(at, "/approve") {
		t.Errorf("the page is at %s", at)
	}
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
	payer.see("Paid")
}

func TestTapThatWasUsedApprovesNothing(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	old := w.tap()
	digits := payer.asks(w)
	phone.open(w.url + "/t#" + old)
	phone.press("Approve CN¥12.50")
	phone.see("This tap was used before. Tap the card again.")
	phone.fill("Digits on the other device", digits)
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
}

func TestApproverDeclines(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.press("Decline")
	phone.see("Declined")
	phone.see("No money has moved.")
	payer.see("Not paid: declined")
}

func TestThreeWrongDigitsEndIt(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	digits := payer.asks(w)
	for _, says := range []string{"2 tries are left", "One try is left", "No longer waiting"} {
		phone.fill("Digits on the other device", wrongDigits(digits))
		phone.press("Approve CN¥12.50")
		phone.see(says)
	}
	payer.see("Not paid: declined")
}

func TestNotMeIsExplainedAndAskedTwice(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.press("This wasn’t me")
	phone.see("Freeze the card?")
	phone.see("nobody can pay with it until you unfreeze it")
	phone.press("Back")
	phone.see("Is this your payment?")
	phone.press("This wasn’t me")
	phone.press("Decline and freeze the card")
	phone.see("The card is frozen and no money has moved.")
	payer.see("The card is frozen")
	phone.press("Done")
	phone.see("frozen")
}

func TestExpiryIsSeenByTheApprover(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.see("Is this your payment?")
	w.wait(177 * time.Second)
	phone.do(chromedp.Reload())
	phone.see("Time left to answer: ")
	phone.see("No longer waiting")
	phone.see("Time ran out. No money has moved.")
}

func TestRequestThatEndsElsewhereDisappearsWithWords(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.see("Is this your payment?")
	payer.press("Cancel")
	phone.see("No longer waiting")
	phone.see("It was cancelled on the device that asked.")
	phone.press("Done")
	phone.see("Nothing to approve")
}

func TestSeveralRequestsAreAnsweredOneByOne(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	phone, payer, other := newPerson(t, in, "phone"), newPerson(t, in, "payer"), newPerson(t, in, "other")
	w.approver(phone)
	digits := payer.asks(w)
	phone.see("Is this your payment?")
	phone.fill("Digits on the other device", digits)
	other.asks(w)
	phone.see("2 payments wait")
	if typed := eval[string](phone, `document.querySelector('input').value`); typed != digits {
		t.Errorf("a second request took the digits away: %q", typed)
	}
	phone.press("Approve CN¥12.50")
	phone.see("Approved")
	phone.press("Done")
	phone.see("Is this your payment?") // the other one
	payer.press("Done")
	payer.see("Nothing to pay")
	payer.asks(w)
	phone.press("2 payments wait")
	phone.until(`document.querySelectorAll('.requests button').length === 2`, "lists both")
	payer.press("Cancel")
	phone.see("CN¥12.50 to Book Shop: It was cancelled on the device that asked.")
	phone.see("Is this your payment?")
}

func TestApprovePageSaysWhenItIsNotLiveAndRecovers(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	phone.offline(true)
	phone.see("Not live: there is no connection.")
	payer.asks(w)
	phone.offline(false)
	phone.see("Is this your payment?")
	phone.see("Live: you see requests at once.")
	phone.offline(true)
	phone.press("Decline")
	phone.see("Not live: there is no connection.")
	phone.offline(false)
	phone.see("Declined")
	payer.see("Not paid: declined")
}

func TestServiceThatIsGoneAndBackIsNoticed(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	payer.asks(w)
	phone.see("Is this your payment?")
	w.unplugged(true)
	phone.see("Not live: there is no connection.")
	w.unplugged(false)
	phone.see("Live: you see requests at once.")
	phone.press("Decline")
	payer.see("Not paid: declined")
}

// A stream that breaks goes on after the last event that came.
func TestStreamGoesOnWhereItBroke(t *testing.T) {
	w := openWorld(t)
	var mu sync.Mutex
	var asked []string
	service := w.server.Config.Handler
	w.server.Config.Handler = http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/events" && r.Header.Get("Authorization") != "" {
			mu.Lock()
			asked = append(asked, r.Header.Get("Last-Event-ID"))
			mu.Unlock()
		}
		service.ServeHTTP(out, r)
	})
	phone, payer := w.pair()
	payer.asks(w)
	phone.see("Is this your payment?")
	phone.see("Live: you see requests at once.")
	newest := eval[string](phone, `(async () => (await (await import('/ui/api.js')).read('/v1/events/next')).next)()`)
	again := func() []string { mu.Lock(); defer mu.Unlock(); return slices.Clone(asked) }
	before := len(again())
	w.cut()
	for end := time.Now().Add(patience); len(again()) == before; {
		if time.Now().After(end) {
			t.Fatal("the stream was not asked for again")
		}
		<-time.After(20 * time.Millisecond)
	}
	if got := again()[before]; got != newest || newest == "" {
		t.Errorf("after the break the stream was asked for after event %q, want %q", got, newest)
	}
	payer.press("Cancel")
	phone.see("It was cancelled on the device that asked.")
}

func TestWithoutAStreamThePageAsks(t *testing.T) {
	for name, c := range map[string]struct {
		blocked []string
		waits   bool // for each change; otherwise it asks every few seconds
	}{
		"for changes": {[]string{"*://*:*/v1/events"}, true},
		"for all":     {[]string{"*://*:*/v1/events", "*://*:*/v1/events/next", "*://*:*/v1/events/next?*"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			in := browser(t)
			phone, payer := newPerson(t, in, "phone"), newPerson(t, in, "payer")
			w.activate(phone)
			if _, err := chromedp.Call(phone.ctx, network.Enable, network.EnableParams{}); err != nil {
				t.Fatal(err)
			}
			var params network.SetBlockedURLsParams
			for _, pattern := range c.blocked {
				params.URLPatterns = append(params.URLPatterns, &network.BlockPattern{URLPattern: pattern, Block: true})
			}
			if _, err := chromedp.Call(phone.ctx, network.SetBlockedURLs, params); err != nil {
				t.Fatal(err)
			}
			phone.open(w.url + "/approve")
			phone.see("Nothing to approve")
			phone.see("Not live: this page asks for changes instead.")
			w.requests()
			payer.asks(w)
			phone.see("Is this your payment?")
			if waits := slices.Contains(w.requests(), "GET /v1/events/next"); waits != c.waits {
				t.Errorf("it waits for changes: %v, want %v", waits, c.waits)
			}
		})
	}
}

func TestDeviceOfNoCardIsSentToSetItUp(t *testing.T) {
	w := openWorld(t)
	stranger := newPerson(t, browser(t), "stranger")
	stranger.open(w.url + "/approve")
	stranger.see("This device approves for no card")
	if to := eval[string](stranger, `document.querySelector('a.button').getAttribute('href')`); to != "/me" {
		t.Errorf("it leads to %s", to)
	}
}

// TestApprovePageIsInstallable asks the browser.
func TestApprovePageIsInstallable(t *testing.T) {
	w := openWorld(t)
	phone := newPerson(t, browser(t), "phone")
	w.approver(phone)
	eval[bool](phone, `navigator.serviceWorker.ready.then(() => true)`)
	found, err := chromedp.Call(phone.ctx, page.GetInstallabilityErrors, cdp.Empty{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range found.InstallabilityErrors {
		if e.ErrorID != "in-incognito" { // every person here has a context of their own
			t.Errorf("the page cannot be installed: %s %v", e.ErrorID, e.ErrorArguments)
		}
	}
}

func TestServiceWorkerKeepsThePageOnlyAndNotOverANewOne(t *testing.T) {
	w := openWorld(t)
	phone := newPerson(t, browser(t), "phone")
	w.approver(phone)
	eval[bool](phone, `navigator.serviceWorker.ready.then(() => true)`)
	phone.do(chromedp.Reload())
	phone.see("Nothing to approve")
	phone.until(`navigator.serviceWorker.controller !== null`, "is controlled by its worker")
	kept := eval[[]string](phone, `(async () => {
		const paths = [];
		for (const name of await caches.keys()) for (const r of await (await caches.open(name)).keys()) paths.push(new URL(r.url).pathname);
		return paths.sort();
	})()`)
	if !slices.Contains(kept, "/approve") || !slices.Contains(kept, "/approve.js") {
		t.Errorf("it keeps %v", kept)
	}
	for _, path := range kept {
		if strings.HasPrefix(path, "/v1") || strings.HasPrefix(path, "/demo") {
			t.Errorf("it keeps %s", path)
		}
	}
	w.replace("/words/en.js", func(text string) string {
		return strings.Replace(text, "Nothing to approve", "Nothing at all to approve", 1)
	})
	phone.do(chromedp.Reload())
	phone.see("Nothing at all to approve")
	w.unplugged(true)
	phone.do(chromedp.Reload())
	phone.see("The connection is gone") // the page comes from its copy
	w.unplugged(false)
	phone.see("Nothing at all to approve")
	phone.see("Live")
}

func TestApprovePageFitsNarrowScreensAndSpeaksChinese(t *testing.T) {
	w := openWorld(t)
	phone, payer := w.pair()
	phone.do(chromedp.EmulateViewport(320, 640))
	fits := func() {
		t.Helper()
		if wide := eval[int](phone, `document.documentElement.scrollWidth`); wide > 320 {
			t.Errorf("the page is %d wide:\n%s", wide, phone.text())
		}
	}
	phone.press("简体中文")
	phone.see("没有待确认的付款")
	fits()
	payer.asks(w)
	phone.see("这是您的付款吗？")
	fits()
	phone.press("不是我")
	phone.see("冻结这张卡？")
	fits()
	phone.press("返回")
	phone.press("改为在此刷卡")
	fits()
	phone.press("City card")
	phone.see("已确认")
	fits()
}

func TestHostilePayeeIsTextToTheApprover(t *testing.T) {
	w := openWorld(t)
	_, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "evil@shop", Name: `<img src=x onerror="alert(1)">`, Currency: "CNY"})
	w.must(err)
	phone, payer := w.pair()
	payer.open(w.url + "/pay?payee=evil@shop&amount=1&description=" + strings.Repeat("W", 280))
	payer.press("City card")
	payer.press("Send")
	payer.enter(pin)
	payer.press("Pay CN¥1.00")
	phone.see(`<img src=x onerror="alert(1)">`)
	if wide := eval[int](phone, `document.documentElement.scrollWidth`); wide > 375 {
		t.Errorf("the page is %d wide", wide)
	}
}
