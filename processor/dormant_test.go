package processor_test

import (
	"testing"
	"time"

	"tapline/payment"
	. "tapline/processor"
)

// TestAPaymentThatCameToNothingWakesNobody is about a thief with a card out of a drawer, who knows its PIN, and has no device of its
// holder's: a payment that only waits, or was cancelled, must not open the way for the next.
func TestAPaymentThatCameToNothingWakesNobody(t *testing.T) {
	s := openShop(t, func(c *Config) {
		c.Policy.Level, c.Policy.DormantAfter = payment.LevelAuthenticate, 365*24*time.Hour
	})
	s.clock.Advance(400 * 24 * time.Hour)
	expect := func(when string, want payment.Level) {
		t.Helper()
		i := s.instruct(kiosk, 500)
		i.Assurance = payment.Authentic
		s.must(i)
		if i.Payment.Level != want {
			t.Errorf("%s a payment needs %s, want %s", when, i.Payment.Level, want)
		}
	}
	held := func() payment.Payment {
		t.Helper()
		p, err := s.confirm(s.authenticated(kiosk, 500))
		if err != nil || p.State != payment.ApprovalRequired {
			t.Fatalf("it is %s: %v", p.State, err)
		}
		return p
	}
	expect("first", payment.LevelApprove)
	p := held()
	expect("while another waits for its holder", payment.LevelApprove)
	s.must(&Cancel{Payment: p.ID, Device: kiosk})
	expect("once that is cancelled", payment.LevelApprove)
	p = held()
	if _, err := s.approve(p, s.code(p)); err != nil {
		t.Fatal(err)
	}
	expect("once the holder has paid", payment.LevelAuthenticate)
	p = held()
	s.must(&Cancel{Payment: p.ID, Device: kiosk})
	expect("once the holder has paid, and cancelled", payment.LevelAuthenticate)
}
