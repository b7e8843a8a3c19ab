package ledger

import (
	"cmp"
	"time"
)

// Limits bound the payments of an account, in minor units of its currency: each of them, and all of a UTC day and of a UTC
// month, by number and by sum. 0 is no limit.
type Limits struct {
	Payment    int64 `json:"payment,omitempty"`
	DayCount   int64 `json:"day_count,omitempty"`
	DaySum     int64 `json:"day_sum,omitempty"`
	MonthCount int64 `json:"month_count,omitempty"`
	MonthSum   int64 `json:"month_sum,omitempty"`
}

// Limit names one of an account's limits. It is empty for none.
type Limit string

// The limits, in the order in which they are looked at.
const (
	LimitPayment    Limit = "payment"
	LimitDayCount   Limit = "day_count"
	LimitDaySum     Limit = "day_sum"
	LimitMonthCount Limit = "month_count"
	LimitMonthSum   Limit = "month_sum"
)

// Else returns the limits with those of others where there are none.
func (l Limits) Else(others Limits) Limits {
	return Limits{
		Payment: cmp.Or(l.Payment, others.Payment), DayCount: cmp.Or(l.DayCount, others.DayCount), DaySum: cmp.Or(l.DaySum, others.DaySum),
		MonthCount: cmp.Or(l.MonthCount, others.MonthCount), MonthSum: cmp.Or(l.MonthSum, others.MonthSum),
	}
}

// Valid reports whether no limit is below 0 or above most.
func (l Limits) Valid(most int64) bool {
	for _, n := range []int64{l.Payment, l.DayCount, l.DaySum, l.MonthCount, l.MonthSum} {
		if n < 0 || n > most {
			return false
		}
	}
	return true
}

// Exceeded is the first limit that a payment of so many minor units would exceed, besides what was counted.
func (l Limits) Exceeded(t Turnover, minor int64, now time.Time) Limit {
	t = t.At(now)
	switch {
	case l.Payment > 0 && minor > l.Payment:
		return LimitPayment
	case l.DayCount > 0 && t.DayCount >= l.DayCount:
		return LimitDayCount
	case l.DaySum > 0 && t.DaySum > l.DaySum-minor:
		return LimitDaySum
	case l.MonthCount > 0 && t.MonthCount >= l.MonthCount:
		return LimitMonthCount
	case l.MonthSum > 0 && t.MonthSum > l.MonthSum-minor:
		return LimitMonthSum
	}
	return ""
}

// Turnover counts the payments of an account in the newest UTC day that had any, and in that day's month.
type Turnover struct {
	Day        time.Time
	DayCount   int64
	DaySum     int64 // minor units
	MonthCount int64
	MonthSum   int64
}

// At is the turnover at a time. A clock that was set back begins no day and no month anew.
func (t Turnover) At(now time.Time) Turnover {
	today := utcDay(now)
	switch {
	case !today.After(t.Day):
		return t
	case sameMonth(today, t.Day):
		return Turnover{Day: today, MonthCount: t.MonthCount, MonthSum: t.MonthSum}
	}
	return Turnover{Day: today}
}

// Add counts a payment.
func (t Turnover) Add(minor int64, now time.Time) Turnover {
	t = t.At(now)
	t.DayCount, t.DaySum, t.MonthCount, t.MonthSum = t.DayCount+1, t.DaySum+minor, t.MonthCount+1, t.MonthSum+minor
	return t
}

// Take gives a payment back that was counted at a time, to the day and the month that it was counted in, if they last.
func (t Turnover) Take(minor int64, counted time.Time) Turnover {
	if utcDay(counted).Equal(t.Day) {
		t.DayCount, t.DaySum = max(0, t.DayCount-1), max(0, t.DaySum-minor)
	}
	if sameMonth(counted, t.Day) {
		t.MonthCount, t.MonthSum = max(0, t.MonthCount-1), max(0, t.MonthSum-minor)
	}
	return t
}

// LastPaid is a day on which the account paid, or a payee's was paid, or after which that was, as far as its turnover tells: what is
// only held, or was given back, does not count. Zero if it tells of none.
func (a Account) LastPaid() time.Time {
	t, held := a.Turnover, a.DebitsPending
	if a.Kind == PayeeAccount {
		held = a.CreditsPending
	}
	switch {
	case t.DaySum > held:
		return t.Day
	case t.MonthSum > held:
		return time.Date(t.Day.Year(), t.Day.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return time.Time{}
}

func utcDay(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func sameMonth(a, b time.Time) bool {
	a, b = a.UTC(), b.UTC()
	return a.Year() == b.Year() && a.Month() == b.Month()
}
