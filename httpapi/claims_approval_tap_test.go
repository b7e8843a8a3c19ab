package httpapi_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tapline/api"
	"tapline/card/cardtest"
	"tapline/card/oda"
	"tapline/card/sun"
	"tapline/consent"
	"tapline/device"
	"tapline/payment"
	"tapline/processor"
)

// waiting is a payment with the card that proves itself, from the kiosk, that waits for the phone; used is its message.
func (w *sunWorld) waiting(minor int64) (p *device.Payment, used consent.Tap) {
	w.t.Helper()
	used = w.fresh()
	p = w.paid(w.kiosk, used, minor)
	w.confirmFirst(p)
	return p, used
}

// waiting is such a payment with the payment card.
func (w *emvWorld) waiting(minor int64) *device.Payment {
	w.t.Helper()
	p := w.pay(w.kiosk, w.fresh(w.kiosk, minor), minor)
	w.confirmFirst(p)
	return p
}

func (w *world) confirmFirst(p *device.Payment) {
	w.t.Helper()
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
}

// approveBy sends an approval with whatever is in it besides the payment.
func (w *world) approveBy(by *device.Client, p *device.Payment, m consent.Decision) exchange {
	w.t.Helper()
	m.Claims, m.Payment = w.claims(), p.ID()
	if m.Decision == "" {
		m.Decision = consent.Approve
	}
	if m.Decision == consent.Approve {
		m.Statement = cmp.Or(processor.Statement(w.stored(p)), "{}")
	}
	return w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, w.signed(by.Key, consent.TypApproval, &m))
}

// refusesTap wants a tap refused with a code, and the payment as it was, with all tries at the code.
func (w *world) refusesTap(name string, p *device.Payment, tap consent.Tap, code string) {
	w.t.Helper()
	e := w.approveBy(w.phone, p, consent.Decision{Tap: &tap})
	if got := e.problem(w.t); got.Code != code || got.AttemptsLeft != nil {
		w.t.Errorf("%s: %d %s, want %s", name, e.Status, e.Answer, code)
	}
	if got := w.stored(p); got.State != payment.ApprovalRequired || got.CodeFailures != 0 {
		w.t.Errorf("%s: the payment is %s with %d wrong codes", name, got.State, got.CodeFailures)
	}
}

func TestTapOfTheSameCardApproves(t *testing.T) {
	w := openSUN(t)
	p, _ := w.waiting(1250)
	a := w.approval(p)
	if got := a.View.Next.Methods; !slices.Equal(got, []string{"code", "tap"}) || !a.TakesTap() {
		t.Errorf("the approver may use %v", got)
	}
	tap := w.fresh()
	view, err := a.ApproveTap(w.ctx, tap)
	w.must(err)
	if view.State != string(payment.Settled) {
		t.Errorf("approved: %s", view.State)
	}
	// The tap is used up: for another approval, and for a payment of its own.
	q, _ := w.waiting(100)
	w.refusesTap("used", q, tap, "tap_used")
	_, err = w.pay(w.phone, tap, 100)
	expectProblem(t, err, "tap_used")
}

func TestPaymentCardApprovesWithItsProof(t *testing.T) {
	w := openEMV(t)
	p := w.waiting(1250)
	tap := consent.Tap{EMV: w.fresh(w.phone, 1250)}
	_, err := w.approval(p).ApproveTap(w.ctx, tap)
	w.must(err)
	w.expectState(p, payment.Settled)
	w.refusesTap("used", w.waiting(1250), tap, "tap_refused")
}

func TestTapsThatApproveNothing(t *testing.T) {
	w := openSUN(t)
	skimmed := w.fresh() // in a crowd, before the payment was made
	p, used := w.waiting(1250)
	issued, other := w.issueSUN("04112233445566")
	_, err := w.phone.ActivateTap(w.ctx, consent.Code(issued.Code), w.tapOf(other.Tap()), rightPIN)
	w.must(err)
	_, unactivated := w.issueSUN("04112233445567")
	forged := *w.tag
	forged.File = sun.NewKey([16]byte{1})
	genuine := w.tag.Tap()
	w.refusesTap("the payment's own tap", p, used, "tap_used")
	w.refusesTap("an older message", p, skimmed, "tap_used")
	w.refusesTap("another card of the same person", p, w.tapOf(other.Tap()), "tap_refused")
	w.refusesTap("a stranger's card", p, w.tapOf(unactivated.Tap()), "tap_refused")
	w.refusesTap("a key of no card", p, w.tapOf(forged.Tap()), "tap_refused")
	w.refusesTap("no message of any card", p, w.tapOf("e=00112233445566778899AABBCCDDEEFF&c=0011223344556677"), "tap_refused")
	for i := range 20 { // guessing takes no tries, and gets nowhere
		w.refusesTap("guessed", p, w.tapOf(genuine[:len(genuine)-2]+fmt.Sprintf("%02X", guess(genuine, i))), "tap_refused")
	}
	for _, number := range []consent.AccountNumber{cardNumber, unknownNumber} {
		e := w.approveBy(w.phone, p, consent.Decision{Tap: &consent.Tap{Account: number}})
		if got := e.problem(t); got.Code != "invalid_field" || got.Field != "tap.account" {
			t.Errorf("a number that was only read: %s", e.Answer)
		}
	}
	// After all that the right tap counts, even the one that was guessed at.
	_, err = w.approval(p).ApproveTap(w.ctx, w.tapOf(genuine))
	w.must(err)
	w.expectState(p, payment.Settled)
}

// guess is a last byte other than the message's.
func guess(message string, i int) int {
	var last int
	if _, err := fmt.Sscanf(message[len(message)-2:], "%02X", &last); err != nil {
		panic(err)
	}
	return (last + 1 + i) % 256
}

func TestProofsThatApproveNothing(t *testing.T) {
	w := openEMV(t)
	early := w.fresh(w.phone, 1250) // before anybody was asked to confirm
	w.clock.Advance(time.Second)
	p := w.waiting(1250)
	for name, tap := range map[string]func() *consent.EMVTap{
		"challenge from before the first confirmation": func() *consent.EMVTap { return early },
		"challenge of the other device":                func() *consent.EMVTap { return w.fresh(w.kiosk, 1250) },
		"challenge for another amount":                 func() *consent.EMVTap { return w.fresh(w.phone, 1249) },
		"no challenge":                                 func() *consent.EMVTap { return with(w.fresh(w.phone, 1250), "") },
		"another card": func() *consent.EMVTap {
			return w.asks(genuineCard(thiefNumber, oda.FDDA), w.challenge(w.phone, cny(1250)))
		},
		"a card without a proof": func() *consent.EMVTap {
			return w.asks(&cardtest.EMV{Number: cardtest.Number(emvNumber), AID: "A0000000031010"}, w.challenge(w.phone, cny(1250)))
		},
	} {
		w.refusesTap(name, p, consent.Tap{EMV: tap()}, "tap_refused")
	}
}

func TestRefusedProofUsesItsChallengeUp(t *testing.T) {
	w := openEMV(t)
	p := w.waiting(1250)
	c := w.challenge(w.phone, cny(1250))
	w.refusesTap("another card", p, consent.Tap{EMV: w.asks(genuineCard(thiefNumber, oda.FDDA), c)}, "tap_refused")
	w.refusesTap("the right card, too late", p, consent.Tap{EMV: w.asks(w.genuine, c)}, "tap_refused")
	w.refusesTap("expired", p, consent.Tap{EMV: func() *consent.EMVTap {
		tap := w.fresh(w.phone, 1250)
		w.clock.Advance(processor.ChallengeLife)
		return tap
	}()}, "tap_refused")
	_, err := w.approval(p).ApproveTap(w.ctx, consent.Tap{EMV: w.fresh(w.phone, 1250)})
	w.must(err)
}

func TestNobodyElseApprovesByTap(t *testing.T) {
	w := openSUN(t)
	p, _ := w.waiting(1250)
	tap := w.fresh()
	for name, d := range map[string]*device.Client{"the device that pays": w.kiosk, "a stranger": w.newDevice("stranger")} {
		if e := w.approveBy(d, p, consent.Decision{Tap: &tap}); e.problem(t).Code != "unknown_payment" {
			t.Errorf("%s: %d %s", name, e.Status, e.Answer)
		}
	}
	_, err := w.approval(p).ApproveTap(w.ctx, tap) // which is still good
	w.must(err)
}

func TestTapIsLeftWherePaymentIsNotToBeApproved(t *testing.T) {
	w := openSUN(t)
	early := w.paid(w.kiosk, w.fresh(), 100)
	_, err := early.Authenticate(w.ctx, rightPIN)
	w.must(err)
	declined, _ := w.waiting(100)
	_, err = w.approval(declined).Decline(w.ctx)
	w.must(err)
	late, _ := w.waiting(100)
	w.clock.Advance(payment.ApprovalWait)
	p, _ := w.waiting(100)
	tap := w.fresh()
	for _, c := range []struct {
		name string
		p    *device.Payment
		code string
	}{{"not asked yet", early, "unknown_payment"}, {"declined", declined, "ended"}, {"too late", late, "expired"}} {
		if e := w.approveBy(w.phone, c.p, consent.Decision{Tap: &tap}); e.problem(t).Code != c.code {
			t.Errorf("%s: %d %s, want %s", c.name, e.Status, e.Answer, c.code)
		}
	}
	other := consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: "{}", Tap: &tap}
	e := w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, w.signed(w.phone.Key, consent.TypApproval, &other))
	if e.problem(t).Code != "statement_mismatch" {
		t.Errorf("another statement: %d %s", e.Status, e.Answer)
	}
	_, err = w.approval(p).ApproveTap(w.ctx, tap)
	w.must(err)
}

func TestOneTapApprovesOnePayment(t *testing.T) {
	w := openSUN(t)
	var asked []*device.Payment
	for range 3 {
		p, _ := w.waiting(100)
		asked = append(asked, p)
	}
	tap := w.fresh()
	codes := make([]string, 4*len(asked))
	var wg sync.WaitGroup
	for i := range codes {
		wg.Go(func() {
			e := w.approveBy(w.phone, asked[i%len(asked)], consent.Decision{Tap: &tap})
			var p api.Problem
			_ = json.Unmarshal([]byte(e.Answer), &p)
			codes[i] = p.Code
		})
	}
	wg.Wait()
	approved := slices.DeleteFunc(slices.Clone(codes), func(c string) bool { return c != "" })
	if len(approved) != 1 {
		t.Errorf("one tap approved %d times: %q", len(approved), codes)
	}
	settled := 0
	for _, p := range asked {
		if w.state(p) == string(payment.Settled) {
			settled++
		}
	}
	if settled != 1 {
		t.Errorf("one tap settled %d payments", settled)
	}
}

func TestTapStandsInPlaceOfACodeOnly(t *testing.T) {
	w := openSUN(t)
	p, _ := w.waiting(100)
	tap := w.fresh()
	for name, m := range map[string]consent.Decision{
		"with a code":  {Tap: &tap, Code: consent.Code(p.View().Code)},
		"declining":    {Tap: &tap, Decision: consent.Decline},
		"not me":       {Tap: &tap, Decision: consent.NotMe},
		"first":        {Tap: &tap},
		"two of a tap": {Tap: &consent.Tap{SUN: tap.SUN, Account: cardNumber}},
	} {
		path, typ := "approval", consent.TypApproval
		if name == "first" {
			path, typ = "confirmation", consent.TypConfirmation
		}
		m.Claims, m.Payment, m.Statement = w.claims(), p.ID(), processor.Statement(w.stored(p))
		if m.Decision == "" {
			m.Decision = consent.Approve
		}
		e := w.post("/v1/payments/"+string(p.ID())+"/"+path, api.ContentJWS, w.signed(w.phone.Key, typ, &m))
		if got := e.problem(t); got.Code != "invalid_field" || !strings.HasPrefix(got.Field, "tap") {
			t.Errorf("%s: %d %s", name, e.Status, e.Answer)
		}
	}
	_, err := w.approval(p).ApproveTap(w.ctx, tap)
	w.must(err)
}

func TestSameApprovalSentAgainIsTheSame(t *testing.T) {
	w := openSUN(t)
	p, _ := w.waiting(100)
	m := &consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: processor.Statement(w.stored(p)),
		Tap: ptr(w.fresh())}
	body := w.signed(w.phone.Key, consent.TypApproval, m)
	first := w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, body)
	again := w.post("/v1/payments/"+string(p.ID())+"/approval", api.ContentJWS, body)
	if first.Status != 200 || again.Answer != first.Answer || again.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		t.Errorf("answered %d %s, then %d %s", first.Status, first.Answer, again.Status, again.Answer)
	}
}

// TestApprovalByTapIsKeptSealed looks for the number in the whole database, and for the approval in its evidence.
func TestApprovalByTapIsKeptSealed(t *testing.T) {
	w := openEMV(t)
	p := w.waiting(1250)
	before := w.wire.count()
	_, err := w.approval(p).ApproveTap(w.ctx, consent.Tap{EMV: w.fresh(w.phone, 1250)})
	w.must(err)
	sent := w.wire.since(before)
	var rows processor.Rows
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		rows, err = r.Load(processor.Wants{Evidence: []payment.ID{payment.ID(p.ID())}})
		return err
	}))
	i := slices.IndexFunc(rows.Evidence, func(e processor.Evidence) bool { return e.Role == consent.Second })
	if i < 0 {
		t.Fatal("no evidence of the approval")
	}
	signed, err := rows.Evidence[i].Signed(w.keys)
	if err != nil || signed != sent[len(sent)-1].Request {
		t.Errorf("the evidence is not what was signed: %v", err)
	}
	moved := rows.Evidence[i]
	moved.Payment = "pay_another"
	if _, err := moved.Signed(w.keys); err == nil {
		t.Error("sealed evidence opens as another payment's")
	}
	for table, rows := range w.dump() {
		for _, row := range rows {
			if strings.Contains(row, emvNumber) || strings.Contains(row, signed) {
				t.Errorf("a row of %s has the account number or what the card said in it", table)
			}
		}
	}
}

func TestApproverIsOfferedATapWhereItCanCount(t *testing.T) {
	for name, c := range map[string]struct {
		open func(t *testing.T) (*world, *device.Payment)
		want []string
	}{
		"a number, no authorities": {func(t *testing.T) (*world, *device.Payment) { w := openWorld(t); return w, w.confirmed(w.kiosk, 100) },
			[]string{"code"}},
		"a number that may be able to prove itself": {func(t *testing.T) (*world, *device.Payment) {
			w := openEMV(t)
			return w.world, w.confirmed(w.kiosk, 100)
		}, []string{"code", "tap"}},
		"a card that proves itself": {func(t *testing.T) (*world, *device.Payment) {
			w := openSUN(t)
			p, _ := w.waiting(100)
			return w.world, p
		},
			[]string{"code", "tap"}},
	} {
		w, p := c.open(t)
		if got := w.approval(p).View.Next.Methods; !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
