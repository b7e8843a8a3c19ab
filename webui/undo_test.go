package webui_test

import (
	"testing"
	"time"

	"tapline/payee"
)

// TestPayerUndoesAPaymentOrSeesItPaid: where the payee lets payments be undone, the page says so before the payer confirms, and what
// becomes of it.
func TestPayerUndoesAPaymentOrSeesItPaid(t *testing.T) {
	w := openWorld(t)
	_, err := (&payee.Client{URL: w.url, APIKey: w.shop.APIKey}).SetUndo(w.ctx, time.Minute)
	w.must(err)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	confirmed := func() {
		payer.send(w.url)
		payer.see("Enter the card’s PIN")
		payer.enter(pin)
		payer.see("Is this right?")
		payer.see("May be undone")
		payer.see("before its money moves")
		payer.press("Pay CN¥12.50")
		payer.see("The payee lets you undo this payment.")
	}
	confirmed()
	payer.accessible("undoable")
	payer.press("Undo the payment")
	payer.see("Cancelled")
	payer.see("No money has moved.")
	payer.press("Start again")
	payer.see("Tap your card")
	confirmed()
	if got := w.balance(w.shop.Account); got != 0 {
		t.Errorf("the shop has %d while the payment can be undone", got)
	}
	w.wait(time.Minute)
	payer.open(w.url + order) // comes back
	payer.see("Paid")
	if got := w.balance(w.shop.Account); got != 12_50 {
		t.Errorf("the shop has %d, want 1250", got)
	}
}
