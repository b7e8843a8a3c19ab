package sqlstore

import (
	"errors"
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

// refundsWhere lists refunds of which a column has a value.
func refundsWhere(column string) inTime {
	return bothWays("at", "$5", func(span, order string) *statement {
		return plain("SELECT "+refunds.list()+" FROM refunds WHERE "+column+" = $1 AND "+span+order+" LIMIT $4",
			isText, isInteger, isText, isInteger, isInteger)
	})
}

var (
	refundsByPayee   = refundsWhere("payee")
	refundsByPayment = refundsWhere("payment")
)

// Refunds lists by time; see processor.Reader.
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
	e := edgesOf(q.From, q.Before, string(q.BeforeID), string(q.AfterID), q.Oldest)
	if !storable(of) || !storable(e.id) {
		return nil, nil // there is nothing by such text
	}
	found := collect(&r.rows, refunds, s.way(q.Oldest), func(to binder) {
		to.text(of)
		to.integer(e.at)
		to.text(e.id)
		to.integer(int64(q.Limit))
		to.integer(e.far)
	})
	return found, r.err
}
