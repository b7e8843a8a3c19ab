package main

import (
	"fmt"
	"strconv"
	"time"

	"tapline/api"
	"tapline/money"
)

// closeCmd closes days.
type closeCmd struct {
	operatorFlags
	writeFlags
	Day  string `arg:"" optional:"" placeholder:"DAY" help:"The UTC day, such as 2026-01-31. Without it, all days that are over and open are closed, in their order."`
	List bool   `help:"List the closed days, and the one that is open, instead."`
	jsonFlag
}

// Help says what closing is.
func (*closeCmd) Help() string {
	return `Sums up the entries of a day by kind of account and currency, sees that the books balance, and keeps that for ever, with who
closed it and why. A closed day does not change: entries that come later belong to the next day. Days are closed in their
order; one without entries may be left out. Today can be closed, too; what is entered after that is tomorrow's.`
}

// Run closes the day, or days.
func (cmd *closeCmd) Run(a *app) error {
	client, err := cmd.client(a)
	if err != nil {
		return err
	}
	if cmd.List {
		return cmd.list(a, func(after string) (api.ClosedDays, error) { return client.ClosedDays(a.ctx, after) })
	}
	if cmd.Day != "" {
		if _, err := time.Parse(time.DateOnly, cmd.Day); err != nil {
			return &usageError{cmd.Day + ": not a day", "write it like 2026-01-31"}
		}
		return cmd.once(a, func(a *app) error {
			day, err := client.CloseDay(a.ctx, cmd.Day, cmd.Note)
			if err != nil {
				return err
			}
			return cmd.tell(a, day)
		})
	}
	closed := 0
	for ; ; closed++ {
		list, err := client.ClosedDays(a.ctx, "")
		if err != nil {
			return err
		}
		if list.Open == "" || list.Open >= a.now().UTC().Format(time.DateOnly) {
			break
		}
		day, err := client.CloseDay(a.ctx, list.Open, cmd.Note)
		if err != nil {
			return withHint(fmt.Errorf("closing %s: %w", list.Open, err), hintFor(err))
		}
		if err := cmd.tell(a, day); err != nil {
			return err
		}
	}
	if closed == 0 && !cmd.JSON {
		a.say("No day that is over is open.")
	}
	return nil
}

func (cmd *closeCmd) tell(a *app, d api.ClosedDay) error {
	if cmd.JSON {
		return a.printJSON(d)
	}
	var rows [][]string
	for _, t := range d.Totals {
		in := func(minor int64) string { return money.FormatMinor(minor, t.Currency) }
		rows = append(rows, []string{t.Kind, string(t.Currency), in(t.Opening), in(t.Debits), in(t.Credits), in(t.Closing), in(t.HeldDebits)})
	}
	if err := a.list(false, nil, []string{"KIND", "CURRENCY", "OPENING", "DEBITS", "CREDITS", "CLOSING", "HELD"}, rows); err != nil {
		return err
	}
	for _, b := range d.TrialBalance {
		if err := a.print("trial balance  %s %s", money.FormatMinor(b.Sum, b.Currency), b.Currency); err != nil {
			return err
		}
	}
	return a.print("%s is closed: %d entries, %d to %d", d.Day, d.Entries, d.After+1, d.Last)
}

func (cmd *closeCmd) list(a *app, page func(after string) (api.ClosedDays, error)) error {
	all := api.ClosedDays{Days: []api.ClosedDay{}}
	for after := ""; ; {
		list, err := page(after)
		if err != nil {
			return err
		}
		all.Days, all.Open = append(all.Days, list.Days...), list.Open
		if list.Next == "" || list.Next == after {
			break
		}
		after = list.Next
	}
	rows := [][]string{}
	if all.Open != "" {
		rows = append(rows, []string{all.Open, "open", "", "", "", ""})
	}
	for _, d := range all.Days {
		rows = append(rows, []string{d.Day, "closed", strconv.FormatInt(d.Entries, 10), when(d.ClosedAt), d.ClosedBy, d.Note})
	}
	return a.list(cmd.JSON, all, []string{"DAY", "STATE", "ENTRIES", "CLOSED", "BY", "NOTE"}, rows)
}
