package httpapi

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tapline/api"
	"tapline/ledger"
	"tapline/money"
	"tapline/processor"
)

// years are a reader of more entries than a test can write: of 1 each, so many a second from 1970 on.
type years struct {
	processor.Reader
	before, since int // entries per second until and from the middle
	read          int
}

const yearsMiddle = 1_000_000 // seconds

func (y *years) Entries(id ledger.AccountID, from, until time.Time, limit int) (all []ledger.Entry, _ error) {
	for at := from; at.Before(until) && len(all) < limit && at.Unix() < 2*yearsMiddle; at = at.Truncate(time.Second).Add(time.Second) {
		n := y.before
		if at.Unix() >= yearsMiddle {
			n = y.since
		}
		for range n {
			all = append(all, ledger.Entry{Action: ledger.Post, At: at, Postings: []ledger.Posting{
				{Debit: "issuance", Credit: id, Amount: money.Amount{Minor: 1, Currency: payeeCurrency}},
			}})
		}
	}
	y.read += len(all)
	return all, nil
}

func TestReportsReadNoMoreThanTheyMay(t *testing.T) {
	middle := time.Unix(yearsMiddle, 0).UTC()
	for name, tc := range map[string]struct {
		reader      years
		from, until time.Time
		err         string
	}{
		"near the end":       {years{before: 1}, middle.Add(-10 * time.Second), middle, ""},
		"near the beginning": {years{before: 1, since: 1}, time.Unix(100, 0), time.Unix(110, 0), ""},
		"far from both":      {years{before: 1, since: 1}, middle, middle.Add(10 * time.Second), "report_too_long"},
		"long":               {years{before: 1, since: 1}, middle, middle.Add(maxLines * 2 * time.Second), "report_too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			report := api.Report{From: tc.from, Until: tc.until}
			account := ledger.Account{ID: "a", Kind: ledger.PayeeAccount, CreditsPosted: yearsMiddle * int64(tc.reader.before+tc.reader.since)}
			err := fill(&tc.reader, &report, account)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if text != tc.err {
				t.Fatalf("err %v, want %q", err, tc.err)
			}
			if most := maxLines + 2*maxBeside + 4*entriesRead; tc.reader.read > most {
				t.Errorf("%d entries were read, at most %d", tc.reader.read, most)
			}
			if tc.err != "" {
				return
			}
			want := []int64{tc.from.Unix(), tc.until.Unix(), 10}
			if diff := cmp.Diff(want, []int64{report.Opening, report.Closing, int64(len(report.Lines))}); diff != "" {
				t.Errorf("opening, closing, lines (-want +got):\n%s", diff)
			}
		})
	}
}
