package httpapi

import (
	"errors"
	"strconv"
	"time"

	"tapline/api"
	"tapline/ledger"
	"tapline/processor"
)

// Bounds of an account report: its lines, the entries on either side of its span that are read to know its balances, and
// the entries read at once.
const (
	maxLines    = 10_000
	maxBeside   = 100_000
	entriesRead = 1000
)

// getReport is GET /v1/admin/accounts/{id}/report: an account's entries in a half-open span of time.
func (c *call) getReport() (answer, error) {
	id := ledger.AccountID(c.r.PathValue("id"))
	now := c.now()
	report := api.Report{From: time.Unix(0, 0).UTC(), Until: now.Add(time.Microsecond), Lines: []api.ReportLine{}}
	if err := c.times(&report.From, &report.Until); err != nil {
		return answer{}, err
	}
	if report.Until.Before(report.From) {
		return answer{}, refuseField("invalid_field", "until")
	}
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		rows, err := r.Load(processor.Wants{Accounts: []ledger.AccountID{id}})
		if err != nil {
			return err
		}
		if len(rows.Accounts) == 0 {
			return processor.ErrUnknownAccount
		}
		return fill(r, &report, rows.Accounts[0])
	})
	if err != nil {
		return answer{}, err
	}
	return ok(report)
}

// fill reads the entries. The balance at the end of the span is today's less what was posted since; if that is too much
// to read, the balance at its beginning is what was posted until then.
func fill(r processor.Reader, report *api.Report, account ledger.Account) error {
	report.Account = accountView(account)
	within := int64(0)
	err := eachEntry(r, account.ID, report.From, report.Until, func(e ledger.Entry) error {
		within += change(e, account.ID)
		report.Lines = append(report.Lines, lines(e, account.ID)...)
		if len(report.Lines) > maxLines {
			return errTooLong
		}
		return nil
	})
	if err != nil {
		return err
	}
	since, err := posted(r, account.ID, report.Until, time.Unix(1<<40, 0).UTC()) // later than any entry
	report.Closing = account.Balance() - since
	report.Opening = report.Closing - within
	if errors.Is(err, errTooLong) {
		report.Opening, err = posted(r, account.ID, time.Unix(0, 0).UTC(), report.From)
		report.Closing = report.Opening + within
	}
	return err
}

var errTooLong = refuse("report_too_long")

// posted is what the entries of a span do to an account's posted balance; errTooLong if they are too many to read.
func posted(r processor.Reader, id ledger.AccountID, from, until time.Time) (sum int64, err error) {
	n := 0
	err = eachEntry(r, id, from, until, func(e ledger.Entry) error {
		if n++; n > maxBeside {
			return errTooLong
		}
		sum += change(e, id)
		return nil
	})
	return sum, err
}

// eachEntry reads the entries of a span, some at a time.
func eachEntry(r processor.Reader, id ledger.AccountID, from, until time.Time, see func(ledger.Entry) error) error {
	for {
		entries, err := r.Entries(id, from, until, entriesRead)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := see(e); err != nil {
				return err
			}
		}
		if len(entries) < entriesRead {
			return nil
		}
		from = entries[len(entries)-1].At.Add(time.Microsecond) // entries of one time come together
	}
}

// change is what an entry does to an account's posted balance.
func change(e ledger.Entry, id ledger.AccountID) int64 {
	if e.Action != ledger.Post && e.Action != ledger.PostHold {
		return 0
	}
	var sum int64
	for _, l := range lines(e, id) {
		sum += l.Credit - l.Debit
	}
	return sum
}

// lines are an entry's postings from one account's side.
func lines(e ledger.Entry, id ledger.AccountID) []api.ReportLine {
	var out []api.ReportLine
	for _, p := range e.Postings {
		l := api.ReportLine{At: e.At, Entry: string(e.ID), Action: string(e.Action), Reference: e.Reference}
		switch id {
		case p.Debit:
			l.Other, l.Debit = string(p.Credit), p.Amount.Minor
		case p.Credit:
			l.Other, l.Credit = string(p.Debit), p.Amount.Minor
		default:
			continue
		}
		out = append(out, l)
	}
	return out
}

// seq is an event's or audit record's number as text.
func seq(n int64) string { return strconv.FormatInt(n, 10) }
