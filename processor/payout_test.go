package processor_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"tapline/payment"
	"tapline/payout"
	. "tapline/processor"
)

const second OperatorID = "second"

var (
	planID  = PlanID{Payee: payee, Currency: "CNY"}
	atBank  = payout.BankAccount{Name: "Book Shop", IBAN: "GB82WEST12345698765432"}
	atThief = payout.BankAccount{Name: "Book Shop", IBAN: "DE89370400440532013000"}
	ours    = payout.BankAccount{Name: "Operator", IBAN: "NO9386011117947"}
	by      = Operated{By: chief, Note: "of the day"}
)

// richShop is a shop with 90.00, a bank account, and a second operator.
func richShop(t *testing.T) *shop {
	s := openShop(t)
	s.enrich()
	return s
}

func (s *shop) enrich() {
	s.must(&EnrolOperator{Operated: by, New: Operator{ID: second, Name: "Second", PublicKey: []byte("{}")}})
	if _, err := s.confirm(s.authenticated(phone, 9000)); err != nil {
		s.t.Fatal(err)
	}
	s.must(&SetBankAccount{Operated: by, PlanID: planID, To: atBank})
}

func pay(id payout.ID, minor int64) *MakePayout {
	return &MakePayout{Operated: by, Payee: payee, ID: id, Minor: minor}
}

func step(id payout.ID, v payout.Verb, op OperatorID) *StepPayout {
	return &StepPayout{Operated: Operated{By: op}, ID: id, Verb: v}
}

func send(file payout.FileID, ids ...payout.ID) *SendPayouts {
	return &SendPayouts{Operated: by, File: PayoutFile{ID: file, Currency: "CNY", From: ours, On: "2026-03-02"}, Payouts: ids}
}

// expectShop compares what the payee has, and what of it is set aside.
func (s *shop) expectShop(balance, held int64) {
	s.t.Helper()
	if a := s.account("acc_shop"); a.Balance() != balance || a.DebitsPending != held {
		s.t.Errorf("the payee has %d with %d set aside, want %d and %d", a.Balance(), a.DebitsPending, balance, held)
	}
}

func (s *shop) refuses(c Command, want error) {
	s.t.Helper()
	if err := s.do(c); !errors.Is(err, want) {
		s.t.Errorf("%T: %v, want %v", c, err, want)
	}
}

func TestAFileHasEachPayoutOnce(t *testing.T) {
	s := richShop(t)
	s.must(pay("out_1", 4000))
	c := send("pof_1", "out_1", "out_1")
	s.must(c)
	if len(c.Sent) != 1 || c.File.Payouts != 1 || c.File.Total != 4000 {
		t.Errorf("named twice: %d payouts, %d of %d in the file", len(c.Sent), c.File.Payouts, c.File.Total)
	}
}

func TestPayoutsAreSetAsideSentAndPosted(t *testing.T) {
	s := richShop(t)
	s.must(pay("out_1", 4000))
	s.expectShop(9000, 4000)
	s.refuses(pay("out_2", 5001), ErrAccountBalance)
	s.refuses(step("out_1", payout.Confirm, chief), payout.ErrNotNow)
	s.must(send("pof_1", "out_1", "out_none"))
	s.refuses(step("out_1", payout.Cancel, chief), payout.ErrNotNow)
	s.must(step("out_1", payout.Confirm, chief))
	s.expectShop(5000, 0)
	s.refuses(step("out_1", payout.Confirm, chief), payout.ErrNotNow)
	s.must(pay("out_3", 0)) // all that is left
	s.expectShop(5000, 5000)
	s.must(step("out_3", payout.Cancel, chief))
	s.expectShop(5000, 0)
	s.refuses(send("pof_2", "out_1", "out_3"), ErrNothingReady)
	s.must(step("out_1", payout.Return, chief)) // the bank gives it back
	s.expectShop(9000, 0)
	s.refuses(step("out_1", payout.Return, chief), payout.ErrNotNow)
	s.refuses(step("out_1", payout.Confirm, chief), payout.ErrNotNow)
	s.must(pay("out_4", 9000))
	s.must(send("pof_3", "out_4"))
	s.must(step("out_4", payout.Return, chief)) // the bank never paid it
	s.expectShop(9000, 0)
	s.refuses(step("out_4", payout.Return, chief), payout.ErrNotNow)
}

func TestNobodySpendsWhatIsOnItsWayToTheBank(t *testing.T) {
	s := richShop(t)
	var p payment.Payment
	s.payments(&p)
	s.must(pay("out_1", 8500))
	refund := &Refund{Payment: p.ID, By: payee, Refund: payment.Refund{ID: "ref_1", Amount: cny(600)}}
	s.refuses(refund, ErrPayeeBalance)
	refund.Refund.Amount = cny(500)
	s.must(refund)
	s.must(send("pof_1", "out_1"))
	s.must(step("out_1", payout.Confirm, chief))
	s.expectShop(0, 0)
}

// payments reads the newest payment to the payee.
func (s *shop) payments(to *payment.Payment) {
	s.t.Helper()
	err := s.store.View(s.t.Context(), func(r Reader) error {
		all, err := r.Payments(PaymentQuery{Payee: payee, Limit: 1})
		*to = all[0]
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestPayoutsTakeTwoAboveTheLimit(t *testing.T) {
	s := richShop(t)
	big := pay("out_1", 501)
	big.Alone = 500
	s.must(big)
	if big.Made.State != payout.Requested {
		t.Fatalf("above the limit it is %s", big.Made.State)
	}
	s.expectShop(9000, 501)
	s.refuses(send("pof_1", "out_1"), ErrNothingReady)
	s.refuses(step("out_1", payout.Approve, chief), ErrSameOperator)
	s.must(step("out_1", payout.Approve, second))
	own := &MakePayout{Payee: payee, ID: "out_2", Minor: 600, Alone: 500} // the payee's program asks, one operator approves
	s.must(own)
	s.must(step("out_2", payout.Approve, chief))
	s.must(send("pof_1", "out_1", "out_2"))
	back := step("out_1", payout.Return, chief)
	back.Alone = 500
	s.must(back)
	s.expectShop(9000, 1101) // asked for: nothing has moved
	s.refuses(back, ErrSameOperator)
	other := step("out_1", payout.Return, second)
	other.Alone = 500
	s.must(other)
	s.expectShop(9000, 600)
}

// TestAReturnThatWasAskedForBeforeTheBankPaidIsNoHalfOfALaterOne is about one operator who finds what another one has asked for,
// and what came to nothing when the bank paid after all.
func TestAReturnThatWasAskedForBeforeTheBankPaidIsNoHalfOfALaterOne(t *testing.T) {
	s := richShop(t)
	s.must(pay("out_1", 600))
	s.must(send("pof_1", "out_1"))
	back := func(op OperatorID) *StepPayout {
		c := step("out_1", payout.Return, op)
		c.Alone = 500
		return c
	}
	s.must(back(chief))
	s.must(step("out_1", payout.Confirm, second))
	s.must(back(second)) // asks for it
	s.expectShop(8400, 0)
	s.refuses(back(second), ErrSameOperator)
	s.must(back(chief))
	s.expectShop(9000, 0)
}

// TestAThiefWhoChangesTheBankAccountHasToWait is about somebody who acts as an operator just before a payout.
func TestAThiefWhoChangesTheBankAccountHasToWait(t *testing.T) {
	s := richShop(t)
	thief := &SetBankAccount{Operated: by, PlanID: planID, To: atThief, FourEyes: true, Delay: 24 * time.Hour}
	s.must(thief)
	decide := func(op OperatorID, confirm bool, version int64) *DecideBankAccount {
		return &DecideBankAccount{Operated: Operated{By: op}, PlanID: planID, Confirm: confirm, Version: version, Delay: 24 * time.Hour}
	}
	s.refuses(decide(chief, true, thief.After.Version), ErrSameOperator)
	s.clock.Advance(48 * time.Hour) // nobody has confirmed it: it never counts
	paid := pay("out_1", 100)
	s.must(paid)
	if paid.Made.To != atBank {
		t.Error("paid to the unconfirmed account")
	}
	// Another operator is shown an honest change, and the thief puts another in its place before the confirmation arrives.
	honest := &SetBankAccount{Operated: by, PlanID: planID, To: ours, FourEyes: true, Delay: 24 * time.Hour}
	s.must(honest)
	s.must(thief)
	s.refuses(decide(second, true, honest.After.Version), ErrBankChange)
	s.must(decide(second, true, thief.After.Version))
	s.refuses(decide(second, true, thief.After.Version+1), ErrBankChange) // confirmed once: the delay does not begin anew
	s.clock.Advance(24*time.Hour - time.Second)
	paid = pay("out_2", 100)
	s.must(paid)
	if paid.Made.To != atBank {
		t.Error("paid to the new account within the delay")
	}
	s.must(decide(chief, false, thief.After.Version+1)) // the payee has objected
	s.clock.Advance(time.Hour)
	paid = pay("out_3", 100)
	s.must(paid)
	if paid.Made.To != atBank {
		t.Error("paid to the rejected account")
	}
	s.must(&SetBankAccount{Operated: by, PlanID: planID, To: ours, Delay: time.Hour})
	s.clock.Advance(time.Hour)
	paid = pay("out_4", 100)
	s.must(paid)
	if paid.Made.To != ours {
		t.Error("the change does not count after the delay")
	}
	told := s.toldTo(PayeePrincipal(payee))
	for _, want := range []string{"payee.bank_account_requested", "payee.bank_account_confirmed", "payee.bank_account_rejected"} {
		if !slices.Contains(told, want) {
			t.Errorf("the payee was not told %s: %v", want, told)
		}
	}
}

func (s *shop) toldTo(p Principal) (types []string) {
	s.t.Helper()
	err := s.store.View(s.t.Context(), func(r Reader) error {
		events, _, err := r.Events(0, 1000, p)
		for _, e := range events {
			types = append(types, e.Type)
		}
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return types
}

func TestPayoutsThatCannotBe(t *testing.T) {
	s := openShop(t)
	s.refuses(pay("out_1", 1), ErrNoBankAccount)
	s.enrich()
	s.must(&SetPayoutSchedule{Operated: by, PlanID: planID, Schedule: payout.Schedule{Least: 100, Keep: 1000}})
	s.refuses(&MakePayout{Payee: payee, ID: "out_1", Minor: 99}, ErrPayoutLeast)
	s.refuses(&MakePayout{Payee: payee, ID: "out_1", Minor: 8001}, ErrAccountBalance) // into what is kept
	s.refuses(&MakePayout{Payee: "none@shop", ID: "out_1", Minor: 100}, ErrUnknownPayee)
	s.refuses(&MakePayout{Payee: payee, ID: "out_1", Minor: 100, Currency: "JPY"}, ErrCurrency)
	s.refuses(&MakePayout{Operated: by, Payee: payee, ID: "out_1", Minor: 100, Account: "acc_card"}, ErrCurrency)
	s.refuses(&MakePayout{Operated: Operated{By: "nobody"}, Payee: payee, ID: "out_1", Minor: 100}, ErrUnknownOperator)
	s.refuses(step("out_none", payout.Cancel, chief), ErrUnknownPayout)
	s.must(pay("out_1", 8500)) // an operator may
	s.must(step("out_1", payout.Cancel, chief))
	own := &MakePayout{Payee: payee, ID: "out_2"}
	s.must(own)
	if own.Made.Amount != cny(8000) {
		t.Errorf("all but what is kept is %v", own.Made.Amount)
	}
	s.must(&ClosePayee{Operated: by, Handle: payee, Closed: true})
}

func TestSchedulesPayOnce(t *testing.T) {
	s := richShop(t)
	s.must(&SetPayoutSchedule{Operated: by, PlanID: planID, Schedule: payout.Schedule{Every: payout.Daily, Minute: 13 * 60, Least: 500, Keep: 1000}})
	scheduled := func(n int) *PayScheduled {
		c := &PayScheduled{Plan: planID, ID: payout.ID(fmt.Sprint("out_", n))}
		s.must(c)
		return c
	}
	if scheduled(1).Made != nil {
		t.Error("it paid before its time")
	}
	s.clock.Advance(3 * 24 * time.Hour) // three were missed
	if p := scheduled(2).Made; p == nil || p.Amount != cny(8000) || p.AskedBy != BySchedule {
		t.Errorf("it made %+v", p)
	}
	if scheduled(3).Made != nil {
		t.Error("it paid twice")
	}
	s.clock.Advance(24 * time.Hour)
	if scheduled(4).Made != nil {
		t.Error("it paid what is to be kept")
	}
	s.expectShop(9000, 8000)
}

func TestOperatorsOnTwoNodesSendAPayoutOnce(t *testing.T) {
	nodes := openNodes(t)
	nodes[0].enrich()
	var ids []payout.ID
	for i := range 5 {
		ids = append(ids, payout.ID(fmt.Sprint("out_", i)))
		nodes[0].must(pay(ids[i], 1000))
	}
	var sent, confirmed, returned count
	together(nodes, 3, func(n *shop, i int) {
		if err := n.do(send(payout.FileID(fmt.Sprint("pof_", n.serial, i)), ids...)); err == nil {
			sent.add("sent")
		} else if !errors.Is(err, ErrNothingReady) {
			t.Error(err)
		}
	})
	sent.expect(t, map[string]int{"sent": 1})
	together(nodes, 5, func(n *shop, i int) {
		if err := n.do(step(ids[i], payout.Confirm, chief)); err == nil {
			confirmed.add("confirmed")
		} else if !errors.Is(err, payout.ErrNotNow) {
			t.Error(err)
		}
	})
	confirmed.expect(t, map[string]int{"confirmed": 5})
	nodes[0].expectShop(4000, 0)
	together(nodes, 5, func(n *shop, i int) {
		if err := n.do(step(ids[i], payout.Return, second)); err == nil {
			returned.add("returned")
		} else if !errors.Is(err, payout.ErrNotNow) {
			t.Error(err)
		}
	})
	returned.expect(t, map[string]int{"returned": 5})
	nodes[1].expectShop(9000, 0)
}

func TestASchedulePaysOnceOnTwoNodes(t *testing.T) {
	nodes := openNodes(t)
	nodes[0].enrich()
	nodes[0].must(&SetPayoutSchedule{Operated: by, PlanID: planID, Schedule: payout.Schedule{Every: payout.Daily}})
	for round := range 3 {
		nodes[0].clock.Advance(24 * time.Hour)
		var made count
		together(nodes, 4, func(n *shop, i int) {
			c := &PayScheduled{Plan: planID, ID: payout.ID(fmt.Sprint("out_", round, n.serial, i))}
			if err := n.do(c); err != nil {
				t.Error(err)
			} else if c.Made != nil {
				made.add("made")
			}
		})
		if round == 0 {
			made.expect(t, map[string]int{"made": 1})
		} else {
			made.expect(t, nil)
		}
	}
	nodes[0].expectShop(9000, 9000)
}
