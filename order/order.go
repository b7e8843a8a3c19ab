// Package order is the life of an order that a payee makes: what is to be paid, and that it is paid at most once.
//
// An order is a value, like a payment. It is open until a payment claims it, which is when the payer has proved to be the
// cardholder, and not before: an instruction alone, which anybody can send with any number, keeps nobody else from paying.
// A payment that ends unsettled releases the order in the same step. Nothing here reads a clock or a database.
package order

import (
	"errors"
	"fmt"
	"time"

	"tapline/money"
	"tapline/payment"
)

// State is where an order is in its life.
type State string

// States.
const (
	Open      State = "open"
	Claimed   State = "claimed" // a payment whose payer has authenticated is under way
	Paid      State = "paid"
	Cancelled State = "cancelled" // by its payee
	Expired   State = "expired"
)

// States lists every state in the order of an order's life.
var States = []State{Open, Claimed, Paid, Cancelled, Expired}

// Ended reports whether nothing can happen to an order in this state any more.
func (s State) Ended() bool { return s == Paid || s == Cancelled || s == Expired }

// Bounds of an order.
const (
	MaxLines    = 50
	MaxQuantity = 1_000_000
	MinLife     = time.Minute
	MaxLife     = 90 * 24 * time.Hour
)

// Line is one item of an order.
type Line struct {
	Description string `json:"description" minLength:"1" maxLength:"128" doc:"The goods, for people."`
	Quantity    int64  `json:"quantity" minimum:"1" maximum:"1000000"`
	Amount      int64  `json:"amount" minimum:"0" maximum:"1000000000000000" doc:"Of all of them together, in minor units."`
}

// Terms are what a payer agrees to by paying. They never change.
type Terms struct {
	ID          payment.OrderID
	Payee       payment.Handle
	Amount      money.Amount
	Reference   string // the payee's number for it
	Description string
	Lines       []Line
	Tip, Tax    int64 // minor units, within Amount
}

// Errors of orders.
var (
	ErrSum     = errors.New("the lines, tip and tax do not sum to the amount")
	ErrClaimed = errors.New("the order is being paid by somebody else")
	ErrClosed  = errors.New("the order is paid, cancelled or expired")
)

// Check reports what of the numbers cannot be. Lines, tip and tax sum to the amount; without lines, tip and tax are a part
// of it that leaves something to pay for.
func (t Terms) Check() error {
	if !t.Amount.Valid() {
		return money.ErrAmount
	}
	if len(t.Lines) > MaxLines {
		return fmt.Errorf("%w: more than %d lines", ErrSum, MaxLines)
	}
	rest := t.Amount.Minor
	for _, part := range []int64{t.Tip, t.Tax} {
		if part < 0 || part > rest {
			return ErrSum
		}
		rest -= part
	}
	for _, l := range t.Lines {
		if l.Quantity < 1 || l.Quantity > MaxQuantity || l.Amount < 0 || l.Amount > rest {
			return ErrSum
		}
		rest -= l.Amount
	}
	if len(t.Lines) > 0 && rest != 0 || len(t.Lines) == 0 && rest == 0 {
		return ErrSum
	}
	return nil
}

// Order is an order in its life.
type Order struct {
	Terms
	Template              TemplateID        // that a payer has made it from; empty if the payee has made it
	SuccessURL, CancelURL string            // where the payer may go afterwards; empty for nowhere
	Metadata              map[string]string // the payee's own

	State     State
	Payment   payment.ID // that claims it, or has paid it
	Version   int64      // counts the changes, from 1
	CreatedAt time.Time
	ExpiresAt time.Time // from then on nobody can pay it
	EndedAt   time.Time // zero until then
}

// Due reports whether the order's time is over while it is not paid.
func (o Order) Due(now time.Time) bool { return !o.State.Ended() && !now.Before(o.ExpiresAt) }

// Payable says why a payment cannot be begun, if it cannot: ErrClaimed or ErrClosed.
func (o Order) Payable(now time.Time) error {
	switch {
	case o.State.Ended() || o.Due(now):
		return ErrClosed
	case o.State == Claimed:
		return ErrClaimed
	}
	return nil
}

// Follow is the order after a step of a payment that names it, as the payment is afterwards. A payment whose payer has
// authenticated claims the order, one that settles has paid it, and one that ends otherwise releases it if it had claimed it.
// ErrClaimed or ErrClosed means that the payment must not take this step.
func (o Order) Follow(p payment.Payment, now time.Time) (Order, error) {
	mine := o.State == Claimed && o.Payment == p.ID
	claims := p.State == payment.ConfirmationRequired || p.State == payment.ApprovalRequired || p.State == payment.Undoable || p.State.Complete()
	if claims && !mine {
		if err := o.Payable(now); err != nil {
			return o, err
		}
	}
	switch {
	case p.State == payment.Settled:
		return o.end(Paid, p.ID, now), nil
	case claims && !p.State.Complete() && !mine:
		return o.changed(Claimed, p.ID), nil
	case p.State.Final() && mine && !now.Before(o.ExpiresAt):
		return o.end(Expired, "", now), nil
	case p.State.Final() && mine:
		return o.changed(Open, ""), nil
	}
	return o, nil
}

// Cancel ends the order for its payee. A payment that claims it has to be ended first.
func (o Order) Cancel(now time.Time) (Order, error) {
	if err := o.Payable(now); err != nil {
		return o, err
	}
	return o.end(Cancelled, "", now), nil
}

// Expire ends an order whose time is over. One that is claimed waits for its payment, whose time is
// over as well, unless all that is left of it is the time to undo it.
func (o Order) Expire(now time.Time) (Order, error) {
	if !o.Due(now) || o.State == Claimed {
		return o, ErrClaimed
	}
	return o.end(Expired, "", now), nil
}

func (o Order) end(s State, by payment.ID, now time.Time) Order {
	if now.Before(o.CreatedAt) {
		now = o.CreatedAt // a clock that was set back does not make an order end before it began
	}
	o = o.changed(s, by)
	o.EndedAt = now
	return o
}

func (o Order) changed(s State, by payment.ID) Order {
	o.State, o.Payment = s, by
	o.Version++
	return o
}
