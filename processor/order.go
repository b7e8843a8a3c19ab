package processor

import (
	"time"

	"tapline/order"
	"tapline/payment"
)

// MakeOrder opens an order of a payee's.
type MakeOrder struct {
	Order order.Order // with its terms; completed by Do
	Life  time.Duration

	Payee Payee // result
}

// Wants names the payee.
func (c *MakeOrder) Wants(_ *Unit, w *Wants) {
	w.Payees = append(w.Payees, c.Order.Payee)
	w.Orders = append(w.Orders, c.Order.ID)
}

// Do opens the order.
func (c *MakeOrder) Do(u *Unit) error {
	payee, ok := u.Payees.Get(c.Order.Payee)
	switch {
	case !ok:
		return ErrUnknownPayee
	case payee.Closed:
		return ErrPayeeClosed
	}
	if _, taken := payee.In(c.Order.Amount.Currency); !taken {
		return ErrCurrency
	}
	if _, taken := u.Orders.Get(c.Order.ID); taken {
		return ErrConflict // of 128 random bits
	}
	c.Order.State, c.Order.Version, c.Order.CreatedAt = order.Open, 1, u.Now
	c.Order.ExpiresAt = u.Now.Add(c.Life)
	c.Payee = payee
	u.putOrder(c.Order)
	return nil
}

// CancelOrder ends an order for its payee, and the payment that claims it, if there is one.
type CancelOrder struct {
	ID    payment.OrderID
	Payee payment.Handle

	After order.Order // results
	Of    Payee
}

// Wants names the order and its payee.
func (c *CancelOrder) Wants(_ *Unit, w *Wants) {
	w.Orders = append(w.Orders, c.ID)
	w.Payees = append(w.Payees, c.Payee)
}

// Do cancels. For any other payee the order does not exist.
func (c *CancelOrder) Do(u *Unit) error {
	o, ok := u.Orders.Get(c.ID)
	if !ok || o.Payee != c.Payee {
		return ErrUnknownOrder
	}
	cancelled := o.State == order.Claimed
	if cancelled {
		p, _ := u.Payments.Get(o.Payment)
		if _, err := u.Do(p, payment.Command{Verb: payment.Cancel, Reason: payment.ByPayee}); err != nil {
			return err
		}
		o, _ = u.Orders.Get(c.ID)
	}
	after := o
	if !o.State.Ended() || !cancelled { // with its payment an order ends whose time is over
		var err error
		if after, err = o.Cancel(u.Now); err != nil {
			return &OrderError{err, o.State}
		}
		u.putOrder(after)
	}
	c.After = after
	c.Of, _ = u.Payees.Get(c.Payee)
	return nil
}

// instructed is the order that an instruction names: nil if it names none. It has to be payable, and the instruction has to
// ask for just what it asks for. That is the same whether the card is known or not.
func (c *Instruct) instructed(u *Unit) (*order.Order, error) {
	if c.Order == "" {
		return nil, nil
	}
	o, ok := u.Orders.Get(c.Order)
	if !ok {
		return nil, ErrUnknownOrder
	}
	if o.Payee != c.Payee {
		return nil, &OrderMismatch{"payee"}
	}
	if o.Amount != c.Amount {
		return nil, &OrderMismatch{"amount"}
	}
	if err := o.Payable(u.Now); err != nil {
		return nil, &OrderError{err, o.State}
	}
	return &o, nil
}

// follow returns what stages a payment's step in the order that it names. An error of package order means that the payment
// must not take the step.
func (u *Unit) follow(p payment.Payment) (stage func(), err error) {
	if p.Order == "" {
		return func() {}, nil
	}
	o, ok := u.Orders.Get(p.Order)
	if !ok {
		return nil, ErrUnknownOrder
	}
	after, err := o.Follow(p, u.Now)
	return func() {
		if after.Version != o.Version {
			u.putOrder(after)
		}
	}, err
}

// putOrder stages a changed order and tells its payee, unless a stranger has made it and nobody has ever begun to pay it.
func (u *Unit) putOrder(o order.Order) {
	u.Orders.Put(o.ID, o)
	if o.Template != "" && o.State == order.Expired && o.Version == 2 {
		return
	}
	u.Tell(Event{
		Type: "order." + string(o.State), Subject: string(o.ID), State: string(o.State), Version: o.Version,
		To: []Principal{PayeePrincipal(o.Payee)},
	})
}
