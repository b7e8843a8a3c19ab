package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/payee"
	"tapline/payment"
)

// refunding are the stages of a payment that may be undone for some seconds, settles by itself, and is refunded in two parts.
func (p *purchase) refunding() []stage {
	till := &payee.Client{URL: p.url(), HTTP: &http.Client{Transport: p.recorder}}
	refund := func(amount int64) func() error {
		return func() error {
			in := api.NewRefund{Payment: string(p.payment.ID())}
			if amount > 0 {
				part := yuan(amount)
				in.Amount = &part
			}
			_, err := till.Refund(p.ctx, in)
			return err
		}
	}
	stages := p.preparing()
	stages[1].do = func() error {
		added, err := p.operator.AddPayee(p.ctx, api.NewPayee{Handle: "books@shop", Name: "Book Shop", Currency: "CNY"})
		till.APIKey = added.APIKey
		return err
	}
	stages = append(stages, stage{name: "let payments be undone", do: func() error {
		_, err := till.SetUndo(p.ctx, 3*time.Second)
		return err
	}})
	paying := p.paying()
	paying[len(paying)-1].state = "" // undoable, or settled by now
	return append(append(stages, paying...), stage{name: "wait until it settles", do: func() error {
		for view := p.payment.View(); view.State != string(payment.Settled); {
			var err error
			if view, err = p.payment.Wait(p.ctx); err != nil {
				return err
			}
			if view.EndedAt != nil && view.State != string(payment.Settled) {
				return fmt.Errorf("the payment is %s", view.State)
			}
		}
		return nil
	}}, stage{name: "refund a part", do: refund(5_00)}, stage{name: "refund the rest", do: refund(0)})
}

// TestUndoingAndRefundsSurviveACrash kills the service with SIGKILL after each step from the approval on: the payment settles once, by
// itself, and each refund is made once however often it is asked for.
func TestUndoingAndRefundsSurviveACrash(t *testing.T) {
	count := len(newPurchase(&daemon{T: t}).refunding())
	for gap := count - 4; gap <= count; gap++ {
		t.Run(newPurchase(&daemon{T: t}).refunding()[gap-1].name, func(t *testing.T) {
			t.Parallel()
			p := newPurchase(startDaemon(t))
			stages := p.refunding()
			for _, s := range stages[:gap] {
				p.run(s)
			}
			p.crash()
			p.repeat(stages[gap-1].name)
			for _, s := range stages[gap:] {
				p.run(s)
			}
			accounts, err := p.operator.Accounts(p.ctx)
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for _, a := range accounts {
				got[a.Kind] = a.Balance + a.DebitsPending
			}
			if diff := cmp.Diff(map[string]int64{"card": 100_00, "payee": 0, "issuance": -100_00}, got); diff != "" {
				t.Errorf("balances (-want +got):\n%s", diff)
			}
			view, err := p.payment.Refresh(p.ctx)
			if err != nil || view.Refunded == nil || *view.Refunded != yuan(12_50) || view.State != "settled" {
				t.Errorf("the payment is %+v, %v", view, err)
			}
			p.check()
		})
	}
}
