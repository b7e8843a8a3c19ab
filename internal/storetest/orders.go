package storetest

import (
	"fmt"
	"time"

	"tapline/order"
	"tapline/payment"
	"tapline/processor"
)

// placed is an open order of the shop's.
func placed(id payment.OrderID) order.Order {
	return order.Order{
		Terms: order.Terms{ID: id, Payee: "shop", Amount: cny(1250), Reference: "A-17", Description: "Tea & <cakes> — \"green\"",
			Lines: []order.Line{{Description: "茶", Quantity: 2, Amount: 1000}}, Tip: 150, Tax: 100},
		SuccessURL: "https://shop.example/thanks?a=1&b=2", CancelURL: "https://shop.example/back",
		Metadata: map[string]string{"cart": "77", "z": "\u2028"},
		State:    order.Open, Version: 1, CreatedAt: noon, ExpiresAt: noon.Add(time.Hour),
	}
}

// ordered is a payment of an order.
func ordered(p payment.Payment, o order.Order) payment.Payment {
	p.Order, p.OrderHash, p.PayBy = o.ID, "hash of "+string(o.ID), o.ExpiresAt
	p.OrderNumber, p.OrderDescription = o.Reference, o.Description
	return p
}

// manyOrders saves world and ten orders, of which each two are of one time, and returns them newest first as they are listed.
func (s *suite) manyOrders() []order.Order {
	s.save(world())
	var all []order.Order
	for i := range 10 {
		o := placed(payment.OrderID(fmt.Sprintf("o%02d", i)))
		o.CreatedAt = noon.Add(time.Duration(i/2) * time.Microsecond)
		if i%3 == 0 {
			o.State, o.EndedAt, o.Reference, o.Amount = order.Cancelled, noon, "B-1", cny(1251)
		}
		all = append([]order.Order{o}, all...)
	}
	s.save(processor.Changes{New: processor.Rows{Orders: all}})
	return all
}

func (s *suite) ordersListed() {
	all := s.manyOrders()
	pick := func(take func(order.Order) bool) (out []order.Order) {
		for _, o := range all {
			if take(o) {
				out = append(out, o)
			}
		}
		return out
	}
	for what, c := range map[string]struct {
		query processor.OrderQuery
		want  []order.Order
	}{
		"payee":          {processor.OrderQuery{Payee: "shop", Limit: 100}, all},
		"payee, 3":       {processor.OrderQuery{Payee: "shop", Limit: 3}, all[:3]},
		"state":          {processor.OrderQuery{Payee: "shop", State: order.Open, Limit: 100}, pick(func(o order.Order) bool { return o.State == order.Open })},
		"reference":      {processor.OrderQuery{Payee: "shop", Reference: "B-1", Limit: 100}, pick(func(o order.Order) bool { return o.Reference == "B-1" })},
		"no reference":   {processor.OrderQuery{Payee: "shop", Reference: "B", Limit: 100}, nil},
		"amount":         {processor.OrderQuery{Payee: "shop", Minor: 1251, Limit: 100}, pick(func(o order.Order) bool { return o.Amount.Minor == 1251 })},
		"all of them":    {processor.OrderQuery{Payee: "shop", State: order.Open, Reference: "B-1", Limit: 100}, nil},
		"bounds":         {processor.OrderQuery{Payee: "shop", Least: 1251, Most: 1252, Limit: 100}, pick(func(o order.Order) bool { return o.Amount.Minor >= 1251 && o.Amount.Minor <= 1252 })},
		"oldest first":   {processor.OrderQuery{Payee: "shop", Oldest: true, From: noon.Add(time.Microsecond), Before: noon.Add(2 * time.Microsecond), Limit: 100}, reversed(pick(func(o order.Order) bool { return o.CreatedAt.Equal(noon.Add(time.Microsecond)) }))},
		"another payee":  {processor.OrderQuery{Payee: "none", Limit: 100}, nil},
		"before":         {processor.OrderQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), Limit: 100}, all[6:]},
		"before an id":   {processor.OrderQuery{Payee: "shop", Before: noon.Add(2 * time.Microsecond), BeforeID: "o05", Limit: 100}, all[5:]},
		"before all":     {processor.OrderQuery{Payee: "shop", Before: noon, Limit: 100}, nil},
		"reference, two": {processor.OrderQuery{Payee: "shop", Reference: "A-17", Limit: 2}, pick(func(o order.Order) bool { return o.Reference == "A-17" })[:2]},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Orders(c.query)
			s.equal("orders by "+what, got, c.want)
			return err
		})
	}
	s.view(func(r processor.Reader) error {
		if got, err := r.Orders(processor.OrderQuery{Limit: 1}); err == nil {
			s.Errorf("Orders of nobody = %d orders, want an error", len(got))
		}
		return nil
	})
}

func (s *suite) dueOrders() {
	s.save(world())
	var all []order.Order
	for i, after := range []time.Duration{3, 1, 2, 1} {
		o := placed(payment.OrderID(fmt.Sprintf("o%d", i)))
		o.ExpiresAt = noon.Add(after * time.Second)
		all = append(all, o)
	}
	ended := placed("o9")
	ended.State, ended.EndedAt, ended.ExpiresAt = order.Expired, noon, noon.Add(1)
	ended.ExpiresAt = noon.Add(time.Microsecond)
	waits := placed("o8") // for its payment, whatever becomes of that
	waits.State, waits.Payment, waits.ExpiresAt = order.Claimed, "p1", noon.Add(time.Microsecond)
	all = append(all, waits)
	s.save(processor.Changes{New: processor.Rows{Orders: append(all, ended)}})
	for _, c := range []struct {
		now   time.Time
		limit int
		want  []payment.OrderID
	}{
		{noon.Add(time.Second - 1), 10, nil},
		{noon.Add(time.Second), 10, []payment.OrderID{"o1", "o3"}},
		{noon.Add(time.Hour), 3, []payment.OrderID{"o1", "o3", "o2"}},
		{noon.Add(time.Hour), 10, []payment.OrderID{"o1", "o3", "o2", "o0"}},
	} {
		s.view(func(r processor.Reader) error {
			got, err := r.Due(c.now, c.limit)
			s.equal(fmt.Sprintf("due at %v", c.now), got.Orders, c.want)
			return err
		})
	}
}

func (s *suite) anOrderIsPaidOnce() {
	s.save(world())
	o := placed("o1")
	s.save(processor.Changes{New: processor.Rows{Orders: []order.Order{o}}})
	paying := func(id payment.ID) payment.Payment {
		return stepped(ordered(openPayment(id), o), payment.Authenticate, payment.Confirm)
	}
	first, second := paying("p1"), paying("p2")
	s.save(processor.Changes{New: processor.Rows{Payments: []payment.Payment{first, second}}})
	s.save(processor.Changes{Changed: processor.Rows{Payments: []payment.Payment{stepped(first, payment.Approve)}}})
	if s.trySave(processor.Changes{Changed: processor.Rows{Payments: []payment.Payment{stepped(second, payment.Approve)}}}) == nil {
		s.Error("an order was paid twice")
	}
	s.holds(processor.Wants{Payments: []payment.ID{"p2"}}, processor.Rows{Payments: []payment.Payment{second}})
}

func (s *suite) impossibleOrders() {
	s.save(world())
	for what, change := range map[string]func(*order.Order){
		"no payee":               func(o *order.Order) { o.Payee = "none" },
		"no amount":              func(o *order.Order) { o.Amount.Minor = 0 },
		"no currency":            func(o *order.Order) { o.Amount.Currency = "" },
		"tip above the amount":   func(o *order.Order) { o.Tip = 1251 },
		"tax beside all the tip": func(o *order.Order) { o.Tip, o.Tax = 1200, 51 },
		"unknown state":          func(o *order.Order) { o.State = "refunded" },
		"paid by nobody":         func(o *order.Order) { o.State, o.EndedAt = order.Paid, noon },
		"open, with a payment":   func(o *order.Order) { o.Payment = "p1" },
		"claimed by nobody":      func(o *order.Order) { o.State = order.Claimed },
		"ended without a time":   func(o *order.Order) { o.State = order.Cancelled },
		"open but ended":         func(o *order.Order) { o.EndedAt = noon },
		"over before it began":   func(o *order.Order) { o.ExpiresAt = o.CreatedAt },
		"no version":             func(o *order.Order) { o.Version = 0 },
	} {
		o := placed("o1")
		change(&o)
		s.refused(what, processor.Changes{New: processor.Rows{Orders: []order.Order{o}}})
	}
	for what, change := range map[string]func(*payment.Payment){
		"payment of no order":       func(p *payment.Payment) { p.Order = "none" },
		"hash without an order":     func(p *payment.Payment) { p.Order = "" },
		"order without its hash":    func(p *payment.Payment) { p.OrderHash = "" },
		"order without its time":    func(p *payment.Payment) { p.PayBy = time.Time{} },
		"its time without an order": func(p *payment.Payment) { p.Order, p.OrderHash = "", "" },
	} {
		o := placed("o1")
		p := ordered(openPayment("p1"), o)
		change(&p)
		s.refused(what, processor.Changes{New: processor.Rows{Orders: []order.Order{o}, Payments: []payment.Payment{p}}})
	}
}

// template is an active one of the shop's, of a fixed amount.
func template(id order.TemplateID) order.Template {
	return order.Template{ID: id, Payee: "shop", Currency: "CNY", Minor: 1250, Prefix: "T-", Description: "茶 — \"green\"",
		Lines: []order.Line{{Description: "茶", Quantity: 2, Amount: 1150}}, Tax: 100, Tip: true, Life: 15 * time.Minute, Version: 1, CreatedAt: noon}
}

func (s *suite) templatesOfAPayee() {
	c := everything()
	s.save(c)
	s.holds(processor.Wants{TemplatesOf: []payment.Handle{"shop", "shut"}}, processor.Rows{Templates: c.New.Templates[:1]})
	s.holds(processor.Wants{TemplatesOf: []payment.Handle{"shop"}, Templates: []order.TemplateID{"t1", "t2", "none"}},
		processor.Rows{Templates: c.New.Templates})
}

func (s *suite) impossibleTemplates() {
	s.save(world())
	for what, change := range map[string]func(*order.Template){
		"no payee":             func(t *order.Template) { t.Payee = "none" },
		"less than nothing":    func(t *order.Template) { t.Minor = -1 },
		"no currency":          func(t *order.Template) { t.Currency = "" },
		"neither amount":       func(t *order.Template) { t.Minor, t.Tax = 0, 0 },
		"amount and bounds":    func(t *order.Template) { t.Least, t.Most = 1, 2 },
		"bounds crossed":       func(t *order.Template) { t.Minor, t.Tax, t.Least, t.Most = 0, 0, 2, 1 },
		"tax above the amount": func(t *order.Template) { t.Tax = 1251 },
		"no life":              func(t *order.Template) { t.Life = 0 },
		"no version":           func(t *order.Template) { t.Version = 0 },
	} {
		t := template("t1")
		change(&t)
		s.refused(what, processor.Changes{New: processor.Rows{Templates: []order.Template{t}}})
	}
	o := placed("o1")
	o.Template = "none"
	s.refused("an order from no template", processor.Changes{New: processor.Rows{Orders: []order.Order{o}}})
}
