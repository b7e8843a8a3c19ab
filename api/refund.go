package api

import (
	"time"

	"tapline/money"
)

// NewRefund asks to give money of a settled payment back.
type NewRefund struct {
	Payment string        `json:"payment" doc:"The settled payment's id."`
	Amount  *money.Amount `json:"amount,omitempty" doc:"All that is left of the payment if it is left out."`
	Reason  string        `json:"reason,omitempty" maxLength:"280" doc:"Why. The payer sees it."`
}

// Refund is money of a settled payment that its payee gave back. It is final.
type Refund struct {
	ID          string       `json:"id"`
	Payment     string       `json:"payment"`
	Amount      money.Amount `json:"amount"`
	Refunded    money.Amount `json:"refunded" doc:"What was given back of the payment with this refund."`
	Whole       money.Amount `json:"payment_amount"`
	Payee       Payee        `json:"payee" doc:"With the account that the money came from."`
	CardAccount string       `json:"card_account,omitempty" doc:"Masked: where the money went, as the payment named it. Not for the payee."`
	Order       Order        `json:"order"`
	Reason      string       `json:"reason,omitempty"`
	RefundedAt  time.Time    `json:"refunded_at"`
}

// Refunds is a page of refunds, newest first.
type Refunds struct {
	Refunds []Refund `json:"refunds"`
	Next    string   `json:"next,omitempty" doc:"Give it as before to get the next page."`
}
