// Package bank reads and writes what banks and their customers exchange: an account's report as ISO 20022 camt.053 or as
// CSV, a bank's statement as either of them, and what in such a statement does not agree with the books.
package bank

import (
	"bytes"
	"encoding/csv"
	"strings"
	"time"

	"tapline/api"
	"tapline/money"
)

// booked reports whether a line of a report changes the posted balance. What is only held or released is not booked.
func booked(l api.ReportLine) bool { return l.Action == "post" || l.Action == "post_hold" }

// CSV is a report as comma-separated values (RFC 4180) in UTF-8: the opening balance, a row for each line, and the
// closing balance. Amounts are in the account's currency, with its decimals. What is held or released is there, too, and
// leaves the balance as it is. A fee is what the operator took of a payment besides what is credited of it.
func CSV(r api.Report) []byte {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.UseCRLF = true // RFC 4180 §2.1
	currency := r.Account.Currency
	in := func(minor int64) string { return money.FormatMinor(minor, currency) }
	unless0 := func(minor int64) string {
		if minor == 0 {
			return ""
		}
		return in(minor)
	}
	row := func(cells ...string) { _ = w.Write(cells) } // a buffer takes everything
	row("time", "action", "entry", "reference", "other_account", "debit", "credit", "balance", "currency", "fee")
	row(r.From.UTC().Format(time.RFC3339Nano), "opening", "", "", "", "", "", in(r.Opening), string(currency), "")
	balance := r.Opening
	for _, l := range r.Lines {
		if booked(l) {
			balance += l.Credit - l.Debit
		}
		row(l.At.UTC().Format(time.RFC3339Nano), l.Action, l.Entry, l.Reference, l.Other, unless0(l.Debit), unless0(l.Credit),
			in(balance), string(currency), unless0(l.Fee))
	}
	row(r.Until.UTC().Format(time.RFC3339Nano), "closing", "", "", "", "", "", in(r.Closing), string(currency), "")
	w.Flush()
	return b.Bytes()
}

// Line is one movement on the account at a bank.
type Line struct {
	Date      time.Time    // of booking: a day
	Amount    money.Amount // without a sign
	In        bool         // whether money came in
	Reference string       // the bank's or the sender's reference, as it is told
	Text      string       // everything else that is told of it
}

// Statement is what a bank tells of an account.
type Statement struct {
	From, Until time.Time // days; From is the first, and Until the day after the last
	Lines       []Line
}

// span sets the days of a statement that does not tell them: from its first line to its last.
func (s *Statement) span() {
	for _, l := range s.Lines {
		if s.From.IsZero() || l.Date.Before(s.From) {
			s.From = l.Date
		}
		if next := l.Date.AddDate(0, 0, 1); next.After(s.Until) {
			s.Until = next
		}
	}
}

// day is the day of a time, as it is written.
func day(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
}

// joined is the texts that are not empty, in order, each once.
func joined(texts ...string) string {
	var out []string
	seen := map[string]bool{"": true}
	for _, t := range texts {
		if t = strings.TrimSpace(t); !seen[t] {
			seen[t] = true
			out = append(out, t)
		}
	}
	return strings.Join(out, " ")
}
