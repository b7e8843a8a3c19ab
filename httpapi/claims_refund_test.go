package httpapi_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/payee"
	"tapline/payment"
	"tapline/processor"
)

// settled is a payment of the phone's that has gone all the way.
func (w *world) settled(minor int64) *device.Payment {
	w.t.Helper()
	p := w.confirmed(w.phone, minor)
	w.expectState(p, payment.Settled)
	return p
}

// approved gives the second confirmation.
func (w *world) approved(p *device.Payment) {
	w.t.Helper()
	_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
}

// refund gives minor units of a payment back, or what is left of it.
func (w *world) refund(p *device.Payment, minor int64) (api.Refund, error) {
	w.t.Helper()
	in := api.NewRefund{Payment: string(p.ID()), Reason: "sold out"}
	if minor != 0 {
		in.Amount = ptr(cny(minor))
	}
	return w.till().Refund(w.ctx, in)
}

func (w *world) mustRefund(p *device.Payment, minor int64) api.Refund {
	w.t.Helper()
	r, err := w.refund(p, minor)
	w.must(err)
	return r
}

func TestEverybodyWhoSeesAPaymentSeesWhatWasRefunded(t *testing.T) {
	w := openWorld(t)
	p := w.confirmed(w.kiosk, 12_50)
	w.approved(p)
	first := w.mustRefund(p, 5_00)
	w.clock.Advance(time.Second)
	rest := w.mustRefund(p, 0)
	w.expectMoney(100_00, 0, 0)
	if rest.Amount != cny(7_50) || rest.Refunded != cny(12_50) || rest.Whole != cny(12_50) || rest.Reason != "sold out" || rest.Order.Number != "1042" {
		t.Errorf("the rest is %+v", rest)
	}
	for name, view := range map[string]func() (api.Payment, error){
		"initiator": func() (api.Payment, error) { return w.kiosk.Payment(w.ctx, p.ID()) },
		"approver":  func() (api.Payment, error) { return w.phone.Payment(w.ctx, p.ID()) },
		"payee":     func() (api.Payment, error) { return w.till().Payment(w.ctx, string(p.ID())) },
	} {
		got, err := view()
		w.must(err)
		if got.Refunded == nil || *got.Refunded != cny(12_50) || got.State != "settled" || got.Role != name {
			t.Errorf("the %s sees %+v", name, got)
		}
	}
	seen, err := w.operator.Payment(w.ctx, p.ID())
	w.must(err)
	var steps []string
	for _, s := range seen.Timeline {
		if s.Step == "refunded" {
			steps = append(steps, fmt.Sprint(s.Refund, *s.Amount, s.By))
		}
	}
	if diff := cmp.Diff([]string{fmt.Sprint(first.ID, cny(5_00), "payee"), fmt.Sprint(rest.ID, cny(7_50), "payee")}, steps); diff != "" || *seen.Refunded != cny(12_50) {
		t.Errorf("the operator sees %v (-want +got):\n%s", seen.Refunded, diff)
	}
	for name, token := range map[string]string{"initiator": w.token(w.kiosk.Key), "approver": w.token(w.phone.Key), "payee": w.shop.APIKey} {
		var page api.Refunds
		w.must(json.Unmarshal([]byte(w.get("/v1/refunds?payment="+string(p.ID()), token).Answer), &page))
		var one api.Refund
		w.must(json.Unmarshal([]byte(w.get("/v1/refunds/"+first.ID, token).Answer), &one))
		if len(page.Refunds) != 2 || page.Refunds[0].ID != rest.ID || !cmp.Equal(page.Refunds[1], one) || one.Amount != cny(5_00) {
			t.Errorf("the %s is told of %+v, and of %+v", name, page, one)
		}
		if shown := one.CardAccount != ""; shown == (name == "payee") {
			t.Errorf("the %s is shown the card: %v", name, shown)
		}
	}
	for who, token := range map[processor.Principal]string{
		processor.DevicePrincipal(payment.DeviceID(w.kiosk.ID())): w.token(w.kiosk.Key),
		processor.DevicePrincipal(payment.DeviceID(w.phone.ID())): w.token(w.phone.Key), "payee:books@shop": w.shop.APIKey,
	} {
		types := w.eventTypes(who, token, p.ID())
		if n := len(types); n < 2 || types[n-1] != "payment.refunded" || types[n-2] != "payment.refunded" {
			t.Errorf("%s was told of %v", who, types)
		}
	}
	report, err := w.operator.Report(w.ctx, w.card.Account, time.Time{}, time.Time{})
	w.must(err)
	last := report.Lines[len(report.Lines)-1]
	if last.Reference != rest.ID || last.Credit != 7_50 || last.Other != w.shop.Account || report.Closing != 100_00 {
		t.Errorf("the account's report ends with %+v", last)
	}
}

func TestNoMoreIsRefundedThanWasPaidInHoweverManyParts(t *testing.T) {
	w := openWorld(t)
	p, other := w.settled(1_00), w.settled(50_00) // the payee has more than enough
	var made atomic.Int64
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 4 {
				r, err := w.refund(p, int64(7+i%3))
				refused, _ := errors.AsType[*api.Problem](err)
				switch {
				case err == nil:
					made.Add(r.Amount.Minor)
				case refused == nil || refused.State != "settled" || refused.Code != "refund_exceeds" && refused.Code != "refunded":
					t.Errorf("refused with %v", err)
				}
			}
		})
	}
	all.Wait()
	if left := 1_00 - made.Load(); left < 0 || left > 9 {
		t.Fatalf("%d of 100 are left", left)
	} else if left > 0 {
		w.mustRefund(p, 0)
	}
	for _, minor := range []int64{0, 1, 1_00} {
		_, err := w.refund(p, minor)
		expectProblem(t, err, "refunded")
	}
	w.expectMoney(50_00, 0, 50_00)
	_, err := w.refund(other, 50_01)
	expectProblem(t, err, "refund_exceeds")
	w.expectMoney(50_00, 0, 50_00)
}

func TestARefundIsMadeOnceHoweverOftenItIsSent(t *testing.T) {
	w := openWorld(t)
	p := w.settled(12_50)
	ctx := payee.WithIdempotencyKey(w.ctx, "refund-1042")
	in := api.NewRefund{Payment: string(p.ID()), Amount: ptr(cny(1_00))}
	w.wire.mu.Lock()
	w.wire.loses = 2
	w.wire.mu.Unlock()
	first, err := w.till().Refund(ctx, in)
	w.must(err)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if again, err := w.till().Refund(ctx, in); err != nil || !cmp.Equal(first, again) {
				t.Errorf("again: %+v, %v; want %+v", again, err, first)
			}
		})
	}
	all.Wait()
	w.expectMoney(88_50, 0, 11_50)
	for name, other := range map[string]api.NewRefund{
		"another amount": {Payment: in.Payment, Amount: ptr(cny(2_00))}, "all": {Payment: in.Payment},
		"a reason": {Payment: in.Payment, Amount: in.Amount, Reason: "x"}, "another payment": {Payment: string(consent.NewPaymentID()), Amount: in.Amount},
	} {
		if _, err := w.till().Refund(ctx, other); expectProblem(t, err, "idempotency_key_reused").Status != http.StatusUnprocessableEntity {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.expectMoney(88_50, 0, 11_50)
}

func TestARefundGoesToTheAccountOfACardThatCannotPay(t *testing.T) {
	for name, stop := range map[string]func(w *world, id consent.CardID){
		"frozen": func(w *world, id consent.CardID) { _, err := w.phone.Freeze(w.ctx, id); w.must(err) },
		"lost":   func(w *world, id consent.CardID) { _, err := w.phone.ReportLost(w.ctx, id); w.must(err) },
		"closed": func(w *world, id consent.CardID) { _, err := w.operator.CloseCard(w.ctx, id, ""); w.must(err) },
		"replaced": func(w *world, id consent.CardID) {
			w.replaced(string(id), nextNumber)
		},
		"revoked device": func(w *world, _ consent.CardID) { w.must(w.operator.RevokeDevice(w.ctx, w.phone.ID(), "stolen")) },
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			p := w.settled(12_50)
			stop(w, consent.CardID(w.card.ID))
			w.mustRefund(p, 2_50)
			w.expectMoney(90_00, 0, 10_00)
			if card := w.cardNow(w.card.ID); name != "revoked device" && card.State == "active" {
				t.Errorf("a refund made the card %s", card.State)
			}
		})
	}
}

func TestARefundIsForTheKeyOfThePayeeWhoWasPaid(t *testing.T) {
	w := openWorld(t)
	p := w.settled(12_50)
	made := w.mustRefund(p, 1_00)
	thief, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "thief@shop", Name: "Thief", Currency: "CNY"})
	w.must(err)
	stranger := w.newDevice("stranger")
	body := `{"payment":"` + string(p.ID()) + `"}`
	w.unchanged(func() {
		for name, c := range map[string]struct{ key, want string }{
			"another payee": {thief.APIKey, "unknown_payment"}, "the payer": {w.token(w.phone.Key), "wrong_credential"},
			"an operator": {w.token(w.operator.Key), "wrong_credential"}, "a wrong key": {w.shop.APIKey + "x", "invalid_token"},
		} {
			e := w.post("/v1/refunds", "application/json", body, "Authorization", "Bearer "+c.key, api.IdempotencyHeader, "k")
			if got := e.problem(t).Code; got != c.want {
				t.Errorf("by %s: %s, want %s", name, got, c.want)
			}
		}
		if got := w.post("/v1/refunds", "application/json", body, api.IdempotencyHeader, "k").problem(t).Code; got != "token_required" {
			t.Errorf("by nobody: %s", got)
		}
		if got := w.post("/v1/refunds", "application/json", body, "Authorization", "Bearer "+w.shop.APIKey).problem(t).Code; got != "idempotency_key_required" {
			t.Errorf("without a key: %s", got)
		}
		for _, token := range []string{thief.APIKey, w.token(stranger.Key)} {
			for path, want := range map[string]string{
				"/v1/refunds/" + made.ID: "unknown_refund", "/v1/refunds/ref_": "unknown_refund",
				"/v1/refunds?payment=" + string(p.ID()): "unknown_payment", "/v1/refunds?payment=none": "unknown_payment",
				"/v1/admin/refunds/" + made.ID: "wrong_credential",
			} {
				if got := w.get(path, token).problem(t).Code; got != want {
					t.Errorf("GET %s by a stranger: %s, want %s", path, got, want)
				}
			}
		}
		if got := w.get("/v1/refunds", w.token(w.phone.Key)).problem(t); got.Code != "invalid_field" || got.Field != "payment" {
			t.Errorf("a device lists the refunds of all payments: %+v", got)
		}
		if got := w.get("/v1/refunds", thief.APIKey).Answer; got != `{"refunds":[]}` {
			t.Errorf("another payee lists %s", got)
		}
	})
	var seen api.Refund
	w.must(json.Unmarshal([]byte(w.get("/v1/admin/refunds/"+made.ID, w.token(w.operator.Key)).Answer), &seen))
	if seen.Amount != cny(1_00) || seen.CardAccount == "" {
		t.Errorf("the operator reads %+v", seen)
	}
}

func TestOnlyWhatSettledIsRefunded(t *testing.T) {
	w := openRehearsals(t)
	waiting, rehearsed := w.confirmed(w.kiosk, 1_00), w.rehearsing(1_00)
	w.approved(rehearsed)
	cancelled := w.confirmed(w.kiosk, 1_00)
	_, err := w.kiosk.Cancel(w.ctx, cancelled.ID())
	w.must(err)
	unseen := w.authenticated(w.kiosk, 1_00)
	decoy := w.sent(w.kiosk, unknownNumber, 1_00)
	w.unchanged(func() {
		for _, c := range []struct {
			p           *device.Payment
			code, state string
		}{
			{waiting, "not_refundable", "approval_required"}, {rehearsed, "not_refundable", "rehearsed"},
			{cancelled, "not_refundable", "cancelled"}, {unseen, "unknown_payment", ""}, {decoy, "unknown_payment", ""},
		} {
			for _, minor := range []int64{0, 1} {
				_, err := w.refund(c.p, minor)
				if got := expectProblem(t, err, c.code); got.State != c.state {
					t.Errorf("refunding what is %s: %+v", c.state, got)
				}
			}
		}
	})
	w.expectMoney(100_00, 1_00, 0)
}

func TestAPayeeWithoutTheMoneyIsToldSo(t *testing.T) {
	w := openWorld(t)
	p := w.settled(12_50)
	moved, err := w.operator.MovePayee(w.ctx, "books@shop", "", "paid out")
	w.must(err)
	w.unchanged(func() {
		for _, minor := range []int64{0, 1} {
			_, err := w.refund(p, minor)
			expectProblem(t, err, "payee_balance")
		}
	})
	w.settled(3_00)
	r := w.mustRefund(p, 3_00)
	if account, err := w.operator.Account(w.ctx, moved.Account); err != nil || account.Balance != 0 || !strings.HasSuffix(moved.Account, last4(r.Payee.Account)) {
		t.Errorf("the new account has %d, %v; the refund came from %s", account.Balance, err, r.Payee.Account)
	}
	w.expectMoney(87_50, 0, 12_50)
}

// last4 are the last four characters of a masked text.
func last4(masked string) string { return masked[len(masked)-4:] }

func TestWhatIsNoAmountIsNotRefunded(t *testing.T) {
	w := openWorld(t)
	p := w.settled(12_50)
	refuse := func(body, want string) {
		t.Helper()
		e := w.post("/v1/refunds", "application/json", body, "Authorization", "Bearer "+w.shop.APIKey, api.IdempotencyHeader, consent.NewID())
		if got := e.problem(t).Code; got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
		if strings.Contains(e.Answer, "SECRET") {
			t.Errorf("the refusal repeats what was sent: %s", e.Answer)
		}
	}
	w.unchanged(func() {
		for amount, want := range map[string]string{
			`{"minor":0,"currency":"CNY"}`: "invalid_field", `{"minor":-100,"currency":"CNY"}`: "invalid_field",
			`{"minor":1,"currency":"JPY"}`: "wrong_currency", `{"minor":1}`: "invalid_field", `{"minor":1,"currency":"SECRET"}`: "invalid_field",
			`{"minor":1.5,"currency":"CNY"}`: "invalid_field", `{"minor":1000000000000000,"currency":"CNY"}`: "refund_exceeds",
			`{"minor":9223372036854775808,"currency":"CNY"}`: "invalid_field", `"1.00"`: "invalid_field",
			`{"minor":1,"minor":2,"currency":"CNY"}`: "duplicate_field", `{"minor":1251,"currency":"CNY"}`: "refund_exceeds",
		} {
			refuse(`{"payment":"`+string(p.ID())+`","amount":`+amount+`}`, want)
		}
		refuse(`{"payment":"`+string(p.ID())+`","reason":"SECRET\u202e"}`, "text_not_shown")
		refuse(`{"payment":"`+string(p.ID())+`","reason":"`+strings.Repeat("x", 281)+`"}`, "invalid_field")
		refuse(`{"payment":"`+string(p.ID())+`","card_account":"SECRET"}`, "unknown_field")
		refuse(`{"amount":{"minor":1,"currency":"CNY"}}`, "invalid_field")
		refuse(`{"payment":"none"}`, "unknown_payment")
	})
	w.expectMoney(87_50, 0, 12_50)
}

// TestARefundGivesALimitNoRoomBack: whoever has a copied number could pay and be refunded by a payee of theirs without end.
func TestARefundGivesALimitNoRoomBack(t *testing.T) {
	policy := payment.DefaultPolicy
	policy.IdentifiedDailyLimit = 20_00
	w := openWorld(t, withPolicy(policy))
	w.mustRefund(w.settled(15_00), 0)
	p := w.sent(w.phone, cardNumber, 15_00)
	_, err := p.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "limit_exceeded")
	w.expectMoney(100_00, 0, 0)
}

func TestARefundedPaymentStaysSettledAndItsReceiptTheSame(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	p := w.claiming(o)
	w.must(w.confirm(p))
	before, err := w.phone.Receipt(w.ctx, p.ID())
	w.must(err)
	w.mustRefund(p, 0)
	after, err := w.phone.Receipt(w.ctx, p.ID())
	w.must(err)
	if before.Receipt != after.Receipt {
		t.Errorf("the receipt was %+v and is %+v", before.Receipt, after.Receipt)
	}
	w.expectOrder(o, "paid", p)
	_, err = w.phone.Cancel(w.ctx, p.ID())
	expectProblem(t, err, "too_late")
	_, err = w.paying(w.phone, cardNumber, o)
	expectProblem(t, err, "order_closed")
}

func TestRefundsAreListedInPages(t *testing.T) {
	w := openWorld(t)
	first, second := w.settled(1_00), w.settled(2_00)
	var want []string
	for i := range 5 {
		for _, p := range []*device.Payment{first, second} {
			if i == 3 {
				w.clock.Advance(time.Second)
			}
			want = append(want, w.mustRefund(p, 10).ID)
		}
	}
	pages := func(q payee.RefundQuery) (got []string) {
		for {
			page, err := w.till().Refunds(w.ctx, q)
			w.must(err)
			for _, r := range page.Refunds {
				got = append(got, r.ID)
			}
			if q.Before = page.Next; q.Before == "" {
				slices.Sort(got)
				return got
			}
		}
	}
	slices.Sort(want)
	for _, limit := range []int{0, 1, 3, 10} {
		if diff := cmp.Diff(want, pages(payee.RefundQuery{Limit: limit})); diff != "" {
			t.Errorf("in pages of %d (-want +got):\n%s", limit, diff)
		}
	}
	if got := pages(payee.RefundQuery{Payment: string(first.ID()), Limit: 2}); len(got) != 5 {
		t.Errorf("of one payment: %v", got)
	}
	one, err := w.till().MadeRefund(w.ctx, want[0])
	if err != nil || one.ID != want[0] {
		t.Errorf("read again: %+v, %v", one, err)
	}
	for _, before := range []string{"x", "1.ref_", "1.pay_0123456789abcdefghijkl"} {
		if _, err := w.till().Refunds(w.ctx, payee.RefundQuery{Before: before}); expectProblem(t, err, "invalid_field").Field != "before" {
			t.Errorf("before %q: %v", before, err)
		}
	}
}
