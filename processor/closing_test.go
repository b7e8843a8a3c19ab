package processor

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/ledger"
)

// twoDays are a closed day, and the span of the next: 30 were topped up and 12 paid before; 5 are paid, 3 held, 2 paid later.
func twoDays() (previous ClosedDay, s Span) {
	return ClosedDay{Day: "2026-03-01", Last: 10, Totals: []DayTotal{
			{Kind: ledger.CardAccount, Currency: "CNY", Opening: 0, Debits: 12, Credits: 30, Closing: 18},
			{Kind: ledger.Issuance, Currency: "CNY", Debits: 30, Closing: -30},
			{Kind: ledger.PayeeAccount, Currency: "CNY", Credits: 12, Closing: 12},
		}}, Span{Last: 12, Entries: 2, First: time.Date(2026, 3, 2, 5, 0, 0, 0, time.UTC),
			Sums:  []Sum{{ledger.CardAccount, "CNY", 5, 0, 3, 0}, {ledger.PayeeAccount, "CNY", 0, 5, 0, 3}},
			Since: []Sum{{ledger.CardAccount, "CNY", 2, 0, -3, 0}, {ledger.PayeeAccount, "CNY", 0, 2, 0, -3}},
			Now:   []Sum{{ledger.CardAccount, "CNY", 19, 30, 0, 0}, {ledger.PayeeAccount, "CNY", 0, 19, 0, 0}, {ledger.Issuance, "CNY", 30, 0, 0, 0}}}
}

func TestADayIsClosedWithItsTotals(t *testing.T) {
	previous, s := twoDays()
	got, err := Close("2026-03-02", previous, s)
	if err != nil {
		t.Fatal(err)
	}
	want := ClosedDay{Day: "2026-03-02", Previous: "2026-03-01", After: 10, Last: 12, Entries: 2, Totals: []DayTotal{
		{Kind: ledger.CardAccount, Currency: "CNY", Opening: 18, Debits: 5, Closing: 13, HeldDebits: 3},
		{Kind: ledger.Issuance, Currency: "CNY", Opening: -30, Closing: -30},
		{Kind: ledger.PayeeAccount, Currency: "CNY", Opening: 12, Credits: 5, Closing: 17, HeldCredits: 3},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNoDayIsClosedOverWrongBooks(t *testing.T) {
	for name, spoil := range map[string]func(*ClosedDay, *Span){
		"an entry was changed":            func(_ *ClosedDay, s *Span) { s.Sums[0].DebitsPosted++ },
		"an account was changed":          func(_ *ClosedDay, s *Span) { s.Now[0].CreditsPosted++ },
		"both sides of it":                func(_ *ClosedDay, s *Span) { s.Now[0].CreditsPosted++; s.Sums[0].CreditsPosted++ },
		"a later entry was changed":       func(_ *ClosedDay, s *Span) { s.Since[1].CreditsPosted-- },
		"the day before was changed":      func(d *ClosedDay, _ *Span) { d.Totals[0].Closing++ },
		"a hold is gone":                  func(_ *ClosedDay, s *Span) { s.Sums[0].DebitsHeld = 0 },
		"an account of no total is there": func(_ *ClosedDay, s *Span) { s.Now = append(s.Now, Sum{ledger.CardAccount, "JPY", 0, 1, 0, 0}) },
	} {
		t.Run(name, func(t *testing.T) {
			previous, s := twoDays()
			spoil(&previous, &s)
			if d, err := Close("2026-03-02", previous, s); !errors.Is(err, ErrDayBooks) {
				t.Errorf("it was closed: %+v, %v", d, err)
			}
		})
	}
}

func TestTheOpenDayIsThatOfTheFirstEntryButNoClosedOne(t *testing.T) {
	at := func(text string) Span {
		first, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return Span{First: first}
	}
	for _, tc := range []struct {
		last string
		span Span
		want string
	}{
		{"", Span{}, ""},
		{"2026-02-28", Span{}, ""},
		{"", at("2026-03-01T23:30:00-02:00"), "2026-03-02"},
		{"2026-02-28", at("2026-03-05T00:00:00Z"), "2026-03-05"},
		{"2026-02-28", at("2026-02-28T23:00:00Z"), "2026-03-01"},
	} {
		if got := OpenDay(ClosedDay{Day: tc.last}, tc.span); got != tc.want {
			t.Errorf("after %q and with a first entry of %s: %q, want %q", tc.last, tc.span.First, got, tc.want)
		}
	}
}
