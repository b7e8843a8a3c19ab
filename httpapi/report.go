package httpapi

import (
	"cmp"
	"errors"
	"mime"
	"net/http"
	"strconv"
	"time"

	"tapline/api"
	"tapline/bank"
	"tapline/consent"
	"tapline/ledger"
	"tapline/money"
	"tapline/payment"
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
	return c.report(func(processor.Reader) (ledger.AccountID, error) { return ledger.AccountID(c.r.PathValue("id")), nil })
}

// getOwnReport is GET /v1/report: the same of the payee's own account in a currency, without whose the other accounts are.
func (c *call) getOwnReport() (answer, error) {
	return c.report(func(r processor.Reader) (ledger.AccountID, error) {
		rows, err := r.Load(processor.Wants{Payees: []payment.Handle{c.by.payee}})
		if err != nil {
			return "", err
		}
		if len(rows.Payees) == 0 {
			return "", processor.ErrUnknownPayee
		}
		account, ok := rows.Payees[0].In(money.Currency(cmp.Or(c.query["currency"], string(rows.Payees[0].Currency))))
		if !ok {
			return "", processor.ErrCurrency
		}
		return account, nil
	})
}

// report is an account's report in the format that is asked for.
func (c *call) report(find func(processor.Reader) (ledger.AccountID, error)) (answer, error) {
	now := c.now()
	report := api.Report{From: time.Unix(0, 0).UTC(), Until: now.Add(time.Microsecond), Lines: []api.ReportLine{}}
	if err := c.times(&report.From, &report.Until); err != nil {
		return answer{}, err
	}
	if report.Until.Before(report.From) {
		return answer{}, refuseField("invalid_field", "until")
	}
	err := c.Store.View(c.r.Context(), func(r processor.Reader) error {
		id, err := find(r)
		if err != nil {
			return err
		}
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
	if c.by.who == byPayee {
		for i := range report.Lines {
			report.Lines[i].Other = "" // a cardholder's
		}
	}
	switch c.query["format"] {
	case "csv":
		return download("text/csv; charset=utf-8", report.Account.ID+".csv", bank.CSV(report))
	case "camt.053":
		made := bank.Made{ID: "rep_" + consent.NewID(), At: now}
		return download("application/xml", report.Account.ID+".xml", bank.Camt053(report, made))
	}
	return ok(report)
}

// formats are those of a report: the parameter, and what each is.
var (
	formats     = param{name: "format", doc: "json if left out; or csv (RFC 4180), or camt.053 (ISO 20022 camt.053.001.08, booked entries only).", enum: []string{"json", "csv", "camt.053"}}
	formatTypes = []string{"text/csv", "application/xml"}
)

// download answers with a file to be kept.
func download(kind, name string, text []byte) (answer, error) {
	return answer{status: http.StatusOK, body: text, header: map[string]string{
		"Content-Type": kind, "Content-Disposition": mime.FormatMediaType("attachment", map[string]string{"filename": name}),
	}}, nil
}

// fill reads the entries. The balance at the end of the span is today's less what was posted since; if that is too much
// to read, the balance at its beginning is what was posted until then.
func fill(r processor.Reader, report *api.Report, account ledger.Account) error {
	report.Account = accountView(account)
	within := int64(0)
	err := eachEntry(r, account.ID, report.From, report.Until, func(e ledger.Entry) error {
		within += change(e, account.ID)
		added := lines(e, account.ID)
		if account.Kind == ledger.PayeeAccount {
			for i := range added {
				added[i].Fee = taken(e)
			}
		}
		report.Lines = append(report.Lines, added...)
		if len(report.Lines) > maxLines {
			return errTooLong
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := bornFees(r, report.Lines); err != nil {
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
