package processor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tapline/ledger"
	"tapline/payment"
	"tapline/payout"
	. "tapline/processor"
)

var errBroken = errors.New("this row cannot be written")

// brokenPlans is a store in which the payout plans of some payees cannot be written.
type brokenPlans struct {
	Store
	of []payment.Handle
}

func (b *brokenPlans) Update(ctx context.Context, f func(Tx) error) error {
	return b.Store.Update(ctx, func(tx Tx) error { return f(brokenTx{tx, b}) })
}

type brokenTx struct {
	Tx
	*brokenPlans
}

func (tx brokenTx) Save(c Changes) error {
	for _, p := range c.Changed.PayoutPlans {
		if slices.Contains(tx.of, p.Payee) {
			return errBroken
		}
	}
	return tx.Tx.Save(c)
}

// One payee's plan that cannot be carried out keeps no other payee from its money, and each that cannot is told of.
func TestAPlanThatFailsStopsNoOthers(t *testing.T) {
	broken := &brokenPlans{}
	s := openShop(t, func(c *Config) { broken.Store = c.Store; c.Store = broken })
	for i, h := range []payment.Handle{"first@town", "second@town", "third@town", "fourth@town"} {
		s.must(&AddPayee{Operated: by, Payee: Payee{Handle: h, Name: "Shop", Account: ledger.AccountID(fmt.Sprint("acc_", i)), Currency: "CNY"},
			APIKey: APIKey{ID: fmt.Sprint("key_", h), MAC: fmt.Sprint("mac_", h), Payee: h}})
		s.must(&SetPayoutSchedule{Operated: by, PlanID: PlanID{Payee: h, Currency: "CNY"}, Schedule: payout.Schedule{Every: payout.Daily, Minute: 13*60 + i}})
	}
	broken.of = []payment.Handle{"first@town", "third@town"}
	s.clock.Advance(24 * time.Hour)
	err := s.EndOverdue(t.Context())
	if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "first@town") || !strings.Contains(err.Error(), "third@town") {
		t.Errorf("two plans failed, and what is told is %v", err)
	}
	due := func() (payees []payment.Handle) {
		t.Helper()
		if err := s.store.View(t.Context(), func(r Reader) error {
			w, err := r.Due(s.clock.Now(), 10)
			for _, plan := range w.PayoutPlans {
				payees = append(payees, plan.Payee)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return payees
	}
	if got := due(); !slices.Equal(got, broken.of) {
		t.Errorf("%v are due still, want %v", got, broken.of)
	}
	broken.of = nil
	if err := s.EndOverdue(t.Context()); err != nil || len(due()) > 0 {
		t.Errorf("once they can be written: %v, and %v are due", err, due())
	}
}
