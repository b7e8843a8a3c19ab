package sqlstore

import (
	"cmp"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

var closedDays = newTable("closed_days", 1,
	fixed(text("day", func(d *processor.ClosedDay) *string { return &d.Day })),
	fixed(text("previous", func(d *processor.ClosedDay) *string { return &d.Previous })),
	fixed(integer("after", func(d *processor.ClosedDay) *int64 { return &d.After })),
	fixed(integer("last", func(d *processor.ClosedDay) *int64 { return &d.Last })),
	fixed(integer("entries", func(d *processor.ClosedDay) *int64 { return &d.Entries })),
	fixed(text("closed_by", func(d *processor.ClosedDay) *processor.OperatorID { return &d.By })),
	fixed(text("note", func(d *processor.ClosedDay) *string { return &d.Note })),
	fixed(instant("closed_at", func(d *processor.ClosedDay) *time.Time { return &d.At })),
)

// dayTotal is a total of a closed day.
type dayTotal struct {
	processor.DayTotal
	day string
}

var closedTotals = newTable("closed_totals", 3,
	fixed(text("day", func(t *dayTotal) *string { return &t.day })),
	fixed(text("kind", func(t *dayTotal) *ledger.Kind { return &t.Kind })),
	fixed(text("currency", func(t *dayTotal) *money.Currency { return &t.Currency })),
	fixed(integer("opening", func(t *dayTotal) *int64 { return &t.Opening })),
	fixed(integer("debits", func(t *dayTotal) *int64 { return &t.Debits })),
	fixed(integer("credits", func(t *dayTotal) *int64 { return &t.Credits })),
	fixed(integer("closing", func(t *dayTotal) *int64 { return &t.Closing })),
	fixed(integer("held_debits", func(t *dayTotal) *int64 { return &t.HeldDebits })),
	fixed(integer("held_credits", func(t *dayTotal) *int64 { return &t.HeldCredits })),
)

func (t *tx) saveClosedDays(days []processor.ClosedDay) {
	insert(t, closedDays, days)
	var totals []dayTotal
	for _, d := range days {
		for _, x := range d.Totals {
			totals = append(totals, dayTotal{x, d.Day})
		}
	}
	insert(t, closedTotals, totals)
}

var (
	closedAfter  = closedDays.by("", "previous")
	totalsOfDay  = closedTotals.by("", "day")
	daysInOrder  = plain("SELECT "+closedDays.list()+" FROM closed_days WHERE $1 = '' OR day < $1 ORDER BY day DESC LIMIT $2", isText, isInteger)
	lastBefore   = plain("SELECT MAX(number) FROM entries WHERE number > $1 AND number <= $2 AND at < $3", isInteger, isInteger, isInteger)
	firstAfter   = plain("SELECT at FROM entries WHERE number > $1 ORDER BY number LIMIT 1", isInteger)
	countEntries = plain("SELECT COUNT(*) FROM entries WHERE number > $1 AND number <= $2", isInteger, isInteger)
	sumEntries   = plain("SELECT a.kind, a.currency,"+
		" CAST(SUM(CASE WHEN e.action IN ('post', 'post_hold') THEN s.debit ELSE 0 END) AS BIGINT),"+
		" CAST(SUM(CASE WHEN e.action IN ('post', 'post_hold') THEN s.credit ELSE 0 END) AS BIGINT),"+
		" CAST(SUM(CASE e.action WHEN 'hold' THEN s.debit WHEN 'post' THEN 0 ELSE -s.debit END) AS BIGINT),"+
		" CAST(SUM(CASE e.action WHEN 'hold' THEN s.credit WHEN 'post' THEN 0 ELSE -s.credit END) AS BIGINT)"+
		" FROM (SELECT entry, debit AS account, amount AS debit, 0 AS credit FROM postings WHERE entry > $1 AND entry <= $2"+
		" UNION ALL SELECT entry, credit, 0, amount FROM postings WHERE entry > $1 AND entry <= $2) AS s"+
		" JOIN entries e ON e.number = s.entry JOIN accounts a ON a.id = s.account GROUP BY a.kind, a.currency", isInteger, isInteger)
	sumAccounts = plain("SELECT kind, currency, CAST(SUM(debits_posted) AS BIGINT), CAST(SUM(credits_posted) AS BIGINT)," +
		" CAST(SUM(debits_pending) AS BIGINT), CAST(SUM(credits_pending) AS BIGINT) FROM accounts GROUP BY kind, currency")
)

// withTotals adds their totals to closed days.
func (r *rows) withTotals(days []processor.ClosedDay) []processor.ClosedDay {
	for i := range days {
		for _, t := range pick(r, closedTotals, totalsOfDay, []key{{days[i].Day}}) {
			days[i].Totals = append(days[i].Totals, t.DayTotal)
		}
		slices.SortFunc(days[i].Totals, func(a, b processor.DayTotal) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Currency, b.Currency))
		})
	}
	return days
}

// spanStep is how many entries are summed at once: what takes a fraction of a second, so that no statement takes too long.
const spanStep = 100_000

// Span reads what closing a day needs to know; see processor.Reader.
func (r *reader) Span(after int64, end time.Time) (s processor.Span, err error) {
	newest := int64(0)
	r.query(lastNumber, func(to binder) { to.text("entries") }, func(from scanner) { newest = from.integer(0) })
	s.Last = after
	r.steps(after, newest, func(low, high int64) {
		r.query(lastBefore, func(to binder) {
			to.integer(low)
			to.integer(high)
			to.integer(micros(end))
		}, func(from scanner) { s.Last = max(s.Last, from.integer(0)) })
	})
	r.query(firstAfter, func(to binder) { to.integer(after) }, func(from scanner) { s.First = fromMicros(from.integer(0)) })
	r.steps(after, s.Last, func(low, high int64) {
		r.query(countEntries, func(to binder) {
			to.integer(low)
			to.integer(high)
		}, func(from scanner) { s.Entries += from.integer(0) })
	})
	s.Sums, s.Since = r.sums(after, s.Last), r.sums(s.Last, newest)
	r.query(sumAccounts, func(binder) {}, func(from scanner) { s.Now = append(s.Now, scanSum(from)) })
	return s, r.err
}

// steps calls do for parts of the numbers above low and not above high.
func (r *reader) steps(low, high int64, do func(low, high int64)) {
	for ; low < high && r.err == nil; low += spanStep {
		do(low, min(high, low+spanStep))
	}
}

// sums are what the entries above a number and not above another did.
func (r *reader) sums(after, last int64) (all []processor.Sum) {
	at := map[[2]string]int{}
	r.steps(after, last, func(low, high int64) {
		r.query(sumEntries, func(to binder) {
			to.integer(low)
			to.integer(high)
		}, func(from scanner) {
			x, key := scanSum(from), [2]string{from.text(0), from.text(1)}
			i, there := at[key]
			if !there {
				i, at[key] = len(all), len(all)
				all = append(all, processor.Sum{Kind: x.Kind, Currency: x.Currency})
			}
			all[i].DebitsPosted += x.DebitsPosted
			all[i].CreditsPosted += x.CreditsPosted
			all[i].DebitsHeld += x.DebitsHeld
			all[i].CreditsHeld += x.CreditsHeld
		})
	})
	return all
}

func scanSum(from scanner) processor.Sum {
	return processor.Sum{Kind: ledger.Kind(from.text(0)), Currency: money.Currency(from.text(1)),
		DebitsPosted: from.integer(2), CreditsPosted: from.integer(3), DebitsHeld: from.integer(4), CreditsHeld: from.integer(5)}
}
