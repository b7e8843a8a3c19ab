package httpapi_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
	"tapline/processor"
)

// Rehearsals give a thief no PIN tries of their own.
func TestPINTriesOfRehearsalsAndPaymentsAreTheSame(t *testing.T) {
	w := openRehearsals(t)
	p := w.rehearsal(w.kiosk, 1250)
	_, err := p.Authenticate(w.ctx, wrongPIN)
	if problem := expectProblem(t, err, "wrong_pin"); problem.AttemptsLeft == nil || *problem.AttemptsLeft != 1 {
		t.Errorf("after one wrong PIN: %+v", problem)
	}
	thief := w.newDevice("thief")
	q := w.sent(thief, cardNumber, 1250)
	_, err = q.Authenticate(w.ctx, wrongPIN)
	expectProblem(t, err, "wrong_pin")
	_, err = w.rehearsal(thief, 1250).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "authentication_paused")
}

// Rehearsals ask the associated device no more often than payments do, and count with them.
func TestRehearsalsCannotWearTheApproverOut(t *testing.T) {
	w := openRehearsals(t)
	w.rehearsing(100)
	w.confirmed(w.kiosk, 100)
	w.rehearsing(100)
	p := w.rehearsal(w.kiosk, 100)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	expectProblem(t, err, "too_many_approvals")
}

// Whether money is there is told as a payment tells it, and no more often: probing a balance from another device takes
// the PIN, and one of the card's few approvals each time.
func TestABalanceIsNotFoundOutByRehearsing(t *testing.T) {
	w := openRehearsals(t)
	codes := map[string]int{}
	for _, minor := range []int64{200_00, 150_00, 125_00, 112_50, 106_25, 103_12, 101_56} {
		p := w.rehearsal(w.kiosk, minor)
		_, err := p.Authenticate(w.ctx, rightPIN)
		w.must(err)
		s, err := p.Statement()
		w.must(err)
		_, err = p.Confirm(w.ctx, s)
		var problem *api.Problem
		if !errors.As(err, &problem) {
			t.Fatalf("%d: %v", minor, err)
		}
		codes[problem.Code]++
	}
	if diff := cmp.Diff(map[string]int{"insufficient_funds": processor.HourlyApprovals, "too_many_approvals": 2}, codes); diff != "" {
		t.Errorf("probes (-want +got):\n%s", diff)
	}
}

// A rehearsal is told of money that is held for a payment, as a second payment would be, and holds none itself.
func TestARehearsalSeesTheMoneyThatIsThere(t *testing.T) {
	w := openRehearsals(t)
	p := w.confirmed(w.kiosk, 60_00)
	confirm := func(minor int64) error {
		q := w.rehearsal(w.phone, minor)
		_, err := q.Authenticate(w.ctx, rightPIN)
		w.must(err)
		s, err := q.Statement()
		w.must(err)
		_, err = q.Confirm(w.ctx, s)
		return err
	}
	expectProblem(t, confirm(40_01), "insufficient_funds")
	for range 3 {
		w.must(confirm(40_00)) // again and again: the one before took nothing
	}
	_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectMoney(40_00, 0, 60_00)
}

// At level tap a rehearsal uses the tap up, and nothing of the day's limit.
func TestARehearsalUsesTheTapUpButNotTheDaysLimit(t *testing.T) {
	policy := payment.DefaultPolicy
	policy.Level, policy.TapLimit, policy.TapDailyLimit = payment.LevelTap, 50_00, 60_00
	w := openSUN(t, withPolicy(policy))
	_, err := w.operator.SetRehearsals(w.ctx, "books@shop", true, "")
	w.must(err)
	rehearse := func(tap consent.Tap, minor int64) (*device.Payment, error) {
		payee, err := w.phone.Payee(w.ctx, "books@shop")
		w.must(err)
		order, err := w.phone.Order(cny(minor), payee, consent.Order{})
		w.must(err)
		order, err = order.Rehearse()
		w.must(err)
		draft, err := order.TapSUN(tap.SUN)
		w.must(err)
		return draft.Send(w.ctx)
	}
	tap := w.fresh()
	w.untouched(func() {
		for i := range 3 {
			p, err := rehearse(tap, 50_00)
			w.must(err)
			w.expectState(p, payment.Rehearsed)
			before := w.counter()
			_, err = rehearse(tap, 50_00)
			expectProblem(t, err, "tap_used")
			_, err = w.pay(w.phone, tap, 50_00)
			expectProblem(t, err, "tap_used")
			if after := w.counter(); after != before || after < int64(i) {
				t.Errorf("the card's counter went from %d to %d", before, after)
			}
			tap = w.fresh()
		}
	})
	// The limits are asked as for a payment: beyond them a rehearsal needs the PIN, too.
	p, err := rehearse(w.fresh(), 50_01)
	w.must(err)
	w.expectState(p, payment.AuthenticationRequired)
	w.expectState(w.paid(w.phone, w.fresh(), 50_00), payment.Settled)
	p, err = rehearse(w.fresh(), 50_00)
	w.must(err)
	w.expectState(p, payment.AuthenticationRequired)
}

// The limits of numbers that were only read are asked as for a payment, and a rehearsal adds nothing to them.
func TestARehearsalKeepsTheLimitsOfNumbersAndSpendsNoneOfThem(t *testing.T) {
	w := openRehearsals(t, withPolicy(limited(payment.LevelApprove)))
	midnight := w.clock.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	w.clock.Advance(midnight.Sub(w.clock.Now())) // so that the test does not cross midnight by itself
	finish := func(p *device.Payment, want payment.State) {
		w.walk(p)
		w.expectState(p, want)
	}
	_, err := w.rehearsalDraft(w.phone, cardNumber, 10_01).Send(w.ctx)
	expectProblem(t, err, "limit_exceeded")
	for range 4 {
		finish(w.rehearsal(w.phone, 10_00), payment.Rehearsed)
	}
	w.rehearsing(10_00) // open, and nothing that may yet be settled
	finish(w.sent(w.phone, cardNumber, 10_00), payment.Settled)
	finish(w.sent(w.phone, cardNumber, 10_00), payment.Settled)
	_, err = w.rehearsal(w.phone, 5_01).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	finish(w.rehearsal(w.phone, 5_00), payment.Rehearsed)
	finish(w.sent(w.phone, cardNumber, 5_00), payment.Settled)
	w.expectMoney(75_00, 0, 25_00)
}

// A passkey's answer is to a statement: a rehearsal's moves no money, and serves for no payment.
func TestAPasskeyRehearsesAndItsAnswerPaysNothing(t *testing.T) {
	w := openPasskey(t)
	_, err := w.operator.SetRehearsals(w.ctx, "books@shop", true, "")
	w.must(err)
	p, q := w.rehearsal(w.phone, 12_50), w.sent(w.phone, cardNumber, 12_50)
	answer := w.assert(p.View().Statement)
	_, err = q.ConfirmWith(w.ctx, w.shown(q), answer)
	expectProblem(t, err, "passkey_refused")
	turned := turnedRound(t, p.View().Statement)
	for name, m := range map[string]consent.Decision{
		"its rehearsal's statement for a payment": {Payment: q.ID(), Statement: p.View().Statement},
		"the rehearsal's statement, turned round": {Payment: p.ID(), Statement: turned},
	} {
		m.Claims, m.Decision = w.claims(), consent.Approve
		m.Passkey = ptr(w.assert(m.Statement))
		e := w.post("/v1/payments/"+string(m.Payment)+"/confirmation", api.ContentJWS, w.signed(w.phone.Key, consent.TypConfirmation, &m))
		if got := e.problem(t).Code; got != "statement_mismatch" {
			t.Errorf("%s: %d %s", name, e.Status, got)
		}
	}
	w.untouched(func() {
		view, err := p.ConfirmWith(w.ctx, w.shown(p), answer)
		w.must(err)
		if view.State != string(payment.Rehearsed) {
			t.Errorf("the rehearsal is %s", view.State)
		}
	})
	w.expectState(q, payment.AuthenticationRequired)
}
