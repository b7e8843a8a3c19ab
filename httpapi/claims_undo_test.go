package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// openUndo is a world whose payee lets payments be undone for a minute.
func openUndo(t testing.TB, settings ...setting) *world {
	t.Helper()
	w := openWorld(t, settings...)
	w.undoFor(time.Minute)
	return w
}

func (w *world) undoFor(d time.Duration) {
	w.t.Helper()
	payee, err := w.till().SetUndo(w.ctx, d)
	w.must(err)
	if payee.Undo != int64(d/time.Second) {
		w.t.Fatalf("payments may be undone for %d seconds, want %v", payee.Undo, d)
	}
}

// undoable is a payment of the kiosk's that the phone has approved.
func (w *world) undoable(minor int64) *device.Payment {
	w.t.Helper()
	p := w.confirmed(w.kiosk, minor)
	w.approved(p)
	w.expectState(p, payment.Undoable)
	return p
}

func TestEverybodyIsToldThatAPaymentMayBeUndone(t *testing.T) {
	w := openUndo(t)
	looked, err := w.kiosk.Payee(w.ctx, "books@shop")
	w.must(err)
	if looked.Undo != 60 {
		t.Errorf("the payee says %d seconds", looked.Undo)
	}
	p := w.authenticated(w.kiosk, 12_50)
	first, err := p.Statement()
	w.must(err)
	if first.Undo != 60 {
		t.Errorf("the first statement says %d seconds", first.Undo)
	}
	_, err = p.Confirm(w.ctx, first)
	w.must(err)
	a := w.approval(p)
	if second, err := consent.ParseStatement(a.View.Statement); err != nil || second.Undo != 60 {
		t.Errorf("the second statement says %d seconds, %v", second.Undo, err)
	}
	w.approved(p)
	w.expectMoney(100_00, 12_50, 0)
	for name, view := range map[string]func() (api.Payment, error){
		"initiator": func() (api.Payment, error) { return w.kiosk.Payment(w.ctx, p.ID()) },
		"approver":  func() (api.Payment, error) { return w.phone.Payment(w.ctx, p.ID()) },
		"payee":     func() (api.Payment, error) { return w.till().Payment(w.ctx, string(p.ID())) },
	} {
		v, err := view()
		w.must(err)
		if v.State != "undoable" || v.Next.Action != api.ActionUndo || v.Next.ExpiresIn != 60 || v.UndoUntil == nil || v.EndedAt != nil ||
			!v.UndoUntil.Equal(w.clock.Now().Add(time.Minute)) {
			t.Errorf("the %s sees %+v", name, v)
		}
	}
	_, err = w.kiosk.Receipt(w.ctx, p.ID())
	expectProblem(t, err, "not_settled")
	w.clock.Advance(time.Minute)
	w.expectState(p, payment.Settled)
	w.expectMoney(87_50, 0, 12_50)
	seen, err := w.operator.Payment(w.ctx, p.ID())
	w.must(err)
	steps := ""
	for _, s := range seen.Timeline {
		steps += s.Step + " "
	}
	if steps != "instructed authenticated confirmed approved undoable ended " || seen.UndoUntil == nil {
		t.Errorf("the operator sees %s", steps)
	}
	types := w.eventTypes("payee:books@shop", w.shop.APIKey, p.ID())
	if fmt.Sprint(types) != "[payment.approval_required payment.undoable payment.settled]" {
		t.Errorf("the payee was told %v", types)
	}
}

func TestNobodyElseUndoesAPayment(t *testing.T) {
	w := openUndo(t)
	p := w.undoable(12_50)
	thief, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "thief@shop", Name: "Thief", Currency: "CNY"})
	w.must(err)
	stranger := w.newDevice("stranger")
	w.unchanged(func() {
		if _, err := stranger.Cancel(w.ctx, p.ID()); expectProblem(t, err, "unknown_payment").Status != http.StatusNotFound {
			t.Error(err)
		}
		path := "/v1/payments/" + string(p.ID()) + "/cancel"
		for key, want := range map[string]string{thief.APIKey: "unknown_payment", w.token(w.operator.Key): "wrong_credential"} {
			if got := w.post(path, "", "", "Authorization", "Bearer "+key, api.IdempotencyHeader, "k").problem(t).Code; got != want {
				t.Errorf("undone by a stranger: %s, want %s", got, want)
			}
		}
		if _, err := w.refund(p, 0); expectProblem(t, err, "not_refundable").State != "undoable" {
			t.Errorf("refunded: %v", err)
		}
		for _, seconds := range []string{"-1", "86401", "1.5", `"30"`, "9223372036854775808"} {
			got := w.post("/v1/payee/undo", "application/json", `{"undo_seconds":`+seconds+`}`, "Authorization", "Bearer "+w.shop.APIKey,
				api.IdempotencyHeader, consent.NewID()).problem(t)
			if got.Code != "invalid_field" {
				t.Errorf("%s seconds: %+v", seconds, got)
			}
		}
	})
}

func TestPayerCardholderAndPayeeUndoAPayment(t *testing.T) {
	w := openUndo(t)
	for name, undo := range map[string]func(p *device.Payment) (api.Payment, error){
		"initiator": func(p *device.Payment) (api.Payment, error) { return w.kiosk.Cancel(w.ctx, p.ID()) },
		"approver":  func(p *device.Payment) (api.Payment, error) { return w.phone.Cancel(w.ctx, p.ID()) },
		"payee":     func(p *device.Payment) (api.Payment, error) { return w.till().CancelPayment(w.ctx, string(p.ID())) },
	} {
		p := w.undoable(12_50)
		w.clock.Advance(59 * time.Second)
		v, err := undo(p)
		w.must(err)
		want := map[bool]string{true: "payee", false: "payer"}[name == "payee"]
		if v.State != "cancelled" || v.Role != name || v.Reason != want {
			t.Errorf("undone by the %s: %+v", name, v)
		}
		w.expectMoney(100_00, 0, 0)
		w.clock.Advance(time.Minute)
		w.expectState(p, payment.Cancelled)
		w.clock.Advance(time.Hour) // of second confirmations
	}
}

// TestUndoingAndSettlingAtOnceAgree: either the money moves or it does not, and both sides are told the same.
func TestUndoingAndSettlingAtOnceAgree(t *testing.T) {
	w := openUndo(t)
	paid := int64(0)
	for range 5 {
		p := w.confirmed(w.phone, 1_00)
		w.clock.Advance(time.Minute - time.Millisecond)
		var all sync.WaitGroup
		var undone error
		all.Go(func() { _, undone = w.phone.Cancel(w.ctx, p.ID()) })
		all.Go(func() { w.clock.Advance(time.Millisecond); w.state(p) })
		all.Wait()
		if got := w.state(p); undone == nil && got != "cancelled" || undone != nil && got != "settled" {
			t.Errorf("undoing answered %v, and the payment is %s", undone, got)
		} else if got == "settled" {
			paid += 1_00
			expectProblem(t, undone, "too_late")
		}
	}
	w.expectMoney(100_00-paid, 0, paid)
}

// TestAnUndoneOrderIsNotPaid: it stays claimed until then, longer than it can be paid, too.
func TestAnUndoneOrderIsNotPaid(t *testing.T) {
	w := openUndo(t)
	for _, end := range []order.State{order.Open, order.Expired, order.Cancelled, order.Paid} {
		o, err := w.till().MakeOrder(w.ctx, api.NewOrder{Amount: cny(1_00), ExpiresIn: 60})
		w.must(err)
		p := w.claiming(o)
		if end != order.Open {
			w.clock.Advance(50 * time.Second)
		}
		w.must(w.confirm(p))
		w.expectState(p, payment.Undoable)
		w.expectOrder(o, order.Claimed, p)
		_, err = w.paying(w.kiosk, cardNumber, o)
		expectProblem(t, err, "order_claimed")
		if end != order.Open {
			w.clock.Advance(50 * time.Second)
			w.expectOrder(o, order.Claimed, p)
		}
		by := p
		switch end {
		case order.Paid:
			w.clock.Advance(10 * time.Second)
			w.expectState(p, payment.Settled)
		case order.Cancelled:
			_, err := w.till().CancelOrder(w.ctx, o.ID)
			w.must(err)
			w.expectState(p, payment.Cancelled)
			end, by = order.Expired, nil
		default:
			_, err := w.phone.Cancel(w.ctx, p.ID())
			w.must(err)
			by = nil
		}
		w.expectOrder(o, end, by)
	}
	w.expectMoney(99_00, 0, 1_00)
}

// TestAStrangersPaymentLooksTheSameWhereItMayBeUndone: with a card that is known, and with one that is not.
func TestAStrangersPaymentLooksTheSameWhereItMayBeUndone(t *testing.T) {
	w := openUndo(t)
	thief := w.newDevice("thief")
	known, unknown := w.sent(thief, cardNumber, 1_00).View(), w.sent(thief, unknownNumber, 1_00).View()
	known.ID, known.CardAccount, known.InstructedAt = unknown.ID, unknown.CardAccount, unknown.InstructedAt
	if fmt.Sprintf("%+v", known) != fmt.Sprintf("%+v", unknown) {
		t.Errorf("%+v\n%+v", known, unknown)
	}
}

func TestARehearsalThatMayBeUndoneHoldsNothing(t *testing.T) {
	w := openRehearsals(t)
	w.undoFor(time.Minute)
	p := w.rehearsing(12_50)
	w.untouched(func() {
		w.approved(p)
		w.expectState(p, payment.Undoable)
		w.clock.Advance(time.Minute)
		w.expectState(p, payment.Rehearsed)
	})
}

func TestFreezingTheCardUndoesItsPayments(t *testing.T) {
	w := openUndo(t)
	p := w.undoable(12_50)
	_, err := w.phone.Freeze(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	w.expectState(p, payment.Cancelled)
	w.clock.Advance(time.Hour)
	w.expectState(p, payment.Cancelled)
	w.expectMoney(100_00, 0, 0)
}

// TestASettledPaymentIsUndoneByNoCommand: the window does not open again.
func TestASettledPaymentIsUndoneByNoCommand(t *testing.T) {
	w := openUndo(t)
	p := w.undoable(12_50)
	w.clock.Advance(time.Minute)
	w.expectState(p, payment.Settled)
	w.clock.Advance(-time.Minute) // a clock that was set back
	_, err := w.kiosk.Cancel(w.ctx, p.ID())
	expectProblem(t, err, "too_late")
	_, err = w.processor.Do(w.ctx, processor.Request{Command: &processor.Cancel{Payment: payment.ID(p.ID()), Payee: "books@shop"}})
	if !errors.Is(err, payment.ErrFinal) {
		t.Errorf("cancelled by its payee: %v", err)
	}
	w.expectMoney(87_50, 0, 12_50)
}
