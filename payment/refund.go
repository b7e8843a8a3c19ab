package payment

import (
	"errors"
	"fmt"
	"time"

	"tapline/ledger"
	"tapline/money"
)

// RefundID names a refund.
type RefundID string

// Refund is money that its payee gives back of a settled payment. It goes to the card account that paid, whatever has become of
// the card since, and it is final: nothing undoes it.
type Refund struct {
	ID           RefundID
	Payment      ID
	Amount       money.Amount
	Total        int64 // minor units of the payment that were given back, this refund included
	Payee        Handle
	PayeeAccount ledger.AccountID // that it came from: the payee's when the refund was made
	CardAccount  ledger.AccountID
	Reason       string
	APIKey       string // id of the API key that asked for it
	At           time.Time
}

// Errors of Payment.Refund, in order of precedence.
var (
	ErrNotRefundable  = errors.New("only a settled payment can be refunded")
	ErrRefundCurrency = errors.New("a refund is in the payment's currency")
	ErrRefunded       = errors.New("the payment was refunded in full")
	ErrRefundTooMuch  = errors.New("more than is left of the payment")
)

// Refundable is what is left of a settled payment to be refunded, in minor units; 0 of any other. It is of the amount, out of the
// payee's balance: the operator keeps its fee, whoever bore it.
func (p Payment) Refundable() int64 {
	if p.State != Settled {
		return 0
	}
	return p.Amount.Minor - p.Refunded
}

// Refund gives money of a settled payment back at time now. r says its id, payee account, reason and API key, and how much: an
// amount of no minor units and no currency asks for all that is left. It returns the payment and the refund as they are
// afterwards, and the entry that belongs to them. An error means that nothing has changed.
//
// Whether the payee has the money is the ledger's to say; if it refuses the entry, all of this is to be dropped.
func (p Payment) Refund(r Refund, now time.Time) (Payment, Refund, ledger.Entry, error) {
	left := p.Refundable()
	all := r.Amount == money.Amount{}
	if all {
		r.Amount = money.Amount{Minor: left, Currency: p.Amount.Currency}
	}
	switch {
	case p.State != Settled:
		return p, r, ledger.Entry{}, fmt.Errorf("%w: it is %s", ErrNotRefundable, p.State)
	case r.Amount.Currency != p.Amount.Currency:
		return p, r, ledger.Entry{}, ErrRefundCurrency
	case left == 0:
		return p, r, ledger.Entry{}, ErrRefunded
	case r.Amount.Minor < 1 || r.Amount.Minor > left:
		return p, r, ledger.Entry{}, ErrRefundTooMuch
	}
	if now.Before(p.EndedAt) {
		now = p.EndedAt // a clock that was set back does not refund a payment before it settled
	}
	p.Refunded += r.Amount.Minor
	p.Version++
	r.Payment, r.Payee, r.CardAccount, r.Total, r.At = p.ID, p.PayeeHandle, p.CardAccount, p.Refunded, now
	return p, r, r.entry(), nil
}

// entry is the posting between payee account and card account. Its id is made of the refund's, so that the books take it once.
func (r Refund) entry() ledger.Entry {
	return ledger.Entry{
		ID: ledger.EntryID(string(r.ID) + "/post"), Action: ledger.Post, Reference: string(r.ID),
		Postings: []ledger.Posting{{Debit: r.PayeeAccount, Credit: r.CardAccount, Amount: r.Amount}}, At: r.At,
	}
}
