package httpapi

import (
	"net/http"
	"time"

	"tapline/api"
	"tapline/processor"
)

// dayEnd is the end of a UTC day that is not in the future, and no time after now.
func dayEnd(day string, now time.Time) (time.Time, error) {
	begin, err := time.Parse(time.DateOnly, day)
	if err != nil || begin.After(now) {
		return time.Time{}, refuseField("invalid_field", "day")
	}
	return begin.AddDate(0, 0, 1), nil
}

// lastClosed is the last day that was closed; zero if none is.
func lastClosed(r processor.Reader) (d processor.ClosedDay, err error) {
	rows, err := r.List(processor.ListQuery{Table: "closed_days", Limit: 1})
	if err == nil && len(rows.ClosedDays) > 0 {
		d = rows.ClosedDays[0]
	}
	return d, err
}

// closeDay is POST /v1/admin/days/{day}/close. The books are summed up over a snapshot, and the day is closed if it is
// still the next one then: entries that come meanwhile have later numbers, and are another day's.
func (c *call) closeDay() (answer, error) {
	var in api.Noted
	who, err := c.noted(&in)
	if err != nil {
		return answer{}, err
	}
	command := &processor.CloseDay{Operated: who}
	err = c.Store.View(c.r.Context(), func(r processor.Reader) (err error) {
		command.Day, err = summed(r, c.r.PathValue("day"), c.now())
		return err
	})
	if err != nil {
		// Whoever repeats the request is told what it was told before.
		command = &processor.CloseDay{Operated: who, Refused: err, Day: processor.ClosedDay{Day: c.r.PathValue("day")}}
	}
	a, err := c.operate(in, command, func(time.Time) (int, []byte) {
		return http.StatusCreated, encode(closedDayView(command.Day))
	})
	if err == nil && !a.replayed {
		c.sealNow()
	}
	return a, err
}

// summed is a day as it can be closed now.
func summed(r processor.Reader, day string, now time.Time) (d processor.ClosedDay, err error) {
	end, err := dayEnd(day, now)
	if err != nil {
		return d, err
	}
	previous, err := lastClosed(r)
	if err != nil {
		return d, err
	}
	if day <= previous.Day {
		return d, processor.ErrDayClosed
	}
	span, err := r.Span(previous.Last, end)
	if err != nil {
		return d, err
	}
	if open := processor.OpenDay(previous, span); open != "" && open < day {
		return d, processor.ErrDayOrder
	}
	return processor.Close(day, previous, span)
}

// listDays is GET /v1/admin/days.
func (c *call) listDays() (answer, error) {
	list := api.ClosedDays{Days: []api.ClosedDay{}}
	if err := c.cursorOfID(); err != nil {
		return answer{}, err
	}
	limit := int(c.number("limit", defaultPage))
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.List(processor.ListQuery{Table: "closed_days", After: c.query["before"], Limit: limit})
		if err != nil {
			return err
		}
		for _, d := range rows.ClosedDays {
			list.Days = append(list.Days, closedDayView(d))
		}
		list.Next = after(rows.ClosedDays, limit, func(d processor.ClosedDay) string { return d.Day })
		last, err := lastClosed(r)
		if err != nil {
			return err
		}
		span, err := r.Span(last.Last, time.Unix(0, 0)) // no entry is as old: only the first one is looked for
		list.Open = processor.OpenDay(last, span)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	return ok(list)
}

func closedDayView(d processor.ClosedDay) api.ClosedDay {
	v := api.ClosedDay{
		Day: d.Day, Previous: d.Previous, After: d.After, Last: d.Last, Entries: d.Entries, ClosedBy: string(d.By), Note: d.Note,
		ClosedAt: d.At, Totals: []api.DayTotal{}, TrialBalance: []api.TrialBalance{},
	}
	for _, t := range d.Totals {
		v.Totals = append(v.Totals, api.DayTotal{
			Kind: string(t.Kind), Currency: t.Currency, Opening: t.Opening, Debits: t.Debits, Credits: t.Credits, Closing: t.Closing,
			HeldDebits: t.HeldDebits, HeldCredits: t.HeldCredits,
		})
		i := 0
		for i < len(v.TrialBalance) && v.TrialBalance[i].Currency != t.Currency {
			i++
		}
		if i == len(v.TrialBalance) {
			v.TrialBalance = append(v.TrialBalance, api.TrialBalance{Currency: t.Currency})
		}
		v.TrialBalance[i].Sum += t.Closing
	}
	return v
}
