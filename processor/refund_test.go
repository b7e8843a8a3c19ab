package processor_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	. "tapline/processor"
)

// settled is a payment from the phone that has gone all the way.
func (s *shop) settled(minor int64) payment.Payment {
	s.t.Helper()
	p, err := s.confirm(s.authenticated(phone, minor))
	if err != nil || p.State != payment.Settled {
		s.t.Fatalf("the payment is %s, %v", p.State, err)
	}
	return p
}

// refund is a command that gives minor units of a payment back, or what is left of it.
func (s *shop) refund(p payment.Payment, minor int64) *Refund {
	s.serial++
	c := &Refund{Payment: p.ID, By: payee, Refund: payment.Refund{ID: payment.RefundID(fmt.Sprintf("ref_%d", s.serial)), APIKey: "key_1"}}
	if minor != 0 {
		c.Refund.Amount = cny(minor)
	}
	return c
}

func TestARefundIsOutOfThePayeesBalanceAsItIsNow(t *testing.T) {
	s := openShop(t)
	first := s.settled(1000)
	s.must(&MovePayee{Operated: Operated{By: chief}, Handle: payee, Account: "acc_next"})
	if err := s.do(s.refund(first, 1)); !errors.Is(err, ErrPayeeBalance) {
		t.Errorf("out of an account without money: %v, want %v", err, ErrPayeeBalance)
	}
	s.settled(600)
	s.must(s.refund(first, 500))
	if err := s.do(s.refund(first, 0)); !errors.Is(err, ErrPayeeBalance) {
		t.Errorf("of all that is left: %v, want %v", err, ErrPayeeBalance)
	}
	s.must(s.refund(first, 100))
	s.expectMoney(9000, 0, 1000) // the old account has kept what it had
	if got := s.account("acc_next").Balance(); got != 0 {
		t.Errorf("the new account has %d, want 0", got)
	}
}

func TestARefundThatFailsLeavesNothing(t *testing.T) {
	s := openShop(t)
	p := s.settled(1000)
	c := s.refund(p, 1001)
	if err := s.do(c); !errors.Is(err, payment.ErrRefundTooMuch) {
		t.Errorf("more than was paid: %v", err)
	}
	for name, by := range map[string]payment.Handle{"another payee": "thief@shop", "nobody": ""} {
		c := s.refund(p, 1)
		if c.By = by; !errors.Is(s.do(c), ErrUnknownPayment) {
			t.Errorf("refunded by %s", name)
		}
	}
	rows := s.load(Wants{Payments: []payment.ID{p.ID}, Refunds: []payment.RefundID{c.Refund.ID}})
	if diff := cmp.Diff(Rows{Payments: []payment.Payment{p}}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	s.expectMoney(9000, 0, 1000)
}

func TestRefundsOfOneBatchSeeEachOther(t *testing.T) {
	s := openShop(t)
	p := s.settled(1000)
	errs := make(chan error, 7)
	for i := range 7 {
		c := s.refund(p, int64(300+i))
		go func() { errs <- s.do(c) }()
	}
	made := 0
	for range 7 {
		if err := <-errs; err == nil {
			made++
		} else if !errors.Is(err, payment.ErrRefundTooMuch) {
			t.Error(err)
		}
	}
	if made != 3 {
		t.Errorf("%d refunds of about a third each were made", made)
	}
}

func TestARefundOfAnotherCurrencyThanThePayeesIsRefused(t *testing.T) {
	s := openShop(t)
	p := s.settled(1000)
	c := s.refund(p, 0)
	c.Refund.Amount = money.Amount{Minor: 1, Currency: "JPY"}
	if err := s.do(c); !errors.Is(err, payment.ErrRefundCurrency) {
		t.Errorf("in yen: %v, want %v", err, payment.ErrRefundCurrency)
	}
}

func TestAFullCardAccountTakesNoRefund(t *testing.T) {
	s := openShop(t)
	p := s.settled(1000)
	full := s.account("acc_card")
	issuance := s.account("issuance-CNY")
	room := ledger.MaxTotal - full.CreditsPosted
	err := s.store.Update(t.Context(), func(tx Tx) error {
		if _, err := tx.Load(Wants{Accounts: []ledger.AccountID{full.ID, issuance.ID}}); err != nil {
			return err
		}
		full.CreditsPosted += room
		issuance.DebitsPosted += room
		return tx.Save(Changes{Changed: Rows{Accounts: []ledger.Account{full, issuance}}})
	})
	if err == nil {
		err = s.do(s.refund(p, 0))
	}
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("refund to a full account: %v, want %v", err, ErrTooLarge)
	}
	full.CreditsPosted -= room // as it was, for the books
	issuance.DebitsPosted -= room
	if err := s.store.Update(t.Context(), func(tx Tx) error {
		return tx.Save(Changes{Changed: Rows{Accounts: []ledger.Account{full, issuance}}})
	}); err != nil {
		t.Fatal(err)
	}
}

// TestARefundTellsTheHolderOfTheCardThatCameAfter: the payment's devices and the payee are told of the payment, the newest card's other
// devices of that card.
func TestARefundTellsTheHolderOfTheCardThatCameAfter(t *testing.T) {
	s := openShop(t)
	p := s.settled(1000)
	by := Operated{By: chief}
	s.must(&RegisterDevice{Device{ID: "new phone", PublicKey: []byte("{}")}})
	last := s.card
	for i := range 3 {
		next := payment.CardID(fmt.Sprint("card_next_", i))
		s.must(&ReplaceCard{Operated: by, Old: last, Card: Card{ID: next, Key: CardKey(fmt.Sprint("1.next", i)), Last4: "0004",
			Code: OneUseCode{MAC: fmt.Sprint("mac of ", next)}}})
		last = next
	}
	s.clock.Advance(25 * time.Hour)
	activate := &Activate{Device: "new phone", CardKeys: []CardKey{"1.next2"}, CodeMACs: []string{"mac of card_next_2"}}
	s.must(activate)
	if activate.Refused {
		t.Fatal("the card was not activated")
	}
	s.must(s.refund(p, 0))
	s.expectMoney(10000, 0, 0)
	want := map[Principal][]string{
		DevicePrincipal(phone): {"payment.refunded " + string(p.ID)}, PayeePrincipal(payee): {"payment.refunded " + string(p.ID)},
		DevicePrincipal("new phone"): {"card.refunded " + string(last)}, DevicePrincipal(kiosk): nil, OperatorsPrincipal: nil,
	}
	got := map[Principal][]string{}
	for who := range want {
		got[who] = nil
		err := s.store.View(t.Context(), func(r Reader) error {
			events, _, err := r.Events(0, 500, who)
			for _, e := range events {
				if e.Type == "payment.refunded" || e.Type == "card.refunded" {
					got[who] = append(got[who], e.Type+" "+e.Subject)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
