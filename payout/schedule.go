package payout

import (
	"errors"
	"time"
)

// Every is how often a payee is paid out. Empty for only when somebody asks.
type Every string

// Kinds of schedules.
const (
	Daily   Every = "daily"
	Weekly  Every = "weekly"
	Monthly Every = "monthly"
)

// Schedule says when a payee's money is paid out, and how much of it. Times are UTC.
type Schedule struct {
	Every  Every `json:"every,omitempty"`
	Day    int   `json:"day,omitempty"`    // 1 (Monday) to 7 of weekly ones, 1 to 28 of monthly ones
	Minute int   `json:"minute,omitempty"` // of the day
	Least  int64 `json:"least,omitempty"`  // minor units: less is left for the next time
	Keep   int64 `json:"keep,omitempty"`   // minor units that stay on the account, for refunds
}

// ErrSchedule means that a schedule cannot be kept.
var ErrSchedule = errors.New("not a schedule: daily; weekly on day 1 to 7; or monthly on day 1 to 28")

// Check reports ErrSchedule for what cannot be kept.
func (s Schedule) Check() error {
	last := map[Every]int{"": 0, Daily: 0, Weekly: 7, Monthly: 28}
	most, known := last[s.Every]
	if !known || s.Day > most || most > 0 && s.Day < 1 || most == 0 && s.Day != 0 || s.Minute < 0 || s.Minute >= 24*60 || s.Least < 0 || s.Keep < 0 {
		return ErrSchedule
	}
	return nil
}

// Next is the first time of the schedule after a time; zero if there is none.
func (s Schedule) Next(after time.Time) time.Time {
	after = after.UTC()
	at := time.Date(after.Year(), after.Month(), after.Day(), 0, s.Minute, 0, 0, time.UTC)
	for range 32 {
		fits := s.Every == Daily ||
			s.Every == Weekly && (int(at.Weekday())+6)%7+1 == s.Day || // ISO 8601: Monday is day 1
			s.Every == Monthly && at.Day() == s.Day
		if fits && at.After(after) {
			return at
		}
		at = at.AddDate(0, 0, 1)
	}
	return time.Time{}
}

// Due is how much of what is available is paid out by the schedule, in minor units; 0 for nothing.
func (s Schedule) Due(available int64) int64 {
	minor := available - s.Keep
	if minor <= 0 || minor < s.Least {
		return 0
	}
	return minor
}
