package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	"tapline/httpapi"
	"tapline/order"
	"tapline/payee"
	"tapline/payment"
	"tapline/processor"
)

// till is the payee's program.
func (w *world) till() *payee.Client {
	return &payee.Client{URL: w.url, APIKey: w.shop.APIKey, Now: w.clock.Now, HTTP: &http.Client{Transport: w.wire}}
}

// placed is a fresh order of 12.50.
func (w *world) placed() api.PayeeOrder {
	w.t.Helper()
	o, err := w.till().MakeOrder(w.ctx, api.NewOrder{
		Amount: cny(1250), Reference: "1042", Description: "Two books",
		Lines: []order.Line{{Description: "Book", Quantity: 2, Amount: 1000}}, Tip: 150, Tax: 100,
		SuccessURL: "https://shop.example/thanks", CancelURL: "http://127.0.0.1:9/cart", Metadata: map[string]string{"cart": "77"},
	})
	w.must(err)
	return o
}

// paying is a payment of an order after Send.
func (w *world) paying(from *device.Client, number consent.AccountNumber, o api.PayeeOrder) (*device.Payment, error) {
	w.t.Helper()
	seen, err := from.PlacedOrder(w.ctx, payment.OrderID(o.ID))
	w.must(err)
	what, err := from.Pay(seen)
	w.must(err)
	draft, err := what.Tap(number)
	w.must(err)
	return draft.Send(w.ctx)
}

func (w *world) mustPay(from *device.Client, number consent.AccountNumber, o api.PayeeOrder) *device.Payment {
	w.t.Helper()
	p, err := w.paying(from, number, o)
	w.must(err)
	return p
}

// confirm gives the first confirmation.
func (w *world) confirm(p *device.Payment) error {
	s, err := p.Statement()
	if err == nil {
		_, err = p.Confirm(w.ctx, s)
	}
	return err
}

// claiming is a payment of the phone's whose payer has authenticated.
func (w *world) claiming(o api.PayeeOrder) *device.Payment {
	w.t.Helper()
	p := w.mustPay(w.phone, cardNumber, o)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	return p
}

// expectOrder compares an order's state, and whether a payment has it, as its payee sees them.
func (w *world) expectOrder(o api.PayeeOrder, want order.State, by *device.Payment) {
	w.t.Helper()
	got, err := w.till().Order(w.ctx, o.ID)
	w.must(err)
	id := ""
	if by != nil {
		id = string(by.ID())
	}
	if got.State != string(want) || got.Payment != id {
		w.t.Errorf("the order is %s by %q, want %s by %q", got.State, got.Payment, want, id)
	}
}

func TestAnInstructionThatNobodyAuthenticatedKeepsNobodyFromPaying(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	for i, number := range []consent.AccountNumber{unknownNumber, cardNumber, unknownNumber} { // unknown, and copied
		thief := w.newDevice(fmt.Sprint("thief ", i))
		p := w.mustPay(thief, number, o)
		_, err := p.Authenticate(w.ctx, wrongPIN)
		expectProblem(t, err, "wrong_pin")
	}
	w.expectOrder(o, order.Open, nil)
	before := w.wire.count()
	p := w.claiming(o)
	w.expectOrder(o, order.Claimed, p)
	w.must(w.confirm(p))
	w.expectOrder(o, order.Paid, p)
	w.expectMoney(87_50, 0, 12_50)
	if w.wire.count() == before {
		t.Error("nothing went over the wire")
	}
	types := w.orderEvents(o.ID)
	if diff := cmp.Diff([]string{"order.open", "order.claimed", "order.paid"}, types); diff != "" {
		t.Errorf("the payee was told (-want +got):\n%s", diff)
	}
}

// orderEvents are the types of events that the payee was told about an order.
func (w *world) orderEvents(id string) (types []string) {
	w.t.Helper()
	for _, block := range strings.Split(w.events("payee:books@shop", w.shop.APIKey).Answer, "\n\n") {
		if _, rest, found := strings.Cut(block, "event: "); found && strings.Contains(rest, id) {
			name, _, _ := strings.Cut(rest, "\n")
			types = append(types, name)
		}
	}
	return types
}

// TestStrangersLearnNothingOfACardFromAnOrder instructs with a real and an unknown card against orders in every state.
func TestStrangersLearnNothingOfACardFromAnOrder(t *testing.T) {
	w := openWorld(t)
	open, claimed, cancelled := w.placed(), w.placed(), w.placed()
	w.claiming(claimed)
	_, err := w.till().CancelOrder(w.ctx, cancelled.ID)
	w.must(err)
	expired, err := w.till().MakeOrder(w.ctx, api.NewOrder{Amount: cny(1250), ExpiresIn: 60})
	w.must(err)
	w.clock.Advance(time.Minute)
	none := open
	none.ID = string(consent.NewOrderID())
	other := open
	other.Amount = cny(1251)
	for name, c := range map[string]struct {
		o    api.PayeeOrder
		want string
	}{
		"open": {open, ""}, "claimed": {claimed, "order_claimed"}, "cancelled": {cancelled, "order_closed"},
		"expired": {expired, "order_closed"}, "unknown": {none, "unknown_order"}, "another amount": {other, "order_mismatch"},
	} {
		var answers []string
		for _, number := range []consent.AccountNumber{cardNumber, unknownNumber} {
			m := w.instructionOf(w.kiosk, c.o)
			m.Tap.Account = number
			e := w.post("/v1/payments", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypInstruction, m))
			if e.Status >= 400 && e.problem(t).Code != c.want || e.Status < 400 && c.want != "" {
				t.Errorf("%s: %d %s, want %q", name, e.Status, e.Answer, c.want)
			}
			text := strings.ReplaceAll(e.plain(), m.ID, "PAYMENT")
			answers = append(answers, strings.ReplaceAll(text, number.Masked(), "CARD"))
		}
		if diff := cmp.Diff(answers[0], answers[1]); diff != "" {
			t.Errorf("%s: a known and an unknown card are answered differently:\n%s", name, diff)
		}
	}
}

// instructionOf is one that a device of one's own making could send.
func (w *world) instructionOf(from *device.Client, o api.PayeeOrder) *consent.Instruction {
	m := &consent.Instruction{
		Claims: w.claims(), Device: from.ID(), Amount: o.Amount, Payee: o.Payee.Handle,
		Tap: consent.Tap{Account: cardNumber}, Order: consent.Order{ID: o.ID},
	}
	m.ID = string(consent.NewPaymentID())
	return m
}

func TestAnInstructionAsksForWhatItsOrderAsks(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	_, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "thief@shop", Name: "Thief", Currency: "CNY"})
	w.must(err)
	for name, c := range map[string]struct {
		change func(*consent.Instruction)
		code   string
		field  string
	}{
		"less":                  {func(m *consent.Instruction) { m.Amount = cny(1) }, "order_mismatch", "amount"},
		"more":                  {func(m *consent.Instruction) { m.Amount = cny(1251) }, "order_mismatch", "amount"},
		"another payee":         {func(m *consent.Instruction) { m.Payee = "thief@shop" }, "order_mismatch", "payee"},
		"another currency":      {func(m *consent.Instruction) { m.Amount.Currency = "JPY" }, "wrong_currency", ""},
		"an order of no form":   {func(m *consent.Instruction) { m.Order.ID = "ord_1" }, "invalid_field", "order.id"},
		"a number of one's own": {func(m *consent.Instruction) { m.Order.Number = "7" }, "invalid_field", "order.number"},
		"an order of nobody's":  {func(m *consent.Instruction) { m.Order.ID = string(consent.NewOrderID()) }, "unknown_order", ""},
	} {
		w.unchanged(func() {
			m := w.instructionOf(w.phone, o)
			c.change(m)
			e := w.post("/v1/payments", api.ContentJWS, w.signed(w.phone.Key, consent.TypInstruction, m))
			if p := e.problem(t); p.Code != c.code || p.Field != c.field {
				t.Errorf("%s: %s %q, want %s %q", name, p.Code, p.Field, c.code, c.field)
			}
		})
	}
}

// cardholder is a device with a card of its own of 100.00.
type cardholder struct {
	*device.Client
	number consent.AccountNumber
}

func (w *world) cardholders(n int) (all []cardholder) {
	w.t.Helper()
	for i := range n {
		number := consent.AccountNumber(fmt.Sprintf("62000000001%08d", i))
		issued := w.issue(number)
		_, err := w.operator.TopUp(w.ctx, issued.Card.Account, api.NewTopUp{Amount: cny(100_00)})
		w.must(err)
		d := w.newDevice(fmt.Sprint("phone ", i))
		_, err = d.Activate(w.ctx, consent.Code(issued.Code), number, rightPIN)
		w.must(err)
		all = append(all, cardholder{d, number})
	}
	return all
}

// TestTwelveDevicesRaceForOneOrder lets twelve cardholders pay it at once: at the level at which authentication claims it and
// the confirmation pays, and at the level at which authentication does both.
func TestTwelveDevicesRaceForOneOrder(t *testing.T) {
	for _, level := range []payment.Level{payment.LevelConfirm, payment.LevelAuthenticate} {
		t.Run(level.String(), func(t *testing.T) {
			w := openWorld(t, atLevel(level))
			holders := w.cardholders(12)
			o := w.placed()
			var all sync.WaitGroup
			ready := make(chan struct{})
			winners, codes := make(chan *device.Payment, len(holders)), make(chan string, len(holders))
			for _, h := range holders {
				p := w.mustPay(h.Client, h.number, o) // nobody has claimed it
				all.Go(func() {
					<-ready
					_, err := p.Authenticate(w.ctx, rightPIN)
					if problem, refused := errors.AsType[*api.Problem](err); refused {
						codes <- problem.Code
						return
					}
					if err == nil && level == payment.LevelConfirm {
						err = w.confirm(p)
					}
					if err != nil {
						t.Error(err)
					}
					winners <- p
				})
			}
			close(ready)
			all.Wait()
			close(winners)
			close(codes)
			refused := slices.Collect(func(yield func(string) bool) {
				for c := range codes {
					yield(c)
				}
			})
			if len(winners) != 1 || len(refused) != 11 || slices.ContainsFunc(refused, func(c string) bool { return c != "order_unavailable" }) {
				t.Fatalf("%d have paid; refused: %v", len(winners), refused)
			}
			w.expectOrder(o, order.Paid, <-winners)
			w.expectMoney(100_00, 0, 12_50)
			_, err := w.paying(w.phone, cardNumber, o)
			if p := expectProblem(t, err, "order_closed"); p.State != "paid" {
				t.Errorf("the order is said to be %q", p.State)
			}
		})
	}
}

func TestAPaymentThatEndsUnsettledReleasesItsOrder(t *testing.T) {
	for name, end := range map[string]func(*world, *device.Payment){
		"declined":  func(w *world, p *device.Payment) { _, err := p.Decline(w.ctx); w.must(err) },
		"cancelled": func(w *world, p *device.Payment) { _, err := p.Cancel(w.ctx); w.must(err) },
		"expired":   func(w *world, p *device.Payment) { w.clock.Advance(payment.ConfirmationWait) },
		"frozen": func(w *world, p *device.Payment) {
			_, err := w.operator.FreezeCard(w.ctx, consent.CardID(w.card.ID), "lost")
			w.must(err)
		},
		"without money": func(w *world, p *device.Payment) {
			other := w.authenticated(w.phone, 95_00)
			w.must(w.confirm(other))
			expectProblem(w.t, w.confirm(p), "insufficient_funds")
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := openWorld(t)
			o := w.placed()
			p := w.claiming(o)
			w.expectOrder(o, order.Claimed, p)
			_, err := w.paying(w.kiosk, unknownNumber, o)
			expectProblem(t, err, "order_claimed")
			end(w, p)
			h := w.cardholders(1)[0]
			again := w.mustPay(h.Client, h.number, o) // at once, whether anybody has looked or not
			_, err = again.Authenticate(w.ctx, rightPIN)
			w.must(err)
			w.must(w.confirm(again))
			w.expectOrder(o, order.Paid, again)
		})
	}
}

func TestTheSecondConfirmationHoldsTheOrder(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	p := w.mustPay(w.kiosk, cardNumber, o)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	w.must(w.confirm(p))
	w.expectState(p, payment.ApprovalRequired)
	w.expectOrder(o, order.Claimed, p)
	a := w.approval(p)
	if s := a.Statement; s.Order != o.ID || s.OrderHash != o.Hash || s.OrderNumber != "1042" {
		t.Errorf("the second statement names %q, %q, %q", s.Order, s.OrderHash, s.OrderNumber)
	}
	_, err = a.Approve(w.ctx, consent.Code(p.View().Code))
	w.must(err)
	w.expectOrder(o, order.Paid, p)
	receipt, err := p.Receipt(w.ctx)
	w.must(err)
	if receipt.Order != o.ID || receipt.OrderHash != o.Hash || consent.TermsHash(o.Terms()) != o.Hash {
		t.Errorf("the receipt names %q, %q", receipt.Order, receipt.OrderHash)
	}
}

// unluckyStore fails transactions after everything has been written.
type unluckyStore struct {
	processor.Store
	fails atomic.Bool
}

var errNoPower = fmt.Errorf("%w: the power is gone", processor.ErrUnavailable)

// Update runs f, and rolls back if the store fails.
func (s *unluckyStore) Update(ctx context.Context, f func(processor.Tx) error) error {
	return s.Store.Update(ctx, func(tx processor.Tx) error {
		if err := f(tx); err != nil || !s.fails.Load() {
			return err
		}
		return errNoPower
	})
}

func TestAFailureLeavesOrderAndPaymentTogether(t *testing.T) {
	unlucky := &unluckyStore{}
	w := openWorld(t, func(p *processor.Config, _ *httpapi.Config) {
		unlucky.Store = p.Store
		p.Store = unlucky
	})
	o := w.placed()
	p := w.mustPay(w.phone, cardNumber, o)
	attempt := func(path string, typ consent.Typ, m any) exchange {
		return w.post("/v1/payments/"+string(p.ID())+path, api.ContentJWS, w.signed(w.phone.Key, typ, m))
	}
	unlucky.fails.Store(true)
	w.unchanged(func() {
		e := attempt("/authentication", consent.TypAuthentication, &consent.Authentication{Claims: w.claims(), Payment: p.ID(), PIN: rightPIN})
		if e.Status != http.StatusServiceUnavailable {
			t.Errorf("answered %d %s", e.Status, e.Answer)
		}
	})
	unlucky.fails.Store(false)
	w.expectOrder(o, order.Open, nil)
	_, err := p.Authenticate(w.ctx, rightPIN)
	w.must(err)
	s, err := p.Statement()
	w.must(err)
	m := &consent.Decision{Claims: w.claims(), Payment: p.ID(), Decision: consent.Approve, Statement: s.Text()}
	unlucky.fails.Store(true)
	w.unchanged(func() {
		if e := attempt("/confirmation", consent.TypConfirmation, m); e.Status != http.StatusServiceUnavailable {
			t.Errorf("answered %d %s", e.Status, e.Answer)
		}
	})
	unlucky.fails.Store(false)
	w.expectOrder(o, order.Claimed, p)
	for range 2 { // the same message, once and again
		if e := attempt("/confirmation", consent.TypConfirmation, m); e.Status != http.StatusOK {
			t.Errorf("answered %d %s", e.Status, e.Answer)
		}
	}
	w.expectOrder(o, order.Paid, p)
	w.expectMoney(87_50, 0, 12_50)
}

// TestEndsRaceSettlement lets the payee cancel, or the order's time end, just while the payer confirms.
func TestEndsRaceSettlement(t *testing.T) {
	w := openWorld(t)
	ended := map[string]int{}
	for i := range 12 {
		o, err := w.till().MakeOrder(w.ctx, api.NewOrder{Amount: cny(1), ExpiresIn: 60})
		w.must(err)
		p := w.claiming(o)
		var all sync.WaitGroup
		all.Go(func() {
			if err := w.confirm(p); err != nil {
				problem, refused := errors.AsType[*api.Problem](err)
				if !refused || !slices.Contains([]string{"ended", "expired"}, problem.Code) {
					t.Errorf("confirm: %v", err)
				}
			}
		})
		all.Go(func() {
			if i%2 == 0 {
				_, err := w.till().CancelOrder(w.ctx, o.ID)
				if err != nil {
					expectProblem(t, err, "order_closed")
				}
				return
			}
			w.clock.Advance(time.Minute)
			_, err := w.till().Orders(w.ctx, payee.Query{})
			if err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		got, err := w.till().Order(w.ctx, o.ID)
		w.must(err)
		view, err := p.Refresh(w.ctx)
		w.must(err)
		if (got.State == "paid") != (view.State == "settled") || got.State == "open" || got.State == "claimed" {
			t.Errorf("the order is %s, its payment %s", got.State, view.State)
		}
		ended[got.State]++
	}
	paid := int64(ended["paid"])
	w.expectMoney(100_00-paid, 0, paid)
	t.Log(ended)
}

func TestNobodyPaysAfterTheOrdersTime(t *testing.T) {
	w := openWorld(t)
	o, err := w.till().MakeOrder(w.ctx, api.NewOrder{Amount: cny(1250), ExpiresIn: 60})
	w.must(err)
	p := w.claiming(o)
	if left := p.View().Next.ExpiresIn; left > 60 {
		t.Errorf("the payment has %d seconds, its order 60", left)
	}
	w.clock.Advance(time.Minute)
	expectProblem(t, w.confirm(p), "expired")
	w.expectOrder(o, order.Expired, nil)
	w.expectState(p, payment.Expired)
	w.expectMoney(100_00, 0, 0)
}

func TestACancelledOrderEndsThePaymentThatClaimsIt(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	waiting := w.mustPay(w.kiosk, cardNumber, o)
	p := w.claiming(o)
	got, err := w.till().CancelOrder(w.ctx, o.ID)
	w.must(err)
	if got.State != "cancelled" || got.EndedAt == nil {
		t.Errorf("%+v", got)
	}
	view, err := p.Refresh(w.ctx)
	w.must(err)
	if view.State != "cancelled" || view.Reason != "payee" {
		t.Errorf("its payment is %s, %s", view.State, view.Reason)
	}
	_, err = waiting.Authenticate(w.ctx, rightPIN)
	expectProblem(t, err, "order_unavailable")
	_, err = w.till().CancelOrder(w.ctx, o.ID)
	if p := expectProblem(t, err, "order_closed"); p.State != "cancelled" {
		t.Errorf("the order is said to be %q", p.State)
	}
}

func TestEverybodySeesOfAnOrderWhatIsTheirs(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	other, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "tea@shop", Name: "Tea", Currency: "CNY"})
	w.must(err)
	stranger := &payee.Client{URL: w.url, APIKey: other.APIKey}
	_, err = stranger.Order(w.ctx, o.ID)
	expectProblem(t, err, "unknown_order")
	w.unchanged(func() {
		_, err = stranger.CancelOrder(w.ctx, o.ID)
		expectProblem(t, err, "unknown_order")
	})
	if page, err := stranger.Orders(w.ctx, payee.Query{}); err != nil || len(page.Orders) != 0 {
		t.Errorf("another payee lists %v, %v", page.Orders, err)
	}
	if e := w.get("/v1/orders/"+o.ID, ""); e.Status != http.StatusUnauthorized {
		t.Errorf("without a token: %d", e.Status)
	}
	if e := w.get("/v1/orders", w.token(w.phone.Key)); e.problem(t).Code != "wrong_credential" {
		t.Errorf("a device lists orders: %s", e.Answer)
	}
	p := w.claiming(o)
	see := func(d *device.Client) map[string]any {
		var fields map[string]any
		w.must(json.Unmarshal([]byte(w.get("/v1/orders/"+o.ID, w.token(d.Key)).Answer), &fields))
		return fields
	}
	all := "amount cancel_url created_at description expires_at expires_in hash id lines payee reference state tax tip url version"
	for _, c := range []struct {
		who  string
		d    *device.Client
		more string
		paid string
	}{{"another device", w.kiosk, "", " ended_at"}, {"its payer", w.phone, " payment", " ended_at payment success_url"}} {
		if got := strings.Join(slices.Sorted(maps.Keys(see(c.d))), " "); got != strings.Join(slices.Sorted(slices.Values(strings.Fields(all+c.more))), " ") {
			t.Errorf("%s sees %s", c.who, got)
		}
	}
	w.must(w.confirm(p))
	for _, c := range []struct {
		d    *device.Client
		paid string
	}{{w.kiosk, " ended_at"}, {w.phone, " ended_at payment success_url"}} {
		if got := strings.Join(slices.Sorted(maps.Keys(see(c.d))), " "); got != strings.Join(slices.Sorted(slices.Values(strings.Fields(all+c.paid))), " ") {
			t.Errorf("once it is paid, it sees %s", got)
		}
	}
	if mine, err := w.till().Order(w.ctx, o.ID); err != nil || mine.Metadata["cart"] != "77" || mine.SuccessURL == "" {
		t.Errorf("its payee sees %+v, %v", mine, err)
	}
}

func TestOrdersThatCannotBeAreRefused(t *testing.T) {
	w := openWorld(t)
	for name, c := range map[string]struct {
		change func(*api.NewOrder)
		code   string
	}{
		"sum":             {func(o *api.NewOrder) { o.Lines = []order.Line{{Description: "x", Quantity: 1, Amount: 1}} }, "order_sum"},
		"currency":        {func(o *api.NewOrder) { o.Amount.Currency = "JPY" }, "wrong_currency"},
		"nothing":         {func(o *api.NewOrder) { o.Amount.Minor = 0 }, "invalid_field"},
		"bidi":            {func(o *api.NewOrder) { o.Description = "evil \u202etxt.exe" }, "text_not_shown"},
		"bidi in a line":  {func(o *api.NewOrder) { o.Lines = []order.Line{{Description: "\u2066x", Quantity: 1, Amount: 1250}} }, "text_not_shown"},
		"10 kB":           {func(o *api.NewOrder) { o.Description = strings.Repeat("x", 10_000) }, "invalid_field"},
		"line of space":   {func(o *api.NewOrder) { o.Lines = []order.Line{{Description: " ", Quantity: 1, Amount: 1250}} }, "invalid_field"},
		"script":          {func(o *api.NewOrder) { o.SuccessURL = "javascript:alert(1)" }, "invalid_field"},
		"data":            {func(o *api.NewOrder) { o.CancelURL = "data:text/html,x" }, "invalid_field"},
		"plain http":      {func(o *api.NewOrder) { o.SuccessURL = "http://shop.example/" }, "invalid_field"},
		"http, like home": {func(o *api.NewOrder) { o.SuccessURL = "http://127.0.0.1.shop.example/" }, "invalid_field"},
		"with a password": {func(o *api.NewOrder) { o.SuccessURL = "https://bank.example@shop.example/" }, "invalid_field"},
		"no host":         {func(o *api.NewOrder) { o.SuccessURL = "https:///x" }, "invalid_field"},
		"backslash":       {func(o *api.NewOrder) { o.SuccessURL = `https://shop.example\@x` }, "invalid_field"},
		"life too short":  {func(o *api.NewOrder) { o.ExpiresIn = 59 }, "invalid_field"},
		"name of data":    {func(o *api.NewOrder) { o.Metadata = map[string]string{"a b": "c"} }, "invalid_field"},
		"long data":       {func(o *api.NewOrder) { o.Metadata = map[string]string{"a": strings.Repeat("x", 501)} }, "text_not_shown"},
		"much data": {func(o *api.NewOrder) {
			o.Metadata = map[string]string{}
			for i := range 21 {
				o.Metadata[fmt.Sprint(i)] = ""
			}
		}, "invalid_field"},
	} {
		in := api.NewOrder{Amount: cny(1250)}
		c.change(&in)
		w.unchanged(func() {
			_, err := w.till().MakeOrder(w.ctx, in)
			if p, ok := errors.AsType[*api.Problem](err); !ok || p.Code != c.code {
				t.Errorf("%s: %v, want %s", name, err, c.code)
			}
		})
	}
}

func TestAnOrderIsMadeOnceUnderItsKey(t *testing.T) {
	w := openWorld(t)
	ctx := payee.WithIdempotencyKey(w.ctx, "cart-77")
	first, err := w.till().MakeOrder(ctx, api.NewOrder{Amount: cny(1250)})
	w.must(err)
	again, err := w.till().MakeOrder(ctx, api.NewOrder{Amount: cny(1250)})
	w.must(err)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("the second answer differs:\n%s", diff)
	}
	_, err = w.till().MakeOrder(ctx, api.NewOrder{Amount: cny(1251)})
	expectProblem(t, err, "idempotency_key_reused")
	page, err := w.till().Orders(w.ctx, payee.Query{})
	if err != nil || len(page.Orders) != 1 {
		t.Errorf("there are %d orders, %v", len(page.Orders), err)
	}
}

func TestOrdersAreListedInPagesAndFound(t *testing.T) {
	w := openWorld(t)
	var made []string
	for i := range 5 {
		o, err := w.till().MakeOrder(w.ctx, api.NewOrder{Amount: cny(int64(100 + i)), Reference: fmt.Sprint("A-", i%2)})
		w.must(err)
		made = append([]string{o.ID}, made...)
		w.clock.Advance(time.Second)
	}
	var got []string
	for q := (payee.Query{Limit: 2}); ; {
		page, err := w.till().Orders(w.ctx, q)
		w.must(err)
		for _, o := range page.Orders {
			got = append(got, o.ID)
		}
		if q.Before = page.Next; q.Before == "" {
			break
		}
	}
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("in pages of two (-want +got):\n%s", diff)
	}
	found := func(q payee.Query) int {
		page, err := w.till().Orders(w.ctx, q)
		w.must(err)
		return len(page.Orders)
	}
	if a, b, c := found(payee.Query{Reference: "A-1"}), found(payee.Query{Amount: cny(104)}), found(payee.Query{State: "paid"}); a != 2 || b != 1 || c != 0 {
		t.Errorf("found %d by reference, %d by amount, %d by state", a, b, c)
	}
}

func TestTheQRCodeOfAnOrderTellsItsAddressAndNothingElse(t *testing.T) {
	w := openWorld(t)
	o := w.placed()
	e := w.get("/pay/"+o.ID+"/qr.svg", "")
	if e.Status != http.StatusOK || e.AnswerHeader.Get("Content-Type") != "image/svg+xml" || !strings.HasPrefix(e.Answer, "<svg ") {
		t.Errorf("%d %s %.80s", e.Status, e.AnswerHeader, e.Answer)
	}
	if e := w.get("/pay/ord_x/qr.svg", ""); e.problem(t).Code != "unknown_order" {
		t.Errorf("no id: %d", e.Status)
	}
}
