package sqlstore

import (
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

var noAccount = func(b payout.BankAccount) bool { return b == payout.BankAccount{} }

// What was asked for never changes.
var payouts = newTable("payouts", 1,
	text("id", func(p *payout.Payout) *payout.ID { return &p.ID }),
	fixed(reference("payee", func(p *payout.Payout) *payment.Handle { return &p.Payee })),
	fixed(text("account", func(p *payout.Payout) *ledger.AccountID { return &p.Account })),
	fixed(integer("amount", func(p *payout.Payout) *int64 { return &p.Amount.Minor })),
	fixed(text("currency", func(p *payout.Payout) *money.Currency { return &p.Amount.Currency })),
	fixed(encoded("bank", func(p *payout.Payout) *payout.BankAccount { return &p.To }, noAccount)),
	text("state", func(p *payout.Payout) *payout.State { return &p.State }),
	integer("version", func(p *payout.Payout) *int64 { return &p.Version }),
	fixed(text("asked_by", func(p *payout.Payout) *string { return &p.AskedBy })),
	fixed(text("note", func(p *payout.Payout) *string { return &p.Note })),
	text("approved_by", func(p *payout.Payout) *string { return &p.ApprovedBy }),
	text("returned_by", func(p *payout.Payout) *string { return &p.ReturnedBy }),
	reference("file", func(p *payout.Payout) *payout.FileID { return &p.File }),
	fixed(instant("made_at", func(p *payout.Payout) *time.Time { return &p.MadeAt })),
	instant("sent_at", func(p *payout.Payout) *time.Time { return &p.SentAt }),
	instant("confirmed_at", func(p *payout.Payout) *time.Time { return &p.ConfirmedAt }),
	instant("ended_at", func(p *payout.Payout) *time.Time { return &p.EndedAt }),
)

// A file never changes.
var payoutFiles = newTable("payout_files", 1,
	text("id", func(f *processor.PayoutFile) *payout.FileID { return &f.ID }),
	fixed(text("currency", func(f *processor.PayoutFile) *money.Currency { return &f.Currency })),
	fixed(encoded("pays", func(f *processor.PayoutFile) *payout.BankAccount { return &f.From }, noAccount)),
	fixed(text("pay_on", func(f *processor.PayoutFile) *string { return &f.On })),
	fixed(integer("payouts", func(f *processor.PayoutFile) *int64 { return &f.Payouts })),
	fixed(integer("total", func(f *processor.PayoutFile) *int64 { return &f.Total })),
	fixed(text("made_by", func(f *processor.PayoutFile) *processor.OperatorID { return &f.By })),
	fixed(text("note", func(f *processor.PayoutFile) *string { return &f.Note })),
	fixed(instant("at", func(f *processor.PayoutFile) *time.Time { return &f.At })),
)

var payoutPlans = newTable("payout_plans", 2,
	text("payee", func(p *processor.PayoutPlan) *payment.Handle { return &p.Payee }),
	text("currency", func(p *processor.PayoutPlan) *money.Currency { return &p.Currency }),
	encoded("bank", func(p *processor.PayoutPlan) *payout.BankAccount { return &p.To }, noAccount),
	encoded("change", func(p *processor.PayoutPlan) *processor.BankChange { return &p.Change },
		func(c processor.BankChange) bool { return c == processor.BankChange{} }),
	encoded("schedule", func(p *processor.PayoutPlan) *payout.Schedule { return &p.Schedule },
		func(s payout.Schedule) bool { return s == payout.Schedule{} }),
	instant("next_at", func(p *processor.PayoutPlan) *time.Time { return &p.NextAt }),
	integer("version", func(p *processor.PayoutPlan) *int64 { return &p.Version }),
)

// payoutsWhere lists payouts of which a condition on $1 holds.
func payoutsWhere(condition string) inTime {
	return bothWays("made_at", "$7", func(span, order string) *statement {
		return plain("SELECT "+payouts.list()+" FROM payouts WHERE "+condition+" AND "+span+
			" AND ($4 = '' OR state = $4) AND ($5 = '' OR currency = $5)"+order+" LIMIT $6",
			isText, isInteger, isText, isText, isText, isInteger, isInteger)
	})
}

var (
	payoutsByPayee = payoutsWhere("payee = $1")
	payoutsByFile  = payoutsWhere("file = $1")
	// States are named apart, so that the index of those that are open serves.
	payoutsOpen = payoutsWhere("state IN ('requested', 'ready', 'sent') AND '' = $1")
	allPayouts  = payoutsWhere("'' = $1")
	plansOf     = plain("SELECT "+payoutPlans.list()+" FROM payout_plans WHERE payee = $1 ORDER BY currency", isText)
	duePlans    = plain("SELECT payee, currency FROM payout_plans WHERE next_at > 0 AND next_at <= $1 ORDER BY next_at, payee, currency LIMIT $2",
		isInteger, isInteger)
)

// loadPayouts adds rows about payouts.
func (r *rows) loadPayouts(w processor.Wants, found *processor.Rows) {
	plans := make([]string, 0, len(w.PayoutPlans))
	for _, id := range w.PayoutPlans {
		plans = append(plans, "payout plan of "+string(id.Payee)+" "+string(id.Currency))
	}
	r.guard(plans...) // one that is not there yet is made by one only
	found.PayoutPlans = pick(r, payoutPlans, payoutPlans.byKey, pairs(w.PayoutPlans, func(id processor.PlanID) key {
		return key{string(id.Payee), string(id.Currency)}
	}))
	found.Payouts = pick(r, payouts, payouts.byKey, single(w.Payouts))
	found.PayoutFiles = pick(r, payoutFiles, payoutFiles.byKey, single(w.PayoutFiles))
}

// PlansOf lists a payee's payout plans; see processor.PayoutReader.
func (r *reader) PlansOf(h payment.Handle) ([]processor.PayoutPlan, error) {
	if !storable(string(h)) {
		return nil, nil // there is no such payee
	}
	found := collect(&r.rows, payoutPlans, plansOf, func(to binder) { to.text(string(h)) })
	return found, r.err
}

// Payouts lists by time; see processor.PayoutReader.
func (r *reader) Payouts(q processor.PayoutQuery) ([]payout.Payout, error) {
	if q.Limit < 1 {
		return nil, errNoLimit
	}
	s, of := allPayouts, ""
	switch {
	case q.File != "":
		s, of = payoutsByFile, string(q.File)
	case q.Payee != "":
		s, of = payoutsByPayee, string(q.Payee)
	case q.State.Held():
		s = payoutsOpen
	}
	e := edgesOf(q.From, q.Before, string(q.BeforeID), string(q.AfterID), q.Oldest)
	if !storable(of) || !storable(e.id) || !storable(string(q.Currency)) {
		return nil, nil // there is nothing by such text
	}
	found := collect(&r.rows, payouts, s.way(q.Oldest), func(to binder) {
		to.text(of)
		to.integer(e.at)
		to.text(e.id)
		to.text(string(q.State))
		to.text(string(q.Currency))
		to.integer(int64(q.Limit))
		to.integer(e.far)
	})
	return found, r.err
}
