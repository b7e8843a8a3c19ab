package httpapi_test

import (
	"errors"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
)

// setRules sets the cardholder's rules.
func (w *world) setRules(r consent.SpendingRules) {
	w.t.Helper()
	_, err := w.phone.SetRules(w.ctx, w.cardID(), rightPIN, r)
	w.must(err)
}

// tried is what a device is told of a payment until it ends: the state that is shown after each step, or the problem.
func (w *world) tried(from *device.Client, number consent.AccountNumber, minor int64, pin consent.PIN) (states []string, problem *api.Problem) {
	w.t.Helper()
	p := w.sent(from, number, minor)
	states = append(states, w.state(p))
	_, err := p.Authenticate(w.ctx, pin)
	if err == nil {
		states = append(states, w.state(p))
		err = w.confirm(p)
	}
	if err != nil && !errors.As(err, &problem) {
		w.t.Fatal(err)
	}
	return append(states, w.state(p)), problem
}

// Whoever has a copied number and no PIN sees nothing of a card's limits and rules: its payments look like those with a number that
// nobody has issued. With the PIN, another device is told that a limit was exceeded, and not which; the card's own is told.
func TestLimitsTellAStrangerNothing(t *testing.T) {
	w := openWorld(t)
	for name, set := range map[string]func(){
		"card_payment": func() {
			_, err := w.operator.SetLimits(w.ctx, w.card.Account, api.NewLimits{Limits: consent.SpendingLimits{Payment: 1_00}, Note: "asked for"})
			w.must(err)
		},
		"own_payment": func() { w.setRules(consent.SpendingRules{Limits: consent.SpendingLimits{Payment: 1_00}}) },
		"own_night": func() {
			now := w.clock.Now().UTC()
			w.setRules(consent.SpendingRules{Night: &consent.Night{
				From: now.Format("15:04"), Until: now.Add(12 * time.Hour).Format("15:04"), Zone: "UTC",
			}})
		},
		"payee_payment": func() {
			_, err := w.operator.SetLimits(w.ctx, w.shop.Account, api.NewLimits{Limits: consent.SpendingLimits{Payment: 1_00}})
			w.must(err)
		},
	} {
		set()
		w.clock.Advance(24 * time.Hour) // for the tries
		limited, problem := w.tried(w.newDevice("thief "+name), cardNumber, 1_01, wrongPIN)
		expectProblem(t, problem, "wrong_pin")
		w.clock.Advance(24 * time.Hour)
		unknown, other := w.tried(w.newDevice("another thief "+name), unknownNumber, 1_01, wrongPIN)
		problem.TraceID, other.TraceID = "", ""
		if problem.Error() != other.Error() || len(limited) != 2 || limited[0] != unknown[0] || limited[1] != unknown[1] {
			t.Errorf("%s: a stranger is told %v, %v; of an unknown number %v, %v", name, limited, problem, unknown, other)
		}
		w.clock.Advance(24 * time.Hour)
		_, problem = w.tried(w.kiosk, cardNumber, 1_01, rightPIN)
		if expectProblem(t, problem, "limit_exceeded"); problem.Limit != "" {
			t.Errorf("%s: another device is told %q", name, problem.Limit)
		}
		_, problem = w.tried(w.phone, cardNumber, 1_01, rightPIN)
		if expectProblem(t, problem, "limit_exceeded"); problem.Limit != name {
			t.Errorf("%s: the card's own device is told %q", name, problem.Limit)
		}
		for _, id := range []string{w.card.Account, w.shop.Account} {
			_, err := w.operator.SetLimits(w.ctx, id, api.NewLimits{})
			w.must(err)
		}
		w.setRules(consent.SpendingRules{})
	}
}

func TestRulesTakeTheOwnersDeviceAndPIN(t *testing.T) {
	w := openWorld(t)
	rules := consent.SpendingRules{Limits: consent.SpendingLimits{DaySum: 5_00}, KnownPayees: 1}
	_, err := w.kiosk.SetRules(w.ctx, w.cardID(), rightPIN, rules)
	expectProblem(t, err, "unknown_card")
	_, err = w.phone.SetRules(w.ctx, w.cardID(), wrongPIN, rules)
	expectProblem(t, err, "wrong_pin")
	if got := w.cardNow(w.card.ID).Rules; got != nil {
		t.Errorf("the card has rules: %+v", got)
	}
	_, err = w.phone.SetLevel(w.ctx, w.cardID(), rightPIN, "confirm")
	w.must(err)
	w.setRules(rules)
	if got := w.cardNow(w.card.ID); got.Rules == nil || *got.Rules != rules || got.Level != "confirm" {
		t.Errorf("the card has level %s and rules %+v", got.Level, got.Rules)
	}
}

// A card that has paid a payee before may pay it again without a prompt, where the operator's policy has level tap, and nowhere else.
func TestNoPromptForKnownPayees(t *testing.T) {
	p := payment.DefaultPolicy
	p.Level = payment.LevelTap
	w := openSUN(t, withPolicy(p))
	id := consent.CardID(w.sun.ID)
	_, err := w.phone.SetLevel(w.ctx, id, rightPIN, "confirm")
	w.must(err)
	_, err = w.phone.SetRules(w.ctx, id, rightPIN, consent.SpendingRules{KnownPayees: 20_00})
	w.must(err)
	for _, step := range []struct {
		name  string
		from  *device.Client
		minor int64
		want  payment.State
	}{
		{"a payee that is not known", w.phone, 20_00, payment.AuthenticationRequired},
		{"a known one", w.phone, 20_00, payment.Settled},
		{"above the sum", w.phone, 20_01, payment.AuthenticationRequired},
		{"from another device", w.kiosk, 20_00, payment.AuthenticationRequired},
	} {
		pay := w.paid(step.from, w.fresh(), step.minor)
		w.expectState(pay, step.want)
		if step.want != payment.Settled && step.from == w.phone && step.minor == 20_00 {
			w.finish(pay)
		}
	}
	w.expectLevel(w.paid(w.kiosk, w.fresh(), 20_00), payment.LevelConfirm)
}

func (w *sunWorld) expectLevel(p *device.Payment, want payment.Level) {
	w.t.Helper()
	if got := w.stored(p).Level; got != want {
		w.t.Errorf("the payment needs %s, want %s", got, want)
	}
}
