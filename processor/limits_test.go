package processor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/ledger"
	"tapline/payment"
	. "tapline/processor"
)

// limit sets the limits of an account.
func (s *shop) limit(id ledger.AccountID, l ledger.Limits) {
	s.t.Helper()
	s.must(&SetLimits{Operated: Operated{By: chief, Note: "asked for"}, Account: id, Limits: l})
}

// rules sets the cardholder's rules.
func (s *shop) rules(r payment.Rules) {
	s.t.Helper()
	begun := &ReserveTry{Device: phone, Card: s.card}
	s.must(begun)
	c := NewSetLevel(begun, true, 0)
	c.Rules = &r
	s.must(c)
}

// ends confirms a payment from the phone, and says how it ended.
func (s *shop) ends(minor int64) string {
	s.t.Helper()
	p, err := s.confirm(s.authenticated(phone, minor))
	if err != nil {
		s.t.Fatal(err)
	}
	return string(p.State) + string(p.Reason)
}

func (s *shop) expectEnds(minor int64, want string) {
	s.t.Helper()
	if got := s.ends(minor); got != want {
		s.t.Errorf("a payment of %d: %s, want %s", minor, got, want)
	}
}

func TestLimitsOfCardHolderAndPayee(t *testing.T) {
	s := openShop(t)
	for _, tc := range []struct {
		whose string
		set   func(ledger.Limits)
	}{
		{"card", func(l ledger.Limits) { s.limit("acc_card", l) }},
		{"own", func(l ledger.Limits) { s.rules(payment.Rules{Limits: l}) }},
		{"payee", func(l ledger.Limits) { s.limit("acc_shop", l) }},
	} {
		s.clock.Advance(31 * 24 * time.Hour)
		over := func(limit ledger.Limit) string { return "rejectedlimit_exceeded/" + tc.whose + "_" + string(limit) }
		tc.set(ledger.Limits{Payment: 100, DaySum: 150, MonthCount: 3})
		s.expectEnds(101, over(ledger.LimitPayment))
		s.expectEnds(100, "settled")
		s.expectEnds(51, over(ledger.LimitDaySum))
		s.expectEnds(50, "settled")
		s.clock.Advance(24 * time.Hour)
		s.expectEnds(1, "settled")
		s.expectEnds(1, over(ledger.LimitMonthCount))
		tc.set(ledger.Limits{})
		s.expectEnds(101, "settled")
	}
}

// Payments that were all authenticated before any of them was confirmed keep a limit together.
func TestPaymentsAtOnceKeepALimitTogether(t *testing.T) {
	s := openShop(t)
	s.limit("acc_card", ledger.Limits{DaySum: 250})
	var open []payment.Payment
	for range 5 {
		open = append(open, s.authenticated(phone, 100))
	}
	got := map[string]int{}
	for _, p := range open {
		after, err := s.confirm(p)
		if err != nil {
			t.Fatal(err)
		}
		got[string(after.State)]++
	}
	if diff := cmp.Diff(map[string]int{"settled": 2, "rejected": 3}, got); diff != "" {
		t.Errorf("payments (-want +got):\n%s", diff)
	}
	s.expectMoney(9800, 0, 200)
}

func TestPaymentsAtOnTwoNodesKeepALimitTogether(t *testing.T) {
	nodes := openNodes(t)
	for _, account := range []ledger.AccountID{"acc_card", "acc_shop"} {
		nodes[0].clock.Advance(24 * time.Hour)
		nodes[0].limit(account, ledger.Limits{DayCount: 3})
		var open [2][]payment.Payment
		for i, n := range nodes {
			for range 4 {
				open[i] = append(open[i], n.authenticated(phone, 10))
			}
		}
		var got count
		together(nodes, 4, func(n *shop, i int) {
			at := 0
			if n == nodes[1] {
				at = 1
			}
			after, err := n.confirm(open[at][i])
			got.add(fmt.Sprint(after.State, " ", err))
		})
		got.expect(t, map[string]int{"settled <nil>": 3, "rejected <nil>": 5})
		nodes[0].limit(account, ledger.Limits{})
	}
}

func TestALimitThatIsLoweredCountsForOpenPayments(t *testing.T) {
	s := openShop(t)
	waiting := s.authenticated(phone, 100)
	held, err := s.confirm(s.authenticated(kiosk, 100))
	if err != nil {
		t.Fatal(err)
	}
	s.limit("acc_card", ledger.Limits{Payment: 50})
	if after, err := s.confirm(waiting); err != nil || after.Reason.Limit() != "card_payment" {
		t.Errorf("a payment that was not confirmed: %s (%s), %v", after.State, after.Reason, err)
	}
	// What people have confirmed, and is held, is not refused at its settlement.
	if a, err := s.approve(held, s.code(held)); err != nil || a.After.State != payment.Settled {
		t.Errorf("a payment that was held: %s (%s), %v", a.After.State, a.After.Reason, err)
	}
}

func TestWhatIsReleasedIsGivenBackOnceAndWhatIsRefundedIsNot(t *testing.T) {
	s := openShop(t)
	s.limit("acc_card", ledger.Limits{DaySum: 100})
	ended := func(end func(payment.Payment)) {
		t.Helper()
		p, err := s.confirm(s.authenticated(kiosk, 100))
		if err != nil || p.State != payment.ApprovalRequired {
			t.Fatalf("%s (%s), %v", p.State, p.Reason, err)
		}
		s.expectEnds(1, "rejectedlimit_exceeded/card_day_sum") // held money counts
		end(p)
	}
	ended(func(p payment.Payment) { s.must(&Cancel{Payment: p.ID, Device: kiosk}) })
	ended(func(p payment.Payment) {
		s.clock.Advance(payment.ApprovalWait)
		s.must(Touch{Payments: []payment.ID{p.ID}})
	})
	ended(func(p payment.Payment) {
		if _, err := s.approve(p, s.code(p)); err != nil {
			t.Fatal(err)
		}
	})
	s.expectEnds(1, "rejectedlimit_exceeded/card_day_sum")
	if got := s.account("acc_shop").Turnover; got.DayCount != 1 || got.DaySum != 100 {
		t.Errorf("the payee's turnover is %+v, want one payment of 100", got)
	}
}

// What is held before midnight counts for the day before, and gives nothing back to the new one.
func TestAHoldOverMidnightCountsForItsOwnDay(t *testing.T) {
	s := openShop(t)
	s.clock.Advance(12*time.Hour - time.Minute) // a minute before midnight
	s.limit("acc_card", ledger.Limits{DaySum: 100})
	p, err := s.confirm(s.authenticated(kiosk, 100))
	if err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Minute)
	s.expectEnds(60, "settled")
	s.must(&Cancel{Payment: p.ID, Device: kiosk})
	s.expectEnds(41, "rejectedlimit_exceeded/card_day_sum")
	s.expectEnds(40, "settled")
}

func TestANewAccountOfAPayeeLiftsNoLimit(t *testing.T) {
	s := openShop(t)
	s.limit("acc_shop", ledger.Limits{DaySum: 100})
	s.expectEnds(100, "settled")
	s.must(&MovePayee{Operated: Operated{By: chief}, Handle: payee, Account: "acc_new"})
	s.expectEnds(1, "rejectedlimit_exceeded/payee_day_sum")
}

func TestOperatorsLimitsForAllCount(t *testing.T) {
	s := openShop(t)
	s.config.Limits = Limits{Cards: ledger.Limits{Payment: 100, DaySum: 500}, Payees: ledger.Limits{DaySum: 600}}
	s.reopen()
	s.expectEnds(101, "rejectedlimit_exceeded/card_payment")
	s.rules(payment.Rules{Limits: ledger.Limits{Payment: 300}}) // a holder cannot ask for more
	s.expectEnds(101, "rejectedlimit_exceeded/card_payment")
	s.limit("acc_card", ledger.Limits{Payment: 400}) // an operator can, for a card
	s.expectEnds(301, "rejectedlimit_exceeded/own_payment")
	s.expectEnds(300, "settled")
	s.expectEnds(201, "rejectedlimit_exceeded/card_day_sum") // what is not set for it is as for all
	s.limit("acc_card", ledger.Limits{DaySum: 1000})
	s.expectEnds(100, "settled")
	s.expectEnds(100, "settled")
	s.expectEnds(100, "settled")
	s.expectEnds(1, "rejectedlimit_exceeded/payee_day_sum")
}

func TestNoPaymentAtNight(t *testing.T) {
	s := openShop(t) // at 12:00 UTC, 20:00 in Shanghai
	s.rules(payment.Rules{Night: payment.Night{From: 22 * 60, Until: 6 * 60, Zone: "Asia/Shanghai"}})
	for _, step := range []struct {
		pause time.Duration
		want  string
	}{
		{2*time.Hour - time.Second, "settled"}, // 21:59:59
		{time.Second, "rejectedlimit_exceeded/own_night"},
		{8*time.Hour - time.Second, "rejectedlimit_exceeded/own_night"}, // 05:59:59
		{time.Second, "settled"},
	} {
		s.clock.Advance(step.pause)
		s.expectEnds(1, step.want)
	}
	s.rules(payment.Rules{Night: payment.Night{From: 0, Until: 1, Zone: "Nowhere/Land"}})
	s.expectEnds(1, "rejectedlimit_exceeded/own_night") // nobody knows what time it is there
}
