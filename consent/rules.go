package consent

import (
	"fmt"
	"time"

	"tapline/money"
)

// SpendingLimits bound payments, in minor units: each of them, and all of a UTC day and of a UTC month, by number and by sum.
// 0 is no limit.
type SpendingLimits struct {
	Payment    int64 `json:"payment,omitempty" doc:"The greatest payment, in minor units; 0 or left out for no limit, here and below."`
	DayCount   int64 `json:"day_count,omitempty" doc:"How many payments in a UTC day."`
	DaySum     int64 `json:"day_sum,omitempty" doc:"The sum of payments in a UTC day, in minor units."`
	MonthCount int64 `json:"month_count,omitempty" doc:"How many payments in a UTC month."`
	MonthSum   int64 `json:"month_sum,omitempty" doc:"The sum of payments in a UTC month, in minor units."`
}

// Check reports ErrInvalid, with the field after the path, unless every limit is one that can be kept.
func (l SpendingLimits) Check(path string) error {
	for field, n := range map[string]int64{
		"payment": l.Payment, "day_count": l.DayCount, "day_sum": l.DaySum, "month_count": l.MonthCount, "month_sum": l.MonthSum,
	} {
		if n < 0 || n > money.MaxMinor {
			return ErrInvalid.at(path + field)
		}
	}
	return nil
}

// Night is when the card does not pay, by the clocks of a time zone. It may go over midnight.
type Night struct {
	From  string `json:"from" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Hour and minute, such as 22:00."`
	Until string `json:"until" pattern:"^([01][0-9]|2[0-3]):[0-5][0-9]$" doc:"Hour and minute; from then on it pays."`
	Zone  string `json:"zone" maxLength:"64" doc:"Of the IANA time zone database, such as Asia/Shanghai."`
}

// Minutes are both ends as minutes of the day.
func (n Night) Minutes() (from, until int, err error) {
	var minutes [2]int
	for i, end := range []string{n.From, n.Until} {
		t, err := time.Parse("15:04", end)
		if err != nil || len(end) != len("15:04") {
			return 0, 0, ErrInvalid.at("rules.night")
		}
		minutes[i] = t.Hour()*60 + t.Minute()
	}
	return minutes[0], minutes[1], nil
}

// ClockTime is a minute of the day as text, such as 22:00.
func ClockTime(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }

// check looks at form, and whether there is such a time zone. An empty night would be none, or all day: nobody could tell.
func (n Night) check() error {
	if _, _, err := n.Minutes(); err != nil {
		return err
	}
	if n.From == n.Until {
		return ErrInvalid.at("rules.night.until")
	}
	if _, err := time.LoadLocation(n.Zone); err != nil || n.Zone == "" || n.Zone == "Local" || len(n.Zone) > 64 {
		return ErrInvalid.at("rules.night.zone")
	}
	return nil
}

// SpendingRules are a cardholder's, for all payments with the card. They ask for more than the operator does, or for less than the
// cardholder otherwise wants, never for less than the operator does.
type SpendingRules struct {
	Limits      SpendingLimits `json:"limits,omitzero" doc:"Besides the operator's: the stricter counts."`
	Night       *Night         `json:"night,omitempty" doc:"When the card does not pay; left out for never."`
	KnownPayees int64          `json:"known_payees,omitempty" doc:"The greatest payment, in minor units, to a payee that the card has paid before, for which the level does not count on the associated device: the operator's policy decides."`
}

// Check reports ErrInvalid unless the rules can be kept.
func (r SpendingRules) Check() error {
	if r.KnownPayees < 0 || r.KnownPayees > money.MaxMinor {
		return ErrInvalid.at("rules.known_payees")
	}
	if r.Night != nil {
		if err := r.Night.check(); err != nil {
			return err
		}
	}
	return r.Limits.Check("rules.limits.")
}
