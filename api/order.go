package api

import (
	"time"

	"tapline/money"
	"tapline/order"
	"tapline/payment"
)

// NewOrder asks for an order: what a payee wants to be paid for.
type NewOrder struct {
	Amount      money.Amount      `json:"amount" doc:"In the payee's currency."`
	Reference   string            `json:"reference,omitempty" maxLength:"64" doc:"The payee's number for the order. Payers see it."`
	Description string            `json:"description,omitempty" maxLength:"280" doc:"The goods, for people."`
	Lines       []order.Line      `json:"lines,omitempty" maxItems:"50" doc:"What it consists of. With tip and tax they sum to the amount."`
	Tip         int64             `json:"tip,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Part of the amount, in minor units."`
	Tax         int64             `json:"tax,omitempty" minimum:"0" maximum:"1000000000000000" doc:"Part of the amount, in minor units, that is not in the lines."`
	ExpiresIn   int64             `json:"expires_in,omitempty" minimum:"60" maximum:"7776000" doc:"Seconds in which it can be paid; a day if left out."`
	SuccessURL  string            `json:"success_url,omitempty" maxLength:"512" doc:"Where whoever has paid may go: https, or http to a loopback address in the test environment."`
	CancelURL   string            `json:"cancel_url,omitempty" maxLength:"512" doc:"Where whoever does not want to pay may go."`
	Metadata    map[string]string `json:"metadata,omitempty" maxProperties:"20" doc:"The payee's own: nobody else sees it. Names of 1 to 40 letters, digits, points, dashes and underscores; texts of up to 500 characters."`
}

// PayeeOrder is an order that a payee has made, as the one who asks may see it.
type PayeeOrder struct {
	ID          string       `json:"id" doc:"Not to be guessed: a device that knows it may see the order and pay it."`
	URL         string       `json:"url" doc:"The page where it is paid."`
	State       string       `json:"state" enum:"open,claimed,paid,cancelled,expired"`
	Version     int64        `json:"version" doc:"Counts the changes."`
	Payee       Payee        `json:"payee"`
	Amount      money.Amount `json:"amount"`
	Reference   string       `json:"reference,omitempty"`
	Description string       `json:"description,omitempty"`
	Lines       []order.Line `json:"lines"`
	Tip         int64        `json:"tip" doc:"Minor units."`
	Tax         int64        `json:"tax" doc:"Minor units."`
	Hash        string       `json:"hash" doc:"The digest of all these terms, as it stands in statements and receipts."`
	Payment     string       `json:"payment,omitempty" doc:"The payment that claims it or has paid it; for the payee and the device that makes it."`
	SuccessURL  string       `json:"success_url,omitempty" doc:"For the payee, and the device that has paid."`
	CancelURL   string       `json:"cancel_url,omitempty"`
	CreatedAt   time.Time    `json:"created_at"`
	ExpiresAt   time.Time    `json:"expires_at"`
	ExpiresIn   int          `json:"expires_in" doc:"Seconds until then; 0 if it has ended."`
	EndedAt     *time.Time   `json:"ended_at,omitempty"`

	Metadata map[string]string `json:"metadata,omitempty" doc:"For the payee."`
}

// Terms are what a payer agrees to by paying.
func (o PayeeOrder) Terms() order.Terms {
	return order.Terms{
		ID: payment.OrderID(o.ID), Payee: payment.Handle(o.Payee.Handle), Amount: o.Amount, Reference: o.Reference,
		Description: o.Description, Lines: o.Lines, Tip: o.Tip, Tax: o.Tax,
	}
}

// PayeeOrders is a page of orders, newest first.
type PayeeOrders struct {
	Orders []PayeeOrder `json:"orders"`
	Payee  Payee        `json:"payee" doc:"Whose they are."`
	Next   string       `json:"next,omitempty" doc:"Give it as before to get the next page."`
}
