package httpapi_test

import (
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/httpapi"
	"tapline/operator"
	"tapline/payee"
	"tapline/payout"
	"tapline/processor"
)

var (
	shopsBank = payout.BankAccount{Name: "书店 Books", IBAN: "GB82WEST12345698765432"}
	ourBank   = payout.BankAccount{Name: "Operator", Other: "0012-3456"}
)

// openPayouts is a world where one may pay out 100.00 alone, with a second operator, and a payee who has 500.00 and a bank account.
func openPayouts(t *testing.T) (w *world, second *operator.Client) {
	w = openWorld(t, func(_ *processor.Config, c *httpapi.Config) {
		c.FourEyesAbove, c.BankAccountDelay = 100_00, 24*time.Hour
		c.Policy.IdentifiedLimit, c.Policy.IdentifiedDailyLimit = 1_000_00, 1_000_00
	})
	second = w.another("Bob")
	for range 5 {
		_, err := w.operator.TopUp(w.ctx, w.card.Account, api.NewTopUp{Amount: cny(100_00)})
		w.must(err)
	}
	p := w.confirmed(w.phone, 500_00)
	w.expectState(p, "settled")
	plan, err := w.operator.SetBankAccount(w.ctx, w.shop.Handle, api.NewBankAccount{Account: shopsBank})
	w.must(err)
	_, err = second.ConfirmBankAccount(w.ctx, w.shop.Handle, api.BankAccountDecision{Version: plan.Version})
	w.must(err)
	w.clock.Advance(24 * time.Hour)
	return w, second
}

func (w *world) payOut(minor int64) api.Payout {
	w.t.Helper()
	p, err := w.operator.MakePayout(w.ctx, api.NewPayeePayout{Payee: w.shop.Handle, Amount: ptr(cny(minor))})
	w.must(err)
	return p
}

// with is a client of the payee's with a key of some scopes.
func (w *world) with(scopes ...processor.Scope) *payee.Client {
	w.t.Helper()
	in := api.NewAPIKey{Name: "office"}
	for _, s := range scopes {
		in.Scopes = append(in.Scopes, string(s))
	}
	made, err := w.operator.MakePayeeKey(w.ctx, w.shop.Handle, in)
	w.must(err)
	return &payee.Client{URL: w.url, APIKey: made.Key}
}

func TestADayOfPayouts(t *testing.T) {
	w, second := openPayouts(t)
	office := w.with(processor.ScopePayouts, processor.ScopeRead)
	own, err := office.RequestPayout(w.ctx, api.NewPayout{Amount: ptr(cny(60_00))})
	w.must(err)
	if own.State != "ready" || own.To.IBAN != "…5432" || !strings.HasPrefix(own.AskedBy, "payee:") {
		t.Errorf("the payee's own: %+v", own)
	}
	big := w.payOut(100_01)
	if big.State != "requested" || big.To != shopsBank {
		t.Errorf("above the limit: %+v", big)
	}
	_, err = w.operator.ApprovePayout(w.ctx, big.ID, "")
	expectProblem(t, err, "second_operator")
	_, err = second.ApprovePayout(w.ctx, big.ID, "seen")
	w.must(err)
	f, err := w.operator.MakePayoutFile(w.ctx, api.NewPayoutFile{Currency: "CNY", From: ourBank, On: "2030-01-02"})
	w.must(err)
	if f.Count != 2 || f.Total != cny(160_01) || len(f.Payouts) != 2 || f.From != ourBank {
		t.Errorf("the file: %+v", f)
	}
	_, err = w.operator.MakePayoutFile(w.ctx, api.NewPayoutFile{Currency: "CNY", From: ourBank})
	expectProblem(t, err, "nothing_ready")
	w.sameBytes(f)
	_, err = w.operator.CancelPayout(w.ctx, own.ID, "")
	expectProblem(t, err, "payout_state")
	for _, id := range []string{own.ID, big.ID} {
		_, err = w.operator.ConfirmPayout(w.ctx, id, "")
		w.must(err)
	}
	w.sameBytes(f) // whatever has become of them
	p, err := w.operator.ReturnPayout(w.ctx, big.ID, "closed account")
	w.must(err)
	if p.State != "confirmed" || p.ReturnedBy == "" {
		t.Errorf("one operator alone has returned it: %+v", p)
	}
	_, err = w.operator.ReturnPayout(w.ctx, big.ID, "again")
	expectProblem(t, err, "second_operator")
	p, err = second.ReturnPayout(w.ctx, big.ID, "seen")
	w.must(err)
	if p.State != "returned" {
		t.Errorf("two have: %+v", p)
	}
	mine, err := office.Payouts(w.ctx, payee.PayoutQuery{State: "confirmed"})
	w.must(err)
	if len(mine.Payouts) != 1 || mine.Payouts[0].ID != own.ID {
		t.Errorf("confirmed are %+v", mine)
	}
	if got, err := office.Payout(w.ctx, big.ID); err != nil || got.AskedBy != "operator" || got.ApprovedBy+got.ReturnedBy != "" {
		t.Errorf("the payee sees who of the operators it was: %+v, %v", got, err)
	}
	account, err := w.operator.Account(w.ctx, w.shop.Account)
	w.must(err)
	if account.Balance != 440_00 || account.DebitsPending != 0 {
		t.Errorf("the account is %+v", account)
	}
}

// sameBytes reads a file twice in each form.
func (w *world) sameBytes(f api.PayoutFile) {
	w.t.Helper()
	token := w.token(w.operator.Key)
	for _, format := range []string{"pain.001", "csv"} {
		path := "/v1/admin/payout-files/" + f.ID + "?format=" + format
		first := w.get(path, token)
		if again := w.get(path, token); first.Status != 200 || again.Answer != first.Answer || !strings.Contains(first.Answer, f.Payouts[0].EndToEnd) {
			w.t.Errorf("%s: %d, then %d:\n%s\n%s", format, first.Status, again.Status, first.Answer, again.Answer)
		}
	}
}

// TestAKeyPaysOutNothingWithoutItsScope is about a till's key that somebody has found.
func TestAKeyPaysOutNothingWithoutItsScope(t *testing.T) {
	w, _ := openPayouts(t)
	for _, s := range processor.Scopes {
		_, err := w.with(s).RequestPayout(w.ctx, api.NewPayout{Amount: ptr(cny(1))})
		if s != processor.ScopePayouts {
			expectProblem(t, err, "missing_scope")
		} else if err != nil {
			t.Errorf("with its scope: %v", err)
		}
	}
	_, err := w.till().RequestPayout(w.ctx, api.NewPayout{})
	expectProblem(t, err, "missing_scope") // the first key of a payee
}

func TestAThiefCannotChangeTheBankAccountInTime(t *testing.T) {
	w, second := openPayouts(t)
	thief := payout.BankAccount{Name: "书店 Books", IBAN: "DE89370400440532013000"}
	plan, err := w.operator.SetBankAccount(w.ctx, w.shop.Handle, api.NewBankAccount{Account: thief})
	w.must(err)
	_, err = w.operator.ConfirmBankAccount(w.ctx, w.shop.Handle, api.BankAccountDecision{Version: plan.Version})
	expectProblem(t, err, "second_operator")
	plans, err := w.till().PayoutPlans(w.ctx)
	w.must(err)
	if c := plans.Plans[0].Change; c == nil || c.To.IBAN != "…3000" || c.RequestedBy != "" || c.CountsFrom != nil {
		t.Errorf("the payee sees %+v", c)
	}
	_, err = second.ConfirmBankAccount(w.ctx, w.shop.Handle, api.BankAccountDecision{Version: plan.Version + 1})
	expectProblem(t, err, "bank_change")
	_, err = second.ConfirmBankAccount(w.ctx, w.shop.Handle, api.BankAccountDecision{Version: plan.Version})
	w.must(err)
	if p := w.payOut(1); p.To != shopsBank {
		t.Errorf("paid to %+v", p.To)
	}
	_, err = second.RejectBankAccount(w.ctx, w.shop.Handle, api.BankAccountDecision{Version: plan.Version + 1, Note: "the payee has called"})
	w.must(err)
	w.clock.Advance(48 * time.Hour)
	if p := w.payOut(1); p.To != shopsBank {
		t.Errorf("paid to %+v", p.To)
	}
}
