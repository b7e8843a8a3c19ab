package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/httpapi"
	"tapline/money"
	"tapline/order"
	"tapline/payee"
	"tapline/payment"
	"tapline/processor"
)

// fixedTemplate is of 12.50, with tips.
func (w *world) fixedTemplate() api.OrderTemplate {
	w.t.Helper()
	t, err := w.till().MakeTemplate(w.ctx, api.NewOrderTemplate{
		Currency: "CNY", Minor: 1250, Reference: "T-", Description: "Tea", Tip: true,
		Lines: []order.Line{{Description: "Tea", Quantity: 1, Amount: 1150}}, Tax: 100,
	})
	w.must(err)
	return t
}

// openTemplate is of 1.00 to 500.00.
func (w *world) openTemplate() api.OrderTemplate {
	w.t.Helper()
	t, err := w.till().MakeTemplate(w.ctx, api.NewOrderTemplate{Currency: "CNY", Least: 100, Most: 50_000, Description: "Gift"})
	w.must(err)
	return t
}

func TestATemplatesOrdersArePaidAsOthers(t *testing.T) {
	w := openWorld(t)
	for i, c := range []struct {
		of          api.OrderTemplate
		amount, tip int64
		paid        int64
	}{{w.fixedTemplate(), 1350, 100, 13_50}, {w.openTemplate(), 1000, 0, 23_50}} {
		seen, err := w.phone.Template(w.ctx, order.TemplateID(c.of.ID))
		w.must(err)
		if diff := cmp.Diff(c.of, seen); diff != "" {
			t.Errorf("the template as a device sees it (-payee +device):\n%s", diff)
		}
		o, err := w.phone.OrderFrom(w.ctx, seen, cny(c.amount), c.tip)
		w.must(err)
		if o.Metadata != nil || o.ExpiresIn > 900 || !strings.HasPrefix(o.Reference, c.of.Reference) || len(o.Reference) != len(c.of.Reference)+8 {
			t.Errorf("the order: %+v", o)
		}
		p := w.claiming(o)
		w.must(w.confirm(p))
		w.expectOrder(o, order.Paid, p)
		w.expectMoney(100_00-c.paid, 0, c.paid)
		types := w.orderEvents(o.ID)
		if diff := cmp.Diff([]string{"order.claimed", "order.paid"}, types); diff != "" {
			t.Errorf("%d: the payee was told (-want +got):\n%s", i, diff)
		}
	}
}

// ordering is the message that a device of one's own making could send.
func (w *world) ordering(from *device.Client, path string, m *consent.FromTemplate) exchange {
	w.t.Helper()
	m.Claims = w.claims()
	return w.post("/v1/order-templates/"+path+"/orders", api.ContentJWS, w.signed(from.Key, consent.TypFromTemplate, m))
}

func TestATemplateGivesNoOrderThatItDoesNotAllow(t *testing.T) {
	w := openWorld(t)
	fixed, open, disabled := w.fixedTemplate(), w.openTemplate(), w.openTemplate()
	_, err := w.till().DisableTemplate(w.ctx, disabled.ID)
	w.must(err)
	jpy := func(minor int64) money.Amount { return money.Amount{Minor: minor, Currency: "JPY"} }
	none := string(consent.NewTemplateID())
	for name, c := range map[string]struct {
		of     string
		amount money.Amount
		tip    int64
		code   string
	}{
		"less":                       {fixed.ID, cny(1), 0, "order_template_amount"},
		"less by one":                {fixed.ID, cny(1249), 0, "order_template_amount"},
		"more":                       {fixed.ID, cny(1251), 0, "order_template_amount"},
		"a tip out of the amount":    {fixed.ID, cny(1250), 100, "order_template_amount"},
		"a tip above the amount":     {fixed.ID, cny(2501), 1251, "order_template_amount"},
		"a tip below nothing":        {fixed.ID, cny(1249), -1, "invalid_field"},
		"nothing":                    {fixed.ID, cny(0), 0, "invalid_field"},
		"a foreign currency":         {fixed.ID, jpy(1250), 0, "wrong_currency"},
		"below the bounds":           {open.ID, cny(99), 0, "order_template_amount"},
		"above the bounds":           {open.ID, cny(50_001), 0, "order_template_amount"},
		"above all bounds":           {open.ID, cny(money.MaxMinor), 0, "order_template_amount"},
		"a tip that is not taken":    {open.ID, cny(1000), 1, "order_template_amount"},
		"a foreign, open currency":   {open.ID, jpy(1000), 0, "wrong_currency"},
		"a disabled one":             {disabled.ID, cny(1000), 0, "order_template_disabled"},
		"one that is not there":      {none, cny(1000), 0, "unknown_order_template"},
		"one of no form":             {"tpl_1", cny(1000), 0, "invalid_field"},
		"an order's id":              {string(consent.NewOrderID()), cny(1000), 0, "invalid_field"},
		"another than the address":   {open.ID, cny(1000), 0, "id_mismatch"},
		"the greatest, and one more": {fixed.ID, cny(money.MaxMinor), money.MaxMinor - 1250, "order_template_amount"},
	} {
		path := c.of
		if c.code == "id_mismatch" {
			path = fixed.ID
		}
		w.unchanged(func() {
			e := w.ordering(w.kiosk, path, &consent.FromTemplate{Template: order.TemplateID(c.of), Amount: c.amount, Tip: c.tip})
			if e.Status < 400 || e.problem(t).Code != c.code {
				t.Errorf("%s: %d %s, want %s", name, e.Status, e.Answer, c.code)
			}
		})
	}
	// Whoever changes what he was given is refused by the order.
	o, err := w.kiosk.OrderFrom(w.ctx, fixed, cny(1250), 0)
	w.must(err)
	m := w.instructionOf(w.kiosk, o)
	m.Amount = cny(1)
	if e := w.post("/v1/payments", api.ContentJWS, w.signed(w.kiosk.Key, consent.TypInstruction, m)); e.problem(t).Code != "order_mismatch" {
		t.Errorf("an order of 12.50 for 0.01: %s", e.Answer)
	}
}

func TestAnOrderFromATemplateIsMadeOncePerMessage(t *testing.T) {
	w := openWorld(t)
	tpl := w.openTemplate()
	m := &consent.FromTemplate{Claims: w.claims(), Template: order.TemplateID(tpl.ID), Amount: cny(1000)}
	text := w.signed(w.kiosk.Key, consent.TypFromTemplate, m)
	first := w.post("/v1/order-templates/"+tpl.ID+"/orders", api.ContentJWS, text)
	again := w.post("/v1/order-templates/"+tpl.ID+"/orders", api.ContentJWS, text)
	if first.Status != http.StatusCreated || again.Answer != first.Answer {
		t.Errorf("sent twice: %d %s and %d %s", first.Status, first.Answer, again.Status, again.Answer)
	}
}

func TestATemplateHasTermsThatCanBe(t *testing.T) {
	w := openWorld(t)
	for name, c := range map[string]struct {
		in   api.NewOrderTemplate
		code string
	}{
		"no amount and no bound": {api.NewOrderTemplate{Currency: "CNY"}, "order_template_terms"},
		"both":                   {api.NewOrderTemplate{Currency: "CNY", Minor: 1, Most: 2}, "order_template_terms"},
		"bounds crossed":         {api.NewOrderTemplate{Currency: "CNY", Least: 2, Most: 1}, "order_template_terms"},
		"open with tax":          {api.NewOrderTemplate{Currency: "CNY", Most: 2, Tax: 1}, "order_template_terms"},
		"open with lines":        {api.NewOrderTemplate{Currency: "CNY", Most: 2, Lines: []order.Line{{Description: "x", Quantity: 1, Amount: 1}}}, "order_template_terms"},
		"lines of another sum":   {api.NewOrderTemplate{Currency: "CNY", Minor: 2, Lines: []order.Line{{Description: "x", Quantity: 1, Amount: 1}}}, "order_sum"},
		"no such currency":       {api.NewOrderTemplate{Currency: "XXQ", Minor: 2}, "invalid_field"},
		"a currency not taken":   {api.NewOrderTemplate{Currency: "JPY", Minor: 2}, "wrong_currency"},
		"hostile description":    {api.NewOrderTemplate{Currency: "CNY", Minor: 2, Description: "Gift \u202etfig"}, "text_not_shown"},
		"hostile reference":      {api.NewOrderTemplate{Currency: "CNY", Minor: 2, Reference: "a\u0000"}, "text_not_shown"},
		"long reference":         {api.NewOrderTemplate{Currency: "CNY", Minor: 2, Reference: strings.Repeat("x", 49)}, "invalid_field"},
		"a life too long":        {api.NewOrderTemplate{Currency: "CNY", Minor: 2, ExpiresIn: 3601}, "invalid_field"},
	} {
		_, err := w.till().MakeTemplate(w.ctx, c.in)
		expectProblem(t, fmt.Errorf("%s: %w", name, err), c.code)
	}
	marked, err := w.till().MakeTemplate(w.ctx, api.NewOrderTemplate{Currency: "CNY", Minor: 2, Description: "<img src=x onerror=alert(1)>"})
	w.must(err)
	if seen, err := w.kiosk.Template(w.ctx, order.TemplateID(marked.ID)); err != nil || seen.Description != marked.Description {
		t.Errorf("markup is text: %+v, %v", seen, err)
	}
}

// TestATemplateIsItsPayees: another payee's key neither sees nor disables it, and a key without the scope makes none.
func TestATemplateIsItsPayees(t *testing.T) {
	w := openWorld(t)
	tpl := w.openTemplate()
	other, err := w.operator.AddPayee(w.ctx, api.NewPayee{Handle: "thief@shop", Name: "Thief", Currency: "CNY"})
	w.must(err)
	thief := w.till()
	thief.APIKey = other.APIKey
	_, err = thief.Template(w.ctx, tpl.ID)
	expectProblem(t, err, "unknown_order_template")
	_, err = thief.DisableTemplate(w.ctx, tpl.ID)
	expectProblem(t, err, "unknown_order_template")
	if all, err := thief.Templates(w.ctx); err != nil || len(all.Templates) != 0 {
		t.Errorf("another's templates: %v, %v", all, err)
	}
	_, err = w.kiosk.Template(w.ctx, consent.NewTemplateID())
	expectProblem(t, err, "unknown_order_template")

	all, err := w.till().Templates(w.ctx)
	if err != nil || len(all.Templates) != 1 || all.Templates[0].ID != tpl.ID {
		t.Errorf("templates: %v, %v", all, err)
	}
	o, err := w.phone.OrderFrom(w.ctx, tpl, cny(1000), 0)
	w.must(err)
	off, err := w.till().DisableTemplate(w.ctx, tpl.ID)
	w.must(err)
	again, err := w.till().DisableTemplate(w.ctx, tpl.ID)
	if err != nil || off.State != "disabled" || off.DisabledAt == nil || !again.DisabledAt.Equal(*off.DisabledAt) {
		t.Errorf("disabled: %+v, and again %+v, %v", off, again, err)
	}
	if all, err = w.till().Templates(w.ctx); err != nil || len(all.Templates) != 0 {
		t.Errorf("templates: %v, %v", all, err)
	}
	w.must(w.confirm(w.claiming(o))) // made before, and paid

	_, err = w.operator.ClosePayee(w.ctx, "books@shop", true, "")
	w.must(err)
	_, err = w.kiosk.Template(w.ctx, order.TemplateID(tpl.ID))
	expectProblem(t, err, "unknown_order_template")
}

// TestAFloodOfOrdersFromATemplateIsHeldBackAndForgotten: strangers make what they like, and it leaves nothing.
func TestAFloodOfOrdersFromATemplateIsHeldBackAndForgotten(t *testing.T) {
	w := openWorld(t, func(_ *processor.Config, c *httpapi.Config) {
		c.Limits.Templates = httpapi.Rates{Device: 3, Address: 4}
	})
	tpl := w.openTemplate()
	var made []api.PayeeOrder
	for i, c := range []struct {
		from *device.Client
		code string
	}{{w.kiosk, ""}, {w.kiosk, ""}, {w.kiosk, ""}, {w.kiosk, "too_many_requests"}, {w.phone, "too_many_requests"}} {
		o, err := c.from.OrderFrom(w.ctx, tpl, cny(1000), 0)
		if c.code != "" {
			expectProblem(t, fmt.Errorf("%d: %w", i, err), c.code)
			continue
		}
		w.must(err)
		made = append(made, o)
	}
	w.clock.Advance(time.Minute)
	w.mustPay(w.kiosk, unknownNumber, made[2]) // begun, by somebody whom nobody knows
	w.clock.Advance(15 * time.Minute)
	for _, o := range made {
		w.expectOrder(o, order.Expired, nil)
	}
	if types := w.orderEvents(made[0].ID); len(types) != 0 {
		t.Errorf("the payee was told %v of an order that nobody paid", types)
	}
	w.clock.Advance(time.Hour)
	if _, err := w.store.Purge(w.ctx, w.clock.Now()); err != nil {
		t.Fatal(err)
	}
	page, err := w.till().Orders(w.ctx, payee.Query{})
	if err != nil || len(page.Orders) != 1 || page.Orders[0].ID != made[2].ID {
		t.Errorf("orders left: %+v, %v; want the one that a payment names", page.Orders, err)
	}
	_, err = w.kiosk.PlacedOrder(w.ctx, payment.OrderID(made[0].ID))
	expectProblem(t, err, "unknown_order")
}
