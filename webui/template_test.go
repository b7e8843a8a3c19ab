package webui_test

import (
	"testing"

	"github.com/chromedp/chromedp"

	"tapline/api"
	orders "tapline/order"
	"tapline/payee"
)

// standing is a template of the shop's.
func (w *world) standing(in api.NewOrderTemplate) (*payee.Client, api.OrderTemplate) {
	w.Helper()
	in.Currency = "CNY"
	client := &payee.Client{URL: w.url, APIKey: w.shop.APIKey}
	t, err := client.MakeTemplate(w.ctx, in)
	w.must(err)
	return client, t
}

// made are the orders of the shop.
func (w *world) made(client *payee.Client) []api.PayeeOrder {
	w.Helper()
	page, err := client.Orders(w.ctx, payee.Query{})
	w.must(err)
	return page.Orders
}

func TestAStandingLinkOfAFixedAmountIsPaid(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	client, link := w.standing(api.NewOrderTemplate{Minor: 12_50, Reference: "T-", Description: "Two <b>teas</b>",
		Lines: []orders.Line{{Description: "Tea", Quantity: 2, Amount: 12_50}}})
	payer.open(link.URL)
	payer.see("Tap your card")
	payer.see("CN¥12.50")
	payer.see("Book Shop")
	payer.see("Two <b>teas</b>")
	payer.see("2 × Tea")
	payer.fits("the standing link")
	payer.look("pay-standing")
	payer.press("City card")
	payer.see("Check before you send")
	if n := len(w.made(client)); n != 0 {
		t.Errorf("%d orders were made before Send", n)
	}
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.press("Pay CN¥12.50")
	payer.see("Paid")
	made := w.made(client)
	if len(made) != 1 || made[0].State != "paid" || made[0].Amount != cny(12_50) {
		t.Errorf("orders: %+v", made)
	}
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d", got)
	}
	_, err := client.DisableTemplate(w.ctx, link.ID)
	w.must(err)
	other := newPerson(t, browser(t), "other")
	other.open(link.URL)
	other.see("takes no more payments by this link")
}

func TestAStandingLinkOfAnOpenAmountAsksForIt(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	client, link := w.standing(api.NewOrderTemplate{Least: 1_00, Most: 50_00, Tip: true, Description: "Guided walk"})
	payer.open(link.URL)
	payer.see("Guided walk")
	payer.see("From CN¥1.00 to CN¥50.00.")
	payer.fits("the open amount")
	payer.look("pay-standing-open")
	payer.fill("Amount in CNY", "50.01")
	payer.press("Next")
	payer.until(`document.querySelector('.wrong.bad')?.textContent.startsWith('From')`, "says that it is too much")
	payer.open(link.URL + "?amount=20&tip=20.01")
	payer.see("Give an amount such as")
	payer.open(link.URL)
	payer.fill("Amount in CNY", "20")
	payer.fill("Tip", "1.50")
	payer.press("Next")
	payer.see("Tap your card")
	payer.see("CN¥21.50")
	payer.do(chromedp.Reload()) // what was typed stays
	payer.see("CN¥21.50")
	payer.press("City card")
	payer.press("Send")
	payer.see("Enter the card’s PIN")
	payer.enter(pin)
	payer.see("Is this right?")
	payer.press("Pay CN¥21.50")
	payer.see("Paid")
	made := w.made(client)
	if len(made) != 1 || made[0].State != "paid" || made[0].Amount != cny(21_50) || made[0].Tip != 1_50 {
		t.Errorf("orders: %+v", made)
	}
}
