package storetest

import (
	"context"
	"errors"
	"sync"

	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

var errChanged = errors.New("changed my mind")

// settle is all that settling a new payment at once writes.
func settle(id payment.ID) processor.Changes {
	p := openPayment(id)
	p.Initiator, p.Level = "phone1", payment.LevelConfirm
	p = stepped(p, payment.Authenticate, payment.Confirm)
	return processor.Changes{
		New: processor.Rows{Payments: []payment.Payment{p},
			Keys:     []processor.Key{{KeyID: processor.KeyID{Principal: "device:phone1", Key: string(id)}, At: noon, KeepTill: noon}},
			Evidence: []processor.Evidence{{Payment: id, Role: "instruction", Device: "phone1", JWS: "a.b.c", At: noon}},
			Audit:    []processor.Audit{{Operator: "op", Action: "top up", Subject: "card1", At: noon}}},
		Changed: processor.Rows{Accounts: []ledger.Account{
			{ID: "card1", Kind: ledger.CardAccount, Currency: "CNY", CreditsPosted: 100_000, DebitsPosted: 1250},
			{ID: "shop1", Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPosted: 1250}}},
		Entries: []ledger.Entry{{ID: ledger.EntryID(id + "/post"), Action: ledger.Post, Reference: string(id), At: p.EndedAt,
			Postings: []ledger.Posting{{Debit: "card1", Credit: "shop1", Amount: p.Amount}}}},
		Events: []processor.Event{{Type: "payment.settled", Subject: string(id), State: "settled", Version: 3,
			To: []processor.Principal{"device:phone1", "payee:shop"}, At: noon}},
	}
}

// unsettled fails unless nothing of settle("p1") is there.
func (s *suite) unsettled() {
	s.Helper()
	s.holds(worldWants(), world().New)
	s.holds(processor.Wants{Payments: []payment.ID{"p1"}, Evidence: []payment.ID{"p1"},
		Keys: []processor.KeyID{{Principal: "device:phone1", Key: "p1"}}}, processor.Rows{})
	s.view(func(r processor.Reader) error {
		told, next, err := r.Events(0, 10, "device:phone1", "payee:shop")
		s.equal("events and the number to go on from", []any{told, next}, []any{[]processor.Event(nil), int64(0)})
		if err != nil {
			return err
		}
		entries, err := r.Entries("shop1", noon.AddDate(-1, 0, 0), noon.AddDate(1, 0, 0), 10)
		s.equal("entries", entries, []ledger.Entry(nil))
		if err != nil {
			return err
		}
		audit, err := r.List(processor.ListQuery{Table: "audit", Limit: 10})
		s.equal("audit records", audit, processor.Rows{})
		return err
	})
}

func (s *suite) errorLeavesNothing() {
	s.save(world())
	err := s.store.Update(s.Context(), func(tx processor.Tx) error {
		if err := tx.Save(settle("p1")); err != nil {
			return err
		}
		return errChanged
	})
	if !errors.Is(err, errChanged) {
		s.Errorf("Update = %v, want the function's error", err)
	}
	s.unsettled()
	s.save(settle("p1")) // and it can still be done
}

func (s *suite) panicLeavesNothing() {
	s.save(world())
	func() {
		defer func() {
			if r := recover(); r != "broken invariant" {
				s.Errorf("Update panicked with %v, want what the function panicked with", r)
			}
		}()
		_ = s.store.Update(s.Context(), func(tx processor.Tx) error {
			if err := tx.Save(settle("p1")); err != nil {
				s.Error(err)
			}
			panic("broken invariant")
		})
	}()
	s.unsettled()
	s.save(settle("p1"))
}

func (s *suite) saveErrorSticks() {
	s.save(world())
	err := s.store.Update(s.Context(), func(tx processor.Tx) error {
		c := settle("p1")
		c.New.Devices = []processor.Device{device("laptop")}
		if err := tx.Save(c); !errors.Is(err, processor.ErrConflict) {
			s.Errorf("Save = %v, want ErrConflict", err)
		}
		if err := tx.Save(settle("p1")); err == nil {
			s.Error("Save after a failed one gave no error")
		}
		if _, err := tx.Load(worldWants()); err == nil {
			s.Error("Load after a failed Save gave no error")
		}
		return nil
	})
	if !errors.Is(err, processor.ErrConflict) {
		s.Errorf("Update = %v, want ErrConflict", err)
	}
	s.unsettled()
}

func (s *suite) cancelledLeavesNothing() {
	s.save(world())
	ctx, cancel := context.WithCancel(s.Context())
	err := s.store.Update(ctx, func(tx processor.Tx) error {
		if err := tx.Save(settle("p1")); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("Update cancelled before its commit = %v, want context.Canceled", err)
	}
	s.unsettled()
	ran := false
	err = s.store.Update(ctx, func(processor.Tx) error { ran = true; return nil })
	if !errors.Is(err, context.Canceled) || ran {
		s.Errorf("Update with a cancelled context = %v, ran %v; want context.Canceled, not run", err, ran)
	}
	err = s.store.View(ctx, func(processor.Reader) error { ran = true; return nil })
	if !errors.Is(err, context.Canceled) || ran {
		s.Errorf("View with a cancelled context = %v, ran %v; want context.Canceled, not run", err, ran)
	}
	ctx, cancel = context.WithCancel(s.Context())
	err = s.store.View(ctx, func(r processor.Reader) error {
		cancel()
		for range 1000 { // until it is noticed
			if _, err := r.Load(worldWants()); err != nil {
				return err
			}
		}
		return errors.New("never noticed")
	})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("View cancelled while it reads = %v, want context.Canceled", err)
	}
	s.save(settle("p1"))
}

func (s *suite) endedIsOfNoUse() {
	s.save(world())
	var late processor.Tx
	if err := s.store.Update(s.Context(), func(tx processor.Tx) error { late = tx; return nil }); err != nil {
		s.Fatal(err)
	}
	if err := late.Save(settle("p1")); err == nil {
		s.Error("Save after the transaction gave no error")
	}
	if _, err := late.Load(worldWants()); err == nil {
		s.Error("Load after the transaction gave no error")
	}
	var reader processor.Reader
	s.view(func(r processor.Reader) error { reader = r; return nil })
	if _, err := reader.Load(worldWants()); err == nil {
		s.Error("Load after the View gave no error")
	}
	s.unsettled()
}

func (s *suite) updatesSerialise() {
	const writers, each = 8, 25
	s.save(world())
	var all sync.WaitGroup
	for range writers {
		all.Go(func() {
			for range each {
				if err := s.store.Update(s.Context(), s.creditShop); err != nil {
					s.Error(err)
				}
			}
		})
	}
	all.Wait()
	got := s.load(processor.Wants{Accounts: []ledger.AccountID{"shop1"}})
	if got.Accounts[0].CreditsPosted != writers*each {
		s.Errorf("%d updates each added 1: got %d", writers*each, got.Accounts[0].CreditsPosted)
	}
}

// creditShop adds 1 to both sides of what the shop has.
func (s *suite) creditShop(tx processor.Tx) error {
	rows, err := tx.Load(processor.Wants{Accounts: []ledger.AccountID{"issuance", "shop1"}})
	if err != nil {
		return err
	}
	for i, a := range rows.Accounts {
		if a.ID == "shop1" {
			rows.Accounts[i].CreditsPosted++
		} else {
			rows.Accounts[i].DebitsPosted++
		}
	}
	return tx.Save(processor.Changes{Changed: processor.Rows{Accounts: rows.Accounts}})
}

func (s *suite) readersSeeSnapshot() {
	s.save(world())
	wants := processor.Wants{Accounts: []ledger.AccountID{"issuance", "shop1"}}
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.store.Update(s.Context(), s.creditShop); err != nil {
				s.Error(err)
				return
			}
		}
	})
	for range 200 {
		s.view(func(r processor.Reader) error {
			first, err := r.Load(wants)
			if err != nil {
				return err
			}
			second, err := r.Load(wants)
			s.equal("the same rows read again in one View", sorted(second), sorted(first))
			if sum := first.Accounts[0].Balance() + first.Accounts[1].Balance(); sum != -200_000 {
				s.Errorf("a View saw half of an Update: the balances sum to %d, want -200000", sum)
			}
			return err
		})
	}
	close(stop)
	writer.Wait()
}
