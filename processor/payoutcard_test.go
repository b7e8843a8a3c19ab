package processor_test

import (
	"testing"

	"tapline/payout"
	. "tapline/processor"
)

func TestWhatIsLeftOfAClosedCardIsPaidOutOnce(t *testing.T) {
	s := openShop(t)
	s.must(&EnrolOperator{Operated: by, New: Operator{ID: second, Name: "Second", PublicKey: []byte("{}")}})
	out := func(id payout.ID, to payout.BankAccount) *PayOutCard {
		return &PayOutCard{Operated: by, Card: s.card, To: to, ID: id, Alone: 500}
	}
	cash := payout.BankAccount{Name: "Li Wei", Cash: true}
	s.refuses(out("out_1", cash), ErrCardState) // it may pay
	held, err := s.confirm(s.authenticated(kiosk, 1000))
	if err != nil {
		t.Fatal(err)
	}
	s.must(&SetCardState{Operated: by, Card: s.card, To: CardClosed}) // cancels what is open
	s.expectMoney(10000, 0, 0)
	if _, err := s.approve(held, s.code(held)); err == nil {
		t.Error("a payment of a closed card went on")
	}
	first := out("out_1", cash)
	s.must(first)
	if first.Made.State != payout.Requested || first.Made.Amount != cny(10000) || first.Made.Payee != "" {
		t.Errorf("above the limit it is %+v", first.Made)
	}
	s.refuses(out("out_2", atBank), ErrAccountBalance)
	s.refuses(step("out_1", payout.Approve, chief), ErrSameOperator)
	s.refuses(step("out_1", payout.Confirm, second), payout.ErrNotNow)
	s.must(step("out_1", payout.Approve, second))
	s.refuses(send("pof_1", "out_1"), ErrNothingReady) // cash is in no file
	s.must(step("out_1", payout.Confirm, chief))
	s.expectMoney(0, 0, 0)
	s.refuses(out("out_2", atBank), ErrAccountBalance)
	s.refuses(&TopUp{Operated: by, ID: "top_9", Account: "acc_card", Amount: cny(300)}, ErrCardState)
	s.must(&Adjust{Operated: by, ID: "adj_9", Account: "acc_card", Amount: cny(300)}) // as a late refund does
	s.must(out("out_3", atBank))
	s.must(send("pof_2", "out_3"))
	s.must(step("out_3", payout.Confirm, chief))
	s.expectMoney(0, 0, 0)
}

func TestWhatIsOnAReplacedCardIsTheNextCards(t *testing.T) {
	s := openShop(t)
	s.must(&ReplaceCard{Operated: by, Old: s.card, Card: Card{ID: "card_2", Key: "1.next", Last4: "0004", Label: "Next", Code: OneUseCode{MAC: "m"}}})
	s.refuses(&PayOutCard{Operated: by, Card: s.card, To: atBank, ID: "out_1"}, ErrCardState)
	s.refuses(&PayOutCard{Operated: by, Card: "card_2", To: atBank, ID: "out_1"}, ErrCardState)
	s.expectMoney(10000, 0, 0)
}
