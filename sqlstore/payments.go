package sqlstore

import (
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// The terms of a payment never change, nor does when it was instructed.
var payments = newTable("payments", 1,
	text("id", func(p *payment.Payment) *payment.ID { return &p.ID }),
	fixed(integer("amount", func(p *payment.Payment) *int64 { return &p.Amount.Minor })),
	fixed(text("currency", func(p *payment.Payment) *money.Currency { return &p.Amount.Currency })),
	fixed(text("payee_handle", func(p *payment.Payment) *payment.Handle { return &p.PayeeHandle })),
	fixed(text("payee_name", func(p *payment.Payment) *string { return &p.PayeeName })),
	fixed(text("payee_account", func(p *payment.Payment) *ledger.AccountID { return &p.PayeeAccount })),
	fixed(boolean("payee_moved", func(p *payment.Payment) *bool { return &p.PayeeMoved })),
	fixed(reference("card", func(p *payment.Payment) *payment.CardID { return &p.Card })),
	fixed(reference("card_account", func(p *payment.Payment) *ledger.AccountID { return &p.CardAccount })),
	fixed(text("card_last4", func(p *payment.Payment) *string { return &p.CardLast4 })),
	fixed(text("card_label", func(p *payment.Payment) *string { return &p.CardLabel })),
	fixed(text("card_key", func(p *payment.Payment) *string { return &p.CardKey })),
	fixed(integer("card_version", func(p *payment.Payment) *int64 { return &p.CardVersion })),
	fixed(text("order_number", func(p *payment.Payment) *string { return &p.OrderNumber })),
	fixed(text("order_description", func(p *payment.Payment) *string { return &p.OrderDescription })),
	fixed(reference("order_id", func(p *payment.Payment) *payment.OrderID { return &p.Order })),
	fixed(text("order_hash", func(p *payment.Payment) *string { return &p.OrderHash })),
	fixed(instant("pay_by", func(p *payment.Payment) *time.Time { return &p.PayBy })),
	fixed(text("initiator", func(p *payment.Payment) *payment.DeviceID { return &p.Initiator })),
	fixed(text("initiator_label", func(p *payment.Payment) *string { return &p.InitiatorLabel })),
	fixed(reference("associated", func(p *payment.Payment) *payment.DeviceID { return &p.Associated })),
	fixed(boolean("rehearsal", func(p *payment.Payment) *bool { return &p.Rehearsal })),
	fixed(seconds("undo", func(p *payment.Payment) *time.Duration { return &p.Undo })),
	fixed(integer("fee", func(p *payment.Payment) *int64 { return &p.Fee.Minor })),
	fixed(text("fee_bearer", func(p *payment.Payment) *payment.Bearer { return &p.Fee.Bearer })),
	feeVersion,
	fixed(integer("level", func(p *payment.Payment) *payment.Level { return &p.Level })),
	fixed(text("assurance", func(p *payment.Payment) *payment.Assurance { return &p.Assurance })),
	fixed(text("nonce", func(p *payment.Payment) *string { return &p.Nonce })),
	text("state", func(p *payment.Payment) *payment.State { return &p.State }),
	text("reason", func(p *payment.Payment) *payment.Reason { return &p.Reason }),
	integer("version", func(p *payment.Payment) *int64 { return &p.Version }),
	instant("deadline", func(p *payment.Payment) *time.Time { return &p.Deadline }),
	instant("expires_at", func(p *payment.Payment) *time.Time { return &p.ExpiresAt }),
	text("first_digest", func(p *payment.Payment) *string { return &p.FirstDigest }),
	text("second_digest", func(p *payment.Payment) *string { return &p.SecondDigest }),
	integer("code_failures", func(p *payment.Payment) *int { return &p.CodeFailures }),
	integer("refunded", func(p *payment.Payment) *int64 { return &p.Refunded }),
	fixed(instant("instructed_at", func(p *payment.Payment) *time.Time { return &p.InstructedAt })),
	instant("authenticated_at", func(p *payment.Payment) *time.Time { return &p.AuthenticatedAt }),
	instant("confirmed_at", func(p *payment.Payment) *time.Time { return &p.ConfirmedAt }),
	instant("approved_at", func(p *payment.Payment) *time.Time { return &p.ApprovedAt }),
	instant("undoable_at", func(p *payment.Payment) *time.Time { return &p.UndoableAt }),
	instant("ended_at", func(p *payment.Payment) *time.Time { return &p.EndedAt }),
)

// feeVersion repeats the version of a payment that has a fee, which the schema wants of whoever changes it.
var feeVersion = column[payment.Payment]{name: "fee_version", kind: isInteger,
	bind: func(to binder, p *payment.Payment) {
		if p.Fee.Minor == 0 {
			to.integer(0)
		} else {
			to.integer(p.Version)
		}
	},
	scan: func(scanner, int, *payment.Payment) {},
}

var tariffs = newTable("tariffs", 2,
	text("payee", func(t *processor.Tariff) *payment.Handle { return &t.Payee }),
	text("currency", func(t *processor.Tariff) *money.Currency { return &t.Currency }),
	integer("points", func(t *processor.Tariff) *int { return &t.Points }),
	integer("fixed", func(t *processor.Tariff) *int64 { return &t.Fixed }),
	integer("least", func(t *processor.Tariff) *int64 { return &t.Least }),
	integer("most", func(t *processor.Tariff) *int64 { return &t.Most }),
	text("bearer", func(t *processor.Tariff) *payment.Bearer { return &t.Bearer }),
	boolean("removed", func(t *processor.Tariff) *bool { return &t.Removed }),
	instant("changed_at", func(t *processor.Tariff) *time.Time { return &t.ChangedAt }),
).seldomChanged()

// numberedEntry is an entry with its place in the books.
type numberedEntry struct {
	ledger.Entry
	number int64
}

var entries = newTable("entries", 1,
	fixed(integer("number", func(e *numberedEntry) *int64 { return &e.number })),
	fixed(text("id", func(e *numberedEntry) *ledger.EntryID { return &e.ID })),
	fixed(text("action", func(e *numberedEntry) *ledger.Action { return &e.Action })),
	fixed(text("reference", func(e *numberedEntry) *string { return &e.Reference })),
	fixed(instant("at", func(e *numberedEntry) *time.Time { return &e.At })),
)

// line is one posting of an entry.
type line struct {
	ledger.Posting
	entry int64
	line  int
	at    time.Time
}

var postings = newTable("postings", 2,
	fixed(integer("entry", func(l *line) *int64 { return &l.entry })),
	fixed(integer("line", func(l *line) *int { return &l.line })),
	fixed(text("debit", func(l *line) *ledger.AccountID { return &l.Debit })),
	fixed(text("credit", func(l *line) *ledger.AccountID { return &l.Credit })),
	fixed(integer("amount", func(l *line) *int64 { return &l.Amount.Minor })),
	fixed(text("currency", func(l *line) *money.Currency { return &l.Amount.Currency })),
	fixed(instant("at", func(l *line) *time.Time { return &l.at })),
)
