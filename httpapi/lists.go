package httpapi

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"tapline/consent"
	"tapline/money"
	"tapline/payment"
	"tapline/processor"
)

// Every list is read in the same way: docs/api.md, Lists. What is listed by time takes listedInTime, everything else that comes in
// pages takes page.

// Bounds of a page.
const (
	defaultPage = 50
	maxPage     = 200
)

// page is the parameters of a list that comes in pages, in the order of its ids or numbers.
var page = []param{
	{name: "before", was: former{"after", renamed}, doc: "The next of the page before."},
	{name: "limit", doc: "How many; 50 if left out.", integer: true, min: 1, max: maxPage},
}

// renamed is when operators' lists, and the search for an order's number, got the names that other lists have.
var renamed = deprecation{since: day(2026, time.November, 23), until: day(2027, time.December, 1)}

// Directions of a list by time.
const (
	sortNewest = "newest"
	sortOldest = "oldest"
)

// listedInTime is the parameters of a list by time, with those that are its own.
func listedInTime(own ...param) []param {
	return append(own,
		param{name: "from", doc: "RFC 3339 time, inclusive."},
		param{name: "until", doc: "RFC 3339 time, exclusive."},
		param{name: "sort", doc: "Newest first if it is left out.", enum: []string{sortNewest, sortOldest}},
		param{name: "before", doc: "The next of the page before."},
		param{name: "limit", doc: "How many; 50 if left out.", integer: true, min: 1, max: maxPage},
	)
}

// byAmount are the parameters of a list that is searched by amount.
var byAmount = []param{
	{name: "least", doc: "Only those of at least this amount, in minor units.", integer: true, min: 1, max: money.MaxMinor},
	{name: "most", doc: "Only those of at most this amount, in minor units.", integer: true, min: 1, max: money.MaxMinor},
	{name: "currency", doc: "Only those in this currency."},
}

// span is what part of a list by time is asked for.
type span struct {
	from, before      time.Time // zero for no bound
	beforeID, afterID string    // where the page before ended: at before, or with oldest at from
	oldest            bool
	limit             int
}

// span reads what part of a list by time is asked for. check refuses what is no id of a row.
func (c *call) span(check func(id string) error) (s span, err error) {
	s.limit, s.oldest = int(c.number("limit", defaultPage)), c.query["sort"] == sortOldest
	if err := c.times(&s.from, &s.before); err != nil {
		return s, err
	}
	text, given := c.query["before"]
	if !given {
		return s, nil
	}
	at, id, err := parseCursor(text)
	if err != nil || check(id) != nil {
		return s, refuseField("invalid_field", "before")
	}
	switch {
	case s.oldest && !at.Before(s.from):
		s.from, s.afterID = at, id
	case !s.oldest && (s.before.IsZero() || at.Before(s.before)):
		s.before, s.beforeID = at, id
	}
	return s, nil
}

// times reads the parameters from and until, where they are given.
func (c *call) times(from, until *time.Time) error {
	for name, at := range map[string]*time.Time{"from": from, "until": until} {
		if text, given := c.query[name]; given {
			t, err := time.Parse(time.RFC3339Nano, text)
			if err != nil {
				return refuseField("invalid_field", name)
			}
			*at = t.UTC()
		}
	}
	return nil
}

// next is the cursor of the page after one with so many rows, of which the last is named; "" if there is none.
func (s span) next(rows int, at time.Time, id string) string {
	if rows < s.limit {
		return ""
	}
	return cursor(at, id)
}

// cursor is where a page ends: the last row's time and id.
func cursor(at time.Time, id string) string { return strconv.FormatInt(at.UnixMicro(), 10) + "." + id }

func parseCursor(text string) (time.Time, string, error) {
	at, id, found := strings.Cut(text, ".")
	micros, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !found || at != strconv.FormatInt(micros, 10) {
		return time.Time{}, "", refuseField("invalid_field", "before")
	}
	return time.UnixMicro(micros).UTC(), id, nil
}

// cursorOfID refuses where a list in the order of ids cannot have ended.
func (c *call) cursorOfID() error {
	for _, r := range c.query["before"] {
		if !strings.ContainsRune("-_.:@ ", r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return refuseField("invalid_field", "before")
		}
	}
	return nil
}

// lookFor lists the payments of a query that are wanted, a page of them, newest or oldest first. It looks at a bounded number: a
// page may be short, or empty, and still have a next.
func (c *call) lookFor(q processor.PaymentQuery, s span, most int, wanted func(payment.Payment) bool) (found []payment.Payment, next string, err error) {
	q.From, q.Before, q.BeforeID, q.AfterID, q.Oldest = s.from, s.before, payment.ID(s.beforeID), payment.ID(s.afterID), s.oldest
	q.Limit = s.limit
	for looked := 0; looked < most; looked += q.Limit {
		if looked > 0 {
			q.Limit = min(searchedOnce, most-looked)
		}
		rows, err := c.findPayments(q)
		if err != nil {
			return nil, "", err
		}
		for _, p := range rows {
			next = cursor(p.InstructedAt, string(p.ID))
			if wanted(p) {
				found = append(found, p)
			}
			if len(found) == s.limit {
				return found, next, nil
			}
		}
		if len(rows) < q.Limit {
			return found, "", nil
		}
		last := rows[len(rows)-1]
		if q.Oldest {
			q.From, q.AfterID = last.InstructedAt, last.ID
		} else {
			q.Before, q.BeforeID = last.InstructedAt, last.ID
		}
	}
	return found, next, nil
}

// inAmount reports whether an amount is one of those that are looked for.
func (c *call) inAmount(a money.Amount) bool {
	currency, given := c.query["currency"]
	return a.Minor >= c.number("least", 0) && a.Minor <= c.number("most", money.MaxMinor) && (!given || currency == string(a.Currency))
}

// lastDigits reads the end of a card's number as people see it: •••• 1234, or 1234.
func lastDigits(text string) (string, error) {
	digits := strings.TrimLeft(text, "•* ")
	if len(digits) > 4 || strings.Trim(digits, "0123456789") != "" || digits == "" {
		return "", refuseField("invalid_field", "last4")
	}
	return digits, nil
}

// checkPayment refuses what is no payment's id.
func checkPayment(id string) error { return consent.PaymentID(id).Check() }

// expanded reports whether the answer is to have something in it that has an operation of its own.
func (c *call) expanded(what string) bool {
	return slices.Contains(strings.Split(c.query["expand"], ","), what)
}
