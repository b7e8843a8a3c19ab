package processor_test

import (
	"runtime"
	"sync"
	"testing"

	"tapline/payment"
	. "tapline/processor"
)

// TestACardIsTappedWhileItIsIssued has both in one batch, for which nothing of the card could be loaded.
func TestACardIsTappedWhileItIsIssued(t *testing.T) {
	g := &gate{waiting: make(chan struct{}, 16)}
	s := openShop(t, func(c *Config) { g.Store = c.Store; c.Store = g })
	g.pass = make(chan struct{})
	tap := &Present{Device: kiosk, CardKeys: []CardKey{"1.new"}, Assurance: payment.Identified}
	pay := s.instruct(kiosk, 100)
	pay.CardKeys = tap.CardKeys
	var wg sync.WaitGroup
	for i, c := range []Command{
		act{do: func(*Unit) error { return nil }},
		&IssueCard{Operated: by, Card: Card{ID: "card_new", Key: "1.new", Last4: "0001", Account: "acc_new", Currency: "CNY",
			Code: OneUseCode{MAC: "mac of new"}}},
		tap,
		pay,
	} {
		wg.Go(func() { s.must(c) })
		if i == 0 {
			<-g.waiting // the others share the next batch
		}
		for s.Waiting() < i {
			runtime.Gosched()
		}
	}
	close(g.pass)
	wg.Wait()
	if tap.Known || pay.Payment.State != payment.AuthenticationRequired {
		t.Errorf("a stranger knows the card: %v; the payment is %s", tap.Known, pay.Payment.State)
	}
}
