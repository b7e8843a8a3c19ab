package webui_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"tapline/api"
	orders "tapline/order"
	"tapline/payee"
)

// cashier is somebody who has signed in to the till.
func (w *world) cashier(p *person) {
	p.Helper()
	p.open(w.url + "/till")
	p.fill("API key", w.shop.APIKey)
	p.press("Sign in")
	p.see("Type the amount")
}

// types presses the till's keys.
func (p *person) types(amount string) {
	p.Helper()
	for _, key := range amount {
		label := string(key)
		if key == '.' {
			p.do(chromedp.Click(`//button[@aria-label='Decimal point']`))
			continue
		}
		p.do(chromedp.Click(fmt.Sprintf("//button[@class='key'][.='%s']", label)))
	}
}

// link is the address on the till's screen.
func (p *person) link() string {
	p.Helper()
	p.see("Let the payer scan this")
	return eval[string](p, `document.querySelector('main a[target]').href`)
}

// placed is an order of the shop's, made by its program.
func (w *world) placed(change func(*api.NewOrder)) api.PayeeOrder {
	w.Helper()
	in := api.NewOrder{Amount: cny(12_50), Reference: "1045", Description: "Two books"}
	if change != nil {
		change(&in)
	}
	client := &payee.Client{URL: w.url, APIKey: w.shop.APIKey}
	o, err := client.MakeOrder(w.ctx, in)
	w.must(err)
	return o
}

func TestAnOrderOfTheTillIsPaidWhileItWatches(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	till, payer := newPerson(t, in, "till"), newPerson(t, in, "payer")
	w.activate(payer)
	till.open(w.url + "/till")
	till.see("Sign in to the till")
	till.fits("signing in")
	till.look("till-sign-in")
	till.fill("API key", "nonsense")
	till.press("Sign in")
	till.see("That is not an API key")
	w.cashier(till)
	till.see("Live:")
	till.types("12.50")
	till.see("CN¥12.50")
	till.fill("What is it for", "Two books")
	till.fill("Your number", "1045")
	till.fits("the desk")
	till.look("till-desk")
	till.press("Ask for CN¥12.50")
	link := till.link()
	till.see("Waits to be paid")
	till.until(`document.querySelector('img.qr').naturalWidth > 0 && document.querySelector('img.qr').getBoundingClientRect().width > 200`, "shows its QR code")
	till.fits("the code")
	till.look("till-code")
	till.press("Copy the link")

	payer.open(link)
	payer.see("Tap your card")
	payer.see("CN¥12.50")
	payer.see("Book Shop")
	payer.see("1045 · Two books")
	payer.press("City card")
	payer.see("Check before you send")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	till.see("Waits to be paid") // nobody has proved anything
	payer.enter(pin)
	payer.see("Is this right?")
	till.see("Somebody is paying")
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
	till.see("Paid at")
	till.see("Live:")
	till.look("till-paid")
	till.press("Receipt and refund")
	till.see("the signature was verified on this device")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
	till.press("Next order")
	till.see("1 payment")
	till.until(`document.querySelector('.day .sum').textContent === 'CN¥12.50'`, "has today's sum")
	till.press("Orders")
	till.fill("Number", "1045")
	till.press("Search")
	till.until(`document.querySelectorAll('.item').length === 1`, "finds the order")
	till.look("till-history")
	till.fill("Number", "x")
	till.press("Search")
	till.see("There are no such orders.")
}

func TestAnOrderIsShownInEveryStateItCanBeIn(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	payer, other := newPerson(t, in, "payer"), newPerson(t, in, "other")
	w.activate(payer)
	o := w.placed(func(o *api.NewOrder) {
		o.Lines = []orders.Line{{Description: "Book", Quantity: 2, Amount: 10_00}}
		o.Tip, o.Tax, o.SuccessURL, o.CancelURL = 1_50, 1_00, w.url+"/healthz", w.url+"/readyz"
	})
	at := w.url + "/pay/" + o.ID
	payer.open(at)
	payer.see("Tap your card")
	payer.see("2 × Book")
	payer.see("CN¥1.50")
	payer.fits("the order")
	payer.look("pay-order")
	payer.do(chromedp.Reload())
	payer.see("Tap your card")
	payer.press("City card")
	payer.see("2 × Book")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.do(chromedp.Reload())
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.see("Is this right?")
	payer.see("2 × Book")
	other.open(at)
	other.see("Somebody is paying this")
	other.fits("an order that is being paid")
	other.look("pay-claimed")
	payer.do(chromedp.Reload())
	payer.see("Is this right?")
	payer.press("No, do not pay")
	payer.see("Not paid: declined")
	payer.see("Back to the payee")
	other.see("Tap your card") // by itself
	payer.press("Start again")
	payer.see("Tap your card")
	payer.press("City card")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.see("Is this right?")
	payer.press("Pay CN¥12.50")
	payer.see("Go on to Book Shop")
	rel := eval[string](payer, `[...document.querySelectorAll('main a')].find((a) => a.textContent.startsWith('Go on')).rel`)
	if rel != "noreferrer" {
		t.Errorf("the link to the payee has rel %q", rel)
	}
	payer.look("pay-paid")
	payer.do(chromedp.Reload())
	payer.see("Go on to Book Shop")
	other.press("City card")
	other.press("Send")
	other.see("Already paid")
	other.look("pay-already")
	if strings.Contains(other.text(), "Go on to") {
		t.Error("somebody who has not paid is led to where payers go")
	}
}

func TestAnOrderThatHasEndedSaysSo(t *testing.T) {
	w := openWorld(t)
	other := newPerson(t, browser(t), "payer")
	cancelled := w.placed(nil)
	_, err := (&payee.Client{URL: w.url, APIKey: w.shop.APIKey}).CancelOrder(w.ctx, cancelled.ID)
	w.must(err)
	other.open(w.url + "/pay/" + cancelled.ID)
	other.see("Cancelled by the payee")
	late := w.placed(func(o *api.NewOrder) { o.ExpiresIn = 60 })
	w.wait(time.Minute)
	other.open(w.url + "/pay/" + late.ID)
	other.see("Too late to pay this")
	other.open(w.url + "/pay/ord_" + strings.Repeat("A", 22))
	other.see("There is no such order")
}

func TestTwoPayersRaceForAnOrder(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	first, second := newPerson(t, in, "first"), newPerson(t, in, "second")
	w.activate(first)
	o := w.placed(nil)
	for _, p := range []*person{first, second} {
		p.open(w.url + "/pay/" + o.ID)
		p.press("City card")
		p.press("Send")
		p.see("Enter the card’s PIN") // neither keeps the other from it
	}
	second.enter(pin)
	second.see("Is this right?")
	first.enter(pin)
	first.see("Somebody else pays this order")
	first.press("Start again")
	first.see("Somebody is paying this")
	second.press("Cancel")
	second.see("Cancelled")
	first.see("Tap your card")
	first.press("City card")
	first.press("Send")
	first.see("Enter the card’s PIN")
	first.enter(pin)
	first.press("Pay CN¥12.50")
	first.see("Paid")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
}

func TestTextsOfOrdersStayTexts(t *testing.T) {
	w := openWorld(t)
	in := browser(t)
	till, payer := newPerson(t, in, "till"), newPerson(t, in, "payer")
	const markup = `<img src=x onerror="document.title='owned'"><b>&amp;`
	o := w.placed(func(o *api.NewOrder) {
		o.Description, o.Reference = markup, "</p><script>"
		o.Lines = []orders.Line{{Description: markup, Quantity: 1, Amount: 12_50}}
	})
	payer.open(w.url + "/pay/" + o.ID)
	payer.see(markup)
	payer.see("</p><script>")
	w.cashier(till)
	till.press("Orders")
	till.until(`document.querySelectorAll('.item').length === 1`, "lists the order")
	till.do(chromedp.Click(".item summary"))
	till.see(markup)
	for _, p := range []*person{payer, till} {
		if eval[int](p, `document.querySelectorAll('main img, main script').length`) != 0 || strings.Contains(eval[string](p, "document.title"), "owned") {
			t.Errorf("%s: markup of an order was read as such", p.name)
		}
	}
	till.types("1")
	eval[bool](till, `(() => { const f = [...document.querySelectorAll('label')].find((l) => l.textContent.startsWith('What is it for')).htmlFor;
		document.getElementById(f).value = 'evil \u202etxt.exe'; return true; })()`)
	till.press("Ask for")
	till.see("characters that cannot be shown")
	eval[bool](till, `(() => { const f = [...document.querySelectorAll('label')].find((l) => l.textContent.startsWith('What is it for')).htmlFor;
		document.getElementById(f).value = 'x'.repeat(10000); return true; })()`)
	till.press("Ask for")
	till.see("Something that was entered cannot be")
}

func TestTheTableOfOrdersIsCSVAndNoFormula(t *testing.T) {
	w := openWorld(t)
	till := newPerson(t, browser(t), "till")
	for _, text := range []string{"=HYPERLINK(\"https://evil.example\")", "+1", "-1", "@SUM(A1)", "a, \"quoted\" text", "plain 书"} {
		w.placed(func(o *api.NewOrder) { o.Description, o.Reference = text, "" })
	}
	w.cashier(till)
	till.press("Orders")
	text := till.downloads("Download as CSV")
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "\ufeff"))).ReadAll()
	w.must(err)
	if len(rows) != 7 || strings.Count(text, "\r\n") != 7 {
		t.Fatalf("%d rows: %q", len(rows), text)
	}
	want := []string{"plain 书", "a, \"quoted\" text", "'@SUM(A1)", "'-1", "'+1", "'=HYPERLINK(\"https://evil.example\")"}
	for i, row := range rows[1:] {
		if row[5] != want[i] || row[2] != "12.50" || row[1] != "open" {
			t.Errorf("row %d is %q, want description %q", i+1, row, want[i])
		}
	}
}

// downloads presses what gives its user a file, and returns the text of that.
func (p *person) downloads(words string) string {
	p.Helper()
	eval[bool](p, `(() => {
		const make = URL.createObjectURL.bind(URL);
		URL.createObjectURL = (file) => { globalThis.given = file.text(); return make(file); };
		return true;
	})()`)
	p.press(words)
	p.until(`'given' in globalThis`, "gives a file")
	return eval[string](p, `globalThis.given`)
}

func TestTheKeyOfTheTillIsKeptInMemoryOnly(t *testing.T) {
	w := openWorld(t)
	till := newPerson(t, browser(t), "till")
	w.cashier(till)
	if got := eval[string](till, `JSON.stringify([{...localStorage}, {...sessionStorage}, location.href, document.body.innerHTML])`); strings.Contains(got, "tapline_test_") {
		t.Errorf("the key is kept: %s", got)
	}
	till.types("3")
	till.press("Ask for")
	till.see("Let the payer scan this")
	till.do(chromedp.Reload())
	till.see("Sign in to the till")
	till.fill("API key", w.shop.APIKey)
	till.press("Sign in")
	till.see("Let the payer scan this") // it comes back to the order
	till.press("Cancel this order")
	till.see("Cancelled")
	w.unplugged(true)
	till.see("No connection")
	w.unplugged(false)
	till.see("Live:")
	till.press("Next order")
	till.press("Sign out")
	till.see("Sign in to the till")
	till.fill("API key", "tapline_test_"+strings.Repeat("0", 49))
	till.press("Sign in")
	till.see("Sign in again.")
}

func TestTheTillSpeaksChinese(t *testing.T) {
	w := openWorld(t)
	till := newPerson(t, browser(t), "till")
	till.open(w.url + "/till")
	till.press("简体中文")
	till.see("登录收银台")
	till.fill("API 密钥", w.shop.APIKey)
	till.do(chromedp.Click("form button.main"))
	till.see("请输入金额")
	till.types("8")
	till.fits("the desk in Chinese")
	till.look("till-zh")
	till.press("收取 ¥8.00")
	till.see("请付款人扫描")
	till.fits("the code in Chinese")
}
