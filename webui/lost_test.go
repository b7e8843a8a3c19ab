package webui_test

import "testing"

// Sending the instruction fails on the way there, or on the way back. Its outcome is asked for before anything is sent
// again, so that nobody is told that a payment did not work which did, and pays twice.
func TestLostConnectionAtSendPaysOnce(t *testing.T) {
	for name, goesThrough := range map[string]string{"lost on the way": "false", "answer lost": "true"} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			payer := newPerson(t, browser(t), "payer")
			w.activate(payer)
			payer.open(w.url + order)
			payer.press("City card")
			payer.see("Check before you send")
			eval[bool](payer, `(() => {
				const through = fetch;
				globalThis.fetch = async (at, how) => {
					if (at !== '/v1/payments') return through(at, how);
					if (`+goesThrough+`) await through(at, how);
					throw new TypeError('lost');
				};
				globalThis.found = () => { globalThis.fetch = through; };
				return true;
			})()`)
			payer.press("Send")
			payer.until(`document.body.innerText.includes('The connection is gone')`, "says that the connection is gone")
			eval[bool](payer, `(found(), true)`)
			payer.press("Ask again")
			payer.enter(pin)
			payer.press("Pay CN¥12.50")
			payer.see("Paid")
			if got := w.balance(w.shop.Account); got != 12_50 {
				t.Errorf("the shop has %d", got)
			}
		})
	}
}

// A page of somebody else may open an order of its own. It must not be what the next tap of the card is asked to pay.
func TestOrderOfLongAgoIsForgotten(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	payer.open(w.url + order)
	payer.see("Tap your card")
	payer.open(w.url + "/pay")
	payer.see("Two books") // a reload comes back to it
	eval[bool](payer, `(() => {
		const kept = JSON.parse(localStorage.getItem('tapline.order'));
		localStorage.setItem('tapline.order', JSON.stringify({ ...kept, at: kept.at - 16 * 60_000 }));
		return true;
	})()`)
	payer.open(w.url + "/t#" + w.tap())
	payer.see("Your card")
}
