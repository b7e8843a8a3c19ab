package device

import (
	"context"
	"slices"
	"strings"
	"time"

	"tapline/api"
	"tapline/consent"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// PlacedOrder reads an order that a payee has made, by the id in its link. Its texts are fit to be shown, and its lines, tip and
// tax sum to the amount. Only one whose State is open can be paid; Pay makes of it what the user is about to pay for.
func (c *Client) PlacedOrder(ctx context.Context, id payment.OrderID) (api.PayeeOrder, error) {
	if err := consent.CheckOrderID(id); err != nil {
		return api.PayeeOrder{}, err
	}
	o, err := read[api.PayeeOrder](ctx, c, "/v1/orders/"+string(id), nil, 0)
	if err != nil {
		return api.PayeeOrder{}, err
	}
	return o, checkPlaced(o, id)
}

// Template reads what a payee's static link asks for, by the id in it.
func (c *Client) Template(ctx context.Context, id order.TemplateID) (api.OrderTemplate, error) {
	if err := consent.CheckTemplateID(id); err != nil {
		return api.OrderTemplate{}, err
	}
	t, err := read[api.OrderTemplate](ctx, c, "/v1/order-templates/"+string(id), nil, 0)
	if err != nil {
		return api.OrderTemplate{}, err
	}
	_, err = consent.CleanTemplate(order.Template{ // what a person could not be shown is taken for no answer
		Payee: payment.Handle(t.Payee.Handle), Currency: t.Currency, Minor: t.Minor, Least: t.Least, Most: t.Most, Prefix: t.Reference,
		Description: t.Description, Lines: t.Lines, Tax: t.Tax, Tip: t.Tip, Life: time.Duration(t.ExpiresIn) * time.Second,
	})
	if err != nil || t.ID != string(id) || checkPayee(t.Payee) != nil {
		return api.OrderTemplate{}, ErrAnswer
	}
	return t, nil
}

// OrderFrom makes an order from a template as Template returned it, over an amount with the tip in it. The order says what the
// template did, and is paid with Pay.
func (c *Client) OrderFrom(ctx context.Context, t api.OrderTemplate, amount money.Amount, tip int64) (api.PayeeOrder, error) {
	m := consent.FromTemplate{Template: order.TemplateID(t.ID), Amount: amount, Tip: tip}
	if err := m.Validate(); err != nil {
		return api.PayeeOrder{}, err
	}
	o, err := write[api.PayeeOrder](ctx, c, "/v1/order-templates/"+t.ID+"/orders", consent.TypFromTemplate, func(claims consent.Claims) any {
		m.Claims = claims
		return &m
	})
	if err != nil {
		return api.PayeeOrder{}, err
	}
	asked := o.Amount == amount && o.Tip == tip && o.Tax == t.Tax && o.Payee.Handle == t.Payee.Handle && o.Description == t.Description &&
		strings.HasPrefix(o.Reference, t.Reference) && slices.Equal(o.Lines, t.Lines)
	if !asked {
		return api.PayeeOrder{}, ErrAnswer
	}
	o.Payee.Fee = t.Payee.Fee // as the user was shown it
	return o, checkPlaced(o, payment.OrderID(o.ID))
}

// checkPlaced takes nothing that a person could not be shown, or that does not add up.
func checkPlaced(o api.PayeeOrder, id payment.OrderID) error {
	clean, err := consent.CleanTerms(o.Terms())
	if err != nil || o.ID != string(id) || o.Payee.Currency != o.Amount.Currency || checkPayee(o.Payee) != nil {
		return ErrAnswer
	}
	if consent.TermsHash(clean) != consent.TermsHash(o.Terms()) || consent.TermsHash(clean) != o.Hash {
		return ErrAnswer
	}
	return nil
}

// Pay makes an order that a payee has made to what the user is about to pay for. Nothing is sent.
func (c *Client) Pay(placed api.PayeeOrder) (Order, error) {
	if err := checkPlaced(placed, payment.OrderID(placed.ID)); err != nil {
		return Order{}, err
	}
	o := Order{
		client: c, amount: placed.Amount, payee: placed.Payee, terms: placed.Terms(),
		order: consent.Order{Number: placed.Reference, Description: placed.Description, ID: placed.ID},
	}
	return o, o.checkFee()
}

// named is the order as an instruction has it: one that the payee has made is only named.
func (o Order) named() consent.Order {
	if o.order.ID != "" {
		return consent.Order{ID: o.order.ID}
	}
	return o.order
}

// hash is the digest of the order's terms that statement and receipt must have.
func (o Order) hash() string {
	if o.order.ID != "" {
		return consent.TermsHash(o.terms)
	}
	return consent.OrderHash(o.order, o.amount, o.payee.Handle)
}

// Lines are what the order consists of, if its payee says so, with tip and tax in minor units.
func (o Order) Lines() (lines []order.Line, tip, tax int64) {
	return o.terms.Lines, o.terms.Tip, o.terms.Tax
}
