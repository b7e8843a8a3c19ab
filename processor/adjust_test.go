package processor_test

import (
	"errors"
	"testing"

	"tapline/ledger"
	. "tapline/processor"
)

func TestAdjustmentsTakeTwoOperatorsAboveTheLimit(t *testing.T) {
	s := openShop(t)
	s.must(&EnrolOperator{Operated: Operated{By: chief}, New: Operator{ID: "second", Name: "Second", PublicKey: []byte("{}")}})
	adjust := func(id string, account ledger.AccountID, debit bool, minor int64) *Adjust {
		return &Adjust{Operated: Operated{By: chief, Note: "counted again"}, ID: id, Account: account, Debit: debit, Amount: cny(minor), Alone: 500}
	}
	s.must(adjust("adj_1", "acc_card", false, 500))
	s.must(adjust("adj_2", "acc_card", true, 300))
	s.expectMoney(10200, 0, 0)
	held := adjust("adj_3", "acc_card", true, 501)
	s.must(held)
	if held.Held == nil {
		t.Fatal("above the limit it was done")
	}
	s.expectMoney(10200, 0, 0)
	if err := s.do(&DecideTopUp{Operated: Operated{By: chief}, ID: "adj_3", Confirm: true}); !errors.Is(err, ErrSameOperator) {
		t.Errorf("confirmed by whoever asked: %v", err)
	}
	s.must(&DecideTopUp{Operated: Operated{By: "second"}, ID: "adj_3", Confirm: true})
	s.expectMoney(9699, 0, 0)
	if err := s.do(&DecideTopUp{Operated: Operated{By: "second"}, ID: "adj_3", Confirm: true}); !errors.Is(err, ErrTopUpOver) {
		t.Errorf("confirmed twice: %v", err)
	}
	if got := s.account("adjustment-CNY").Balance(); got != 301 {
		t.Errorf("the other side has %d, want 301", got)
	}
	for name, tc := range map[string]struct {
		do   *Adjust
		want error
	}{
		"more than there is":  {adjust("adj_4", "acc_shop", true, 1), ErrAccountBalance},
		"no such account":     {adjust("adj_5", "acc_none", true, 1), ErrUnknownAccount},
		"the other side":      {adjust("adj_6", "adjustment-CNY", true, 1), ErrUnknownAccount},
		"held, of no account": {adjust("adj_7", "acc_none", true, 501), ErrUnknownAccount},
	} {
		if err := s.do(tc.do); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}
