package webui_test

import (
	"fmt"
	"testing"

	"tapline/api"
	"tapline/payment"
)

// charge sets the fee that payers pay to all payees.
func (w *world) charge(points int, fixed int64) {
	w.Helper()
	_, err := w.operator.SetFee(w.ctx, api.NewTariff{Currency: "CNY", Fee: api.Fee{BasisPoints: points, Fixed: fixed}, BorneBy: "payer"})
	w.must(err)
}

// TestPayerSeesTheFeeBeforeTheTapAndWhereverItIsConfirmed, and a tariff that has changed meanwhile is looked at anew.
func TestPayerSeesTheFeeBeforeTheTapAndWhereverItIsConfirmed(t *testing.T) {
	w := openWorld(t)
	payer := newPerson(t, browser(t), "payer")
	w.activate(payer)
	w.charge(150, 30)
	const line, both = "CN¥12.50 and a fee of CN¥0.49", "CN¥12.99"
	payer.open(w.url + order)
	payer.see("Tap your card")
	payer.see(line)
	payer.see(both)
	payer.press("City card")
	payer.see("Check before you send")
	payer.see(line)
	payer.accessible("review with a fee")

	w.charge(150, 31)
	payer.press("Send " + both)
	payer.see("The fee is another one by now.")
	if got := w.balance("fees-CNY"); got != 0 {
		t.Errorf("a fee of %d was taken", got)
	}
	payer.press("Try again")
	payer.see("CN¥12.50 and a fee of CN¥0.50")
	payer.press("City card")
	payer.press("Send CN¥13.00")
	payer.see("Enter the card’s PIN")
	payer.see("CN¥13.00")
	payer.enter(pin)
	payer.see("Is this right?")
	payer.see("CN¥12.50 and a fee of CN¥0.50")
	payer.press("Pay CN¥13.00")
	payer.see("Paid")
	payer.press("Show receipt")
	payer.see("Signed by the service")
	payer.see("CN¥0.50")
	if shop, fees := w.balance(w.shop.Account), w.balance("fees-CNY"); shop != 12_50 || fees != 50 {
		t.Errorf("the shop has %d, the operator %d", shop, fees)
	}
}

// TestPagesMakeTheFeeAsTheServiceDoes, to the last unit.
func TestPagesMakeTheFeeAsTheServiceDoes(t *testing.T) {
	w := openWorld(t)
	p := newPerson(t, browser(t), "payer")
	p.open(w.url + "/pay")
	p.see("Nothing to pay")
	for _, tariff := range []payment.Tariff{
		{Points: 150, Fixed: 30}, {Points: 1}, {Points: 33, Least: 7, Most: 90}, {Fixed: 5}, {Points: payment.MaxPoints, Fixed: 1_000_000_000_000_000}, {},
	} {
		tariff.Bearer = payment.PayerBears
		for _, minor := range []int64{1, 49, 50, 333, 1249, 1250, 99_999, 999_999_999_999_999, 1_000_000_000_000_000} {
			got := eval[int64](p, fmt.Sprintf(`(async () => {
				const { feeOf } = await import('/ui/money.js');
				return feeOf({ basis_points: %d, fixed: %d, least: %d, most: %d }, { minor: %d, currency: 'CNY' })?.minor ?? 0;
			})()`, tariff.Points, tariff.Fixed, tariff.Least, tariff.Most, minor))
			if want := tariff.Of(minor).Minor; got != want {
				t.Errorf("%v of %d is %d, want %d", tariff, minor, got, want)
			}
		}
	}
}
