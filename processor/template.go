package processor

import (
	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// MakeTemplate keeps a template of a payee's.
type MakeTemplate struct {
	Template order.Template // with its terms; completed by Do

	Payee Payee // result
}

// Wants names the payee, and the templates that it has.
func (c *MakeTemplate) Wants(_ *Unit, w *Wants) {
	w.Payees = append(w.Payees, c.Template.Payee)
	w.Templates = append(w.Templates, c.Template.ID)
	w.TemplatesOf = append(w.TemplatesOf, c.Template.Payee)
}

// Do keeps the template.
func (c *MakeTemplate) Do(u *Unit) error {
	payee, ok := u.Payees.Get(c.Template.Payee)
	switch {
	case !ok:
		return ErrUnknownPayee
	case payee.Closed:
		return ErrPayeeClosed
	}
	if _, taken := payee.In(c.Template.Currency); !taken {
		return ErrCurrency
	}
	if _, taken := u.Templates.Get(c.Template.ID); taken {
		return ErrConflict // of 128 random bits
	}
	active := 0
	for _, id := range u.templatesOf[c.Template.Payee] {
		if t, _ := u.Templates.Get(id); t.Active() {
			active++
		}
	}
	if active >= order.MaxActive {
		return ErrTooManyTemplates
	}
	c.Template.Version, c.Template.CreatedAt = 1, u.Now
	c.Payee = payee
	u.Templates.Put(c.Template.ID, c.Template)
	return nil
}

// DisableTemplate ends a template for its payee. Orders that were made from it can be paid while their time lasts.
type DisableTemplate struct {
	ID    order.TemplateID
	Payee payment.Handle

	After order.Template // results
	Of    Payee
}

// Wants names the template and its payee.
func (c *DisableTemplate) Wants(_ *Unit, w *Wants) {
	w.Templates = append(w.Templates, c.ID)
	w.Payees = append(w.Payees, c.Payee)
}

// Do disables. For any other payee the template does not exist. One that is disabled stays as it is.
func (c *DisableTemplate) Do(u *Unit) error {
	t, ok := u.Templates.Get(c.ID)
	if !ok || t.Payee != c.Payee {
		return ErrUnknownTemplate
	}
	if t.Active() {
		t.Version++
		t.DisabledAt = u.Now
		if u.Now.Before(t.CreatedAt) {
			t.DisabledAt = t.CreatedAt // a clock that was set back
		}
		u.Templates.Put(t.ID, t)
	}
	c.After = t
	c.Of, _ = u.Payees.Get(c.Payee)
	return nil
}

// OrderFromTemplate opens an order from a template, for whoever asks for it. Its payee is not told before somebody pays it: most who open a
// link do not.
type OrderFromTemplate struct {
	ID        payment.OrderID
	Template  order.TemplateID
	Device    payment.DeviceID
	Amount    money.Amount
	Tip       int64
	Reference string // what tells the order apart, after the template's prefix

	Order order.Order // results
	Payee Payee
}

// Wants names the template, its payee and the device.
func (c *OrderFromTemplate) Wants(u *Unit, w *Wants) {
	w.Templates = append(w.Templates, c.Template)
	w.Devices = append(w.Devices, c.Device)
	w.Orders = append(w.Orders, c.ID)
	if t, known := u.Templates.rows[c.Template]; known {
		w.Payees = append(w.Payees, t.Payee)
	}
}

// Do opens the order, if the template allows it now.
func (c *OrderFromTemplate) Do(u *Unit) error {
	if _, err := u.actingDevice(c.Device); err != nil {
		return err
	}
	t, ok := u.Templates.Get(c.Template)
	if !ok {
		return ErrUnknownTemplate
	}
	payee, ok := u.Payees.Get(t.Payee)
	if !ok || payee.Closed {
		return ErrUnknownTemplate // as its payee is unknown
	}
	if c.Amount.Currency != t.Currency {
		return ErrCurrency
	}
	if _, takes := payee.In(t.Currency); !takes {
		return ErrCurrency
	}
	if _, taken := u.Orders.Get(c.ID); taken {
		return ErrConflict
	}
	terms, err := t.Terms(c.ID, t.Prefix+c.Reference, c.Amount, c.Tip)
	if err != nil {
		return err
	}
	c.Order = order.Order{
		Terms: terms, Template: t.ID, State: order.Open, Version: 1, CreatedAt: u.Now, ExpiresAt: u.Now.Add(t.Life),
	}
	c.Payee = payee
	u.Orders.Put(c.Order.ID, c.Order)
	return nil
}
