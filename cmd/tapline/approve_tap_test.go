package main

import (
	"strings"
	"testing"
	"time"

	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
)

// asked pays with the card's number from a device of somebody else's, as far as that goes.
func (c *checkout) asked() {
	c.t.Helper()
	key, err := consent.NewDeviceKey()
	c.must(err)
	kiosk := &device.Client{URL: c.service.url, Key: key, Now: time.Now}
	_, err = kiosk.Register(c.t.Context(), "Kiosk")
	c.must(err)
	payee, err := kiosk.Payee(c.t.Context(), "books@shop")
	c.must(err)
	order, err := kiosk.Order(money.Amount{Minor: 12_50, Currency: "CNY"}, payee, consent.Order{})
	c.must(err)
	draft, err := order.Tap(testCardNumber)
	c.must(err)
	p, err := draft.Send(c.t.Context())
	c.must(err)
	_, err = p.Authenticate(c.t.Context(), "470916")
	c.must(err)
	s, err := p.Statement()
	c.must(err)
	_, err = p.Confirm(c.t.Context(), s)
	c.must(err)
}

func TestPaymentCardApprovesOnARealReader(t *testing.T) {
	virtual := &cardtest.EMV{Number: cardtest.Number(testCardNumber), AID: "A0000000031010", Proof: cardtest.NewProof(oda.FDDA)}
	c := openCheckout(t, virtual)
	c.asked()
	c.must(c.reader.Insert(t.Context(), &cardtest.EMV{Number: cardtest.Number(testCardNumber), AID: "A0000000031010"}))
	code, out, errs := runQuietly(t.Context(), "approve", "--once", "--decide", "approve", "--tap", "--json")
	if code != 1 || !strings.Contains(errs, "tap_refused") {
		t.Errorf("a copy: %d\n%s%s", code, out, errs)
	}
	c.reader.Remove()
	c.must(c.reader.Insert(t.Context(), virtual))
	code, out, errs = runQuietly(t.Context(), "approve", "--once", "--decide", "approve", "--tap", "--json")
	if code != 0 || !strings.Contains(out, `"state":"settled"`) {
		t.Errorf("the card itself: %d\n%s%s", code, out, errs)
	}
	if strings.Contains(out+errs, testCardNumber) {
		t.Errorf("the number is shown:\n%s%s", out, errs)
	}
}
