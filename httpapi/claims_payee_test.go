package httpapi_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/payment"
)

// code is the problem code of a refusal.
func code(err error) string {
	if p, ok := errors.AsType[*api.Problem](err); ok {
		return p.Code
	}
	return ""
}

// byTap is a world in which the phone pays by a tap alone.
func byTap(t *testing.T) *world {
	p := payment.DefaultPolicy
	p.Level, p.AllowIdentifiedTap = payment.LevelTap, true
	return openWorld(t, withPolicy(p))
}

// move gives the shop a new account.
func (w *world) move() {
	w.t.Helper()
	var err error
	w.shop, err = w.operator.MovePayee(w.ctx, "books@shop", "", "new bank")
	w.must(err)
}

// payMoved pays at a shop that has moved: with PIN and a confirmation of a statement that says so.
func (w *world) payMoved(minor int64) consent.Statement {
	w.t.Helper()
	p := w.sent(w.phone, cardNumber, minor)
	if v := p.View(); v.Next.Action != api.ActionAuthenticate {
		w.t.Fatalf("after a change of account the payment is %s, and %s next", v.State, v.Next.Action)
	}
	view, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	if view.Next.Action != api.ActionConfirm {
		w.t.Fatalf("after authentication the payment is %s, and %s next", view.State, view.Next.Action)
	}
	s, err := p.Statement()
	w.must(err)
	if !s.PayeeMoved || !strings.Contains(s.Text(), `"payee_account":"`+w.shop.Account+`","payee_account_changed":true,`) {
		w.t.Errorf("the statement does not say that the account has changed:\n%s", s.Text())
	}
	_, err = p.Confirm(w.ctx, s)
	w.must(err)
	w.expectState(p, payment.Settled)
	return s
}

func TestAChangedPayeeAccountIsToldOnceAndConfirmed(t *testing.T) {
	w := byTap(t)
	atOnce := func() {
		t.Helper()
		w.expectState(w.sent(w.phone, cardNumber, 100), payment.Settled)
	}
	w.move() // nobody has paid there yet
	atOnce()
	w.move()
	w.payMoved(100)
	atOnce()
	w.move()
	w.move()
	w.payMoved(100)
	atOnce()
	w.expectMoney(100_00-500, 0, 200)
}

// TestAChangeIsToldTheCardAndNotTheDevice: another card has not paid there, whatever device it is tapped on.
func TestAChangeIsToldTheCardAndNotTheDevice(t *testing.T) {
	w := byTap(t)
	const other consent.AccountNumber = "6200000000000013"
	issued := w.issue(other)
	_, err := w.operator.TopUp(w.ctx, issued.Card.Account, api.NewTopUp{Amount: cny(10_00)})
	w.must(err)
	_, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), other, rightPIN)
	w.must(err)
	w.expectState(w.sent(w.phone, cardNumber, 100), payment.Settled)
	w.move()
	w.expectState(w.sent(w.phone, other, 100), payment.Settled)
	w.payMoved(100)
}

// TestNobodyLeavesTheChangeOut: a device that signs the statement without it has signed another one.
func TestNobodyLeavesTheChangeOut(t *testing.T) {
	w := byTap(t)
	w.expectState(w.sent(w.phone, cardNumber, 100), payment.Settled)
	w.move()
	p := w.sent(w.phone, cardNumber, 100)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	s.PayeeMoved = false
	m := &consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: s.Text()}
	e := w.post("/v1/payments/"+string(p.ID())+"/confirmation", api.ContentJWS, w.signed(w.phone.Key, consent.TypConfirmation, m))
	if e.Status != 409 || !strings.Contains(e.Answer, "statement_mismatch") {
		t.Errorf("answered %d %s", e.Status, e.Answer)
	}
	w.expectState(p, payment.ConfirmationRequired)
}

// TestAnAccountSwappedAroundTheInstruction: before it, the device has looked up another one and refuses; after it, what was
// frozen stays.
func TestAnAccountSwappedAroundTheInstruction(t *testing.T) {
	w := openWorld(t)
	w.expectState(w.settledBy(w.kiosk, 100), payment.Settled)
	old := w.shop.Account
	draft := w.draft(w.kiosk, cardNumber, 100)
	w.move()
	p, err := draft.Send(w.ctx)
	w.must(err)
	_, err = p.Authenticate(w.ctx, rightPIN)
	if _, statementErr := p.Statement(); !errors.Is(errors.Join(err, statementErr), device.ErrStatementDiffers) {
		t.Errorf("swapped before the instruction: %v, %v", err, statementErr)
	}
	frozen := w.authenticated(w.kiosk, 100)
	before := w.shop.Account
	w.move()
	s, err := frozen.Statement()
	w.must(err)
	if s.PayeeAccount != before || !s.PayeeMoved || before == old {
		t.Errorf("swapped after the instruction: %+v", s)
	}
	_, err = frozen.Confirm(w.ctx, s)
	w.must(err)
	a := w.approval(frozen)
	if !a.Statement.PayeeMoved || a.Statement.PayeeAccount != before {
		t.Errorf("the second statement: %+v", a.Statement)
	}
	_, err = a.Approve(w.ctx, consent.Code(frozen.View().Code))
	w.must(err)
	for account, want := range map[string]int64{old: 100, before: 100, w.shop.Account: 0} {
		if a, err := w.operator.Account(w.ctx, account); err != nil || a.Balance != want {
			t.Errorf("account %s has %d (%v), want %d", account, a.Balance, err, want)
		}
	}
}

// settledBy is a payment that both devices have confirmed.
func (w *world) settledBy(from *device.Client, minor int64) *device.Payment {
	w.t.Helper()
	p := w.confirmed(from, minor)
	_, err := w.approval(p).Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	return p
}

func TestAPayeeTakesSeveralCurrencies(t *testing.T) {
	w := byTap(t)
	const jpy money.Currency = "JPY"
	if _, err := w.kiosk.PayeeIn(w.ctx, "books@shop", jpy); code(err) != "wrong_currency" {
		t.Errorf("before: %v", err)
	}
	moved, err := w.operator.MovePayee(w.ctx, "books@shop", jpy, "an account in Osaka")
	w.must(err)
	if moved.Account != w.shop.Account || len(moved.Further) != 1 || moved.Further[0].Currency != jpy || moved.Further[0].Until != nil {
		t.Errorf("with a second currency: %+v", moved)
	}
	payee, err := w.kiosk.Payee(w.ctx, "books@shop")
	w.must(err)
	if diff := cmp.Diff([]money.Currency{"CNY", jpy}, payee.Currencies); diff != "" || payee.Currency != "CNY" {
		t.Errorf("currency %s, all (-want +got):\n%s", payee.Currency, diff)
	}
	const number consent.AccountNumber = "6200000000000013"
	issued, err := w.operator.IssueCard(w.ctx, api.NewCard{AccountNumber: string(number), Label: "Yen", Currency: jpy})
	w.must(err)
	_, err = w.operator.TopUp(w.ctx, issued.Card.Account, api.NewTopUp{Amount: money.Amount{Minor: 900, Currency: jpy}})
	w.must(err)
	_, err = w.phone.Activate(w.ctx, consent.Code(issued.Code), number, rightPIN)
	w.must(err)
	pay := func() *device.Payment {
		t.Helper()
		payee, err := w.phone.PayeeIn(w.ctx, "books@shop", jpy)
		w.must(err)
		order, err := w.phone.Order(money.Amount{Minor: 300, Currency: jpy}, payee, consent.Order{})
		w.must(err)
		draft, err := order.Tap(number)
		w.must(err)
		p, err := draft.Send(w.ctx)
		w.must(err)
		return p
	}
	w.expectState(pay(), payment.Settled)
	yen := moved.Further[0].Account
	if a, err := w.operator.Account(w.ctx, yen); err != nil || a.Balance != 300 || a.Currency != jpy {
		t.Errorf("the account in yen: %+v, %v", a, err)
	}
	// A change in the one currency is none in the other.
	w.expectState(w.sent(w.phone, cardNumber, 100), payment.Settled)
	_, err = w.operator.MovePayee(w.ctx, "books@shop", jpy, "another bank")
	w.must(err)
	w.expectState(w.sent(w.phone, cardNumber, 100), payment.Settled)
	w.expectState(pay(), payment.AuthenticationRequired)

	client := w.till()
	o, err := client.MakeOrder(w.ctx, api.NewOrder{Amount: money.Amount{Minor: 50, Currency: jpy}})
	w.must(err)
	if o.Payee.Currency != jpy {
		t.Errorf("an order in yen names an account in %s", o.Payee.Currency)
	}
	if _, err := client.MakeOrder(w.ctx, api.NewOrder{Amount: money.Amount{Minor: 50, Currency: "EUR"}}); code(err) != "wrong_currency" {
		t.Errorf("an order in euros: %v", err)
	}
}

func TestAnAliasLeadsToItsPayeeAndNobodyElse(t *testing.T) {
	w := byTap(t)
	set := func(handle, alias string, removed bool) error {
		_, err := w.operator.AliasPayee(w.ctx, handle, api.PayeeAlias{Alias: alias, Removed: removed})
		return err
	}
	_, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "tea@house", Name: "Tea", Currency: "CNY"})
	w.must(err)
	w.must(set("books@shop", "shop@books", false))
	w.must(set("books@shop", "shop@books", false))
	found, err := w.phone.Payee(w.ctx, "shop@books")
	w.must(err)
	if found.Handle != "books@shop" || found.Alias != "shop@books" || found.Name != "Book Shop" {
		t.Errorf("the alias leads to %+v", found)
	}
	order, err := w.phone.Order(cny(100), found, consent.Order{})
	w.must(err)
	draft, err := order.Tap(cardNumber)
	w.must(err)
	p, err := draft.Send(w.ctx)
	w.must(err)
	w.expectState(p, payment.Settled)

	// What is signed names the payee itself: an alias is looked up before, and not by the service between signature and money.
	m := &consent.Instruction{Claims: w.claims(), Device: w.phone.ID(), Amount: cny(100), Payee: "shop@books", Tap: consent.Tap{Account: cardNumber}}
	m.ID = string(consent.NewPaymentID())
	if e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m)); e.Status != 404 {
		t.Errorf("an instruction to an alias: %d %s", e.Status, e.Answer)
	}
	_, taken := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "shop@books", Name: "Thief", Currency: "CNY"})
	for name, err := range map[string]error{
		"a new payee with the alias as handle": taken, "another payee's alias": set("tea@house", "shop@books", false),
		"another payee's handle": set("tea@house", "books@shop", false), "its own handle": set("tea@house", "tea@house", false),
		"removed by another": set("tea@house", "shop@books", true),
	} {
		if code(err) != "payee_exists" {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.must(set("books@shop", "shop@books", true))
	if _, err := w.phone.Payee(w.ctx, "shop@books"); code(err) != "unknown_payee" {
		t.Errorf("a removed alias: %v", err)
	}
	if err := set("tea@house", "shop@books", false); code(err) != "payee_exists" {
		t.Errorf("a removed alias for another: %v", err)
	}
	if err := set("books@shop", "never@books", true); code(err) != "unknown_payee" {
		t.Errorf("an alias that never was: %v", err)
	}
}

func TestAClosedPayeeTakesNothingAndKeepsItsOwn(t *testing.T) {
	w := openWorld(t)
	client := w.till()
	o, err := client.MakeOrder(w.ctx, api.NewOrder{Amount: cny(100)})
	w.must(err)
	under := w.confirmed(w.kiosk, 1250)
	draft := w.draft(w.kiosk, cardNumber, 100)
	closed, err := w.operator.ClosePayee(w.ctx, "books@shop", true, "bankrupt")
	w.must(err)
	if !closed.Closed || closed.Account != w.shop.Account {
		t.Errorf("closed: %+v", closed)
	}
	_, looked := w.kiosk.Payee(w.ctx, "books@shop")
	_, sent := draft.Send(w.ctx)
	_, again := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "books@shop", Name: "Thief", Currency: "CNY"})
	_, made := client.MakeOrder(w.ctx, api.NewOrder{Amount: cny(100)})
	_, moved := w.operator.MovePayee(w.ctx, "books@shop", "", "")
	_, keyed := w.operator.MakePayeeKey(w.ctx, "books@shop", api.NewAPIKey{Name: "x", Scopes: []string{"read"}})
	got := []string{code(looked), code(sent), code(again), code(made), code(moved), code(keyed)}
	want := []string{"unknown_payee", "unknown_payee", "payee_exists", "payee_closed", "payee_closed", "payee_closed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("look-up, payment, new payee, order, move, key (-want +got):\n%s", diff)
	}
	if _, err := client.Order(w.ctx, o.ID); err != nil {
		t.Errorf("its programs read no more: %v", err)
	}
	_, err = w.approval(under).Approve(w.ctx, consent.Code(under.View().Code))
	w.must(err)
	w.expectMoney(100_00-1250, 0, 1250) // what was under way, and stays
	_, err = w.operator.ClosePayee(w.ctx, "books@shop", false, "a mistake")
	w.must(err)
	if _, err := w.kiosk.Payee(w.ctx, "books@shop"); err != nil {
		t.Error(err)
	}
}

func TestANameIsVerifiedWithAReason(t *testing.T) {
	w := openWorld(t)
	p := w.authenticated(w.kiosk, 100)
	if _, err := w.operator.RenamePayee(w.ctx, "books@shop", api.VerifiedName{Name: "X", Kind: "person"}); code(err) != "invalid_field" {
		t.Errorf("without a reason: %v", err)
	}
	_, err := w.operator.RenamePayee(w.ctx, "books@shop", api.VerifiedName{Name: "Wang Fang", Kind: "person", Note: "identity card seen"})
	w.must(err)
	found, err := w.kiosk.Payee(w.ctx, "books@shop")
	w.must(err)
	if found.Name != "Wang Fang" || found.Kind != "person" {
		t.Errorf("renamed: %+v", found)
	}
	s, err := p.Statement()
	w.must(err)
	if s.PayeeName != "Book Shop" {
		t.Errorf("a payment under way is to %s", s.PayeeName)
	}
	log, err := w.operator.Audit(w.ctx, "")
	w.must(err)
	if log.Records[0].Action != "payee.rename" || log.Records[0].Note != "identity card seen" {
		t.Errorf("audit: %+v", log.Records[0])
	}
}
