package sim

import (
	"context"
	"slices"
	"strings"

	"tapline/payment"
	"tapline/payout"
	"tapline/processor"
)

// payouts are rows about payouts as the model has them.
func (out *lines) payouts(m *model) {
	for id, p := range m.payouts {
		out.add("payout %s: %s, version %d, %d of %q from %s to %s, cash %v, by %s, approved %q, returned %q, file %q, made %d, sent %d, confirmed %d, ended %d",
			id, p.state, p.version, p.minor, p.payee, p.account, p.to, p.cash, p.by, p.approved, p.returning, p.file, at(p.made), at(p.sent), at(p.paid), at(p.ended))
	}
	for payee, p := range m.plans {
		out.add("plan of %s: %s, least %d, keep %d, next at %d", payee, p.text(), p.least, p.keep, at(p.due))
	}
	for id, f := range m.files {
		out.add("file %s: %d with %d by %s at %d", id, f.payouts, f.minor, f.by, at(f.at))
	}
}

// payoutRows are the same as they are stored.
func (out *lines) payoutRows(rows processor.Rows) {
	for _, p := range rows.Payouts {
		out.add("payout %s: %s, version %d, %d of %q from %s to %s, cash %v, by %s, approved %q, returned %q, file %q, made %d, sent %d, confirmed %d, ended %d",
			p.ID, p.State, p.Version, p.Amount.Minor, p.Payee, p.Account, p.To.Name, p.To.Cash, p.AskedBy, p.ApprovedBy, p.ReturnedBy, p.File,
			at(p.MadeAt), at(p.SentAt), at(p.ConfirmedAt), at(p.EndedAt))
	}
	for _, p := range rows.PayoutPlans {
		out.add("plan of %s: %s, least %d, keep %d, next at %d", p.Payee, planText(p), p.Schedule.Least, p.Schedule.Keep, at(p.NextAt))
	}
	for _, f := range rows.PayoutFiles {
		out.add("file %s: %d with %d by %s at %d", f.ID, f.Payouts, f.Total, f.By, at(f.At))
	}
}

// readPayouts adds payouts and plans, which have lists of their own, and names the files.
func (m *model) readPayouts(from processor.Reader, rows *processor.Rows, w *processor.Wants) (err error) {
	if rows.Payouts, err = from.Payouts(processor.PayoutQuery{Limit: much}); err != nil {
		return err
	}
	for _, p := range rows.Payees {
		plans, err := from.PlansOf(p.Handle)
		if err != nil {
			return err
		}
		rows.PayoutPlans = append(rows.PayoutPlans, plans...)
	}
	for id := range m.files {
		w.PayoutFiles = append(w.PayoutFiles, payout.FileID(id))
	}
	for _, p := range rows.Payouts {
		if p.File != "" {
			w.PayoutFiles = append(w.PayoutFiles, p.File)
		}
	}
	return nil
}

// afterwards are the states of a payout that may follow on one.
var afterwards = map[string][]string{
	"":          {"requested", "ready"},
	"requested": {"ready", "cancelled"},
	"ready":     {"sent", "cancelled"},
	"sent":      {"sent", "confirmed", "returned"}, // sent again: one operator wants it back
	"confirmed": {"confirmed", "returned"},
}

// provePayouts wants, of what is stored and told alone, that money is set aside for nothing but open payouts and payments that wait,
// and that what payees and operators were told of each payout is a whole life.
func (r *run) provePayouts() {
	held, want := map[string]int64{}, map[string]int64{}
	all := map[string]payout.Payout{}
	told := map[string]processor.Event{}
	err := r.store.View(context.Background(), func(from processor.Reader) error {
		accounts, err := from.List(processor.ListQuery{Table: "accounts", Limit: much})
		if err != nil {
			return err
		}
		for _, a := range accounts.Accounts {
			held[string(a.ID)] = a.DebitsPending
		}
		payouts, err := from.Payouts(processor.PayoutQuery{Limit: much})
		if err != nil {
			return err
		}
		for _, p := range payouts {
			all[string(p.ID)] = p
			if p.State == payout.Requested || p.State == payout.Ready || p.State == payout.Sent {
				want[string(p.Account)] += p.Amount.Minor
			}
		}
		payments, err := from.Payments(processor.PaymentQuery{All: true, Limit: much})
		if err != nil {
			return err
		}
		for _, p := range payments {
			if !p.Rehearsal && (p.State == payment.ApprovalRequired || p.State == payment.Undoable) {
				want[string(p.CardAccount)] += p.Total().Minor
			}
		}
		to := []processor.Principal{processor.OperatorsPrincipal}
		for _, payee := range r.payees {
			to = append(to, processor.PayeePrincipal(payment.Handle(payee)))
		}
		events, _, err := from.Events(0, much, to...)
		for _, e := range events {
			if !strings.HasPrefix(e.Type, "payout.") {
				continue
			}
			last := told[e.Subject]
			whole := e.Version == last.Version+1 && slices.Contains(afterwards[last.State], e.State)
			if all[e.Subject].Payee != "" && !whole { // of a card's payouts operators are told the half
				r.Errorf("%s: told to be %s (%d) after %s (%d)", e.Subject, e.State, e.Version, last.State, last.Version)
			}
			told[e.Subject] = e
		}
		return err
	})
	if err != nil {
		r.Fatal(err)
	}
	for account, minor := range held {
		if minor != want[account] {
			r.Errorf("of %s %d is set aside, and should be %d", account, minor, want[account])
		}
	}
	for id, p := range all {
		if e := told[id]; p.Payee != "" && (e.Version != p.Version || e.State != string(p.State)) {
			r.Errorf("%s is %s (%d), and was told to be %s (%d)", id, p.State, p.Version, e.State, e.Version)
		}
		r.countPayout(p)
	}
}

// countPayout adds to the statistics.
func (r *run) countPayout(p payout.Payout) {
	r.stats.Payouts++
	for n, so := range map[*int]bool{
		&r.stats.PaidOut: !p.ConfirmedAt.IsZero(), &r.stats.GivenBack: p.State == payout.Returned,
		&r.stats.CardsOut: p.Payee == "", &r.stats.Scheduled: p.AskedBy == processor.BySchedule,
	} {
		if so {
			*n++
		}
	}
}
