package payment

import (
	"strings"
	"time"

	"tapline/ledger"
)

// Rules are what a cardholder wants of the card's payments. They make nothing possible that the operator's policy does not allow.
type Rules struct {
	Limits ledger.Limits `json:"limits,omitzero"` // besides the operator's: the stricter counts
	Night  Night         `json:"night,omitzero"`
	// KnownPayees is the greatest payment, in minor units, to a payee that the card has paid before, for which the holder's
	// level does not count, on the associated device. The operator's policy does.
	KnownPayees int64 `json:"known_payees,omitempty"`
}

// Night is when the card does not pay: from one minute of the day until another, by the clocks of a time zone. It may go over
// midnight. The zero value is never.
type Night struct {
	From  int    `json:"from"`
	Until int    `json:"until"`
	Zone  string `json:"zone"` // of the IANA time zone database
}

// At reports whether a time, in the night's own zone, is in the night.
func (n Night) At(local time.Time) bool {
	minute := local.Hour()*60 + local.Minute()
	if n.From <= n.Until {
		return n.From <= minute && minute < n.Until
	}
	return minute >= n.From || minute < n.Until
}

// Whose limit it is that a payment exceeds.
const (
	LimitOfCard  = "card"  // the operator's, for the card
	LimitOfOwner = "own"   // the cardholder's
	LimitOfPayee = "payee" // the operator's, for the payee
)

// OwnNight is the cardholder's rule that the card does not pay at night.
const OwnNight ledger.Limit = "night"

// Exceeding is the reason of a payment that exceeds a limit. LimitExceeded is all of it that others than the card's own device
// and operators are told: see Told.
func Exceeding(whose string, l ledger.Limit) Reason {
	return LimitExceeded + Reason("/"+whose+"_"+string(l))
}

// Told is the reason without the limit that was exceeded.
func (r Reason) Told() Reason {
	told, _, _ := strings.Cut(string(r), "/")
	return Reason(told)
}

// Limit names the limit that was exceeded, such as card_day_sum; it is empty where there is none, or no name of it.
func (r Reason) Limit() string {
	_, limit, _ := strings.Cut(string(r), "/")
	return limit
}

// HeldAt is when the money of a payment that holds any was set aside.
func (p Payment) HeldAt() time.Time {
	if p.NeedsSecond() {
		return p.ConfirmedAt
	}
	return p.UndoableAt
}
