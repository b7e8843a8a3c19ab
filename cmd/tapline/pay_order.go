package main

import (
	"errors"
	"fmt"

	"tapline/api"
	"tapline/consent"
	"tapline/device"
	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// checkOrder refuses flags that say nothing of what is to be paid, or say it twice.
func (cmd *payCmd) checkOrder() error {
	own := cmd.Amount != "" && !cmd.fromTemplate() || cmd.Payee != "" || cmd.Order != "" || cmd.Description != ""
	switch {
	case cmd.OrderID != "" && own:
		return &usageError{"--order-id says what is to be paid, and to whom", "leave --amount, --payee, --order and --description out"}
	case cmd.OrderID == "" && (cmd.Amount == "" || cmd.Payee == ""):
		return &usageError{"what is to be paid, and to whom?", `give --amount and --payee, or --order-id; run "tapline pay --help"`}
	}
	return nil
}

// fromTemplate reports whether the link stays, and may leave the amount to the payer.
func (cmd *payCmd) fromTemplate() bool {
	return consent.CheckTemplateID(order.TemplateID(cmd.OrderID)) == nil
}

// orderOf is an order of the payer's own making, or one that the payee has made.
func (p *payer) orderOf() (device.Order, error) {
	if p.cmd.fromTemplate() {
		placed, err := p.orderFromTemplate(order.TemplateID(p.cmd.OrderID))
		if err != nil {
			return device.Order{}, err
		}
		return p.client.Pay(placed)
	}
	if p.cmd.OrderID != "" {
		placed, err := p.client.PlacedOrder(p.ctx, payment.OrderID(p.cmd.OrderID))
		if err != nil {
			return device.Order{}, err
		}
		return p.client.Pay(placed)
	}
	payee, err := p.client.PayeeIn(p.ctx, p.cmd.Payee, p.amount.Currency)
	if problem, ok := errors.AsType[*api.Problem](err); ok && problem.Code == "wrong_currency" {
		payee, err = p.client.Payee(p.ctx, p.cmd.Payee) // the order then says which it takes
	}
	if err != nil {
		return device.Order{}, err
	}
	return p.client.Order(p.amount, payee, consent.Order{Number: p.cmd.Order, Description: p.cmd.Description})
}

// orderFacts are what the payer is shown before Send.
func orderFacts(o device.Order) []pair {
	facts := []pair{
		{"amount", o.Amount().String()},
		{"payee", fmt.Sprintf("%s (%s)", o.Payee().Name, o.Payee().Handle)},
		{"payee account", o.Payee().Account},
		{"order", o.Terms().Number},
		{"for", o.Terms().Description},
	}
	if o.Fee().Minor > 0 {
		facts = append(facts, pair{"fee", o.Fee().String()}, pair{"you pay", o.Total().String()})
	}
	lines, tip, tax := o.Lines()
	for _, l := range lines {
		facts = append(facts, pair{"item", fmt.Sprintf("%d × %s, %s", l.Quantity, l.Description, money.FormatMinor(l.Amount, o.Amount().Currency))})
	}
	for _, part := range []struct {
		name  string
		minor int64
	}{{"tip", tip}, {"tax", tax}} {
		if part.minor > 0 {
			facts = append(facts, pair{part.name, money.FormatMinor(part.minor, o.Amount().Currency)})
		}
	}
	return facts
}
