package sqlstore

import (
	"errors"
	"math"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// A refund never changes.
var refunds = newTable("refunds", 1,
	text("id", func(r *payment.Refund) *payment.RefundID { return &r.ID }),
	fixed(text("payment", func(r *payment.Refund) *payment.ID { return &r.Payment })),
	fixed(integer("amount", func(r *payment.Refund) *int64 { return &r.Amount.Minor })),
	fixed(text("currency", func(r *payment.Refund) *money.Currency { return &r.Amount.Currency })),
	fixed(integer("total", func(r *payment.Refund) *int64 { return &r.Total })),
	fixed(text("payee", func(r *payment.Refund) *payment.Handle { return &r.Payee })),
	fixed(text("payee_account", func(r *payment.Refund) *ledger.AccountID { return &r.PayeeAccount })),
	fixed(text("card_account", func(r *payment.Refund) *ledger.AccountID { return &r.CardAccount })),
	fixed(text("reason", func(r *payment.Refund) *string { return &r.Reason })),
	fixed(text("api_key", func(r *payment.Refund) *string { return &r.APIKey })),
	fixed(instant("at", func(r *payment.Refund) *time.Time { return &r.At })),
)

// refundsWhere lists refunds, newest first, of which a column has a value.
func refundsWhere(column string) *statement {
	return plain("SELECT "+refunds.list()+" FROM refunds WHERE "+column+" = $1 AND at <= $2 AND (at < $2 OR id < $3)"+
		" ORDER BY at DESC, id DESC LIMIT $4", isText, isInteger, isText, isInteger)
}

var (
	refundsByPayee   = refundsWhere("payee")
	refundsByPayment = refundsWhere("payment")
)

// Refunds lists newest first; see processor.Reader.
func (r *reader) Refunds(q processor.RefundQuery) ([]payment.Refund, error) {
	s, of := refundsByPayee, string(q.Payee)
	if q.Payment != "" {
		s, of = refundsByPayment, string(q.Payment)
	}
	if (q.Payee == "") == (q.Payment == "") {
		return nil, errors.New("refunds are listed by either payee or payment")
	}
	if q.Limit < 1 {
		return nil, errNoLimit
	}
	if !storable(of) || !storable(string(q.BeforeID)) {
		return nil, nil // there is nothing by such text
	}
	before := int64(math.MaxInt64)
	if !q.Before.IsZero() {
		before = micros(q.Before)
	}
	found := collect(&r.rows, refunds, s, func(to binder) {
		to.text(of)
		to.integer(before)
		to.text(string(q.BeforeID))
		to.integer(int64(q.Limit))
	})
	return found, r.err
}
