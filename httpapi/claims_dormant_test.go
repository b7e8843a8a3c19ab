package httpapi_test

import (
	"slices"
	"testing"
	"time"

	"tapline/payment"
)

// A thief finds a card in a drawer, and the phone beside it.
func TestADormantAccountNeedsEverythingOnce(t *testing.T) {
	const dormant = 365 * 24 * time.Hour
	p := limited(payment.LevelTap)
	p.DormantAfter = dormant
	w := openSUN(t, withPolicy(p))
	expect := func(when string, want ...string) {
		t.Helper()
		if did := w.finish(w.paid(w.phone, w.fresh(), 500)); !slices.Equal(did, want) {
			t.Errorf("%s a payment took %v, want %v", when, did, want)
		}
	}
	unused := func(since time.Time) (ids []string) {
		t.Helper()
		list, err := w.operator.UnusedAccounts(w.ctx, since)
		w.must(err)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return ids
	}
	account := w.issued.Card.Account
	w.clock.Advance(dormant - time.Hour)
	expect("before that", "settled")
	w.clock.Advance(dormant - 48*time.Hour)
	since := w.clock.Now()
	if slices.Contains(unused(since.Add(-dormant)), account) || !slices.Contains(unused(since), account) {
		t.Errorf("two days before it is dormant %s is among %v, or now not among %v", account, unused(since.Add(-dormant)), unused(since))
	}
	w.clock.Advance(72 * time.Hour)
	if got := unused(w.clock.Now().Add(-dormant)); !slices.Contains(got, account) {
		t.Errorf("the dormant account %s is not among %v", account, got)
	}
	w.expectState(w.paid(w.kiosk, w.fresh(), 500), payment.AuthenticationRequired)
	expect("then", "authenticate", "confirm", "settled")
	expect("after that", "settled")
	if got := unused(w.clock.Now().Add(-dormant)); slices.Contains(got, account) {
		t.Errorf("the account that has paid is among %v", got)
	}
}
