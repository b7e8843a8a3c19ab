package httpapi_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
)

// limited is a policy under which a number that was only read may pay 10.00 at once and 25.00 a day.
func limited(level payment.Level) payment.Policy {
	p := payment.DefaultPolicy
	p.Level, p.IdentifiedLimit, p.IdentifiedDailyLimit = level, 10_00, 25_00
	return p
}

// finish takes a payment to its end, and says what had to be done on the way and how it ended.
func (w *sunWorld) finish(p *device.Payment) []string {
	w.t.Helper()
	did := w.walk(p)
	did[len(did)-1] = w.state(p)
	return did
}

// The steps of a settled payment, for every operator's level and flag, cardholder's wish, kind of tap and device. What
// is wanted is written down line by line, as the table in docs/cards.md has it.
func TestStepsOfEveryKindOfTapOverHTTP(t *testing.T) {
	const tap, pin, first, second = "settled", "authenticate settled", "authenticate confirm settled", "authenticate confirm wait_for_approval settled"
	type taps struct{ authenticOwn, authenticOther, identifiedOwn, identifiedOther string }
	for _, tc := range []struct {
		operator payment.Level
		allow    bool
		holder   string
		want     taps
	}{
		{payment.LevelTap, false, "tap", taps{tap, pin, pin, second}},
		{payment.LevelTap, true, "tap", taps{tap, pin, tap, second}},
		{payment.LevelTap, true, "authenticate", taps{pin, pin, pin, second}},
		{payment.LevelTap, true, "confirm", taps{first, first, first, second}},
		{payment.LevelTap, true, "approve", taps{first, second, first, second}},
		{payment.LevelAuthenticate, true, "tap", taps{pin, pin, pin, second}},
		{payment.LevelAuthenticate, false, "confirm", taps{first, first, first, second}},
		{payment.LevelConfirm, true, "tap", taps{first, first, first, second}},
		{payment.LevelConfirm, false, "approve", taps{first, second, first, second}},
		{payment.LevelApprove, true, "tap", taps{first, second, first, second}},
		{payment.LevelApprove, false, "approve", taps{first, second, first, second}},
	} {
		t.Run(fmt.Sprintf("%s, allowed %v, holder %s", tc.operator, tc.allow, tc.holder), func(t *testing.T) {
			p := limited(tc.operator)
			p.AllowIdentifiedTap = tc.allow
			w := openSUN(t, withPolicy(p))
			for _, id := range []string{w.card.ID, w.sun.ID} {
				_, err := w.phone.SetLevel(w.ctx, consent.CardID(id), rightPIN, tc.holder)
				w.must(err)
			}
			text := func(p *device.Payment) string {
				out := ""
				for _, s := range w.finish(p) {
					out += " " + s
				}
				return out[1:]
			}
			got := taps{
				text(w.paid(w.phone, w.fresh(), 500)), text(w.paid(w.kiosk, w.fresh(), 500)),
				text(w.sent(w.phone, cardNumber, 500)), text(w.sent(w.kiosk, cardNumber, 500)),
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(taps{})); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitOfOnePaymentIsTheSameForEveryNumber(t *testing.T) {
	w := openSUN(t, withPolicy(limited(payment.LevelApprove)))
	const forged = "e=00112233445566778899AABBCCDDEEFF&c=0011223344556677"
	w.issue("6222020000000000003") // not activated
	for name, from := range map[string]*device.Client{"the card's own device": w.phone, "another device": w.kiosk} {
		for _, number := range []consent.AccountNumber{cardNumber, unknownNumber, "6222020000000000003"} {
			_, err := w.draft(from, number, 10_01).Send(w.ctx)
			expectProblem(t, err, "limit_exceeded")
			if p := w.sent(from, number, 10_00); w.state(p) != string(payment.AuthenticationRequired) {
				t.Errorf("%s: a payment at the limit is %s", name, w.state(p))
			}
		}
	}
	// Messages of cards that prove themselves meet no limit, and forged ones neither: that would tell them apart.
	used := w.fresh()
	for name, tap := range map[string]consent.Tap{"fresh": used, "forged": w.tapOf(forged)} {
		if p := w.paid(w.kiosk, tap, 10_01); w.state(p) != string(payment.AuthenticationRequired) {
			t.Errorf("%s: %s", name, w.state(p))
		}
	}
	if p := w.paid(w.kiosk, used, 10_01); !w.stored(p).Decoy() {
		t.Error("a used message opened a payment")
	}
}

func TestLimitOfADayIsToldAfterAuthentication(t *testing.T) {
	w := openSUN(t, withPolicy(limited(payment.LevelApprove)))
	day := w.clock.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	w.clock.Advance(day.Sub(w.clock.Now())) // so that the test does not cross midnight by itself
	w.expectState(w.confirmed(w.phone, 10_00), payment.Settled)
	second := w.confirmed(w.kiosk, 10_00) // held, not settled: it counts
	over := w.sent(w.kiosk, cardNumber, 5_01)
	_, err := over.Authenticate(w.ctx, wrongPIN)
	expectProblem(t, err, "wrong_pin") // who does not know the PIN learns nothing
	_, err = over.Authenticate(w.ctx, rightPIN)
	if problem := expectProblem(t, err, "limit_exceeded"); problem.State != string(payment.Rejected) {
		t.Errorf("the payment is %s", problem.State)
	}
	if got := w.stored(over); got.Reason != payment.LimitExceeded || !got.ConfirmedAt.IsZero() {
		t.Errorf("%s, confirmed at %v", got.Reason, got.ConfirmedAt)
	}
	if e := w.get("/v1/payments/"+string(over.ID()), w.shop.APIKey); e.Status != 404 {
		t.Errorf("the payee sees it: %d", e.Status)
	}
	// A card that proves itself has a day of its own, without limit.
	w.finish(w.paid(w.phone, w.fresh(), 30_00))
	// What is left of the day can be used, and no more; what ends unsettled is given back.
	w.expectState(w.confirmed(w.phone, 5_00), payment.Settled)
	_, err = w.sent(w.phone, cardNumber, 1).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	_, err = second.Cancel(w.ctx)
	w.must(err)
	w.expectState(w.confirmed(w.phone, 10_00), payment.Settled)
	w.clock.Advance(24 * time.Hour)
	w.expectState(w.confirmed(w.phone, 10_00), payment.Settled)
}

// What waits over midnight counts for the day that it may settle on.
func TestOpenPaymentsCountOnTheNextDayToo(t *testing.T) {
	w := openSUN(t, withPolicy(limited(payment.LevelApprove)))
	midnight := w.clock.Now().Truncate(24 * time.Hour).Add(24 * time.Hour)
	w.clock.Advance(midnight.Add(-time.Minute).Sub(w.clock.Now()))
	var waiting []*device.Payment
	for range 2 {
		waiting = append(waiting, w.authenticated(w.phone, 10_00))
	}
	w.clock.Advance(61 * time.Second)
	_, err := w.sent(w.phone, cardNumber, 5_01).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	for _, p := range waiting {
		w.finish(p)
	}
	_, err = w.sent(w.phone, cardNumber, 5_01).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	w.expectState(w.confirmed(w.phone, 5_00), payment.Settled)
}

// Twelve payments at once, each of which fits alone: as many go on as fit together.
func TestParallelPaymentsKeepTheLimitOfADay(t *testing.T) {
	for _, level := range []payment.Level{payment.LevelTap, payment.LevelAuthenticate, payment.LevelApprove} {
		t.Run(level.String(), func(t *testing.T) {
			policy := limited(level)
			policy.AllowIdentifiedTap, policy.TapDailyLimit = true, 100_00
			w := openSUN(t, withPolicy(policy))
			payee, err := w.phone.Payee(w.ctx, "books@shop")
			w.must(err)
			ended := make(chan []string, 12)
			var wg sync.WaitGroup
			for range cap(ended) {
				wg.Go(func() { ended <- w.race(payee, 10_00) })
			}
			wg.Wait()
			close(ended)
			settled := 0
			for did := range ended {
				if did[len(did)-1] == "settled" {
					settled++
				} else if !slices.Contains(did, "limit_exceeded") {
					t.Errorf("one ended with %v", did)
				}
			}
			if settled != 2 {
				t.Errorf("%d payments of 10.00 have settled, want 2 within 25.00", settled)
			}
			w.expectMoney(80_00, 0, 20_00)
		})
	}
}

// race makes a payment from the phone and says what came of each step. It may run beside others.
func (w *sunWorld) race(payee api.Payee, minor int64) (did []string) {
	step := func(_ api.Payment, err error) bool {
		if err == nil {
			return true
		}
		if p, ok := errors.AsType[*api.Problem](err); ok {
			did = append(did, p.Code)
		} else {
			did = append(did, err.Error())
		}
		return false
	}
	order, err := w.phone.Order(cny(minor), payee, consent.Order{})
	if err != nil {
		return []string{err.Error()}
	}
	draft, err := order.Tap(cardNumber)
	if err != nil {
		return []string{err.Error()}
	}
	p, err := draft.Send(w.ctx)
	if err != nil {
		return []string{err.Error()}
	}
	for p.View().Next.Action != api.ActionDone {
		if p.View().Next.Action == api.ActionAuthenticate && !step(w.patiently(p)) {
			return did
		}
		if p.View().Next.Action == api.ActionConfirm {
			s, err := p.Statement()
			if err != nil {
				return append(did, err.Error())
			}
			if !step(p.Confirm(w.ctx, s)) {
				return did
			}
		}
	}
	return append(did, p.View().State)
}

// patiently authenticates as soon as the tries that others have taken are given back.
func (w *sunWorld) patiently(p *device.Payment) (view api.Payment, err error) {
	for range 1000 {
		view, err = p.Authenticate(w.ctx, rightPIN)
		if problem, ok := errors.AsType[*api.Problem](err); !ok || problem.Code != "authentication_paused" {
			break
		}
	}
	return view, err
}

func TestAGestureKeepsTheLimitOfADayAsWell(t *testing.T) {
	w := openPasskey(t, withPolicy(limited(payment.LevelApprove)))
	first, second := w.sent(w.phone, cardNumber, 10_00), w.sent(w.phone, cardNumber, 10_00)
	third := w.sent(w.phone, cardNumber, 5_01)
	for _, p := range []*device.Payment{first, second} {
		_, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
		w.must(err)
	}
	_, err := third.ConfirmWith(w.ctx, w.shown(third), w.assert(third.View().Statement))
	expectProblem(t, err, "limit_exceeded")
	w.expectState(third, payment.Rejected)
	w.expectMoney(80_00, 0, 20_00)
}

func TestRehearsalsKeepTheLimitsAndUseNothingUp(t *testing.T) {
	w := openRehearsals(t, withPolicy(limited(payment.LevelApprove)))
	_, err := w.rehearsalDraft(w.phone, cardNumber, 10_01).Send(w.ctx)
	expectProblem(t, err, "limit_exceeded")
	open := w.rehearsal(w.phone, 10_00)
	_, err = open.Authenticate(w.ctx, rightPIN)
	w.must(err)
	for range 3 {
		p := w.rehearsal(w.phone, 10_00)
		w.walk(p)
		w.expectState(p, payment.Rehearsed)
	}
	w.expectState(w.confirmed(w.phone, 10_00), payment.Settled)
	w.expectState(w.confirmed(w.phone, 10_00), payment.Settled)
	over := w.rehearsal(w.phone, 5_01)
	_, err = over.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
}
