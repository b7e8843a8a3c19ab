package api

import (
	"time"

	"tapline/money"
)

// ClosedDay is a UTC day whose books are closed, for ever.
type ClosedDay struct {
	Day          string         `json:"day" doc:"Such as 2026-03-01, UTC."`
	Previous     string         `json:"previous,omitempty" doc:"The day that was closed before it."`
	After        int64          `json:"after" doc:"Its entries have numbers above this one,"`
	Last         int64          `json:"last" doc:"and not above this one."`
	Entries      int64          `json:"entries" doc:"How many there are."`
	Totals       []DayTotal     `json:"totals"`
	TrialBalance []TrialBalance `json:"trial_balance"`
	ClosedBy     string         `json:"closed_by"`
	ClosedAt     time.Time      `json:"closed_at"`
	Note         string         `json:"note,omitempty"`
}

// DayTotal is what the accounts of a kind and currency have together, in minor units. Balances are posted credits less
// debits.
type DayTotal struct {
	Kind        string         `json:"kind" enum:"card,payee,fees,issuance"`
	Currency    money.Currency `json:"currency"`
	Opening     int64          `json:"opening"`
	Debits      int64          `json:"debits" doc:"Posted in the day."`
	Credits     int64          `json:"credits"`
	Closing     int64          `json:"closing"`
	HeldDebits  int64          `json:"held_debits" doc:"Pending at its end."`
	HeldCredits int64          `json:"held_credits"`
}

// TrialBalance is the sum of all closing balances of a currency: zero.
type TrialBalance struct {
	Currency money.Currency `json:"currency"`
	Sum      int64          `json:"sum"`
}

// ClosedDays is a list of closed days, newest first.
type ClosedDays struct {
	Days []ClosedDay `json:"days"`
	Open string      `json:"open,omitempty" doc:"The day that is to be closed next, if there are entries since the last one."`
	Next string      `json:"next,omitempty"`
}
