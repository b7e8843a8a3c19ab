package webui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestAChangedPayeeAccountIsReadBeforeTheGesture: where one gesture pays, it is not asked for before the payer could read that
// the payee's account has changed.
func TestAChangedPayeeAccountIsReadBeforeTheGesture(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	payer.authenticator()
	eval[string](payer, fmt.Sprintf(`(async () => {
		const { register } = await import('/ui/passkey.js');
		return (await register({ id: %q, label: 'City card' }, 'phone', %q)).label;
	})()`, w.issued.Card.ID, pin))
	pay := func(number string) {
		payer.open(w.url + strings.Replace(order, "1045", number, 1))
		payer.see("Tap your card")
		payer.press("City card")
		payer.see("Check before you send")
		payer.press("Send")
	}
	pay("1045")
	payer.see("Paid")
	old := w.shop.Account
	moved, err := w.operator.MovePayee(w.ctx, "books@shop", "", "new bank")
	w.must(err)
	pay("1046")
	payer.see("Is this right?")
	payer.see("has changed since this card last paid there")
	payer.see(moved.Account)
	if sent := w.requests(); slices.ContainsFunc(sent[max(0, len(sent)-3):], func(r string) bool { return strings.HasSuffix(r, "/confirmation") }) {
		t.Errorf("confirmed before it was read: %v", sent)
	}
	if got := w.balance(moved.Account); got != 0 {
		t.Errorf("the new account has %d", got)
	}
	payer.press("Confirm CN¥12.50")
	payer.see("Paid")
	if was, is := w.balance(old), w.balance(moved.Account); was != 12_50 || is != 12_50 {
		t.Errorf("the old account has %d, the new one %d", was, is)
	}

	// Once is enough.
	pay("1047")
	payer.see("Paid")
}
