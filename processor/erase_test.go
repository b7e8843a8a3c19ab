package processor_test

import (
	"testing"
	"time"

	"tapline/payment"
	"tapline/payout"
	. "tapline/processor"
)

func TestAHolderIsErasedByTwoOnceNothingIsOpen(t *testing.T) {
	s := openShop(t)
	s.must(&EnrolOperator{Operated: by, New: Operator{ID: second, Name: "Second", PublicKey: []byte("{}")}})
	erase := func(who OperatorID, confirm bool) *EraseHolder {
		return &EraseHolder{Operated: Operated{By: who, Note: "asked"}, Card: s.card, Confirm: confirm}
	}
	s.refuses(&EraseHolder{Operated: by, Card: "none"}, ErrUnknownCard)
	s.refuses(erase("nobody", false), ErrUnknownOperator)
	s.refuses(erase(chief, false), ErrErasureCard)
	s.must(&SetCardState{Operated: by, Card: s.card, To: CardClosed})
	s.refuses(erase(chief, false), ErrErasureBalance)
	out := &PayOutCard{Operated: by, Card: s.card, To: payout.BankAccount{Name: "Li Wei", Cash: true}, ID: "out_1"}
	s.must(out)
	s.refuses(erase(chief, false), ErrErasureBalance) // set aside, and not handed out yet
	s.must(step("out_1", payout.Confirm, chief))
	s.refuses(erase(second, true), ErrNoErasure)
	s.must(erase(chief, false))
	s.refuses(erase(chief, true), ErrSameOperator)
	if got := s.cardRow().Label; got == "" {
		t.Error("one operator alone has erased the label")
	}
	s.clock.Advance(ErasureLife)
	s.refuses(erase(second, true), ErrNoErasure) // too late
	s.must(erase(second, false))
	s.clock.Advance(ErasureLife - time.Second)
	s.must(&Adjust{Operated: by, ID: "adj_8", Account: "acc_card", Amount: cny(300)}) // as a late refund does
	s.refuses(erase(chief, true), ErrErasureBalance)
	s.must(&Adjust{Operated: by, ID: "adj_9", Account: "acc_card", Debit: true, Amount: cny(300)})
	done := erase(chief, true)
	s.must(done)
	if done.After.AskedBy != second || done.After.ErasedBy != chief || done.After.ErasedAt.IsZero() {
		t.Errorf("it was %+v", done.After)
	}
	if c := s.cardRow(); c.Label != "" || len(c.PIN.Sum) != 0 || c.Key == "" || c.State != CardClosed {
		t.Errorf("the card is %+v", c)
	}
	s.refuses(erase(second, true), ErrNoErasure) // once
	s.expectMoney(0, 0, 0)
}

func TestTheHolderOfAReplacedCardIsErasedWithTheLastCard(t *testing.T) {
	s := openShop(t)
	s.must(&ReplaceCard{Operated: by, Old: s.card, Card: Card{ID: "card_2", Key: "1.next", Last4: "0004", Label: "Next", Code: OneUseCode{MAC: "m"}}})
	s.refuses(&EraseHolder{Operated: by, Card: s.card}, ErrErasureCard)
}

func (s *shop) cardRow() Card {
	s.t.Helper()
	return s.load(Wants{Cards: []payment.CardID{s.card}}).Cards[0]
}
