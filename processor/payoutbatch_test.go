package processor_test

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	. "tapline/processor"
)

func TestAPayeeOfThisVeryBatchHasNoBankAccount(t *testing.T) {
	g := &gate{waiting: make(chan struct{}, 16)}
	s := openShop(t, func(c *Config) { g.Store = c.Store; c.Store = g })
	g.pass = make(chan struct{})
	var wg sync.WaitGroup
	for i, f := range []func(){
		func() { s.must(act{do: func(*Unit) error { return nil }}) },
		func() {
			s.must(&AddPayee{Operated: by, Payee: Payee{Handle: "new@shop", Name: "New", Account: "acc_new", Currency: "CNY"},
				APIKey: APIKey{MAC: "mac new", ID: "key_new", Payee: "new@shop", Scopes: Scopes}})
		},
		func() {
			if err := s.do(&MakePayout{Operated: by, Payee: "new@shop", ID: "out_1"}); !errors.Is(err, ErrNoBankAccount) {
				t.Errorf("%v, want %v", err, ErrNoBankAccount)
			}
		},
	} {
		wg.Go(f)
		if i == 0 {
			<-g.waiting // the others share the next batch
		}
		for s.Waiting() < i {
			runtime.Gosched()
		}
	}
	close(g.pass)
	wg.Wait()
}
