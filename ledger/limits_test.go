package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestDaysAndMonthsBeginAtMidnightUTC(t *testing.T) {
	var turnover Turnover
	for _, step := range []struct {
		at   string
		want [4]int64 // count and sum of the day, and of the month, before 10 are added
	}{
		{"2026-01-30T23:59:59Z", [4]int64{0, 0, 0, 0}},
		{"2026-01-30T23:59:59.9Z", [4]int64{1, 10, 1, 10}},
		{"2026-01-31T00:00:00Z", [4]int64{0, 0, 2, 20}},
		{"2026-02-01T07:59:59+08:00", [4]int64{1, 10, 3, 30}}, // still January
		{"2026-02-01T08:00:00+08:00", [4]int64{0, 0, 0, 0}},
		{"2026-01-31T12:00:00Z", [4]int64{1, 10, 1, 10}}, // a clock that was set back
		{"2026-02-28T12:00:00Z", [4]int64{0, 0, 2, 20}},
		{"2027-02-28T12:00:00Z", [4]int64{0, 0, 0, 0}}, // the same month of another year
	} {
		now := at(step.at)
		got := turnover.At(now)
		if diff := cmp.Diff(step.want, [4]int64{got.DayCount, got.DaySum, got.MonthCount, got.MonthSum}); diff != "" {
			t.Errorf("at %s (-want +got):\n%s", step.at, diff)
		}
		turnover = turnover.Add(10, now)
	}
}

func TestWhatIsGivenBackGoesToItsOwnDay(t *testing.T) {
	first, next := at("2026-01-30T23:00:00Z"), at("2026-01-31T01:00:00Z")
	both := Turnover{}.Add(10, first).Add(7, next)
	for _, tc := range []struct {
		name    string
		counted time.Time
		want    Turnover
	}{
		{"today's", next, Turnover{Day: utcDay(next), DayCount: 0, DaySum: 0, MonthCount: 1, MonthSum: 10}},
		{"yesterday's", first, Turnover{Day: utcDay(next), DayCount: 1, DaySum: 7, MonthCount: 1, MonthSum: 10}},
		{"last month's", at("2025-12-31T23:00:00Z"), both},
	} {
		if diff := cmp.Diff(tc.want, both.Take(7, tc.counted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

func TestEveryLimitIsKeptToItsLastUnit(t *testing.T) {
	now := at("2026-01-31T12:00:00Z")
	used := Turnover{Day: utcDay(now), DayCount: 2, DaySum: 200, MonthCount: 5, MonthSum: 500}
	for _, tc := range []struct {
		limit Limit
		fits  Limits
		not   Limits
	}{
		{LimitPayment, Limits{Payment: 100}, Limits{Payment: 99}},
		{LimitDayCount, Limits{DayCount: 3}, Limits{DayCount: 2}},
		{LimitDaySum, Limits{DaySum: 300}, Limits{DaySum: 299}},
		{LimitMonthCount, Limits{MonthCount: 6}, Limits{MonthCount: 5}},
		{LimitMonthSum, Limits{MonthSum: 600}, Limits{MonthSum: 599}},
	} {
		if got := tc.fits.Exceeded(used, 100, now); got != "" {
			t.Errorf("%+v: %s is exceeded", tc.fits, got)
		}
		if got := tc.not.Exceeded(used, 100, now); got != tc.limit {
			t.Errorf("%+v: %q is exceeded, want %s", tc.not, got, tc.limit)
		}
	}
	if got := (Limits{}).Exceeded(Turnover{Day: utcDay(now), DayCount: 1 << 40, DaySum: MaxTotal}, 1<<40, now); got != "" {
		t.Errorf("without limits, %s is exceeded", got)
	}
}

// However payments come and go, no sum is above what a list of them gives, nor below what of them was not given back.
func TestTurnoverNeverForgetsWhatCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, got := at("2026-01-30T12:00:00Z"), Turnover{}
		type counted struct {
			minor int64
			at    time.Time
		}
		var held []counted
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "pause")))
			if len(held) > 0 && rapid.Bool().Draw(t, "release") {
				i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
				got = got.Take(held[i].minor, held[i].at)
				held = append(held[:i], held[i+1:]...)
			} else {
				p := counted{rapid.Int64Range(1, 1000).Draw(t, "minor"), now}
				got, held = got.Add(p.minor, now), append(held, p)
			}
			var day, month int64
			for _, p := range held {
				if utcDay(p.at).Equal(utcDay(now)) {
					day += p.minor
				}
				if sameMonth(p.at, now) {
					month += p.minor
				}
			}
			if seen := got.At(now); seen.DaySum != day || seen.MonthSum != month {
				t.Fatalf("at %v: day %d, month %d; want %d, %d", now, seen.DaySum, seen.MonthSum, day, month)
			}
		}
	})
}

func TestWhatIsOnlyHeldIsNoPayment(t *testing.T) {
	first, next := at("2026-01-30T23:00:00Z"), at("2026-01-31T01:00:00Z")
	for _, tc := range []struct {
		name string
		Account
		want time.Time
	}{
		{"never", Account{}, time.Time{}},
		{"held", Account{DebitsPending: 10, Turnover: Turnover{}.Add(10, next)}, time.Time{}},
		{"given back", Account{Turnover: Turnover{}.Add(10, next).Take(10, next)}, time.Time{}},
		{"paid", Account{Turnover: Turnover{}.Add(10, next)}, utcDay(next)},
		{"paid, and held", Account{DebitsPending: 7, Turnover: Turnover{}.Add(10, next).Add(7, next)}, utcDay(next)},
		{"a payee, paid out", Account{Kind: PayeeAccount, DebitsPending: 10, Turnover: Turnover{}.Add(10, first)}, utcDay(first)},
		{"a payee, not paid yet", Account{Kind: PayeeAccount, CreditsPending: 10, Turnover: Turnover{}.Add(10, first)}, time.Time{}},
		{"paid in that month, and held", Account{DebitsPending: 7, Turnover: Turnover{}.Add(10, first).Add(7, next)}, at("2026-01-01T00:00:00Z")},
	} {
		if got := tc.LastPaid(); !got.Equal(tc.want) {
			t.Errorf("%s: it paid on %s, want %s", tc.name, got, tc.want)
		}
	}
}
