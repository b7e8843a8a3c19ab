package processor

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"tapline/ledger"
	"tapline/money"
)

// ClosedDay is a day whose books an operator has closed, for ever. Its entries are those that were committed after the day
// before it was closed, and before the day's end if it was closed after that.
type ClosedDay struct {
	Day      string // such as 2026-03-01, UTC
	Previous string // the day that was closed before it; empty for the first
	After    int64  // its entries have numbers above this one,
	Last     int64  // and not above this one
	Entries  int64  // how many there are
	By       OperatorID
	Note     string
	At       time.Time
	Totals   []DayTotal // in order of kind and currency
}

// DayTotal is what the accounts of a kind and currency have together, in minor units.
type DayTotal struct {
	Kind        ledger.Kind
	Currency    money.Currency
	Opening     int64 // posted credits less debits when the day began
	Debits      int64 // posted in the day
	Credits     int64
	Closing     int64
	HeldDebits  int64 // pending at its end
	HeldCredits int64
}

// Sum is what entries do to the accounts of a kind and currency together, or what these have.
type Sum struct {
	Kind          ledger.Kind
	Currency      money.Currency
	DebitsPosted  int64
	CreditsPosted int64
	DebitsHeld    int64
	CreditsHeld   int64
}

// Span is some entries by their numbers, with what closing a day needs to know of them.
type Span struct {
	Last    int64     // number of the last entry in it; that before it if there is none
	Entries int64     // how many there are
	First   time.Time // when the first entry after the span's beginning was made, in it or not; zero if there is none
	Sums    []Sum     // what its entries did
	Since   []Sum     // what all entries after it did
	Now     []Sum     // what accounts have
}

// Errors of closing a day.
var (
	ErrDayClosed = errors.New("the day is closed, or a later one is")
	ErrDayOrder  = errors.New("an earlier day is to be closed first")
	ErrDayBooks  = errors.New("the books do not balance")
)

// Close makes a closed day of a span that begins where the last closed day ends; zero if none is closed. The sums are taken in
// two ways, forwards from the last closed day and backwards from what accounts have now: ErrDayBooks if they differ, or if
// the accounts of a currency do not sum to zero.
func Close(day string, previous ClosedDay, s Span) (ClosedDay, error) {
	d := ClosedDay{Day: day, Previous: previous.Day, After: previous.Last, Last: s.Last, Entries: s.Entries}
	type of struct {
		kind     ledger.Kind
		currency money.Currency
	}
	totals, backwards := map[of]*DayTotal{}, map[of]*Sum{}
	total := func(k ledger.Kind, c money.Currency) *DayTotal {
		if totals[of{k, c}] == nil {
			totals[of{k, c}], backwards[of{k, c}] = &DayTotal{Kind: k, Currency: c}, &Sum{}
		}
		return totals[of{k, c}]
	}
	for _, p := range previous.Totals {
		t := total(p.Kind, p.Currency)
		t.Opening, t.HeldDebits, t.HeldCredits = p.Closing, p.HeldDebits, p.HeldCredits
	}
	for _, x := range s.Sums {
		t := total(x.Kind, x.Currency)
		t.Debits, t.Credits = x.DebitsPosted, x.CreditsPosted
		t.HeldDebits, t.HeldCredits = t.HeldDebits+x.DebitsHeld, t.HeldCredits+x.CreditsHeld
	}
	for sign, sums := range map[int64][]Sum{1: s.Now, -1: s.Since} {
		for _, x := range sums {
			total(x.Kind, x.Currency)
			b := backwards[of{x.Kind, x.Currency}]
			b.DebitsPosted, b.CreditsPosted = b.DebitsPosted+sign*x.DebitsPosted, b.CreditsPosted+sign*x.CreditsPosted
			b.DebitsHeld, b.CreditsHeld = b.DebitsHeld+sign*x.DebitsHeld, b.CreditsHeld+sign*x.CreditsHeld
		}
	}
	trial := map[money.Currency]int64{}
	for key, t := range totals {
		t.Closing = t.Opening + t.Credits - t.Debits
		b := backwards[key]
		if t.Closing != b.CreditsPosted-b.DebitsPosted || t.HeldDebits != b.DebitsHeld || t.HeldCredits != b.CreditsHeld {
			return d, ErrDayBooks
		}
		trial[t.Currency] += t.Closing
		d.Totals = append(d.Totals, *t)
	}
	for _, sum := range trial {
		if sum != 0 {
			return d, ErrDayBooks
		}
	}
	slices.SortFunc(d.Totals, func(a, b DayTotal) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Currency, b.Currency))
	})
	return d, nil
}

// OpenDay is the day that is to be closed next: that of the first entry after the last closed day, or the day after that day,
// whichever is later; empty if there is no such entry.
func OpenDay(previous ClosedDay, s Span) string {
	if s.First.IsZero() {
		return ""
	}
	open := s.First.UTC().Format(time.DateOnly)
	if last, err := time.Parse(time.DateOnly, previous.Day); err == nil {
		open = max(open, last.AddDate(0, 0, 1).Format(time.DateOnly))
	}
	return open
}

// CloseDay closes a day that was summed up before, unless another was closed meanwhile.
type CloseDay struct {
	Operated
	Day     ClosedDay // By, Note and At are filled in
	Refused error     // why it cannot be closed, if that is known already
}

// Wants names the day that was closed after the same one, if there is one.
func (c *CloseDay) Wants(_ *Unit, w *Wants) {
	c.want(w)
	w.ClosedAfter = append(w.ClosedAfter, c.Day.Previous)
}

// Do closes the day.
func (c *CloseDay) Do(u *Unit) error {
	if err := c.record(u, "day.close", c.Day.Day); err != nil {
		return err
	}
	if c.Refused != nil {
		return c.Refused
	}
	if _, there := u.ClosedDays.Get(c.Day.Previous); there {
		return ErrDayClosed
	}
	c.Day.By, c.Day.Note, c.Day.At = c.By, c.Note, u.Now
	u.ClosedDays.Put(c.Day.Previous, c.Day)
	return nil
}
