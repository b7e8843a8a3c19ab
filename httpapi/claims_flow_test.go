package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/ledger"
	"tapline/payment"
	"tapline/processor"
)

// walk takes a payment as far as it goes with the right answers, and returns the actions that were asked for.
func (w *world) walk(p *device.Payment) (actions []string) {
	w.t.Helper()
	for range 6 {
		next := p.View().Next.Action
		actions = append(actions, next)
		switch next {
		case api.ActionAuthenticate:
			_, err := p.Authenticate(w.ctx, rightPIN)
			w.must(err)
		case api.ActionConfirm:
			s, err := p.Statement()
			w.must(err)
			_, err = p.Confirm(w.ctx, s)
			w.must(err)
		case api.ActionWait:
			_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
			w.must(err)
			_, err = p.Refresh(w.ctx)
			w.must(err)
		default:
			return actions
		}
	}
	return actions
}

func TestEachLevelDoesExactlyItsSteps(t *testing.T) {
	tapAllowed := payment.DefaultPolicy
	tapAllowed.Level, tapAllowed.AllowIdentifiedTap = payment.LevelTap, true
	for _, tc := range []struct {
		name   string
		policy setting
		own    bool
		want   []string
	}{
		{"tap, allowed", withPolicy(tapAllowed), true, []string{"done"}},
		{"tap, not allowed for a number that was only read", atLevel(payment.LevelTap), true, []string{"authenticate", "done"}},
		{"tap, allowed, but from another device", withPolicy(tapAllowed), false, []string{"authenticate", "confirm", "wait_for_approval", "done"}},
		{"authenticate", atLevel(payment.LevelAuthenticate), true, []string{"authenticate", "done"}},
		{"confirm", atLevel(payment.LevelConfirm), true, []string{"authenticate", "confirm", "done"}},
		{"approve, from the associated device", atLevel(payment.LevelApprove), true, []string{"authenticate", "confirm", "done"}},
		{"approve, from another device", atLevel(payment.LevelApprove), false, []string{"authenticate", "confirm", "wait_for_approval", "done"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := openWorld(t, tc.policy)
			from := w.kiosk
			if tc.own {
				from = w.phone
			}
			p := w.sent(from, cardNumber, 1250)
			if diff := cmp.Diff(tc.want, w.walk(p)); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			w.expectState(p, payment.Settled)
			w.expectMoney(8750, 0, 1250)
		})
	}
}

func TestTapLimitsAskForAuthentication(t *testing.T) {
	policy := payment.DefaultPolicy
	policy.Level, policy.AllowIdentifiedTap, policy.TapLimit, policy.TapDailyLimit = payment.LevelTap, true, 1000, 1500
	w := openWorld(t, withPolicy(policy))
	for _, step := range []struct {
		minor int64
		want  string
	}{{1001, "authenticate"}, {1000, "done"}, {501, "authenticate"}, {500, "done"}, {1, "authenticate"}} {
		if got := w.sent(w.phone, cardNumber, step.minor).View().Next.Action; got != step.want {
			t.Errorf("%d minor units: %s, want %s", step.minor, got, step.want)
		}
	}
	w.clock.Advance(24 * time.Hour)
	if got := w.sent(w.phone, cardNumber, 1000).View().Next.Action; got != "done" {
		t.Errorf("on the next day: %s, want done", got)
	}
}

func TestTheCardholderCanAskForMoreButNotForLess(t *testing.T) {
	w := openWorld(t, atLevel(payment.LevelAuthenticate))
	id := consent.CardID(w.card.ID)
	_, err := w.phone.SetLevel(w.ctx, id, wrongPIN, "confirm")
	expectProblem(t, err, "wrong_pin")
	_, err = w.kiosk.SetLevel(w.ctx, id, rightPIN, "confirm")
	expectProblem(t, err, "unknown_card")
	for _, step := range []struct {
		level string
		want  []string
	}{{"confirm", []string{"authenticate", "confirm", "done"}}, {"tap", []string{"authenticate", "done"}}} {
		card, err := w.phone.SetLevel(w.ctx, id, rightPIN, step.level)
		w.must(err)
		if card.Level != step.level {
			t.Errorf("the card's level is %q, want %q", card.Level, step.level)
		}
		if diff := cmp.Diff(step.want, w.walk(w.sent(w.phone, cardNumber, 100))); diff != "" {
			t.Errorf("at the cardholder's level %s (-want +got):\n%s", step.level, diff)
		}
	}
}

func TestNothingIsSentBeforeSend(t *testing.T) {
	w := openWorld(t)
	_, err := w.kiosk.Cards(w.ctx) // so that the device has its token
	w.must(err)
	before := w.wire.count()
	draft := w.draft(w.kiosk, cardNumber, 1250)
	var paths []string
	for _, e := range w.wire.since(before) {
		paths = append(paths, e.Method+" "+e.Path)
	}
	if diff := cmp.Diff([]string{"GET /v1/payees/books@shop"}, paths); diff != "" {
		t.Fatalf("before Send (-want +got):\n%s", diff)
	}
	before = w.wire.count()
	p, err := draft.Send(w.ctx)
	w.must(err)
	sent := w.wire.since(before)
	if len(sent) != 1 {
		t.Fatalf("Send made %d requests", len(sent))
	}
	var got consent.Instruction
	w.must(json.Unmarshal(payload(t, sent[0].Request), &got))
	if got.Amount != cny(1250) || got.Payee != "books@shop" || got.Tap.Account != cardNumber || got.Device != w.kiosk.ID() ||
		got.Payment() != p.ID() {
		t.Errorf("the instruction does not carry amount, payee handle, card account and device: %+v", got)
	}
}

func TestThePayeeAccountIsFrozenWhenTheInstructionArrives(t *testing.T) {
	w := openWorld(t)
	p := w.authenticated(w.kiosk, 1250)
	moved, err := w.operator.MovePayee(w.ctx, "books@shop", "", "new bank")
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	if s.PayeeAccount != w.shop.Account || moved.Account == w.shop.Account {
		t.Errorf("the statement names account %s; the handle had %s and now has %s", s.PayeeAccount, w.shop.Account, moved.Account)
	}
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	_, err = w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectMoney(8750, 0, 1250) // of the account that the handle had
}

func TestBothStatementsShowTheFourFacts(t *testing.T) {
	w := openWorld(t)
	p := w.authenticated(w.kiosk, 1250)
	first, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, first)
	w.must(err)
	second := w.approval(p).Statement
	for role, s := range map[consent.Role]consent.Statement{consent.First: first, consent.Second: second} {
		got := []string{string(s.Role), s.CardAccount, s.AmountText, s.PayeeHandle, s.PayeeAccount}
		if diff := cmp.Diff([]string{string(role), "•••• 0005", "12.50 CNY", "books@shop", w.shop.Account}, got); diff != "" {
			t.Errorf("%s statement (-want +got):\n%s", role, diff)
		}
	}
	if second.FirstDigest != consent.StatementDigest(first.Text()) {
		t.Error("the second statement does not carry the digest of the first")
	}
}

// decide sends a raw decision about a payment, signed by a device.
func (w *world) decide(by *device.Client, path string, typ consent.Typ, p *device.Payment, statement string, code consent.Code) exchange {
	w.t.Helper()
	return w.post("/v1/payments/"+string(p.ID())+"/"+path, api.ContentJWS, w.signed(by.Key, typ, &consent.Decision{
		Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: statement, Code: code,
	}))
}

func TestTheFirstConfirmationIsForTheIssuedBytesByTheirDevice(t *testing.T) {
	w := openWorld(t)
	p, other := w.authenticated(w.kiosk, 1250), w.authenticated(w.kiosk, 1250)
	issued := p.View().Statement
	for _, tc := range []struct {
		name, statement, code string
		by                    *device.Client
	}{
		{"one byte changed", strings.Replace(issued, "12.50", "12.51", 1), "statement_mismatch", w.kiosk},
		{"a space more", strings.Replace(issued, `,"role"`, `, "role"`, 1), "statement_mismatch", w.kiosk},
		{"another payment's", other.View().Statement, "statement_mismatch", w.kiosk},
		{"the other role's", strings.Replace(issued, `"role":"first"`, `"role":"second"`, 1), "statement_mismatch", w.kiosk},
		{"by the associated device", issued, "unknown_payment", w.phone},
		{"by a stranger", issued, "unknown_payment", w.newDevice("stranger")},
	} {
		e := w.decide(tc.by, "confirmation", consent.TypConfirmation, p, tc.statement, "")
		if got := e.problem(t); got.Code != tc.code {
			t.Errorf("%s: %d %s, want %s", tc.name, e.Status, got.Code, tc.code)
		}
		w.expectState(p, payment.ConfirmationRequired)
	}
	w.expectMoney(10000, 0, 0)
}

func TestAReplayedConfirmationConfirmsNothingElse(t *testing.T) {
	w := openWorld(t)
	p, other := w.authenticated(w.kiosk, 1250), w.authenticated(w.kiosk, 1250)
	before := w.wire.count()
	s, err := p.Statement()
	w.must(err)
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	captured := w.wire.since(before)[0]
	e := w.post("/v1/payments/"+string(other.ID())+"/confirmation", api.ContentJWS, captured.Request)
	if e.Status != 400 && e.Status != 404 && e.Status != 409 && e.Status != 422 {
		t.Errorf("at another payment: %d %s", e.Status, e.Answer)
	}
	w.expectState(other, payment.ConfirmationRequired)
	e = w.post(captured.Path, api.ContentJWS, captured.Request)
	if e.Status != captured.Status || e.Answer != captured.Answer || e.AnswerHeader.Get(api.ReplayedHeader) != "true" {
		t.Errorf("at its own payment: %d, replayed %q; want the same answer again", e.Status, e.AnswerHeader.Get(api.ReplayedHeader))
	}
	w.expectMoney(10000, 1250, 0)
}

func TestTheOwnDeviceNeedsNoSecondConfirmation(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.phone, 1250)
	if p.View().State != string(payment.Settled) || p.View().Code != "" {
		t.Errorf("after the first confirmation: %s, code %q", p.View().State, p.View().Code)
	}
	w.expectMoney(8750, 0, 1250)
}

func TestOnlyTheAssociatedDeviceIsAskedAndCanApprove(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	w.expectMoney(10000, 1250, 0)
	stranger := w.newDevice("stranger")
	for name, d := range map[string]*device.Client{"the kiosk": w.kiosk, "a stranger": stranger} {
		asked, err := d.Approvals(w.ctx)
		w.must(err)
		if len(asked) != 0 {
			t.Errorf("%s is asked to approve", name)
		}
		e := w.decide(d, "approval", consent.TypApproval, p, w.approval(p).View.Statement, consent.Code(p.View().Code))
		if e.problem(t).Code != "unknown_payment" {
			t.Errorf("%s approves: %d %s", name, e.Status, e.Answer)
		}
	}
	asked, err := w.phone.Approvals(w.ctx)
	w.must(err)
	if len(asked) != 1 || asked[0].Statement.Payment != p.ID() {
		t.Fatalf("the phone is asked for %d payments", len(asked))
	}
	_, err = asked[0].Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectState(p, payment.Settled)
	w.expectMoney(8750, 0, 1250)
}

func TestThreeWrongCodesDecline(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	a := w.approval(p)
	for left := payment.CodeTries - 1; left >= 0; left-- {
		_, err := a.Approve(w.ctx, wrongCode(p.View().Code))
		problem := expectProblem(t, err, "wrong_code")
		if problem.AttemptsLeft == nil || *problem.AttemptsLeft != left {
			t.Errorf("attempts left: %v, want %d", problem.AttemptsLeft, left)
		}
	}
	if _, err := a.Approve(w.ctx, consent.Code(p.View().Code)); err == nil {
		t.Error("the right code after three wrong ones approves")
	}
	w.expectState(p, payment.Declined)
	w.expectMoney(10000, 0, 0)
}

func TestNotMeDeclinesAndFreezesTheCard(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	_, err := w.approval(p).NotMe(w.ctx)
	w.must(err)
	w.expectState(p, payment.Declined)
	card, err := w.phone.Card(w.ctx, consent.CardID(w.card.ID))
	w.must(err)
	if card.State != "frozen" {
		t.Errorf("the card is %s, want frozen", card.State)
	}
	_, err = w.sent(w.kiosk, cardNumber, 100).Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "wrong_pin")
	w.expectMoney(10000, 0, 0)
}

func TestDecliningReleasesTheHold(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	_, err := w.approval(p).Decline(w.ctx)
	w.must(err)
	w.expectState(p, payment.Declined)
	w.expectMoney(10000, 0, 0)
}

func TestExpiryReleasesTheHold(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	a := w.approval(p)
	w.clock.Advance(payment.ApprovalWait)
	_, err := a.Approve(w.ctx, consent.Code(p.View().Code))
	expectProblem(t, err, "expired")
	w.expectState(p, payment.Expired)
	w.expectMoney(10000, 0, 0)
}

func TestExpiredPaymentsEndWithoutAnybodyAsking(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	w.clock.Advance(payment.ApprovalWait)
	ctx, stop := context.WithCancel(w.ctx)
	var sweeping sync.WaitGroup
	sweeping.Go(func() { w.processor.Sweep(ctx) })
	defer func() { stop(); sweeping.Wait() }()
	for after := int64(0); ; {
		newest, err := w.store.Wait(w.ctx, after)
		w.must(err)
		var rows processor.Rows
		w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
			rows, err = r.Load(processor.Wants{Payments: []payment.ID{payment.ID(p.ID())}})
			return err
		}))
		if rows.Payments[0].State == payment.Expired {
			break
		}
		after = newest
	}
	w.expectMoney(10000, 0, 0)
}

func TestADeviceThatClaimsTheAssociatedDevicesIDIsRefused(t *testing.T) {
	w := openWorld(t)
	thief := w.newKey()
	for name, m := range map[string]*consent.Instruction{
		"claims it in the instruction": {Claims: w.claims(), Device: w.phone.ID()},
		"claims it in the header, too": {Claims: w.claims(), Device: w.phone.ID()},
	} {
		m.ID, m.Amount, m.Payee, m.Tap = string(consent.NewPaymentID()), cny(1250), "books@shop", consent.Tap{Account: cardNumber}
		compact := w.signed(thief, consent.TypInstruction, m)
		if strings.Contains(name, "header") {
			compact = withHeader(t, compact, func(h map[string]any) { h["kid"] = string(w.phone.ID()) })
		}
		e := w.post("/v1/payments", api.ContentJWS, compact)
		if e.Status < 400 {
			t.Errorf("a thief who %s: %d %s", name, e.Status, e.Answer)
		}
	}
	w.expectMoney(10000, 0, 0)
}

func TestInsufficientFundsAreToldAfterAuthenticationAndNothingIsHeld(t *testing.T) {
	w := openWorld(t)
	for name, from := range map[string]*device.Client{"with one confirmation": w.phone, "with two": w.kiosk} {
		p := w.authenticated(from, 100_01)
		s, err := p.Statement()
		w.must(err)
		_, err = p.Confirm(w.ctx, s)
		problem := expectProblem(t, err, "insufficient_funds")
		if problem.Status != 422 || problem.State != string(payment.Rejected) {
			t.Errorf("%s: status %d, state %q", name, problem.Status, problem.State)
		}
		w.expectState(p, payment.Rejected)
	}
	w.expectMoney(10000, 0, 0)
}

func TestDebitAndCreditAreOneEntryOrNone(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.phone, 1250)
	full := w.confirmed(w.phone, 100_00-1250)
	w.expectState(full, payment.Settled)
	var entries []ledger.Entry
	w.must(w.store.View(w.ctx, func(r processor.Reader) (err error) {
		entries, err = r.Entries(ledger.AccountID(w.shop.Account), time.Time{}, w.clock.Now().Add(time.Hour), 10)
		return err
	}))
	if len(entries) != 2 || entries[0].ID != ledger.EntryID(string(p.ID())+"/post") || len(entries[0].Postings) != 1 {
		t.Fatalf("entries of the payee: %+v", entries)
	}
	want := ledger.Posting{Debit: ledger.AccountID(w.card.Account), Credit: ledger.AccountID(w.shop.Account), Amount: cny(1250)}
	if diff := cmp.Diff(want, entries[0].Postings[0]); diff != "" {
		t.Errorf("posting (-want +got):\n%s", diff)
	}
}

func TestReceiptsCarryTheFactsAndVerifyOffline(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 1250)
	if _, err := p.Receipt(w.ctx); err == nil {
		t.Error("there is a receipt before settlement")
	}
	first := consent.StatementDigest(w.firstStatement(p))
	a := w.approval(p)
	w.clock.Advance(7 * time.Second)
	_, err := a.Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	r, err := p.Receipt(w.ctx)
	w.must(err)
	keys := w.get("/.well-known/jwks.json", "")
	offline, err := consent.VerifyReceipt([]byte(keys.Answer), r.Compact)
	w.must(err)
	if offline.Amount != cny(1250) || offline.CardAccount != "•••• 0005" || offline.PayeeHandle != "books@shop" || offline.FirstDigest != first ||
		offline.SecondDigest != consent.StatementDigest(a.View.Statement) || offline.Stages.SecondConfirmation != 7000 {
		t.Errorf("the receipt says %+v", offline)
	}
	if _, err := consent.VerifyReceipt([]byte(keys.Answer), tamper(r.Compact)); !errors.Is(err, consent.ErrSignature) && !errors.Is(err, consent.ErrMalformed) {
		t.Errorf("a changed receipt: %v", err)
	}
}
