package payment

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tapline/ledger"
	"tapline/money"
)

// paid is a settled payment of 12.50.
func paid() Payment {
	p := in(Payment{Terms: terms(LevelApprove, "kiosk")}, ApprovalRequired)
	o, err := Step(p, Command{Verb: Approve, By: "phone", Digest: "d"}, start.Add(time.Second))
	if err != nil {
		panic(err)
	}
	return o.Payment
}

func asked(minor int64) Refund {
	return Refund{ID: "ref_1", PayeeAccount: "acc_new", Amount: money.Amount{Minor: minor, Currency: "CNY"}, Reason: "sold out", APIKey: "key_1"}
}

func TestARefundNamesThePaymentAndGoesBackToItsCardAccount(t *testing.T) {
	before := paid()
	p, r, e, err := before.Refund(asked(500), start.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	want := Refund{ID: "ref_1", Payment: "pay_1", Amount: money.Amount{Minor: 500, Currency: "CNY"}, Total: 500, Payee: "books@shop",
		PayeeAccount: "acc_new", CardAccount: "acc_card", Reason: "sold out", APIKey: "key_1", At: start.Add(time.Hour)}
	if r != want {
		t.Errorf("the refund is %+v, want %+v", r, want)
	}
	before.Refunded, before.Version = 500, before.Version+1
	if p != before {
		t.Errorf("the payment is %+v, want %+v", p, before)
	}
	if got, want := fmt.Sprint(e), fmt.Sprint(ledger.Entry{ID: "ref_1/post", Action: ledger.Post, Reference: "ref_1", At: r.At,
		Postings: []ledger.Posting{{Debit: "acc_new", Credit: "acc_card", Amount: r.Amount}}}); got != want {
		t.Errorf("the entry is %s, want %s", got, want)
	}
	rest, r, _, err := p.Refund(Refund{ID: "ref_2"}, start.Add(time.Hour))
	if err != nil || r.Amount.Minor != 750 || r.Total != 1250 || rest.Refundable() != 0 {
		t.Errorf("the rest: %+v, %v", r, err)
	}
}

// TestARefundIsRefusedForTheFirstReasonThatHolds goes through every state and amount.
func TestARefundIsRefusedForTheFirstReasonThatHolds(t *testing.T) {
	for _, s := range States {
		for _, rehearsal := range []bool{false, true} {
			p := in(Payment{Terms: terms(LevelApprove, "kiosk")}, s)
			p.Rehearsal, p.EndedAt = rehearsal, start
			if s == Settled && !rehearsal {
				continue
			}
			if s == Settled {
				p.State = Rehearsed
			}
			if got, _, _, err := p.Refund(asked(1), start); !errors.Is(err, ErrNotRefundable) || got != p || p.Refundable() != 0 {
				t.Errorf("of a payment that is %s: %v", p.State, err)
			}
		}
	}
	jpy := asked(1)
	jpy.Amount.Currency = "JPY"
	empty := asked(0)
	none := asked(0)
	none.Amount.Currency = ""
	spent := paid()
	spent.Refunded = spent.Amount.Minor
	for _, c := range []struct {
		name string
		of   Payment
		ask  Refund
		want error
	}{
		{"another currency", paid(), jpy, ErrRefundCurrency},
		{"nothing", paid(), empty, ErrRefundTooMuch},
		{"less than nothing", paid(), asked(-1), ErrRefundTooMuch},
		{"one more", paid(), asked(1251), ErrRefundTooMuch},
		{"the most there is", paid(), asked(money.MaxMinor), ErrRefundTooMuch},
		{"what overflows", paid(), asked(1<<63 - 1), ErrRefundTooMuch},
		{"what overflows downwards", paid(), asked(-1 << 63), ErrRefundTooMuch},
		{"the rest of nothing", spent, none, ErrRefunded},
		{"one of nothing", spent, asked(1), ErrRefunded},
	} {
		if got, _, _, err := c.of.Refund(c.ask, start.Add(time.Hour)); !errors.Is(err, c.want) || got != c.of {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestARefundIsNotMadeBeforeThePaymentSettled(t *testing.T) {
	p := paid()
	if _, r, _, err := p.Refund(asked(1), p.EndedAt.Add(-time.Hour)); err != nil || !r.At.Equal(p.EndedAt) {
		t.Errorf("at %v, %v; want %v", r.At, err, p.EndedAt)
	}
}

// However it is cut up, no more is refunded than was settled, and the books say the same as the payment.
func TestRefundsNeverExceedThePayment(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := terms(LevelTap, "phone")
		x.Amount.Minor = rapid.Int64Range(1, 60).Draw(t, "paid")
		l := newLife(x, 100)
		l.now = start
		l.try(t, Command{Verb: Instruct})
		p, spent := l.p, int64(0)
		for i := range rapid.IntRange(1, 30).Draw(t, "refunds") {
			ask := Refund{ID: RefundID(fmt.Sprint("ref_", i)), PayeeAccount: "acc_shop"}
			if minor := rapid.Int64Range(-2, 30).Draw(t, "minor"); minor != -2 {
				ask.Amount = money.Amount{Minor: minor, Currency: "CNY"}
			}
			// The payee spends some of it otherwise.
			if free := l.books["acc_shop"].Available(); free > 0 && rapid.IntRange(0, 9).Draw(t, "spends") == 0 {
				a := l.books["acc_shop"]
				a.DebitsPosted += free
				l.books["acc_shop"], spent = a, spent+free
			}
			next, r, e, err := p.Refund(ask, l.now)
			if err != nil {
				if next != p {
					t.Fatalf("refused with %v, but changed: %+v", err, next)
				}
				continue
			}
			changed, err := ledger.Apply(l.find, e)
			if err != nil {
				if !errors.Is(err, ledger.ErrInsufficientFunds) {
					t.Fatal(err)
				}
				continue // dropped
			}
			for _, a := range changed {
				l.books[a.ID] = a
			}
			if r.Total != p.Refunded+r.Amount.Minor || next.Version != p.Version+1 {
				t.Fatalf("from %+v by %+v to %+v", p, r, next)
			}
			p = next
		}
		card, shop := l.books["acc_card"].Balance(), l.books["acc_shop"].Balance()
		if p.Refunded < 0 || p.Refunded > p.Amount.Minor || card != 100-p.Amount.Minor+p.Refunded || shop != p.Amount.Minor-p.Refunded-spent || shop < 0 {
			t.Fatalf("%d of %d refunded, card %d, payee %d, spent %d", p.Refunded, p.Amount.Minor, card, shop, spent)
		}
	})
}
