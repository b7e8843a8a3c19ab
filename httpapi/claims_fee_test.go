package httpapi_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// charge sets the fee of all payees.
func (w *world) charge(points int, fixed int64, by payment.Bearer) {
	w.t.Helper()
	_, err := w.operator.SetFee(w.ctx, api.NewTariff{Currency: "CNY", Fee: api.Fee{BasisPoints: points, Fixed: fixed}, BorneBy: string(by)})
	w.must(err)
}

// expectFees compares what the card, the payee and the operator have.
func (w *world) expectFees(card, payee, fees int64) {
	w.t.Helper()
	w.expectMoney(card, 0, payee)
	account, err := w.operator.Account(w.ctx, "fees-CNY")
	w.must(err)
	if account.Balance != fees || account.Kind != "fees" {
		w.t.Errorf("the account of fees, a %s account, has %d, want %d", account.Kind, account.Balance, fees)
	}
}

func amount(minor int64) *money.Amount { return &money.Amount{Minor: minor, Currency: "CNY"} }

func sameAmount(a, b *money.Amount) bool { return a == b || a != nil && b != nil && *a == *b }

func TestAPayerIsShownTheFeeBeforeAnythingIsSent(t *testing.T) {
	w := openWorld(t)
	w.charge(150, 30, payment.PayerBears)
	d := w.draft(w.kiosk, cardNumber, 12_50)
	if d.Fee() != *amount(49) || d.Total() != *amount(12_99) {
		t.Fatalf("the device shows a fee of %v and a total of %v", d.Fee(), d.Total())
	}
	p := w.authenticated(w.kiosk, 12_50)
	s, err := p.Statement()
	w.must(err)
	if s.Version != consent.FeeStatementVersion || s.Fee != *amount(49) || s.AmountText != "12.99 CNY (12.50 CNY + 0.49 CNY fee)" {
		t.Errorf("the first statement says %s", s.Text())
	}
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	w.expectMoney(100_00, 12_99, 0)
	if second := w.approval(p).Statement; second.Fee != s.Fee || second.AmountText != s.AmountText {
		t.Errorf("the second statement says %s", second.Text())
	}
	w.approved(p)
	w.expectState(p, payment.Settled)
	w.expectFees(87_01, 12_50, 49)
	for role, view := range map[string]func() (api.Payment, error){
		"initiator": func() (api.Payment, error) { return w.kiosk.Payment(w.ctx, p.ID()) },
		"approver":  func() (api.Payment, error) { return w.phone.Payment(w.ctx, p.ID()) },
		"payee":     func() (api.Payment, error) { return w.till().Payment(w.ctx, string(p.ID())) },
	} {
		v, err := view()
		w.must(err)
		if !sameAmount(v.Fee, amount(49)) || !sameAmount(v.Total, amount(12_99)) || v.PayeeFee != nil || v.Net != nil || v.Amount != *amount(12_50) {
			t.Errorf("the %s sees %+v", role, v)
		}
	}
	r, err := p.Receipt(w.ctx)
	w.must(err)
	if r.Receipt.Fee != *amount(49) || r.Receipt.PayeeFee != (money.Amount{}) {
		t.Errorf("the receipt says %+v", r.Receipt)
	}
}

// What payee and operator have agreed on is nobody else's to know.
func TestAPayeesFeeIsToldToThePayeeAlone(t *testing.T) {
	w := openWorld(t)
	w.charge(150, 30, payment.PayeeBears)
	looked, err := w.kiosk.Payee(w.ctx, "books@shop")
	w.must(err)
	if looked.Fee != nil {
		t.Errorf("a payer is told %+v", looked.Fee)
	}
	p := w.settled(12_50)
	w.expectFees(87_50, 12_01, 49)
	approved := w.confirmed(w.kiosk, 12_50)
	w.approved(approved)
	w.expectFees(75_00, 24_02, 98)
	for role, view := range map[string]func() (api.Payment, error){
		"initiator": func() (api.Payment, error) { return w.phone.Payment(w.ctx, p.ID()) },
		"approver":  func() (api.Payment, error) { return w.phone.Payment(w.ctx, approved.ID()) },
	} {
		v, err := view()
		w.must(err)
		if v.Fee != nil || v.Total != nil || v.PayeeFee != nil || v.Net != nil {
			t.Errorf("the %s is told of the payee's fee: %+v", role, v)
		}
	}
	v, err := w.till().Payment(w.ctx, string(p.ID()))
	w.must(err)
	if v.Fee != nil || v.Total != nil || !sameAmount(v.PayeeFee, amount(49)) || v.Net == nil || *v.Net != 12_01 || v.Amount != *amount(12_50) {
		t.Errorf("the payee sees %+v", v)
	}
	seen, err := w.operator.Payment(w.ctx, p.ID())
	w.must(err)
	if seen.Fee != nil || !sameAmount(seen.PayeeFee, amount(49)) {
		t.Errorf("the operator sees %+v", seen)
	}
	payers, err := p.Receipt(w.ctx)
	w.must(err)
	answer := w.get("/v1/payments/"+string(p.ID())+"/receipt", w.shop.APIKey)
	var copied api.Receipt
	w.must(json.Unmarshal([]byte(answer.Answer), &copied))
	jwks := w.get("/.well-known/jwks.json", "")
	payees, err := consent.VerifyReceipt([]byte(jwks.Answer), copied.Receipt)
	w.must(err)
	if payers.Receipt.PayeeFee != (money.Amount{}) || payees.PayeeFee != *amount(49) || payees.Fee != (money.Amount{}) {
		t.Errorf("receipts: the payer's says %+v, the payee's %+v", payers.Receipt, payees)
	}
}

// The payee's report tells the fee that the payee bore, and not one that payers bore.
func TestAPayeesReportTellsTheFeeThatItBore(t *testing.T) {
	w := openWorld(t)
	w.charge(100, 0, payment.PayeeBears)
	w.settled(10_00)
	w.charge(100, 0, payment.PayerBears)
	w.settled(20_00)
	var r api.Report
	w.must(json.Unmarshal([]byte(w.get("/v1/report", w.shop.APIKey).Answer), &r))
	if len(r.Lines) != 2 || r.Lines[0].Credit != 9_90 || r.Lines[0].Fee != 10 || r.Lines[1].Credit != 20_00 || r.Lines[1].Fee != 0 || r.Closing != 29_90 {
		t.Errorf("the payee's report is %+v", r)
	}
	card, err := w.operator.Report(w.ctx, w.card.Account, time.Time{}, time.Time{})
	w.must(err)
	last := card.Lines[len(card.Lines)-2:]
	if last[0].Debit != 20_00 || last[1].Debit != 20 || last[1].Other != "fees-CNY" || card.Closing != 100_00-10_00-20_20 {
		t.Errorf("the card's report ends with %+v", last)
	}
	fees, err := w.operator.Report(w.ctx, "fees-CNY", time.Time{}, time.Time{})
	w.must(err)
	if len(fees.Lines) != 2 || fees.Lines[0].Credit != 10 || fees.Lines[1].Credit != 20 || fees.Closing != 30 {
		t.Errorf("the report of the fees is %+v", fees)
	}
}

// The tariff may change between the look-up and Send, and between Send and the confirmation.
func TestNobodyPaysAFeeThatWasNotShown(t *testing.T) {
	w := openWorld(t)
	old := w.draft(w.phone, cardNumber, 10_00)
	w.charge(0, 30, payment.PayerBears)
	before := w.draft(w.phone, cardNumber, 10_00)
	w.unchanged(func() {
		_, err := old.Send(w.ctx)
		expectProblem(t, err, "fee_changed")
	})
	p := w.authenticated(w.phone, 10_00)
	w.charge(0, 31, payment.PayerBears)
	w.unchanged(func() {
		_, err := before.Send(w.ctx)
		expectProblem(t, err, "fee_changed")
	})
	w.must(w.confirm(p))
	w.expectState(p, payment.Settled)
	w.expectFees(89_70, 10_00, 30)
}

// A device that was made before there were fees signs no fee, and so pays none and never sees a statement with one.
func TestADeviceThatKnowsNoFeesPaysNone(t *testing.T) {
	w := openWorld(t)
	w.charge(0, 30, payment.PayerBears)
	m := &consent.Instruction{
		Claims: w.claims(), Device: w.phone.ID(), Amount: *amount(10_00), Payee: "books@shop", Tap: consent.Tap{Account: cardNumber},
	}
	m.ID = string(consent.NewPaymentID())
	w.unchanged(func() {
		got := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)).problem(t)
		if got.Code != "fee_changed" {
			t.Errorf("instructed without a fee: %s", got.Code)
		}
	})
	for name, fee := range map[string]int64{"negative": -30, "too large": money.MaxMinor} {
		m.Fee, m.ID = fee, string(consent.NewPaymentID())
		if got := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)).problem(t); got.Code != "invalid_field" {
			t.Errorf("a %s fee: %s", name, got.Code)
		}
	}
}

// The service may lie in the look-up, in the view, or in the statement: what was not shown is not confirmed.
func TestAStatementWithAnotherFeeIsNotConfirmed(t *testing.T) {
	w := openWorld(t)
	w.charge(0, 30, payment.PayerBears)
	p := w.authenticated(w.phone, 10_00)
	s, err := p.Statement()
	w.must(err)
	plain := s
	plain.Fee, plain.Total, plain.Version, plain.AmountText = money.Amount{}, money.Amount{}, consent.StatementVersion, s.Amount.String()
	for name, other := range map[string]consent.Statement{"another": plain.WithFee(*amount(31)), "none": plain} {
		if _, err := p.Confirm(w.ctx, other); !errors.Is(err, device.ErrStatementDiffers) {
			t.Errorf("%s: %v, want %v", name, err, device.ErrStatementDiffers)
		}
	}
	got := w.decide(w.phone, "confirmation", consent.TypConfirmation, p, plain.Text(), "")
	if got.problem(t).Code != "statement_mismatch" {
		t.Errorf("a statement without the fee: %s", got.Answer)
	}
}

func TestFeesAreTheOperatorsToSet(t *testing.T) {
	w := openWorld(t)
	fee := api.NewTariff{Payee: "books@shop", Currency: "CNY", Fee: api.Fee{BasisPoints: 200, Least: 50}, BorneBy: "payee", Note: "contract"}
	set, err := w.operator.SetFee(w.ctx, fee)
	w.must(err)
	if set.Fee != fee.Fee || set.Payee != fee.Payee || set.BorneBy != "payee" || set.ChangedAt.IsZero() {
		t.Errorf("set: %+v", set)
	}
	w.charge(100, 0, payment.PayeeBears)
	list, err := w.operator.Fees(w.ctx)
	w.must(err)
	if len(list) != 2 || list[0].Payee != "" || list[1].Payee != "books@shop" {
		t.Errorf("listed: %+v", list)
	}
	w.settled(10_00)
	w.expectFees(90_00, 9_50, 50)
	_, err = w.operator.RemoveFee(w.ctx, api.TariffRemoval{Payee: "books@shop", Currency: "CNY"})
	w.must(err)
	_, err = w.operator.RemoveFee(w.ctx, api.TariffRemoval{Payee: "books@shop", Currency: "CNY"})
	expectProblem(t, err, "unknown_fee")
	w.settled(10_00)
	w.expectFees(80_00, 19_40, 60)
	bad := map[string]func(*api.NewTariff){
		"invalid_field":  func(f *api.NewTariff) { f.Least, f.Most = 2, 1 },
		"handle_format":  func(f *api.NewTariff) { f.Payee = "BOOKS" },
		"unknown_payee":  func(f *api.NewTariff) { f.Payee = "nobody@shop" },
		"wrong_currency": func(f *api.NewTariff) { f.Currency = "JPY" },
	}
	w.unchanged(func() {
		for code, change := range bad {
			f := fee
			change(&f)
			_, err := w.operator.SetFee(w.ctx, f)
			expectProblem(t, err, code)
		}
		for _, body := range []string{`"basis_points":-1,"fixed":0`, `"basis_points":10001,"fixed":0`, `"basis_points":0,"fixed":-1`, `"basis_points":0.5,"fixed":0`} {
			got := w.post("/v1/admin/fees", "application/json", `{"currency":"CNY","borne_by":"payee",`+body+`}`,
				"Authorization", "Bearer "+w.token(w.operator.Key), api.IdempotencyHeader, consent.NewID()).problem(t)
			if got.Code != "invalid_field" {
				t.Errorf("%s: %s", body, got.Code)
			}
		}
		for _, token := range []string{w.shop.APIKey, w.token(w.phone.Key)} {
			got := w.post("/v1/admin/fees", "application/json", `{"currency":"CNY","basis_points":0,"fixed":0,"borne_by":"payee"}`,
				"Authorization", "Bearer "+token, api.IdempotencyHeader, consent.NewID()).problem(t)
			if got.Code != "wrong_credential" {
				t.Errorf("set by another caller: %s", got.Code)
			}
		}
	})
}

func TestOrdersAndTemplatesTellThePayerTheFee(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	w.charge(100, 0, payment.PayerBears)
	seen, err := w.kiosk.PlacedOrder(w.ctx, payment.OrderID(o.ID))
	w.must(err)
	if seen.Payee.Fee == nil || seen.Payee.Fee.BasisPoints != 100 {
		t.Errorf("the order's payee is %+v", seen.Payee)
	}
	p := w.claiming(seen)
	w.must(w.confirm(p))
	fee := payment.Tariff{Points: 100, Bearer: payment.PayerBears}.Of(o.Amount.Minor).Minor
	w.expectFees(100_00-o.Amount.Minor-fee, o.Amount.Minor, fee)
	template := w.fixedTemplate()
	read, err := w.kiosk.Template(w.ctx, order.TemplateID(template.ID))
	w.must(err)
	if read.Payee.Fee == nil {
		t.Errorf("the template's payee is %+v", read.Payee)
	}
	made, err := w.kiosk.OrderFrom(w.ctx, read, money.Amount{Minor: read.Minor, Currency: read.Currency}, 0)
	w.must(err)
	paid, err := w.kiosk.Pay(made)
	w.must(err)
	if paid.Fee().Minor == 0 || !strings.HasPrefix(made.ID, "ord_") {
		t.Errorf("an order of the template has the fee %v", paid.Fee())
	}
}

// A browser's own dialog must have shown what is paid in all: the amount alone would hide the fee.
func TestABrowsersPaymentDialogMustHaveShownTheFee(t *testing.T) {
	w := openPasskey(t)
	w.charge(0, 30, payment.PayerBears)
	p := w.sent(w.phone, cardNumber, 12_50)
	shown := func(value string) consent.PasskeyAssertion {
		return w.answerWith(p.View().Statement, func(data map[string]any) {
			data["payment"].(map[string]any)["total"].(map[string]any)["value"] = value
		})
	}
	_, err := p.ConfirmWith(w.ctx, w.shown(p), shown("12.50"))
	expectProblem(t, err, "passkey_refused")
	w.expectFees(100_00, 0, 0)
	_, err = p.ConfirmWith(w.ctx, w.shown(p), shown("12.80"))
	w.must(err)
	w.expectState(p, payment.Settled)
	w.expectFees(87_20, 12_50, 30)
}

// One gesture pays with the fee that stands in the statement which the passkey answers.
func TestOneGesturePaysTheFeeThatWasShown(t *testing.T) {
	w := openPasskey(t)
	w.charge(0, 30, payment.PayerBears)
	p := w.sent(w.phone, cardNumber, 12_50)
	view, err := p.ConfirmWith(w.ctx, w.shown(p), w.assert(p.View().Statement))
	w.must(err)
	if !sameAmount(view.Fee, amount(30)) || !sameAmount(view.Total, amount(12_80)) {
		t.Errorf("the device sees %+v", view)
	}
	w.expectFees(87_20, 12_50, 30)
}
