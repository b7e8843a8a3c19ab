package storetest

import (
	"time"

	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

// closedDay is a day with some numbers of entries, and totals that go together.
func closedDay(day, previous string, after, last int64) processor.ClosedDay {
	return processor.ClosedDay{Day: day, Previous: previous, After: after, Last: last, Entries: last - after, By: "op", Note: "late", At: noon,
		Totals: []processor.DayTotal{
			{Kind: ledger.CardAccount, Currency: "CNY", Opening: 5, Debits: 3, Credits: 4, Closing: 6, HeldDebits: 7, HeldCredits: 8},
			{Kind: ledger.Issuance, Currency: "CNY", Opening: -5, Debits: 4, Credits: 3, Closing: -6},
		}}
}

// spansOfDays sums entries up, before a time and since.
func (s *suite) spansOfDays() {
	s.save(world())
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	at := func(id ledger.EntryID, action ledger.Action, at time.Time, minor int64) ledger.Entry {
		return ledger.Entry{ID: id, Action: action, Reference: "test", At: at, Postings: []ledger.Posting{
			{Debit: "card1", Credit: "shop1", Amount: money.Amount{Minor: minor, Currency: "CNY"}}}}
	}
	begin := s.newestEntry()
	s.save(processor.Changes{Entries: []ledger.Entry{at("a/hold", ledger.Hold, hour(1), 10), at("b/post", ledger.Post, hour(2), 5)}})
	// A node whose time was read later may commit before one whose time was read earlier.
	s.save(processor.Changes{Entries: []ledger.Entry{at("c/post", ledger.Post, hour(4), 100)}})
	s.save(processor.Changes{Entries: []ledger.Entry{at("a/post", ledger.PostHold, hour(3), 10)}})
	s.save(processor.Changes{Entries: []ledger.Entry{at("d/hold", ledger.Hold, hour(5), 1000)}})
	sums := func(posted, held int64) []processor.Sum {
		return []processor.Sum{{Kind: ledger.CardAccount, Currency: "CNY", DebitsPosted: posted, DebitsHeld: held},
			{Kind: ledger.PayeeAccount, Currency: "CNY", CreditsPosted: posted, CreditsHeld: held}}
	}
	for _, tc := range []struct {
		name  string
		after int64
		end   time.Time
		want  processor.Span
	}{
		{"nothing yet", begin, hour(1), processor.Span{Last: begin, First: hour(1), Since: sums(115, 1000)}},
		{"a part", begin, hour(3), processor.Span{Last: begin + 2, Entries: 2, First: hour(1), Sums: sums(5, 10), Since: sums(110, 990)}},
		{"what was committed late", begin, hour(4), processor.Span{Last: begin + 4, Entries: 4, First: hour(1), Sums: sums(115, 0), Since: sums(0, 1000)}},
		{"the rest", begin + 4, hour(6), processor.Span{Last: begin + 5, Entries: 1, First: hour(5), Sums: sums(0, 1000)}},
		{"nothing more", begin + 5, hour(6), processor.Span{Last: begin + 5}},
	} {
		got := s.span(tc.after, tc.end)
		if len(got.Now) == 0 {
			s.Errorf("%s: no sums of accounts", tc.name)
		}
		got.Now = nil
		byKind := func(x processor.Sum) string { return string(x.Kind) }
		got.Sums, got.Since = by(got.Sums, byKind), by(got.Since, byKind)
		s.equal(tc.name, got, tc.want)
	}
}

func (s *suite) span(after int64, end time.Time) (span processor.Span) {
	s.view(func(r processor.Reader) (err error) {
		span, err = r.Span(after, end)
		return err
	})
	return span
}

// newestEntry is the number of the newest entry.
func (s *suite) newestEntry() int64 { return s.span(0, time.Unix(1<<40, 0)).Last }
