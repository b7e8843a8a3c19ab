package webui_test

import (
	"fmt"
	"testing"
)

func TestApprovePageIsAccessibleInEveryState(t *testing.T) {
	in := browser(t)
	for _, dark := range []bool{false, true} {
		t.Run(fmt.Sprintf("dark=%v", dark), func(t *testing.T) {
			w := openWorld(t)
			phone, payer, other := newPerson(t, in, "phone"), newPerson(t, in, "payer"), newPerson(t, in, "other")
			if dark {
				phone.dark()
			}
			sees := func(text string) {
				t.Helper()
				phone.see(text)
				if dark {
					phone.legible(text)
				} else {
					phone.accessible(text)
				}
			}
			phone.open(w.url + "/approve")
			sees("This device approves for no card")
			w.approver(phone)
			sees("Live")
			digits := payer.asks(w)
			sees("Is this your payment?")
			phone.press("Tap the card instead")
			sees("Tap the same card on this device to approve.")
			phone.press("Type the digits instead")
			phone.fill("Digits on the other device", wrongDigits(digits))
			phone.press("Approve CN¥12.50")
			sees("2 tries are left")
			phone.press("This wasn’t me")
			sees("Freeze the card?")
			phone.press("Back")
			other.asks(w)
			phone.press("2 payments wait")
			phone.until(`document.querySelectorAll('.requests button').length === 2`, "lists both")
			phone.legible("both")
			other.press("Cancel")
			sees("It was cancelled on the device that asked.")
			phone.offline(true)
			sees("Not live: there is no connection.")
			phone.offline(false)
			phone.see("Live: you see requests at once.")
			phone.open(w.url + "/t#" + w.tap())
			sees("The card was tapped.")
			phone.press("Approve CN¥12.50")
			sees("Approved")
		})
	}
}
